"""Mailboxes: their state, the lease that makes one worker their owner, and how far their folders have been read.

The lease number only grows. A worker that was frozen and wakes up after another took its mailbox still holds the old
number, and nothing can be committed under an old number: `hold_lease` locks the row and compares.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import BigInteger, Row, Select, bindparam, case, func, literal, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from sequencer.store import tables
from sequencer.store.announcements import moved_earlier
from sequencer.store.columns import Instant
from sequencer.store.statements import among, database_clock, fetch, upsert

_t = tables.mailboxes.c
_f = tables.folders.c

_LISTING: Final = select(tables.mailboxes).order_by(_t.name)
_HOLD_LEASE: Final = (
    select(_t.name)
    .where(_t.name == bindparam("mailbox"), _t.lease_number == bindparam("number"), _t.lease_until.is_not(None))
    .with_for_update(key_share=True)
)


class MailboxState(StrEnum):
    """Whether a mailbox may send."""

    OK = "ok"
    HELD = "held"  # something is unreachable or refused us; tried again
    HALTED = "halted"  # somebody has to act


@dataclass(frozen=True, slots=True)
class MailboxRow:
    """A mailbox as the database knows it. `lease_until` is by the database's clock.

    `fills_sent`: whether the provider itself puts what was sent into Sent, as far as that was learned. `halts`: why it
    has stopped itself, in words, by cause; `halted_with` tells the accounts by which a login was refused. `sent_seen`:
    how often in a row the same was seen of Sent. `copied_at`: the database is a copy made then, and it is not
    known yet what has left since; `restored_at` is when a daemon first worked with it.
    """

    name: str
    state: MailboxState
    reason: str
    since: datetime
    inbox_read_at: datetime | None
    lease_owner: str
    lease_number: int
    lease_until: datetime | None
    fills_sent: bool | None = None
    reopened_at: datetime | None = None
    halts: Mapping[str, str] = field(default_factory=dict)
    halted_with: str = ""
    sent_seen: int = 0
    copied_at: datetime | None = None
    restored_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class LeaseLost:
    """Another worker owns the mailbox now; nothing was written."""

    mailbox: str


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a folder has been read: every UID up to `last_uid` of this UIDVALIDITY (RFC 3501 §2.3.1.1)."""

    uidvalidity: int
    last_uid: int
    read_at: datetime | None = None


async def register(conn: AsyncConnection, names: Collection[str], now: datetime) -> None:
    """Make the rows of mailboxes that are new; the others stay as they are."""
    rows = [{"name": name, "state": MailboxState.OK, "since": now} for name in sorted(names)]
    if rows:
        await conn.execute(upsert(conn, tables.mailboxes).on_conflict_do_nothing(), rows)


async def listing(conn: AsyncConnection) -> list[MailboxRow]:
    """All mailboxes ever registered, by name."""
    found = await conn.execute(_LISTING)
    return [_row(row) for row in found]


async def some(conn: AsyncConnection, names: Collection[str]) -> list[MailboxRow]:
    """Those of these mailboxes that were ever registered, by name."""
    found = await conn.execute(select(tables.mailboxes).where(among(conn, _t.name, names)).order_by(_t.name))
    return [_row(row) for row in found]


async def get(conn: AsyncConnection, name: str) -> MailboxRow | None:
    """One mailbox, or None when it was never registered."""
    row = (await conn.execute(select(tables.mailboxes).where(_t.name == name))).one_or_none()
    return None if row is None else _row(row)


async def set_state(conn: AsyncConnection, name: str, state: MailboxState, reason: str, now: datetime) -> bool:
    """Change the state; `since` moves only when the state or the reason is another. True when something changed.

    A mailbox that has stopped itself stays as it is: only `reopen` lets it go on.
    """
    changed = await conn.execute(
        update(tables.mailboxes)
        .where(_t.name == name, or_(_t.state != state, _t.reason != reason), _t.state != MailboxState.HALTED)
        .values(state=state, reason=reason, since=now)
    )
    return changed.rowcount == 1


async def halt(conn: AsyncConnection, name: str, halts: Mapping[str, str], seal: str, now: datetime) -> None:
    """It stops itself: why, in words, by cause. `seal` tells the accounts by which a login was refused, else empty."""
    await conn.execute(
        update(tables.mailboxes)
        .where(_t.name == name)
        .values(
            state=MailboxState.HALTED,
            reason="; ".join(halts.values()),
            since=case((_t.state == MailboxState.HALTED, _t.since), else_=literal(now, Instant())),
            halts=dict(halts),
            halted_with=seal,
        )
    )


async def reopen(conn: AsyncConnection, name: str, now: datetime) -> None:
    """It goes on; what spoke against it before `now` counts no more."""
    await conn.execute(
        update(tables.mailboxes)
        .where(_t.name == name)
        .values(state=MailboxState.OK, reason="", since=now, halts={}, halted_with="", reopened_at=now)
    )
    moved_earlier(conn, name, now)


