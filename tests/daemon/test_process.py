"""End to end: the daemon process itself, a real Dovecot, and an SMTP server that delivers into it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.clock import PATIENCE, ManualClock
from tests.daemon.house import ENVIRON, House, answer_to, furnish
from tests.dovecot import Dovecot
from tests.smtp_peer import AcceptedMail, SmtpPeer

pytestmark = pytest.mark.dovecot

CARLA = "carla@customer.test"
FRIDAY = datetime(2027, 3, 12, 16, 0, tzinfo=UTC)
"""Nine in the morning in Denver; on Sunday the clocks there are put forward."""


@dataclass
class Daemon:
    """A running daemon process, its clock, and what it has said."""

    process: asyncio.subprocess.Process
    now: datetime
    said: list[dict[str, str]] = field(default_factory=list)

    async def says(self, what: str, times: int = 1) -> dict[str, str]:
        """Read on until something has been said so often."""
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            while sum(1 for row in self.said if row["what"] == what) < times:
                line = await self.process.stdout.readline()
                assert line, f"the daemon ended; it had said {self.said}"
                self.said.append(json.loads(line))
        return [row for row in self.said if row["what"] == what][times - 1]

    async def advance(self, by: timedelta) -> None:
        assert self.process.stdin is not None
        self.now += by
        self.process.stdin.write(f"{by.total_seconds()}\n".encode())
        await self.process.stdin.drain()

    async def ends(self, how: signal.Signals) -> int:
        self.process.send_signal(how)
        async with asyncio.timeout(PATIENCE):
            return await self.process.wait()


@asynccontextmanager
async def daemon_in(folder: Path, start: datetime) -> AsyncIterator[Daemon]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.daemon.process",
        str(folder),
        start.isoformat(),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, **ENVIRON},
    )
    try:
        yield Daemon(process, start)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@asynccontextmanager
async def a_house(folder: Path, dovecot: Dovecot) -> AsyncIterator[House]:
    user = f"mark-{folder.name}@flatheadrv.example"
    dovecot.add_user(user, "pw")
    customer = f"{CARLA}"
    dovecot.add_user(customer, "pw")

    def forward(mail: AcceptedMail) -> None:
        dovecot.deliver(mail.recipients[0], mail.data)

    async with SmtpPeer(logins={"mark": "pw"}, forward=forward) as smtp:
        furnish(folder, smtp=smtp.port, imap=dovecot.imap_port, user=user)
        house = House(folder, smtp, ManualClock(FRIDAY))
        house.user = user
        yield house


async def test_a_full_sequence_with_a_reply_a_clock_change_and_a_restart(tmp_path: Path, dovecot: Dovecot) -> None:
    async with a_house(tmp_path, dovecot) as house:
        await house.enroll(CARLA)
        async with daemon_in(tmp_path, FRIDAY) as daemon:
            await daemon.says("sent")
            assert await daemon.ends(signal.SIGTERM) == 0
        async with daemon_in(tmp_path, FRIDAY + timedelta(hours=1)) as daemon:
            await daemon.says("note")
            # Three days later at nine on the contact's wall: an hour less, for the clocks were put forward.
            await daemon.advance(timedelta(days=3) - timedelta(hours=2, minutes=1))
            await daemon.advance(timedelta(minutes=1))
            await daemon.says("sent")
            assert daemon.now == FRIDAY + timedelta(days=3) - timedelta(hours=1)
            reply = answer_to(house.smtp.accepted[-1].data, CARLA, "Yes, please send me the papers.", daemon.now)
            await asyncio.to_thread(dovecot.deliver, house.user, reply)
            paused = await daemon.says("paused")
            assert CARLA in paused["says"]
            await daemon.advance(timedelta(days=30))
            assert await daemon.ends(signal.SIGTERM) == 0
            assert [row["what"] for row in daemon.said].count("sent") == 1
        assert house.sent_to(CARLA) == ["Thanks for your time", "Re: Thanks for your time"]


async def test_a_kill_at_the_final_dot_leaves_a_doubt_and_no_second_message(tmp_path: Path, dovecot: Dovecot) -> None:
    async with a_house(tmp_path, dovecot) as house:
        await house.enroll(CARLA)
        arrived, release = asyncio.Event(), asyncio.Event()
        loop = asyncio.get_running_loop()
        deliver = house.smtp.forward
        assert deliver is not None

        async def hold() -> None:
            arrived.set()
            await release.wait()

        delivered: list[str] = []

        def forward(mail: AcceptedMail) -> None:
            deliver(mail)
            delivered.append(mail.recipients[0])
            asyncio.run_coroutine_threadsafe(hold(), loop).result()

        house.smtp.forward = forward
        async with daemon_in(tmp_path, FRIDAY) as daemon:
            async with asyncio.timeout(PATIENCE):
                await arrived.wait()
            await daemon.ends(signal.SIGKILL)
        release.set()
        house.smtp.forward = deliver
        async with daemon_in(tmp_path, FRIDAY + timedelta(minutes=5)) as daemon:
            await daemon.says("in_doubt")
            await daemon.advance(timedelta(hours=3))
            assert await daemon.ends(signal.SIGTERM) == 0
            assert "sent" not in [row["what"] for row in daemon.said]
        assert delivered == [CARLA]


async def test_idle_notices_a_reply_and_survives_a_kick(tmp_path: Path, dovecot: Dovecot) -> None:
    async with a_house(tmp_path, dovecot) as house:
        await house.enroll(CARLA)
        async with daemon_in(tmp_path, FRIDAY) as daemon:
            await daemon.says("sent")
            await asyncio.to_thread(dovecot.kick, house.user)
            await daemon.advance(timedelta(hours=1))
            reply = answer_to(house.smtp.accepted[-1].data, CARLA, "Who are you?", daemon.now)
            await asyncio.to_thread(dovecot.deliver, house.user, reply)
            await daemon.advance(timedelta(minutes=3))
            await daemon.says("paused")
            assert await daemon.ends(signal.SIGTERM) == 0
