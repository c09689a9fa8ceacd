"""Where the people of a sequence stand, counted."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from sequencer.core.model import Status
from sequencer.store import tables

_t = tables.enrollments.c


@dataclass(frozen=True, slots=True)
class Place:
    """So many enrollments with this status stand before this step of this version; `held` are those among them that
    are due and held. The step is empty once the steps are used up."""

    step: str
    definition: str
    status: Status
    count: int
    held: int


async def places(conn: AsyncConnection, sequence: str) -> list[Place]:
    """All enrollments of a sequence, those that have ended among them."""
    held = func.count().filter(_t.held_reason != "")
    found = await conn.execute(
        select(_t.step, _t.definition, _t.status, func.count(), held)
        .where(_t.status.in_([status.value for status in Status]), _t.sequence == sequence)
        .group_by(_t.step, _t.definition, _t.status)
        .order_by(_t.step, _t.definition, _t.status)
    )
    return [Place(row[0], row[1], Status(row[2]), int(row[3]), int(row[4])) for row in found]
