"""Reading a mailbox to its end, on an IMAP server in this process: nothing missed, nothing twice, nothing stops it."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from sequencer.core.model import Status
from sequencer.mail.accounts import ImapAccount, Unreachable
from sequencer.mail.ids import make_message_id
from sequencer.mail.imap import ConnectionLost, ImapLine
from sequencer.mail.imap_names import Folder
from sequencer.mail.incoming import MAX_BODY, FolderState, Head, NoMessage
from sequencer.operations import inbox
from sequencer.operations.health import status
from sequencer.operations.inbox import InboxRead, find_folders, read_inbox
from sequencer.operations.receive import UNREAD, Receipt, receive
from sequencer.store import mailboxes, set_aside
from sequencer.store.database import Database
from tests.operations.desk import ANNA, BEN, CLEO, CONFIG, DAY, HOUR
from tests.operations.letterbox import MARK, Letterbox, a_letterbox, mail
from tests.pymap_server import PymapServer

ACTIVE, PAUSED = Status.ACTIVE, Status.PAUSED
Hook = Callable[[str, int], Awaitable[object]]


class HookedLine(ImapLine):
    """A real connection; what happens in between is up to the test. Counts the bodies and their bytes."""

    before_heads: Hook | None = None
    before_body: Hook | None = None
    instead_of_body: Callable[[int], NoMessage | None] | None = None
    bodies: int = 0
    zero: int = 0  # the UIDs of this server do not begin with 1

    async def heads(self, folder: str, uids: Sequence[int]) -> tuple[Head, ...]:
        if self.before_heads is not None:
            await self.before_heads(folder, len(uids))
        return await super().heads(folder, uids)

    async def body(self, folder: str, uid: int, limit: int = MAX_BODY) -> bytes | NoMessage:
        if self.before_body is not None:
            await self.before_body(folder, uid - self.zero)
        instead = self.instead_of_body(uid - self.zero) if self.instead_of_body is not None else None
        if instead is not None:
            return instead
        self.bodies += 1
        return await super().body(folder, uid, limit)


@dataclass
class Post:
    """A letterbox whose mail stands on a server."""

    box: Letterbox
    imap: PymapServer
    line: HookedLine

    async def puts(self, raw: bytes, folder: str = "INBOX", ago: timedelta = timedelta()) -> None:
        await self.imap.append("mark", folder, raw, self.box.desk.now - ago)

    async def read(self) -> InboxRead:
        desk = self.box.desk
        mailbox = desk.live.mailbox("mark")
        assert mailbox is not None
        watched = await find_folders(mailbox, self.line)
        return await read_inbox(desk.live, mailbox, self.line, watched, desk.now)

    async def words(self) -> list[str]:
        return [happening.what for happening in (await self.read()).happenings]

    async def read_at(self) -> object:
        async with self.box.desk.live.database.read() as conn:
            row = await mailboxes.get(conn, "mark")
        return row.inbox_read_at if row is not None else None

    async def cursor(self, folder: str = "INBOX") -> int:
        async with self.box.desk.live.database.read() as conn:
            cursor = await mailboxes.cursor(conn, "mark", folder)
        return cursor.last_uid - self.line.zero if cursor is not None else 0

    async def reconnect(self) -> None:
        assert not isinstance(await self.line.open(), Unreachable)

    async def statuses(self) -> list[Status]:
        return [await self.box.status(email) for email in (ANNA, BEN, CLEO)]


@asynccontextmanager
async def a_post(
    database: Database, folder: Path, *emails: str, folders: Sequence[str] = ("Sent", "Junk"), **files: str
) -> AsyncIterator[Post]:
    async with PymapServer({"mark": "pw"}, folders) as imap, a_letterbox(database, folder, *emails, **files) as box:
        line = HookedLine(ImapAccount(imap.host, imap.port, tls="none", username="mark", password="pw", timeout=20))
        assert not isinstance(await line.open(), Unreachable)
        empty = await line.examine("INBOX")
        assert isinstance(empty, FolderState)
        line.zero = empty.uidnext - 1
        try:
            yield Post(box, imap, line)
        finally:
            await line.close()


@pytest.fixture
async def post(database: Database, tmp_path: Path) -> AsyncIterator[Post]:
    async with a_post(database, tmp_path, ANNA, BEN, CLEO) as post:
        await post.read()
        yield post


@pytest.fixture
async def local(migrated_sqlite: Path, tmp_path: Path) -> AsyncIterator[Post]:
    """The same on a database file that a test may spoil."""
    shutil.copyfile(migrated_sqlite, tmp_path / "own.db")
    database = await Database.open(f"sqlite:///{tmp_path / 'own.db'}")
    async with a_post(database, tmp_path, ANNA, BEN, CLEO) as post:
        await post.read()
        yield post
    await database.close()


def config_with(folders: str) -> str:
    return CONFIG.replace(
        'username: mark, password: "${MARK_PASSWORD}"}\n    limits',
        f'username: mark, password: "${{MARK_PASSWORD}}", {folders}}}\n    limits',
        1,
    )


# Which folders ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("folder", ["Junk", "Spam", "Archive", "Trash", "Papierkorb", "Archiv"])
async def test_a_reply_is_found_where_filters_and_people_move_it(
    database: Database, tmp_path: Path, folder: str
) -> None:
    async with a_post(database, tmp_path, ANNA, BEN, CLEO, folders=("Sent", folder)) as post:
        await post.puts(post.box.answer(ANNA), folder)
        await post.read()
        assert await post.statuses() == [PAUSED, ACTIVE, ACTIVE]


@pytest.mark.parametrize("name", ["Gelöscht & Co", "受信トレイ", "Kunden/Ålesund/2026", 'a "quoted" \\ name', "&-"])
async def test_folders_of_any_name(database: Database, tmp_path: Path, name: str) -> None:
    import json
    import unicodedata

    written = json.dumps(unicodedata.normalize("NFD", name), ensure_ascii=False)  # as some systems type it
    config = config_with(f"folders: [INBOX, {written}]")
    async with a_post(database, tmp_path, ANNA, BEN, CLEO, folders=("Sent", name), config=config) as post:
        await post.puts(post.box.answer(ANNA), name)
        result = await post.read()
        assert result.missing == []
        assert await post.statuses() == [PAUSED, ACTIVE, ACTIVE]


async def test_a_folder_that_is_missing_leaves_the_inbox_unread_until_it_is_there(
    database: Database, tmp_path: Path
) -> None:
    config = config_with("folders: [INBOX, Customers]")
    async with a_post(database, tmp_path, ANNA, BEN, CLEO, config=config) as post:
        before = await post.read_at()
        post.box.desk.now += HOUR
        await post.puts(post.box.answer(ANNA))
        assert (await post.read()).missing == ["Customers"]
        assert await post.read_at() == before
        assert await post.statuses() == [PAUSED, ACTIVE, ACTIVE]  # what can be read is read
        await post.line.create("Customers")
        await post.puts(post.box.answer(BEN), "Customers")
        assert (await post.read()).missing == []
        assert await post.read_at() == post.box.desk.now
        assert await post.statuses() == [PAUSED, PAUSED, ACTIVE]


async def test_a_folder_that_goes_away_between_the_listing_and_the_reading(post: Post) -> None:
    desk = post.box.desk
    mailbox = desk.live.mailbox("mark")
    assert mailbox is not None
    before = await post.read_at()
    watched = inbox.Watched(("INBOX", "Renamed"), "Sent")
    desk.now += HOUR
    result = await read_inbox(desk.live, mailbox, post.line, watched, desk.now)
    assert result.missing == ["Renamed"]
    assert await post.read_at() == before


async def test_a_folder_named_anew_after_weeks_is_read_from_the_oldest_open_enrollment(
    database: Database, tmp_path: Path
) -> None:
    async with a_post(database, tmp_path, ANNA, BEN, CLEO) as post:
        await post.read()
        post.box.desk.now += 20 * DAY
        await post.line.create("Customers")
        await post.puts(post.box.answer(ANNA), "Customers", ago=15 * DAY)
        await post.puts(mail(BEN, "Of before"), "Customers", ago=22 * DAY)
        await post.box.desk.adopt(config=config_with("folders: [INBOX, Customers]"))
        await post.read()
        assert await post.statuses() == [PAUSED, ACTIVE, ACTIVE]


@pytest.mark.parametrize("sent", ["sent: Gesendet", 'sent: "\\\\Sent"'])
async def test_a_sent_folder_that_is_not_there_is_no_trouble(database: Database, tmp_path: Path, sent: str) -> None:
    async with a_post(database, tmp_path, ANNA, BEN, CLEO, folders=("Junk",), config=config_with(sent)) as post:
        await post.puts(post.box.answer(ANNA))
        assert (await post.read()).missing == []
        assert await post.statuses() == [PAUSED, ACTIVE, ACTIVE]


async def test_a_mailbox_of_which_no_folder_is_found_is_not_taken_for_read(database: Database, tmp_path: Path) -> None:
    config = config_with('folders: ["\\\\Junk"]')
    async with a_post(database, tmp_path, ANNA, BEN, CLEO, folders=("Sent",), config=config) as post:
        before = await post.read_at()
        post.box.desk.now += HOUR
        assert (await post.read()).missing == ["\\Junk"]
        assert await post.read_at() == before


def test_folders_that_are_mere_branches_are_not_read() -> None:
    tree = [Folder("Archive", selectable=False), Folder("INBOX.Archive", separator="."), Folder("INBOX")]
    usable = [folder for folder in tree if folder.selectable]
    assert inbox._named(usable, "\\Archive") == "INBOX.Archive"
    assert inbox._named(usable, "INBOX/Archive") == "INBOX.Archive"
    assert inbox._named(usable, "Archive") == ""
    assert inbox._named(usable, "inbox") == "INBOX"


# How far back -----------------------------------------------------------------------------------------


async def test_the_first_reading_of_a_full_mailbox_is_bounded(database: Database, tmp_path: Path) -> None:
    async with a_post(database, tmp_path, ANNA, BEN, CLEO) as post:
        for number in range(300):
            await post.puts(mail(ANNA, f"Old matter {number}"), ago=timedelta(days=3 + number))
        await post.puts(mail(BEN, "New matter"))
        assert (await post.read()).read == 1
        assert post.line.bodies == 1
        assert await post.statuses() == [ACTIVE, PAUSED, ACTIVE]
        assert await post.cursor() == 301
        assert (await post.read()).read == 0


async def test_what_came_while_nobody_ran_is_read_back_to_the_enrollment(database: Database, tmp_path: Path) -> None:
    async with a_post(database, tmp_path, ANNA, BEN, CLEO) as post:
        await post.puts(mail(ANNA, "I wrote on the day after"))
        post.box.desk.now += 9 * DAY  # and only now somebody starts the daemon
        await post.read()
        assert await post.statuses() == [PAUSED, ACTIVE, ACTIVE]


# What is bad ------------------------------------------------------------------------------------------


async def test_a_mailbox_newer_than_the_restored_copy_is_read_back_to_when_that_was_made(
    database: Database, tmp_path: Path
) -> None:
    async with a_post(database, tmp_path) as post:
        desk = post.box.desk
        async with database.begin() as conn:
            await mailboxes.mark_copied(conn, desk.now - 9 * DAY)
        left = make_message_id(desk.live.key, 7001, "first", "first000000000000", "flatheadrv.example")
        await post.puts(mail(MARK, "Your quote", to=ANNA, message_id=left), "Sent", ago=8 * DAY)
        await post.read()
        await desk.enroll(ANNA)
        assert (await desk.enrollment(ANNA)).position.step == "second"


async def test_a_message_that_is_deleted_between_the_search_and_the_fetch(post: Post) -> None:
    for email in (ANNA, BEN):
        await post.puts(post.box.answer(email))
    post.line.instead_of_body = lambda uid: NoMessage(uid, "gone") if uid == 1 else None
    assert await post.words() == ["replied", "paused"]
    assert await post.statuses() == [ACTIVE, PAUSED, ACTIVE]
    assert await post.cursor() == 2
    async with post.box.desk.live.database.read() as conn:
        assert await set_aside.listing(conn) == []


async def test_a_message_that_the_server_cannot_give_out_pauses_whom_its_header_names(post: Post) -> None:
    await post.puts(post.box.answer(ANNA))
    await post.puts(post.box.answer(BEN))
    post.line.instead_of_body = lambda uid: (
        NoMessage(uid, "NO [SERVERBUG] mail file is corrupted") if uid == 1 else None
    )
    assert await post.words() == ["set_aside", "paused", "replied", "paused"]
    assert await post.statuses() == [PAUSED, PAUSED, ACTIVE]
    assert await post.box.reason(ANNA) == UNREAD


async def test_a_message_that_cannot_be_recorded_is_set_aside_with_its_bytes(local: Post) -> None:
    desk = local.box.desk
    async with desk.live.database.begin() as conn:
        await conn.execute(
            text(
                "CREATE TRIGGER refuse BEFORE INSERT ON messages WHEN NEW.text LIKE '%poison%'"
                " BEGIN SELECT RAISE(ABORT, 'a constraint'); END"
            )
        )
    poison = local.box.answer(ANNA, "poison")
    await local.puts(local.box.answer(BEN, "before"))
    await local.puts(poison)
    await local.puts(local.box.answer(CLEO, "after"))
    told = await local.read()
    assert [h.what for h in told.happenings] == ["replied", "paused", "set_aside", "paused", "replied", "paused"]
    assert await local.statuses() == [PAUSED] * 3  # it may have been an answer
    assert await local.box.reason(ANNA) == UNREAD
    assert await local.cursor() == 3
    assert await local.read_at() == desk.now
    async with desk.live.database.read() as conn:
        (row,) = await set_aside.listing(conn)
        assert await set_aside.raw_of(conn, row.id) == poison
        health = await status(conn, desk.live, desk.now)
    assert (row.what, row.mailbox) == (f"message {2 + local.line.zero} in INBOX", "mark")
    assert "a constraint" in row.error
    assert any("set aside" in problem for problem in health.problems), health.problems
    assert await local.words() == []  # and it does not come again


async def test_a_database_that_is_away_is_no_fault_of_the_message(local: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    await local.puts(local.box.answer(ANNA))
    local.box.desk.now += HOUR
    before = await local.read_at()

    async def away(*_: object) -> Receipt:
        raise OperationalError("INSERT", {}, Exception("database is locked"))

    monkeypatch.setattr(inbox, "receive", away)
    with pytest.raises(OperationalError):
        await local.read()
    assert (await local.read_at(), await local.cursor()) == (before, 0)
    monkeypatch.setattr(inbox, "receive", receive)
    assert await local.words() == ["replied", "paused"]


async def test_two_good_replies_and_many_bad_mails_in_one_reading(post: Post) -> None:
    bad = [b"", b"\0" * 3000, b"From: \xff\xfe\r\n\r\n\xff", b"Subject: " + b"x" * 200_000, b"From: a@b\r\n" * 9000]
    await post.puts(post.box.answer(ANNA))
    for raw in bad:
        await post.puts(raw)
    await post.puts(post.box.answer(BEN))
    await post.read()
    assert await post.statuses() == [PAUSED, PAUSED, ACTIVE]
    assert await post.cursor() == 2 + len(bad)


# A sudden end -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("folder", ["INBOX", "Junk"])
@pytest.mark.parametrize("at", [1, 2, 3])
async def test_a_cut_between_two_messages_leaves_the_cursor_behind_the_last(post: Post, at: int, folder: str) -> None:
    for email in (ANNA, BEN, CLEO):
        await post.puts(post.box.answer(email), folder)
    post.box.desk.now += HOUR
    before = await post.read_at()

    async def cut(_: str, uid: int) -> None:
        if uid == at:
            await post.imap.disconnect()

    post.line.before_body = cut
    with pytest.raises(ConnectionLost):
        await post.read()
    assert (await post.cursor(folder), await post.read_at()) == (at - 1, before)
    assert await post.statuses() == [PAUSED] * (at - 1) + [ACTIVE] * (4 - at)
    post.line.before_body = None
    await post.reconnect()
    assert await post.words() == ["replied", "paused"] * (4 - at)
    assert (await post.cursor(folder), await post.read_at()) == (3, post.box.desk.now)
    assert [len(await post.box.messages(email)) for email in (ANNA, BEN, CLEO)] == [1, 1, 1]


@pytest.mark.parametrize("at", [1, 2, 3])
async def test_a_reading_that_is_killed_between_two_messages(post: Post, at: int) -> None:
    for email in (ANNA, BEN, CLEO):
        await post.puts(post.box.answer(email))
    post.box.desk.now += HOUR
    before, arrived = await post.read_at(), asyncio.Event()

    async def hang(_: str, uid: int) -> None:
        if uid == at:
            arrived.set()
            await asyncio.Event().wait()

    post.line.before_body = hang
    reading = asyncio.create_task(post.read())
    async with asyncio.timeout(20):
        await arrived.wait()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert (await post.cursor(), await post.read_at()) == (at - 1, before)
    post.line.before_body = None
    await post.reconnect()
    assert await post.words() == ["replied", "paused"] * (4 - at)
    assert await post.read_at() == post.box.desk.now


async def test_a_cut_in_the_first_reading_skips_nothing(database: Database, tmp_path: Path) -> None:
    async with a_post(database, tmp_path, ANNA, BEN, CLEO) as post:
        for number in range(5):
            await post.puts(mail("somebody@elsewhere.example", f"old {number}"), ago=30 * DAY)
        for email in (ANNA, BEN, CLEO):
            await post.puts(post.box.answer(email))

        async def cut(_: str, uid: int) -> None:
            if uid == 7:
                await post.imap.disconnect()

        post.box.desk.now += HOUR
        before = await post.read_at()
        post.line.before_body = cut
        with pytest.raises(ConnectionLost):
            await post.read()
        assert (await post.read_at(), await post.cursor()) == (before, 6)
        post.line.before_body = None
        await post.reconnect()
        await post.read()
        assert await post.statuses() == [PAUSED] * 3


async def test_what_arrives_during_the_reading_is_found_by_the_next_one(post: Post) -> None:
    await post.puts(post.box.answer(ANNA))

    async def another(folder: str, _: int) -> None:
        post.line.before_body = None
        await post.puts(post.box.answer(BEN))

    post.line.before_body = another
    await post.read()
    await post.read()
    assert await post.statuses() == [PAUSED, PAUSED, ACTIVE]
