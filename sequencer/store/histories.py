"""What contacts have been through: all their enrollments, for many contacts at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from sequencer.store import tables
from sequencer.store.enrollments import STANDING, Standing, standing_of
from sequencer.store.statements import among

_t = tables.enrollments.c


async def by_contacts(conn: AsyncConnection, contact_ids: Collection[int]) -> dict[int, list[Standing]]:
    """The enrollments of these contacts, the oldest first; who never had one is not in the answer."""
    found = await conn.execute(select(*STANDING).where(among(conn, _t.contact_id, contact_ids)).order_by(_t.id))
    histories: dict[int, list[Standing]] = defaultdict(list)
    for row in found:
        standing = standing_of(row)
        histories[standing.enrollment.contact_id].append(standing)
    return dict(histories)
