"""Rehearsals: the files sequences/*.test.yaml played through the real rules, and what became of each expectation.

Nothing depends on the clock, on the database or on chance: a rehearsal begins at its own `start`, the spread is off,
and whoever is made up is always the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from sequencer.core.model import Base, Contact, Fields, FieldValue, Span
from sequencer.core.model import Sequence as Plan
from sequencer.operations.explain import zone_for
from sequencer.operations.foresight import sample_contact
from sequencer.operations.judging import Happening, Stage, Verdict, happenings_of, judge
from sequencer.operations.playing import Person, Played, play
from sequencer.operations.record import Refusal
from sequencer.operations.values import Order, Unfit, order_of, parse_assignment, parse_date
from sequencer.workspace.check_rehearsals import mistakes_in
from sequencer.workspace.rehearsal_schema import EVERY_TASK
from sequencer.workspace.rehearsals import (
    Answer,
    Rehearsal,
    RehearsalDraft,
    read_rehearsals,
    rehearsal_paths,
    sequence_named,
)
from sequencer.workspace.source import Problem, did_you_mean
from sequencer.workspace.workspace import Workspace

SETTINGS: Final = frozenset({"email", "timezone", "holidays", "language"})
ADDRESS: Final = "anna@example.com"
"""Whoever has no address of their own in a rehearsal."""

_UTC: Final = ZoneInfo("UTC")


@dataclass(frozen=True, slots=True)
class Checked:
    """One expectation with its line in the file."""

    line: int
    text: str
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one rehearsal. `trouble` says why it could not be played, or what of it never came."""

    file: str
    line: int
    sequence: str
    name: str
    checked: tuple[Checked, ...] = ()
    happenings: tuple[Happening, ...] = ()
    zone: ZoneInfo = _UTC
    start: datetime | None = None
    trouble: tuple[tuple[int, str], ...] = ()  # line, what is wrong

    @property
    def passed(self) -> bool:
        return not self.trouble and all(each.verdict.met for each in self.checked)


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """Every rehearsal of some files, and the mistakes in them."""

    outcomes: tuple[Outcome, ...]
    problems: tuple[Problem, ...]


def files_for(workspace: Workspace, wanted: Sequence[str]) -> list[Path] | Refusal:
    """The files of rehearsals that are meant by these names of files or sequences; all of them for none."""
    there = rehearsal_paths(workspace.folder)
    if not wanted:
        return there
    found: list[Path] = []
    for name in wanted:
        path = Path(name)
        if sequence_named(path.name):
            places = (path, workspace.folder / path, workspace.folder / "sequences" / path)
            path = next((each for each in places if each.is_file()), path)
            if not path.is_file():
                return Refusal(f"there is no file {name}")
            found.append(path)
            continue
        sequence = path.name.removesuffix(".yaml").removesuffix(".yml")
        named = [each for each in there if sequence_named(each.name) == sequence]
        if not named and sequence in workspace.sequences:
            return Refusal(f"nothing is rehearsed of {sequence} yet: write sequences/{sequence}.test.yaml")
        if not named:
            hint = did_you_mean(sequence, workspace.sequences)
            return Refusal(f"there is no sequence “{name}” in sequences/; {hint}")
        found += named
    return list({path.resolve(): path for path in found}.values())


def rehearse(workspace: Workspace, paths: Sequence[Path]) -> Rehearsed:
    """Plays every rehearsal of these files."""
    outcomes: list[Outcome] = []
    problems: list[Problem] = []
    for path in paths:
        at_home = path.resolve().parent == (workspace.folder / "sequences").resolve()
        draft, mistakes = read_rehearsals(path, f"sequences/{path.name}" if at_home else str(path))
        mistakes += mistakes_in(draft, workspace.sequences, frozenset(workspace.config.mailboxes))
        problems += mistakes
        if not any(problem.severity == "error" for problem in mistakes):
            plan = workspace.sequences[draft.sequence]
            outcomes += [_rehearse(workspace, plan, draft, each) for each in draft.rehearsals]
    problems.sort(key=lambda problem: (problem.file, problem.line, problem.column))
    return Rehearsed(tuple(outcomes), tuple(problems))


def _rehearse(workspace: Workspace, plan: Plan, draft: RehearsalDraft, rehearsal: Rehearsal) -> Outcome:
    line = draft.place(rehearsal).line
    empty = Outcome(draft.document.file, line, rehearsal.sequence, _name(rehearsal))
    person = _person(workspace, plan, draft, rehearsal)
    if not isinstance(person, Person):
        return Outcome(empty.file, line, empty.sequence, empty.name, trouble=(person,))
    zone = zone_for(person.contact)
    start = rehearsal.start.replace(tzinfo=rehearsal.start.tzinfo or zone).astimezone(UTC)
    played = play(workspace, plan, person, start, rehearsal.answers, tasks=_tasks(plan, rehearsal))
    happenings = happenings_of(played, zone)
    verdicts = judge(Stage(workspace, plan, person, played, zone), rehearsal.expect, happenings)
    lines = [draft.place(rehearsal, "expect", number).line for number in range(len(verdicts))]
    unheard = [
        (
            draft.place(rehearsal, "reply", rehearsal.answers.index(answer)).line,
            f"the answer to {answer.step} never comes: {_why_unheard(played, answer)}",
        )
        for answer in played.unheard
    ]
    checked = (Checked(at, verdict.expected.text, verdict) for at, verdict in zip(lines, verdicts, strict=True))
    return Outcome(
        empty.file, line, empty.sequence, empty.name, tuple(checked), happenings, zone, start, tuple(unheard)
    )


