"""A server that stalls, babbles, lies and leaves: every row ends in a value, or in ConnectionLost within its time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime

import pytest

from sequencer.mail.accounts import Ready
from sequencer.mail.imap import ConnectionLost, ImapLine
from sequencer.mail.incoming import (
    Appended,
    FolderState,
    Head,
    Incoming,
    NoFolder,
    NoMessage,
    NotAppended,
)
from tests.mail.raw_imap import HANG_UP, SILENCE, Answer, RawImap, Sliced, message, messages

INSTANT = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)


async def opened(server: RawImap, timeout: float = 5.0) -> ImapLine:
    line = server.line(timeout)
    assert isinstance(await line.open(), Ready)
    return line


# Things that end the connection --------------------------------------------------------------------

FATAL: list[Answer] = [
    SILENCE,
    HANG_UP,
    b"{tag} OK no line end",
    b"* SEARCH 1 2 3",
    b"* BYE overloaded\r\n",
    Sliced(b"* SEARCH 1 2 3\r\n* BYE overloaded\r\n{tag} OK done\r\n", 8),
    b"* 1 FETCH (UID 1 BODY[] {100}\r\nhalf a literal",
    b"* 1 FETCH (UID 1 BODY[] {99999999999}\r\nx",
    b"* 1 FETCH (UID 1 BODY[] {67108865}\r\nx",
    b"ZZZ OK a tag that nobody used\r\n",
    b"\xff\xfe OK not ASCII\r\n",
    b"\0\1\2\3\r\n",
    b"complete nonsense\r\n",
    b"{tag}\r\n",
    b"* SEARCH" + HANG_UP,
    b"+ more?\r\n",
    b"* SEARCH " + b"1 " * 9_000_000,
]


@pytest.mark.parametrize("answer", FATAL, ids=[repr(a)[:40] for a in FATAL])
async def test_a_broken_answer_is_a_lost_connection(answer: Answer) -> None:
    async with RawImap({"UID SEARCH": answer}) as server:
        line = await opened(server, timeout=0.3)
        with pytest.raises(ConnectionLost) as lost:
            async with asyncio.timeout(5):
                await line.uids_after("INBOX", 0)
        assert str(lost.value)
        assert not line.is_open
        with pytest.raises(ConnectionLost):
            await line.uids_after("INBOX", 0)
        await line.close()


async def test_an_answer_without_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sequencer.mail.imap_wire.MAX_ANSWER", 10_000)
    async with RawImap({"UID SEARCH": b"* 1 RECENT\r\n" * 2000}) as server:
        line = await opened(server)
        with pytest.raises(ConnectionLost, match="without an end"):
            await line.uids_after("INBOX", 0)


METHODS: list[tuple[str, str, Callable[[Incoming], Awaitable[object]]]] = [
    ("LIST", "folders", lambda line: line.folders()),
    ("CREATE", "create", lambda line: line.create("x")),
    ("EXAMINE", "examine", lambda line: line.examine("INBOX")),
    ("NOOP", "freshness", lambda line: line.uids_since("INBOX", date(2026, 1, 1))),
    ("UID SEARCH", "uids_since", lambda line: line.uids_since("INBOX", date(2026, 1, 1))),
    ("UID SEARCH", "uids_with_message_id", lambda line: line.uids_with_message_id("INBOX", "<a@b>")),
    ("UID FETCH", "heads", lambda line: line.heads("INBOX", [1])),
    ("UID FETCH", "body", lambda line: line.body("INBOX", 1)),
    ("APPEND", "append", lambda line: line.append("Sent", b"x", INSTANT)),
    ("IDLE", "wait_for_push", lambda line: line.wait_for_push("INBOX", 0.05)),
    ("DONE", "the end of IDLE", lambda line: line.wait_for_push("INBOX", 0.05)),
]


@pytest.mark.parametrize("answer", [SILENCE, HANG_UP, b"* BYE\r\n"], ids=["silence", "hang up", "bye"])
@pytest.mark.parametrize(("command", "name", "call"), METHODS, ids=[name for _, name, _ in METHODS])
async def test_every_method_notices(
    command: str, name: str, call: Callable[[Incoming], Awaitable[object]], answer: Answer
) -> None:
    async with RawImap({command: answer}) as server:
        line = await opened(server, timeout=0.2)
        if command != "EXAMINE":
            await line.examine("INBOX")
        if command in ("IDLE", "DONE"):
            await line.uids_after("INBOX", 0)
        with pytest.raises(ConnectionLost):
            async with asyncio.timeout(5):
                await call(line)
        assert not line.is_open


@pytest.mark.parametrize(("command", "name", "call"), METHODS, ids=[name for _, name, _ in METHODS])
async def test_every_cancellation_cuts_the_connection(
    command: str, name: str, call: Callable[[Incoming], Awaitable[object]]
) -> None:
    async with RawImap({command: SILENCE}) as server:
        line = await opened(server)
        if command != "EXAMINE":
            await line.examine("INBOX")
        if command in ("IDLE", "DONE"):
            await line.uids_after("INBOX", 0)
        server.commands.clear()
        task = asyncio.ensure_future(call(line))
        while not any(command in said.upper() for said in server.commands):
            server.seen.clear()
            await asyncio.wait_for(server.seen.wait(), 5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not line.is_open
        assert isinstance(await line.open(), Ready)
        await line.close()


async def test_a_connection_lost_between_commands_is_noticed() -> None:
    async with RawImap() as server:
        line = await opened(server)
        await line.examine("INBOX")
        server.say(b"* BYE restarting\r\n")
        with pytest.raises(ConnectionLost, match=r"restarting|lost|closed"):
            await line.uids_after("INBOX", 0)


async def test_two_commands_at_once_are_a_mistake() -> None:
    async with RawImap({"LIST": SILENCE}) as server:
        line = await opened(server)
        first = asyncio.ensure_future(line.folders())
        server.seen.clear()
        await asyncio.wait_for(server.seen.wait(), 5)
        with pytest.raises(RuntimeError):
            await line.examine("INBOX")
        with pytest.raises(ConnectionLost):
            await first


# Things that look broken and are not ---------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
async def test_any_cut_through_the_stream_gives_the_same(size: int) -> None:
    header = b"Subject: (((( {5}\r\nX: * 9 FETCH (UID 9)\r\nY: A1 OK done\r\nZ: + go\r\n\r\n"
    answer = b"* OK still here {5}\r\n" + message(1, header) + b"* 4 EXISTS\r\n{tag} OK done {3}\r\n"
    async with RawImap({"UID FETCH": Sliced(answer, size)}) as server:
        line = await opened(server)
        (head,) = await line.heads("INBOX", [1])
        assert head == Head(1, 100, datetime(2026, 11, 24, 8, 0, tzinfo=UTC), header)
        await line.close()


async def test_1200_messages_at_once_do_not_recurse() -> None:
    flags = b"".join(b"* %d FETCH (FLAGS (\\Seen) UID %d)\r\n" % (n, n) for n in range(1, 1201))
    async with RawImap({"UID SEARCH": flags + b"* SEARCH 1200\r\n{tag} OK done\r\n"}) as server:
        line = await opened(server)
        assert await line.uids_after("INBOX", 0) == (1200,)
        await line.close()


async def test_heads_come_in_batches_and_in_order() -> None:
    uids = list(range(1, 121))
    answers: list[Answer] = [
        messages(reversed(uids[:50])) + b"{tag} OK\r\n",
        messages(uids[50:100]) + b"{tag} OK\r\n",
        messages(uids[100:]) + b"{tag} OK\r\n",
    ]
    async with RawImap({"UID FETCH": answers}) as server:
        line = await opened(server)
        assert [head.uid for head in await line.heads("INBOX", uids)] == uids
        assert sum(command.startswith("UID FETCH") for command in server.commands) == 3
        await line.close()


async def test_quoted_and_missing_values() -> None:
    answer = (
        b'* 1 FETCH (UID 1 RFC822.SIZE 12 INTERNALDATE " 1-Jan-2026 00:00:00 +0000"'
        b' BODY[HEADER]<0> "A: \\"b\\" )(* ")\r\n'
        b"* 2 FETCH (UID 2 RFC822.SIZE 0 INTERNALDATE nonsense BODY[HEADER]<0> NIL)\r\n"
        b"* 3 FETCH (FLAGS (\\Seen))\r\n"
        b"* 3 FETCH (UID 3 FLAGS ())\r\n"
        b"{tag} OK done\r\n"
    )
    async with RawImap({"UID FETCH": answer}) as server:
        line = await opened(server)
        assert await line.heads("INBOX", [1, 2, 3]) == (
            Head(1, 12, datetime(2026, 1, 1, tzinfo=UTC), b'A: "b" )(* '),
            Head(2, 0, None, b""),
        )
        await line.close()


@pytest.mark.parametrize(
    "answer",
    [
        b"* 1 FETCH (UID 1 BODY[HEADER]\r\n{tag} OK\r\n",
        b"* 1 FETCH (UID 1))\r\n{tag} OK\r\n",
        b"* 1 FETCH UID 1\r\n{tag} OK\r\n",
        b"* 1 FETCH (UID)\r\n{tag} OK\r\n",
        b'* 1 FETCH (UID 1 BODY[HEADER] "open)\r\n{tag} OK\r\n',
        b"* 1 FETCH (UID 1 BODY[ x)\r\n{tag} OK\r\n",
        b"* 1 FETCH " + b"(" * 100_000 + b"\r\n{tag} OK\r\n",
    ],
)
async def test_an_unreadable_fetch_is_a_lost_connection(answer: bytes) -> None:
    async with RawImap({"UID FETCH": answer}) as server:
        line = await opened(server)
        with pytest.raises(ConnectionLost, match="the server sent"):
            await line.heads("INBOX", [1])
        assert not line.is_open


async def test_deep_nesting_in_another_item_does_no_harm() -> None:
    deep = b"* 1 FETCH (UID 1 X " + b"(" * 5000 + b")" * 5000 + b" BODY[HEADER] {1}\r\nh)\r\n{tag} OK\r\n"
    async with RawImap({"UID FETCH": deep}) as server:
        line = await opened(server)
        (head,) = await line.heads("INBOX", [1])
        assert head.header == b"h"
        await line.close()


async def test_one_unreadable_message_does_not_block_the_others() -> None:
    broken: Answer = message(1) + b"{tag} NO [SERVERBUG] cannot read message\r\n"
    answers: list[Answer] = [
        broken,
        b"{tag} NO cannot read message 2\r\n",
        message(3) + b"{tag} OK\r\n",
    ]
    async with RawImap({"UID FETCH": answers}) as server:
        line = await opened(server)
        heads = await line.heads("INBOX", [1, 2, 3])
        assert [head.uid for head in heads] == [1, 2, 3]
        assert heads[1] == Head(2, problem="cannot read message 2")
        assert heads[0].problem == heads[2].problem == ""
        await line.close()


async def test_bodies_that_are_gone_unreadable_or_longer_than_asked_for() -> None:
    answers: list[Answer] = [
        b"{tag} OK nothing there\r\n",
        b"{tag} NO cannot read\r\n",
        b"* 1 FETCH (UID 1 BODY[]<0> {10}\r\n0123456789)\r\n{tag} OK\r\n",
        b"* 1 FETCH (UID 1 BODY[]<0> NIL)\r\n{tag} OK\r\n",
        b"{tag} BAD what?\r\n",
    ]
    async with RawImap({"UID FETCH": answers}) as server:
        line = await opened(server)
        assert await line.body("INBOX", 1) == NoMessage(1, "gone")
        assert await line.body("INBOX", 1) == NoMessage(1, "cannot read")
        assert await line.body("INBOX", 1, limit=4) == b"0123"
        assert await line.body("INBOX", 1) == NoMessage(1, "gone")
        with pytest.raises(ConnectionLost):
            await line.body("INBOX", 1)


# Searching -----------------------------------------------------------------------------------------


async def test_the_last_message_that_a_star_range_always_returns_is_dropped() -> None:
    async with RawImap({"UID SEARCH": b"* SEARCH 3\r\n{tag} OK\r\n"}) as server:
        line = await opened(server)
        assert await line.uids_after("INBOX", 3) == ()
        assert "UID SEARCH UID 4:*" in server.commands
        await line.close()


@pytest.mark.parametrize(
    ("answer", "uids"),
    [
        (b"{tag} OK none\r\n", ()),
        (b"* SEARCH\r\n{tag} OK none\r\n", ()),
        (b"* SEARCH 9 5 7 5\r\n{tag} OK\r\n", (5, 7, 9)),
        (b"* SEARCH 5\r\n* SEARCH 6\r\n{tag} OK\r\n", (5, 6)),
        (b"* SEARCH 5 6 (MODSEQ 917162500)\r\n{tag} OK\r\n", (5, 6)),
        (b"* search 5\r\n{tag} OK\r\n", (5,)),
    ],
)
async def test_search_answers(answer: bytes, uids: tuple[int, ...]) -> None:
    async with RawImap({"UID SEARCH": answer}) as server:
        line = await opened(server)
        assert await line.uids_since("INBOX", date(2026, 3, 1)) == uids
        assert "UID SEARCH SINCE 1-Mar-2026" in server.commands
        assert not any("CHARSET" in command for command in server.commands)
        await line.close()


async def test_a_search_takes_in_what_has_arrived_before_it() -> None:
    """A server need not show new messages to SEARCH before it has announced them: NOOP gives it the occasion."""
    async with RawImap() as server:
        line = await opened(server)
        await line.uids_after("INBOX", 0)
        await line.uids_after("INBOX", 3)
        told = [command for command in server.commands if command.startswith(("EXAMINE", "NOOP", "UID"))]
        assert told == ['EXAMINE "INBOX"', "UID SEARCH UID 1:*", "NOOP", "UID SEARCH UID 4:*"]
        await line.close()


def ids(*pairs: tuple[int, bytes]) -> bytes:
    return b"".join(
        b"* %d FETCH (UID %d BODY[HEADER.FIELDS (MESSAGE-ID)] {%d}\r\n%s)\r\n" % (uid, uid, len(line), line)
        for uid, line in pairs
    )


async def test_hits_of_a_message_id_are_verified() -> None:
    fetched = ids(
        (1, b"Message-ID: <a@b>\r\n\r\n"), (2, b"Message-ID: <aa@b>\r\n\r\n"), (3, b"message-id:\r\n <a@b>\r\n\r\n")
    )
    async with RawImap({"UID FETCH": fetched + b"{tag} OK\r\n"}) as server:
        line = await opened(server)
        assert await line.uids_with_message_id("INBOX", "<a@b>") == (1, 3)
        assert 'UID SEARCH HEADER Message-ID "<a@b>"' in server.commands
        await line.close()


@pytest.mark.parametrize("answer", [b"* SEARCH\r\n{tag} OK\r\n", b"{tag} NO cannot search\r\n", b"{tag} BAD what?\r\n"])
async def test_a_search_that_finds_nothing_is_not_believed(answer: bytes) -> None:
    found = ids((901, b"Message-ID: <a@b>\r\n\r\n")) + b"{tag} OK\r\n"
    nothing = b"{tag} OK\r\n"
    examined = b"* 950 EXISTS\r\n* OK [UIDVALIDITY 7] ok\r\n* OK [UIDNEXT 1000] ok\r\n{tag} OK\r\n"
    answers: dict[str, Answer | list[Answer]] = {
        "UID SEARCH": answer,
        "EXAMINE": examined,
        "FETCH": [nothing, nothing, found, nothing],
    }
    async with RawImap(answers) as server:
        line = await opened(server)
        assert await line.uids_with_message_id("INBOX", "<a@b>") == (901,)
        spans = [command.split()[1] for command in server.commands if command.startswith("FETCH")]
        assert spans == ["751:800", "801:850", "851:900", "901:950"]
        await line.close()


@pytest.mark.parametrize("odd", ["<a b@c>", "<ä@b>", "<a@b>\r\nX", ""])
async def test_an_id_that_no_header_can_hold_is_found_nowhere(odd: str) -> None:
    async with RawImap({"UID SEARCH": b"* SEARCH\r\n{tag} OK\r\n", "FETCH": b"{tag} OK\r\n"}) as server:
        line = await opened(server)
        assert await line.uids_with_message_id("INBOX", odd) == ()
        await line.close()


async def test_gmail_threads_are_asked_for_where_there_are_any() -> None:
    capabilities = b"* CAPABILITY IMAP4rev1 X-GM-EXT-1\r\n{tag} OK\r\n"
    answer = b"* 1 FETCH (X-GM-THRID 1278455344230334865 UID 1 BODY[HEADER] {0}\r\n)\r\n{tag} OK\r\n"
    async with RawImap({"CAPABILITY": capabilities, "UID FETCH": answer}) as server:
        line = await opened(server)
        (head,) = await line.heads("INBOX", [1])
        assert head.gmail_thread == "1278455344230334865"
        assert "X-GM-THRID" in server.commands[-1]
        await line.close()
    async with RawImap({"UID FETCH": message(1) + b"{tag} OK\r\n"}) as server:
        line = await opened(server)
        await line.heads("INBOX", [1])
        assert "X-GM-THRID" not in server.commands[-1]
        await line.close()


# Opening folders -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"{tag} NO [NONEXISTENT] no such mailbox\r\n", "[NONEXISTENT] no such mailbox"),
        (b"{tag} BAD what?\r\n", "what?"),
        (b"* 3 EXISTS\r\n{tag} OK done\r\n", "the server gives its messages no lasting numbers (UIDVALIDITY)"),
    ],
)
async def test_a_folder_that_cannot_be_opened(answer: bytes, reason: str) -> None:
    async with RawImap({"EXAMINE": answer}) as server:
        line = await opened(server)
        assert await line.examine("Nope") == NoFolder("Nope", reason)
        assert line.is_open
        with pytest.raises(ConnectionLost, match="Nope"):
            await line.uids_after("Nope", 0)


async def test_a_passing_failure_is_not_a_missing_folder() -> None:
    async with RawImap({"EXAMINE": b"{tag} NO [UNAVAILABLE] backend down\r\n"}) as server:
        line = await opened(server)
        with pytest.raises(ConnectionLost, match="backend down"):
            await line.examine("INBOX")


async def test_uids_are_not_used_under_another_uidvalidity() -> None:
    def examined(uidvalidity: int) -> bytes:
        return b"* 1 EXISTS\r\n* OK [UIDVALIDITY %d] ok\r\n* OK [UIDNEXT 4] ok\r\n{tag} OK\r\n" % uidvalidity

    async with RawImap({"EXAMINE": [examined(7), examined(1), examined(8)]}) as server:
        line = await opened(server)
        assert await line.examine("INBOX") == FolderState(7, 4, 1)
        await line.examine("Junk")
        with pytest.raises(ConnectionLost, match="numbered anew"):
            await line.uids_after("INBOX", 3)
        assert isinstance(await line.open(), Ready)
        assert await line.examine("INBOX") == FolderState(8, 4, 1)
        assert await line.uids_after("INBOX", 0) == (1, 2, 3)
        await line.close()


# Appending and listing -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "result"),
    [
        (b"{tag} OK [APPENDUID 38505 3955] done\r\n", Appended(38505, 3955)),
        (b"{tag} OK done\r\n", Appended()),
        (b"* 4 EXISTS\r\n{tag} OK [APPENDUID 1 2:3] odd\r\n", Appended()),
        (b"{tag} NO [TRYCREATE] no such mailbox\r\n", NotAppended("[TRYCREATE] no such mailbox", no_folder=True)),
        (b"{tag} NO [OVERQUOTA] full\r\n", NotAppended("[OVERQUOTA] full")),
        (b"{tag} BAD too big\r\n", NotAppended("too big")),
    ],
)
async def test_append(answer: bytes, result: Appended | NotAppended) -> None:
    async with RawImap({"APPEND": answer}) as server:
        line = await opened(server)
        assert await line.append("Sent", b"Subject: x\r\n\r\nx\r\n", INSTANT) == result
        assert 'APPEND "Sent" (\\Seen) "24-Nov-2026 08:00:00 +0000" {17}' in server.commands[-1]
        await line.close()


async def test_an_append_refused_before_its_literal() -> None:
    async with RawImap({"APPEND": b"{tag} NO [TRYCREATE] first\r\n"}, literals=False) as server:
        line = await opened(server)
        refused = await line.append("Sent", b"Subject: x\r\n\r\nx\r\n", INSTANT)
        assert refused == NotAppended("[TRYCREATE] first", no_folder=True)
        assert await line.examine("INBOX") == FolderState(7, 4, 3)
        await line.close()


async def test_listing_with_literals_odd_attributes_and_foreign_spellings() -> None:
    answer = (
        b'* LIST (\\HasNoChildren \\sent) "/" "Sent"\r\n'
        b'* LIST (\\NoSelect) "." {9}\r\nOdd "One"\r\n'
        b"* LIST () NIL INBOX\r\n"
        b'* LIST () "/" "Entw&APw-rfe"\r\n'
        b'* LIST () "/" "broken &name"\r\n'
        b'* LIST () "/" "raw \xc3\xbc"\r\n'
        b'* LIST () "/" NIL\r\n'
        b'* LIST () "/" {5}\r\n{10}x\r\n'
        b'* LIST () "/" {4}\r\na\r\nb\r\n'
        b"{tag} OK\r\n"
    )
    async with RawImap({"LIST": answer}) as server:
        line = await opened(server)
        folders = await line.folders()
        assert [folder.name for folder in folders] == [
            "Sent",
            'Odd "One"',
            "INBOX",
            "Entwürfe",
            "broken &name",
            "raw ü",
            "NIL",
            "{10}x",
            "a\r\nb",
        ]
        assert folders[0].special_use == {"\\Sent"}
        assert not folders[1].selectable
        assert folders[2].separator == ""
        # What is opened later is spelled as the server spelled it.
        for name, spelled in (
            ("Entwürfe", "Entw&APw-rfe"),
            ("broken &name", "broken &name"),
            ("raw ü", "raw ü"),
            ("a\r\nb", "a&AA0ACg-b"),
        ):
            await line.examine(name)
            assert server.commands[-1] == f'EXAMINE "{spelled}"'
        await line.close()
