"""What a daemon stands on gives way: the disk, the database, the clock. No crash loop, nothing twice, nothing lost, and
no flood afterwards.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import resource
import signal
import sqlite3
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from random import Random
from threading import Thread
from urllib.parse import quote

import pytest
from sqlalchemy import func, select

from sequencer.daemon import sharing
from sequencer.daemon.clock import pulse
from sequencer.store import database as store
from sequencer.store.attempts import AttemptState
from sequencer.store.tables import attempts
from tests import databases
from tests.clock import PATIENCE, ManualClock
from tests.daemon.house import ENVIRON, MARK, House, furnish
from tests.daemon.running import Running, running
from tests.fire import deeds
from tests.fire.conftest import Count
from tests.fire.files import KEEP, PER_HOUR, STEADY, a_plan
from tests.fire.scale import sized
from tests.fire.world import START, World
from tests.pymap_server import PymapServer
from tests.smtp_peer import AcceptedMail, SmtpPeer

PEOPLE, OUTAGES = sized(40, 400), sized(4, 40)
FOLDERS = ("Sent", "Junk", "Archive")


@dataclass
class Ground:
    """A house, and the moments at which the ground gives way: while the server has a message and nobody knows yet."""

    house: House
    chance: Random
    quakes: Callable[[], None] = lambda: None
    at: set[int] = field(default_factory=set)
    quaked: int = 0
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def forward(self, mail: AcceptedMail) -> None:
        """Called in a thread for each message, before the server answers."""
        if mail.recipients != (MARK,) and next(self._numbers) in self.at:
            self.quaked += 1
            self.quakes()

    @property
    def got(self) -> Counter[str]:
        return Counter(mail.recipients[0] for mail in self.house.smtp.accepted if mail.recipients != (MARK,))

    async def everybody_gets_theirs(self) -> None:
        async with asyncio.timeout(4 * PATIENCE):
            while len(self.got) < PEOPLE:
                self.house.clock.advance(timedelta(minutes=2))
                await pulse(asyncio.Event(), 0.2)

    async def nothing_stays_in_the_air(self) -> None:
        """The ground is firm again: what nobody knows the outcome of is found, and told."""
        async with asyncio.timeout(4 * PATIENCE):
            while (await self.states())[AttemptState.STARTED]:
                self.house.clock.advance(timedelta(minutes=2))
                await pulse(asyncio.Event(), 0.2)
        self.house.clock.advance(timedelta(minutes=40))
        await pulse(asyncio.Event(), 1)

    async def states(self) -> Counter[str]:
        async with self.house.live() as live, live.database.read() as conn:
            found = await conn.execute(select(attempts.c.state, func.count()).group_by(attempts.c.state))
            return Counter({str(row[0]): int(row[1]) for row in found})

    async def holds(self, counts: Count, trial: str) -> None:
        """Everybody got one message; what nobody knew is in doubt; the worker did not run in circles."""
        assert set(self.got.values()) == {1}, self.got
        states = await self.states()
        assert states[AttemptState.STARTED] == 0
        assert states[AttemptState.ACCEPTED] + states[AttemptState.IN_DOUBT] == PEOPLE, states
        failures = [note for note in self.house.ear.notes if "failed and will be tried again" in note]
        assert len(failures) <= 4 * self.quaked + 2, failures
        counts(
            trial,
            outages=self.quaked,
            sent=PEOPLE,
            twice=0,
            lost=0,
            in_doubt=states[AttemptState.IN_DOUBT],
            worker_failures=len(failures),
        )


@asynccontextmanager
async def a_ground(folder: Path, url: str = "sqlite:///data/s.db") -> AsyncIterator[Ground]:
    async with PymapServer({"mark": "pw"}, FOLDERS) as imap, SmtpPeer(logins={"mark": "pw"}) as smtp:
        furnish(folder, smtp=smtp.port, imap=imap.port, user="mark", database=url)
        ground = Ground(House(folder, smtp), Random(3))
        ground.at = set(ground.chance.sample(range(1, PEOPLE - 5), OUTAGES))
        smtp.forward = ground.forward
        await ground.house.enroll(*(f"p{number}@own{number}.example" for number in range(PEOPLE)))
        yield ground


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a daemon waits for in minutes, in parts of a second."""
    monkeypatch.setattr(sharing, "OUTAGE_AGAIN", 0.3)
    monkeypatch.setattr(sharing, "CRASHED_AGAIN", 0.3)
    monkeypatch.setattr(store, "BUSY_SECONDS", 0.3)


