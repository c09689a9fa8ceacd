"""The daemon on a real Dovecot while everything happens to the connection and to the mailbox: no reply is missed, each
counts once, nothing is read in a loop, and nothing leaves while the mailbox cannot be read to its end.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import func, select

from sequencer.core.model import Status
from sequencer.daemon import mailbox_worker, watcher
from sequencer.daemon.clock import pulse
from sequencer.mail import accounts
from sequencer.operations.accounts import imap_account
from sequencer.store import mailboxes, tables
from sequencer.store.mailboxes import MailboxState
from sequencer.workspace.config import Mailbox
from tests.clock import PATIENCE, ManualClock
from tests.daemon.house import MARK, House, furnish
from tests.dovecot import Dovecot
from tests.fire import mails
from tests.fire.conftest import Count
from tests.fire.proxy import CHUNK, Proxy, _Connection, port
from tests.fire.scale import sized
from tests.smtp_peer import AcceptedMail, SmtpPeer

pytestmark = pytest.mark.dovecot

START = datetime(2025, 12, 1, 16, 0, tzinfo=UTC)
"""A Monday at nine in Denver. Dovecot gives what it is delivered its own, later time."""

PEOPLE, ROUNDS = sized(24, 300), sized(12, 150)
OLD, RECENT = sized((2000, 1000), (10_000, 40_000))
FOLDERS = ("INBOX", "INBOX", "Junk", "Kunden")


class ImapWire(Proxy):
    """Counts what the server says, and may break off in the midst of it: half a line, half a literal."""

    said = 0
    breaks_after: int | None = None
    breaks = 0

    async def _downwards(self, connection: _Connection) -> None:
        client = connection.client[1]
        with contextlib.suppress(OSError):
            while chunk := await connection.server[0].read(CHUNK):
                await self._travel()
                self.said += len(chunk)
                if self.breaks_after is not None and self.breaks_after < len(chunk):
                    client.write(chunk[: self.breaks_after])
                    await client.drain()
                    self.breaks_after, self.breaks = None, self.breaks + 1
                    connection.close()
                    return
                if self.breaks_after is not None:
                    self.breaks_after -= len(chunk)
                client.write(chunk)
                await client.drain()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that says nothing is given up after some seconds."""

    def account(mailbox: Mailbox) -> accounts.ImapAccount:
        return replace(imap_account(mailbox), timeout=4.0, done_timeout=4.0)

    monkeypatch.setattr(mailbox_worker, "imap_account", account)
    monkeypatch.setattr(watcher, "imap_account", account)


@dataclass
class Trial:
    """A house, the wire to its mailbox, and who has answered."""

    house: House
    dovecot: Dovecot
    wire: ImapWire
    chance: Random
    answered: list[str] = field(default_factory=list)
    did: Counter[str] = field(default_factory=Counter)

    @property
    def sent(self) -> list[AcceptedMail]:
        """What went to contacts; the daemon writes to the rep as well."""
        return [mail for mail in self.house.smtp.accepted if mail.recipients != (MARK,)]

    async def doveadm(self, *args: str) -> None:
        await asyncio.to_thread(self.dovecot.doveadm, *args)

    async def somebody_answers(self) -> None:
        """In any of the folders."""
        waiting = [mail for mail in self.sent if mail.recipients[0] not in self.answered]
        mail = self.chance.choice(waiting)
        (sender,) = mail.recipients
        raw = mails.answer(mail.data, sender, "Thank you, got it.", self.house.clock.now())
        self.answered.append(sender)
        folder = self.chance.choice(FOLDERS)
        if folder == "INBOX":
            await asyncio.to_thread(self.dovecot.deliver, self.house.user, raw)
        else:
            await asyncio.to_thread(self.dovecot.save, self.house.user, folder, raw)

    async def letters_come_and_go(self) -> None:
        """Other mail, of which another client deletes some while it is being read."""
        user = self.house.user
        for _ in range(6):
            raw = mails.noise(MARK, self.house.clock.now())
            await asyncio.to_thread(self.dovecot.deliver, user, raw)
        await self.doveadm("expunge", "-u", user, "mailbox", "INBOX", "FROM", "letters.example")

    async def reads_to_the_end(self) -> None:
        """After trouble it may wait for half an hour before it tries again."""
        async with asyncio.timeout(3 * PATIENCE):
            while True:
                self.house.clock.advance(timedelta(minutes=31))
                for _ in range(100):
                    if (await self.row()).inbox_read_at == self.house.clock.now():
                        return
                    await pulse(asyncio.Event(), 0.05)

    async def row(self) -> mailboxes.MailboxRow:
        async with self.house.live() as live, live.database.read() as conn:
            row = await mailboxes.get(conn, "mark")
        assert row is not None
        return row

    async def heard(self) -> Counter[str]:
        """How often each person's reply stands in the log, and that it paused them."""
        e, t, c = tables.events.c, tables.enrollments.c, tables.contacts.c
        async with self.house.live() as live, live.database.read() as conn:
            found = await conn.execute(
                select(c.email, t.status, func.count())
                .join_from(tables.events, tables.enrollments, e.enrollment_id == t.id)
                .join(tables.contacts, c.id == t.contact_id)
                .where(e.kind == "Replied")
                .group_by(c.email, t.status)
            )
            rows = found.all()
        assert all(row.status == Status.PAUSED for row in rows), rows
        return Counter({row.email: row[2] for row in rows})


