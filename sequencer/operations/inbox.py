"""Reading a mailbox to its end: every folder, from where the last reading stopped.

Freshness (promise 3) comes from here: `read_inbox` notes the instant at which it began, and only when it reached
the end of every folder.
"""

from __future__ import annotations

import unicodedata
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from sequencer.inbox.parse import parse_mail
from sequencer.mail.imap_names import Folder, folder_for
from sequencer.mail.incoming import FolderState, Head, Incoming, NoFolder, NoMessage
from sequencer.operations.happenings import Happening
from sequencer.operations.live import Live
from sequencer.operations.receive import Arrival, pause_unread, receive, worth_asking_about
from sequencer.operations.record import is_outage
from sequencer.operations.weighing import consult
from sequencer.store import enrollments, mailboxes, set_aside
from sequencer.store.mailboxes import Cursor
from sequencer.workspace.config import Mailbox

LOOK_BACK: Final = timedelta(days=2)
"""A folder whose UIDs have changed is read from so long before its last reading: what is known already is skipped."""

FURTHEST: Final = timedelta(days=60)
"""A folder that was never read is read from the oldest enrollment that is still open, but from no earlier than this."""

MIXED: Final = ("\\All", "\\Trash")
"""Special uses of folders that also hold drafts, so that what the rep wrote counts in Sent only."""

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
    """The folders of a mailbox by the names that its server gives them. In `mixed` ones drafts lie as well."""

    incoming: tuple[str, ...]
    sent: str
    missing: tuple[str, ...] = ()
    mixed: frozenset[str] = frozenset()


async def find_folders(mailbox: Mailbox, line: Incoming) -> Watched:
    r"""Which folders to read. A name with a backslash is a special use (RFC 6154 §2), e.g. `\Junk`."""
    known = [folder for folder in await line.folders() if folder.selectable]
    found = {wanted: _named(known, wanted) for wanted in mailbox.imap.folders}
    missing = tuple(wanted for wanted, name in found.items() if not name and not wanted.startswith("\\"))
    sent = _named(known, mailbox.imap.sent) if mailbox.imap.sent else ""
    incoming = tuple(dict.fromkeys(name for name in found.values() if name))
    if not incoming:
        missing = mailbox.imap.folders  # reading nothing at all must not pass for having read it all
    mixed = frozenset(name for use in MIXED if (name := _named(known, use)))
    return Watched(incoming, sent, missing, mixed)


def _named(known: Sequence[Folder], wanted: str) -> str:
    """The server's name of a folder. It may be written in another Unicode form, or as a path with slashes."""
    if wanted.startswith("\\"):
        folder = folder_for(wanted, known)
        return folder.name if folder is not None else ""
    exact = next((folder.name for folder in known if folder.name == wanted), "")
    return exact or next((folder.name for folder in known if _plain(folder.name, folder) == _plain(wanted)), "")


def _plain(name: str, folder: Folder | None = None) -> str:
    path = name.replace(folder.separator, "/") if folder is not None and folder.separator else name
    return path.upper() if path.upper() == "INBOX" else unicodedata.normalize("NFC", path)


def _unheard() -> None:
    pass


async def read_inbox(
    live: Live,
    mailbox: Mailbox,
    line: Incoming,
    watched: Watched,
    now: datetime,
    got_on: Callable[[], None] = _unheard,
) -> InboxRead:
    """Read every folder to its end; `got_on` is called at each message, since a first reading may take long.

    Raises ConnectionLost; whatever was taken in until then stays taken in.
    """
    result = InboxRead(missing=list(watched.missing))
    sent = (watched.sent,) if watched.sent and watched.sent not in watched.incoming else ()
    # Our own copies first: they tell what the answers are about.
    places = [
        _Place(live, mailbox, line, watched, folder, now, result, got_on) for folder in (*sent, *watched.incoming)
    ]
    async with live.database.read() as conn:
        restored = await mailboxes.is_copy(conn, mailbox.name)
    await (_read_in_order(places) if restored else _read_one_by_one(places))
    if not result.missing:
        async with live.database.begin() as conn:
            await mailboxes.set_inbox_read(conn, mailbox.name, now)
    return result


