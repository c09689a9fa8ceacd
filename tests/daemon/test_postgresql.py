"""The daemon on both databases; on PostgreSQL, two of them on one."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

from sequencer.daemon import supervisor
from sequencer.store.database import Database
from tests.clock import Ear
from tests.daemon.house import ENVIRON, House, furnish
from tests.pymap_server import PymapServer
from tests.smtp_peer import SmtpPeer

CARLA, BOB = "carla@customer.example", "bob@other.example"


async def test_a_daemon_sends_waits_and_goes_on(tmp_path: Path, database: Database, database_url: str) -> None:
    async with PymapServer({"mark": "pw"}) as imap, SmtpPeer(logins={"mark": "pw"}) as smtp:
        furnish(tmp_path, smtp=smtp.port, imap=imap.port, user="mark", database=f'"{database_url}"')
        house = House(tmp_path, smtp)
        await house.enroll(CARLA, BOB)
        async with house.running():
            await house.ear.happens("sent", 2)
            house.clock.advance(timedelta(days=3))
            await house.ear.happens("sent", 4)
        assert [len(house.sent_to(who)) for who in (CARLA, BOB)] == [2, 2]


async def test_two_daemons_share_the_work_or_the_second_is_refused(
    tmp_path: Path, database: Database, database_url: str
) -> None:
    async with PymapServer({"mark": "pw"}) as imap, SmtpPeer(logins={"mark": "pw"}) as smtp:
        furnish(tmp_path, smtp=smtp.port, imap=imap.port, user="mark", database=f'"{database_url}"')
        house = House(tmp_path, smtp)
        await house.enroll(CARLA)
        ear, stop = Ear(), asyncio.Event()
        async with house.running():
            await house.ear.happens("sent")
            second = asyncio.create_task(supervisor.run(tmp_path, ENVIRON, house.clock, ear, stop))
            if database.dialect == "sqlite":
                assert await second is not None
                return
            await ear.notes_that("running")
            house.clock.advance(timedelta(days=3))
            await house.ear.happens("sent", 2)
            assert "sent" not in ear.words
        # The first has given its mailbox back: the second takes it at its next look.
        house.clock.advance(timedelta(days=4))
        await ear.happens("task")
        stop.set()
        assert await second is None
        assert len(house.sent_to(CARLA)) == 2
