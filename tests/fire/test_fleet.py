"""Three daemons on one PostgreSQL: killed, stopped, sent away, cut off from the database; and how fast the others are.

Each daemon reaches the database through a wire of its own, which can be cut, cut in the middle of a message, slowed
down, or go silent. What must hold in the end: nobody has a step twice, nobody misses one without a word about it, and
the owner is shown whatever is in doubt.
"""

from __future__ import annotations

import asyncio
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import pytest

from sequencer.daemon.clock import pulse, ticks
from sequencer.operations.live import Live
from sequencer.store import mailboxes
from tests.clock import PATIENCE
from tests.daemon.running import Running
from tests.databases import Server, fresh_postgresql
from tests.fire.conftest import Count
from tests.fire.fleet import ENVIRON, Box, enroll, furnish, judge, people_of, quiet, status, workspace
from tests.fire.proxy import Proxy, unix
from tests.fire.scale import sized
from tests.operations.shop import MONDAY
from tests.pymap_server import PymapServer
from tests.smtp_peer import Action, Drop, Late, SmtpPeer

pytestmark = pytest.mark.postgresql

DAEMONS: Final = 3
MAILBOXES: Final = sized(6, 12)
PEOPLE: Final = sized(20, 60)
"""For each mailbox."""

TROUBLES: Final = sized(3, 40)
"""For each daemon."""

LEASE: Final = 2.5
IDLE: Final = "idle_in_transaction_session_timeout=2000"

TICK: Final = timedelta(seconds=20)
EVERY: Final = 0.2
FAST: Final = 0.05
"""So fast goes the plan's time while troubles come, and once they are over: a tick in so many seconds."""

SPREAD: Final = sized("5 minutes", "2 hours")
GAP: Final = sized("5 minutes", "1 hour")
"""Of the plan's time: so long are the first messages leaving, and so long after them come the second ones."""

TAKEOVER: Final = 30.0
HAND_OVER: Final = 5.0
"""Seconds: the bars."""


@dataclass
class Fleet:
    """Daemons on one database, the servers, and the plan's time, which is the same for all."""

    live: Live
    boxes: list[Box]
    folders: list[Path]
    wires: list[Proxy]
    smtp: SmtpPeer
    lease: float | None
    now: datetime = MONDAY
    daemons: dict[int, Running] = field(default_factory=dict)
    troubles: Counter[str] = field(default_factory=Counter)

    @property
    def people(self) -> list[str]:
        return [who for box in self.boxes for who in people_of(box, PEOPLE)]

    async def start(self, number: int) -> None:
        daemon = self.daemons[number] = await Running.start(self.folders[number], self.now, ENVIRON, self.lease)
        await daemon.says("running with")

    def tick(self) -> None:
        self.now += TICK
        for daemon in self.daemons.values():
            daemon.advance(TICK)

    async def owners(self) -> dict[str, int]:
        """The process that owns each mailbox, 0 for none."""
        async with self.live.database.read() as conn:
            rows = await mailboxes.listing(conn)
        return {row.name: int(row.lease_owner.split(":")[1]) if row.lease_owner else 0 for row in rows}

    async def owned_evenly_by(self, *numbers: int) -> float:
        """Wait until these daemons share all mailboxes, one more or less; the seconds that took."""
        began, pids = ticks(), [self.daemons[number].process.pid for number in numbers]
        owned: Counter[int] = Counter()
        try:
            async with asyncio.timeout(2 * PATIENCE):
                while True:
                    owned = Counter((await self.owners()).values())
                    shares = [owned[pid] for pid in pids]
                    if sum(shares) == len(self.boxes) and max(shares) - min(shares) <= 1:
                        return ticks() - began
                    await pulse(asyncio.Event(), 0.02)
        except TimeoutError:
            raise AssertionError(f"not even: {owned} of {pids}") from None

    async def leaves(self, number: int) -> float:
        """Wait until none of this daemon's mailboxes is without another owner; the seconds that took."""
        began, pid = ticks(), self.daemons[number].process.pid
        async with asyncio.timeout(2 * PATIENCE):
            while {0, pid} & set((await self.owners()).values()):
                await pulse(asyncio.Event(), 0.02)
        return ticks() - began