@asynccontextmanager
async def a_trial(folder: Path, dovecot: Dovecot, people: int, seed: int) -> AsyncIterator[Trial]:
    user = f"mark-{folder.name}@flatheadrv.example"
    dovecot.add_user(user, "pw")
    async with SmtpPeer(logins={"mark": "pw"}) as smtp, ImapWire(port(dovecot.imap_port)) as wire:
        furnish(folder, smtp=smtp.port, imap=wire.port, user=user)
        text = (folder / "config.yaml").read_text("utf-8")
        text = text.replace(f"username: {user}, ", f"username: {user}, folders: [INBOX, Junk, Kunden], ")
        (folder / "config.yaml").write_text(text, "utf-8")
        house = House(folder, smtp, ManualClock(START))
        house.user = user
        trial = Trial(house, dovecot, wire, Random(seed))
        await trial.doveadm("mailbox", "create", "-u", user, "Kunden")
        if people:
            await house.enroll(*(f"p{number}@own{number}.example" for number in range(people)))
        yield trial


async def trouble(trial: Trial) -> None:
    """One thing that happens to mailboxes and their connections."""
    user, wire, chance = trial.house.user, trial.wire, trial.chance
    kinds = ("kick", "cut", "break", "break", "break", "freeze", "renumber", "rename", "letters")
    what = chance.choice(kinds)
    trial.did[what] += 1
    match what:
        case "kick":
            await asyncio.to_thread(trial.dovecot.kick, user)
        case "cut":
            wire.cut_in_half() if chance.random() < 0.5 else wire.cut()
        case "break":
            wire.breaks_after = chance.randrange(6000)
        case "freeze":
            wire.freeze()
            trial.house.clock.advance(timedelta(minutes=3))
            await pulse(asyncio.Event(), chance.choice((0.3, 4.5)))
            wire.thaw()
        case "renumber":
            folder = chance.choice(("INBOX", "Junk", "Kunden", "Sent"))
            await asyncio.to_thread(trial.dovecot.renumber, user, folder, 5000 + sum(trial.did.values()))
        case "rename":
            await trial.doveadm("mailbox", "rename", "-u", user, "Kunden", "Clients")
            trial.house.clock.advance(timedelta(minutes=3))
            await pulse(asyncio.Event(), 0.3)
            await trial.doveadm("mailbox", "rename", "-u", user, "Clients", "Kunden")
        case _:
            await trial.letters_come_and_go()


async def test_no_reply_is_missed_whatever_happens_to_the_mailbox(
    tmp_path: Path, dovecot: Dovecot, counts: Count
) -> None:
    async with a_trial(tmp_path, dovecot, PEOPLE, 1) as trial, trial.house.running():
        house = trial.house
        await house.ear.happens("sent", PEOPLE)
        for number in range(ROUNDS):
            if len(trial.answered) < PEOPLE - 4:
                await trial.somebody_answers()
            await trouble(trial)
            house.clock.advance(timedelta(minutes=3))
            await pulse(asyncio.Event(), trial.chance.uniform(0, 0.3))
            if number % 10 == 9:  # once all is read, a folder may go and come again as another
                await trial.reads_to_the_end()
                await trial.doveadm("mailbox", "delete", "-u", house.user, "Kunden")
                await trial.doveadm("mailbox", "create", "-u", house.user, "Kunden")
                trial.did["recreate"] += 1
        trial.wire.breaks_after = None
        await trial.reads_to_the_end()
        assert await trial.heard() == Counter(trial.answered)
        said = trial.wire.said
        for _ in range(5):  # nothing new: nothing is read again
            before = (await trial.row()).inbox_read_at
            house.clock.advance(timedelta(minutes=3))
            await house.reads_again(before)
        quiet = trial.wire.said - said
        assert quiet < 20_000, f"{quiet} bytes for five looks into a mailbox where nothing is new"
        await _nothing_leaves_without_the_folder(trial)
        left = {mail.recipients[0] for mail in trial.sent[PEOPLE:]}
        assert left == {mail.recipients[0] for mail in trial.sent[:PEOPLE]} - set(trial.answered)
    counts(
        "IMAP",
        rounds=ROUNDS,
        **dict(sorted(trial.did.items())),
        replies=len(trial.answered),
        missed=0,
        twice=0,
        kilobytes=trial.wire.said // 1000,
    )


