"""Finding one's place in a plan, also after its file was edited.

Everyone continues at their step id. A step that was removed hands over to the next one that is still there; a
step inserted before one's place is not taken retroactively.
"""

from __future__ import annotations

from sequencer.core.model import MAIN_LINE, Position, Sequence, Step


def locate(sequence: Sequence, position: Position, earlier: Sequence | None = None) -> tuple[Position, Step | None]:
    """The position in the live definition, and its step; None when the line is used up.

    `earlier` is the definition that the position comes from; it tells what followed a step that is gone.
    """
    if position.line not in sequence.lines:
        return Position(position.line, "", position.after), None
    if not position.step:
        return _appended(sequence, position)
    found = sequence.find(position.step)
    if found is not None:
        line, index = found
        return Position(line, position.step, position.after), sequence.lines[line][index]
    for successor in _followers(earlier, position):
        if (survivor := _in_line(sequence, position.line, successor)) is not None:
            return Position(position.line, successor, position.after), survivor
    return Position(position.line, "", position.after), None


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


def _appended(sequence: Sequence, position: Position) -> tuple[Position, Step | None]:
    """Steps that were appended to the file after this line was used up are taken too."""
    if _in_line(sequence, position.line, position.after) is None:
        return position, None
    following = after_step(sequence, Position(position.line, position.after))
    if not following.step:
        return position, None
    return following, _in_line(sequence, position.line, following.step)


def _followers(earlier: Sequence | None, position: Position) -> list[str]:
    steps = earlier.lines.get(position.line, ()) if earlier is not None else ()
    ids = [step.id for step in steps]
    return ids[ids.index(position.step) + 1 :] if position.step in ids else []


def _in_line(sequence: Sequence, line: str, step_id: str) -> Step | None:
    return next((step for step in sequence.lines.get(line, ()) if step.id == step_id), None)
