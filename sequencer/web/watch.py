"""The present figures of a running daemon, however often and by however many they are asked for.

One look into the database at a time, its answer kept for a moment: a crowd of scrapers costs no more than one, and a
database that hangs occupies one connection of the daemon's and not all of them.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Final

from sequencer.daemon.clock import pulse, ticks
from sequencer.daemon.vitals import Vitals
from sequencer.operations.figures import MailboxFigures, take_figures

WITHIN: Final = 2.0
"""Seconds in which the database has to answer."""

GOOD_FOR: Final = 1.0
"""Seconds for which an answer is given again."""

LAG_EVERY: Final = 1.0
LAG_KEPT: Final = 60
"""How often the event loop is timed, and for how many timings the greatest is remembered."""


@dataclass(slots=True)
class Watch:
    """`lags` are the last timings of the event loop: by how many seconds it was late."""

    vitals: Vitals
    lags: list[float] = field(default_factory=list)
    _looking: asyncio.Task[tuple[MailboxFigures, ...]] | None = field(default=None, repr=False)
    _taken_at: float = field(default=0.0, repr=False)

    async def figures(self) -> tuple[MailboxFigures, ...] | str:
        """The figures of the daemon's mailboxes; or why there are none, without details that belong to nobody."""
        if self._looking is None or (self._looking.done() and ticks() - self._taken_at > GOOD_FOR):
            self._looking, self._taken_at = asyncio.create_task(self._look()), ticks()
        done, _ = await asyncio.wait([self._looking], timeout=WITHIN)
        if not done:
            return f"the database does not answer within {WITHIN:g} s"
        error = self._looking.exception()
        return self._looking.result() if error is None else f"the database cannot be read: {type(error).__name__}"

    async def _look(self) -> tuple[MailboxFigures, ...]:
        vitals = self.vitals
        async with vitals.live.database.read() as conn:
            return await take_figures(conn, sorted(vitals.workers), vitals.owner, vitals.clock.now())

    async def time_the_loop(self) -> None:
        """Measure how late the event loop is, until cancelled."""
        never = asyncio.Event()
        while True:
            began = ticks()
            await pulse(never, LAG_EVERY)
            self.lags = [*self.lags[-LAG_KEPT + 1 :], max(0.0, ticks() - began - LAG_EVERY)]

    async def close(self) -> None:
        """Give up a look that is still going on."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