async def _nothing_leaves_without_the_folder(trial: Trial) -> None:
    """The follow-ups fall due while a watched folder is not there; they leave once it is back."""
    house, user = trial.house, trial.house.user
    await trial.doveadm("mailbox", "rename", "-u", user, "Kunden", "Clients")
    house.clock.advance(timedelta(days=3, hours=2))
    async with asyncio.timeout(PATIENCE):
        while (row := await trial.row()).state is not MailboxState.HELD:
            await pulse(asyncio.Event(), 0.05)
    assert "Kunden" in row.reason
    assert len(trial.sent) == PEOPLE
    await trial.doveadm("mailbox", "rename", "-u", user, "Clients", "Kunden")
    async with asyncio.timeout(2 * PATIENCE):
        while len(trial.sent) < 2 * PEOPLE - len(trial.answered):
            house.clock.advance(timedelta(minutes=31))
            await pulse(asyncio.Event(), 1)


async def test_a_full_mailbox_is_read_once_before_anything_leaves(
    tmp_path: Path, dovecot: Dovecot, counts: Count
) -> None:
    """Thousands of mails stand there when the daemon comes for the first time, the connection breaks again and again,
    and some of the mails are from people who are about to be written to."""
    wrote = [f"p{number}@own{number}.example" for number in range(5)]
    async with a_trial(tmp_path, dovecot, 8, 2) as trial:
        house, wire, chance = trial.house, trial.wire, trial.chance
        size = fill(dovecot, house.user, wrote, chance)
        async with house.running(), asyncio.timeout(sized(300, 3000)):
            while len(house.ear.words) < 5 or not trial.sent:
                wire.breaks_after = chance.randrange(RECENT * 50, RECENT * 300)
                breaks = wire.breaks
                for _ in range(sized(60, 3000)):
                    if wire.breaks > breaks or trial.sent:
                        break
                    await pulse(asyncio.Event(), 0.05)
                house.clock.advance(timedelta(minutes=31))  # as long as it may wait before it tries again
            wire.breaks_after = None
            await house.ear.happens("sent", 3)
            await trial.reads_to_the_end()
        assert wire.breaks, "the connection never broke"
        assert await trial.heard() == Counter(wrote)
        assert {mail.recipients[0] for mail in trial.sent} == {f"p{n}@own{n}.example" for n in (5, 6, 7)}
        # a head and a body for each recent mail, the list of UIDs and a slice of heads again after each break
        allowed = RECENT * 2 * (size + 400) + (wire.breaks + 2) * (RECENT * 8 + 50 * (size + 400) + 20_000)
        assert wire.said < allowed, f"{wire.said} bytes read, {allowed} at most expected"
    counts(
        "first look into a full mailbox",
        mails=OLD + RECENT,
        breaks=wire.breaks,
        replies=len(wrote),
        missed=0,
        kilobytes=wire.said // 1000,
    )


def fill(dovecot: Dovecot, user: str, wrote: list[str], chance: Random) -> int:
    """Put the mails into the folder past every protocol, some of them too old to matter; the size of one, in bytes."""
    folder = dovecot.folder / "mail" / user
    owner = pwd.getpwnam("mail") if os.geteuid() == 0 else None
    dovecot.save(user, "INBOX", mails.noise(MARK, START))  # the server makes the folder
    sizes = []
    places = chance.sample(range(RECENT), len(wrote))
    for number in range(OLD + RECENT):
        recent = number >= OLD
        at = START + timedelta(minutes=30) if recent else START - timedelta(days=90)
        raw = mails.noise(MARK, at)
        if recent and number - OLD in places:
            raw = mails.unasked(wrote[places.index(number - OLD)], MARK, at)
        path = folder / "new" / f"{at.timestamp():.0f}.{number}.trial"
        path.write_bytes(raw)
        os.utime(path, (at.timestamp(), at.timestamp()))
        if owner is not None:
            os.chown(path, owner.pw_uid, owner.pw_gid)
        sizes.append(len(raw))
    return max(sizes)
