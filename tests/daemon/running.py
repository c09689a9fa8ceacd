"""The daemon as a process of its own (`tests.daemon.process`): its clock is moved by hand, and what it says is kept."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Self

from tests.clock import PATIENCE


@dataclass(eq=False)
class Running:
    """A daemon process whose clock is moved by hand, and what it has said so far."""

    process: asyncio.subprocess.Process
    now: datetime
    said: list[dict[str, str]] = field(default_factory=list)
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)
    _listening: asyncio.Task[None] | None = None
    _has_ended: bool = False

    @classmethod
    async def start(cls, folder: Path, now: datetime, environ: Mapping[str, str], lease: float | None = None) -> Self:
        """Start it on a workspace; `lease` in seconds, the product's own unless told."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.daemon.process", str(folder), now.isoformat()),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=1 << 24,  # a traceback is one line
            env={**os.environ, **environ, **({"LEASE": str(lease)} if lease is not None else {})},
        )
        daemon = cls(process, now)
        daemon._listening = asyncio.create_task(daemon._listen())
        return daemon

    async def _listen(self) -> None:
        assert self.process.stdout is not None
        while line := await self.process.stdout.readline():
            async with self._news:
                self.said.append(json.loads(line))
                self._news.notify_all()
        async with self._news:
            self._has_ended = True
            self._news.notify_all()

    async def says(self, words: str, times: int = 1) -> None:
        """Wait until sentences with these words have been said so often."""
        await self._hears(words, lambda: self.count(words) >= times)

    async def tells(self, what: str, times: int = 1) -> dict[str, str]:
        """Wait until this has happened so often; how it was said the last of these times."""
        await self._hears(what, lambda: len(self.told(what)) >= times)
        return self.told(what)[times - 1]

    async def _hears(self, words: str, enough: Callable[[], bool]) -> None:
        try:
            async with asyncio.timeout(2 * PATIENCE), self._news:
                await self._news.wait_for(lambda: self._has_ended or enough())
        except TimeoutError:
            pass
        assert enough(), f"it never said “{words}” so often, but {self.said}"

    def count(self, words: str) -> int:
        return sum(1 for row in self.said if words in row["says"])

    def told(self, what: str) -> list[dict[str, str]]:
        """All that has happened of one kind."""
        return [row for row in self.said if row["what"] == what]

    def errors(self) -> list[str]:
        return [row["says"] for row in self.said if row["level"] == "error"]

    def advance(self, by: timedelta) -> None:
        """Move its clock; a stopped process hears of it when it goes on."""
        self.now += by
        if self.process.stdin is not None and self.alive:
            self.process.stdin.write(f"{by.total_seconds()}\n".encode())

    @property
    def alive(self) -> bool:
        return self.process.returncode is None

    def hears(self, number: signal.Signals) -> None:
        if self.alive:
            self.process.send_signal(number)

    async def ends(self, how: signal.Signals | None = None) -> int:
        """Send the signal, if any, and wait for its end; the exit code."""
        if how is not None:
            self.hears(how)
        async with asyncio.timeout(2 * PATIENCE):
            code = await self.process.wait()
        if self._listening is not None:
            await self._listening
        return code

    async def gone(self) -> None:
        """Whatever happens, it does not outlive its test."""
        if self.alive:
            self.process.kill()
        await self.ends()


@asynccontextmanager
async def running(
    folder: Path, now: datetime, environ: Mapping[str, str], lease: float | None = None
) -> AsyncIterator[Running]:
    """A daemon that does not outlive the block, whatever happens."""
    daemon = await Running.start(folder, now, environ, lease)
    try:
        yield daemon
    finally:
        await daemon.gone()
