"""Message-IDs by which a thread is known: ours, those that providers put in their place, and those of its messages."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import literal_column, select, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from sequencer.store import tables
from sequencer.store.addresses import bare
from sequencer.store.statements import among, upsert

_t = tables.aliases.c


@dataclass(frozen=True, slots=True)
class Alias:
    """Another id of the same thread. `origin` says where it is from: "smtp answer", "sent folder", "gmail thread"…"""

    message_id: str
    enrollment_id: int
    origin: str
    attempt_id: int | None = None


async def add_many(conn: AsyncConnection, rows: Sequence[Alias]) -> None:
    """Remember further ids; one that is known already stays."""
    values = [
        {
            "message_id": bare(row.message_id),
            "enrollment_id": row.enrollment_id,
            "attempt_id": row.attempt_id,
            "origin": row.origin,
        }
        for row in rows
        if bare(row.message_id)
    ]
    if values:
        await conn.execute(upsert(conn, tables.aliases).on_conflict_do_nothing(), values)


async def by_message_ids(conn: AsyncConnection, ids: Collection[str]) -> dict[str, int]:
    """The enrollment that each of these ids belongs to, by the id as it was asked for (with or without brackets).

    Looks at what we sent, at aliases and at the messages of known threads. An id of several threads gives the newest.
    """
    keys = {message_id: bare(message_id) for message_id in ids}
    wanted = {key for key in keys.values() if key}
    if not wanted:
        return {}
    a, m = tables.attempts.c, tables.messages.c
    found = await conn.execute(
        union_all(
            select(a.message_id, a.enrollment_id).where(among(conn, a.message_id, wanted)),
            select(_t.message_id, _t.enrollment_id).where(among(conn, _t.message_id, wanted)),
            select(m.message_id, m.enrollment_id).where(
                among(conn, m.message_id, wanted), literal_column(tables.HAS_ID), m.enrollment_id.is_not(None)
            ),
        )
    )
    newest: dict[str, int] = {}
    for row in found:
        newest[row.message_id] = max(row.enrollment_id, newest.get(row.message_id, 0))
    return {message_id: newest[key] for message_id, key in keys.items() if key in newest}


async def of_enrollment(conn: AsyncConnection, enrollment_id: int) -> list[Alias]:
    """The further ids of a thread."""
    found = await conn.execute(
        select(_t.message_id, _t.enrollment_id, _t.origin, _t.attempt_id)
        .where(_t.enrollment_id == enrollment_id)
        .order_by(_t.message_id)
    )
    return [Alias(*row) for row in found]
