"""The things the sequencer talks about, as frozen values (the words are those of docs/glossary.md).

Everything here is plain data. Instants are timezone-aware UTC datetimes; a `Span` is a calendar length
("5 days", "2 business days") that only `core.timing` turns into an instant.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from enum import StrEnum
from typing import Final, Literal

FieldValue = str | int | float | bool | date | None
Fields = Mapping[str, FieldValue]

MAIN_LINE: Final = "steps"
"""The name of the line that every enrollment starts on; the other lines are the branches."""

BACK_OFF: Final = "back_off"
"""The step id under which the back-off message is recorded; no step may be called so."""


class Unit(StrEnum):
    """The units in which marketers write lengths of time."""

    MINUTES = "minutes"
    HOURS = "hours"
    DAYS = "days"
    WEEKS = "weeks"
    MONTHS = "months"
    BUSINESS_DAYS = "business days"


@dataclass(frozen=True, slots=True)
class Span:
    """A length of calendar time, e.g. `5 days`; `amount` is never negative."""

    amount: int
    unit: Unit

    def __str__(self) -> str:
        unit = self.unit.value
        return f"{self.amount} {unit[:-1] if self.amount == 1 else unit}"


class Base(StrEnum):
    """What a `when:` phrase counts from."""

    NOW = "now"  # immediately
    TOUCH = "touch"  # N … later, N days of silence: the last touch or sign of life, whichever is later
    ENROLLMENT = "enrollment"  # day N
    DECISION = "decision"  # N days before|after decision
    FIELD = "field"  # N weeks before|after FIELD


@dataclass(frozen=True, slots=True)
class When:
    """A parsed `when:` phrase. `text` is the phrase as the marketer wrote it."""

    text: str
    base: Base
    span: Span = Span(0, Unit.DAYS)
    before: bool = False
    field: str = ""  # the contact's date, when base is FIELD
    at: time | None = None  # local wall-clock time
    weekday: int | None = None  # 0 is Monday, as in datetime.weekday()


@dataclass(frozen=True, slots=True)
class Window:
    """Allowed time on some weekdays, `start` inclusive, `end` exclusive, in local wall-clock time."""

    weekdays: frozenset[int]
    start: time
    end: time


@dataclass(frozen=True, slots=True)
class Hours:
    """A parsed `hours:` value, e.g. `Mon-Fri 08:30-17:00`: any of the windows allows."""

    text: str
    windows: tuple[Window, ...]


@dataclass(frozen=True, slots=True)
class Condition:
    """A parsed `only_if:` expression; `names` are the dotted names it reads. See `core.condition`."""

    text: str
    names: frozenset[str]


# What a step does ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Email:
    """Send one of these templates (the names below templates/, without `.md`).

    `percent` is how many of a hundred people get each of them, in their order; without it the split adapts to what
    earns good answers.
    """

    variants: tuple[str, ...]
    thread: Literal["reply", "new"] = "reply"
    percent: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Task:
    """Ask the rep to do something; the plan waits until it is done."""

    kind: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class GoTo:
    """Continue at a step of the main line, or at the start of a branch."""

    target: str


@dataclass(frozen=True, slots=True)
class MoveTo:
    """Finish here and enroll the contact in another sequence."""

    sequence: str


@dataclass(frozen=True, slots=True)
class Stop:
    """Stop, with a reason that `why` shows."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class Pause:
    """Stop sending and tell the rep."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class Snooze:
    """Stay silent, then go on; `then` is a step or branch that is due when the snooze ends."""

    until_they_say: bool = False
    otherwise: Span = Span(60, Unit.DAYS)
    then: str = ""


@dataclass(frozen=True, slots=True)
class Suppress:
    """Stop, and never mail this address again."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class Continue:
    """Take note of the reply and go on with the plan."""


StepAction = Email | Task | GoTo | MoveTo | Stop
Ending = MoveTo | Stop
Reaction = Pause | Snooze | GoTo | MoveTo | Stop | Suppress | Continue


@dataclass(frozen=True, slots=True)
class Step:
    """One planned touch or decision. Its `id` never changes and is unique in its sequence."""

    id: str
    do: StepAction
    when: When
    only_if: Condition | None = None
    expires: Span | None = None


@dataclass(frozen=True, slots=True)
class BackOff:
    """The one message that asks whether to stop, after silence, once the steps are used up."""

    after: When
    email: Email
    then: Ending | None = None