# The database ----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("hurried")
async def test_a_database_that_another_process_keeps_locked(tmp_path: Path, counts: Count) -> None:
    """A backup tool, a forgotten shell: the file is locked for longer than anybody waits."""
    async with a_ground(tmp_path) as ground:

        def lock() -> None:
            if any(thread.is_alive() for thread in locks):
                return
            other = sqlite3.connect(tmp_path / "data" / "s.db", timeout=10, check_same_thread=False)
            other.execute("BEGIN IMMEDIATE")

            def let_go() -> None:
                asyncio.run(_pulse(ground.chance.uniform(0.4, 1.5)))
                other.rollback()
                other.close()

            locks.append(Thread(target=let_go))
            locks[-1].start()

        locks: list[Thread] = []
        ground.quakes = lock
        async with ground.house.running():
            await ground.everybody_gets_theirs()
            for thread in locks:
                await asyncio.to_thread(thread.join)
            await ground.nothing_stays_in_the_air()
        await ground.holds(counts, "database locked")
        assert (await ground.states())[AttemptState.IN_DOUBT] == 0, (
            "what the server said was kept until it could be written"
        )


async def _pulse(seconds: float) -> None:
    await pulse(asyncio.Event(), seconds)


@pytest.mark.postgresql
@pytest.mark.usefixtures("hurried")
async def test_a_postgresql_that_is_restarted_again_and_again(tmp_path: Path, counts: Count) -> None:
    async with _a_server_of_its_own(tmp_path / "pg") as server, a_ground(tmp_path, server.url) as ground:
        ground.quakes = server.goes_down
        async with ground.house.running():
            enough = asyncio.Event()
            restarting = asyncio.create_task(_restarts(server, ground.chance, enough))
            await ground.everybody_gets_theirs()
            enough.set()
            await restarting
            await _until(server.is_up, partial(asyncio.to_thread, server.comes_up))
            await ground.nothing_stays_in_the_air()
        await ground.holds(counts, "PostgreSQL restarted")


@dataclass
class _Server:
    data: Path
    url: str = ""

    def is_up(self) -> bool:
        return (self.data / "postmaster.pid").exists()

    def goes_down(self) -> None:
        """At once, without a word to anybody who is connected."""
        try:
            pid = int((self.data / "postmaster.pid").read_text().split()[0])
            os.kill(pid, signal.SIGQUIT)
        except (FileNotFoundError, ProcessLookupError):
            return
        while self.is_up():
            asyncio.run(_pulse(0.02))

    def comes_up(self) -> None:
        if (self.data / "postmaster.pid").exists():
            return
        try:
            folder = databases._start(self.data)
        except (subprocess.CalledProcessError, AssertionError, ValueError):
            return  # the former one has not let go of its socket yet, or this one is slow; it is tried again
        self.url = f"postgresql://postgres@/postgres?host={quote(str(folder))}"


@asynccontextmanager
async def _a_server_of_its_own(data: Path) -> AsyncIterator[_Server]:
    server = _Server(data)
    while not server.url:
        await asyncio.to_thread(server.comes_up)
    try:
        yield server
    finally:
        await asyncio.to_thread(server.goes_down)


async def _restarts(server: _Server, chance: Random, enough: asyncio.Event) -> None:
    """Whoever looks after the server starts it anew some time later; it takes connections when this has ended."""
    while not enough.is_set():
        await pulse(enough, chance.uniform(0.2, 1.0))
        await asyncio.to_thread(server.comes_up)


# The disk --------------------------------------------------------------------------------------------


async def test_a_disk_that_is_full_for_a_while(tmp_path: Path, counts: Count) -> None:
    """The daemon's process may write its files only up to a size; later there is room again."""
    chance, rounds = Random(5), sized(3, 20)
    async with PymapServer({"mark": "pw"}, FOLDERS) as imap, SmtpPeer(logins={"mark": "pw"}) as smtp:
        furnish(tmp_path, smtp=smtp.port, imap=imap.port, user="mark")
        house = House(tmp_path, smtp)
        async with running(tmp_path, house.clock.now(), ENVIRON) as daemon:
            await _until(lambda: bool(daemon.said))
            minute = partial(_passes, daemon, timedelta(minutes=1))
            people: list[str] = []
            for number in range(rounds):
                wal = tmp_path / "data" / "s.db-wal"
                size = wal.stat().st_size if wal.exists() else 0
                _limit(daemon.process.pid, size + chance.choice((0, 30_000, 90_000)))
                new = [f"p{number}-{n}@own{number}-{n}.example" for n in range(20)]
                people += new
                errors = len(daemon.errors())
                await house.enroll(*new)
                await minute()
                await _until(partial(_told_or_done, daemon, errors, smtp, new))
                _limit(daemon.process.pid, resource.RLIM_INFINITY)
                await _until(partial(_all_got, smtp, people), minute)
            assert daemon.alive, "the daemon is gone"
            errors = len(daemon.errors())
            assert await daemon.ends(signal.SIGTERM) == 0
        got = Counter(mail.recipients[0] for mail in smtp.accepted if mail.recipients != (MARK,))
        assert got == Counter(dict.fromkeys(people, 1))
        assert errors <= 8 * rounds, daemon.errors()
    counts("disk full", rounds=rounds, sent=len(people), twice=0, lost=0, errors_told=errors)


