"""What `decide` may look at, and the answers it may give.

The answers are values: the shell performs one action, records its event, and asks again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, assert_never

from sequencer.core import events as e
from sequencer.core import timing
from sequencer.core.model import Contact, Email, Enrollment, Fields, Position, Sequence, Span, Step, Task
from sequencer.core.shifts import Shift

WOKEN: Final = "the snooze is over"
"""Who resumes a plan when its time has come: nobody."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the rules may look at beside the enrollment. `inbox_read_at`: when the inbox was last read to its end."""

    contact: Contact
    calendar: timing.Calendar
    inbox_read_at: datetime | None
    suppressed: str = ""
    hold: str = ""  # why the mailbox must not send now
    hold_until: datetime | None = None
    last_touch_to_contact: datetime | None = None  # from any sequence
    min_gap: Span | None = None
    spread: timedelta | None = None
    earlier: Sequence | None = None  # the definition this enrollment was last decided by, when it is not the live one
    edited_at: datetime | None = None  # when the live definition took over from that one
    earlier_calendar: timing.Calendar | None = None  # the calendar by that one, when it has other hours
    open_elsewhere: str = ""  # why the rep is in another conversation with this person


@dataclass(frozen=True, slots=True)
class SendEmail:
    """Compose and send; `then` is where the plan stands afterwards, `shifts` say why it is not due earlier."""

    step: str
    email: Email
    due_at: datetime
    position: Position
    then: Position
    shifts: tuple[Shift, ...] = ()


@dataclass(frozen=True, slots=True)
class CreateTask:
    """Ask the rep."""

    step: str
    task: Task
    due_at: datetime
    position: Position
    shifts: tuple[Shift, ...] = ()


@dataclass(frozen=True, slots=True)
class Skip:
    """Pass a step over. What comes then is not due earlier than `not_before`."""

    step: str
    reason: str
    then: Position
    shifts: tuple[Shift, ...] = ()
    not_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class Wake:
    """A snooze is over."""


@dataclass(frozen=True, slots=True)
class Continue:
    """Go on at another place of the plan. `again` are the steps to be taken even by who had them before; what comes
    then is not due earlier than `not_before`."""

    to: Position
    returns: tuple[Position, ...]
    reason: str
    again: tuple[str, ...] = ()
    not_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class MoveOn:
    """Finish here and enroll the contact in another sequence."""

    sequence: str
    reason: str


@dataclass(frozen=True, slots=True)
class End:
    """Stop (`stopped`) or finish."""

    reason: str
    stopped: bool


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do before `until`; None: until something happens. `shifts` says why it is not earlier."""

    until: datetime | None
    reason: str
    step: str = ""
    shifts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Held:
    """Due, but something forbids it right now. `until` is None when nobody knows; `shifts` lead from now to there,
    where it is the hours that forbid it."""

    reason: str
    until: datetime | None = None
    step: str = ""
    due_at: datetime | None = None
    shifts: tuple[Shift, ...] = ()


Action = SendEmail | CreateTask | Skip | Wake | Continue | MoveOn | End
Decision = Action | Wait | Held


@dataclass(frozen=True, slots=True)
class Case:
    """One question put to the rules: `position` and `step` are where the live file has them."""

    sequence: Sequence
    enrollment: Enrollment
    facts: Facts
    now: datetime
    position: Position
    step: Step | None

    @property
    def fields(self) -> Fields:
        """The contact's fields with the enrollment's over them."""
        return {**self.facts.contact.fields, **self.enrollment.fields}


PlanStep = Skip | Wake | Continue | MoveOn | End
"""The actions that touch nobody: recording their event is all there is to do."""


def event_of(action: PlanStep, now: datetime) -> e.Event:
    """The fact that one of the plan's own actions becomes."""
    match action:
        case Skip():
            return e.Skipped(
                at=now, step=action.step, reason=action.reason, next=action.then, not_before=action.not_before
            )
        case Wake():
            return e.Resumed(at=now, by=WOKEN)
        case Continue():
            return e.Branched(
                at=now,
                to=action.to,
                returns=action.returns,
                reason=action.reason,
                again=action.again,
                not_before=action.not_before,
            )
        case MoveOn():
            return e.Moved(at=now, to=action.sequence, reason=action.reason)
        case End(stopped=True):
            return e.Stopped(at=now, reason=action.reason)
        case End():
            return e.Finished(at=now, reason=action.reason)
        case _:
            assert_never(action)
