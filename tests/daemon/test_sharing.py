"""Several daemons on one PostgreSQL: an even spread, an orderly handing over, and owners that are told at once."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest

from sequencer.daemon import listening, sharing, supervisor
from sequencer.daemon.clock import pulse
from sequencer.daemon.state import Household
from sequencer.daemon.veil import Veil
from sequencer.daemon.vitals import Vitals
from sequencer.operations.contacts import Imported, Wishes, import_file
from sequencer.operations.live import Live
from sequencer.operations.opening import opened
from sequencer.store import agenda, daemons, mailboxes
from sequencer.store.announcements import SHARE, WAKE, earlier_of, listen
from sequencer.store.database import Database
from tests.clock import PATIENCE, Ear, ManualClock
from tests.fire.fleet import ENVIRON, Box, furnish
from tests.fire.proxy import Proxy, unix
from tests.operations.shop import MONDAY
from tests.pymap_server import PymapServer
from tests.smtp_peer import SmtpPeer, Until
from tests.store.people import somebody

only_postgresql = pytest.mark.parametrize(
    "database_url", [pytest.param("postgresql", marks=pytest.mark.postgresql)], indirect=True
)
SHORT = 6.0
"""Seconds of a lease."""

NAMES = ("ann", "ben", "cas", "dot")


@dataclass
class Fleet:
    """A database, the servers of its mailboxes, and daemons that run in this process."""

    folder: Path
    url: str
    database: Database
    imap: int
    smtp: SmtpPeer
    clock: ManualClock = field(default_factory=lambda: ManualClock(MONDAY))

    def workspace(self, name: str, serves: Iterable[str], url: str = "") -> Path:
        folder = self.folder / name
        furnish(folder, [Box(box, self.smtp.port, self.imap) for box in serves], url or self.url)
        return folder

    @asynccontextmanager
    async def daemon(
        self, name: str, serves: Iterable[str] = NAMES, url: str = "", lease: float | None = None
    ) -> AsyncIterator[Ear]:
        ear, stop = Ear(), asyncio.Event()
        folder = self.workspace(name, serves, url)
        running = asyncio.create_task(supervisor.run(folder, ENVIRON, self.clock, ear, stop, lease=lease))
        try:
            await ear.notes_that("running")
            yield ear
        finally:
            stop.set()
            assert await running is None

    async def spread(self) -> list[int]:
        """How many mailboxes each owner has, most first."""
        return sorted(Counter((await self.owners()).values()).values(), reverse=True)

    async def owners(self) -> dict[str, str]:
        async with self.database.read() as conn:
            return await mailboxes.owners(conn)

    async def moves(self) -> int:
        """How often a mailbox has been taken by somebody, all in all."""
        async with self.database.read() as conn:
            return sum(row.lease_number for row in await mailboxes.listing(conn))

    async def comes_to(self, *numbers: int) -> None:
        async with asyncio.timeout(PATIENCE):
            while await self.spread() != list(numbers):
                await pulse(asyncio.Event(), 0.05)

    async def enroll(self, folder: Path, mailbox: str, email: str) -> None:
        """As a command in another process does it."""
        async with opened(folder, ENVIRON) as live:
            assert isinstance(live, Live), live
            path = folder / "people.csv"
            path.write_text(f"email,first_name\n{email},P\n")
            assert isinstance(await import_file(live, path, self.clock.now(), Wishes(enroll=mailbox)), Imported)


@pytest.fixture
async def fleet(tmp_path: Path, database: Database, database_url: str) -> AsyncIterator[Fleet]:
    names = [*NAMES, "eve"]
    async with PymapServer(dict.fromkeys(names, "pw")) as imap, SmtpPeer(logins=dict.fromkeys(names, "pw")) as smtp:
        yield Fleet(tmp_path, database_url, database, imap.port, smtp)


@only_postgresql
async def test_the_spread_is_even_and_follows_who_comes_and_goes(fleet: Fleet) -> None:
    async with fleet.daemon("first"):
        await fleet.comes_to(4)
        async with fleet.daemon("second") as second:
            await fleet.comes_to(2, 2)
            async with fleet.daemon("third"):
                await fleet.comes_to(2, 1, 1)
            await fleet.comes_to(2, 2)
            assert not [note for note in second.notes if "taken over" in note]
        await fleet.comes_to(4)
        # 4 taken, 2 handed to the second, 1 from the second to the third, and back, 2 back: nothing moved to and fro.
        assert await fleet.moves() == 4 + 2 + 1 + 1 + 2
        async with fleet.database.read() as conn:
            assert len(await daemons.known(conn)) == 1
    assert await fleet.owners() == {}
    async with fleet.database.read() as conn:
        assert await daemons.known(conn) == []


@only_postgresql
async def test_what_only_one_daemon_can_serve_is_served_and_made_up_for(fleet: Fleet) -> None:
    async with fleet.daemon("first"), fleet.daemon("second", (*NAMES, "eve")) as second:
        await fleet.comes_to(3, 2)
        assert set(await fleet.owners()) == {*NAMES, "eve"}
        assert not [note for note in second.notes if "handing" in note]
        async with fleet.daemon("third", ("eve",)):
            await fleet.comes_to(2, 2, 1)
        await fleet.comes_to(3, 2)
    assert await fleet.owners() == {}


@only_postgresql
async def test_a_change_in_the_config_is_shared_at_once(fleet: Fleet) -> None:
    async with fleet.daemon("first", NAMES[:2]), fleet.daemon("second", NAMES[:2]):
        await fleet.comes_to(1, 1)
        fleet.workspace("first", (*NAMES, "eve"))
        fleet.workspace("second", (*NAMES, "eve"))
        await fleet.comes_to(3, 2)
        for folder in ("first", "second"):
            for gone in (*NAMES[1:], "eve"):
                (fleet.folder / folder / "sequences" / f"{gone}.yaml").unlink()
            fleet.workspace(folder, NAMES[:1])
        await fleet.comes_to(1)


@only_postgresql
async def test_the_owner_hears_at_once_of_what_another_process_has_made_due(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The looks into the database are put off for ever: only announcements are left."""
    monkeypatch.setattr(listening, "LOOK_EVERY", 3600.0)
    monkeypatch.setattr(listening, "HEAR_AGAIN", 0.05)
    monkeypatch.setattr(listening, "STILL_THERE_EVERY", 0.2)
    async with fleet.daemon("first") as first, fleet.daemon("second") as second:
        await fleet.comes_to(2, 2)
        for ear in (first, second):
            await ear.hears(lambda told: "nothing is planned" in getattr(told, "message", ""), 2)
        for number, name in enumerate(NAMES):
            await fleet.enroll(fleet.folder / "first", name, f"p{number}@one.example")
        await _sent(fleet, 4)
        await _cut_listeners(fleet)
        await fleet.enroll(fleet.folder / "first", NAMES[0], "late@one.example")
        await _sent(fleet, 5)