async def set_inbox_read(conn: AsyncConnection, name: str, at: datetime) -> None:
    """All folders have been read to their end, as of `at`. Never moves back."""
    await conn.execute(
        update(tables.mailboxes)
        .where(_t.name == name, or_(_t.inbox_read_at.is_(None), _t.inbox_read_at < at))
        .values(inbox_read_at=at)
    )


class Learned(StrEnum):
    """What is known of a provider from now on."""

    FILLS = "fills"  # it puts what was sent into Sent by itself
    LEAVES = "leaves"  # it does not
    UNSURE = "unsure"  # something else was seen than what was known


CERTAIN_AFTER: Final = 3
"""So often in a row the same has to be seen before it is known."""


async def saw_sent(conn: AsyncConnection, name: str, *, filled: bool) -> Learned | None:
    """A message that the server had accepted stood in Sent without our doing (`filled`), or was absent when it was due.

    What is known from now on, if that has changed. Nothing is learned from a copy of the database (`is_copy`): our own
    copies would look as if the provider had made them.
    """
    row = await get(conn, name)
    if row is None or row.copied_at is not None:
        return None
    step = 1 if filled else -1
    seen = max(-CERTAIN_AFTER, min(CERTAIN_AFTER, row.sent_seen + step if row.sent_seen * step > 0 else step))
    fills: bool | None = seen > 0 if abs(seen) == CERTAIN_AFTER else row.fills_sent
    if fills is not None and fills is not filled:
        fills = None
    if (seen, fills) == (row.sent_seen, row.fills_sent):
        return None
    await conn.execute(update(tables.mailboxes).where(_t.name == name).values(sent_seen=seen, fills_sent=fills))
    if fills is row.fills_sent:
        return None
    return Learned.UNSURE if fills is None else Learned.FILLS if fills else Learned.LEAVES


async def unlearn_sent(conn: AsyncConnection, name: str) -> None:
    """A second copy of a message stood in Sent: the provider may fill it after all, only later."""
    await conn.execute(
        update(tables.mailboxes).where(_t.name == name, _t.fills_sent.is_(False)).values(sent_seen=0, fills_sent=None)
    )


LEASES_LEFT_OUT: Final = 1_000_000


async def is_copy(conn: AsyncConnection, name: str) -> bool:
    """Whether the database is a copy of which it is not known yet what has left the mailbox since."""
    return await copied_at(conn, name) is not None


async def copied_at(conn: AsyncConnection, name: str) -> datetime | None:
    """When the copy was made that the database is, as long as it is not known what has left the mailbox since."""
    at: datetime | None = await conn.scalar(select(_t.copied_at).where(_t.name == name))
    return at


async def last_lease(conn: AsyncConnection) -> int:
    """The greatest number that any lease has had."""
    return int(await conn.scalar(select(func.max(_t.lease_number))) or 0)


async def mark_copied(conn: AsyncConnection, at: datetime, beyond: int = 0) -> None:
    """Say in a copy of the database when it was made: what has left since has to be found out. A copy of a copy knows
    no more than that one, where that had not been found out.

    No lease number given out since may come again either, nor any up to `beyond`: a frozen owner may still hold it.
    """
    greatest = case((_t.lease_number < beyond, literal(beyond, BigInteger())), else_=_t.lease_number)
    await conn.execute(
        update(tables.mailboxes).values(
            copied_at=case((_t.copied_at < at, _t.copied_at), else_=literal(at, Instant())),
            restored_at=None,
            inbox_read_at=None,
            lease_owner="",
            lease_until=None,
            lease_number=greatest + LEASES_LEFT_OUT,
        )
    )


async def mark_restored(conn: AsyncConnection, name: str, now: datetime) -> None:
    """Work has begun with a copy; what falls due from now on has not left."""
    await conn.execute(
        update(tables.mailboxes)
        .where(_t.name == name, _t.copied_at.is_not(None), _t.restored_at.is_(None))
        .values(restored_at=now)
    )


async def mark_proven(conn: AsyncConnection, name: str) -> bool:
    """It is known now what has left since the copy was made. False when it was known before."""
    proven = await conn.execute(
        update(tables.mailboxes)
        .where(_t.name == name, _t.copied_at.is_not(None))
        .values(copied_at=None, restored_at=None)
    )
    return proven.rowcount == 1


async def owners(conn: AsyncConnection) -> dict[str, str]:
    """Who owns which mailbox right now, by the database's clock; those that nobody owns are left out."""
    found = await conn.execute(select(_t.name, _t.lease_owner).where(_t.lease_until > database_clock(conn)))
    return {row.name: row.lease_owner for row in found}


# The lease ----------------------------------------------------------------------------------------


async def take(conn: AsyncConnection, name: str, owner: str, seconds: float, *, evict: bool = False) -> int | None:
    """Become the owner for so many seconds; returns the lease number, or None while somebody else is the owner.

    `owner` must be unique to a process. With `evict`, an unexpired lease is taken too: only for who holds the lock on
    the SQLite file (`claim`), where the former owner is known to be dead.
    """
    free = or_(_t.lease_until.is_(None), _t.lease_until <= database_clock(conn), _t.lease_owner == owner)
    taken = await conn.execute(
        update(tables.mailboxes)
        .where(_t.name == name, *([] if evict else [free]))
        .values(lease_owner=owner, lease_number=_t.lease_number + 1, lease_until=database_clock(conn, seconds))
        .returning(_t.lease_number)
    )
    number: int | None = taken.scalar_one_or_none()
    return number


