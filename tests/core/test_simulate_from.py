"""The time line from now on, of people who are in the sequence already."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from sequencer.core import events as e
from sequencer.core.decide import fold
from sequencer.core.decisions import Facts
from sequencer.core.model import MAIN_LINE, Enrollment, Position, Sequence, Span, Status, Unit
from sequencer.core.react import Heard
from sequencer.workspace.simulate import Assumptions, Row, Said, ScriptedReply, simulate, simulate_from
from tests.core.plans import ANY_TIME, CARLA, MONDAY, OFFICE, QUOTE, email, enrolled, task

DAY = timedelta(days=1)
SPREAD = timedelta(minutes=30)


def facts(**more: object) -> Facts:
    return Facts(CARLA, OFFICE, None, spread=SPREAD, min_gap=Span(2, Unit.DAYS), **more)  # type: ignore[arg-type]


def steps(rows: tuple[Row, ...]) -> list[tuple[int, str, str]]:
    zone = ANY_TIME.zone
    days = [(row.at.astimezone(zone).date() - MONDAY.astimezone(zone).date()).days for row in rows]
    return [(day, row.step, row.action) for day, row in zip(days, rows, strict=True)]


@pytest.mark.parametrize(
    "answer",
    [
        None,
        Heard("not_now"),
        Heard("not_now", date=(MONDAY + 40 * DAY).date(), date_words="in April"),
        Heard("reply", "cost"),
        Heard("out_of_office", date=(MONDAY + 12 * DAY).date()),
        Heard("interested"),
    ],
)
def test_from_any_day_on_it_goes_as_it_would_have_gone(answer: Heard | None) -> None:
    """Cut at any hour, be it within a snooze, a branch, an absence or a pause, the rest is the same."""
    taken = Assumptions(Span(2, Unit.DAYS), SPREAD)
    replies = [ScriptedReply("thanks", Span(1, Unit.DAYS), Said(answer))] if answer else []
    whole, end = simulate(QUOTE, CARLA, OFFICE, MONDAY, replies=replies, assumptions=taken)
    replied = next((row.at for row in whole if row.step == "thanks"), MONDAY) + DAY
    for hours in range(0, 24 * 90, 7):
        cut = MONDAY + timedelta(hours=hours)
        if answer is not None and cut <= replied:
            continue
        before, enrollment = simulate(
            QUOTE, CARLA, OFFICE, MONDAY, replies=replies, assumptions=replace(taken, until=cut)
        )
        rest, last = simulate_from(QUOTE, enrollment, facts(), cut)
        assert (*before, *rest) == whole
        assert last == end


def waiting_for_last(now: timedelta) -> Enrollment:
    """Somebody who has had everything but the last message."""
    _, enrollment = simulate(QUOTE, CARLA, ANY_TIME, MONDAY, assumptions=Assumptions(until=MONDAY + now))
    assert enrollment.position.step == "last"
    return enrollment


def edited(*steps: object) -> Sequence:
    return replace(QUOTE, version="v2", lines={**QUOTE.lines, MAIN_LINE: steps})  # type: ignore[dict-item]


def test_who_stands_at_a_step_that_is_gone_goes_on_behind_it() -> None:
    enrollment, now = waiting_for_last(10 * DAY), MONDAY + 10 * DAY
    plan = edited(*QUOTE.steps[:3], email("offer", "6 days later"))
    rows, last = simulate_from(plan, enrollment, facts(earlier=QUOTE, edited_at=now), now)
    assert steps(rows)[0] == (15, "offer", "email")
    assert last.definition == "v2"
    plan = edited(QUOTE.steps[3], email("goodbye", "1 day later"), *QUOTE.steps[:3])
    rows, _ = simulate_from(plan, enrollment, facts(earlier=QUOTE, edited_at=now), now)
    assert [(row.step, row.action) for row in rows[:2]] == [("last", "email"), ("goodbye", "email")]
    assert {row.action for row in rows if row.step in ("thanks", "article", "call")} == {"skip"}


def test_what_an_edit_makes_due_is_spread_over_a_day_and_not_sent_at_once() -> None:
    enrollment, now = waiting_for_last(10 * DAY), MONDAY + 10 * DAY + timedelta(hours=1)
    plan = edited(*QUOTE.steps[:3], email("last", "1 hour later"))
    at_once, _ = simulate_from(plan, enrollment, replace(facts(), min_gap=None), now)
    spread, _ = simulate_from(plan, enrollment, replace(facts(earlier=QUOTE, edited_at=now), min_gap=None), now)
    assert at_once[0].at - now < SPREAD
    assert timedelta(0) < spread[0].at - now <= 2 * DAY
    assert spread[0].at > at_once[0].at


def test_a_touch_from_elsewhere_counts_for_the_gap() -> None:
    enrollment, now = waiting_for_last(12 * DAY), MONDAY + 12 * DAY
    rows, _ = simulate_from(QUOTE, enrollment, facts(last_touch_to_contact=now), now)
    assert steps(rows)[0] == (14, "last", "email")


def test_what_holds_it_is_told_once() -> None:
    enrollment, now = waiting_for_last(12 * DAY), MONDAY + 12 * DAY
    rows, _ = simulate_from(QUOTE, enrollment, facts(hold="the server is away"), now)
    assert [(row.step, row.action, row.reason) for row in rows] == [("last", "held", "the server is away")]
    rows, last = simulate_from(QUOTE, enrollment, facts(suppressed="they asked to"), now)
    assert [row.action for row in rows] == ["stop"]
    assert last.status is Status.STOPPED


def test_who_is_paused_or_has_ended_hears_nothing() -> None:
    now = MONDAY + 10 * DAY
    for event in (e.Paused(at=now, reason="by hand"), e.Stopped(at=now, reason="by hand")):
        enrollment = fold(waiting_for_last(10 * DAY), (event,))
        assert simulate_from(QUOTE, enrollment, facts(), now) == ((), enrollment)


def test_an_open_task_is_done_and_a_message_in_the_air_arrives() -> None:
    now = MONDAY + 10 * DAY
    created = e.TaskCreated(at=now, step="call", task=40, kind="call", note="", position=Position(MAIN_LINE, "call"))
    asked = replace(enrolled(), position=Position(MAIN_LINE, "call", "article"))
    asked = fold(asked, (replace(created, position=asked.position),))
    rows, _ = simulate_from(QUOTE, asked, facts(), now)
    assert steps(rows)[0] == (14, "last", "email")
    rows, _ = simulate_from(QUOTE, asked, facts(), now, task_takes=Span(3, Unit.DAYS))
    assert steps(rows)[0] == (17, "last", "email")
    gone = edited(*QUOTE.steps[:2], task("visit", "3 days later"), QUOTE.steps[3])
    rows, _ = simulate_from(gone, asked, facts(earlier=QUOTE, edited_at=now), now)
    assert steps(rows)[0] == (14, "last", "email")

    last = waiting_for_last(10 * DAY)
    started = e.AttemptStarted(
        at=now, step="last", attempt=3, message_id="<3@x>", variant="last-template", subject="", due_at=now
    )
    rows, end = simulate_from(QUOTE, fold(last, (started,)), facts(), now)
    assert [row.action for row in rows] == ["back_off", "move_to"]
    assert end.sent_variants["last"] == "last-template"
    assert end.in_flight is None
