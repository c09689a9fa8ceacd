"""THE state table: what an event makes of an enrollment, and what happens to it next.

`TRANSITIONS` is the program: an event that it does not list for a status cannot happen there. `evolve` folds one
event into an enrollment; `decide` asks the rules, in order, for the one next action. Nothing is planned ahead:
the next step follows from the definition and the enrollment, so an edited file needs no migration.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final, assert_never

from sequencer.core import events as e
from sequencer.core import timing
from sequencer.core.condition import condition_holds
from sequencer.core.decisions import (
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
from sequencer.core.lines import after_step, locate
from sequencer.core.model import (
    BACK_OFF,
    MAIN_LINE,
    Away,
    Email,
    Ending,
    Enrollment,
    Fields,
    GoTo,
    InFlight,
    MoveTo,
    OpenTask,
    Position,
    Sequence,
    Status,
    Step,
    Stop,
    Task,
    When,
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
    e.Replied: _SAME,
    e.NoticeReceived: _SAME,
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


EDIT_SPREAD: Final = timedelta(days=1)
"""What an edit makes due at once is spread over this."""


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
    moved = replace(
        enrollment,
        status=status,
        reason=enrollment.reason if status is enrollment.status else "",
        version=enrollment.version + 1,
        definition=definition or enrollment.definition,
    )
    return _apply(moved, event)


def fold(enrollment: Enrollment, events: tuple[e.Event, ...], definition: str = "") -> Enrollment:
    """The enrollment after several events."""
    for event in events:
        enrollment = evolve(enrollment, event, definition)
    return enrollment


def _apply(en: Enrollment, event: e.Event) -> Enrollment:
    match event:
        case e.AttemptStarted():
            flight = InFlight(event.step, event.message_id, event.attempt, event.variant)
            return replace(en, in_flight=flight, retry_at=None)
        case e.Accepted() | e.InDoubt():
            return _touched_by_mail(en, event)
        case e.Deferred():
            return replace(en, in_flight=None, retry_at=event.retry_at, tries=en.tries + 1)
        case e.Rejected():
            return replace(en, in_flight=None)
        case e.NotDelivered():
            return _returned(en, event)
        case e.TaskCreated():
            return replace(en, task=OpenTask(event.step, event.kind, event.task))
        case e.TaskDone():
            touch = event.at if event.touched else en.last_touch_at
            return _advance(replace(en, task=None, last_touch_at=touch), event.next)
        case e.Skipped():
            return _advance(en, event.next)
        case e.Branched():
            return replace(_advance(en, event.to), returns=event.returns, task=None, snoozed_until=None)
        case e.Enrolled():
            raise Impossible("enrolled twice")
        case _:
            return _apply_turn(en, event)


def _apply_turn(
    en: Enrollment,
    event: e.Replied
    | e.NoticeReceived
    | e.HandWritten
    | e.Paused
    | e.Resumed
    | e.Snoozed
    | e.Moved
    | e.Stopped
    | e.Finished,
) -> Enrollment:
    match event:
        case e.Replied():
            threaded = _with_newest(en, event.message_id)
            return replace(threaded, last_sign_at=event.at, interested=en.interested or event.kind == "interested")
        case e.HandWritten():
            return replace(_with_newest(en, event.message_id), last_touch_at=event.at)
        case e.NoticeReceived():
            if event.away_until is None:
                return en
            return replace(en, away=(*en.away[-9:], Away(event.at, event.away_until)))
        case e.Paused():
            return replace(en, reason=event.reason, snoozed_until=None)
        case e.Resumed():
            woken = en.snoozed_until is not None and en.snoozed_until <= event.at
            return replace(
                en, snoozed_until=None, not_before=en.snoozed_until if woken else event.at, retry_at=None, tries=0
            )
        case e.Snoozed():
            asleep = replace(en, snoozed_until=event.until, reason=event.reason)
            if event.to is None:
                return asleep
            there = replace(_advance(asleep, event.to), task=None, ready_at=event.until)
            return there if event.returns is None else replace(there, returns=event.returns)
        case e.Moved():
            return replace(en, reason=f"moved to {event.to}", task=None, snoozed_until=None)
        case e.Stopped():
            return replace(en, reason=event.reason, task=None, snoozed_until=None)
        case e.Finished():
            return replace(en, reason=event.outcome or event.reason, task=None, snoozed_until=None)
        case _:
            assert_never(event)


def _touched_by_mail(en: Enrollment, event: e.Accepted | e.InDoubt) -> Enrollment:
    """What an e-mail that left, or may have left, changes. The evidence for a doubt comes as a second event."""
    if en.in_flight is None or en.in_flight.message_id != event.message_id:
        return en
    variants = {**en.sent_variants, event.step: en.in_flight.variant}
    sent = replace(
        en,
        in_flight=None,
        last_touch_at=event.at,
        thread=event.thread,
        emails_sent=en.emails_sent + 1,
        sent_variants=variants,
        backed_off=en.backed_off or event.step == BACK_OFF,
    )
    # Somebody may have branched or snoozed to another step while the message was in the air.
    return _advance(sent, event.next) if en.position.step == event.step or event.step == BACK_OFF else sent


def _advance(en: Enrollment, position: Position) -> Enrollment:
    return replace(en, position=position, ready_at=None, not_before=None, retry_at=None, tries=0)


def _returned(en: Enrollment, event: e.NotDelivered) -> Enrollment:
    backed_off = en.backed_off and event.step != BACK_OFF
    again = replace(_advance(en, event.position), in_flight=None, backed_off=backed_off, returned=en.returned + 1)
    return replace(again, ready_at=event.retry_at, retry_at=event.retry_at)


def _with_newest(en: Enrollment, message_id: str) -> Enrollment:
    if en.thread is None or not message_id:
        return en
    references = (*(r for r in en.thread.references if r != message_id), message_id)
    return replace(en, thread=replace(en.thread, last_message_id=message_id, references=references))


# What happens next --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Case:
    """One question put to the rules."""

    sequence: Sequence
    enrollment: Enrollment
    facts: Facts
    now: datetime
    position: Position
    step: Step | None
    fields: Fields = field(default_factory=dict)


def decide(sequence: Sequence, enrollment: Enrollment, facts: Facts, now: datetime) -> Decision:
    """The one next action, or what it waits for, or what holds it. Pure: the same question, the same answer."""
    position, step = locate(sequence, enrollment.position, facts.earlier)
    fields = {**facts.contact.fields, **enrollment.fields}
    case = _Case(sequence, enrollment, facts, now, position, step, fields)
    for rule in RULES:
        decision = rule(case)
        if decision is not None:
            return decision
    raise AssertionError("the last rule always answers")


def next_position(sequence: Sequence, enrollment: Enrollment, earlier: Sequence | None = None) -> Position:
    """Where the plan stands once the present step is done, e.g. when the rep has done a task."""
    position, step = locate(sequence, enrollment.position, earlier)
    return position if step is None else after_step(sequence, position)


def _ended(case: _Case) -> Decision | None:
    en = case.enrollment
    if not en.status.ended:
        return None
    return Wait(None, f"{en.status}: {en.reason}" if en.reason else str(en.status))


def _in_flight(case: _Case) -> Decision | None:
    flight = case.enrollment.in_flight
    if flight is None:
        return None
    return Held("a message is on its way and its outcome is not known yet", None, flight.step)


def _suppressed(case: _Case) -> Decision | None:
    return End(f"suppressed: {case.facts.suppressed}", stopped=True) if case.facts.suppressed else None


def _paused(case: _Case) -> Decision | None:
    en = case.enrollment
    return Wait(None, f"paused: {en.reason}", case.position.step) if en.status is Status.PAUSED else None


def _snoozed(case: _Case) -> Decision | None:
    en = case.enrollment
    if en.status is not Status.SNOOZED:
        return None
    if en.snoozed_until is not None and case.now < en.snoozed_until:
        return Wait(en.snoozed_until, f"snoozed: {en.reason}", case.position.step)
    return Wake()


def _task_open(case: _Case) -> Decision | None:
    task = case.enrollment.task
    return Wait(None, f"waiting for the rep: {task.kind}", task.step) if task is not None else None


def _step_due(case: _Case) -> Decision | None:
    """The present step of the line: its time, then whether it makes sense, then what forbids it."""
    step = case.step
    if step is None or (case.enrollment.backed_off and not case.enrollment.position.step):
        return None  # used up; steps appended after the back-off message are not for them
    due = _due(case, step.when, step.id)
    if not isinstance(due, timing.Due):
        return due
    if case.now < due.at:
        return Wait(due.at, f"waiting for {step.id}", step.id, due.reasons)
    then = after_step(case.sequence, case.position)
    if _too_late(case, step, due.at):
        return Skip(step.id, f"could not leave within {step.expires} after its due time", then)
    if step.only_if is not None and not condition_holds(step.only_if, case.facts.contact, case.enrollment.fields):
        return Skip(step.id, f"only if {step.only_if.text}", then)
    return _perform(case, step, due, then)


def _too_late(case: _Case, step: Step, due_at: datetime) -> bool:
    return step.expires is not None and case.now > timing.add_span(due_at, step.expires, case.facts.calendar)


def _perform(case: _Case, step: Step, due: timing.Due, then: Position) -> Decision:
    match step.do:
        case Email():
            return _forbidden(case, step.id, due.at) or SendEmail(step.id, step.do, due.at, then)
        case Task():
            return CreateTask(step.id, step.do, due.at)
        case GoTo():
            to, returns = destination(case.sequence, step.do.target, then, case.enrollment.returns)
            return Continue(to, returns, f"{step.id} goes to {step.do.target}")
        case MoveTo() | Stop():
            return _end_with(step.do, step.id)
        case _:
            assert_never(step.do)


def _branch_used_up(case: _Case) -> Decision | None:
    if not case.enrollment.returns:
        return None
    *rest, back = case.enrollment.returns
    return Continue(back, tuple(rest), f"{case.position.line} is used up")


def _back_off(case: _Case) -> Decision | None:
    plan, en = case.sequence.back_off, case.enrollment
    if plan is None or en.backed_off or en.interested:
        return None
    due = _due(case, plan.after, BACK_OFF)
    if not isinstance(due, timing.Due):
        return due
    if case.now < due.at:
        return Wait(due.at, "waiting for silence before the back-off message", BACK_OFF, due.reasons)
    return _forbidden(case, BACK_OFF, due.at) or SendEmail(BACK_OFF, plan.email, due.at, case.position)


def _used_up(case: _Case) -> Decision | None:
    plan = case.sequence.back_off
    ending: Ending | None = case.sequence.finally_
    if plan is not None and case.enrollment.backed_off and plan.then is not None:
        ending = plan.then
    reason = "no answer to the back-off message" if case.enrollment.backed_off else "the steps are used up"
    return End(reason, stopped=False) if ending is None else _end_with(ending, reason)


RULES: Final[tuple[Callable[[_Case], Decision | None], ...]] = (
    _ended,
    _in_flight,
    _suppressed,
    _paused,
    _snoozed,
    _task_open,
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


# Time and holds -----------------------------------------------------------------------------------


def _due(case: _Case, when: When, key: str) -> timing.Due | Held | Wait:
    """When a step may be taken: its wait, then the gap to any other touch, then hours, then the spread."""
    facts, en = case.facts, case.enrollment
    raw: datetime | timing.MissingDate
    if en.ready_at is not None:
        raw = en.ready_at
    else:
        raw = timing.due_at(when, en, case.fields, case.sequence.decision_cycle, facts.calendar)
    if isinstance(raw, timing.MissingDate):
        return Held(f"the contact has no date “{raw.field}”", None, key)
    at, reasons = _not_before(case, raw)
    slot = timing.next_allowed(at, facts.calendar)
    if isinstance(slot, timing.NeverAllowed):
        return Held(slot.reason, None, key)
    spread = timing.spread_over(slot, facts.calendar, facts.spread, f"{en.id}:{key}:{en.emails_sent}")
    return timing.Due(spread.at, (*reasons, *spread.reasons))


def _not_before(case: _Case, at: datetime) -> tuple[datetime, tuple[str, ...]]:
    facts, en = case.facts, case.enrollment
    reasons: list[str] = []
    if en.not_before is not None and en.not_before > at:
        at = en.not_before
    if facts.edited_at is not None and at < facts.edited_at:
        any_time = timing.Calendar(facts.calendar.zone)
        at = timing.spread_over(timing.Due(facts.edited_at), any_time, EDIT_SPREAD, f"{en.id}:edited").at
        reasons.append("the sequence was edited: what that made due is spread over a day")
    if facts.min_gap is not None and facts.last_touch_to_contact is not None:
        gap_ends = timing.add_span(facts.last_touch_to_contact, facts.min_gap, facts.calendar)
        if gap_ends > at:
            at = gap_ends
            reasons.append(f"{facts.min_gap} between two touches")
    for away in en.away:
        if away.since <= case.now and at < away.until:
            at = away.until
            reasons.append("they are away")
    if en.retry_at is not None and en.retry_at > at:
        at = en.retry_at
        reasons.append("the server asked to try later")
    return at, tuple(reasons)


def _forbidden(case: _Case, key: str, due_at: datetime) -> Held | None:
    """What holds an e-mail whose time has come. The order is the order of what a person wants to hear first."""
    facts = case.facts
    if facts.open_elsewhere:
        return Held(facts.open_elsewhere, None, key, due_at)
    if facts.hold:
        return Held(facts.hold, facts.hold_until, key, due_at)
    if facts.inbox_read_at is None or facts.inbox_read_at < due_at:
        return Held("the inbox was not read to its end since this fell due", None, key, due_at)
    return None
