"""Promises 1, 3 and 7 after a restore: yesterday's copy of the database must not send today's mail again.

The daemon works while the copy is made. Then it sends a day's mail; people answer, unsubscribe, bounce; others enter.
The database is lost and the copy put back. Nothing may leave twice, today's answers still pause, and whoever has
unsubscribed today stays so, even those who entered after the copy was made and are imported again.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Final

import pytest

from sequencer.core.model import Status
from sequencer.daemon.clock import pulse
from sequencer.mail.accounts import ImapAccount
from sequencer.mail.ids import read_message_id
from sequencer.mail.imap import ImapLine
from sequencer.mail.incoming import FolderState
from sequencer.operations.backup import BackedUp, Restored, back_up, restore
from sequencer.operations.restored import Settled, settle
from sequencer.store import contacts, enrollments, mailboxes, suppressions
from sequencer.store.secrets import signing_key
from sequencer.workspace.workspace import Workspace, load
from tests.clock import PATIENCE
from tests.daemon.house import ENVIRON, House, answer_to, furnish
from tests.databases import client_programs
from tests.fire.conftest import Count
from tests.fire.scale import sized
from tests.pymap_server import PymapServer
from tests.smtp_peer import SmtpPeer

PEOPLE: Final = sized(9, 120)
"""So many enter before the copy is made; every third one answers afterwards, every third one unsubscribes."""

LATER: Final = sized(3, 30)
"""So many enter after it: one in three answers, one in three unsubscribes."""

DAY: Final = timedelta(days=1)

PLAN: Final = """\
from: mark
steps:
  - {step: thanks, email: thanks, when: immediately}
  - {step: article, email: article, when: 3 days later}
  - {step: hello, email: hello, when: 3 days later}
