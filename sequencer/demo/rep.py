"""The rep of the demo: does the calls that the plan asks for, closes the sale, writes one mail by hand.

Everything goes through the operations that the commands and the desk call as well; nothing is arranged behind
the daemon's back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from sequencer.demo.clock import AcceleratedClock
from sequencer.demo.letters import letter
from sequencer.demo.post_office import PostOffice
from sequencer.demo.premises import REP
from sequencer.demo.prospects import Prospect
from sequencer.demo.story import REP as REP_MARK
from sequencer.demo.story import Story, quoted
from sequencer.operations import enrollments, steering, tasks
from sequencer.operations.contacts import Imported, import_file
from sequencer.operations.enrollments import Entered
from sequencer.operations.happenings import Happening
from sequencer.operations.live import Live
from sequencer.operations.record import Refusal
from sequencer.operations.steering import Turned, Who

BY: Final = "mark"
TASK_TAKES: Final = timedelta(hours=2, minutes=30)
THINKS: Final = timedelta(hours=1)

_OUTCOMES: Final = {"call": "left a message that mentions the mail", "text": "sent a short text"}


class Rep:
    """Acts on what the daemon tells."""

    def __init__(self, live: Live, office: PostOffice, clock: AcceleratedClock, story: Story) -> None:
        self._live = live
        self._office = office
        self._clock = clock
        self._story = story
        self._acts: set[asyncio.Task[None]] = set()
        self.failures: list[str] = []
        """What was refused; there should be nothing."""

    def heard(self, happening: Happening, buyer: Prospect) -> None:
        """What the daemon tells: tasks are done, and who wants the invoice gets it."""
        if happening.what == "task":
            self._later(happening.at + TASK_TAKES, self._do_tasks)
        if happening.what == "paused" and happening.contact == buyer.email:
            self._later(happening.at + THINKS, lambda: self._close_won(buyer))

    def write_by_hand(self, at: datetime, to: Prospect, subject: str, text: str) -> None:
        """At a virtual instant, write to somebody from an ordinary mail program."""

        async def write() -> None:
            raw = letter(REP, to.writer.mailbox, subject, text, self._clock.now())
            self._story.tell(self._clock.now(), REP_MARK, to.email, f"Mark writes by hand: {quoted(text)}")
            await self._office.take(REP.address, [to.email], raw)
            await self._office.deliver(REP.address, raw, "Sent", seen=True)

        self._later(at, write)

    def look_up(self, at: datetime, who: Prospect, fields: Mapping[str, str], folder: Path) -> None:
        """At a virtual instant, fill in what was missing of somebody, as `sequencer import` does it."""

        async def look() -> None:
            path = folder / "looked-up.csv"
            path.write_text(f"email,{','.join(fields)}\n{who.email},{','.join(fields.values())}\n", "utf-8")
            imported = await import_file(self._live, path, self._clock.now())
            if not isinstance(imported, Imported) or imported.updated != 1:
                self.failures.append(f"{path.name} was not imported: {imported}")
            words = ", ".join(f"{name}: {value}" for name, value in fields.items())
            self._story.tell(self._clock.now(), REP_MARK, who.email, f"Mark looks it up and imports it: {words}")

        self._later(at, look)

    async def finish(self) -> None:
        """Wait until everything that was begun is done."""
        if self._acts:
            await asyncio.wait(tuple(self._acts))

    def _later(self, at: datetime, act: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._clock.at(at, lambda: self._begin(act))

    def _begin(self, act: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._office.in_motion += 1  # time stands still while the rep is at it
        task = asyncio.ensure_future(self._act(act))
        self._acts.add(task)
        task.add_done_callback(self._acts.discard)

    async def _act(self, act: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            await act()
        finally:
            self._office.in_motion -= 1

    async def _do_tasks(self) -> None:
        async with self._live.database.read() as conn:
            waiting = await tasks.to_dos(conn, self._live)
        for to_do in waiting:
            now, kind = self._clock.now(), to_do.task.kind
            outcome = _OUTCOMES.get(kind, "done")
            done = await tasks.done(self._live, to_do.task.id, outcome, now, by=BY)
            if isinstance(done, Refusal):
                self.failures.append(done.reason)
            else:
                self._story.tell(now, REP_MARK, to_do.contact.email, f"Mark does the {kind}: {outcome}")

    async def _close_won(self, buyer: Prospect) -> None:
        now = self._clock.now()
        closed = await steering.close(self._live, Who((buyer.email,), by=BY), now, "won", "wants the invoice")
        self.failures += [one.reason for one in closed if not isinstance(one, Turned)]
        self._story.tell(now, REP_MARK, buyer.email, "Mark sends the invoice, and closes: won")
        entered = await enrollments.enroll(self._live, "after-sale", [buyer.email], now)
        self.failures += [entered.reason] if isinstance(entered, Refusal) else []
        if not isinstance(entered, Refusal):
            self.failures += [one.reason for one in entered if not isinstance(one, Entered)]
            self._story.tell(now, REP_MARK, buyer.email, "Mark enrolls her in after-sale")