def _limit(pid: int, size: int) -> None:
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def _all_got(smtp: SmtpPeer, people: list[str]) -> bool:
    return set(people) <= {mail.recipients[0] for mail in smtp.accepted}


def _told_or_done(daemon: Running, errors: int, smtp: SmtpPeer, people: list[str]) -> bool:
    return len(daemon.errors()) > errors or _all_got(smtp, people)


async def _passes(daemon: Running, time: timedelta) -> None:
    daemon.advance(time)


async def _until(true: Callable[[], bool], meanwhile: Callable[[], Awaitable[None]] | None = None) -> None:
    async with asyncio.timeout(4 * PATIENCE):
        while not true():
            if meanwhile is not None:
                await meanwhile()
            await pulse(asyncio.Event(), 0.2)


# The clock -------------------------------------------------------------------------------------------


@asynccontextmanager
async def a_world(folder: Path, url: str, start: datetime, seed: int) -> AsyncIterator[World]:
    """A business with everybody under way."""
    chance = Random(seed)
    plans = [KEEP, STEADY, a_plan("a", chance), a_plan("b", chance), a_plan("side", chance, alongside=True)]
    world = World(folder, url, {plan.name: plan for plan in plans}, clock=ManualClock(start))
    await world.open()
    try:
        people, quiet = deeds.new_people(world, sized(24, 300), chance), deeds.quiet_people(sized(3, 30))
        await deeds.import_people(world, [*people, *quiet])
        await deeds.enter(world, "steady", [each.address for each in quiet])
        await deeds.enter(world, "a", [each.address for each in people[::2]])
        await deeds.enter(world, "b", [each.address for each in people[1::2]])
        yield world
    finally:
        await world.close()


async def test_a_clock_that_jumps_a_day_ahead_and_back(tmp_path: Path, migrated_sqlite: Path, counts: Count) -> None:
    """In the midst of gaps, leases and retries. By the clock that it has, every promise holds between two jumps; so
    within any true hour no more leave than the limit, for each stretch between jumps that the hour touches."""
    chance, jumps = Random(4), sized(14, 120)
    url = databases.copy_of(migrated_sqlite, tmp_path)
    offset, left = timedelta(), list[datetime]()
    async with a_world(tmp_path, url, START, 4) as world:
        known = 0

        def take_in() -> None:
            nonlocal known
            sent = sorted(handed.at for mails in world.mails.values() for handed in mails)[known:]
            known += len(sent)
            left.extend(at + offset for at in sent)

        for number in range(jumps):
            await world.pass_time(timedelta(minutes=chance.choice((1, 7, 90, 600, 4000))))
            await deeds.smtp_has_trouble(world, chance) if number % 4 == 1 else None
            take_in()
            by = timedelta(days=1) * (1 if number % 2 else -1) if number % 5 else timedelta(days=-1)
            world.clock.advance(by)
            offset -= by
            world.ledger.left.clear()
            world.late.clear()
            await world.check(chance)
        await deeds.all_come_to_an_end(world)
        take_in()
        quiet = deeds.quiet_ones_got_everything(world, ended=True)
    left.sort()
    most = max(sum(1 for at in left if begin <= at < begin + timedelta(hours=1)) for begin in left)
    assert most <= 2 * 3 * PER_HOUR, f"{most} messages within an hour"
    counts("clock jumps", jumps=jumps, sent=len(left), quiet=quiet, most_in_an_hour=most)


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("29 February and spring", datetime(2028, 2, 21, 15, tzinfo=UTC)),
        ("autumn", datetime(2027, 10, 11, 15, tzinfo=UTC)),
    ],
)
async def test_changes_of_the_clocks_and_a_leap_day(
    name: str, start: datetime, tmp_path: Path, migrated_sqlite: Path, counts: Count
) -> None:
    """Seven zones on both hemispheres, one of them shifting by half an hour: everything leaves at a good hour there,
    and those whom nothing happens to get all of their plan."""
    async with a_world(tmp_path, databases.copy_of(migrated_sqlite, tmp_path), start, 6) as world:
        chance = Random(6)
        for _ in range(sized(4, 12)):
            await deeds.notice(world, chance, "out of office")
            await deeds.reply(world, chance, "not_now")
            await world.pass_time(timedelta(days=3, hours=5))
            await world.check(chance)
        await deeds.all_come_to_an_end(world)
        quiet = deeds.quiet_ones_got_everything(world, ended=True)
        days = {handed.at.date() for mails in world.mails.values() for handed in mails}
    counts(name, sent=world.ledger.kinds["sent"], quiet=quiet, days=len(days), bad_hours=0)
