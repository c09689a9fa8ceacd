"""The time line of one contact, played through the real table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta

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


# Notices ------------------------------------------------------------------------------------------


def notice(kind: str, named: date | None = None, *, ours: bool = False) -> list[ScriptedReply]:
    """Comes a day after the second message."""
    return [ScriptedReply("article", Span(1, Unit.DAYS), Said(Heard(kind, "", named), "their words", ours=ours))]


def test_an_absence_moves_what_comes_and_uses_up_no_step() -> None:
    rows, enrollment = simulate(QUOTE, CARLA, ANY_TIME, MONDAY, replies=notice("out_of_office", date(2026, 3, 20)))
    assert told(rows)[2:5] == [(7, "call", "notice"), (23, "call", "task"), (27, "last", "email")]
    assert enrollment.away[0].until > MONDAY + 17 * DAY
    assert rows[2].reason == "a notice comes “their words”: out of office; away until Mon 23 Mar 2026"


@pytest.mark.parametrize("kind", ["auto_reply", "receipt", "delayed"])
def test_other_notices_are_told_and_change_nothing(kind: str) -> None:
    rows, _ = simulate(QUOTE, CARLA, ANY_TIME, MONDAY, replies=notice(kind))
    silent, _ = simulate(QUOTE, CARLA, ANY_TIME, MONDAY)
    assert tuple(row for row in rows if row.action != "notice") == silent
    assert [(row.step, row.detail) for row in rows if row.action == "notice"] == [("call", kind)]


def test_a_soft_bounce_takes_the_message_again_unless_it_blames_us() -> None:
    rows, _ = simulate(QUOTE, CARLA, ANY_TIME, MONDAY, replies=notice("soft_bounce"))
    assert told(rows)[1:5] == [
        (6, "article", "email"),
        (7, "call", "retry"),
        (8, "article", "email"),
        (11, "call", "task"),
    ]
    rows, _ = simulate(QUOTE, CARLA, ANY_TIME, MONDAY, replies=notice("soft_bounce", ours=True))
    assert told(rows)[1:4] == [(6, "article", "email"), (7, "call", "notice"), (9, "call", "task")]


@pytest.mark.parametrize(("kind", "action"), [("bounce", "stop"), ("complaint", "stop"), ("left_company", "pause")])
def test_notices_that_end_or_pause(kind: str, action: str) -> None:
    rows, _ = simulate(QUOTE, CARLA, ANY_TIME, MONDAY, replies=notice(kind))
    assert told(rows)[2:] == [(7, "call", action)]


# What is read, held and left undone ----------------------------------------------------------------


def test_words_are_read_when_they_come() -> None:
    asked: list[tuple[datetime, list[str]]] = []

    def read(at: datetime, rows: Sequence[Row]) -> Said:
        asked.append((at, [row.step for row in rows]))
        return Said(Heard("interested"), "Yes!", "the reader says so")

    rows, _ = simulate(QUOTE, CARLA, ANY_TIME, MONDAY, replies=[ScriptedReply("article", Span(2, Unit.HOURS), read)])
    assert asked == [(rows[1].at + timedelta(hours=2), ["thanks", "article"])]
    assert rows[-1].reason == "they reply “Yes!”: interested; the reader says so"


def test_what_cannot_be_written_holds_until_something_happens() -> None:
    def amiss(template: str) -> str:
        return "it needs a product" if template == "article-template" else ""

    taken = Assumptions(amiss=amiss)
    rows, enrollment = simulate(QUOTE, CARLA, ANY_TIME, MONDAY, assumptions=taken)
    assert told(rows) == [(1, "thanks", "email"), (6, "article", "held")]
    assert (rows[-1].reason, enrollment.position.step) == ("it needs a product", "article")
    reply = ScriptedReply("thanks", Span(10, Unit.DAYS), Said(Heard("question")))
    rows, _ = simulate(QUOTE, CARLA, ANY_TIME, MONDAY, replies=[reply], assumptions=taken)
    assert told(rows)[1:] == [(6, "article", "held"), (11, "article", "pause")]


def test_what_is_held_too_long_is_skipped() -> None:
    taken = Assumptions(amiss=lambda template: "no" if template == "last-template" else "")
    rows, _ = simulate(QUOTE, CARLA, ANY_TIME, MONDAY, assumptions=taken)
    assert told(rows)[3:6] == [(13, "last", "held"), (18, "last", "skip"), (19, "back_off", "back_off")]


def test_the_rep_takes_a_while_for_one_task_and_never_does_another() -> None:
    taken = Assumptions(tasks={"call": Span(4, Unit.DAYS)})
    rows, _ = simulate(QUOTE, CARLA, ANY_TIME, MONDAY, assumptions=taken)
    assert told(rows)[2:4] == [(9, "call", "task"), (17, "last", "email")]
    rows, enrollment = simulate(QUOTE, CARLA, ANY_TIME, MONDAY, assumptions=Assumptions(tasks={"call": None}))
    assert told(rows)[2:] == [(9, "call", "task")]
    assert enrollment.task is not None