@dataclass(frozen=True, slots=True)
class _Place:
    """A folder that is being read."""

    live: Live
    mailbox: Mailbox
    line: Incoming
    watched: Watched
    folder: str
    now: datetime
    result: InboxRead
    got_on: Callable[[], None]


@dataclass(slots=True)
class _Folder:
    """A folder whose new messages are known by their UIDs, and where its reading had come to."""

    place: _Place
    state: FolderState
    cursor: Cursor | None
    uids: tuple[int, ...]


async def _read_one_by_one(places: Sequence[_Place]) -> None:
    for place in places:
        folder = await _opened(place)
        if folder is None:
            continue
        for some in _slices(folder.uids):
            for head in await place.line.heads(place.folder, some):
                place.got_on()
                await _take_in(place, head, folder.state.uidvalidity)
        await _read_to_its_end(folder)


async def _opened(place: _Place) -> _Folder | None:
    state = await place.line.examine(place.folder)
    if isinstance(state, NoFolder):
        place.result.missing.append(place.folder)
        return None
    async with place.live.database.read() as conn:
        cursor = await mailboxes.cursor(conn, place.mailbox.name, place.folder)
    return _Folder(place, state, cursor, await _new_uids(place, state, cursor))


async def _read_to_its_end(folder: _Folder) -> None:
    place, state, cursor, uids = folder.place, folder.state, folder.cursor, folder.uids
    end = max([state.uidnext - 1, *uids, cursor.last_uid if _same(cursor, state) and cursor else 0])
    if cursor is None or uids or not _same(cursor, state) or end != cursor.last_uid:
        async with place.live.database.begin() as conn:
            now = place.now
            await mailboxes.set_cursor(conn, place.mailbox.name, place.folder, Cursor(state.uidvalidity, end, now))


async def _read_in_order(places: Sequence[_Place]) -> None:
    """All folders as one, in the order of time. A restored database is told anew what happened since it was copied;
    an answer before the message that it answers, or the other way round, would lead the plan elsewhere."""
    unread: list[tuple[_Folder, deque[_Letter]]] = []
    for place in places:
        folder = await _opened(place)
        if folder is not None:
            heads = [head for some in _slices(folder.uids) for head in await place.line.heads(place.folder, some)]
            unread.append((folder, deque(_letter(place, head) for head in heads)))
    while queues := [(folder, letters) for folder, letters in unread if letters]:
        coming = {letter.message_id for _, letters in queues for letter in letters}
        folder, letters = min(queues, key=lambda queue: queue[1][0].turn(coming))
        folder.place.got_on()
        await _take_in(folder.place, letters.popleft().head, folder.state.uidvalidity)
    for folder, _ in unread:
        await _read_to_its_end(folder)


@dataclass(frozen=True, slots=True)
class _Letter:
    """A message that is still to be taken in, by its head."""

    head: Head
    at: datetime
    in_sent: bool
    message_id: str
    refers_to: frozenset[str]

    def turn(self, coming: Collection[str]) -> tuple[bool, datetime, bool]:
        """Nobody is answered before they have written, whatever the clocks of two servers say."""
        return not self.refers_to.isdisjoint(coming), self.at, self.in_sent


def _letter(place: _Place, head: Head) -> _Letter:
    mail = parse_mail(head.header)
    refers_to = frozenset((*mail.in_reply_to, *mail.references)) - {mail.message_id}
    in_sent = place.folder == place.watched.sent
    return _Letter(head, head.received_at or place.now, in_sent, mail.message_id, refers_to)


async def _new_uids(place: _Place, state: FolderState, cursor: Cursor | None) -> tuple[int, ...]:
    line, folder = place.line, place.folder
    if cursor is not None and _same(cursor, state):
        if state.uidnext == cursor.last_uid + 1:
            return ()
        return await line.uids_after(folder, cursor.last_uid)
    return await line.uids_since(folder, (await _read_until(place, cursor) - LOOK_BACK).date())


