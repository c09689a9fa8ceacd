"""The accelerated clock: nothing happens for three days, so three days pass at once.

It satisfies `daemon.clock.Clock`. Virtual time stands still while anybody works and jumps to the next moment
that somebody waits for once everybody rests. Sockets and databases stay real and take real time, so "everybody
rests" is found out in two ways:

* by counting: every wait that ended makes one party busy, every wait that began makes it rest again;
* by the world outside: no message is in motion, a mail that was delivered has woken somebody, and nothing has
  been heard on the wire for a moment (`GRACE`).

A party that ends without waiting again would leave the count too high for ever, and a mail that nobody watches
for wakes nobody; so after `PATIENCE` without any sign of work the clock stops waiting for them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol

GRACE: Final = 0.004
"""Seconds of real time without any sign of work before time may jump."""

PATIENCE: Final = 5.0
"""Seconds of real time without any sign of work after which somebody busy is taken to be resting."""


class World(Protocol):
    """What the clock wants to know of the post office."""

    in_motion: int
    traffic: int
    deliveries: int


@dataclass(eq=False, slots=True)
class _Wait:
    until: datetime | None
    rung: asyncio.Event = field(default_factory=asyncio.Event)


class AcceleratedClock:
    """A clock whose time jumps. `drive` makes it go; without it, virtual time stands still."""

    def __init__(self, start: datetime, world: World) -> None:
        self._now = start
        self._world = world
        self._waits: list[_Wait] = []
        self._alarms: list[tuple[datetime, int, Callable[[], None]]] = []
        self._busy = 0
        self._turns = 0
        self._answered = 0
        self._rang = 0
        self._somebody_waited = asyncio.Event()
        self.jumps = 0
        """How often time has jumped."""
        self.impatient = 0
        """How often the clock went on although somebody seemed to be busy still."""

    def now(self) -> datetime:
        """The virtual instant, UTC."""
        return self._now

    async def wait(self, event: asyncio.Event, until: datetime | None) -> bool:
        """As `daemon.clock.Clock.wait`: True when the event is set, False when `until` has come."""
        if event.is_set():
            self._answered = self._world.deliveries
            return True
        if until is not None and until <= self._now:
            return False
        mine = _Wait(until)
        self._rest(mine)
        parties = [asyncio.ensure_future(event.wait()), asyncio.ensure_future(mine.rung.wait())]
        try:
            await asyncio.wait(parties, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._wake(mine)
            for party in parties:
                party.cancel()
        return event.is_set()

    async def first_wait(self) -> None:
        """Wait, in real time, until somebody has waited on this clock for the first time: they are up and running."""
        await self._somebody_waited.wait()

    def at(self, moment: datetime, do: Callable[[], None]) -> None:
        """Call `do` when virtual time reaches `moment`; at the next jump when it has passed already."""
        self._rang += 1
        self._alarms.append((moment, self._rang, do))

    async def drive(
        self, end: datetime, finished: Callable[[], bool] = lambda: False, breath: Callable[[], float] = lambda: 0.0
    ) -> None:
        """Let time jump until `end`, or until `finished()` holds while everybody rests.

        `breath()` is asked before every jump: so many seconds of real time pass first, for those who watch.
        """
        while True:
            await self._everybody_rests()
            coming = self._next()
            if finished() or coming is None or coming > end:
                return
            if (seconds := breath()) > 0:
                await _real_pause(seconds)
            self._now = max(self._now, coming)
            self.jumps += 1
            self._ring()

    def _rest(self, wait: _Wait) -> None:
        self._waits.append(wait)
        self._busy = max(0, self._busy - 1)
        self._turns += 1
        self._somebody_waited.set()

    def _wake(self, wait: _Wait) -> None:
        self._waits.remove(wait)
        self._busy += 1
        self._turns += 1
        self._answered = self._world.deliveries

    def _next(self) -> datetime | None:
        moments = [wait.until for wait in self._waits if wait.until is not None]
        moments.extend(moment for moment, _, _ in self._alarms)
        return min(moments, default=None)

    def _ring(self) -> None:
        """Wake everybody whose time has come, in the order of their times."""
        due = sorted(alarm[:2] for alarm in self._alarms if alarm[0] <= self._now)
        calls = {alarm[1]: alarm[2] for alarm in self._alarms}
        self._alarms = [alarm for alarm in self._alarms if alarm[0] > self._now]
        for wait in self._waits:
            if wait.until is not None and wait.until <= self._now:
                wait.rung.set()
        for _, number in due:
            calls[number]()

    async def _everybody_rests(self) -> None:
        """Return once there is no sign of work (see the top of this file)."""
        loop = asyncio.get_running_loop()
        seen = self._signs()
        still_since = loop.time()
        while True:
            await _real_pause(GRACE / 2)
            signs = self._signs()
            if signs != seen:
                seen, still_since = signs, loop.time()
                continue
            still = loop.time() - still_since
            if still >= GRACE and self._balanced():
                return
            if still >= PATIENCE:
                self.impatient += 1
                self._busy = 0
                self._answered = self._world.deliveries
                return

    def _balanced(self) -> bool:
        unanswered = self._world.deliveries - self._answered
        return self._busy == 0 and self._world.in_motion == 0 and unanswered <= 0

    def _signs(self) -> tuple[int, int, int]:
        return (self._turns, self._world.traffic, self._world.in_motion)


async def _real_pause(seconds: float) -> None:
    """Let the machine's own clock go on for a moment, so that sockets and disks can do their work."""
    done = asyncio.Event()
    asyncio.get_running_loop().call_later(seconds, done.set)
    await done.wait()
