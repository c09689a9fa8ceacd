"""Facts in the past tense. An enrollment is the fold of its events; nothing else changes it.

Every event carries `at`, the UTC instant it was recorded. `to_json` and `from_json` are the one way into and out
of the append-only log; adding a field with a default keeps old logs readable.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from datetime import date, datetime
from functools import partial
from operator import attrgetter
from typing import Any, Final

from sequencer.core.model import Away, Fields, Position, Thread


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolled:
    """A contact entered a sequence; the mailbox is chosen once and kept."""

    at: datetime
    contact_id: int
    sequence: str
    mailbox: str
    position: Position
    fields: Fields = field(default_factory=dict)
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptStarted:
    """The exact bytes and the Message-ID are committed; DATA comes next. From here on, doubt is possible."""

    at: datetime
    step: str
    attempt: int
    message_id: str
    variant: str
    subject: str
    due_at: datetime
    position: Position | None = None  # where in the live file the step stands


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The server took responsibility for the message (250 after the final dot)."""

    at: datetime
    step: str
    message_id: str
    next: Position
    thread: Thread
    answer: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deferred:
    """The server said "not now" (4xx): certainly not delivered, to be tried again at `retry_at`."""

    at: datetime
    step: str
    code: int
    answer: str
    retry_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """The server said "never" (5xx) to this recipient or message: certainly not delivered."""

    at: datetime
    step: str
    code: int
    answer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InDoubt:
    """The outcome of an attempt is unknown. It counts as delivered and is never blindly resent."""

    at: datetime
    step: str
    message_id: str
    next: Position
    thread: Thread
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NotDelivered:
    """Evidence, or the owner, says that a message in doubt never left: the step is taken again.

    Not `again`: the plan has gone on since, and this is merely noted.
    """

    at: datetime
    step: str
    message_id: str
    position: Position
    reason: str
    retry_at: datetime | None = None
    again: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """A message that the log does not know had left: the database is older than it. It counts as sent at `sent_at`.

    `next` and `returns` are where the plan stands now; `line` is the one that the step stands in, empty where the live
    file has no such step. Without a `message_id` it is the owner who says so.
    """

    at: datetime
    step: str
    sent_at: datetime
    next: Position
    returns: tuple[Position, ...]
    line: str
    evidence: str
    message_id: str = ""
    attempt: int | None = None
    variant: str = ""
    thread: Thread | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Replied:
    """A human wrote."""

    at: datetime
    message: int
    kind: str
    sender: str
    matched_by: str
    evidence: str = ""
    message_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeReceived:
    """A machine wrote. `away_until` is set while the contact is out of office."""

    at: datetime
    message: int
    kind: str
    evidence: str = ""
    away_until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Relabelled:
    """Somebody said what a received message really is. The other fields are what is known now of its writer."""

    at: datetime
    message: int
    kind: str
    read_as: str
    last_sign_at: datetime | None = None
    interested: bool = False
    away: tuple[Away, ...] = ()
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HandWritten:
    """The rep wrote to the contact by hand: a touch of its own."""

    at: datetime
    message: int
    message_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paused:
    """Sending stops until somebody decides. On an ended enrollment: it is open again.

    `message`, here and in the other turns, is the received message that brought it about.
    """

    at: datetime
    reason: str
    by: str = ""
    message: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """The plan goes on where it stood, or at `to` when what led it elsewhere was a mistake."""

    at: datetime
    by: str = ""
    message: int | None = None
    to: Position | None = None
    returns: tuple[Position, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Snoozed:
    """Silence until an instant; `to` is a position that is due right then, and `again` as for `Branched`."""

    at: datetime
    until: datetime
    reason: str
    to: Position | None = None
    returns: tuple[Position, ...] | None = None
    again: tuple[str, ...] | None = None
    by: str = ""
    message: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Branched:
    """The plan continues elsewhere; `returns` is where it goes on when that line is used up.

    `again` are the steps to be taken even by who had them before; None: all of that line. Nothing falls due earlier
    than `not_before`, where an edit has led the plan on.
    """

    at: datetime
    to: Position
    returns: tuple[Position, ...]
    reason: str
    again: tuple[str, ...] | None = None
    by: str = ""
    message: int | None = None
    not_before: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A step was passed over, and why (its condition, or it came too late). Nothing falls due earlier than
    `not_before`, where an edit has led the plan on."""

    at: datetime
    step: str
    reason: str
    next: Position
    not_before: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """Finished here; the contact went on into another sequence."""

    at: datetime
    to: str
    reason: str
    by: str = ""
    message: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskCreated:
    """The rep was asked to do something."""

    at: datetime
    step: str
    task: int
    kind: str
    note: str
    position: Position | None = None  # where in the live file the step stands


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskDone:
    """The rep did it (a touch), or said that it is not needed (`touched` is false)."""

    at: datetime
    step: str
    task: int
    outcome: str
    next: Position
    touched: bool = True
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """The plan ended before its end, with the reason."""

    at: datetime
    reason: str
    by: str = ""
    message: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """The plan ended: used up, won or lost."""

    at: datetime
    reason: str
    outcome: str = ""  # "", "won" or "lost"
    by: str = ""
    message: int | None = None


Event = (
    Enrolled
    | AttemptStarted
    | Accepted
    | Deferred
    | Rejected
    | InDoubt
    | NotDelivered
    | Recovered
    | Replied
    | NoticeReceived
    | Relabelled
    | HandWritten
    | Paused
    | Resumed
    | Snoozed
    | Branched
    | Skipped
    | Moved
    | TaskCreated
    | TaskDone
    | Stopped
    | Finished
)

EVENT_TYPES: Mapping[str, type[Event]] = {kind.__name__: kind for kind in typing.get_args(Event)}


_PLAIN: Final = frozenset({str, int, float, bool, type(None)})
_Fields = tuple[tuple[str, ...], Callable[[Any], tuple[Any, ...]]]
_FIELDS: dict[type[Any], _Fields | None] = {}  # of every dataclass met so far, None for other types


def to_json(value: Any) -> Any:
    """Plain JSON values of an event, or of any dataclass of `core.model`. Instants become ISO 8601 with offset."""
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind not in _FIELDS:
        _FIELDS[kind] = _fields_of(kind)
    known = _FIELDS[kind]
    if known is not None:
        # a message becomes durable by several of these: the plain fields are not worth a call each
        names, values_of = known
        items = zip(names, values_of(value), strict=True)
        return {name: item if type(item) in _PLAIN else to_json(item) for name, item in items}
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, date):
        return {"date": value.isoformat()}
    if isinstance(value, Mapping):
        return {key: to_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json(item) for item in value]
    return value


def _fields_of(kind: type[Any]) -> _Fields | None:
    """The names of a dataclass's fields, and what gets their values; None for any other type."""
    if not is_dataclass(kind):
        return None
    names = tuple(f.name for f in fields(kind))
    return names, attrgetter(*names) if len(names) > 1 else lambda value: tuple(getattr(value, n) for n in names)


def event_from_json(kind: str, data: Mapping[str, Any]) -> Event:
    """The event that `to_json` wrote. Raises KeyError for an unknown kind, TypeError for missing fields."""
    event: Event = from_json(EVENT_TYPES[kind], data)
    return event


def from_json(cls: type[Any], data: Mapping[str, Any]) -> Any:
    """An instance of a dataclass of `core.model` or `core.events` from what `to_json` wrote of it."""
    if cls not in _REVIVERS:
        hints = typing.get_type_hints(cls)
        _REVIVERS[cls] = {f.name: _reviver(hints[f.name]) for f in fields(cls)}
    values = {
        name: item if (item := data[name]) is None else revive(item)
        for name, revive in _REVIVERS[cls].items()
        if name in data
    }
    try:
        return cls(**values)
    except TypeError:
        missing = [f.name for f in fields(cls) if f.name not in data and f.default is f.default_factory is MISSING]
        if not missing:
            raise
        raise TypeError(f"{cls.__name__} without {', '.join(missing)}") from None


_Reviver = Callable[[Any], Any]
_REVIVERS: dict[type[Any], dict[str, _Reviver]] = {}


def _reviver(hint: Any) -> _Reviver:
    """What makes a value of this type (never None) from its JSON."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        options = [option for option in inner if option is not type(None)]
        return _reviver(options[0]) if len(options) == 1 else _revive_field
    if origin is tuple:
        item = _reviver(inner[0])
        return lambda values: tuple([item(value) for value in values])
    if isinstance(origin, type) and issubclass(origin, Mapping):
        value_of = _reviver(inner[1])
        return lambda values: {key: None if value is None else value_of(value) for key, value in values.items()}
    if hint is datetime:
        return datetime.fromisoformat
    if is_dataclass(hint):
        return partial(from_json, typing.cast("type[Any]", hint))
    if isinstance(hint, type):
        return lambda value: value if isinstance(value, hint) else hint(value)
    return lambda value: value


def _revive_field(value: Any) -> Any:
    """A field value of a contact: a bare JSON value, or a date in its wrapping."""
    if isinstance(value, dict) and "date" in value:
        return date.fromisoformat(value["date"])
    return value