async def _read_until(place: _Place, cursor: Cursor | None) -> datetime:
    """Before this instant nothing in the folder can matter that we have not seen."""
    if cursor is not None and cursor.read_at is not None:
        return min(cursor.read_at, place.now)
    async with place.live.database.read() as conn:
        oldest = await enrollments.oldest_open(conn, place.mailbox.name)
        copied_at = await mailboxes.copied_at(conn, place.mailbox.name)
    return max(min(oldest or place.now, copied_at or place.now, place.now), place.now - FURTHEST)


def _same(cursor: Cursor | None, state: FolderState) -> bool:
    return cursor is not None and cursor.uidvalidity == state.uidvalidity


async def _take_in(place: _Place, head: Head, uidvalidity: int) -> None:
    """One message, in one transaction with the cursor. What cannot be read is set aside, and the reading goes on."""
    live, folder, now = place.live, place.folder, place.now
    cursor = Cursor(uidvalidity, head.uid, now)
    body = NoMessage(head.uid, head.problem) if head.problem else await place.line.body(folder, head.uid)
    if isinstance(body, NoMessage):
        if body.reason != "gone":
            await _set_aside(place, cursor, body.reason, head.header)
            return
        async with live.database.begin() as conn:
            await mailboxes.set_cursor(conn, place.mailbox.name, folder, cursor)
        return
    arrival = Arrival(
        place.mailbox,
        folder,
        head.uid,
        head.received_at or now,
        body,
        folder == place.watched.sent,
        head.gmail_thread,
        folder in place.watched.mixed,
    )
    try:
        arrival = await _with_second_opinion(place, arrival)
        async with live.database.begin() as conn:
            receipt = await receive(conn, live, arrival, now)
            await mailboxes.set_cursor(conn, place.mailbox.name, folder, cursor)
    except Exception as error:  # one bad message never stops the others
        if is_outage(error):
            raise  # the message is not to blame, and must not be passed over
        await _set_aside(place, cursor, f"{type(error).__name__}: {error}", body)
        return
    place.result.read += 1
    place.result.happenings += receipt.happenings
    place.result.refusal = place.result.refusal or receipt.refusal


async def _with_second_opinion(place: _Place, arrival: Arrival) -> Arrival:
    """The message with what a second opinion says of it, if one is configured. No transaction waits for it."""
    live = place.live
    if live.workspace.config.reader is None:
        return arrival
    async with live.database.read() as conn:
        reading = await worth_asking_about(conn, live, arrival)
    if reading is None:
        return arrival
    opinion, told = await consult(live, place.mailbox.name, reading, arrival.received_at, place.now)
    place.result.happenings += told
    return replace(arrival, opinion=opinion)


async def _set_aside(place: _Place, cursor: Cursor, error: str, raw: bytes) -> None:
    """Kept and shown. It may have been an answer: whoever it names is not written to before somebody looks."""
    live, now, name = place.live, place.now, place.mailbox.name
    what = f"message {cursor.last_uid} in {place.folder}"
    async with live.database.begin() as conn:
        await set_aside.add(conn, name, what, error, now, raw)
        await mailboxes.set_cursor(conn, name, place.folder, cursor)
    reason = f"{what} could not be read and was set aside: {error.partition(':')[0]}"
    place.result.happenings.append(Happening("set_aside", now, name, detail=reason))
    try:
        async with live.database.begin() as conn:
            place.result.happenings += await pause_unread(conn, live, raw, now)
    except Exception as failure:
        if is_outage(failure):
            raise
        async with live.database.begin() as conn:
            await set_aside.add(conn, name, f"the sender of {what}", f"{type(failure).__name__}: {failure}", now)


def _slices(uids: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(uids), AT_ONCE):
        yield uids[start : start + AT_ONCE]
