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
from sequencer.operations.copies import AT_ONCE, MOST_TRIES, file_copies
from sequencer.store import sent_copies
from sequencer.store.database import Database
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
        return await file_copies(self.desk.live, "mark", self.line, folder)

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
async def post(database: Database, tmp_path: Path) -> AsyncIterator[Post]:
    async with a_post(database, tmp_path) as post:
        yield post


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


async def test_no_copy_where_the_provider_makes_it(database: Database, tmp_path: Path) -> None:
    config = CONFIG.replace("    limits: off\n", "    limits: off\n    fills_sent: true\n", 1)
    async with a_post(database, tmp_path, config=config) as post:
        await post.desk.enroll(ANNA)
        await post.desk.turns(timedelta())
        assert len(post.desk.received(ANNA)) == 1
        assert await post.pending() == []
