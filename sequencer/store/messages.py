"""Received mail, and mail that the rep wrote by hand: every message once, with its bytes and what was made of it."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Row, Select, and_, case, delete, func, literal_column, or_, select, union, update
from sqlalchemy.ext.asyncio import AsyncConnection

from sequencer.core.model import Status
from sequencer.store import attempts, tables
from sequencer.store.addresses import bare, normal
from sequencer.store.attempts import Attempt
from sequencer.store.enrollments import STANDING, Standing, standing_of
from sequencer.store.statements import upsert

_t = tables.messages.c
_n = tables.enrollments.c
_e = tables.events.c

RAW_LIMIT: Final = 262_144
"""Bytes of a message that are kept at most."""


class Direction(StrEnum):
    """Who wrote a message."""

    RECEIVED = "received"  # a human
    HAND_WRITTEN = "hand_written"  # the rep, not the sequencer
    NOTICE = "notice"  # a machine
    OURS = "ours"  # the sequencer; kept only when its enrollment is not known (any more)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMessage:
    """A message as it was read. `raw` beyond RAW_LIMIT bytes is cut off; `content` is from `content_hash`."""

    mailbox: str
    direction: Direction
    content: str
    received_at: datetime
    raw: bytes
    folder: str = ""
    uid: int | None = None
    enrollment_id: int | None = None
    kind: str = ""
    label: str = ""
    confidence: float = 0.0
    matched_by: str = ""
    evidence: str = ""
    sender: str = ""
    recipient: str = ""
    subject: str = ""
    message_id: str = ""
    in_reply_to: str = ""
    text: str = ""
    named_date: date | None = None
    date_words: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message that is kept; `raw_of` has its bytes. `kind_read` is set when somebody corrected the kind.
    Ids are without angle brackets."""

    id: int
    mailbox: str
    folder: str
    uid: int | None
    enrollment_id: int | None
    direction: Direction
    kind: str
    kind_read: str
    label: str
    confidence: float
    matched_by: str
    evidence: str
    sender: str
    recipient: str
    subject: str
    message_id: str
    in_reply_to: str
    text: str
    named_date: date | None
    date_words: str
    received_at: datetime
    recorded_at: datetime
    handled_at: datetime | None


@dataclass(frozen=True, slots=True)
class Known:
    """The message was recorded before."""

    message: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """A paused thread, with the message that waits for the rep; none when it was paused by hand."""

    standing: Standing
    message: Message | None


def content_hash(sender: str, subject: str, raw: bytes) -> str:
    """What makes a message the same one in another folder: its sender, subject and body, not its trace headers."""
    head, _, body = raw[:RAW_LIMIT].replace(b"\r\n", b"\n").partition(b"\n\n")
    words = f"{sender}\n{subject}\n".encode("utf-8", "surrogatepass")
    return hashlib.sha256(words + (body or head).strip()).hexdigest()


async def record(conn: AsyncConnection, message: NewMessage, now: datetime) -> int | Known:
    """Keep a message; its id, or `Known` when this mailbox has the same Message-ID with the same content already.

    The id alone does not make it known: some machines use one id again and again, and a reply that was taken for an
    old one would be missed.
    """
    made = await conn.execute(
        upsert(conn, tables.messages)
        .values(_values(message, now))
        .on_conflict_do_nothing(index_elements=["mailbox", "message_id", "content_hash"])
        .returning(_t.id)
    )
    message_id: int | None = made.scalar_one_or_none()
    if message_id is not None:
        return message_id
    before = await known(conn, message.mailbox, message.message_id, message.content)
    assert before is not None
    return Known(before)


async def known(conn: AsyncConnection, mailbox: str, message_id: str, content: str) -> int | None:
    """The message with this Message-ID (empty: none) and content that the mailbox has already, or None."""
    found: int | None = await conn.scalar(
        select(_t.id).where(_t.mailbox == mailbox, _t.message_id == bare(message_id), _t.content_hash == content)
    )
    return found


async def in_thread(conn: AsyncConnection, enrollment_id: int, message_id: str, content: str) -> bool:
    """Whether a thread has a message with this Message-ID and content already, from whatever mailbox."""
    one = select(_t.id).where(
        _t.message_id == bare(message_id),
        literal_column(tables.HAS_ID),
        _t.content_hash == content,
        _t.enrollment_id == enrollment_id,
    )
    return await conn.scalar(one.limit(1)) is not None


