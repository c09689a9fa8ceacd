"""Reading a mailbox over IMAP (RFC 3501): strict about time, size and order, so that its owner can be simple.

Everything a server or a network can do wrong comes out as one exception, ConnectionLost, after which the line is
closed. What is read is never changed: folders are opened with EXAMINE, bodies fetched with PEEK.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from datetime import date, datetime

from sequencer.mail.accounts import ImapAccount, Ready, Unreachable
from sequencer.mail.imap_names import Folder, decode_name, encode_name, quoted
from sequencer.mail.imap_parse import (
    Garbled,
    Value,
    fetched,
    internal_date,
    keyword,
    listed,
    numbered,
    response_code,
    search_numbers,
)
from sequencer.mail.imap_session import PASSING, ImapSession, Reply
from sequencer.mail.imap_wire import ConnectionLost as ConnectionLost
from sequencer.mail.incoming import (
    MAX_BODY,
    Appended,
    FolderState,
    Head,
    NoFolder,
    NoMessage,
    NotAppended,
    Pushed,
    Quiet,
)

BATCH = 50
MAX_HEADER = 131_072
_SCAN_BACK = 200
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_NOT_FOLDERS = {"\\Noselect", "\\Nonexistent"}
_SPECIAL_USES = {"\\Sent", "\\Junk", "\\Archive", "\\All", "\\Drafts", "\\Trash", "\\Flagged", "\\Important"}


class ImapLine:
    """One connection to an IMAP server, for one owner task that gives one command at a time.

    Any loss of the connection, BYE, timeout, unreadable answer or cancellation cuts it: a late answer would be
    taken for that of the next command. Then every method raises ConnectionLost until `open` is called again.
    """

    def __init__(self, account: ImapAccount) -> None:
        self._session = ImapSession(account)
        self._selected: FolderState | None = None
        self._folder = ""
        self._told: dict[str, int] = {}  # the UIDVALIDITY that the caller knows
        self._searched: dict[tuple[str, int], int] = {}  # the UIDNEXT up to which a search has seen everything
        self._spelled: dict[str, str] = {}

    @property
    def is_open(self) -> bool:
        """Whether there is a connection, as far as anybody has noticed."""
        return self._session.is_open

    async def open(self) -> Ready | Unreachable:
        """Connect, TLS, log in; whatever was open before is dropped."""
        self._selected = None
        problem = await self._session.open()
        return Ready(self._session.capabilities) if problem is None else problem

    async def close(self) -> None:
        """Say LOGOUT if there is somebody to say it to, and close in any case."""
        self._selected = None
        await self._session.close()

    async def folders(self) -> tuple[Folder, ...]:
        """All folders, with their special uses where the server tells."""
        extended = {"SPECIAL-USE", "LIST-EXTENDED"} <= self._session.capabilities
        reply = await self._session.must("LIST", '""', '"*"', *(("RETURN (SPECIAL-USE)",) if extended else ()))
        return tuple(self._folder_of(response) for response in reply.responses if keyword(response) == "LIST")

    async def create(self, folder: str) -> bool:
        """Make a folder; whether it is there now."""
        reply = await self._session.command("CREATE", self._spell(folder))
        return reply.ok or response_code(reply.text).name == "ALREADYEXISTS"

    async def examine(self, folder: str) -> FolderState | NoFolder:
        """Open a folder read-only and anew."""
        state = await self._examine(folder)
        if isinstance(state, FolderState):
            self._told[folder] = state.uidvalidity
        return state

    async def uids_after(self, folder: str, last_uid: int) -> tuple[int, ...]:
        """The UIDs above the last known one, ascending: all that is in the folder by the time of the call."""
        state = await self._enter(folder, afresh=True)
        wire = self._session.wire
        wire.news = False  # what is announced from here on may not be among the results
        # `n:*` always holds the last message, even when its UID is below n (RFC 3501 §6.4.8).
        found = tuple(uid for uid in await self._search(f"UID {last_uid + 1}:*") if uid > last_uid)
        self._searched[folder, state.uidvalidity] = max(state.uidnext, last_uid + 1, *(uid + 1 for uid in found))
        return found

    async def uids_since(self, folder: str, day: date) -> tuple[int, ...]:
        """The UIDs of what arrived on that day or later; the day is the server's, whatever its zone."""
        await self._enter(folder, afresh=True)
        return await self._search(f"SINCE {day.day}-{_MONTHS[day.month - 1]}-{day.year}")

    async def uids_with_message_id(self, folder: str, message_id: str) -> tuple[int, ...]:
        """The UIDs of the messages with exactly that Message-ID.

        Servers match parts of ids, and some do not find what is there: hits are verified, and without a hit the
        newest 200 messages are looked at.
        """
        if re.search(r"[^\x21-\x7e]", message_id):
            return ()
        await self._enter(folder, afresh=True)
        reply = await self._session.command("SEARCH", "HEADER", "Message-ID", quoted(message_id), prefix="UID")
        hits = search_numbers(reply.responses) if reply.ok else ()
        found = await self._with_message_id([_uid_set(batch) for batch in _batches(hits)], "UID", message_id)
        exists = self._session.wire.exists
        if found or not exists:
            return found
        oldest = max(1, exists - _SCAN_BACK + 1)
        spans = [f"{n}:{min(n + BATCH - 1, exists)}" for n in range(oldest, exists + 1, BATCH)]
        return await self._with_message_id(spans, "", message_id)

    async def heads(self, folder: str, uids: Sequence[int]) -> tuple[Head, ...]:
        """The heads of messages, in the order of `uids`; those that are gone meanwhile are left out."""
        await self._enter(folder)
        found: dict[int, Head] = {}
        for batch in _batches(uids):
            found.update(await self._heads(batch))
        return tuple(found[uid] for uid in uids if uid in found)

    async def body(self, folder: str, uid: int, limit: int = MAX_BODY) -> bytes | NoMessage:
        """The first `limit` bytes of a message, header included."""
        await self._enter(folder)
        reply = await self._fetch(str(uid), f"(UID BODY.PEEK[]<0.{limit}>)")
        if not reply.ok:
            return NoMessage(uid, reply.text)
        data = self._read(reply).get(uid, {}).get("BODY[]")
        return data[:limit] if isinstance(data, bytes) else NoMessage(uid, "gone")

    async def append(
        self, folder: str, data: bytes, at: datetime, flags: tuple[str, ...] = ("\\Seen",)
    ) -> Appended | NotAppended:
        """Put a message into a folder, dated `at` (an aware instant)."""
        offset = at.strftime("%z")[:5] or "+0000"
        dated = f'"{at.day:02}-{_MONTHS[at.month - 1]}-{at.year:04} {at:%H:%M:%S} {offset}"'
        reply = await self._session.command(
            "APPEND", self._spell(folder), f"({' '.join(flags)})", dated, f"{{{len(data)}}}", answers=(data,)
        )
        code = response_code(reply.text)
        if not reply.ok:
            return NotAppended(reply.text, no_folder=code.name in ("TRYCREATE", "NONEXISTENT"))
        numbers = code.argument.split() if code.name == "APPENDUID" else []
        if len(numbers) == 2 and all(number.isdigit() for number in numbers):
            return Appended(int(numbers[0]), int(numbers[1]))
        return Appended()

    async def wait_for_push(self, folder: str, seconds: float) -> Pushed | Quiet:
        """Wait for new messages, by IDLE (RFC 2177), for at most so long.

        Returns at once when something was announced since the last `uids_after` of this folder, so that nothing
        falls between a search and the wait. Without IDLE it returns Quiet(idle=False) at once: poll.
        """
        await self._enter(folder)
        if self._session.wire.news:
            return Pushed()
        if "IDLE" not in self._session.capabilities:
            return Quiet(idle=False)
        async with self._session.guard("keep to IDLE") as wire:
            account = self._session.account
            ask = wire.start("IDLE")
            async with asyncio.timeout(account.timeout):
                await wire.until(ask, lambda: ask.continued)
            idled = ask.continued
            try:
                async with asyncio.timeout(seconds):
                    await wire.until(ask, lambda: wire.news)
            except TimeoutError:
                pass
            if not ask.done:
                wire.write(b"DONE")
            async with asyncio.timeout(account.done_timeout):
                await ask.wait()
            return Pushed() if wire.news else Quiet(idle=idled)

    async def _examine(self, folder: str) -> FolderState | NoFolder:
        self._selected = None
        reply = await self._session.command("EXAMINE", self._spell(folder))
        if not reply.ok:
            if response_code(reply.text).name in PASSING:
                raise self._session.gone(f"cannot open {folder}: {reply.text}")
            return NoFolder(folder, reply.text)
        codes = [response_code(response.decode("utf-8", "replace")) for response in reply.responses]
        known = {code.name: int(code.argument) for code in codes if code.argument.isdecimal()}
        if "UIDVALIDITY" not in known:
            return NoFolder(folder, "the server gives its messages no lasting numbers (UIDVALIDITY)")
        counts = [count for count in map(numbered, reply.responses) if count is not None and count[1] == "EXISTS"]
        state = FolderState(known["UIDVALIDITY"], known.get("UIDNEXT", 0), counts[-1][0] if counts else 0)
        self._selected, self._folder = state, folder
        # The EXISTS of EXAMINE announces nothing, unless something arrived since the folder was last searched.
        self._session.wire.news = state.uidnext > self._searched.get((folder, state.uidvalidity), 0)
        return state

    async def _enter(self, folder: str, *, afresh: bool = False) -> FolderState:
        """Have a folder open; with `afresh`, have the server take in what has arrived (a search alone need not)."""
        state = self._selected
        if state is None or self._folder != folder or not self._session.is_open:
            opened = await self._examine(folder)
            if isinstance(opened, NoFolder):
                raise self._session.gone(f"cannot open {folder}: {opened.reason}")
            if self._told.get(folder, opened.uidvalidity) != opened.uidvalidity:
                raise self._session.gone(f"{folder} has been numbered anew (UIDVALIDITY), so that UIDs mean nothing")
            return opened
        if afresh:
            await self._session.must("NOOP")
        return state

    async def _search(self, criteria: str) -> tuple[int, ...]:
        # No CHARSET: Exchange and Yahoo refuse the one that aioimaplib would send.
        return search_numbers((await self._session.must("SEARCH", criteria, prefix="UID")).responses)

    async def _fetch(self, numbers: str, items: str, prefix: str = "UID") -> Reply:
        reply = await self._session.command("FETCH", numbers, items, prefix=prefix)
        if reply.result == "BAD":
            raise self._session.gone(f"the server does not understand FETCH: {reply.text}")
        return reply

    async def _heads(self, batch: Sequence[int]) -> dict[int, Head]:
        gmail = " X-GM-THRID" if "X-GM-EXT-1" in self._session.capabilities else ""
        items = f"(UID RFC822.SIZE INTERNALDATE{gmail} BODY.PEEK[HEADER]<0.{MAX_HEADER}>)"
        reply = await self._fetch(_uid_set(batch), items)
        found = {uid: _head(uid, item) for uid, item in self._read(reply).items() if "BODY[HEADER]" in item}
        if reply.ok:
            return found
        # One unreadable message fails the batch: find it, and let the others through.
        if len(batch) == 1:
            return found or {batch[0]: Head(batch[0], problem=reply.text)}
        for uid in batch:
            if uid not in found:
                found.update(await self._heads([uid]))
        return found

    async def _with_message_id(self, sets: Sequence[str], prefix: str, message_id: str) -> tuple[int, ...]:
        found: set[int] = set()
        for numbers in sets:
            reply = await self._fetch(numbers, "(UID BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])", prefix)
            for uid, item in self._read(reply).items():
                headers = b"".join(data for data in item.values() if isinstance(data, bytes))
                if message_id.encode("ascii") in headers.split():
                    found.add(uid)
        return tuple(sorted(found))

    def _read(self, reply: Reply) -> dict[int, dict[str, Value]]:
        try:
            return fetched(reply.responses)
        except Garbled as error:
            raise self._session.gone(f"the server sent {error}") from error

    def _folder_of(self, response: bytes) -> Folder:
        try:
            entry = listed(response)
        except Garbled as error:
            raise self._session.gone(f"the server sent {error}") from error
        name = decode_name(entry.name)
        if encode_name(name) != entry.name and entry.name.isprintable():
            self._spelled[name] = entry.name
        uses = entry.attributes & _SPECIAL_USES
        return Folder(name, uses, not (entry.attributes & _NOT_FOLDERS), entry.separator)

    def _spell(self, folder: str) -> str:
        return quoted(self._spelled.get(folder) or encode_name(folder))


def _head(uid: int, item: dict[str, Value]) -> Head:
    def text(name: str) -> str:
        value = item.get(name)
        return value.decode("ascii", "replace") if isinstance(value, bytes) else ""

    header = item["BODY[HEADER]"]
    size = text("RFC822.SIZE")
    return Head(
        uid=uid,
        size=int(size) if size.isdecimal() else 0,
        received_at=internal_date(text("INTERNALDATE")),
        header=header if isinstance(header, bytes) else b"",
        gmail_thread=text("X-GM-THRID"),
    )


def _batches(uids: Sequence[int]) -> list[Sequence[int]]:
    return [uids[i : i + BATCH] for i in range(0, len(uids), BATCH)]


def _uid_set(uids: Sequence[int]) -> str:
    return ",".join(map(str, uids))
