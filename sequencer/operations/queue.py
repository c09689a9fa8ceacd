"""The queue of one mailbox: who is due and has to wait until the pace allows one more message.

Whoever is due the longest goes first. The others sleep until the earliest instant at which it may be their turn, so
that waiting costs nothing; when the front of the queue sleeps at an opening (those before it have dropped out), it is
woken.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import Final

from sequencer.core.pace import DAY, Limits, Pace, pace, places
from sequencer.operations.advance import Ready
from sequencer.operations.live import Live
from sequencer.store import agenda, attempts
from sequencer.store.agenda import Sleep

MICROSECOND: Final = timedelta(microseconds=1)
OTHERS_FIRST: Final = "others have waited longer"


@dataclass(slots=True)
class Queue:
    """Belongs to the mailbox's worker. `pace` is as of the last look; `line` is everybody in it, first in front."""

    pace: Pace = field(default_factory=lambda: Pace(None))
    line: list[tuple[datetime, int]] = field(default_factory=list)  # due time and enrollment
    due: dict[int, datetime] = field(default_factory=dict)
    sleeps: dict[int, datetime] = field(default_factory=dict)  # until when
    opens: datetime | None = None
    coming: Iterator[datetime] = field(default_factory=lambda: iter(()))
    places: list[datetime] = field(default_factory=list)

    def place(self, rank: int) -> datetime:
        """The earliest turn of whoever has so many before them; those of one instant are a microsecond apart."""
        self.places += islice(self.coming, max(0, rank + 1 - len(self.places)))
        at = self.places[rank]
        return at + (rank - bisect_left(self.places, at)) * MICROSECOND

    def join(self, ready: Ready) -> int:
        """Into the line, where one belongs by the time one is due; how many are before."""
        enrollment_id, due_at = ready.enrollment.id, ready.action.due_at
        if self.due.get(enrollment_id) != due_at:
            self.leave(enrollment_id)
            self.due[enrollment_id] = due_at
            insort(self.line, (due_at, enrollment_id))
        self.sleeps.pop(enrollment_id, None)
        return bisect_left(self.line, (due_at, enrollment_id))

    def drop_out(self, now: datetime, awake: Collection[int]) -> None:
        """Who should be awake by now and is not ready has no message to send any more."""
        for enrollment_id in [i for i, until in self.sleeps.items() if until <= now and i not in awake]:
            self.leave(enrollment_id)

    def clear(self) -> None:
        """Nobody has to wait."""
        self.line.clear()
        self.due.clear()
        self.sleeps.clear()

    def leave(self, enrollment_id: int) -> None:
        """Out of the line, if one is in it."""
        due_at = self.due.pop(enrollment_id, None)
        self.sleeps.pop(enrollment_id, None)
        if due_at is not None:
            del self.line[bisect_left(self.line, (due_at, enrollment_id))]


async def look(live: Live, mailbox: str, limits: Limits, queue: Queue, now: datetime) -> Pace:
    """How many messages may leave now."""
    if limits == Limits():
        return queue.pace
    async with live.database.read() as conn:
        sent = await attempts.sent_since(conn, mailbox, now - DAY)
        began = await attempts.first_sent(conn, mailbox) if limits.ramp_up is not None else None
    queue.pace = pace(limits, sent, began, now)
    if queue.pace.next_at is None or queue.pace.next_at != queue.opens:
        queue.opens = queue.pace.next_at
        queue.coming, queue.places = places(limits, sent, began, queue.opens or now), []
    return queue.pace


@dataclass(frozen=True, slots=True)
class Turns:
    """Whose turn it is, in order, and who has to wait. `again`: look once more before anybody goes."""

    going: list[Ready]
    waiting: list[Ready]
    again: bool = False


async def whose_turn(
    live: Live, queue: Queue, ready: Sequence[Ready], room: int, now: datetime, *, more: bool
) -> Turns:
    """Of those who are ready, the longest due first, up to `room` may go, and not more than the pace allows.

    `more`: others are due whom nobody has looked at yet.
    """
    allowed = queue.pace.count
    if allowed is None:
        queue.clear()
        return Turns(list(ready[:room]), list(ready[room:]))
    awake = {each.enrollment.id: each for each in ready}
    if not more:
        queue.drop_out(now, awake)
    ranks = {each.enrollment.id: queue.join(each) for each in ready}
    if more and allowed < len(ready):  # somebody who is due longer may be among the others
        return Turns([], [each for each in ready if ranks[each.enrollment.id] >= allowed], again=True)
    front = [each.enrollment.id for each in ready] if more else [enrollment_id for _, enrollment_id in queue.line]
    front = front[: min(room, allowed)]
    if asleep := [enrollment_id for enrollment_id in front if enrollment_id not in awake]:
        async with live.database.begin() as conn:
            await agenda.wake(conn, asleep, now)
        queue.sleeps |= dict.fromkeys(asleep, now)
        return Turns([], [], again=True)
    for enrollment_id in front:
        queue.leave(enrollment_id)
    return Turns([awake[i] for i in front], [each for each in ready if each.enrollment.id not in front])


async def let_wait(live: Live, queue: Queue, waiting: Sequence[Ready], now: datetime) -> None:
    """These sleep until it may be their turn; those whose turn may come at once stay awake."""
    sleeps = []
    for each in waiting:
        place = queue.place(queue.join(each))
        if place > now:
            sleeps.append(Sleep(each.seen, place, queue.pace.reason or OTHERS_FIRST, place, now))
            queue.sleeps[each.enrollment.id] = place
    if sleeps:
        async with live.database.begin() as conn:
            await agenda.sleep_many(conn, sleeps)
