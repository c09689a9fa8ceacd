"""Copies for the Sent folder that are still to be made: an outbox, so that a crash between the server's answer and the
APPEND is caught up. Before it appends, the worker looks for the Message-ID in Sent: it may have crashed just after."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import func, literal_column, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from sequencer.store import tables
from sequencer.store.statements import among

_t = tables.attempts.c


@dataclass(frozen=True, slots=True)
class PendingCopy:
    """A message that left and is not in Sent yet. `message_id` is without angle brackets."""

    attempt: int
    message_id: str
    data: bytes
    sent_at: datetime
    tries: int


async def pending(
    conn: AsyncConnection, mailbox: str, limit: int = 16, *, until: datetime | None = None
) -> list[PendingCopy]:
    """The messages whose copies are not known to stand in Sent, the oldest first; with `until`, those sent by then."""
    ripe = [] if until is None else [_t.started_at <= until]
    found = await conn.execute(
        select(_t.id, _t.message_id, _t.bytes, _t.started_at, _t.copy_tries)
        .where(_t.mailbox == mailbox, literal_column(tables.COPY_OPEN), _t.copy_state == "pending", *ripe)
        .order_by(_t.id)
        .limit(limit)
    )
    return [PendingCopy(*row) for row in found]


class Sighting(StrEnum):
    """What it tells of the provider that a message of ours is read in Sent."""

    ITS_OWN = "its own"  # we have not begun to make a copy
    OURS = "ours"
    ONE_MORE = "one more"  # ours was read before; or the whole folder is read anew


async def sighted(conn: AsyncConnection, attempt_id: int) -> Sighting:
    """A copy of this message was read in Sent: none need be made."""
    row = (await conn.execute(select(_t.copy_state, _t.copy_tries).where(_t.id == attempt_id))).one()
    await conn.execute(update(tables.attempts).where(_t.id == attempt_id).values(copy_state="seen", copy_error=""))
    if row.copy_state == "seen":
        return Sighting.ONE_MORE
    return Sighting.ITS_OWN if row.copy_state == "pending" and row.copy_tries == 0 else Sighting.OURS


async def done(conn: AsyncConnection, attempt_ids: Collection[int]) -> None:
    """These copies are in Sent."""
    await conn.execute(
        update(tables.attempts).where(among(conn, _t.id, attempt_ids)).values(copy_state="done", copy_error="")
    )


async def failed(conn: AsyncConnection, attempt_id: int, error: str, *, give_up: bool) -> None:
    """One try failed; with `give_up` it was the last one."""
    await conn.execute(
        update(tables.attempts)
        .where(_t.id == attempt_id)
        .values(copy_state="failed" if give_up else "pending", copy_error=error, copy_tries=_t.copy_tries + 1)
    )


async def given_up(conn: AsyncConnection, mailbox: str) -> int:
    """How many copies of this mailbox could not be made."""
    failures = select(func.count()).where(
        _t.mailbox == mailbox, literal_column(tables.COPY_OPEN), _t.copy_state == "failed"
    )
    return int(await conn.scalar(failures) or 0)
