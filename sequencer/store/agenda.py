"""Whose turn it is, and when: the wake times and holds of enrollments.

`wake_at` says when somebody must look at an enrollment again; NULL means not before an event comes. Everything here
follows one partial index and costs what is due, not who is enrolled. A worker puts an enrollment to sleep only by
compare-and-set (on the version, and on how often it was woken), so a wake call that comes in between is never
slept through.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy import ColumnElement, and_, bindparam, case, func, literal, literal_column, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from sequencer.core.model import Status
from sequencer.store import set_aside, tables
from sequencer.store.announcements import moved_earlier
from sequencer.store.columns import Instant
from sequencer.store.enrollments import STANDING, Standing, standing_of
from sequencer.store.statements import among, each_of, execute_many

_t = tables.enrollments.c
_IS_DUE: Final[ColumnElement[bool]] = literal_column(tables.DUE)
_IS_HELD: Final[ColumnElement[bool]] = literal_column(tables.HELD)
_DUE_NOW: Final = (
    select(*STANDING)
    .where(_t.mailbox == bindparam("mailbox"), _t.wake_at <= bindparam("now", type_=Instant()), _IS_DUE)
    .order_by(_t.wake_at, _t.id)
    .limit(bindparam("limit"))
)
_SAME_HOLD: Final = and_(_t.held_reason == bindparam("hold_reason"), _t.held_step == bindparam("hold_step"))
_SLEEP: Final = (
    update(tables.enrollments)
    .where(
        _t.id == bindparam("key"),
        _t.version == bindparam("seen_version"),
        _t.wakes == bindparam("seen_wakes"),
    )
    .values(
        wake_at=bindparam("until", type_=Instant()),
        held_reason=bindparam("hold_reason"),
        held_step=bindparam("hold_step"),
        held_until=bindparam("hold_until", type_=Instant()),
        held_since=case((_SAME_HOLD, _t.held_since), else_=bindparam("hold_since", type_=Instant())),
    )
)


@dataclass(frozen=True, slots=True)
class Sleep:
    """Look at an enrollment again at `wake_at` (None: not before an event). `seen` is what the decision was made on.

    With a `hold_reason` it stands as held: due, but something forbids it right now, until `hold_until` where known.
    """

    seen: Standing
    wake_at: datetime | None
    hold_reason: str = ""
    hold_until: datetime | None = None
    hold_since: datetime | None = None  # needed with a reason; an unchanged hold keeps the instant it began


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An enrollment whose row does not hold one, and why."""

    enrollment_id: int
    error: str


class Due(NamedTuple):
    """Whose time has come, and the rows among them that nobody can read."""

    standings: list[Standing]
    unreadable: list[Unreadable]


@dataclass(frozen=True, slots=True)
class Load:
    """How much of a mailbox is due (held ones not counted) and how much is held."""

    due: int
    held: int


async def due(conn: AsyncConnection, mailbox: str, now: datetime, limit: int) -> Due:
    """The enrollments of a mailbox whose time has come, the longest waiting first, `limit` rows at most."""
    found = await conn.execute(_DUE_NOW, {"mailbox": mailbox, "now": now, "limit": limit})
    standings: list[Standing] = []
    unreadable: list[Unreadable] = []
    for row in found.all():
        try:
            standings.append(standing_of(row))
        except (KeyError, TypeError, ValueError) as error:
            unreadable.append(Unreadable(row.id, f"its row cannot be read: {type(error).__name__}: {error}"))
    return Due(standings, unreadable)


async def lay_aside(conn: AsyncConnection, mailbox: str, row: Unreadable, now: datetime) -> None:
    """Keep the error of a row that cannot be read, and do not look at it again: it must never stop the others."""
    reason = f"set aside: {row.error}"
    await set_aside.add(conn, mailbox, f"enrollment {row.enrollment_id}", reason, now)
    await conn.execute(
        update(tables.enrollments)
        .where(_t.id == row.enrollment_id)
        .values(wake_at=None, held_reason=reason, held_since=now)
    )


async def next_wake(conn: AsyncConnection, mailbox: str) -> datetime | None:
    """The earliest wake time of a mailbox, past or future; None when nobody is to be looked at."""
    wake: datetime | None = await conn.scalar(
        select(_t.wake_at).where(_t.mailbox == mailbox, _IS_DUE).order_by(_t.wake_at).limit(1)
    )
    return wake


async def next_wakes(conn: AsyncConnection, mailboxes: Collection[str]) -> dict[str, datetime]:
    """The same for many mailboxes, one step into the index each; those where nobody is to be looked at are left out."""
    each = each_of(conn, mailboxes)
    mine = select(_t.wake_at).where(_t.mailbox == each, _IS_DUE).order_by(_t.wake_at).limit(1)
    found = await conn.execute(select(each, mine.scalar_subquery().label("wake_at")))
    return {name: wake_at for name, wake_at in found if wake_at is not None}


async def sleep_many(conn: AsyncConnection, sleeps: Sequence[Sleep]) -> None:
    """Put enrollments to sleep and record what holds them, one statement for all.

    One that has moved on, or was woken, since it was seen stays as it is: it will be looked at again anyway.
    """
    rows = [_sleep_row(sleep) for sleep in sorted(sleeps, key=lambda sleep: sleep.seen.enrollment.id)]
    await execute_many(conn, _SLEEP, rows)


