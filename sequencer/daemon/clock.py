"""The only place that reads the time or waits for it.

Everything else takes `now` as an argument or a `Clock`; the demo and the tests pass a clock of their own.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

LONGEST_WAIT = 3600.0
"""Seconds. A longer wait is cut, so that a clock that was set (or a laptop that slept) is noticed."""


class Clock(Protocol):
    """What the daemon needs of time."""

    def now(self) -> datetime:
        """The present instant, UTC."""
        ...

    async def wait(self, event: asyncio.Event, until: datetime | None) -> bool:
        """Wait until `event` is set (True) or `until` has come (False); None waits for the event alone.

        May return False early; the caller looks again. Does not clear the event.
        """
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    async def wait(self, event: asyncio.Event, until: datetime | None) -> bool:
        seconds = LONGEST_WAIT if until is None else min(LONGEST_WAIT, (until - self.now()) / timedelta(seconds=1))
        if seconds <= 0:
            return event.is_set()
        try:
            async with asyncio.timeout(seconds):
                return await event.wait()
        except TimeoutError:
            return False


async def pulse(event: asyncio.Event, seconds: float) -> bool:
    """Wait for the event, at most so many seconds of real time, whatever clock the daemon runs on.

    For what belongs to the machine and not to the plan: leases, other processes, files. True when the event is set.
    """
    try:
        async with asyncio.timeout(seconds):
            return await event.wait()
    except TimeoutError:
        return False


def ticks() -> float:
    """Seconds of the machine's steady clock, which nobody sets: for lengths of real time, not for instants."""
    return time.monotonic()


def boot_ticks() -> float:
    """Like `ticks`, and counts on while the machine sleeps, where the system can tell: for what ends by real time."""
    return time.clock_gettime(_EVEN_ASLEEP)


_EVEN_ASLEEP = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