async def take_many(
    conn: AsyncConnection, names: Collection[str], owner: str, seconds: float, limit: int, *, evict: bool = False
) -> dict[str, int]:
    """Become the owner of up to `limit` of these that have none, those first that have waited longest, in one
    statement; the lease numbers, by name. One that somebody is just taking or committing under is left to them."""
    if not names or limit <= 0:
        return {}
    free = or_(_t.lease_until.is_(None), _t.lease_until <= database_clock(conn), _t.lease_owner == owner)
    wanted = select(_t.name).where(among(conn, _t.name, names), *([] if evict else [free]))
    wanted = wanted.order_by(_t.lease_until.nulls_first(), _t.name).limit(limit)
    chosen = wanted.with_for_update(skip_locked=True, key_share=True).cte("chosen")
    taken = await conn.execute(
        update(tables.mailboxes)
        .where(_t.name.in_(select(chosen.c.name)))
        .values(lease_owner=owner, lease_number=_t.lease_number + 1, lease_until=database_clock(conn, seconds))
        .returning(_t.name, _t.lease_number)
    )
    return {row.name: row.lease_number for row in taken}


async def renew_many(conn: AsyncConnection, leases: Mapping[str, int], owner: str, seconds: float) -> set[str]:
    """Stay the owner of these (name -> lease number) for so many seconds from now, in one statement; their names.

    One that somebody is just committing under is left out, so that a transaction that hangs costs no other mailbox its
    lease; `held` tells it from one that was lost.
    """
    if not leases:
        return set()
    free = _owned(conn, leases, owner).with_for_update(skip_locked=True, key_share=True).cte("free")
    renewed = await conn.execute(
        update(tables.mailboxes)
        .where(_t.name.in_(select(free.c.name)))
        .values(lease_until=database_clock(conn, seconds))
        .returning(_t.name, _t.lease_number)
    )
    return {row.name for row in renewed if leases[row.name] == row.lease_number}


async def held(conn: AsyncConnection, leases: Mapping[str, int], owner: str) -> set[str]:
    """Of these (name -> lease number), those that this owner has not lost. They may have run out."""
    found = (await conn.execute(_owned(conn, leases, owner))).all() if leases else ()
    return {row.name for row in found if leases[row.name] == row.lease_number}


def _owned(conn: AsyncConnection, names: Collection[str], owner: str) -> Select[tuple[str, int]]:
    mine = _t.lease_owner == owner, _t.lease_until.is_not(None)
    return select(_t.name, _t.lease_number).where(among(conn, _t.name, names), *mine)


async def release_many(conn: AsyncConnection, leases: Mapping[str, int], owner: str) -> None:
    """Give these back, those that are still held by this owner."""
    if leases:
        await conn.execute(
            update(tables.mailboxes)
            .where(among(conn, _t.name, leases.keys()), _t.lease_owner == owner)
            .values(lease_owner="", lease_until=None)
        )


async def release_all(conn: AsyncConnection, owner: str) -> None:
    """Give back whatever this owner holds. Looks at every mailbox: for the end of a daemon."""
    held = update(tables.mailboxes).where(_t.lease_owner == owner)
    await conn.execute(held.values(lease_owner="", lease_until=None))


async def hold_lease(conn: AsyncConnection, name: str, number: int) -> bool:
    """Whether the lease is still held under this number; if so, nobody can take it before this transaction ends."""
    return bool(await fetch(conn, _HOLD_LEASE, {"mailbox": name, "number": number}))


# The folders --------------------------------------------------------------------------------------


async def cursor(conn: AsyncConnection, mailbox: str, folder: str) -> Cursor | None:
    """How far the folder has been read, or None when it never was."""
    row = (
        await conn.execute(
            select(_f.uidvalidity, _f.last_uid, _f.read_at).where(_f.mailbox == mailbox, _f.folder == folder)
        )
    ).one_or_none()
    return None if row is None else Cursor(row.uidvalidity, row.last_uid, row.read_at)


async def set_cursor(conn: AsyncConnection, mailbox: str, folder: str, at: Cursor) -> None:
    """Remember how far the folder has been read: in the same transaction as what the messages led to."""
    values = {"uidvalidity": at.uidvalidity, "last_uid": at.last_uid, "read_at": at.read_at}
    await conn.execute(
        upsert(conn, tables.folders)
        .values(mailbox=mailbox, folder=folder, **values)
        .on_conflict_do_update(index_elements=["mailbox", "folder"], set_=values)
    )


def _row(row: Row[*tuple[Any, ...]]) -> MailboxRow:
    return MailboxRow(**{**row._mapping, "state": MailboxState(row.state), "halts": row.halts or {}})
