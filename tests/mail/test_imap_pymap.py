"""The same line against pymap, the pure-Python server of the demo, in this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime

import pytest

from sequencer.mail.accounts import ImapAccount, Ready, Unreachable
from sequencer.mail.imap import ConnectionLost, ImapLine
from sequencer.mail.imap_names import folder_for
from sequencer.mail.incoming import Appended, FolderState, NoFolder, NoMessage, NotAppended, Pushed, Quiet
from tests.pymap_server import PymapServer

MARK, ANNA = "mark@test.example", "anna@test.example"
AT = datetime(2026, 11, 3, 8, 15, 30, tzinfo=UTC)
DATA = b"Message-ID: <a@outside.example>\r\nSubject: hi\r\n\r\nhello\r\n"


@pytest.fixture
async def server() -> AsyncIterator[PymapServer]:
    async with PymapServer({MARK: "secret", ANNA: 'p"ass w\\rd'}) as running:
        yield running


@pytest.fixture
async def line(server: PymapServer) -> AsyncIterator[ImapLine]:
    opened = ImapLine(ImapAccount(server.host, server.port, "none", MARK, "secret", timeout=5))
    assert isinstance(await opened.open(), Ready)
    yield opened
    await opened.close()


async def test_several_users_with_their_own_mail(server: PymapServer, line: ImapLine) -> None:
    other = ImapLine(ImapAccount(server.host, server.port, "none", ANNA, 'p"ass w\\rd', timeout=5))
    assert isinstance(await other.open(), Ready)
    await server.append(MARK, "INBOX", DATA, AT)
    assert len(await line.uids_after("INBOX", 0)) == 1
    assert await other.uids_after("INBOX", 0) == ()
    await other.close()
    wrong = await ImapLine(ImapAccount(server.host, server.port, "none", ANNA, "secret", timeout=5)).open()
    assert isinstance(wrong, Unreachable)
    assert (wrong.why, wrong.temporary) == ("auth", False)


async def test_reading(server: PymapServer, line: ImapLine) -> None:
    state = await line.examine("INBOX")
    assert isinstance(state, FolderState)
    await server.append(MARK, "INBOX", DATA, AT)
    (uid,) = await line.uids_after("INBOX", 0)
    assert uid == state.uidnext
    (head,) = await line.heads("INBOX", [uid])
    assert (head.uid, head.size, head.received_at) == (uid, len(DATA), AT)
    assert head.header == DATA.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    assert await line.body("INBOX", uid) == DATA
    assert await line.body("INBOX", uid, limit=10) == DATA[:10]
    assert await line.body("INBOX", uid + 1) == NoMessage(uid + 1, "gone")
    assert await line.uids_after("INBOX", uid) == ()
    assert await line.uids_since("INBOX", date(2026, 11, 3)) == (uid,)
    assert await line.uids_since("INBOX", date(2026, 11, 4)) == ()
    assert await line.uids_with_message_id("INBOX", "<a@outside.example>") == (uid,)
    assert await line.uids_with_message_id("INBOX", "<b@outside.example>") == ()


async def test_writing(line: ImapLine) -> None:
    appended = await line.append("Sent", DATA, AT)
    assert isinstance(appended, Appended)
    assert await line.body("Sent", appended.uid) == DATA
    refused = await line.append("Gelöscht & Co", DATA, AT)
    assert isinstance(refused, NotAppended)
    assert refused.no_folder
    assert isinstance(await line.examine("Gelöscht & Co"), NoFolder)
    assert await line.create("Gelöscht & Co")
    assert isinstance(await line.append("Gelöscht & Co", DATA, AT), Appended)
    folders = await line.folders()
    assert "Gelöscht & Co" in [folder.name for folder in folders]
    sent = folder_for("\\Sent", folders)
    assert sent is not None
    assert sent.name == "Sent"


async def test_pushes(server: PymapServer, line: ImapLine) -> None:
    await line.uids_after("INBOX", 0)
    assert await line.wait_for_push("INBOX", 0.05) == Quiet()
    waiting = asyncio.create_task(line.wait_for_push("INBOX", 20))
    await asyncio.wait({waiting}, timeout=0.05)
    await server.append(MARK, "INBOX", DATA, AT)
    assert await asyncio.wait_for(waiting, 5) == Pushed()
    assert len(await line.uids_after("INBOX", 0)) == 1


async def test_many_messages(server: PymapServer, line: ImapLine) -> None:
    for _ in range(120):
        await server.append(MARK, "INBOX", DATA, AT)
    uids = await line.uids_after("INBOX", 0)
    assert len(uids) == 120
    assert [head.uid for head in await line.heads("INBOX", uids)] == list(uids)


async def test_the_server_ends(server: PymapServer, line: ImapLine) -> None:
    await line.uids_after("INBOX", 0)
    waiting = asyncio.create_task(line.wait_for_push("INBOX", 20))
    await asyncio.wait({waiting}, timeout=0.05)
    await server.disconnect()
    with pytest.raises(ConnectionLost):
        await asyncio.wait_for(waiting, 5)
