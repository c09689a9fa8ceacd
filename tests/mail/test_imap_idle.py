"""IDLE: what is a push, what is none, and servers that do not offer it."""

from __future__ import annotations

import pytest

from sequencer.mail.accounts import Ready
from sequencer.mail.imap import ImapLine
from sequencer.mail.incoming import Pushed, Quiet
from tests.mail.raw_imap import RawImap


async def idle_ready(server: RawImap, timeout: float = 5.0) -> ImapLine:
    line = server.line(timeout)
    assert isinstance(await line.open(), Ready)
    await line.uids_after("INBOX", 0)
    return line


async def test_what_was_announced_during_the_search_is_a_push() -> None:
    async with RawImap({"UID SEARCH": b"* SEARCH 1 2 3\r\n* 4 EXISTS\r\n{tag} OK\r\n"}) as server:
        line = await idle_ready(server)
        assert await line.wait_for_push("INBOX", 60) == Pushed()
        assert "IDLE" not in server.commands
        await line.close()


async def test_an_announcement_before_the_continuation_is_a_push() -> None:
    async with RawImap({"IDLE": b"* 4 EXISTS\r\n+ idling\r\n"}) as server:
        line = await idle_ready(server)
        assert await line.wait_for_push("INBOX", 60) == Pushed()
        await line.close()


async def test_keepalives_and_flags_are_no_push() -> None:
    async with RawImap(
        {"IDLE": b"+ idling\r\n* OK Still here\r\n* 2 FETCH (FLAGS (\\Seen))\r\n* 1 EXPUNGE\r\n"}
    ) as server:
        line = await idle_ready(server)
        assert await line.wait_for_push("INBOX", 0.1) == Quiet()
        assert server.commands[-1] == "DONE"
        await line.close()


async def test_a_server_without_idle_is_not_waited_for() -> None:
    async with RawImap({"CAPABILITY": b"* CAPABILITY IMAP4rev1\r\n{tag} OK\r\n"}) as server:
        line = await idle_ready(server)
        assert await line.wait_for_push("INBOX", 60) == Quiet(idle=False)
        await line.close()


@pytest.mark.parametrize("answer", [b"{tag} NO not now\r\n", b"{tag} BAD what?\r\n"])
async def test_a_server_that_refuses_idle_is_not_waited_for(answer: bytes) -> None:
    async with RawImap({"IDLE": answer}) as server:
        line = await idle_ready(server)
        assert await line.wait_for_push("INBOX", 60) == Quiet(idle=False)
        assert "DONE" not in server.commands
        assert await line.uids_after("INBOX", 0) == (1, 2, 3)
        await line.close()


async def test_a_look_into_another_folder_is_no_news() -> None:
    """Otherwise a worker that reads several folders after each push would never come to rest."""
    async with RawImap({"UID SEARCH": b"* SEARCH 3\r\n{tag} OK\r\n"}) as server:
        line = await idle_ready(server)
        await line.uids_after("Junk", 0)
        assert await line.wait_for_push("INBOX", 0.05) == Quiet()
        await line.close()


async def test_what_arrived_while_another_folder_was_open_is_a_push() -> None:
    def examined(uidnext: int) -> bytes:
        return b"* 3 EXISTS\r\n* OK [UIDVALIDITY 7] ok\r\n* OK [UIDNEXT %d] ok\r\n{tag} OK\r\n" % uidnext

    async with RawImap({"EXAMINE": [examined(4), examined(4), examined(5)]}) as server:
        line = await idle_ready(server)
        await line.uids_after("Junk", 0)
        assert await line.wait_for_push("INBOX", 60) == Pushed()
        await line.close()
