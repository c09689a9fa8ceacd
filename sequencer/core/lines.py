"""Finding one's place in a plan, also after its file was edited.

Everyone continues at their step id. A step that was removed hands over to the next one that is still there; a
step inserted before one's place is not taken retroactively.
"""

from __future__ import annotations

from collections.abc import Container, Iterator

from sequencer.core.model import BACK_OFF, MAIN_LINE, Email, Position, Sequence, Step


def locate(
    sequence: Sequence, position: Position, earlier: Sequence | None = None, taken: Container[str] = ()
) -> tuple[Position, Step | None]:
    """The position in the live definition, and its step; None when the line is used up.

    `earlier` is the definition that the position comes from; it tells what followed a step that is gone. `taken` are
    the ids of the steps that were taken: where nothing else is left to go by, the plan goes on behind them.
    """
    line = _line_of(sequence, position)
    if line is None:
        return Position(position.line, "", position.after), None
    here = Position(line, position.step, position.after)
    before, behind = _neighbours(earlier, position)
    for step_id in (here.step, *behind):
        if (step := _in_line(sequence, line, step_id)) is not None:
            return Position(line, step_id, here.after), step
    return _behind(sequence, here, before, taken)


def after_step(sequence: Sequence, position: Position) -> Position:
    """The position once the step at `position` is done."""
    steps = sequence.lines.get(position.line, ())
    ids = [step.id for step in steps]
    index = ids.index(position.step) + 1 if position.step in ids else len(ids)
    return Position(position.line, ids[index] if index < len(ids) else "", position.step)


def start_of(sequence: Sequence) -> Position:
    """Where everybody starts."""
    steps = sequence.lines[MAIN_LINE]
    return Position(MAIN_LINE, steps[0].id if steps else "")


def destination(
    sequence: Sequence, target: str, stand: Position, returns: tuple[Position, ...]
) -> tuple[Position, tuple[Position, ...]]:
    """Where `go_to: target` leads from `stand`, and where the plan goes on afterwards.

    A branch returns to where the plan stood; going to a step of the main line forgets every return. Raises
    KeyError for a target that is neither a branch nor a step (the checker refuses such files).
    """
    if target in sequence.lines:
        steps = sequence.lines[target]
        start = Position(target, steps[0].id if steps else "")
    else:
        found = sequence.find(target)
        if found is None:
            raise KeyError(target)
        start = Position(found[0], target)
    if start.line == MAIN_LINE:
        return start, ()
    if stand.line == start.line:
        return start, returns
    kept = tuple(back for back in returns if back.line != start.line)
    return start, (*kept, stand)


def repeated_from(sequence: Sequence, start: Position) -> tuple[str, ...]:
    """The steps that who goes to `start` on purpose takes, once more if need be: those from there to the line's end."""
    ids = [step.id for step in sequence.lines.get(start.line, ())]
    return tuple(ids[ids.index(start.step) :]) if start.step in ids else ()


def _line_of(sequence: Sequence, position: Position) -> str | None:
    """The line as the live file has it. A branch that was renamed is known by the step; one that is gone by nothing."""
    if position.line in sequence.lines:
        return position.line
    found = sequence.find(position.step) if position.step else None
    return found[0] if found is not None and found[0] != MAIN_LINE else None


def emails_of(sequence: Sequence) -> Iterator[tuple[str, Email]]:
    """The e-mails of a sequence with the ids of their steps, line by line, the back-off message last."""
    for steps in sequence.lines.values():
        yield from ((step.id, step.do) for step in steps if isinstance(step.do, Email))
    if sequence.back_off is not None:
        yield BACK_OFF, sequence.back_off.email


def _behind(
    sequence: Sequence, position: Position, before: list[str], taken: Container[str]
) -> tuple[Position, Step | None]:
    """Whatever stands behind the nearest step before this place that the file still has.

    Steps `before` it are known from the earlier file; where that says nothing, the last of those taken is the nearest.
    """
    line, steps = position.line, sequence.lines[position.line]
    marks = [position.after, *before, *(step.id for step in reversed(steps) if step.id in taken)]
    mark = next((mark for mark in marks if _in_line(sequence, line, mark) is not None), None)
    if mark is not None:
        following = after_step(sequence, Position(line, mark)).step
    else:
        never_moved = position.step and not position.after and not before
        following = steps[0].id if steps and never_moved else ""
    return Position(line, following, position.after), _in_line(sequence, line, following)


def _neighbours(earlier: Sequence | None, position: Position) -> tuple[list[str], list[str]]:
    """The steps before a place of the earlier file, the nearest first, and those behind it."""
    steps = earlier.lines.get(position.line, ()) if earlier is not None else ()
    ids = [step.id for step in steps]
    here = position.step or position.after
    index = ids.index(here) if here in ids else 0
    return ids[:index][::-1], ids[index + 1 :] if position.step in ids else []


def _in_line(sequence: Sequence, line: str, step_id: str) -> Step | None:
    return next((step for step in sequence.lines.get(line, ()) if step.id == step_id), None)