def _sleep_row(sleep: Sleep) -> dict[str, object]:
    if sleep.hold_reason and sleep.hold_since is None:
        raise ValueError("a hold without the instant it began")
    enrollment = sleep.seen.enrollment
    return {
        "key": enrollment.id,
        "seen_version": enrollment.version,
        "seen_wakes": sleep.seen.wakes,
        "until": sleep.wake_at,
        "hold_reason": sleep.hold_reason,
        "hold_step": enrollment.position.step if sleep.hold_reason else "",
        "hold_until": sleep.hold_until if sleep.hold_reason else None,
        "hold_since": sleep.hold_since if sleep.hold_reason else None,
    }


# Waking -------------------------------------------------------------------------------------------


async def wake(conn: AsyncConnection, ids: Collection[int], at: datetime) -> int:
    """Look at these enrollments at `at`, or earlier where they are due earlier. Only active and snoozed ones wake."""
    return await _wake(conn, among(conn, _t.id, ids), at)


async def wake_contacts(conn: AsyncConnection, contact_ids: Collection[int], at: datetime) -> int:
    """The same for all enrollments of these contacts: their fields have changed."""
    return await _wake(conn, among(conn, _t.contact_id, contact_ids), at)


async def wake_sequence(conn: AsyncConnection, sequence: str, at: datetime) -> int:
    """The same for everybody in a sequence: its file has changed."""
    return await _wake(conn, _t.sequence == sequence, at)


async def wake_held(conn: AsyncConnection, mailbox: str, at: datetime, *, reason: str = "") -> int:
    """The same for the held enrollments of a mailbox, all or those held for this reason: it has gone away."""
    held = and_(_t.mailbox == mailbox, _IS_HELD)
    return await _wake(conn, and_(held, _t.held_reason == reason) if reason else held, at)


async def _wake(conn: AsyncConnection, which: ColumnElement[bool], at: datetime) -> int:
    sleeping = select(_t.id, _t.mailbox, _t.wake_at).where(which, _t.status.in_((Status.ACTIVE, Status.SNOOZED)))
    if conn.dialect.name != "sqlite":
        # locked in the order of the ids, like everywhere: else this and an append could wait for each other
        sleeping = sleeping.order_by(_t.id).with_for_update(key_share=True)
    found = (await conn.execute(sleeping)).all()
    earlier = case((or_(_t.wake_at.is_(None), _t.wake_at > at), literal(at, Instant())), else_=_t.wake_at)
    if found:
        ids = [row.id for row in found]
        await conn.execute(
            update(tables.enrollments).where(among(conn, _t.id, ids)).values(wake_at=earlier, wakes=_t.wakes + 1)
        )
    for mailbox in {row.mailbox for row in found if row.wake_at is None or row.wake_at > at}:
        moved_earlier(conn, mailbox, at)
    return len(found)


# Health -------------------------------------------------------------------------------------------


async def load(conn: AsyncConnection, now: datetime) -> dict[str, Load]:
    """How much is due and how much is held, by mailbox; a mailbox without either is not in the answer."""
    held_now = await conn.execute(select(_t.mailbox, func.count()).where(_IS_HELD).group_by(_t.mailbox))
    held_counts = {row[0]: int(row[1]) for row in held_now}
    due_counts = {name: await _due_count(conn, name, now) for name in await _awaited(conn)}
    loads = {
        mailbox: Load(due_counts.get(mailbox, 0), held_counts.get(mailbox, 0))
        for mailbox in sorted(due_counts.keys() | held_counts.keys())
    }
    return {mailbox: load for mailbox, load in loads.items() if load.due or load.held}


async def _awaited(conn: AsyncConnection) -> list[str]:
    """The mailboxes with anybody to be looked at, by one step into the index each: a GROUP BY would read all of it."""
    names: list[str] = []
    while True:
        after = names[-1] if names else ""
        name: str | None = await conn.scalar(select(func.min(_t.mailbox)).where(_t.mailbox > after, _IS_DUE))
        if name is None:
            return names
        names.append(name)


async def _due_count(conn: AsyncConnection, mailbox: str, now: datetime) -> int:
    due_now = select(func.count()).where(_t.mailbox == mailbox, _t.wake_at <= now, _IS_DUE, _t.held_reason == "")
    return int(await conn.scalar(due_now) or 0)


@dataclass(frozen=True, slots=True)
class HeldTogether:
    """How many are held for one reason, and one of them."""

    reason: str
    number: int
    email: str


async def held_for_good(conn: AsyncConnection, beginnings: Collection[str], limit: int) -> list[HeldTogether]:
    """Those who are held for a reason that begins so, by reason, the most frequent first."""
    number = func.count()
    found = await conn.execute(
        select(_t.held_reason, number, func.min(tables.contacts.c.email))
        .join(tables.contacts, tables.contacts.c.id == _t.contact_id)
        .where(_IS_HELD, or_(*(_t.held_reason.startswith(start, autoescape=True) for start in beginnings)))
        .group_by(_t.held_reason)
        .order_by(number.desc(), _t.held_reason)
        .limit(limit)
    )
    return [HeldTogether(*row) for row in found]
