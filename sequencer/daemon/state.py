"""What the parts of one running daemon share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from sequencer.daemon.clock import Clock
from sequencer.daemon.station import Station
from sequencer.daemon.telling import Told
from sequencer.daemon.veil import Veil
from sequencer.daemon.vitals import Vitals
from sequencer.operations.live import Live
from sequencer.store.daemons import Daemon
from sequencer.store.database import Database


@dataclass(slots=True)
class Household:
    """A running daemon. `stations` are the mailboxes that it owns, `workers` their tasks; only `sharing` changes them.

    `keeper` is the database on connections that nothing else uses (on SQLite the same as the live one), so that the
    leases never wait behind other work. `round` is set to look at the leases at once, `look` to look at once for what
    other processes have changed, `released` when somebody has approved files. `reloading`: one change at a time.
    """

    live: Live
    folder: Path
    environ: Mapping[str, str]
    clock: Clock
    tell: Callable[[Told], None]
    stop: asyncio.Event
    poll: timedelta
    vitals: Vitals
    lease: float
    keeper: Database
    veil: Veil
    stations: dict[str, Station] = field(default_factory=dict)
    workers: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    round: asyncio.Event = field(default_factory=asyncio.Event)
    look: asyncio.Event = field(default_factory=asyncio.Event)
    hears: bool = False  # other processes' announcements
    refused: bool = False  # the files as they are saved have mistakes
    heard: int = 0  # the last release that we have heard of
    unfinished: bool = False  # the database was away when a change was to be put in force
    waiting: str = ""  # the state of the saved files that was last told to wait for approval
    released: asyncio.Event = field(default_factory=asyncio.Event)
    reloading: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def me(self) -> Daemon:
        return Daemon(self.vitals.owner)

    @property
    def shares(self) -> bool:
        """Whether other daemons may be there: on SQLite the file's lock says that there is none."""
        return self.keeper.dialect != "sqlite"


async def cancel(tasks: list[asyncio.Task[None]]) -> None:
    """Cut these tasks off and wait for their end."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
