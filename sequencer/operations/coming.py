"""What goes out in the days to come: everybody who is on the way, played forward by the real `decide`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Final, Literal

from sequencer.core import events as e
from sequencer.core.decide import begin
from sequencer.core.lines import start_of
from sequencer.core.model import Contact, Enrollment
from sequencer.operations.facts import Question
from sequencer.operations.lacking import amiss, variables_of
from sequencer.operations.live import Live
from sequencer.workspace.calendars import UnknownPlace, calendar_for
from sequencer.workspace.simulate import Row, simulate_from

MOST_MOVES: Final = 3
"""Sequences into which somebody is followed within the time."""


@dataclass(frozen=True, slots=True)
class Prospect:
    """Somebody on the way, and the question about them."""

    enrollment: Enrollment
    contact: Contact
    question: Question


@dataclass(frozen=True, slots=True)
class Coming:
    """One touch to come. `action`: email, back_off, task or text; `detail` is the template, or the kind of the task."""

    at: datetime
    mailbox: str
    contact: Contact
    sequence: str
    step: str
    action: Literal["email", "back_off", "task", "text", "held"]
    detail: str


def goes_out(live: Live, prospect: Prospect, now: datetime, until: datetime) -> Iterator[Coming]:
    """What somebody gets until then, if nobody answers and every task is done at once; also in the sequence that they
    move to. A message that cannot be written is there once, as held."""
    question, enrollment = prospect.question, prospect.enrollment
    if question.sequence is None or question.facts is None or enrollment.status.ended:
        return
    variables = variables_of(live, enrollment, prospect.contact)

    @lru_cache(maxsize=32)
    def lacks(template: str) -> str:
        return amiss(live.workspace, template, variables) if variables is not None else ""

    plan, start = question.sequence, now
    facts = replace(question.facts, hold="", hold_until=None, open_elsewhere="")
    for _ in range(MOST_MOVES):
        rows, last = simulate_from(plan, enrollment, facts, start, until=until, amiss=lacks)
        yield from _touches(rows, prospect, plan.name, enrollment.mailbox, until)
        moved = rows[-1] if rows and rows[-1].action == "move_to" else None
        following = live.sequence(moved.detail) if moved is not None else None
        mailbox = live.mailbox(enrollment.mailbox)
        if moved is None or following is None or mailbox is None or moved.at > until:
            return
        try:
            calendar = calendar_for(prospect.contact, following, mailbox)
        except UnknownPlace:
            return
        facts = replace(
            facts, calendar=calendar, last_touch_to_contact=last.last_touch_at, earlier=None, edited_at=None
        )
        entered = e.Enrolled(
            at=moved.at,
            contact_id=prospect.contact.id,
            sequence=following.name,
            mailbox=enrollment.mailbox,
            position=start_of(following),
            fields=enrollment.fields,
        )
        enrollment, plan, start = begin(entered, enrollment.id, following.version), following, moved.at


def _touches(rows: Sequence[Row], prospect: Prospect, sequence: str, mailbox: str, until: datetime) -> Iterator[Coming]:
    for row in rows:
        if row.at > until:
            continue
        match row.action:
            case "email" | "back_off" | "task" | "text":
                yield Coming(row.at, mailbox, prospect.contact, sequence, row.step, row.action, row.detail)
            case "held" if row.reason:
                yield Coming(row.at, mailbox, prospect.contact, sequence, row.step, "held", row.reason)
            case _:
                pass
