"""Whether what happens is what a rehearsal expects, and what happens instead.

Expectations are met in their order: each looks from where the one before it was met. Other things may happen in
between; only `nothing …`, `STEP never` and the words of a message look at more than one moment.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, assert_never
from zoneinfo import ZoneInfo

from sequencer.core.lines import emails_of
from sequencer.core.model import BACK_OFF, Email, Status, Task
from sequencer.core.model import Sequence as Plan
from sequencer.core.react import HUMAN_KINDS
from sequencer.operations.history import moment
from sequencer.operations.playing import Person, Played, put_off, variables_of
from sequencer.workspace.expectations import Expectation, What
from sequencer.workspace.source import shown
from sequencer.workspace.templates import Rendered, fill, render
from sequencer.workspace.workspace import Workspace

_WHAT: Final = {
    "email": What.TOUCH,
    "back_off": What.TOUCH,
    "task": What.TOUCH,
    "text": What.TOUCH,
    "skip": What.SKIPPED,
    "snooze": What.SNOOZED,
    "pause": What.PAUSED,
    "stop": What.STOPPED,
    "finish": What.FINISHED,
    "move_to": What.MOVED,
    "held": What.HELD,
}

MOST_SHOWN: Final = 120
"""Characters of a message that are quoted."""


@dataclass(frozen=True, slots=True)
class Stage:
    """What is judged: a play, of whom, in which zone."""

    workspace: Workspace
    plan: Plan
    person: Person
    played: Played
    zone: ZoneInfo


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing that happens: a row of the time line, or an answer that comes (`action` is reply or notice).

    `detail` is the template, the kind of task or of the answer, where to, or until when; `row` its number among the
    rows, -1 for an answer; `late` what put a touch off.
    """

    at: datetime
    what: What | None
    action: str
    step: str
    detail: str
    reason: str
    subject: str = ""
    row: int = -1
    late: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether an expectation is met; `instead` says what happens otherwise, `near` the number of that happening."""

    expected: Expectation
    met: bool
    instead: str = ""
    near: int | None = None


def happenings_of(played: Played, zone: ZoneInfo) -> tuple[Happening, ...]:
    """The rows and the answers that came, in order. The reason of a touch is what put it off."""
    found: list[Happening] = []
    arrived = list(played.arrived)
    for number, row in enumerate(played.rows):
        while arrived and arrived[0].row <= number:
            found.append(_answer(played, len(played.arrived) - len(arrived)))
            arrived.pop(0)
        if row.action in ("reply", "notice"):
            continue  # the answer itself, told already
        what, subject = _WHAT.get(row.action), played.subjects[number]
        late = put_off(row.at, row.due_at, row.shifts, zone)
        reason = " — ".join(part for part in (late, row.reason) if part) if what is What.TOUCH else row.reason
        found.append(Happening(row.at, what, row.action, row.step, row.detail, reason, subject, number, late))
    return (*found, *(_answer(played, len(played.arrived) - left) for left in range(len(arrived), 0, -1)))


def _answer(played: Played, number: int) -> Happening:
    arrived = played.arrived[number]
    heard, said = arrived.said.heard, arrived.said
    action = "reply" if heard.kind in HUMAN_KINDS else "notice"
    return Happening(
        arrived.at, What.READ, action, arrived.answer.step, heard.label or heard.kind, said.note, said.words
    )


def judge(stage: Stage, expected: Sequence[Expectation], happenings: Sequence[Happening]) -> list[Verdict]:
    """The verdict on each expectation."""
    verdicts: list[Verdict] = []
    cursor = 0
    for each in expected:
        verdict = _judge(stage, each, happenings, cursor)
        near = verdict.near
        if near is not None and near >= cursor and each.what in _POSITIONAL and _is_meant(each, happenings[near]):
            cursor = near + 1
        verdicts.append(verdict)
    return verdicts


_POSITIONAL: Final = frozenset(
    {
        What.TOUCH,
        What.SKIPPED,
        What.READ,
        What.SNOOZED,
        What.PAUSED,
        What.STOPPED,
        What.FINISHED,
        What.MOVED,
        What.HELD,
    }
)

_TURNS: Final = _POSITIONAL - {What.TOUCH, What.READ, What.SKIPPED}
"""What a plan that does not do what was expected does instead."""


def _judge(stage: Stage, expected: Expectation, happenings: Sequence[Happening], cursor: int) -> Verdict:
    match expected.what:
        case (
            What.TOUCH
            | What.SKIPPED
            | What.READ
            | What.SNOOZED
            | What.PAUSED
            | What.STOPPED
            | What.FINISHED
            | What.MOVED
            | What.HELD
        ):
            return _happens(stage, expected, happenings, cursor)
        case What.NEVER:
            return _never(stage, expected, happenings)
        case What.NOTHING_BEFORE | What.NOTHING_AFTER | What.NOTHING_ELSE:
            return _nothing(stage, expected, happenings, cursor)
        case What.WAITS:
            task = stage.played.enrollment.task
            met = task is not None and task.step == expected.step
            return Verdict(expected, met, "" if met else how_it_ends(stage))
        case What.SAYS | What.SAYS_NOT | What.SUBJECT:
            return _words(stage, expected, happenings)
        case _:
            assert_never(expected.what)


# What happens -------------------------------------------------------------------------------------


def _happens(stage: Stage, expected: Expectation, happenings: Sequence[Happening], cursor: int) -> Verdict:
    alike = [number for number, each in enumerate(happenings) if _is_meant(expected, each)]
    ahead = [number for number in alike if number >= cursor]
    for number in ahead:
        if _fits(stage, expected, happenings[number]):
            return Verdict(expected, True, near=number)
    if ahead:
        near = min(ahead, key=lambda number: _distance(stage, expected, happenings[number]))
        return Verdict(expected, False, tell(stage, happenings[near]), near)
    if alike:
        earlier = tell(stage, happenings[alike[-1]])
        return Verdict(expected, False, f"{earlier}, before what was expected above", alike[-1])
    return _something_else(stage, expected, happenings, cursor)


def _is_meant(expected: Expectation, happening: Happening) -> bool:
    if happening.what is not expected.what:
        return False
    match expected.what:
        case What.MOVED:
            return happening.detail == expected.words
        case What.READ:
            return True
        case What.TOUCH | What.SKIPPED | What.HELD:
            return happening.step == expected.step
        case _:
            return True


def _fits(stage: Stage, expected: Expectation, happening: Happening) -> bool:
    """Whether the day, the time and the reason are those that were expected."""
    local = happening.at.astimezone(stage.zone)
    if expected.first is not None and not expected.first <= local.date() <= (expected.last or expected.first):
        return False
    if expected.at is not None and (local.hour, local.minute) != (expected.at.hour, expected.at.minute):
        return False
    if expected.until is not None and _until(stage, happening) != expected.until:
        return False
    if expected.what is What.READ:
        return happening.detail == expected.words.lower()
    if expected.what is What.MOVED or not expected.words:
        return True
    return _plain(expected.words) in _plain(_reasons(stage, happening))


def _reasons(stage: Stage, happening: Happening) -> str:
    """Every way in which a reason is told."""
    replied = [
        f"they replied ({each.detail})" for each in happenings_of(stage.played, stage.zone) if each.at == happening.at
    ]
    return "; ".join([happening.reason, happening.detail, *replied]).replace("_", " ")


def _plain(text: str) -> str:
    return " ".join(text.replace("_", " ").casefold().split())


def _until(stage: Stage, happening: Happening) -> date:
    return datetime.fromisoformat(happening.detail).astimezone(stage.zone).date()


def _distance(stage: Stage, expected: Expectation, happening: Happening) -> int:
    """Days between what was expected and what happens."""
    if expected.until is not None:
        return abs((_until(stage, happening) - expected.until).days)
    if expected.first is None:
        return 0
    return abs((happening.at.astimezone(stage.zone).date() - expected.first).days)


def _something_else(stage: Stage, expected: Expectation, happenings: Sequence[Happening], cursor: int) -> Verdict:
    """Nothing of the kind happens: what becomes of the step, else what comes next, else how it ends."""
    if expected.step:
        for number, each in enumerate(happenings):
            if each.step == expected.step and each.what in (What.TOUCH, What.SKIPPED, What.HELD):
                return Verdict(expected, False, tell(stage, each), number)
        return Verdict(expected, False, f"{expected.step} never happens; {how_it_ends(stage)}")
    turns = [number for number in range(cursor, len(happenings)) if happenings[number].what in _TURNS]
    if turns and expected.what is not What.READ:
        return Verdict(expected, False, tell(stage, happenings[turns[0]]), turns[0])
    return Verdict(expected, False, how_it_ends(stage))


# What does not ------------------------------------------------------------------------------------


def _never(stage: Stage, expected: Expectation, happenings: Sequence[Happening]) -> Verdict:
    for number, each in enumerate(happenings):
        if each.what is What.TOUCH and each.step == expected.step:
            return Verdict(expected, False, tell(stage, each), number)
    return Verdict(expected, True)


def _nothing(stage: Stage, expected: Expectation, happenings: Sequence[Happening], cursor: int) -> Verdict:
    """Nothing reaches anybody: no message, no task, no other sequence."""
    for number in range(cursor, len(happenings)):
        each = happenings[number]
        day = each.at.astimezone(stage.zone).date()
        early = expected.first is None or expected.what is What.NOTHING_AFTER or day < expected.first
        late = expected.first is None or expected.what is What.NOTHING_BEFORE or day > expected.first
        if each.what in (What.TOUCH, What.MOVED) and early and late:
            return Verdict(expected, False, tell(stage, each), number)
    return Verdict(expected, True)


# Words --------------------------------------------------------------------------------------------


def _words(stage: Stage, expected: Expectation, happenings: Sequence[Happening]) -> Verdict:
    """Of each message of the step, and of each of its variants, since nobody knows who gets which."""
    number = next((n for n, h in enumerate(happenings) if h.what is What.TOUCH and h.step == expected.step), None)
    if number is None:
        return _something_else(stage, expected, happenings, 0)
    wanted = " ".join(expected.words.split())
    for each in happenings:
        if each.what is not What.TOUCH or each.step != expected.step:
            continue
        for template, text in _texts(stage, expected, each):
            found = wanted in " ".join(text.split())
            if found is (expected.what is What.SAYS_NOT):
                who = f"{expected.step} ({template})" if template else expected.step
                return Verdict(expected, False, f"{who} {_otherwise(expected, text, wanted)}", number)
    return Verdict(expected, True, near=number)


def _texts(stage: Stage, expected: Expectation, happening: Happening) -> list[tuple[str, str]]:
    """The words of a touch, by template: of a mail its variants, of a task its note."""
    variables = variables_of(stage.workspace, stage.person, stage.played.said[happening.row])
    email = dict(emails_of(stage.plan)).get(happening.step)
    if email is None:
        note = fill(_note(stage.plan, happening.step), variables)
        return [("", note if isinstance(note, str) else "")]
    found = []
    for template in in_use(email):
        rendered = render(stage.workspace.templates, template, variables)
        if not isinstance(rendered, Rendered):
            text = ""
        elif expected.what is not What.SUBJECT:
            text = rendered.text
        else:
            text = happening.subject if happening.subject.startswith("Re: ") else rendered.subject
        found.append((template, text))
    return found


def in_use(email: Email) -> list[str]:
    """The variants that anybody gets."""
    shares = email.percent or (1,) * len(email.variants)
    return [name for name, percent in zip(email.variants, shares, strict=False) if percent]


def _note(plan: Plan, step: str) -> str:
    found = plan.find(step)
    do = plan.lines[found[0]][found[1]].do if found is not None else None
    return do.note if isinstance(do, Task) else ""


def _otherwise(expected: Expectation, text: str, wanted: str) -> str:
    lines = [line for line in (" ".join(part.split()) for part in text.splitlines()) if line]
    if expected.what is What.SUBJECT:
        return f"has the subject “{text}”"
    if expected.what is What.SAYS_NOT:
        return f"says “{next((line for line in lines if wanted in line), wanted)}”"
    near = [line for line in lines if wanted.casefold() in line.casefold()]
    lines = lines[: lines.index("--")] if "--" in lines else lines  # the footer
    near = near or difflib.get_close_matches(wanted, lines, n=1, cutoff=0.5) or [" ".join(lines)]
    return f"says “{shown(near[0], MOST_SHOWN)}”" if lines else "says nothing"


# Telling ------------------------------------------------------------------------------------------


def tell(stage: Stage, happening: Happening) -> str:
    """One happening in words, with its day."""
    when = f"on {moment(happening.at, stage.zone)}"
    step, reason = happening.step, happening.reason.replace("_", " ")
    because = f" ({reason})" if reason else ""
    match happening.what:
        case What.TOUCH:
            late = f" ({happening.late})" if happening.late else ""
            return f"{step} {'is due' if happening.action in ('task', 'text') else 'leaves'} {when}{late}"
        case What.SKIPPED:
            return f"{step} is skipped {when}{because}"
        case What.HELD:
            return f"held at {step} {when}{because}"
        case What.READ:
            return f"the {happening.action} {when} is read as {happening.detail}"
        case What.SNOOZED:
            return f"snoozed {when}, until {moment(datetime.fromisoformat(happening.detail), stage.zone)}{because}"
        case What.MOVED:
            return f"moved to {happening.detail} {when}{because}"
        case What.PAUSED | What.STOPPED | What.FINISHED:
            why = "; ".join(part for part in (happening.detail, reason) if part)
            return f"{happening.what} {when} ({why})" if why else f"{happening.what} {when}"
        case _:
            return f"{happening.action.replace('_', ' ')} {when}{because}"


def how_it_ends(stage: Stage) -> str:
    """Where they stand when nothing more would happen."""
    enrollment = stage.played.enrollment
    why = f": {enrollment.reason}" if enrollment.reason else ""
    if enrollment.task is not None and enrollment.status is Status.ACTIVE:
        return f"the plan waits for the rep to do {enrollment.task.step}"
    held = [row for row in stage.played.rows if row.action == "held"]
    if enrollment.status is Status.ACTIVE and held:
        return f"they are held at {held[-1].step or BACK_OFF} ({held[-1].reason})"
    return f"at the end they are {enrollment.status}{why}".replace("_", " ")
