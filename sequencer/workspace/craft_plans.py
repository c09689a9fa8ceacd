"""Good craft in a plan: enough touches, not too close together, some by voice, and a back-off that was earned."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median
from typing import Final

from sequencer.core.model import MAIN_LINE, Base, Email, GoTo, MoveTo, Sequence, Snooze, Step, Stop, Task, Unit
from sequencer.workspace.craft_words import AT_A_DISTANCE, PERSONAL
from sequencer.workspace.draft import Draft
from sequencer.workspace.sequences import SequenceDraft
from sequencer.workspace.source import Problem, Route
from sequencer.workspace.warning_names import (
    CRAFT,
    EARLY_BACK_OFF,
    EVERY_DAY,
    FEW_TOUCHES,
    FEWEST_BEFORE_BACK_OFF,
    FEWEST_MAILS_WITHOUT_PHONE,
    FEWEST_TOUCHES,
    NO_PHONE_STEP,
)

_DAYS: Final = {
    Unit.MINUTES: 1 / 1440,
    Unit.HOURS: 1 / 24,
    Unit.DAYS: 1.0,
    Unit.WEEKS: 7.0,
    Unit.MONTHS: 30.0,
    Unit.BUSINESS_DAYS: 1.0,
}
_UNHURRIED: Final = 14.0
"""Days between touches from which on a plan keeps in touch rather than follows up."""

_IN_A_ROW: Final = 3
_PHONES: Final = frozenset({"phone", "mobile", "telephone", "cell", "phone_number", "mobile_phone", "tel"})


@dataclass(frozen=True, slots=True)
class _Touch:
    """A step that reaches the contact, and how many days after the touch before; None when that is not known."""

    step: Step
    days: float | None


def plan_warnings(draft: Draft, known_fields: frozenset[str] | None) -> Iterator[Problem]:
    """What the plans of a workspace say about their author. `known_fields`: what contacts have, if known."""
    elsewhere = moved_to(draft)
    can_ring = known_fields is None or bool(_PHONES & {name.lower() for name in known_fields})
    for name, each in draft.sequences.items():
        if each.sequence is None:
            continue
        first = name not in elsewhere  # else they have had touches before, and nobody knows how many
        yield from _every_day(each, each.sequence)
        if first:
            yield from _gives_up(each, each.sequence)
            yield from _backs_off(each, each.sequence)
        if can_ring:
            yield from _never_rings(each, each.sequence)


def moved_to(draft: Draft) -> set[str]:
    """The sequences into which other ones hand people over."""
    return {move.sequence for each in draft.sequences.values() for move in _moves(each.sequence)}


def _moves(sequence: Sequence | None) -> Iterator[MoveTo]:
    if sequence is None:
        return
    actions = [step.do for steps in sequence.lines.values() for step in steps]
    endings = [sequence.finally_, sequence.back_off.then if sequence.back_off is not None else None]
    for action in (*actions, *endings, *sequence.on_reply.values()):
        if isinstance(action, MoveTo):
            yield action


def _warning(each: SequenceDraft, route: Route, code: str, message: str, *, key: bool = False) -> Problem:
    return each.document.problem(route, code, message, CRAFT[code].instead, key=key, severity="warning")


# How often ----------------------------------------------------------------------------------------


def _touches(steps: tuple[Step, ...]) -> list[_Touch]:
    """The steps of a line that surely reach whoever gets that far; a call is only for those with a phone."""
    found: list[_Touch] = []
    day: float | None = 0.0
    for step in steps:
        if isinstance(step.do, (GoTo, MoveTo, Stop)):
            day = None  # time may pass elsewhere
            continue
        before, day = day, _day_of(step, day)
        if _reaches(step):
            found.append(_Touch(step, day - before if day is not None and before is not None else None))
        elif day is not None and step.only_if is not None:
            day = before  # skipped for some: then the next wait counts from the touch before
    return found


def _day_of(step: Step, before: float | None) -> float | None:
    """The day of the plan on which a step falls, as far as the file alone tells."""
    when = step.when
    days = when.span.amount * _DAYS[when.span.unit]
    if when.weekday is not None:
        return None
    match when.base:
        case Base.NOW:
            return before
        case Base.TOUCH:
            return before + days if before is not None else None
        case Base.ENROLLMENT:
            return days
        case Base.DECISION | Base.FIELD:
            return None


def _reaches(step: Step) -> bool:
    if step.only_if is not None and not {name.rpartition(".")[2].lower() for name in step.only_if.names} <= _PHONES:
        return False
    match step.do:
        case Email():
            return True
        case Task(kind=kind):
            return bool(PERSONAL.search(kind) or AT_A_DISTANCE.search(kind))
        case _:
            return False


def _every_day(each: SequenceDraft, sequence: Sequence) -> Iterator[Problem]:
    """Three touches and more on days that follow one another; the first such run of each line."""
    for steps in sequence.lines.values():
        run: list[_Touch] = []
        for touch in _touches(steps):
            close = run and touch.days is not None and touch.days <= 1
            run = [*run, touch] if close else [touch]
            if len(run) == _IN_A_ROW:
                message = f"{_IN_A_ROW} touches in a row, each a day or less after the one before"
                yield _warning(each, (*each.routes[touch.step.id], "when"), EVERY_DAY, message)
                break


# How many -----------------------------------------------------------------------------------------


def _count(sequence: Sequence) -> int | None:
    """How many touches the line has, with the branches that it goes through; None for a line that goes round."""
    seen: set[str] = set()
    total = 0
    for index, step in enumerate(sequence.steps):
        match step.do:
            case Email() | Task():
                total += 1
            case GoTo(target=target):
                branch = sequence.lines.get(target) if target != MAIN_LINE else None
                if branch is None:
                    found = sequence.find(target)
                    if found is None or found[0] != MAIN_LINE or found[1] <= index:
                        return None
                elif target not in seen:
                    seen.add(target)
                    total += sum(isinstance(inner.do, (Email, Task)) for inner in branch)
            case MoveTo() | Stop():
                pass
    return total


def _gives_up(each: SequenceDraft, sequence: Sequence) -> Iterator[Problem]:
    """Few touches, and then nothing more for ever."""
    before = _count(sequence)
    back_off = sequence.back_off
    ending = (back_off.then if back_off is not None else None) or sequence.finally_
    goes_on = isinstance(ending, MoveTo) or any(isinstance(step.do, MoveTo) for step in sequence.steps)
    snoozes = any(isinstance(step, Snooze) for step in sequence.on_reply.values())
    if before is None or goes_on or sequence.alongside:
        return
    touches = before + (back_off is not None)
    single_note = touches == 1 and ending is None and not snoozes
    if touches >= FEWEST_TOUCHES or touches == 0 or single_note:
        return
    words = "after 1 touch" if touches == 1 else f"after {touches} touches"
    route: Route = ("steps",)
    if sequence.finally_ is not None and ending is sequence.finally_:
        route = ("finally",)
    elif back_off is not None and ending is not None:
        route = ("back_off", "then")
    yield _warning(each, route, FEW_TOUCHES, f"this plan gives up {words}", key=route == ("steps",))


def _backs_off(each: SequenceDraft, sequence: Sequence) -> Iterator[Problem]:
    before = _count(sequence)
    if sequence.back_off is None or before is None or before >= FEWEST_BEFORE_BACK_OFF:
        return
    words = "1 touch" if before == 1 else f"{before} touches"
    message = f"it asks whether to back off after {words}"
    yield _warning(each, ("back_off",), EARLY_BACK_OFF, message, key=True)


# By voice -----------------------------------------------------------------------------------------


def _never_rings(each: SequenceDraft, sequence: Sequence) -> Iterator[Problem]:
    """A plan of mails alone. What an unknown word under `task:` means nobody knows: it counts as a call."""
    steps = [step for line in sequence.lines.values() for step in line]
    mails = sum(isinstance(step.do, Email) for step in sequence.steps) + (sequence.back_off is not None)
    tasks = [step.do.kind for step in steps if isinstance(step.do, Task)]
    at_a_distance = all(AT_A_DISTANCE.search(kind) and not PERSONAL.search(kind) for kind in tasks)
    waits = [touch.days for touch in _touches(sequence.steps)[1:] if touch.days is not None]
    unhurried = bool(waits) and median(waits) >= _UNHURRIED
    if mails < FEWEST_MAILS_WITHOUT_PHONE or not at_a_distance or sequence.alongside or unhurried:
        return
    message = f"{mails} mails, and no step by phone or in person"
    yield _warning(each, ("steps",), NO_PHONE_STEP, message, key=True)
