"""With whom the rep is in conversation: the enrollments that a reply has paused."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from sequencer.core.model import Status
from sequencer.store import tables
from sequencer.store.statements import listed

_t = tables.enrollments.c
_TALKING: Final = (
    select(_t.contact_id, _t.id, _t.sequence)
    .where(listed(_t.contact_id, "contacts"), _t.status == Status.PAUSED, _t.last_message.is_not(None))
    .order_by(_t.id)
)


async def in_conversation(conn: AsyncConnection, contact_ids: Collection[int]) -> dict[int, list[tuple[int, str]]]:
    """The paused enrollments that have a message to answer, as (id, sequence), by contact."""
    talking: dict[int, list[tuple[int, str]]] = defaultdict(list)
    for row in await conn.execute(_TALKING, {"contacts": contact_ids}):
        talking[row.contact_id].append((row.id, row.sequence))
    return talking