def _values(message: NewMessage, now: datetime) -> dict[str, Any]:
    names = {c.name for c in tables.messages.columns}
    values = {name: getattr(message, name) for name in NewMessage.__slots__ if name in names}
    return {
        **values,
        "content_hash": message.content,
        "raw": message.raw[:RAW_LIMIT],
        "message_id": bare(message.message_id),
        "in_reply_to": bare(message.in_reply_to),
        "named_date": message.named_date.isoformat() if message.named_date else "",
        "recorded_at": now,
    }


_COLUMNS: Final = tuple(c for c in tables.messages.columns if c.name not in ("raw", "content_hash"))


def _message(row: Row[*tuple[Any, ...]], prefix: str = "") -> Message:
    values = {c.name: row._mapping[f"{prefix}{c.name}"] for c in _COLUMNS}
    named = values["named_date"]
    values["named_date"] = date.fromisoformat(named) if named else None
    return Message(**{**values, "direction": Direction(values["direction"])})


async def get(conn: AsyncConnection, message_id: int) -> Message | None:
    """One message, or None."""
    row = (await conn.execute(select(*_COLUMNS).where(_t.id == message_id))).one_or_none()
    return None if row is None else _message(row)


async def raw_of(conn: AsyncConnection, message_id: int) -> bytes | None:
    """The bytes as they came, at most RAW_LIMIT of them; None when there is no such message."""
    raw: bytes | None = await conn.scalar(select(_t.raw).where(_t.id == message_id))
    return raw


_SHOWN_KIND: Final = case((_t.label != "", _t.label), else_=_t.kind)
_READ_AS: Final = case((_t.kind_read != "", _t.kind_read), else_=_SHOWN_KIND)


async def relabel(
    conn: AsyncConnection,
    message_id: int,
    kind: str,
    *,
    label: str = "",
    direction: Direction | None = None,
    named_date: date | None = None,
) -> bool:
    """Correct the kind and the label; what the reader had made of it (its label, else its kind) is kept.

    `direction` and `named_date` stay as they are where none is given. False when there is no such message.
    """
    values: dict[str, Any] = {"kind": kind, "label": label, "kind_read": _READ_AS}
    if direction is not None:
        values["direction"] = direction
    if named_date is not None:
        values |= {"named_date": named_date.isoformat(), "date_words": ""}
    changed = await conn.execute(update(tables.messages).where(_t.id == message_id).values(values))
    return changed.rowcount == 1


async def attach(conn: AsyncConnection, message_id: int, enrollment_id: int, matched_by: str) -> None:
    """Somebody has said which thread a message belongs to."""
    await conn.execute(
        update(tables.messages).where(_t.id == message_id).values(enrollment_id=enrollment_id, matched_by=matched_by)
    )


async def handled(conn: AsyncConnection, message_id: int, now: datetime) -> bool:
    """Somebody has dealt with a message that no thread shows. False when it was before, or there is none."""
    changed = await conn.execute(
        update(tables.messages).where(_t.id == message_id, _t.handled_at.is_(None)).values(handled_at=now)
    )
    return changed.rowcount == 1


async def others_like(
    conn: AsyncConnection, message_id: int, enrollment_ids: Collection[int], sender: str, kinds: Collection[str]
) -> list[Message]:
    """The other messages of these kinds in these threads, or from this sender, the newest first."""
    found = await conn.execute(
        select(*_COLUMNS)
        .where(
            _t.id != message_id,
            _t.kind.in_(kinds),
            or_(_t.enrollment_id.in_(enrollment_ids), func.lower(_t.sender) == normal(sender)),
        )
        .order_by(_t.received_at.desc(), _t.id.desc())
    )
    return [_message(row) for row in found]


async def heard_since(conn: AsyncConnection, message_id: int, enrollment_ids: Collection[int], at: datetime) -> bool:
    """Whether another human message came in these threads at this instant or later."""
    one = select(_t.id).where(
        _t.enrollment_id.in_(enrollment_ids),
        _t.direction == Direction.RECEIVED,
        _t.received_at >= at,
        _t.id != message_id,
    )
    return await conn.scalar(one.limit(1)) is not None


# What the reader made of them ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Tally:
    """How many messages were read as this kind (or label), and how many of them somebody corrected."""

    kind: str
    read: int
    corrected: int