async def _sent(fleet: Fleet, number: int) -> None:
    async with asyncio.timeout(PATIENCE):
        while len(fleet.smtp.accepted) < number:
            await pulse(asyncio.Event(), 0.05)


async def _cut_listeners(fleet: Fleet) -> None:
    admin = await asyncpg.connect(fleet.url)
    try:
        await admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'sequencer, listening'"
        )
    finally:
        await admin.close()


@only_postgresql
async def test_the_owners_own_work_announces_nothing(fleet: Fleet) -> None:
    """A NOTIFY takes a lock of the whole server at its commit."""
    said: list[tuple[str, str]] = []
    async with fleet.daemon("first") as ear:
        await fleet.comes_to(4)
        other = await listen(fleet.url, (WAKE, SHARE), lambda channel, payload: said.append((channel, payload)))
        assert other is not None
        await fleet.enroll(fleet.folder / "first", "ann", "p@one.example")
        await ear.happens("sent")
        fleet.clock.advance(timedelta(hours=1))
        await ear.happens("sent", 2)
        assert await other.hears(PATIENCE)
        other.close()
    assert [(channel, earlier_of(payload)) for channel, payload in said] == [(WAKE, {"ann": MONDAY})]


@only_postgresql
async def test_a_daemon_that_is_cut_off_is_replaced_and_sends_nothing(fleet: Fleet) -> None:
    socket_folder = Path(parse_qs(urlsplit(fleet.url).query)["host"][0])
    async with AsyncExitStack() as stack:
        wire = await stack.enter_async_context(Proxy(unix(socket_folder / ".s.PGSQL.5432")))
        url = f"postgresql://postgres@127.0.0.1:{wire.port}{urlsplit(fleet.url).path}"
        first = await stack.enter_async_context(fleet.daemon("first", url=url, lease=SHORT))
        await fleet.comes_to(4)
        second = await stack.enter_async_context(fleet.daemon("second", lease=SHORT))
        await fleet.comes_to(2, 2)
        wire.freeze()
        began = asyncio.get_running_loop().time()
        await fleet.comes_to(4)
        assert asyncio.get_running_loop().time() - began < 2 * SHORT
        for number, name in enumerate(NAMES):
            await fleet.enroll(fleet.folder / "second", name, f"p{number}@one.example")
        await second.happens("sent", 4)
        assert first.words == []
        wire.thaw()
        await fleet.comes_to(2, 2)
        fleet.clock.advance(timedelta(hours=1))
        await _sent(fleet, 8)
    assert len({(mail.recipients, b"In-Reply-To" in mail.data) for mail in fleet.smtp.accepted}) == 8


