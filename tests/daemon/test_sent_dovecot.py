"""Sent on a real Dovecot, behind a server that fills it and one that does not: each message stands there once."""

from __future__ import annotations

import asyncio
import imaplib
import re
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from sequencer.daemon.clock import pulse
from sequencer.store import mailboxes
from tests.clock import PATIENCE, ManualClock
from tests.daemon.house import House, furnish
from tests.dovecot import Dovecot
from tests.operations.shop import MONDAY
from tests.smtp_peer import AcceptedMail, SmtpPeer

pytestmark = pytest.mark.dovecot

PLAN = "from: mark\nsteps:\n  - {step: thanks, email: thanks, when: immediately}\n"


def in_sent(dovecot: Dovecot, user: str) -> Counter[str]:
    """How often each Message-ID stands in Sent."""
    with imaplib.IMAP4(dovecot.host, dovecot.imap_port) as line:
        line.login(user, "pw")
        line.select("Sent", readonly=True)
        _, found = line.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])")
    ids = (re.search(rb"<[^>]+>", part[1]) for part in found if isinstance(part, tuple))
    return Counter(one[0].decode() for one in ids if one is not None)


def put(dovecot: Dovecot, user: str, data: bytes) -> None:
    with imaplib.IMAP4(dovecot.host, dovecot.imap_port) as line:
        line.login(user, "pw")
        status, said = line.append("Sent", "(\\Seen)", None, data)
        assert status == "OK", said


@asynccontextmanager
async def a_house(folder: Path, dovecot: Dovecot, *, fills: bool) -> AsyncIterator[House]:
    user = f"sent-{folder.name}@flatheadrv.example"
    dovecot.add_user(user, "pw")

    def forward(mail: AcceptedMail) -> None:
        if fills:
            put(dovecot, user, mail.data)

    async with SmtpPeer(logins={"mark": "pw"}, forward=forward) as smtp:
        furnish(folder, smtp=smtp.port, imap=dovecot.imap_port, user=user, plan=PLAN)
        yield House(folder, smtp, ManualClock(MONDAY), user=user)


async def knows(house: House) -> bool | None:
    async with house.live() as live, live.database.read() as conn:
        row = await mailboxes.get(conn, "mark")
    return row.fills_sent if row is not None else None


@pytest.mark.parametrize("fills", [True, False])
async def test_each_message_stands_in_sent_once(tmp_path: Path, dovecot: Dovecot, fills: bool) -> None:
    async with a_house(tmp_path, dovecot, fills=fills) as house, house.running(poll=timedelta(minutes=2)):
        for number in (3, 5):
            sent = len(house.smtp.accepted) + number
            await house.enroll(*(f"p{sent}-{one}@example.com" for one in range(number)), sequence="plan")
            await house.ear.happens("sent", sent)
            async with asyncio.timeout(PATIENCE):
                while await knows(house) is None or len(await asyncio.to_thread(in_sent, dovecot, house.user)) < sent:
                    house.clock.advance(timedelta(minutes=2))
                    await pulse(asyncio.Event(), 0.1)
        for _ in range(10):  # nothing more is put there later
            house.clock.advance(timedelta(minutes=2))
            await house.reads_again(None)
        there = await asyncio.to_thread(in_sent, dovecot, house.user)
        assert await knows(house) is fills
        assert (len(there), set(there.values())) == (8, {1})
