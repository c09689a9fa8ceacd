"""Promise 3 between two looks into the inbox: what comes while a message is being handed over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from sequencer.daemon import mailbox_worker, watcher
from sequencer.daemon.clock import boot_ticks
from sequencer.daemon.station import Station
from sequencer.store import attempts
from sequencer.store.database import Database
from tests.clock import PATIENCE
from tests.daemon.house import House, answer_to, furnish
from tests.pymap_server import PymapServer
from tests.smtp_peer import SmtpPeer, Until

CARLA, BOB = "carla@customer.example", "bob@other.example"


@dataclass
class _Moment:
    """A follow-up is due for Carla and Bob, and the server has not answered RCPT yet."""

    house: House
    imap: PymapServer
    go_on: asyncio.Event
    announced: asyncio.Event

    async def answers(self, folder: str) -> None:
        first = next(mail.data for mail in self.house.smtp.accepted if mail.recipients == (CARLA,))
        now = self.house.clock.now()
        await self.imap.append("mark", folder, answer_to(first, CARLA, "Let me think.", now), now)


@pytest.fixture
async def moment(
    tmp_path: Path, database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[_Moment]:
    announced, announce = asyncio.Event(), watcher._announce

    def heard(station: Station) -> None:
        announce(station)
        announced.set()

    monkeypatch.setattr(watcher, "_announce", heard)
    async with PymapServer({"mark": "pw"}) as imap, SmtpPeer(logins={"mark": "pw"}) as smtp:
        furnish(tmp_path, smtp=smtp.port, imap=imap.port, user="mark", database=f'"{database_url}"')
        house = House(tmp_path, smtp)
        await house.enroll(CARLA, BOB)
        async with house.running(), asyncio.timeout(PATIENCE * 2):
            await house.ear.happens("sent", 2)
            await announced.wait()  # the ear is at the inbox
            announced.clear()
            go_on = asyncio.Event()
            smtp.once("rcpt", Until(go_on), Until(go_on))
            house.clock.advance(timedelta(days=3))
            await smtp.reached["rcpt"].wait()
            yield _Moment(house, imap, go_on, announced)


async def test_a_reply_that_is_announced_before_the_commit_keeps_the_follow_up_back(moment: _Moment) -> None:
    await moment.answers("INBOX")
    await moment.announced.wait()
    moment.go_on.set()
    await _only_bob_has_the_follow_up(moment.house)


async def test_a_reply_in_junk_is_found_when_the_last_look_is_too_long_ago(
    moment: _Moment, monkeypatch: pytest.MonkeyPatch
) -> None:
    await moment.answers("Junk")
    monkeypatch.setattr(mailbox_worker, "READ_AGAIN", 0.0)
    moment.go_on.set()
    await _only_bob_has_the_follow_up(moment.house)


async def test_a_reply_is_found_that_came_while_the_machine_slept(
    moment: _Moment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lid was closed in the middle of handing over. The steady clock stands still then, and no mail is announced."""
    await moment.answers("Junk")
    monkeypatch.setattr(mailbox_worker, "READ_AGAIN", 1000.0)
    monkeypatch.setattr(mailbox_worker, "boot_ticks", lambda: boot_ticks() + 3600, raising=False)
    moment.go_on.set()
    await _only_bob_has_the_follow_up(moment.house)


async def test_what_was_decided_before_the_machine_slept_is_decided_anew(
    moment: _Moment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It wakes up at night, and its connections still stand."""
    house = moment.house
    monkeypatch.setattr(mailbox_worker, "boot_ticks", lambda: boot_ticks() + 36_000)
    house.clock.advance(timedelta(hours=10))
    moment.go_on.set()
    await house.ear.notes_that("nothing to do before Fri 04 Dec")
    assert [len(house.sent_to(who)) for who in (CARLA, BOB)] == [1, 1]
    house.clock.advance(timedelta(hours=14))
    await house.ear.happens("sent", 4)


async def test_an_inbox_that_cannot_be_read_again_keeps_everybody_back(
    moment: _Moment, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = moment.house
    monkeypatch.setattr(mailbox_worker, "READ_AGAIN", 0.0)
    await moment.imap.disconnect()
    moment.go_on.set()
    await house.ear.happens("sent", 4)  # after it was connected and read anew
    assert house.smtp.commands.count("RSET") >= 2
    async with house.live() as live, live.database.read() as conn:
        assert len(await attempts.sent_since(conn, "mark", house.clock.now() - timedelta(days=7))) == 4
        assert await attempts.in_doubt(conn, "mark") == []
    assert [len(house.sent_to(who)) for who in (CARLA, BOB)] == [2, 2]


async def _only_bob_has_the_follow_up(house: House) -> None:
    await house.ear.happens("paused")
    await house.ear.happens("sent", 3)
    assert [len(house.sent_to(who)) for who in (CARLA, BOB)] == [1, 2]
    async with house.live() as live, live.database.read() as conn:
        assert len(await attempts.sent_since(conn, "mark", house.clock.now() - timedelta(days=7))) == 3