"""


@dataclass
class _Story:
    house: House
    imap: PymapServer
    url: str

    @property
    def workspace(self) -> Workspace:
        loaded = load(self.house.folder, ENVIRON)
        assert loaded.workspace is not None, loaded.problems
        return loaded.workspace

    async def received(self) -> Counter[tuple[str, str]]:
        """How often each person has had each step, by what the server took."""
        async with self.house.live() as live, live.database.read() as conn:
            key = await signing_key(conn)
        had: Counter[tuple[str, str]] = Counter()
        for mail in self.house.smtp.accepted:
            token = read_message_id(key, str(message_from_bytes(mail.data, policy=default)["Message-ID"]))
            assert token is not None
            had[mail.recipients[0], token.step] += 1
        return had

    async def left(self, number: int) -> None:
        """Wait until so many messages have left in all, and their copies stand in Sent."""
        await self.house.ear.happens("sent", number)
        self.house.clock.advance(
            timedelta(minutes=7)
        )  # where it is not known yet who fills Sent, we wait for the provider
        line = ImapLine(
            ImapAccount(self.imap.host, self.imap.port, tls="none", username="mark", password="pw", timeout=5)
        )
        await line.open()
        try:
            async with asyncio.timeout(PATIENCE * sized(1, 10)):  # the in-process server searches Sent from end to end
                while (state := await line.examine("Sent")) and (
                    not isinstance(state, FolderState) or state.exists < len(self.house.smtp.accepted)
                ):
                    await pulse(asyncio.Event(), 0.05)
                    self.house.clock.advance(timedelta(seconds=20))
        finally:
            await line.close()

    async def heard(self, what: str, number: int) -> None:
        await self.house.ear.happens(what, number)

    async def answers(self, email: str, text: str) -> None:
        sent = next(mail.data for mail in reversed(self.house.smtp.accepted) if mail.recipients == (email,))
        at = self.house.clock.now()
        await self.imap.append("mark", "INBOX", answer_to(sent, email, text, at), at)

    async def status(self, email: str) -> Status:
        async with self.house.live() as live, live.database.read() as conn:
            contact = await contacts.by_email(conn, email)
            assert contact is not None
            return (await enrollments.by_contact(conn, contact.id))[-1].enrollment.status

    async def suppressed(self, email: str) -> bool:
        async with self.house.live() as live, live.database.read() as conn:
            return await suppressions.reason_for(conn, email) is not None

    async def backed_up(self, file: Path) -> None:
        made = await asyncio.to_thread(back_up, self.workspace, file, self.house.clock.now(), _quiet)
        assert isinstance(made, BackedUp), made

    async def restored(self, file: Path) -> None:
        done = await asyncio.to_thread(restore, self.workspace, file, self.house.clock.now(), force=True)
        assert isinstance(done, Restored), done
        assert done.aside is not None
        assert done.aside.exists()
        self.house.ear = type(self.house.ear)()


def _quiet(done: int, total: int) -> None:
    pass


@asynccontextmanager
async def _a_story(folder: Path, url: str, *, keeps_sent: bool = True) -> AsyncIterator[_Story]:
    async with PymapServer({"mark": "pw"}) as imap, SmtpPeer(logins={"mark": "pw"}) as smtp:
        furnish(folder, smtp=smtp.port, imap=imap.port, user="mark", database=url, plan=PLAN)
        if not keeps_sent:
            config = (folder / "config.yaml").read_text()
            (folder / "config.yaml").write_text(config.replace("}\n    limits", ", sent: off}\n    limits"))
        yield _Story(House(folder, smtp), imap, url)


@pytest.fixture(autouse=True)
def _client_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{client_programs()}{os.pathsep}{os.environ['PATH']}")


async def test_yesterdays_copy_sends_nothing_of_today_again(tmp_path: Path, database_url: str, counts: Count) -> None:
    early = [f"early{number}@example{number}.test" for number in range(PEOPLE)]
    late = [f"late{number}@example{number + PEOPLE}.test" for number in range(LATER)]
    async with _a_story(tmp_path, database_url) as story:
        house, copy = story.house, tmp_path / "copy"
        await house.enroll(*early, sequence="plan")
        async with house.running():
            await story.left(PEOPLE)
            await story.backed_up(copy)
            house.clock.advance(3 * DAY)
            await story.left(2 * PEOPLE)
            await house.enroll(*late, sequence="plan")
            await story.left(2 * PEOPLE + LATER)
            for number, email in enumerate((*early, *late)):
                if number % 3 < 2:
                    await story.answers(email, "Please call me." if number % 3 else "unsubscribe")
            answered = [email for number, email in enumerate((*early, *late)) if number % 3 == 1]
            gone = [email for number, email in enumerate((*early, *late)) if number % 3 == 0]
            await story.heard("replied", len(answered) + len(gone))
        before = await story.received()
        await story.restored(copy)
        async with house.running():
            await house.ear.notes_that("the database was restored: ")
            await house.reads_again(None)
            house.clock.advance(timedelta(hours=2))
            await house.reads_again(None)
            await house.enroll(*(email for email in late if email not in gone), sequence="plan")
            house.clock.advance(timedelta(hours=2))
            await house.reads_again(None)
        after = await story.received()
        paused = [email for email in answered if await story.status(email) is Status.PAUSED]
        suppressed = [email for email in gone if await story.suppressed(email)]
        silent = [email for email in (*early, *late) if email not in answered and email not in gone]
        async with house.running():  # whoever was not heard of goes on
            house.clock.advance(4 * DAY)
            await story.heard("sent", len(silent))
        whole = await story.received()
        expected = {(email, "thanks") for email in (*early, *late)} | {(email, "article") for email in early}
        expected |= {(email, "hello" if email in early else "article") for email in silent}
        twice = sum(number - 1 for number in whole.values())
        counts(
            f"restore of an older copy, {'SQLite' if 'sqlite' in database_url else 'PostgreSQL'}",
            messages=sum(whole.values()),
            left_after_the_copy=PEOPLE + LATER,
            sent_at_once_after_the_restore=sum((after - before).values()),
            twice=twice,
            lost=len(expected - whole.keys()),
            answers=f"{len(paused)} of {len(answered)} paused",
            unsubscribed=f"{len(suppressed)} of {len(gone)} kept",
        )
        assert after == before
        assert (paused, suppressed) == (answered, gone)
        assert (twice, set(whole)) == (0, expected)


async def test_without_a_sent_folder_nothing_leaves_before_the_owner_has_said(
    tmp_path: Path, database_url: str, counts: Count
) -> None:
    people = [f"p{number}@example{number}.test" for number in range(PEOPLE)]
    async with _a_story(tmp_path, database_url, keeps_sent=False) as story:
        house, copy = story.house, tmp_path / "copy"
        await house.enroll(*people, sequence="plan")
        async with house.running():
            await house.ear.happens("sent", PEOPLE)
            await story.backed_up(copy)
            house.clock.advance(3 * DAY)
            await house.ear.happens("sent", 2 * PEOPLE)
        before = await story.received()
        await story.restored(copy)
        async with house.running():
            await house.ear.notes_that("no Sent folder tells what has left since")
            house.clock.advance(timedelta(hours=1))
            await house.reads_again(None)
        held = sum((await story.received() - before).values())
        async with house.live() as live, live.database.begin() as conn:
            row = await mailboxes.get(conn, "mark")
            assert row is not None
            assert "say `sequencer resolve --mailbox mark --delivered`" in row.reason
            settled = await settle(conn, live, "mark", house.clock.now(), delivered=True)
        async with house.running():
            house.clock.advance(3 * DAY)
            await house.ear.happens("sent", PEOPLE)
        whole = await story.received()
        counts(
            f"restore without a Sent folder, {'SQLite' if 'sqlite' in database_url else 'PostgreSQL'}",
            sent_before_the_owner_has_said=held,
            twice=sum(number - 1 for number in whole.values()),
            lost=sum(1 for email in people for step in ("thanks", "article", "hello") if not whole[email, step]),
        )
        assert held == 0
        assert settled == Settled("mark", PEOPLE)
        assert whole == {(email, step): 1 for email in people for step in ("thanks", "article", "hello")}
