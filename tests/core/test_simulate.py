"""The time line of one contact, played through the real table."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from sequencer.core.model import MAIN_LINE, GoTo, Position, Span, Status, Step, Unit
from sequencer.core.react import Heard
from sequencer.core.when import parse_when
from sequencer.workspace.simulate import MOST_ACTIONS, Assumptions, Row, Said, ScriptedReply, simulate
from tests.core.plans import ANY_TIME, CARLA, MONDAY, OFFICE, QUOTE, email

DAY = timedelta(days=1)


def told(rows: tuple[Row, ...]) -> list[tuple[int, str, str]]:
    """Day, step and action of each row."""
    zone = ANY_TIME.zone
    days = [(row.at.astimezone(zone).date() - MONDAY.astimezone(zone).date()).days for row in rows]
    return [(day, row.step, row.action) for day, row in zip(days, rows, strict=True)]


def test_a_contact_who_never_answers() -> None:
    rows, enrollment = simulate(QUOTE, CARLA, ANY_TIME, MONDAY)
    assert told(rows) == [
        (1, "thanks", "email"),
        (6, "article", "email"),
        (9, "call", "task"),
        (13, "last", "email"),
        (23, "back_off", "back_off"),
        (23, "", "move_to"),
    ]
    assert enrollment.status is Status.FINISHED


def test_hours_shift_what_would_come_at_the_weekend() -> None:
    rows, _ = simulate(QUOTE, CARLA, OFFICE, MONDAY + 3 * DAY, assumptions=Assumptions(spread=timedelta(hours=1)))
    assert all(row.at.astimezone(OFFICE.zone).weekday() < 5 for row in rows if row.action == "email")


@pytest.mark.parametrize(
    ("kind", "label", "rest"),
    [
        ("question", "", [(8, "call", "pause")]),
        ("not_interested", "", [(8, "call", "move_to")]),
        ("unsubscribe", "", [(8, "call", "stop")]),
        ("not_now", "", [(8, "call", "snooze"), (68, "", "go_on"), (68, "last", "email")]),
        ("reply", "cost", [(8, "call", "go_to"), (8, "price-answer", "email"), (10, "price-call", "task")]),
    ],
)
def test_a_contact_who_answers_two_days_after_the_second_message(
    kind: str, label: str, rest: list[tuple[int, str, str]]
) -> None:
    reply = ScriptedReply("article", Span(2, Unit.DAYS), Said(Heard(kind, label)))
    rows, _ = simulate(QUOTE, CARLA, ANY_TIME, MONDAY, replies=[reply])
    assert told(rows)[2 : 2 + len(rest)] == rest


def test_a_reply_may_come_while_the_rep_is_at_a_task() -> None:
    slow = Assumptions(task_takes=Span(4, Unit.DAYS))
    rows, _ = simulate(QUOTE, CARLA, ANY_TIME, MONDAY, assumptions=slow)
    assert (17, "last", "email") in told(rows)  # four days after the call, which took four days
    reply = ScriptedReply("article", Span(5, Unit.DAYS), Said(Heard("reply", "cost")))
    rows, enrollment = simulate(QUOTE, CARLA, ANY_TIME, MONDAY, replies=[reply], assumptions=slow)
    assert told(rows)[2:7] == [
        (9, "call", "task"),
        (11, "call", "go_to"),
        (11, "price-answer", "email"),
        (13, "price-call", "task"),
        (17, "", "go_on"),
    ]
    assert enrollment.status is Status.FINISHED
    assert [row.step for row in rows].count("call") == 3  # asked, led away from, and asked once more


def test_it_ends_where_it_is_told_to_and_a_loop_ends_somewhere() -> None:
    rows, _ = simulate(QUOTE, CARLA, ANY_TIME, MONDAY, assumptions=Assumptions(until=MONDAY + 7 * DAY))
    assert told(rows) == [(1, "thanks", "email"), (6, "article", "email")]
    loop = (email("hello", "7 days later"), Step("again", GoTo("hello"), parse_when("immediately")))
    rows, enrollment = simulate(replace(QUOTE, lines={MAIN_LINE: loop}), CARLA, ANY_TIME, MONDAY)
    assert enrollment.status is Status.ACTIVE
    assert len(rows) == MOST_ACTIONS
    assert {row.action for row in rows} == {"email", "go_on"}


def test_what_holds_for_good_is_told() -> None:
    plan = replace(QUOTE, lines={MAIN_LINE: (email("renewal", "2 weeks before renewal_date"),)})
    rows, enrollment = simulate(plan, CARLA, ANY_TIME, MONDAY)
    assert told(rows) == [(0, "renewal", "held")]
    assert "renewal_date" in rows[0].reason
    assert enrollment.position == Position(MAIN_LINE, "renewal")
    rows, _ = simulate(plan, CARLA, ANY_TIME, MONDAY, fields={"renewal_date": (MONDAY + 20 * DAY).date()})
    assert told(rows)[0] == (6, "renewal", "email")
