"""Reading a mailbox to its end: every folder, from where the last reading stopped.

Freshness (promise 3) comes from here: `read_inbox` notes the instant at which it began, and only when it reached
the end of every folder.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from sequencer.mail.imap_names import Folder
from sequencer.mail.incoming import FolderState, Head, Incoming, NoFolder, NoMessage
from sequencer.operations.happenings import Happening
from sequencer.operations.live import Live
from sequencer.operations.receive import Arrival, receive
from sequencer.store import mailboxes, set_aside
from sequencer.store.mailboxes import Cursor
from sequencer.workspace.config import Mailbox

LOOK_BACK: Final = timedelta(days=2)
"""How far back a folder is read that was never read, or whose UIDs have changed: what is known already is skipped."""

AT_ONCE: Final = 50


@dataclass(slots=True)
class InboxRead:
    """What a reading came to. `missing` are folders that do not exist; `refusal` is a provider refusing us."""

    happenings: list[Happening] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    read: int = 0
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class Watched:
    """The folders of a mailbox by the names that its server gives them."""

    incoming: tuple[str, ...]
    sent: str
    missing: tuple[str, ...] = ()


async def find_folders(mailbox: Mailbox, line: Incoming) -> Watched:
    r"""Which folders to read. A name with a backslash is a special use (RFC 6154 §2), e.g. `\Junk`."""
    known = await line.folders()
    incoming: list[str] = []
    missing: list[str] = []
    for wanted in mailbox.imap.folders:
        name = _named(known, wanted)
        if name:
            incoming.append(name)
        elif not wanted.startswith("\\"):
            missing.append(wanted)
    sent = _named(known, mailbox.imap.sent) if mailbox.imap.sent else ""
    return Watched(tuple(dict.fromkeys(incoming)), sent, tuple(missing))


def _named(known: Sequence[Folder], wanted: str) -> str:
    if wanted.startswith("\\"):
        found = (f.name for f in known if wanted.lower() in {flag.lower() for flag in f.special_use})
        return next(found, "") or _by_habit(known, wanted)
    exact = (
        folder.name for folder in known if folder.name == wanted or folder.name.upper() == wanted.upper() == "INBOX"
    )
    return next(exact, "")


_HABITS: Final = {
    "\\sent": ("Sent", "Sent Items", "Sent Messages", "INBOX.Sent", "Gesendet", "Gesendete Objekte"),
    "\\junk": ("Junk", "Spam", "Junk E-mail", "Junk Email", "INBOX.Junk", "INBOX.Spam"),
}


def _by_habit(known: Sequence[Folder], use: str) -> str:
    """Servers without special uses name these folders as their first mail client did."""
    names = {folder.name.lower(): folder.name for folder in known}
    return next((names[habit.lower()] for habit in _HABITS.get(use.lower(), ()) if habit.lower() in names), "")


async def read_inbox(live: Live, mailbox: Mailbox, line: Incoming, watched: Watched, now: datetime) -> InboxRead:
    """Read every folder to its end. Raises ConnectionLost; whatever was taken in until then stays taken in."""
    result = InboxRead(missing=list(watched.missing))
    sent = (watched.sent,) if watched.sent and watched.sent not in watched.incoming else ()
    for folder in (*sent, *watched.incoming):  # our own copies first: they tell what the answers are about
        await _read_folder(live, mailbox, line, folder, folder == watched.sent, now, result)
    if not result.missing:
        async with live.database.begin() as conn:
            await mailboxes.set_inbox_read(conn, mailbox.name, now)
    return result


async def _read_folder(
    live: Live, mailbox: Mailbox, line: Incoming, folder: str, in_sent: bool, now: datetime, result: InboxRead
) -> None:
    state = await line.examine(folder)
    if isinstance(state, NoFolder):
        result.missing.append(folder)
        return
    async with live.database.read() as conn:
        cursor = await mailboxes.cursor(conn, mailbox.name, folder)
    uids = await _new_uids(line, folder, state, cursor, now)
    for some in _slices(uids):
        for head in await line.heads(folder, some):
            await _take_in(live, mailbox, line, folder, in_sent, head, state.uidvalidity, now, result)
    end = max([state.uidnext - 1, *uids, cursor.last_uid if _same(cursor, state) and cursor else 0])
    if cursor is None or uids or not _same(cursor, state) or end != cursor.last_uid:
        async with live.database.begin() as conn:
            await mailboxes.set_cursor(conn, mailbox.name, folder, Cursor(state.uidvalidity, end, now))


async def _new_uids(
    line: Incoming, folder: str, state: FolderState, cursor: Cursor | None, now: datetime
) -> tuple[int, ...]:
    if cursor is not None and _same(cursor, state):
        if state.uidnext == cursor.last_uid + 1:
            return ()
        return await line.uids_after(folder, cursor.last_uid)
    since = (cursor.read_at if cursor is not None and cursor.read_at is not None else now) - LOOK_BACK
    return await line.uids_since(folder, since.date())


def _same(cursor: Cursor | None, state: FolderState) -> bool:
    return cursor is not None and cursor.uidvalidity == state.uidvalidity


async def _take_in(
    live: Live,
    mailbox: Mailbox,
    line: Incoming,
    folder: str,
    in_sent: bool,
    head: Head,
    uidvalidity: int,
    now: datetime,
    result: InboxRead,
) -> None:
    """One message, in one transaction with the cursor. What cannot be read is set aside, and the reading goes on."""
    cursor = Cursor(uidvalidity, head.uid, now)
    what = f"message {head.uid} in {folder}"
    body = NoMessage(head.uid, head.problem) if head.problem else await line.body(folder, head.uid)
    if isinstance(body, NoMessage):
        async with live.database.begin() as conn:
            if body.reason != "gone":
                await set_aside.add(conn, mailbox.name, what, body.reason, now)
            await mailboxes.set_cursor(conn, mailbox.name, folder, cursor)
        return
    arrival = Arrival(mailbox, folder, head.uid, head.received_at or now, body, in_sent, head.gmail_thread)
    try:
        async with live.database.begin() as conn:
            receipt = await receive(conn, live, arrival, now)
            await mailboxes.set_cursor(conn, mailbox.name, folder, cursor)
    except Exception as error:  # one bad message never stops the others
        async with live.database.begin() as conn:
            await set_aside.add(conn, mailbox.name, what, f"{type(error).__name__}: {error}", now, body)
            await mailboxes.set_cursor(conn, mailbox.name, folder, cursor)
        reason = f"{what} could not be read and was set aside: {type(error).__name__}"
        result.happenings.append(Happening("set_aside", now, mailbox.name, detail=reason))
        return
    result.read += 1
    result.happenings += receipt.happenings
    result.refusal = result.refusal or receipt.refusal


def _slices(uids: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(uids), AT_ONCE):
        yield uids[start : start + AT_ONCE]
