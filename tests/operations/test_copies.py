"""Copies in the Sent folder of a real IMAP server: each once, whatever happens in between."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from sequencer.mail.accounts import ImapAccount, Unreachable
from sequencer.mail.imap import ConnectionLost, ImapLine
from sequencer.mail.incoming import Appended, FolderState, NotAppended
from sequencer.operations.copies import AT_ONCE, MOST_TRIES, OVERDUE, SETTLING, Filed, file_copies
from sequencer.operations.inbox import find_folders, read_inbox
from sequencer.store import mailboxes, sent_copies
from sequencer.store.database import Database
from sequencer.store.mailboxes import CERTAIN_AFTER
from tests.operations.desk import ANNA, BEN, CONFIG, Desk, a_desk
from tests.pymap_server import PymapServer
from tests.smtp_peer import Drop


class Crash(BaseException):
    """The process ends here."""


class CrashingLine(ImapLine):
    """Ends the process before or after an APPEND, or loses the connection in it."""

    before: Callable[[], None] | None = None
    after: Callable[[], None] | None = None
    refusal: NotAppended | None = None

    async def append(
        self, folder: str, data: bytes, at: datetime, flags: tuple[str, ...] = ("\\Seen",)
    ) -> Appended | NotAppended:
        if self.before is not None:
            self.before()
        answer = self.refusal or await super().append(folder, data, at, flags)
        if self.after is not None:
            self.after()
        return answer


def crash() -> None:
    raise Crash


def lose_the_connection() -> None:
    raise ConnectionLost("gone")


@dataclass
class Post:
    desk: Desk
    imap: PymapServer
    line: CrashingLine

    async def reconnect(self) -> None:
        await self.line.close()
        self.line = await connect(self.imap)

    async def file(self, folder: str = "Sent") -> int:
        return (await self.filed(folder)).count

    async def filed(self, folder: str = "Sent") -> Filed:
        return await file_copies(self.desk.live, self.desk.office.mailbox, self.line, folder, self.desk.now)

    async def read(self) -> None:
        mailbox = self.desk.office.mailbox
        await read_inbox(self.desk.live, mailbox, self.line, await find_folders(mailbox, self.line), self.desk.now)

    async def provider_files(self) -> None:
        """The provider puts into Sent what it took and what is not there yet."""
        there = await self.in_sent()
        for mail in self.desk.peer.accepted:
            if mail.data not in there:
                await self.imap.append("mark", "Sent", mail.data, self.desk.now)

    async def knows(self) -> tuple[bool | None, int]:
        async with self.desk.live.database.read() as conn:
            row = await mailboxes.get(conn, "mark")
        assert row is not None
        return row.fills_sent, row.sent_seen

    async def sends(self, number: int, name: str) -> None:
        await self.desk.enroll(*(f"{name}{one}@example.com" for one in range(number)))
        await self.desk.turn()

    async def in_sent(self, folder: str = "Sent") -> list[bytes]:
        """The messages in the folder, oldest first."""
        line = await connect(self.imap)
        try:
            state = await line.examine(folder)
            assert isinstance(state, FolderState)
            found = [await line.body(folder, uid) for uid in await line.uids_after(folder, 0)]
        finally:
            await line.close()
        assert all(isinstance(body, bytes) for body in found)
        return [body for body in found if isinstance(body, bytes)]

    async def pending(self) -> list[int]:
        async with self.desk.live.database.read() as conn:
            return [copy.tries for copy in await sent_copies.pending(conn, "mark")]


async def connect(imap: PymapServer) -> CrashingLine:
    account = ImapAccount(imap.host, imap.port, tls="none", username="mark", password="pw", timeout=5)
    line = CrashingLine(account)
    assert not isinstance(await line.open(), Unreachable)
    return line


@asynccontextmanager
async def a_post(database: Database, folder: Path, **files: str) -> AsyncIterator[Post]:
    async with PymapServer({"mark": "pw"}) as imap, a_desk(database, folder, **files) as desk:
        post = Post(desk, imap, await connect(imap))
        try:
            yield post
        finally:
            await post.line.close()


@pytest.fixture
async def unknown(database: Database, tmp_path: Path) -> AsyncIterator[Post]:
    """A provider of which nothing is known."""
    async with a_post(database, tmp_path) as post:
        yield post


@pytest.fixture
async def post(unknown: Post) -> Post:
    """A provider that is known not to fill Sent."""
    async with unknown.desk.live.database.begin() as conn:
        for _ in range(CERTAIN_AFTER):
            await mailboxes.saw_sent(conn, "mark", filled=False)
    return unknown


async def test_a_copy_is_the_very_message_and_is_put_there_once(post: Post) -> None:
    await post.desk.enroll(ANNA, BEN)
    await post.desk.turn()
    assert await post.file() == 2
    assert sorted(await post.in_sent()) == sorted(mail.data for mail in post.desk.peer.accepted)
    heads = await post.line.heads("Sent", await post.line.uids_after("Sent", 0))
    assert [head.received_at for head in heads] == [post.desk.now] * 2
    assert await post.file() == 0
    assert len(await post.in_sent()) == 2


async def test_a_crash_after_the_append_puts_no_second_copy_there(post: Post) -> None:
    await post.desk.enroll(ANNA)
    await post.desk.turn()
    post.line.after = crash
    with pytest.raises(Crash):
        await post.file()
    assert len(await post.in_sent()) == 1
    await post.reconnect()
    assert await post.file() == 1
    assert len(await post.in_sent()) == 1
    assert await post.pending() == []


async def test_a_crash_before_the_append_loses_no_copy(post: Post) -> None:
    await post.desk.enroll(ANNA)
    await post.desk.turn()
    post.line.before = crash
    with pytest.raises(Crash):
        await post.file()
    assert await post.in_sent() == []
    await post.reconnect()
    assert await post.file() == 1
    assert len(await post.in_sent()) == 1


async def test_a_lost_connection_keeps_those_that_are_there_and_tries_the_others_again(post: Post) -> None:
    await post.desk.enroll(*(f"p{n}@example.com" for n in range(5)))
    await post.desk.turn()
    appended = 0

    def third_time() -> None:
        nonlocal appended
        appended += 1
        if appended == 3:
            lose_the_connection()

    post.line.after = third_time
    with pytest.raises(ConnectionLost):
        await post.file()
    assert len(await post.in_sent()) == 3
    await post.reconnect()
    assert await post.file() == 3
    assert len(await post.in_sent()) == 5


async def test_a_copy_that_always_breaks_the_connection_is_given_up(post: Post) -> None:
    await post.desk.enroll(ANNA)
    await post.desk.turn()
    post.line.before = lose_the_connection
    tries = 0
    while await post.pending():
        tries += 1
        with pytest.raises(ConnectionLost):
            await post.file()
        assert tries <= MOST_TRIES
    assert await post.file() == 0
    async with post.desk.live.database.read() as conn:
        assert await sent_copies.given_up(conn, "mark") == 1


async def test_a_copy_that_is_refused_is_given_up(post: Post) -> None:
    await post.desk.enroll(ANNA)
    await post.desk.turn()
    post.line.refusal = NotAppended("over quota")
    tries = 0
    while await post.pending():
        tries += 1
        assert await post.file() == 0
    assert MOST_TRIES - 1 <= tries <= MOST_TRIES
    async with post.desk.live.database.read() as conn:
        assert await sent_copies.given_up(conn, "mark") == 1


async def test_a_folder_that_is_not_there_is_made(post: Post) -> None:
    await post.desk.enroll(ANNA)
    await post.desk.turn()
    assert await post.file("Gesendet/Folgemail") == 1
    assert len(await post.in_sent("Gesendet/Folgemail")) == 1


async def test_many_copies_are_filed_some_at_a_time(post: Post) -> None:
    number = AT_ONCE + 4
    await post.desk.enroll(*(f"p{n}@example.com" for n in range(number)))
    await post.desk.turn()
    assert [await post.file(), await post.file(), await post.file()] == [AT_ONCE, 4, 0]
    assert len(await post.in_sent()) == number


async def test_no_copy_of_what_may_not_have_left(post: Post) -> None:
    await post.desk.enroll(ANNA)
    post.desk.peer.once("end", Drop(accepting=True))
    await post.desk.turn()
    assert await post.pending() == []


# Whether the provider fills Sent by itself ----------------------------------------------------------


FILLS = CONFIG.replace("    limits: off\n", "    limits: off\n    fills_sent: true\n", 1)


async def test_nothing_is_filed_before_the_provider_had_its_time(unknown: Post) -> None:
    await unknown.sends(1, "a")
    unknown.desk.now += SETTLING - timedelta(seconds=1)
    assert await unknown.file() == 0
    unknown.desk.now += timedelta(seconds=1)
    assert await unknown.file() == 1
    assert len(await unknown.in_sent()) == 1


async def test_that_it_does_not_is_learned_and_copies_are_made_at_once(unknown: Post) -> None:
    await unknown.sends(CERTAIN_AFTER, "a")
    unknown.desk.now += SETTLING
    filed = await unknown.filed()
    assert (filed.count, filed.learned) == (3, "the provider puts nothing into Sent: copies are made at once")
    assert await unknown.knows() == (False, -3)
    await unknown.read()
    await unknown.sends(2, "b")
    assert await unknown.file() == 2
    await unknown.read()
    assert (len(await unknown.in_sent()), await unknown.knows()) == (5, (False, -3))


async def test_that_it_does_is_learned_and_no_copy_is_made(unknown: Post) -> None:
    await unknown.sends(2, "a")
    await unknown.provider_files()
    await unknown.read()
    assert await unknown.knows() == (None, 2)
    await unknown.sends(1, "b")
    await unknown.provider_files()
    unknown.desk.now += SETTLING  # this one is found when its copy would be made
    filed = await unknown.filed()
    assert filed.learned == "the provider puts what is sent into Sent by itself: no copies are made"
    assert await unknown.knows() == (True, 3)
    await unknown.sends(1, "c")
    unknown.desk.now += OVERDUE - timedelta(seconds=1)
    assert await unknown.file() == 0
    await unknown.provider_files()
    await unknown.read()
    assert (await unknown.pending(), len(await unknown.in_sent())) == ([], 4)


async def test_one_that_stops_is_found_out_and_the_missing_copies_are_made(unknown: Post) -> None:
    await unknown.sends(CERTAIN_AFTER, "a")
    await unknown.provider_files()
    await unknown.read()
    assert await unknown.knows() == (True, 3)
    await unknown.sends(2, "b")
    unknown.desk.now += OVERDUE
    filed = await unknown.filed()
    assert (filed.count, filed.learned[:8]) == (2, "Sent is ")
    assert await unknown.knows() == (None, -2)
    assert len(await unknown.in_sent()) == 5


async def test_a_preset_is_only_believed_until_something_else_is_seen(database: Database, tmp_path: Path) -> None:
    async with a_post(database, tmp_path, config=FILLS) as post:
        await post.sends(1, "a")
        post.desk.now += OVERDUE - timedelta(seconds=1)
        assert await post.file() == 0
        post.desk.now += timedelta(seconds=1)
        assert await post.file() == 1
        assert await post.knows() == (None, -1)
        await post.sends(2, "b")
        post.desk.now += SETTLING
        assert await post.file() == 2
        assert (await post.knows(), len(await post.in_sent())) == ((False, -3), 3)


async def test_one_that_begins_to_fill_sent_is_found_out(post: Post) -> None:
    """Never two copies, if the provider is as quick as they are; else one message shows it."""
    await post.sends(1, "a")
    await post.provider_files()
    assert await post.file() == 1
    assert (len(await post.in_sent()), await post.knows()) == (1, (None, 1))


async def test_one_that_is_late_is_given_time_again(post: Post) -> None:
    await post.sends(1, "a")
    assert await post.file() == 1
    await post.read()
    (mail,) = post.desk.peer.accepted
    await post.imap.append("mark", "Sent", mail.data, post.desk.now)
    await post.read()
    assert await post.knows() == (None, 0)
    await post.sends(1, "b")
    assert await post.file() == 0


async def test_a_crash_in_our_own_append_does_not_pass_for_the_providers_work(unknown: Post) -> None:
    await unknown.sends(1, "a")
    unknown.desk.now += SETTLING
    unknown.line.after = crash
    with pytest.raises(Crash):
        await unknown.file()
    await unknown.reconnect()
    await unknown.read()
    assert await unknown.knows() in ((None, 0), (None, -1))
    assert (await unknown.pending(), len(await unknown.in_sent())) == ([], 1)


async def test_what_was_in_doubt_and_is_found_there_was_put_there_by_the_provider(unknown: Post) -> None:
    await unknown.desk.enroll(ANNA)
    unknown.desk.peer.once("end", Drop(accepting=True))
    await unknown.desk.turn()
    await unknown.provider_files()
    await unknown.read()
    assert await unknown.knows() == (None, 1)


async def test_no_copies_are_wanted(database: Database, tmp_path: Path) -> None:
    config = CONFIG.replace('"${MARK_PASSWORD}"}\n    limits', '"${MARK_PASSWORD}", sent: off}\n    limits', 1)
    async with a_post(database, tmp_path, config=config) as post:
        await post.sends(1, "a")
        assert await post.pending() == []
