"""Recording what happened to an enrollment: events in, the fold out, by compare-and-set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection

from sequencer.core import events as e
from sequencer.core.decide import fold
from sequencer.core.decisions import Wait
from sequencer.core.model import Enrollment
from sequencer.operations.facts import answer, gather
from sequencer.operations.live import Live
from sequencer.store import contacts, enrollments

TRIES: Final = 20
"""How often a change is tried anew when somebody else was first."""

OUTAGES: Final = ("08", "53", "57", "58", "25P03", "40001", "40P01")
"""How the SQLSTATEs begin by which PostgreSQL says that another try may succeed (its manual, appendix A): the
connection broke, resources are short, the server is stopping or starting, its disk failed, it ended an idle
transaction, or two transactions stood in each other's way."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a change cannot be made, for people."""

    reason: str


async def record(
    conn: AsyncConnection, live: Live, enrollment: Enrollment, events: Sequence[e.Event], now: datetime
) -> Enrollment | None:
    """Append events to an enrollment and say when it is to be looked at next.

    None when somebody else changed it first: nothing was written, and it has to be read again. Raises
    `core.decide.Impossible` for an event that the state table does not allow.
    """
    sequence = live.sequence(enrollment.sequence)
    definition = sequence.version if sequence is not None else enrollment.definition
    after = fold(enrollment, tuple(events), definition)
    wake_at = await next_look(conn, live, after, now)
    # Everybody locks contacts before enrollments, so that no two transactions wait for each other.
    await contacts.touched(conn, touches_of(after, events))
    if not await enrollments.append(conn, enrollment, after, events, definition, wake_at):
        return None
    return after


async def next_look(conn: AsyncConnection, live: Live, enrollment: Enrollment, now: datetime) -> datetime | None:
    """When an enrollment is to be decided on again: at once when there is something to do."""
    if enrollment.status.ended:
        return None
    question = (await gather(conn, live, [enrollment], now))[enrollment.id]
    match answer(question, enrollment, now):
        case Wait() as wait:
            return wait.until
        case _:
            return now


Maker = Callable[[Enrollment], "Sequence[e.Event] | Refusal"]


async def change(live: Live, enrollment_id: int, now: datetime, make_events: Maker) -> Enrollment | Refusal:
    """Change an enrollment in a transaction of its own; `make_events` is asked anew when somebody else was first."""
    async with live.database.begin() as conn:
        return await change_in(conn, live, enrollment_id, now, make_events)


async def change_in(
    conn: AsyncConnection, live: Live, enrollment_id: int, now: datetime, make_events: Maker
) -> Enrollment | Refusal:
    """The same within a transaction. No events: nothing is written, and the enrollment is returned as it is."""
    for _ in range(TRIES):
        enrollment = await enrollments.get(conn, enrollment_id)
        if enrollment is None:
            return Refusal("there is no such enrollment")
        events = make_events(enrollment)
        if isinstance(events, Refusal):
            return events
        after = await record(conn, live, enrollment, events, now) if events else enrollment
        if after is not None:
            return after
    return Refusal("somebody else keeps changing this enrollment; try again")


def touches_of(enrollment: Enrollment, events: Sequence[e.Event]) -> dict[int, datetime]:
    """The touches among these events, by contact."""
    touching = [
        event.sent_at if isinstance(event, e.Recovered) else event.at
        for event in events
        if isinstance(event, (e.Accepted, e.InDoubt, e.HandWritten, e.Recovered))
        or (isinstance(event, e.TaskDone) and event.touched)
    ]
    return {enrollment.contact_id: max(touching)} if touching else {}


def is_outage(error: Exception) -> bool:
    """Whether an error says that the database is away, locked or full, rather than that one row cannot be written."""
    if isinstance(error, (OperationalError, OSError, TimeoutError)):
        return True
    if not isinstance(error, DBAPIError):
        return False
    state = str(getattr(error.orig, "sqlstate", None) or "")
    return error.connection_invalidated or state.startswith(OUTAGES)
