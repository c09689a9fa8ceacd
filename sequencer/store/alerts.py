"""Alerts: what the rep is to be told at once. A row for each alert and place where it is told.

They are written in the transaction of what they tell of, so none is lost and none is told of what did not happen.
Whoever delivers one takes it first (`take`), by compare-and-set, so that two daemons do not both tell it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, func, insert, literal_column, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from sequencer.store import tables
from sequencer.store.statements import among

CALM: Final = timedelta(days=1)
"""No second alert of one kind from one mailbox within this time."""

_t = tables.alerts.c
_OPEN: Final[ColumnElement[bool]] = literal_column(tables.NOT_TOLD)


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert on its way to one place. `tries` counts those that have begun; `error` is why the last one failed."""

    id: int
    mailbox: str
    kind: str
    target: str
    subject: str
    body: str
    created_at: datetime
    told_at: datetime | None
    tries: int
    next_try_at: datetime
    error: str


async def add(
    conn: AsyncConnection,
    mailbox: str,
    kind: str,
    targets: Collection[str],
    subject: str,
    body: str,
    now: datetime,
    *,
    unless_since: datetime | None = None,
) -> bool:
    """Have something told at these places; False, and nothing, when its kind was told after `unless_since` already
    (by default: within the last day)."""
    latest = await last(conn, mailbox, kind)
    if not targets or (latest is not None and latest > (unless_since or now - CALM)):
        return False
    row = {"mailbox": mailbox, "kind": kind, "subject": subject, "body": body, "created_at": now, "next_try_at": now}
    await conn.execute(insert(tables.alerts), [{**row, "target": target} for target in targets])
    return True


async def last(conn: AsyncConnection, mailbox: str, kind: str) -> datetime | None:
    """When the latest alert of a kind was raised, or None."""
    latest: datetime | None = await conn.scalar(
        select(_t.created_at).where(_t.mailbox == mailbox, _t.kind == kind).order_by(_t.created_at.desc()).limit(1)
    )
    return latest


async def waiting(conn: AsyncConnection, mailboxes: Collection[str], now: datetime, limit: int) -> list[Alert]:
    """The alerts of these mailboxes whose turn to be told, or tried again, has come; the oldest first."""
    found = await conn.execute(
        select(tables.alerts)
        .where(among(conn, _t.mailbox, mailboxes), _t.next_try_at <= now, _OPEN)
        .order_by(_t.next_try_at, _t.id)
        .limit(limit)
    )
    return [_alert(row) for row in found]


async def take(conn: AsyncConnection, alert: Alert, next_try_at: datetime) -> bool:
    """Begin a try: if it ends without a word (a crash), the next one is at `next_try_at`. False: another was first."""
    taken = await conn.execute(
        update(tables.alerts)
        .where(_t.id == alert.id, _t.tries == alert.tries, _OPEN)
        .values(tries=_t.tries + 1, next_try_at=next_try_at)
    )
    return taken.rowcount == 1


async def told(conn: AsyncConnection, alert_id: int, now: datetime) -> None:
    """It has been told."""
    await conn.execute(update(tables.alerts).where(_t.id == alert_id, _OPEN).values(told_at=now, error=""))


async def failed(conn: AsyncConnection, alert_id: int, error: str, now: datetime, *, give_up: bool) -> None:
    """It could not be told; with `give_up` it is not tried again, and stays to be seen with its error."""
    values: dict[str, object] = {"error": error} | ({"told_at": now} if give_up else {})
    await conn.execute(update(tables.alerts).where(_t.id == alert_id, _OPEN).values(values))


async def failing(conn: AsyncConnection, since: datetime) -> dict[str, tuple[int, str]]:
    """Alerts raised after `since` that could not be told so far, by mailbox: how many, and the latest error."""
    found = await conn.execute(
        select(_t.mailbox, func.count(), func.max(_t.error))
        .where(_t.error != "", _t.created_at > since)
        .group_by(_t.mailbox)
    )
    return {row[0]: (int(row[1]), str(row[2])) for row in found}


def _alert(row: Row[*tuple[Any, ...]]) -> Alert:
    return Alert(**row._mapping)
