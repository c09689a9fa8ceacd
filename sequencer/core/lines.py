"""Finding one's place in a plan, also after its file was edited.

Everyone continues at their step id. A step that was removed hands over to the next one that is still there; a
step inserted before one's place is not taken retroactively.
"""

from __future__ import annotations

from collections.abc import Container

from sequencer.core.model import MAIN_LINE, Position, Sequence, Step


def locate(
    sequence: Sequence, position: Position, earlier: Sequence | None = None, taken: Container[str] = ()
) -> tuple[Position, Step | None]:
    """The position in the live definition, and its step; None when the line is used up.

    `earlier` is the definition that the position comes from; it tells what followed a step that is gone. `taken` are
    the steps that were taken: where the step before this place is gone too, they tell how far one had come.
    """
    if position.line not in sequence.lines:
        return Position(position.line, "", position.after), None
    if not position.step:
        return _appended(sequence, _known(sequence, position, taken))
    found = sequence.find(position.step)
    if found is not None:
        line, index = found
        return Position(line, position.step, position.after), sequence.lines[line][index]
    for successor in _followers(earlier, position):
        if (survivor := _in_line(sequence, position.line, successor)) is not None:
            return Position(position.line, successor, position.after), survivor
    return _behind(sequence, _known(sequence, position, taken))


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


def _appended(sequence: Sequence, position: Position) -> tuple[Position, Step | None]:
    """Steps that were appended to the file after this line was used up are taken too."""
    if _in_line(sequence, position.line, position.after) is None:
        return position, None
    following = after_step(sequence, Position(position.line, position.after))
    if not following.step:
        return position, None
    return following, _in_line(sequence, position.line, following.step)


def _known(sequence: Sequence, position: Position, taken: Container[str]) -> Position:
    """The same place, told by a step that the live file still has."""
    if not position.after or _in_line(sequence, position.line, position.after) is not None:
        return position
    left = [step.id for step in sequence.lines[position.line] if step.id in taken]
    return Position(position.line, position.step, left[-1] if left else position.after)


def _behind(sequence: Sequence, position: Position) -> tuple[Position, Step | None]:
    """A place that nothing is known of but the step before it: whatever stands behind that one now."""
    steps = sequence.lines[position.line]
    if not position.after:
        first = steps[0] if steps else None
        return Position(position.line, first.id if first is not None else ""), first
    return _appended(sequence, Position(position.line, "", position.after))


def _followers(earlier: Sequence | None, position: Position) -> list[str]:
    steps = earlier.lines.get(position.line, ()) if earlier is not None else ()
    ids = [step.id for step in steps]
    return ids[ids.index(position.step) + 1 :] if position.step in ids else []


def _in_line(sequence: Sequence, line: str, step_id: str) -> Step | None:
    return next((step for step in sequence.lines.get(line, ()) if step.id == step_id), None)
