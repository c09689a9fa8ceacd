"""How the daemon itself is doing: which of its tasks get on, which workers have failed, and how often what happened.

The pages about its health, the metrics and systemd's watchdog read this. Nothing in it is about one person.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple

from sequencer.daemon.clock import LONGEST_WAIT, Clock, ticks
from sequencer.daemon.telling import Note, Told
from sequencer.operations.happenings import What
from sequencer.operations.live import Live

BUSY: Final = 900.0
"""Seconds that a worker may be at one thing: the reply to the final dot may take ten minutes (RFC 5321 §4.5.3.2.6)."""

MINDING: Final = 120.0
"""Seconds that one round of a minder may take: what it waits for longest is a database that is locked or away."""

GRACE: Final = 60.0
"""Seconds by which a wait may end too late on a machine that is busy."""


@dataclass(slots=True)
class Heart:
    """It beats whenever a task gets on, and knows for how many seconds the task may be silent until the next time."""

    patience: float = BUSY
    beat_at: float = field(default_factory=ticks)
    rested: bool = False  # it has done all that there was to do, at least once

    def beat(self, patience: float = BUSY) -> None:
        """The task gets on, and will again within so many seconds."""
        self.beat_at, self.patience = ticks(), patience

    def rest(self, now: datetime, until: datetime) -> None:
        """The task waits, until then at the latest (or until the longest wait of the clock is over)."""
        self.beat(min(max((until - now).total_seconds(), 0.0), LONGEST_WAIT) + GRACE)
        self.rested = True

    def overdue(self) -> bool:
        """Whether the task has been silent for longer than it may be."""
        return ticks() - self.beat_at > self.patience


class Count(NamedTuple):
    """What is counted together. `kind`: of a reply or a notice, as the reader or the author's label calls it."""

    what: What
    mailbox: str
    kind: str = ""


@dataclass(slots=True)
class Vitals:
    """Of one running daemon. `workers`: the mailboxes that it owns right now. `started_at` is by the plan's clock."""

    live: Live
    clock: Clock
    owner: str
    started_at: datetime
    minders: dict[str, Heart] = field(default_factory=dict)
    workers: dict[str, Heart] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)  # mailboxes whose worker has ended with an error at some time
    failures: Counter[str] = field(default_factory=Counter)
    counts: Counter[Count] = field(default_factory=Counter)
    standing: asyncio.Event = field(default_factory=asyncio.Event)  # the first round of leases is done

    def hear(self, told: Told) -> None:
        """Count what is told."""
        if not isinstance(told, Note):
            kind = told.detail if told.what in ("replied", "notice") else ""
            self.counts[Count(told.what, told.mailbox, kind)] += 1

    def stuck(self) -> list[str]:
        """The tasks that do not get on, by name. A mailbox in trouble is not among them: its worker goes on trying."""
        minders = [f"the minder of {name}" for name, heart in self.minders.items() if heart.overdue()]
        return minders + [f"the worker of {name}" for name, heart in self.workers.items() if heart.overdue()]

    def failing(self) -> list[str]:
        """The mailboxes whose worker has ended with an error and has not got through a turn since."""
        return sorted(name for name in self.broken if name in self.workers and not self.workers[name].rested)

    def worker_failed(self, mailbox: str) -> None:
        """A worker has ended with an error; it is started anew after a while."""
        self.broken.add(mailbox)
        self.failures[mailbox] += 1

    def worker_ended(self, mailbox: str) -> None:
        """The mailbox is no longer this daemon's."""
        self.workers.pop(mailbox, None)
        self.broken.discard(mailbox)


Beside = Callable[[Vitals], AbstractAsyncContextManager[str]]
"""What runs beside the daemon while it runs, e.g. its listener. Gives "" or why the daemon must not start."""