@asynccontextmanager
async def a_fleet(tmp_path: Path, server: Server, *, lease: float | None, people: int) -> AsyncIterator[Fleet]:
    url, drop = fresh_postgresql(server)
    name = url.rpartition("@/")[2].partition("?")[0]
    names = [f"box{number}" for number in range(MAILBOXES)]
    logins = dict.fromkeys(names, "pw")
    try:
        async with AsyncExitStack() as stack:
            imap = await stack.enter_async_context(PymapServer(logins))
            smtp = await stack.enter_async_context(SmtpPeer(logins=logins))
            boxes = [Box(name, smtp.port, imap.port) for name in names]
            folders, wires = [tmp_path / f"daemon{number}" for number in range(DAEMONS)], []
            for folder in folders:
                wire = await stack.enter_async_context(Proxy(unix(server.socket_folder / ".s.PGSQL.5432")))
                wires.append(wire)
                idle = f"&{IDLE}" if lease is not None else ""
                furnish(
                    folder,
                    boxes,
                    f"postgresql://postgres@127.0.0.1:{wire.port}/{name}?sslmode=disable{idle}",
                    spread=SPREAD,
                )
            furnish(tmp_path / "owner", boxes, url, spread=SPREAD, gap=GAP)
            live = await stack.enter_async_context(workspace(tmp_path / "owner"))
            for box in boxes:
                await enroll(live, tmp_path, box, people, MONDAY)
            fleet = Fleet(live, boxes, folders, wires, smtp, lease)
            try:
                yield fleet
            finally:
                for daemon in fleet.daemons.values():
                    await daemon.gone()
    finally:
        drop()


# How fast the others are -----------------------------------------------------------------------------


@pytest.mark.parametrize("lease", sized([LEASE], [LEASE, None]), ids=lambda lease: "own" if lease is None else "short")
async def test_mailboxes_are_spread_evenly_taken_over_and_handed_over(
    tmp_path: Path, postgresql_server: Server, counts: Count, lease: float | None
) -> None:
    async with a_fleet(tmp_path, postgresql_server, lease=lease, people=1) as fleet:
        for number in range(DAEMONS):
            await fleet.start(number)
        await fleet.owned_evenly_by(0, 1, 2)

        await fleet.daemons[0].ends(signal.SIGKILL)
        killed = await fleet.leaves(0)
        await fleet.start(0)
        joined = await fleet.owned_evenly_by(0, 1, 2)

        fleet.daemons[1].hears(signal.SIGSTOP)
        fleet.wires[2].freeze()
        stopped, silent = await asyncio.gather(fleet.leaves(1), fleet.leaves(2))
        fleet.daemons[1].hears(signal.SIGCONT)
        fleet.wires[2].thaw()
        await fleet.owned_evenly_by(0, 1, 2)

        fleet.daemons[0].hears(signal.SIGTERM)
        handed_over = await fleet.leaves(0)
        assert await fleet.daemons[0].ends() == 0
    counts(
        f"takeover with {'the real lease' if lease is None else f'a lease of {lease:g} s'}, in seconds",
        after_kill_9=f"{killed:.1f}",
        after_SIGSTOP=f"{stopped:.1f}",
        database_silent=f"{silent:.1f}",
        after_SIGTERM=f"{handed_over:.1f}",
        spread_evenly_after_a_start=f"{joined:.1f}",
    )
    assert max(killed, stopped, silent) <= TAKEOVER
    assert handed_over <= HAND_OVER


# Trouble ---------------------------------------------------------------------------------------------


async def _killed(fleet: Fleet, number: int, chance: random.Random) -> None:
    await fleet.daemons[number].ends(signal.SIGKILL)
    await fleet.start(number)


async def _sent_away(fleet: Fleet, number: int, chance: random.Random) -> None:
    assert await fleet.daemons[number].ends(signal.SIGTERM) == 0
    await fleet.start(number)


async def _stopped(fleet: Fleet, number: int, chance: random.Random) -> None:
    fleet.daemons[number].hears(signal.SIGSTOP)
    await pulse(asyncio.Event(), chance.uniform(0.1, 2) * LEASE)
    fleet.daemons[number].hears(signal.SIGCONT)


async def _cut(fleet: Fleet, number: int, chance: random.Random) -> None:
    fleet.wires[number].cut()


async def _cut_in_half(fleet: Fleet, number: int, chance: random.Random) -> None:
    fleet.wires[number].cut_in_half()