@only_postgresql
async def test_a_mailbox_that_went_to_another_while_the_database_was_away_is_not_missed(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else its worker would count as stuck for ever, and systemd's watchdog would kill the daemon."""
    folder = fleet.workspace("first", ["ann"])
    async with opened(folder, ENVIRON) as live:
        assert isinstance(live, Live), live
        async with live.database.begin() as conn:
            await mailboxes.register(conn, ["ann"], MONDAY)
        vitals = Vitals(live, fleet.clock, "host:1:first", MONDAY)
        stop, ear = asyncio.Event(), Ear()
        poll = timedelta(minutes=2)
        daemon = Household(live, folder, ENVIRON, fleet.clock, ear, stop, poll, vitals, SHORT, live.database, Veil())
        memory = sharing._Memory()
        with monkeypatch.context() as away:
            away.setattr(sharing, "OUTAGE_AGAIN", 0.0)
            away.setattr(sharing, "work", _away)
            await sharing._round(daemon, memory)
            await daemon.workers["ann"]
            assert vitals.failing() == ["ann"]
            away.setattr(mailboxes, "release_many", _away)
            with pytest.raises(ConnectionError):
                await sharing._round(daemon, memory)
        async with fleet.database.begin() as conn:
            assert await mailboxes.take(conn, "ann", "another", 60, evict=True)
        await sharing._round(daemon, memory)
        assert (dict(vitals.workers), vitals.failing()) == ({}, [])


async def _away(*_: object) -> None:
    raise ConnectionError("the database is away")


@only_postgresql
async def test_what_was_left_in_the_air_by_a_mailbox_that_nobody_serves_any_more_is_in_doubt(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharing, "STOP_WITHIN", 0.1)
    never = asyncio.Event()
    fleet.smtp.once("end", Until(never))
    async with fleet.daemon("first", ["ann"]):
        await fleet.enroll(fleet.folder / "first", "ann", "p@one.example")
        async with asyncio.timeout(PATIENCE):
            await fleet.smtp.reached["end"].wait()
    async with fleet.daemon("second", ["ben"]) as second:
        await second.happens("in_doubt")
    never.set()


# In one process ----------------------------------------------------------------------------------------


async def test_whoever_owns_a_mailbox_is_told_within_the_process_too(database: Database) -> None:
    told: list[Any] = []
    async with database.begin() as conn:
        await mailboxes.register(conn, ["ann", "ben"], MONDAY)
    database.owned["ann"] = told.append
    async with database.begin() as conn:
        mine = await somebody(conn, "a@one.example", mailbox="ann", wake_at=MONDAY + timedelta(days=2))
        await somebody(conn, "b@one.example", mailbox="ben", wake_at=MONDAY)
        assert told == []
    assert told == [MONDAY + timedelta(days=2)]
    with suppress(ZeroDivisionError):
        async with database.begin() as conn:
            await agenda.wake(conn, [mine.id], MONDAY)
            raise ZeroDivisionError
    assert len(told) == 1
    for at in (MONDAY + timedelta(days=1), MONDAY + timedelta(days=1)):
        async with database.begin() as conn:
            await agenda.wake(conn, [mine.id], at)
    assert told[1:] == [MONDAY + timedelta(days=1)]
    async with database.read() as conn:
        assert await agenda.next_wakes(conn, ["ann", "ben", "nobody"]) == {
            "ann": MONDAY + timedelta(days=1),
            "ben": MONDAY,
        }
