"""A clock that tests move by hand, and an ear for what the daemon tells. No test waits for time to pass."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from sequencer.daemon.telling import Note, Told
from sequencer.operations.happenings import Happening

PATIENCE = 30.0
"""Seconds of real time after which something that should have happened is taken to have failed."""


class ManualClock:
    """Satisfies `daemon.clock.Clock`; time moves only when `advance` is called."""

    def __init__(self, start: datetime) -> None:
        self._now = start
        self._moved = asyncio.Event()

    def now(self) -> datetime:
        return self._now

    def advance(self, by: timedelta) -> datetime:
        """Move time; whoever waited for an instant until then goes on."""
        self._now += by
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()
        return self._now

    async def wait(self, event: asyncio.Event, until: datetime | None) -> bool:
        while not event.is_set() and (until is None or self._now < until):
            moved = self._moved
            parties = [asyncio.ensure_future(event.wait()), asyncio.ensure_future(moved.wait())]
            try:
                await asyncio.wait(parties, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for party in parties:
                    party.cancel()
        return event.is_set()


class Ear:
    """Collects what is told, and lets a test wait for it."""

    def __init__(self) -> None:
        self.heard: list[Told] = []
        self._news = asyncio.Event()

    def __call__(self, told: Told) -> None:
        self.heard.append(told)
        self._news.set()

    @property
    def words(self) -> list[str]:
        """The kinds of happenings, in order."""
        return [told.what for told in self.heard if isinstance(told, Happening)]

    @property
    def notes(self) -> list[str]:
        return [told.message for told in self.heard if isinstance(told, Note)]

    async def hears(self, what: Callable[[Told], bool], times: int = 1) -> Told:
        """Wait until something like this has been told so often; raises AssertionError with all that was told."""
        try:
            async with asyncio.timeout(PATIENCE):
                while True:
                    found = [told for told in self.heard if what(told)]
                    if len(found) >= times:
                        return found[times - 1]
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"not heard; what was told: {self.heard}") from None

    async def happens(self, what: str, times: int = 1) -> Happening:
        """Wait for the n-th happening of a kind."""
        told = await self.hears(lambda told: isinstance(told, Happening) and told.what == what, times)
        assert isinstance(told, Happening)
        return told

    async def notes_that(self, words: str) -> Told:
        """Wait for a note with these words."""
        return await self.hears(lambda told: isinstance(told, Note) and words in told.message)