async def _silent(fleet: Fleet, number: int, chance: random.Random) -> None:
    fleet.wires[number].freeze()
    await pulse(asyncio.Event(), chance.uniform(0.1, 2) * LEASE)
    fleet.wires[number].thaw()


async def _slow(fleet: Fleet, number: int, chance: random.Random) -> None:
    fleet.wires[number].delay = chance.uniform(0.005, 0.1)
    await pulse(asyncio.Event(), chance.uniform(0.1, 1) * LEASE)
    fleet.wires[number].delay = 0.0


async def _turned_away(fleet: Fleet, number: int, chance: random.Random) -> None:
    fleet.wires[number].refuses = True
    fleet.wires[number].cut()
    await pulse(asyncio.Event(), chance.uniform(0.1, 2) * LEASE)
    fleet.wires[number].refuses = False


Trouble = Callable[[Fleet, int, random.Random], Awaitable[None]]
TROUBLE: Final[tuple[Trouble, ...]] = (
    _killed,
    _killed,
    _sent_away,
    _stopped,
    _stopped,
    _cut,
    _cut_in_half,
    _silent,
    _slow,
    _turned_away,
)


def _deal(seed: str) -> list[list[Trouble]]:
    """What each daemon will have to bear: of every kind about the same."""
    chance = random.Random(seed)
    deck: list[Trouble] = []
    while len(deck) < DAEMONS * TROUBLES:
        deck += chance.sample(TROUBLE, len(TROUBLE))
    return [deck[number : DAEMONS * TROUBLES : DAEMONS] for number in range(DAEMONS)]


async def _make_trouble(fleet: Fleet, number: int, plan: list[Trouble]) -> None:
    """One daemon's life: some peace, some trouble, again and again."""
    chance = random.Random(f"fleet {number}")
    for trouble in plan:
        await pulse(asyncio.Event(), chance.uniform(0.2, 1.0) * LEASE / 2)
        assert fleet.daemons[number].alive, f"it ended by itself: {fleet.daemons[number].said[-5:]}"
        await trouble(fleet, number, chance)
        fleet.troubles[trouble.__name__.strip("_")] += 1
        fleet.smtp.once("end", *(_mood(chance) for _ in range(chance.randrange(4))))


def _mood(chance: random.Random) -> Action:
    """How the SMTP server takes a message."""
    if chance.random() < 0.3:
        return Drop(accepting=chance.random() < 0.5)
    return Late(chance.uniform(0, LEASE), accepting=chance.random() < 0.5)


async def _time_goes_by(fleet: Fleet, over: asyncio.Event) -> None:
    while True:
        await pulse(asyncio.Event(), FAST if over.is_set() else EVERY)
        fleet.tick()


async def test_nothing_comes_twice_and_nothing_is_lost_whatever_happens_to_three_daemons(
    tmp_path: Path, postgresql_server: Server, counts: Count
) -> None:
    async with a_fleet(tmp_path, postgresql_server, lease=LEASE, people=PEOPLE) as fleet:
        for number in range(DAEMONS):
            await fleet.start(number)
        over = asyncio.Event()
        time = asyncio.create_task(_time_goes_by(fleet, over))
        try:
            await asyncio.gather(*(_make_trouble(fleet, number, plan) for number, plan in enumerate(_deal("fleet"))))
            over.set()
            await quiet(fleet.live, fleet.boxes, None, *fleet.daemons.values(), ended=True)
        finally:
            time.cancel()
        shown = await status(tmp_path / "owner")
        assert [await daemon.ends(signal.SIGTERM) for daemon in fleet.daemons.values()] == [0] * DAEMONS
        verdict = await judge(fleet.live, fleet.people, fleet.smtp.accepted, fleet.boxes)
        async with fleet.live.database.read() as conn:
            leases = sum(row.lease_number for row in await mailboxes.listing(conn))
    counts(
        "three daemons on one PostgreSQL",
        people=len(fleet.people),
        messages=2 * len(fleet.people),
        **dict(sorted(fleet.troubles.items())),
        times_a_mailbox_changed_hands=leases,
        twice=len(verdict.twice),
        lost=len(verdict.lost),
        in_doubt_and_shown=len(verdict.doubtful),
        kept_back_and_told=len(verdict.kept_back),
    )
    assert verdict.twice == []
    assert verdict.lost == []
    assert sum(box["in_doubt"] for box in shown["mailboxes"]) == len(verdict.doubtful)
