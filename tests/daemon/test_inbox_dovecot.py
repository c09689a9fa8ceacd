"""Nothing leaves after a reply: the running daemon on a real Dovecot, with everything that happens to mailboxes."""

from __future__ import annotations

import asyncio
import os
import pwd
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sequencer.core.model import Status
from sequencer.daemon import mailbox_worker, watcher
from sequencer.daemon.clock import pulse
from sequencer.mail import accounts
from sequencer.mail.imap import ImapLine
from sequencer.mail.incoming import MAX_BODY, NoMessage
from sequencer.operations.accounts import imap_account
from sequencer.store import contacts, enrollments, mailboxes, messages, set_aside
from sequencer.store.mailboxes import MailboxRow, MailboxState
from sequencer.workspace.config import Mailbox
from tests.clock import PATIENCE, ManualClock
from tests.daemon.house import House, answer_to, furnish
from tests.dovecot import Dovecot, require_dovecot
from tests.pymap_server import PymapServer
from tests.smtp_peer import SmtpPeer

pytestmark = pytest.mark.dovecot

START = datetime(2025, 12, 1, 16, 0, tzinfo=UTC)
"""A Monday at nine in Denver. Dovecot gives what it is delivered its own, later time."""

CARLA, BOB, DAVE = "carla@customer.example", "bob@other.example", "dave@third.example"
THREE_DAYS, A_POLL = timedelta(days=3), timedelta(minutes=3)


class Mail:
    """A house whose rep has a mailbox on Dovecot."""

    def __init__(self, house: House, dovecot: Dovecot) -> None:
        self.house = house
        self.dovecot = dovecot

    def reply(self, email: str, text: str = "Let me think.", *, threaded: bool = True) -> bytes:
        first = next(mail.data for mail in self.house.smtp.accepted if mail.recipients == (email,))
        return answer_to(first, email, text, self.house.clock.now(), threaded=threaded)

    async def delivers(self, raw: bytes) -> None:
        await asyncio.to_thread(self.dovecot.deliver, self.house.user, raw)

    async def saves(self, raw: bytes, folder: str) -> None:
        await asyncio.to_thread(self.dovecot.save, self.house.user, folder, raw)

    async def doveadm(self, *args: str) -> None:
        await asyncio.to_thread(self.dovecot.doveadm, *args)

    async def status(self, email: str) -> Status:
        async with self.house.live() as live, live.database.read() as conn:
            contact = await contacts.by_email(conn, email)
            assert contact is not None
            (one,) = await enrollments.by_contact(conn, contact.id)
            return one.enrollment.status

    async def received(self, email: str) -> int:
        """How many messages of theirs are kept."""
        async with self.house.live() as live, live.database.read() as conn:
            contact = await contacts.by_email(conn, email)
            assert contact is not None
            (one,) = await enrollments.by_contact(conn, contact.id)
            return len(await messages.of_enrollment(conn, one.enrollment.id))

    async def row(self, name: str = "mark") -> MailboxRow:
        async with self.house.live() as live, live.database.read() as conn:
            row = await mailboxes.get(conn, name)
        assert row is not None
        return row

    async def polls(self) -> None:
        """Another turn of the worker, which reads the inbox to its end."""
        before = (await self.row()).inbox_read_at
        self.house.clock.advance(A_POLL)
        await self.house.reads_again(before)

    async def is_held(self, words: str) -> None:
        async with asyncio.timeout(PATIENCE):
            while (row := await self.row()).state is not MailboxState.HELD or words not in row.reason:
                await pulse(asyncio.Event(), 0.02)


