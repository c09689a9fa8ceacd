"""A sequence played for one person: what happens when, with the words they would get and what comes back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Final
from zoneinfo import ZoneInfo

from sequencer.core.lines import emails_of
from sequencer.core.model import BACK_OFF, Contact, Enrollment, Fields, Span
from sequencer.core.model import Sequence as Plan
from sequencer.core.react import HUMAN_KINDS
from sequencer.core.shifts import Cause, Shift, in_words
from sequencer.core.variants import Splits
from sequencer.operations.answers import Scene, hear
from sequencer.operations.lacking import why_unwritten
from sequencer.operations.phrases import made_ready
from sequencer.workspace.calendars import calendar_for
from sequencer.workspace.config import Mailbox
from sequencer.workspace.rehearsals import Answer
from sequencer.workspace.simulate import Assumptions, Row, Said, ScriptedReply, simulate
from sequencer.workspace.templates import THEY_SAID, Rendered, render, variables_for
from sequencer.workspace.workspace import Workspace

SAMPLE_WORDS: Final = "Sounds good, but what would it cost?"
"""What somebody has answered of whom nothing more is known."""

MAILS: Final = ("email", BACK_OFF)


@dataclass(frozen=True, slots=True)
class Person:
    """Whom a sequence is played for, from which mailbox; `said` is what they wrote last, before it begins."""

    contact: Contact
    mailbox: Mailbox
    fields: Fields = field(default_factory=dict)
    said: str = ""
    splits: Splits = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Arrived:
    """An answer that came: `row` is the number of the first row behind it."""

    at: datetime
    row: int
    answer: Answer
    said: Said


@dataclass(frozen=True, slots=True)
class Played:
    """What happened. `subjects`, `letters` and `said` (what they had written last) go with the rows; `unheard` are the
    answers to what never happened."""

    rows: tuple[Row, ...]
    enrollment: Enrollment
    subjects: tuple[str, ...]
    letters: tuple[Rendered | None, ...]
    said: tuple[str, ...]
    arrived: tuple[Arrived, ...]
    unheard: tuple[Answer, ...]


@dataclass
class _Stage:
    workspace: Workspace
    plan: Plan
    person: Person
    scene: Scene
    said: str
    written: list[Rendered] = field(default_factory=list)
    arrived: list[Arrived] = field(default_factory=list)

    def write(self, template: str) -> str:
        """Writes the next mail; says why not, where it cannot be written."""
        letter = written(self.workspace, self.person, template, self.said)
        if isinstance(letter, str):
            return letter
        self.written.append(letter)
        return ""

    def hear(self, answer: Answer, at: datetime, rows: Sequence[Row]) -> Said:
        """What an answer means that comes now."""
        subjects = [each for each in subjects_of(self.plan, rows, self.written) if each]
        said = hear(self.scene, answer, at, subjects[-1] if subjects else "")
        if _is_human(said):
            self.said = answer.words or SAMPLE_WORDS
        self.arrived.append(Arrived(at, len(rows), answer, said))
        return said


def play(
    workspace: Workspace,
    plan: Plan,
    person: Person,
    start: datetime,
    answers: Sequence[Answer] = (),
    *,
    spread: timedelta | None = None,
    until: datetime | None = None,
    task_takes: Span | None = None,
    tasks: Mapping[str, Span | None] | None = None,
) -> Played:
    """What happens with somebody who enters at `start` (UTC) and answers so, by the real `decide` and the real reader.

    What cannot be written for them holds them. `tasks` tells by step how long the rep takes, None for never.
    """
    phrases = made_ready(workspace.phrases)
    scene = Scene(plan, person.contact, person.mailbox.from_address, phrases)
    stage = _Stage(workspace, plan, person, scene, person.said)
    rows, enrollment = simulate(
        plan,
        person.contact,
        calendar_for(person.contact, plan, person.mailbox),
        start,
        fields=person.fields,
        replies=[ScriptedReply(answer.step, answer.delay, partial(stage.hear, answer)) for answer in answers],
        assumptions=Assumptions(
            min_gap=workspace.config.contacts.min_gap,
            spread=spread,
            task_takes=task_takes,
            until=until,
            tasks=tasks or {},
            amiss=stage.write,
            splits=person.splits,
        ),
    )
    letters = iter(stage.written)
    heard = [arrived.answer for arrived in stage.arrived]
    return Played(
        rows,
        enrollment,
        tuple(subjects_of(plan, rows, stage.written)),
        tuple(next(letters) if row.action in MAILS else None for row in rows),
        tuple(_said_before(number, person, stage.arrived) for number in range(len(rows))),
        tuple(stage.arrived),
        tuple(answer for answer in answers if answer not in heard),
    )


def written(workspace: Workspace, person: Person, template: str, said: str) -> Rendered | str:
    """A mail to somebody whose latest words are these, or why it cannot be written."""
    result = render(workspace.templates, template, variables_of(workspace, person, said))
    return result if isinstance(result, Rendered) else why_unwritten(result)


def _said_before(row: int, person: Person, arrived: Sequence[Arrived]) -> str:
    words = [each.answer.words or SAMPLE_WORDS for each in arrived if each.row <= row and _is_human(each.said)]
    return words[-1] if words else person.said


def _is_human(said: Said) -> bool:
    return said.heard.kind in HUMAN_KINDS


def variables_of(workspace: Workspace, person: Person, said: str) -> Mapping[str, object]:
    """What a template may say about this person, whose latest words are these."""
    return variables_for(
        person.contact,
        person.fields,
        person.mailbox,
        workspace.config.company,
        unsubscribe="mailto:",
        extra={THEY_SAID: said},
    )


def put_off(at: datetime, due_at: datetime | None, shifts: Sequence[Shift], zone: ZoneInfo) -> str:
    """`due Fri 25 Dec: Christmas Day, then weekend`. What the spread alone moves needs no words."""
    words = in_words(shifts)
    if not words or due_at is None:
        return ""
    due, left = due_at.astimezone(zone), at.astimezone(zone)
    day = f"{due:%a} {due.day} {due:%b}" if due.date() != left.date() else ""
    clock = f"{due:%H:%M}" if not day or shifts[0].cause is Cause.HOURS else ""
    return f"due {' '.join(part for part in (day, clock) if part)}: {words}"


def subjects_of(plan: Plan, rows: Sequence[Row], written: Sequence[Rendered]) -> list[str]:
    """The subject of each row, "" where there is none: an answer in the thread has that of the thread's first mail."""
    root, sent, subjects = "", 0, []
    letters = iter(written)
    for row in rows:
        about = ""
        if row.action in MAILS:
            own, sent = next(letters).subject, sent + 1
            about = f"Re: {root}" if root and _continues(plan, row.step) else own
            root = root if about != own else own
        elif row.action == "retry":
            sent -= 1
            root = root if sent else ""  # nobody has seen a thread whose only mail came back
        subjects.append(about)
    return subjects


def _continues(plan: Plan, step: str) -> bool:
    email = dict(emails_of(plan)).get(step)
    return email is not None and email.thread == "reply"
