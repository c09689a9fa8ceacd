"""The daemon in this process, on a real IMAP server (pymap) and a real SMTP server, with a clock moved by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

from sequencer.core.model import Status
from sequencer.store import enrollments
from tests.daemon.house import House, furnish
from tests.pymap_server import PymapServer
from tests.smtp_peer import SmtpPeer

CARLA, BOB = "carla@customer.example", "bob@other.example"


@asynccontextmanager
async def a_house(folder: Path, **files: str) -> AsyncIterator[tuple[House, PymapServer]]:
    async with PymapServer({"mark": "pw"}) as imap, SmtpPeer(logins={"mark": "pw"}) as smtp:
        furnish(folder, smtp=smtp.port, imap=imap.port, user="mark", **files)
        yield House(folder, smtp), imap


async def status_of(house: House, email: str) -> dict[str, Status]:
    async with house.live() as live, live.database.read() as conn:
        from sequencer.store import contacts

        contact = await contacts.by_email(conn, email)
        assert contact is not None
        return {s.enrollment.sequence: s.enrollment.status for s in await enrollments.by_contact(conn, contact.id)}


async def test_a_whole_sequence_runs_to_the_back_off_and_moves_on(tmp_path: Path) -> None:
    async with a_house(tmp_path) as (house, _):
        await house.enroll(CARLA)
        async with house.running():
            await house.ear.happens("sent")
            house.clock.advance(timedelta(days=3))
            await house.ear.happens("sent", 2)
            house.clock.advance(timedelta(days=4))
            await house.ear.happens("task")
            async with house.live() as live:
                from sequencer.operations import tasks

                async with live.database.read() as conn:
                    (to_do,) = await tasks.to_dos(conn, live)
                await tasks.done(live, to_do.task.id, "talked", house.clock.now())
            house.clock.advance(timedelta(days=14))
            await house.ear.happens("moved")
        assert house.sent_to(CARLA) == ["Thanks for your time", "Re: Thanks for your time", "Re: Thanks for your time"]
        assert await status_of(house, CARLA) == {"quote": Status.FINISHED, "keep": Status.ACTIVE}