_CORRECTED: Final = and_(_t.kind_read != "", _t.kind_read != _SHOWN_KIND)


async def tally(conn: AsyncConnection) -> list[Tally]:
    """Every kind that the reader has found, the most frequent first."""
    read = func.count().label("read")
    found = await conn.execute(
        select(_READ_AS.label("kind"), read, func.sum(case((_CORRECTED, 1), else_=0)).label("corrected"))
        .where(_t.direction.not_in((Direction.HAND_WRITTEN, Direction.OURS)))
        .group_by(_READ_AS)
        .order_by(read.desc(), _READ_AS)
    )
    return [Tally(row.kind, row.read, int(row.corrected)) for row in found]


async def corrected(conn: AsyncConnection, *, limit: int = 1000) -> list[Message]:
    """The messages whose kind somebody has corrected, the newest first."""
    found = await conn.execute(
        select(*_COLUMNS).where(_CORRECTED).order_by(_t.received_at.desc(), _t.id.desc()).limit(limit)
    )
    return [_message(row) for row in found]


# For the desk -------------------------------------------------------------------------------------


async def awaiting(conn: AsyncConnection, *, limit: int = 1000) -> list[Waiting]:
    """The paused threads, each with the message that waits for the rep; the latest change first."""
    message = [c.label(f"message_{c.name}") for c in _COLUMNS]
    found = await conn.execute(
        select(*STANDING, *message)
        .join_from(tables.enrollments, tables.messages, _n.last_message == _t.id, isouter=True)
        .where(_n.status == Status.PAUSED)
        .order_by(_n.changed_at.desc(), _n.id.desc())
        .limit(limit)
    )
    return [
        Waiting(standing_of(row), _message(row, "message_") if row.message_id is not None else None) for row in found
    ]


async def unmatched(
    conn: AsyncConnection, direction: Direction = Direction.RECEIVED, *, limit: int | None = 1000
) -> list[Message]:
    """Messages that belong to no thread and that nobody has dealt with, the newest first; no limit: all of them."""
    wanted: Select[Any] = (
        select(*_COLUMNS)
        .where(literal_column(tables.UNMATCHED), _t.direction == direction)
        .order_by(_t.received_at.desc(), _t.id.desc())
        .limit(limit)
    )
    return [_message(row) for row in await conn.execute(wanted)]


async def forgotten(conn: AsyncConnection, addresses: Collection[str]) -> list[Message]:
    """Our own messages to these people (addresses as `addresses.normal` has them) whose enrollment is not known, the
    oldest first."""
    found = await conn.execute(
        select(*_COLUMNS)
        .where(literal_column(tables.UNMATCHED), _t.direction == Direction.OURS)
        .order_by(_t.received_at, _t.id)
    )
    return [_message(row) for row in found if normal(row.recipient) in addresses]


async def forget(conn: AsyncConnection, message_id: int) -> None:
    """A message of our own has become an attempt again."""
    await conn.execute(delete(tables.messages).where(_t.id == message_id))


async def unmatched_from(conn: AsyncConnection, sender: str) -> list[Message]:
    """What this person has written that belongs to no thread and that nobody has dealt with, the newest first."""
    return [one for one in await unmatched(conn, limit=None) if normal(one.sender) == normal(sender)]


async def of_enrollment(conn: AsyncConnection, enrollment_id: int) -> list[Message]:
    """The messages of a thread, and those of others (a colleague's reply) that its log tells of, in order."""
    # a union rather than OR, for which PostgreSQL would read the whole table
    concerned = select(_t.id).where(_t.enrollment_id == enrollment_id)
    told = select(_e.message).where(_e.enrollment_id == enrollment_id, _e.message.is_not(None))
    found = await conn.execute(
        select(*_COLUMNS).where(_t.id.in_(union(concerned, told))).order_by(_t.received_at, _t.id)
    )
    return [_message(row) for row in found]


async def thread_of(conn: AsyncConnection, enrollment_id: int) -> list[Attempt | Message]:
    """The conversation: what reached, or may have reached, the contact, and what came back, in the order of time."""
    sent = [attempt for attempt in await attempts.of_enrollment(conn, enrollment_id) if attempt.state in attempts.LIVE]
    received = await of_enrollment(conn, enrollment_id)
    return sorted([*sent, *received], key=_moment)


def _moment(item: Attempt | Message) -> datetime:
    return item.started_at if isinstance(item, Attempt) else item.received_at
