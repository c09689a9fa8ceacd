"""End to end: the daemon process itself, a real Dovecot, and an SMTP server that delivers into it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.clock import PATIENCE, ManualClock
from tests.daemon.house import ENVIRON, House, answer_to, furnish
from tests.daemon.running import running
from tests.dovecot import Dovecot
from tests.smtp_peer import AcceptedMail, SmtpPeer

pytestmark = pytest.mark.dovecot

CARLA = "carla@customer.test"
FRIDAY = datetime(2027, 3, 12, 16, 0, tzinfo=UTC)
"""Nine in the morning in Denver; on Sunday the clocks there are put forward."""


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
        async with running(tmp_path, FRIDAY, ENVIRON) as daemon:
            await daemon.tells("sent")
            assert await daemon.ends(signal.SIGTERM) == 0
        async with running(tmp_path, FRIDAY + timedelta(hours=1), ENVIRON) as daemon:
            await daemon.tells("note")
            # Three days later at nine on the contact's wall: an hour less, for the clocks were put forward.
            daemon.advance(timedelta(days=3) - timedelta(hours=2, minutes=1))
            daemon.advance(timedelta(minutes=1))
            await daemon.tells("sent")
            assert daemon.now == FRIDAY + timedelta(days=3) - timedelta(hours=1)
            reply = answer_to(house.smtp.accepted[-1].data, CARLA, "Yes, please send me the papers.", daemon.now)
            await asyncio.to_thread(dovecot.deliver, house.user, reply)
            paused = await daemon.tells("paused")
            assert CARLA in paused["says"]
            daemon.advance(timedelta(days=30))
            assert await daemon.ends(signal.SIGTERM) == 0
            assert len(daemon.told("sent")) == 1
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
        async with running(tmp_path, FRIDAY, ENVIRON) as daemon:
            async with asyncio.timeout(PATIENCE):
                await arrived.wait()
            await daemon.ends(signal.SIGKILL)
        release.set()
        house.smtp.forward = deliver
        async with running(tmp_path, FRIDAY + timedelta(minutes=5), ENVIRON) as daemon:
            await daemon.tells("in_doubt")
            daemon.advance(timedelta(hours=3))
            assert await daemon.ends(signal.SIGTERM) == 0
            assert not daemon.told("sent")
        assert delivered == [CARLA]


async def test_idle_notices_a_reply_and_survives_a_kick(tmp_path: Path, dovecot: Dovecot) -> None:
    async with a_house(tmp_path, dovecot) as house:
        await house.enroll(CARLA)
        async with running(tmp_path, FRIDAY, ENVIRON) as daemon:
            await daemon.tells("sent")
            await asyncio.to_thread(dovecot.kick, house.user)
            daemon.advance(timedelta(hours=1))
            reply = answer_to(house.smtp.accepted[-1].data, CARLA, "Who are you?", daemon.now)
            await asyncio.to_thread(dovecot.deliver, house.user, reply)
            daemon.advance(timedelta(minutes=3))
            await daemon.tells("paused")
            assert await daemon.ends(signal.SIGTERM) == 0
