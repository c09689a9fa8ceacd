"""THE state table: what an event makes of an enrollment, and what happens to it next.

`TRANSITIONS` is the program: an event that it does not list for a status cannot happen there. `evolve` folds one
event into an enrollment; `decide` asks the rules, in order, for the one next action. Nothing is planned ahead:
the next step follows from the definition and the enrollment, so an edited file needs no migration.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, assert_never

from sequencer.core import events as e
from sequencer.core import timing
from sequencer.core.condition import condition_holds
from sequencer.core.copying import changed
from sequencer.core.decisions import (
    Case,
    Continue,
    CreateTask,
    Decision,
    End,
    Facts,
    Held,
    MoveOn,
    SendEmail,
    Skip,
    Wait,
    Wake,
)
from sequencer.core.due import EDITED, after_edit, due_for, forbidden, too_late
from sequencer.core.folding import applied, names_a_place
from sequencer.core.lines import after_step, destination, locate, repeated_from
from sequencer.core.model import (
    BACK_OFF,
    Email,
    Ending,
    Enrollment,
    GoTo,
    MoveTo,
    Position,
    Sequence,
    Status,
    Step,
    Stop,
    Task,
)

# The state table ----------------------------------------------------------------------------------

_A, _P, _Z, _S, _F = Status.ACTIVE, Status.PAUSED, Status.SNOOZED, Status.STOPPED, Status.FINISHED
_SAME: Final = {_A: _A, _P: _P, _Z: _Z, _S: _S, _F: _F}
_OPEN: Final = (_A, _P, _Z)


def _all_to(target: Status, *sources: Status) -> dict[Status, Status]:
    return dict.fromkeys(sources, target)


TRANSITIONS: Final[Mapping[type[Any], Mapping[Status, Status]]] = {
    e.AttemptStarted: {_A: _A},
    e.Accepted: _SAME,  # the outcome of an attempt may arrive after a pause, a stop or an end
    e.Deferred: _SAME,
    e.Rejected: _SAME,
    e.InDoubt: _SAME,
    e.NotDelivered: _SAME,
    e.Recovered: _SAME,  # whatever the rep has done since the copy was made is not known
    e.Replied: _SAME,
    e.NoticeReceived: _SAME,
    e.Relabelled: _SAME,
    e.HandWritten: _SAME,
    e.Paused: _all_to(_P, _A, _P, _Z, _S, _F),  # on an ended enrollment: a late reply opens it again
    e.Resumed: _all_to(_A, _P, _Z),
    e.Snoozed: _all_to(_Z, *_OPEN),
    e.Branched: _all_to(_A, *_OPEN),
    e.Skipped: {_A: _A},
    e.Moved: _all_to(_F, *_OPEN),
    e.TaskCreated: {_A: _A},
    e.TaskDone: _SAME,
    e.Stopped: _all_to(_S, *_OPEN),
    e.Finished: _all_to(_F, *_OPEN, _S, _F),  # won or lost may be learned after the end
}


class Impossible(ValueError):
    """An event that the state table does not allow in this status."""


def begin(event: e.Enrolled, enrollment_id: int, definition: str) -> Enrollment:
    """The enrollment that its first event makes."""
    return Enrollment(
        id=enrollment_id,
        contact_id=event.contact_id,
        sequence=event.sequence,
        mailbox=event.mailbox,
        enrolled_at=event.at,
        position=event.position,
        fields=event.fields,
        version=1,
        definition=definition,
    )


def allowed(enrollment: Enrollment, kind: type[Any]) -> bool:
    """Whether the state table allows this kind of event now."""
    return enrollment.status in TRANSITIONS.get(kind, {})


def evolve(enrollment: Enrollment, event: e.Event, definition: str = "") -> Enrollment:
    """The enrollment after one more event. Raises `Impossible` when the table does not allow it.

    `definition` is the version of the sequence by which the event was decided; empty keeps the last one.
    """
    if not allowed(enrollment, type(event)):
        raise Impossible(f"{type(event).__name__} while {enrollment.status}")
    status = TRANSITIONS[type(event)][enrollment.status]
    moved = enrollment if status is enrollment.status else changed(enrollment, status=status, reason="")
    after = applied(moved, event)
    # What only happened to somebody does not move them into the live file: their place is still one of the earlier.
    placed = after.position != enrollment.position or names_a_place(event)
    version = enrollment.version + 1
    return changed(after, version=version, definition=definition if placed and definition else after.definition)


def fold(enrollment: Enrollment, events: tuple[e.Event, ...], definition: str = "") -> Enrollment:
    """The enrollment after several events."""
    for event in events:
        enrollment = evolve(enrollment, event, definition)
    return enrollment


# What happens next --------------------------------------------------------------------------------


def decide(sequence: Sequence, enrollment: Enrollment, facts: Facts, now: datetime) -> Decision:
    """The one next action, or what it waits for, or what holds it. Pure: the same question, the same answer."""
    position, step = locate(sequence, enrollment.position, facts.earlier, enrollment.taken)
    case = Case(sequence, enrollment, facts, now, position, step)
    for rule in RULES:
        decision = rule(case)
        if decision is not None:
            return decision
    raise AssertionError("the last rule always answers")


def next_position(sequence: Sequence, enrollment: Enrollment, earlier: Sequence | None = None) -> Position:
    """Where the plan stands once the present step is done, e.g. when the rep has done a task."""
    stand = enrollment.task.position if enrollment.task is not None else enrollment.position
    position, step = locate(sequence, stand, earlier, enrollment.taken)
    # A step that is gone has been taken over by the one behind it, which is still to be taken.
    return after_step(sequence, position) if step is not None and position.step == stand.step else position


def _ended(case: Case) -> Decision | None:
    en = case.enrollment
    if not en.status.ended:
        return None
    return Wait(None, f"{en.status}: {en.reason}" if en.reason else str(en.status))


def _in_flight(case: Case) -> Decision | None:
    flight = case.enrollment.in_flight
    if flight is None:
        return None
    return Held("a message is on its way and its outcome is not known yet", None, flight.step)


def _suppressed(case: Case) -> Decision | None:
    return End(f"suppressed: {case.facts.suppressed}", stopped=True) if case.facts.suppressed else None


def _paused(case: Case) -> Decision | None:
    en = case.enrollment
    return Wait(None, f"paused: {en.reason}", case.position.step) if en.status is Status.PAUSED else None


def _snoozed(case: Case) -> Decision | None:
    en = case.enrollment
    if en.status is not Status.SNOOZED:
        return None
    if en.snoozed_until is not None and case.now < en.snoozed_until:
        return Wait(en.snoozed_until, f"snoozed: {en.reason}", case.position.step)
    return Wake()


def _task_open(case: Case) -> Decision | None:
    task = case.enrollment.task
    return Wait(None, f"waiting for the rep: {task.kind}", task.step) if task is not None else None


def _returns_moved(case: Case) -> Decision | None:
    """Before a branch goes on by an edited file: where it returns to, while the file that knows that place is known."""
    en, earlier = case.enrollment, case.facts.earlier
    if earlier is None or not en.returns:
        return None
    returns = tuple(locate(case.sequence, back, earlier, en.taken)[0] for back in en.returns)
    if returns == en.returns:
        return None
    reason = f"the file was edited: {case.position.line} returns to another place"
    return Continue(case.position, returns, reason, not_before=after_edit(case, case.position.step))


def _step_due(case: Case) -> Decision | None:
    """The present step of the line: its time, then whether it makes sense, then what forbids it."""
    step = case.step
    if step is None or (case.enrollment.backed_off and not case.enrollment.position.step):
        return None  # used up; steps appended after the back-off message are not for them
    then = after_step(case.sequence, case.position)
    if step.id in case.enrollment.taken:
        reason = "taken before; the file has been put into another order since"
        return Skip(step.id, reason, then, not_before=after_edit(case))
    due = due_for(case, step.when, step.id)
    if not isinstance(due, timing.Due):
        return due
    if case.now < due.at:
        return Wait(due.at, f"waiting for {step.id}", step.id, due.reasons)
    if too_late(case, step):
        return Skip(step.id, f"could not leave within {step.expires} after its due time", then, due.shifts)
    if step.only_if is not None and not condition_holds(step.only_if, case.facts.contact, case.enrollment.fields):
        return Skip(step.id, f"only if {step.only_if.text}", then, due.shifts)
    return _perform(case, step, due, then)


def _perform(case: Case, step: Step, due: timing.Due, then: Position) -> Decision:
    match step.do:
        case Email():
            send = SendEmail(step.id, step.do, due.at, case.position, then, due.shifts)
            return forbidden(case, step.id, due.at) or send
        case Task():
            return CreateTask(step.id, step.do, due.at, case.position, due.shifts)
        case GoTo():
            to, returns = destination(case.sequence, step.do.target, then, case.enrollment.returns)
            return Continue(to, returns, f"{step.id} goes to {step.do.target}", repeated_from(case.sequence, to))
        case MoveTo() | Stop():
            return _end_with(step.do, step.id)
        case _:
            assert_never(step.do)


def _branch_used_up(case: Case) -> Decision | None:
    if not case.enrollment.returns:
        return None
    *rest, back = case.enrollment.returns
    return Continue(back, tuple(rest), f"{case.position.line} is used up", not_before=after_edit(case, used_up=True))


def _back_off(case: Case) -> Decision | None:
    plan, en = case.sequence.back_off, case.enrollment
    if plan is None or en.backed_off or en.interested:
        return None
    due = due_for(case, plan.after, BACK_OFF)
    if not isinstance(due, timing.Due):
        return due
    if case.now < due.at:
        return Wait(due.at, "waiting for silence before the back-off message", BACK_OFF, due.reasons)
    send = SendEmail(BACK_OFF, plan.email, due.at, case.position, case.position, due.shifts)
    return forbidden(case, BACK_OFF, due.at) or send


def _used_up(case: Case) -> Decision | None:
    plan, en = case.sequence.back_off, case.enrollment
    answered = en.asked_at is not None and en.last_sign_at is not None and en.last_sign_at >= en.asked_at
    silent = en.backed_off and not answered
    ending: Ending | None = case.sequence.finally_
    if plan is not None and silent and plan.then is not None:
        ending = plan.then
    reason = "no answer to the back-off message" if silent else "the steps are used up"
    led_on = after_edit(case, used_up=True)
    if isinstance(ending, MoveTo) and led_on is not None and case.now < led_on:
        return Wait(led_on, f"waiting to move on to {ending.sequence}", "", (EDITED,))
    return End(reason, stopped=False) if ending is None else _end_with(ending, reason)


RULES: Final[tuple[Callable[[Case], Decision | None], ...]] = (
    _ended,
    _in_flight,
    _suppressed,
    _paused,
    _snoozed,
    _task_open,
    _returns_moved,
    _step_due,
    _branch_used_up,
    _back_off,
    _used_up,
)


def _end_with(ending: Ending, reason: str) -> Decision:
    match ending:
        case MoveTo():
            return MoveOn(ending.sequence, reason)
        case Stop():
            return End(ending.reason or reason, stopped=True)
        case _:
            assert_never(ending)