@dataclass(frozen=True, slots=True)
class Sequence:
    """A named plan, as read from one YAML file. `version` is the hash of what the file means."""

    name: str
    version: str
    mailboxes: tuple[str, ...]
    lines: Mapping[str, tuple[Step, ...]]  # MAIN_LINE and the branches
    about: str = ""
    hours: Hours | None = None
    decision_cycle: Span | None = None
    back_off: BackOff | None = None
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    on_reply: Mapping[str, Reaction] = field(default_factory=dict)
    finally_: Ending | None = None
    alongside: bool = False  # may run beside another active sequence of the same contact

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps of the main line."""
        return self.lines[MAIN_LINE]

    def find(self, step_id: str) -> tuple[str, int] | None:
        """The line and index of a step id, or None."""
        for line, steps in self.lines.items():
            for index, step in enumerate(steps):
                if step.id == step_id:
                    return line, index
        return None


# Who goes through it ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Contact:
    """A person with one e-mail address; the workspace's defaults are already filled in."""

    id: int
    email: str
    fields: Fields = field(default_factory=dict)
    timezone: str = "UTC"  # IANA name
    holidays: str = ""  # e.g. "US" or "DE-BY"; empty: no holidays
    language: str = "en"

    @property
    def domain(self) -> str:
        """The part after the @, lower case."""
        return self.email.rpartition("@")[2].lower()


class Status(StrEnum):
    """Where an enrollment stands."""

    ACTIVE = "active"
    PAUSED = "paused"
    SNOOZED = "snoozed"
    STOPPED = "stopped"
    FINISHED = "finished"

    @property
    def ended(self) -> bool:
        return self in (Status.STOPPED, Status.FINISHED)


@dataclass(frozen=True, slots=True)
class Position:
    """Where in the plan someone is: about to take `step` of `line`.

    `step` is empty once the line is used up; `after` is the step taken before, so that steps appended to
    the file later are found.
    """

    line: str = MAIN_LINE
    step: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True)
class Away:
    """A time during which the contact is away (out of office): it does not count as silence."""

    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class InFlight:
    """A message whose attempt is committed and whose outcome is not known yet."""

    step: str
    message_id: str
    attempt: int
    variant: str = ""
    position: Position = Position()


@dataclass(frozen=True, slots=True)
class OpenTask:
    """A to-do that the plan waits for."""

    step: str
    kind: str
    task: int
    position: Position = Position()


@dataclass(frozen=True, slots=True)
class Thread:
    """The conversation so far, as mail clients see it (RFC 5322 §3.6.4)."""

    root_message_id: str
    subject: str  # the exact subject of the first message
    last_message_id: str  # the newest message of either side
    references: tuple[str, ...] = ()  # the ids to quote, oldest first, the newest last
    index: str = ""  # base64 of Outlook's Thread-Index so far


@dataclass(frozen=True, slots=True)
class Enrollment:
    """One contact going through one sequence from one mailbox: the fold of its events."""

    id: int
    contact_id: int
    sequence: str
    mailbox: str
    enrolled_at: datetime
    position: Position
    status: Status = Status.ACTIVE
    reason: str = ""
    version: int = 0  # how many events; compare-and-set on this
    definition: str = ""  # the Sequence.version of the last decision
    fields: Fields = field(default_factory=dict)  # set at enrollment (`--set`), over the contact's own
    returns: tuple[Position, ...] = ()  # where the plan goes on when the branch ends
    ready_at: datetime | None = None  # the present step is due then, whatever its `when:` says
    not_before: datetime | None = None  # the plan was resumed then: nothing falls due earlier
    snoozed_until: datetime | None = None
    last_touch_at: datetime | None = None
    last_sign_at: datetime | None = None  # the last sign of life
    away: tuple[Away, ...] = ()
    retry_at: datetime | None = None
    tries: int = 0
    in_flight: InFlight | None = None
    task: OpenTask | None = None
    thread: Thread | None = None
    emails_sent: int = 0
    returned: int = 0  # how many messages came back undelivered, or never left
    interested: bool = False
    backed_off: bool = False
    asked_at: datetime | None = None  # when the back-off message set out
    sent_variants: Mapping[str, str] = field(default_factory=dict)  # step id -> template; deferred ones, too
    taken: Mapping[str, str] = field(default_factory=dict)  # touches taken: step id -> line; going back forgets them
