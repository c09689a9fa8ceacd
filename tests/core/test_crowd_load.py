"""What a crowd comes to, counted again by hand; invented people; the advice."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from sequencer.core.hours import parse_hours
from sequencer.core.model import Span, Unit
from sequencer.core.pace import DAY, Limits
from sequencer.core.timing import Calendar
from sequencer.workspace.crowd import Entrant, Journey, play_crowd
from sequencer.workspace.crowd_advice import advice, capacity, lasting
from sequencer.workspace.crowd_load import Load, load_of
from sequencer.workspace.crowd_people import ANSWERS, answers, entering, invent
from sequencer.workspace.simulate import Assumptions, Said
from tests.core.plans import CARLA, MONDAY, OFFICE, QUOTE

DENVER = ZoneInfo("America/Denver")
TAKEN = Assumptions(min_gap=Span(2, Unit.DAYS), spread=timedelta(minutes=30))
SLOW = Limits(per_day=10)


def crowd(count: int, *, enters: datetime = MONDAY, share: float = 0.0, zones: tuple[str, ...] = ()) -> list[Entrant]:
    people = invent(CARLA, count, 3, zones)
    return [
        Entrant(
            one,
            enters,
            "mark",
            Calendar(ZoneInfo(one.timezone), OFFICE.hours),
            replies=answers(QUOTE, one.id, 3, share),
        )
        for one in people
    ]


def played(people: list[Entrant], limits: Limits, until: datetime | None = None) -> tuple[tuple[Journey, ...], Load]:
    began = {"mark": MONDAY - 100 * DAY}
    journeys = play_crowd(QUOTE, people, {"mark": limits}, assumptions=replace(TAKEN, until=until), began=began)
    return journeys, load_of(journeys, {"mark": limits}, DENVER, began)


# The people -----------------------------------------------------------------------------------------


def test_the_same_seed_invents_the_same_people_and_more_change_nothing_before_them() -> None:
    few, many = list(invent(CARLA, 20, 1)), list(invent(CARLA, 1000, 1))
    assert many[:20] == few
    assert list(invent(CARLA, 20, 2)) != few
    assert len({one.email for one in many}) == 1000
    phones = sum("phone" in one.fields for one in many)
    assert 600 < phones < 733
    ratings = Counter(one.fields["rating"] for one in many)
    assert 450 < ratings["B"] < 550
    assert set(ratings) == {"A", "B", "C"}


def test_people_in_several_zones_and_with_dates_of_their_own() -> None:
    sample = replace(CARLA, fields={**CARLA.fields, "renewal_date": date(2026, 6, 1)})
    people = list(invent(sample, 300, 1, ("Europe/Berlin", "Asia/Tokyo")))
    assert Counter(one.timezone for one in people) == {"Europe/Berlin": 150, "Asia/Tokyo": 150}
    dates = [day for one in people if isinstance(day := one.fields["renewal_date"], date)]
    assert len(dates) == 300
    assert min(dates) >= date(2026, 5, 2)
    assert max(dates) <= date(2026, 7, 1)
    assert len(set(dates)) > 30


def test_they_enter_all_at_once_or_so_many_a_working_day() -> None:
    holidays = {date(2026, 3, 4): "A day off"}
    calendar = Calendar(DENVER, holidays=holidays)
    assert set(entering(5, MONDAY, None, calendar)) == {MONDAY}
    days = Counter(at.astimezone(DENVER).date() for at in entering(7, MONDAY, 2, calendar))
    assert days == {date(2026, 3, 2): 2, date(2026, 3, 3): 2, date(2026, 3, 5): 2, date(2026, 3, 6): 1}
    over_the_change = list(entering(12, MONDAY, 2, calendar))  # the clocks change on 8 March
    assert {at.astimezone(DENVER).hour for at in over_the_change} == {9}


def test_so_large_a_share_answers_each_once() -> None:
    said = [answers(QUOTE, number, 1, 0.2) for number in range(1, 2001)]
    replies = [reply for each in said for reply in each]
    assert 340 < len(replies) < 460
    assert max(len(each) for each in said) == 1
    assert {reply.step for reply in replies} == {"thanks", "article", "last", "back_off"}
    kinds = Counter(reply.said.heard.kind for reply in replies if isinstance(reply.said, Said))
    assert set(kinds) == set(ANSWERS)
    assert kinds.most_common(1)[0][0] in ("interested", "question", "reply")
    quick = sum(reply.delay.amount <= 480 for reply in replies)
    assert 0.4 < quick / len(replies) < 0.6
    assert all(reply.delay.amount <= 21 * 1440 for reply in replies)
    assert answers(QUOTE, 1, 1, 0.0) == ()
    assert answers(QUOTE, 1, 1, 1.0) != ()


# The load -------------------------------------------------------------------------------------------


@given(
    count=st.integers(1, 40),
    per_day=st.none() | st.integers(1, 12),
    share=st.sampled_from([0.0, 0.3]),
    days=st.none() | st.integers(1, 40),
)
@settings(max_examples=40, deadline=None, phases=(Phase.generate,))
def test_the_days_add_up(count: int, per_day: int | None, share: float, days: int | None) -> None:
    until = None if days is None else MONDAY + days * DAY
    journeys, load = played(crowd(count, share=share), Limits(per_day=per_day), until)
    (mailbox,) = load.mailboxes
    rows = [row for journey in journeys for row in journey.rows]
    mails = [row for row in rows if row.action in ("email", "back_off")]
    assert sum(day.sent for day in mailbox.days) == mailbox.mails == len(mails)
    assert all(day.limit == per_day and (per_day is None or day.sent <= per_day) for day in mailbox.days)
    assert [day.day for day in mailbox.days] == sorted({day.day for day in mailbox.days})
    assert sum(load.ends.values()) == load.people == count
    assert sum(day.total for day in load.rep) == sum(row.action in ("task", "text") for row in rows)
    assert sum(one.people for one in load.skipped) == sum(row.action == "skip" for row in rows)
    assert all(one.waited <= one.people for one in load.skipped)
    assert list(mailbox.waits) == sorted(mailbox.waits)
    if per_day is None:
        assert mailbox.longest_wait == timedelta(0)
        assert not any(day.waiting for day in mailbox.days)
        assert mailbox.reasons == {}
    if until is None and mailbox.days:
        assert mailbox.days[-1].waiting == 0
        assert mailbox.all_written == max(next(r.at for r in j.rows if r in mails) for j in journeys)


def test_who_waits_at_the_end_of_each_day() -> None:
    _, load = played(crowd(25), SLOW, MONDAY + 4 * DAY)
    assert [(day.sent, day.waiting) for day in load.mailboxes[0].days] == [(10, 15), (10, 5), (5, 0)]
    _, load = played(crowd(45), SLOW, MONDAY + 2.5 * DAY)
    assert [(day.sent, day.waiting) for day in load.mailboxes[0].days] == [(10, 35), (10, 25)]
    assert load.ends["waiting for the mailbox when the time was up"] == 25
    assert load.ended <= MONDAY + 2.5 * DAY


# The advice -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        (Limits(), None),
        (Limits(per_day=80, per_hour=20, gap=(90, 240)), (80, "at most 80 a day")),
        (Limits(per_day=400, per_hour=20), (170, "at most 20 an hour")),
        (Limits(per_day=400, gap=(90, 240)), (185, "a gap of 90 to 240 seconds")),
        (Limits(gap=(0, 0)), None),
    ],
)
def test_what_a_mailbox_can_send_a_day(limits: Limits, expected: tuple[int, str] | None) -> None:
    assert capacity(limits, OFFICE) == expected


def test_limits_that_suffice_and_limits_that_do_not() -> None:
    _, load = played(crowd(8), SLOW)
    assert advice(load, OFFICE) == ["The limits of mark suffice: no mail waits for them."]
    _, load = played(crowd(8), Limits(per_day=50, gap=(300, 300)))
    assert advice(load, OFFICE)[0].startswith("The limits of mark suffice: no mail waits longer than ")
    _, load = played(crowd(120), SLOW)
    said = "\n".join(advice(load, OFFICE))
    assert "mark needs 15 days to write to these 120 people for the first time (at most 10 a day): until" in said
    assert "try --per-day 3, or share the work with one more mailbox" in said
    assert "100 people miss last: it could not leave within 5 days after its due time." in said
    assert "ramp-up" not in said
    _, load = played(crowd(300), Limits())
    (tasks,) = advice(load, OFFICE)
    assert tasks.startswith("The rep gets ")
    assert " calls" in tasks


def test_a_new_mailbox_is_told_of_and_who_enters_over_days_is_not_told_how_long_all_take() -> None:
    limits = Limits(per_day=10, ramp_up=2)
    journeys = play_crowd(QUOTE, crowd(60), {"mark": limits}, assumptions=TAKEN)
    said = advice(load_of(journeys, {"mark": limits}, DENVER), OFFICE)
    assert any(
        each == "mark is taken to be new: it begins with 2 a day; it reaches 10 a day on day 5. --warm leaves the "
        "ramp-up out."
        for each in said
    )
    people = [replace(one, enters=MONDAY + number // 20 * DAY) for number, one in enumerate(crowd(60))]
    _, load = played(people, SLOW)
    assert not any("for the first time" in each for each in advice(load, OFFICE))


def test_who_is_held_is_told() -> None:
    people = [
        replace(one, amiss=lambda template: "no words" if template == "article-template" else "") for one in crowd(3)
    ]
    journeys, load = played(people, Limits())
    assert load.ends == {"held: no words": 3}
    assert [row.action for row in journeys[0].rows] == ["email", "held"]
    assert "3 people are held where nobody helps: no words." in advice(load, OFFICE)


@pytest.mark.parametrize(
    ("length", "words"),
    [
        (timedelta(0), "0 minutes"),
        (timedelta(minutes=1), "1 minute"),
        (timedelta(minutes=119), "119 minutes"),
        (timedelta(hours=23, minutes=40), "1 day"),
        (timedelta(hours=25), "25 hours"),
        (timedelta(hours=47), "47 hours"),
        (timedelta(days=20), "20 days"),
        (timedelta(days=21), "3 weeks"),
        (timedelta(days=60), "9 weeks"),
    ],
)
def test_lengths_in_words(length: timedelta, words: str) -> None:
    assert lasting(length) == words


def test_hours_without_a_common_time_leave_no_room() -> None:
    never = Calendar(DENVER, (parse_hours("Mon 9-10"), parse_hours("Tue 9-10")))
    assert capacity(Limits(per_hour=20), never) == (0, "at most 20 an hour")
    _, load = played([replace(one, calendar=never) for one in crowd(3)], SLOW)
    assert load.mailboxes[0].mails == 0
    assert advice(load, never)[0].startswith("3 people are held where nobody helps: ")
