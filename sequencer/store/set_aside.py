"""What could not be processed: kept with its error and shown, so that it never stops the loop and is never lost."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from sequencer.store import tables

_t = tables.set_aside.c


@dataclass(frozen=True, slots=True)
class SetAside:
    """One thing that could not be processed; `raw_of` has its bytes."""

    id: int
    mailbox: str
    what: str
    error: str
    created_at: datetime


async def add(conn: AsyncConnection, mailbox: str, what: str, error: str, now: datetime, raw: bytes = b"") -> int:
    """Set something aside, with the bytes it came as where there are any; returns its id."""
    row = {"mailbox": mailbox, "what": what, "error": error, "created_at": now, "raw": raw}
    made = await conn.execute(insert(tables.set_aside).values(row).returning(_t.id))
    return int(made.scalar_one())


async def listing(conn: AsyncConnection, *, limit: int = 1000) -> list[SetAside]:
    """What nobody has cleared yet, the newest first."""
    found = await conn.execute(
        select(_t.id, _t.mailbox, _t.what, _t.error, _t.created_at)
        .where(_t.cleared_at.is_(None))
        .order_by(_t.created_at.desc(), _t.id.desc())
        .limit(limit)
    )
    return [SetAside(*row) for row in found]


async def raw_of(conn: AsyncConnection, set_aside_id: int) -> bytes | None:
    """The bytes as they came, or None when there is no such row."""
    raw: bytes | None = await conn.scalar(select(_t.raw).where(_t.id == set_aside_id))
    return raw


async def clear(conn: AsyncConnection, set_aside_id: int, now: datetime) -> bool:
    """Somebody has seen to it. False when it was cleared before or never was."""
    cleared = await conn.execute(
        update(tables.set_aside).where(_t.id == set_aside_id, _t.cleared_at.is_(None)).values(cleared_at=now)
    )
    return cleared.rowcount == 1