@asynccontextmanager
async def a_mailbox(folder: Path, dovecot: Dovecot, *emails: str, folders: str = "") -> AsyncIterator[Mail]:
    user = f"mark-{folder.name}@flatheadrv.example"
    dovecot.add_user(user, "pw")
    async with SmtpPeer(logins={"mark": "pw"}) as smtp:
        furnish(folder, smtp=smtp.port, imap=dovecot.imap_port, user=user)
        if folders:
            text = (folder / "config.yaml").read_text("utf-8")
            text = text.replace(f"username: {user}, ", f"username: {user}, folders: {folders}, ")
            (folder / "config.yaml").write_text(text, "utf-8")
        house = House(folder, smtp, ManualClock(START))
        house.user = user
        if emails:
            await house.enroll(*emails)
        yield Mail(house, dovecot)


@asynccontextmanager
async def after_thanks(folder: Path, dovecot: Dovecot, *emails: str, folders: str = "") -> AsyncIterator[Mail]:
    """The daemon running, everybody has had the first message."""
    async with a_mailbox(folder, dovecot, *emails, folders=folders) as mail, mail.house.running():
        await mail.house.ear.happens("sent", len(emails))
        yield mail


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that says nothing is given up after a second."""

    def account(mailbox: Mailbox) -> accounts.ImapAccount:
        return replace(imap_account(mailbox), timeout=1.0, done_timeout=1.0)

    monkeypatch.setattr(mailbox_worker, "imap_account", account)
    monkeypatch.setattr(watcher, "imap_account", account)


# Numbers, folders, sizes ------------------------------------------------------------------------------


async def test_a_folder_that_is_numbered_anew_loses_nothing_and_doubles_nothing(
    tmp_path: Path, dovecot: Dovecot
) -> None:
    async with after_thanks(tmp_path, dovecot, CARLA, BOB, DAVE) as mail:
        await mail.delivers(mail.reply(CARLA))
        await mail.house.ear.happens("paused")
        await mail.delivers(mail.reply(BOB))  # perhaps read before, perhaps after
        await asyncio.to_thread(dovecot.renumber, mail.house.user, "INBOX", 4711)
        await mail.delivers(mail.reply(DAVE))
        await mail.polls()
        await mail.house.ear.happens("paused", 3)
        await mail.polls()
        assert mail.house.ear.words.count("replied") == 3
        assert [await mail.received(email) for email in (CARLA, BOB, DAVE)] == [1, 1, 1]
        assert [await mail.status(email) for email in (CARLA, BOB, DAVE)] == [Status.PAUSED] * 3


def fill(dovecot: Dovecot, user: str, count: int, sender: str) -> None:
    """Old mail in INBOX, a minute apart, the newest a week before the start."""
    folder = dovecot.folder / "mail" / user / "new"
    dovecot.doveadm("mailbox", "status", "-u", user, "messages", "INBOX")  # makes the folder
    for number in range(count):
        at = int((START - timedelta(days=7, minutes=count - number)).timestamp())
        path = folder / f"{at}.M{number}P1.old"
        head = f"From: {sender}\nTo: {user}\nMessage-ID: <old{number}@x.example>\n"
        path.write_text(f"{head}Subject: Re: Thanks for your time\n\nhm\n")
        os.utime(path, (at, at))
        if os.geteuid() == 0:
            owner = pwd.getpwnam("mail")
            os.chown(path, owner.pw_uid, owner.pw_gid)


async def test_the_first_reading_of_five_thousand_old_mails(tmp_path: Path, dovecot: Dovecot) -> None:
    async with a_mailbox(tmp_path, dovecot, CARLA, BOB) as mail:
        await asyncio.to_thread(fill, dovecot, mail.house.user, 5_000, CARLA)
        await mail.house.once()
        assert mail.house.ear.words == ["sent", "sent"]
        assert await mail.status(CARLA) is Status.ACTIVE
        async with mail.house.live() as live, live.database.read() as conn:
            cursor = await mailboxes.cursor(conn, "mark", "INBOX")
            assert await messages.unmatched(conn) == []  # none of the five thousand was read
        assert cursor is not None
        assert cursor.last_uid == 5_000
        await mail.delivers(mail.reply(BOB))
        mail.house.clock.advance(THREE_DAYS)
        await mail.house.once()
        assert [len(mail.house.sent_to(email)) for email in (CARLA, BOB)] == [2, 1]


@pytest.mark.parametrize("folder", ["Junk", "Archive", "Trash", "Gelöscht & Co", "受信トレイ", "Kunden/Müller & Söhne"])
async def test_a_reply_in_a_folder_of_any_name(tmp_path: Path, dovecot: Dovecot, folder: str) -> None:
    named = "" if folder in ("Junk", "Archive", "Trash") else f'[INBOX, "{folder}"]'
    async with a_mailbox(tmp_path, dovecot, CARLA, BOB, folders=named) as mail:
        if folder != "Junk":
            await mail.doveadm("mailbox", "create", "-u", mail.house.user, folder)
        async with mail.house.running():
            await mail.house.ear.happens("sent", 2)
            await mail.saves(mail.reply(CARLA, threaded=False), folder)
            mail.house.clock.advance(THREE_DAYS)
            await mail.house.ear.happens("sent", 3)
            assert [len(mail.house.sent_to(email)) for email in (CARLA, BOB)] == [1, 2]
            assert await mail.status(CARLA) is Status.PAUSED


async def test_a_folder_that_is_renamed_holds_the_mailbox_until_it_is_back(tmp_path: Path, dovecot: Dovecot) -> None:
    async with a_mailbox(tmp_path, dovecot, CARLA, BOB, folders='[INBOX, "Kunden & Co"]') as mail:
        user = mail.house.user
        await mail.doveadm("mailbox", "create", "-u", user, "Kunden & Co")
        async with mail.house.running():
            await mail.house.ear.happens("sent", 2)
            await mail.saves(mail.reply(CARLA), "Kunden & Co")
            await mail.doveadm("mailbox", "rename", "-u", user, "Kunden & Co", "Clients")
            mail.house.clock.advance(THREE_DAYS)
            await mail.is_held("there is no folder Kunden & Co in the mailbox")
            assert len(mail.house.smtp.accepted) == 2  # nobody, for nobody knows who has answered
            await mail.doveadm("mailbox", "rename", "-u", user, "Clients", "Kunden & Co")
            for _ in range(3):
                mail.house.clock.advance(A_POLL)
                await pulse(asyncio.Event(), 0.1)
            await mail.house.ear.happens("sent", 3)
            assert [len(mail.house.sent_to(email)) for email in (CARLA, BOB)] == [1, 2]
            assert (await mail.row()).state is MailboxState.OK


class Meter:
    """A plain relay that counts what comes from the server."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0
        self.bytes = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Meter]:
        server = await asyncio.start_server(self._relay, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_connection("127.0.0.1", self._to)
        for source, target, counts in ((reader, to_server, False), (from_server, writer, True)):
            task = asyncio.create_task(self._copy(source, target, counts))
            self._tasks.add(task)

    async def _copy(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, counts: bool) -> None:
        try:
            while data := await source.read(65536):
                self.bytes += len(data) if counts else 0
                target.write(data)
                await target.drain()
        except OSError:
            pass
        finally:
            target.close()


async def test_a_mail_of_25_megabytes_costs_two_at_most_and_the_reading_goes_on(
    tmp_path: Path, dovecot: Dovecot
) -> None:
    async with Meter(dovecot.imap_port).running() as meter, a_mailbox(tmp_path, dovecot, CARLA, BOB) as mail:
        config = (tmp_path / "config.yaml").read_text().replace(f"port: {dovecot.imap_port}", f"port: {meter.port}")
        (tmp_path / "config.yaml").write_text(config)
        async with mail.house.running():
            await mail.house.ear.happens("sent", 2)
            await mail.polls()
            before = meter.bytes
            reply = mail.reply(CARLA, "See the photos.")
            await mail.delivers(reply + b"\r\n" + (b"x" * 76 + b"\r\n") * 340_000)
            await mail.delivers(mail.reply(BOB))
            await mail.house.ear.happens("paused", 2)
            assert meter.bytes - before < 2_000_000
            assert [await mail.status(email) for email in (CARLA, BOB)] == [Status.PAUSED] * 2


async def test_a_message_that_is_expunged_between_the_search_and_the_fetch(
    tmp_path: Path, dovecot: Dovecot, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_mailbox(tmp_path, dovecot, CARLA, BOB) as mail:
        expunged: list[int] = []

        class Line(ImapLine):
            async def body(self, folder: str, uid: int, limit: int = MAX_BODY) -> bytes | NoMessage:
                if folder == "INBOX" and not expunged:
                    expunged.append(uid)
                    await asyncio.to_thread(dovecot.expunge, mail.house.user, folder, uid)
                return await super().body(folder, uid, limit)

        monkeypatch.setattr(mailbox_worker, "ImapLine", Line)
        await mail.house.once()
        await mail.delivers(mail.reply(CARLA))
        await mail.delivers(mail.reply(BOB))
        await mail.house.once()
        assert await mail.status(BOB) is Status.PAUSED
        assert expunged == [1]
        async with mail.house.live() as live, live.database.read() as conn:
            assert await set_aside.listing(conn) == []


# Losses -----------------------------------------------------------------------------------------------


async def test_a_kick_during_a_reading_connects_again_and_nothing_leaves_in_between(
    tmp_path: Path, dovecot: Dovecot, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_mailbox(tmp_path, dovecot, CARLA, BOB, DAVE) as mail:
        kicks: list[int] = []

        class Line(ImapLine):
            async def body(self, folder: str, uid: int, limit: int = MAX_BODY) -> bytes | NoMessage:
                if folder == "INBOX" and len(kicks) < 2 and uid == 1 + len(kicks):
                    kicks.append(len(mail.house.smtp.accepted))
                    await asyncio.to_thread(dovecot.kick, mail.house.user)
                return await super().body(folder, uid, limit)

        await mail.house.once()
        await mail.delivers(mail.reply(CARLA))
        await mail.delivers(mail.reply(BOB))
        mail.house.clock.advance(THREE_DAYS)
        monkeypatch.setattr(mailbox_worker, "ImapLine", Line)
        async with mail.house.running():
            await mail.is_held("the inbox cannot be read")  # twice in a row is trouble
            assert kicks == [3, 3]
            assert len(mail.house.smtp.accepted) == 3
            mail.house.clock.advance(A_POLL)
            await mail.house.ear.happens("sent", 4)
        assert [len(mail.house.sent_to(email)) for email in (CARLA, BOB, DAVE)] == [1, 1, 2]
        assert [await mail.received(email) for email in (CARLA, BOB)] == [1, 1]


@contextmanager
def frozen(dovecot: Dovecot) -> Iterator[None]:
    """The whole server stopped (SIGSTOP): connections are taken by the kernel, and nobody answers."""
    assert dovecot._process is not None
    pids = [dovecot._process.pid]
    for pid in pids:
        pids += [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@pytest.mark.usefixtures("impatient")
async def test_a_frozen_server_holds_its_mailbox_while_another_goes_on(tmp_path: Path) -> None:
    require_dovecot()
    with Dovecot() as own:
        async with (
            PymapServer({"susan": "pw"}) as hers,
            SmtpPeer(logins={"susan": "pw"}) as susans,
            a_mailbox(tmp_path, own) as mail,
        ):
            house = mail.house
            text = (tmp_path / "config.yaml").read_text()
            mark = text[text.index("  mark:") : text.index("spread:")]
            susan = mark.replace(house.user, "susan").replace(str(own.imap_port), str(hers.port))
            susan = susan.replace(str(house.smtp.port), str(susans.port)).replace("username: mark", "username: susan")
            susan = susan.replace("  mark:", "  susan:").replace("Mark Holloway <mark@", "Susan Reyes <susan@")
            (tmp_path / "config.yaml").write_text(text.replace("spread:", susan + "spread:"))
            quote = (tmp_path / "sequences" / "quote.yaml").read_text()
            (tmp_path / "sequences" / "hers.yaml").write_text(quote.replace("from: mark", "from: susan"))
            await house.enroll(CARLA, DAVE)
            await house.enroll(BOB, sequence="hers")
            async with house.running():
                await house.ear.happens("sent", 3)
                await mail.delivers(mail.reply(CARLA))
                await house.ear.happens("paused")
                await pulse(asyncio.Event(), 0.3)  # both connections of Mark's are in IDLE or at rest
                with frozen(own):
                    house.clock.advance(THREE_DAYS)
                    await house.ear.hears(
                        lambda told: getattr(told, "what", "") == "sent" and told.mailbox == "susan", 2
                    )
                    await mail.is_held("the inbox cannot be read")
                    assert (await mail.row("susan")).state is MailboxState.OK
                    assert len(house.smtp.accepted) == 2
                await mail.delivers(mail.reply(DAVE))
                for _ in range(12):
                    house.clock.advance(timedelta(minutes=1))
                    await pulse(asyncio.Event(), 0.05)
                await house.ear.happens("paused", 2)
                assert (await mail.row()).state is MailboxState.OK
            assert [len(house.sent_to(email)) for email in (CARLA, DAVE)] == [1, 1]


@pytest.mark.usefixtures("impatient")
async def test_frozen_sessions_are_given_up_for_new_ones(tmp_path: Path, dovecot: Dovecot) -> None:
    async with after_thanks(tmp_path, dovecot, CARLA, BOB) as mail:
        await pulse(asyncio.Event(), 0.3)
        with dovecot.frozen(mail.house.user):
            await mail.delivers(mail.reply(CARLA))
            mail.house.clock.advance(THREE_DAYS)
            await mail.house.ear.happens("sent", 3)  # over a connection made meanwhile
            assert [len(mail.house.sent_to(email)) for email in (CARLA, BOB)] == [1, 2]


class WithoutIdle(Dovecot):
    """A server that does not offer IDLE."""

    def _configuration(self) -> str:
        return super()._configuration() + "\nimap_capability = IMAP4rev1 LITERAL+ UIDPLUS SPECIAL-USE\n"


async def test_a_server_without_idle_is_polled(tmp_path: Path) -> None:
    require_dovecot()
    with WithoutIdle() as own:
        async with after_thanks(tmp_path, own, CARLA, BOB) as mail:
            await mail.delivers(mail.reply(CARLA))
            await mail.polls()
            assert await mail.status(CARLA) is Status.PAUSED
            mail.house.clock.advance(THREE_DAYS)
            await mail.house.ear.happens("sent", 3)
            assert [len(mail.house.sent_to(email)) for email in (CARLA, BOB)] == [1, 2]


async def test_a_daemon_that_starts_while_imap_is_down_sends_nothing_at_all(tmp_path: Path) -> None:
    require_dovecot()
    with Dovecot() as own:
        async with a_mailbox(tmp_path, own, CARLA, BOB) as mail:
            own.stop()
            assert await mail.house.once() is None
            async with mail.house.running():
                await mail.is_held("the inbox cannot be read")
                for _ in range(5):
                    mail.house.clock.advance(timedelta(minutes=7))
                    await pulse(asyncio.Event(), 0.05)
            assert mail.house.smtp.accepted == []
            assert (await mail.row()).inbox_read_at is None
            assert "sent" not in mail.house.ear.words


async def test_idle_wakes_the_worker_without_any_poll(tmp_path: Path, dovecot: Dovecot) -> None:
    async with after_thanks(tmp_path, dovecot, CARLA) as mail:
        await mail.polls()
        await mail.delivers(mail.reply(CARLA))
        await mail.house.ear.happens("paused")  # the clock stands still
