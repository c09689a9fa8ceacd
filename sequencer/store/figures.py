"""The numbers of the metrics. Each statement goes by an index: it costs what is due or held, not who is enrolled."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, literal_column, select
from sqlalchemy.ext.asyncio import AsyncConnection

from sequencer.store import tables
from sequencer.store.statements import among

_e = tables.enrollments.c


@dataclass(frozen=True, slots=True)
class Waiting:
    """Those of a mailbox who are due and not held, and since when the first of them is."""

    due: int
    since: datetime


async def waiting(conn: AsyncConnection, mailboxes: Collection[str], now: datetime) -> dict[str, Waiting]:
    """By mailbox; one where nobody is due is not in the answer."""
    found = await conn.execute(
        select(_e.mailbox, func.count(), func.min(_e.wake_at))
        .where(
            among(conn, _e.mailbox, mailboxes),
            _e.wake_at <= now,
            literal_column(tables.DUE),
            _e.held_reason == "",
        )
        .group_by(_e.mailbox)
    )
    return {row[0]: Waiting(int(row[1]), row[2]) for row in found}


async def held(conn: AsyncConnection, mailboxes: Collection[str]) -> list[tuple[str, str, int]]:
    """How many are held: by mailbox and reason."""
    found = await conn.execute(
        select(_e.mailbox, _e.held_reason, func.count())
        .where(among(conn, _e.mailbox, mailboxes), literal_column(tables.HELD))
        .group_by(_e.mailbox, _e.held_reason)
    )
    return [(row[0], row[1], int(row[2])) for row in found]


async def set_aside(conn: AsyncConnection) -> dict[str, int]:
    """What was set aside and nobody has cleared yet, by mailbox."""
    t = tables.set_aside.c
    found = await conn.execute(
        select(t.mailbox, func.count()).where(literal_column(tables.NOT_CLEARED)).group_by(t.mailbox)
    )
    return {row[0]: int(row[1]) for row in found}


async def untold(conn: AsyncConnection, mailboxes: Collection[str]) -> dict[str, int]:
    """Alerts that have not reached anybody yet, by mailbox."""
    t = tables.alerts.c
    found = await conn.execute(
        select(t.mailbox, func.count())
        .where(among(conn, t.mailbox, mailboxes), literal_column(tables.NOT_TOLD))
        .group_by(t.mailbox)
    )
    return {row[0]: int(row[1]) for row in found}
