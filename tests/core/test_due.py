"""When something is due, what holds it then, and what an edit does to that."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from sequencer.core import events as e
from sequencer.core.decide import decide, evolve, fold
from sequencer.core.decisions import Decision, Facts, Held, SendEmail, Skip, Wait
from sequencer.core.due import EDIT_SPREAD, FRESH_FOR
from sequencer.core.model import MAIN_LINE, Enrollment, Position, Sequence, Span, Unit
from sequencer.core.shifts import reasons_of
from sequencer.core.timing import Due, next_allowed
from sequencer.core.when import parse_when
from tests.core.plans import ANY_TIME, CARLA, MONDAY, OFFICE, QUOTE, email, enrolled, sent_by, started

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
ONLY = replace(QUOTE, lines={MAIN_LINE: (email("only", "1 day later", expires=Span(2, Unit.DAYS)),)})


def ask(en: Enrollment, now: datetime, plan: Sequence = QUOTE, **more: object) -> Decision:
    facts = replace(Facts(CARLA, ANY_TIME, inbox_read_at=now), **more)  # type: ignore[arg-type]
    return decide(plan, en, facts, now)


def edited(when: str) -> Sequence:
    """The plan with another wait before its second step."""
    thanks, article, *others = QUOTE.steps
    return replace(
        QUOTE,
        version="v2",
        lines={**QUOTE.lines, MAIN_LINE: (thanks, replace(article, when=parse_when(when)), *others)},
    )


# Hours and the inbox ------------------------------------------------------------------------------


def test_a_late_daemon_holds_until_the_hours() -> None:
    tuesday_night = MONDAY + DAY + 13 * HOUR  # ten in the evening in Denver
    held = ask(enrolled(), tuesday_night, calendar=OFFICE)
    assert isinstance(held, Held)
    assert reasons_of(held.shifts) == (held.reason,)
    assert replace(held, shifts=()) == Held(
        "outside Mon-Fri 08:30-17:00",
        datetime.fromisoformat("2026-03-04T15:30:00+00:00"),
        "thanks",
        MONDAY + DAY,
    )


def test_whoever_was_held_over_the_weekend_is_there_when_it_ends() -> None:
    """With a spread of their own, those who are due the shortest might come first, and use up what the day allows."""
    saturday = MONDAY + 5 * DAY
    for number in range(1, 60):
        held = ask(replace(enrolled(), id=number), saturday, calendar=OFFICE, spread=HOUR)
        assert isinstance(held, Held)
        assert held.reason == "Saturday, Sunday"
        assert held.until is not None
        assert next_allowed(held.until, OFFICE) == Due(held.until)
        assert held.until == datetime.fromisoformat("2026-03-09T14:30:00+00:00")
        assert held.due_at is not None
        assert held.due_at < saturday


def test_an_old_reading_of_the_inbox_does_not_count() -> None:
    read_at = MONDAY + DAY + HOUR
    assert isinstance(ask(enrolled(), read_at + FRESH_FOR, inbox_read_at=read_at), SendEmail)
    held = ask(enrolled(), read_at + FRESH_FOR + timedelta(seconds=1), inbox_read_at=read_at)
    assert isinstance(held, Held)
    assert held.reason == "the inbox was last read to its end too long ago"


# Snoozes, pauses, expiry --------------------------------------------------------------------------


def test_a_named_step_is_due_when_somebody_resumes_early() -> None:
    to = Position(MAIN_LINE, "last")
    snoozed = e.Snoozed(at=MONDAY + 2 * DAY, until=MONDAY + 60 * DAY, reason="", to=to, returns=())
    en = fold(sent_by(QUOTE, enrolled(), MONDAY + DAY), (snoozed, e.Resumed(at=MONDAY + 3 * DAY, by="mark")))
    decision = ask(en, MONDAY + 3 * DAY)
    assert isinstance(decision, SendEmail)
    assert decision.step == "last"
    again = fold(en, (e.Paused(at=MONDAY + 4 * DAY, reason=""), e.Resumed(at=MONDAY + 9 * DAY)))
    assert isinstance(ask(again, MONDAY + 9 * DAY), SendEmail)


def test_a_deferral_does_not_renew_the_time_of_a_step_that_expires() -> None:
    deferred = e.Deferred(at=MONDAY + DAY, step="only", code=451, answer="", retry_at=MONDAY + 4 * DAY)
    en = fold(enrolled(ONLY), (started("only", MONDAY + DAY), deferred))
    assert isinstance(ask(en, MONDAY + 2 * DAY, ONLY), Wait)
    assert isinstance(ask(en, MONDAY + 4 * DAY, ONLY), Skip)


def test_the_gap_between_two_touches_does_not_renew_it_either() -> None:
    more = {"min_gap": Span(4, Unit.DAYS), "last_touch_to_contact": MONDAY}
    assert isinstance(ask(enrolled(ONLY), MONDAY + DAY, ONLY, **more), Wait)
    assert isinstance(ask(enrolled(ONLY), MONDAY + 4 * DAY, ONLY, **more), Skip)


def test_a_pause_renews_it() -> None:
    en = fold(enrolled(ONLY), (e.Paused(at=MONDAY, reason=""), e.Resumed(at=MONDAY + 30 * DAY)))
    assert isinstance(ask(en, MONDAY + 32 * DAY, ONLY), SendEmail)
    assert isinstance(ask(en, MONDAY + 32 * DAY + timedelta(seconds=1), ONLY), Skip)


# What an edit makes due ---------------------------------------------------------------------------


def test_what_an_edit_makes_due_is_spread_over_the_hours() -> None:
    sent = sent_by(QUOTE, enrolled(), MONDAY + DAY)
    now = MONDAY + 2 * DAY + 6 * HOUR  # Wednesday, three in the afternoon
    hours: dict[tuple[int, int], int] = {}
    for number in range(1, 801):
        more = {"calendar": OFFICE, "earlier": QUOTE, "edited_at": now}
        decision = ask(replace(sent, id=number), now, edited("1 hour later"), **more)
        assert isinstance(decision, Wait)
        assert decision.until is not None
        assert decision.shifts == ("the sequence was edited: what that made due is spread over a day",)
        assert next_allowed(decision.until, OFFICE) == Due(decision.until)
        local = decision.until.astimezone(OFFICE.zone)
        hours[local.day, local.hour] = hours.get((local.day, local.hour), 0) + 1
    fair = 800 / (EDIT_SPREAD / HOUR)
    assert max(hours.values()) < 1.4 * fair
    assert {day for day, _ in hours} == {4, 5}


def test_an_edit_at_night_before_a_holiday_spreads_over_the_next_days_that_allow() -> None:
    holidays = {(MONDAY + 2 * DAY).date(): "A day off"}
    calendar = replace(OFFICE, holidays=holidays)
    now = MONDAY + DAY + 12 * HOUR  # Tuesday, nine in the evening
    sent = sent_by(QUOTE, enrolled(), MONDAY + DAY)
    for number in range(1, 200):
        more = {"calendar": calendar, "earlier": QUOTE, "edited_at": now}
        decision = ask(replace(sent, id=number), now, edited("1 hour later"), **more)
        assert isinstance(decision, Wait)
        assert decision.until is not None
        assert decision.until.astimezone(OFFICE.zone).date() == (MONDAY + 3 * DAY).date()


def test_what_was_due_before_the_edit_is_not_put_off_by_it() -> None:
    sent = sent_by(QUOTE, enrolled(), MONDAY + DAY)
    now = MONDAY + 30 * DAY
    assert isinstance(ask(sent, now, edited("4 days later"), earlier=QUOTE, edited_at=now), SendEmail)


def test_nor_is_what_a_snooze_had_made_due() -> None:
    to = Position(MAIN_LINE, "last")
    snoozed = e.Snoozed(at=MONDAY, until=MONDAY + 2 * DAY, reason="", to=to, returns=())
    en = evolve(evolve(enrolled(), snoozed, "v1"), e.Resumed(at=MONDAY + 2 * DAY), "v1")
    now = MONDAY + 3 * DAY  # four days later by any file would be tomorrow
    assert isinstance(ask(en, now, edited("1 hour later"), earlier=QUOTE, edited_at=now), SendEmail)
