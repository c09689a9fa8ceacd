"""The queue of one mailbox: who is due and has to wait until the pace allows one more message.

Everybody in it sleeps until the earliest instant at which it may be their turn. Nobody whose turn it is sleeps
longer, so at every opening the one who is due the longest is awake and goes first, and the others cost nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count

from sequencer.core.pace import DAY, Limits, Pace, pace, places
from sequencer.operations.advance import Ready
from sequencer.operations.live import Live
from sequencer.store import agenda, attempts
from sequencer.store.agenda import Sleep

MICROSECOND = timedelta(microseconds=1)


@dataclass(slots=True)
class Queue:
    """Belongs to the mailbox's worker. `pace` is as of the last look; `waiting` are the enrollments in the queue."""

    pace: Pace = field(default_factory=lambda: Pace(None))
    waiting: set[int] = field(default_factory=set)
    opens: datetime | None = None
    places: Iterator[datetime] | None = None


async def look(live: Live, mailbox: str, limits: Limits, queue: Queue, now: datetime) -> Pace:
    """How many messages may leave now; the places of those who wait begin anew where that has changed."""
    if limits == Limits():
        queue.pace = Pace(None)
        return queue.pace
    async with live.database.read() as conn:
        sent = await attempts.sent_since(conn, mailbox, now - DAY)
        began = await attempts.first_sent(conn, mailbox) if limits.ramp_up is not None else None
    queue.pace = pace(limits, sent, began, now)
    if queue.pace.next_at != queue.opens:
        queue.opens = queue.pace.next_at
        queue.places = _in_order(places(limits, sent, began, queue.opens)) if queue.opens is not None else None
    return queue.pace


def _in_order(told: Iterator[datetime]) -> Iterator[datetime]:
    """Places that several share, a microsecond apart, so that whoever came first is looked at first."""
    last, behind = None, count()
    for place in told:
        if place != last:
            last, behind = place, count()
        yield place + next(behind) * MICROSECOND


async def let_wait(live: Live, queue: Queue, waiting: Sequence[Ready], now: datetime) -> None:
    """Put these at the end of the queue, in order. The pace must be closed."""
    assert queue.places is not None
    sleeps = []
    for ready in waiting:
        place = next(queue.places)
        sleeps.append(Sleep(ready.seen, place, queue.pace.reason, place, now))
        queue.waiting.add(ready.enrollment.id)
    async with live.database.begin() as conn:
        await agenda.sleep_many(conn, sleeps)