def _why_unheard(played: Played, answer: Answer) -> str:
    asked = any(row.step == answer.step and row.action in ("task", "text") for row in played.rows)
    return f"the rep never does {answer.step}" if asked else f"{answer.step} does not happen"


def _name(rehearsal: Rehearsal) -> str:
    """How a rehearsal is called: by its name, else by whom it is about and what they answer."""
    if rehearsal.name:
        return rehearsal.name
    who = rehearsal.contact.get("email", "somebody")
    answers = [f"“{answer.words}”" if answer.words else answer.kind.replace("_", " ") for answer in rehearsal.answers]
    return f"{who} answers {', then '.join(answers)}" if answers else f"{who} never answers"


def _tasks(plan: Plan, rehearsal: Rehearsal) -> dict[str, Span | None]:
    every = rehearsal.tasks
    if EVERY_TASK not in every:
        return dict(every)
    steps = [step.id for line in plan.lines.values() for step in line]
    return {**dict.fromkeys(steps, every[EVERY_TASK]), **{k: v for k, v in every.items() if k != EVERY_TASK}}


# Who ----------------------------------------------------------------------------------------------


def _person(workspace: Workspace, plan: Plan, draft: RehearsalDraft, rehearsal: Rehearsal) -> Person | tuple[int, str]:
    """Whom it is about; else the line of what is wrong, and what."""
    ours = workspace.config.contacts
    mailbox = workspace.config.mailboxes.get(rehearsal.mailbox or next(iter(plan.mailboxes), ""))
    if mailbox is None:
        return draft.place(rehearsal, "mailbox").line, f"the mailbox of {plan.name} is not in config.yaml"
    given = rehearsal.contact
    contact_like = Contact(0, given.get("email", ADDRESS).strip(), {}, given.get("timezone", ours.timezone))
    order = order_of(given.get("holidays", ours.holidays or ""), contact_like.timezone)
    fields = _enrollment_fields(draft, rehearsal, order)
    if isinstance(fields, tuple):
        return fields
    contact = Contact(
        0,
        contact_like.email,
        _fields(workspace, plan, rehearsal, order),
        contact_like.timezone,
        given.get("holidays", ours.holidays or ""),
        given.get("language", ours.language),
    )
    return Person(contact, mailbox, fields)


def _fields(workspace: Workspace, plan: Plan, rehearsal: Rehearsal, order: Order) -> dict[str, FieldValue]:
    """What the file gives, over what is made up: all that the plan asks for, but for what they are without."""
    sample = sample_contact(workspace, plan, rehearsal.start.date()).fields
    # The whole name follows from its parts, which may be given.
    made_up = {name: value for name, value in sample.items() if name not in {"full_name", *rehearsal.without}}
    dates = {step.when.field for line in plan.lines.values() for step in line if step.when.base is Base.FIELD}
    given = {name: _value(name, text, dates, order) for name, text in rehearsal.contact.items() if name not in SETTINGS}
    return {**made_up, **given}


def _value(name: str, text: str, dates: set[str], order: Order) -> FieldValue:
    """As an import takes it: a text, or a date where the plan or the name says so."""
    day: date | None = parse_date(text, order) if name in dates or name.endswith("_date") else None
    return day if day is not None else text


def _enrollment_fields(draft: RehearsalDraft, rehearsal: Rehearsal, order: Order) -> Fields | tuple[int, str]:
    fields: dict[str, FieldValue] = {}
    for name, text in rehearsal.fields.items():
        parsed = parse_assignment(f"{name}={text}", order)
        if isinstance(parsed, Unfit):
            return draft.place(rehearsal, "set", name).line, parsed.reason
        fields[parsed[0]] = parsed[1]
    return fields


def rehearsed_json(rehearsed: Rehearsed) -> dict[str, object]:
    """Everything as JSON: the mistakes, and of each rehearsal its expectations and its time line."""
    outcomes = rehearsed.outcomes
    return {
        "passed": sum(outcome.passed for outcome in outcomes),
        "failed": sum(not outcome.passed for outcome in outcomes),
        "problems": [asdict(problem) for problem in rehearsed.problems],
        "rehearsals": [_outcome_json(outcome) for outcome in outcomes],
    }


def _outcome_json(outcome: Outcome) -> Mapping[str, object]:
    return {
        "file": outcome.file,
        "line": outcome.line,
        "sequence": outcome.sequence,
        "name": outcome.name,
        "passed": outcome.passed,
        "trouble": [{"line": line, "message": message} for line, message in outcome.trouble],
        "expectations": [
            {"line": c.line, "text": c.text, "passed": c.verdict.met, "instead": c.verdict.instead}
            for c in outcome.checked
        ],
        "time_line": [
            {
                "at": each.at.isoformat(),
                "step": each.step,
                "action": each.action,
                "subject": each.subject,
                "detail": each.detail,
                "reason": each.reason,
            }
            for each in outcome.happenings
        ],
    }
