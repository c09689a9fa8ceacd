"""A mailbox in memory behind the same door as the real one: folders that fill, break off, and are numbered anew.

What the wire does to IMAP is tried elsewhere, on real servers; here many weeks of it have to pass in a minute.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from email.parser import BytesHeaderParser

from sequencer.mail.accounts import Ready, Unreachable
from sequencer.mail.imap import ConnectionLost
from sequencer.mail.imap_names import Folder
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

FOLDERS = ("INBOX", "Junk", "Sent")


@dataclass(frozen=True, slots=True)
class Laid:
    """One message in a folder."""

    uid: int
    at: datetime
    raw: bytes


@dataclass
class Shelf:
    """The folders. While `unreadable`, nobody gets in; `breaks_after` so many commands, the connection is gone once."""

    folders: dict[str, list[Laid]] = field(default_factory=lambda: {name: [] for name in FOLDERS})
    uidvalidity: dict[str, int] = field(default_factory=lambda: dict.fromkeys(FOLDERS, 1))
    next_uid: dict[str, int] = field(default_factory=lambda: dict.fromkeys(FOLDERS, 1))
    unreadable: bool = False
    breaks_after: int | None = None
    fetched: list[bytes] = field(default_factory=list)  # the bodies handed out, in order

    def put(self, folder: str, raw: bytes, at: datetime) -> int:
        uid = self.next_uid[folder]
        self.next_uid[folder] = uid + 1
        self.folders[folder].append(Laid(uid, at, raw))
        return uid

    def number_anew(self, folder: str) -> None:
        """Another UIDVALIDITY, as after a restored backup: every message has another UID."""
        laid = self.folders[folder]
        self.uidvalidity[folder] += 1
        self.folders[folder] = [Laid(uid, each.at, each.raw) for uid, each in enumerate(laid, 1)]
        self.next_uid[folder] = len(laid) + 1

    def line(self, _account: object = None) -> ShelfLine:
        return ShelfLine(self)


class ShelfLine:
    """Satisfies `mail.incoming.Incoming`."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._open = False

    @property
    def is_open(self) -> bool:
        return self._open

    async def open(self) -> Ready | Unreachable:
        if self._shelf.unreadable:
            return Unreachable("network", "the mail server does not answer", temporary=True)
        self._open = True
        return Ready()

    async def close(self) -> None:
        self._open = False

    async def folders(self) -> tuple[Folder, ...]:
        shelf = self._asked()
        uses = {"Junk": frozenset({"\\Junk"}), "Sent": frozenset({"\\Sent"})}
        return tuple(Folder(name, uses.get(name, frozenset())) for name in shelf.folders)

    async def create(self, folder: str) -> bool:
        self._asked()
        raise AssertionError(f"{folder} is asked for")

    async def examine(self, folder: str) -> FolderState | NoFolder:
        shelf = self._asked()
        if folder not in shelf.folders:
            return NoFolder(folder, "there is no such folder")
        return FolderState(shelf.uidvalidity[folder], shelf.next_uid[folder], len(shelf.folders[folder]))

    async def uids_after(self, folder: str, last_uid: int) -> tuple[int, ...]:
        return tuple(each.uid for each in self._asked().folders[folder] if each.uid > last_uid)

    async def uids_since(self, folder: str, day: date) -> tuple[int, ...]:
        return tuple(each.uid for each in self._asked().folders[folder] if each.at.date() >= day)

    async def uids_with_message_id(self, folder: str, message_id: str) -> tuple[int, ...]:
        laid = self._asked().folders[folder]
        return tuple(each.uid for each in laid if BytesHeaderParser().parsebytes(each.raw)["Message-ID"] == message_id)

    async def heads(self, folder: str, uids: Sequence[int]) -> tuple[Head, ...]:
        laid = [each for each in self._asked().folders[folder] if each.uid in uids]
        return tuple(Head(each.uid, len(each.raw), each.at, each.raw.partition(b"\r\n\r\n")[0]) for each in laid)

    async def body(self, folder: str, uid: int, limit: int = MAX_BODY) -> bytes | NoMessage:
        shelf = self._asked()
        for each in shelf.folders[folder]:
            if each.uid == uid:
                shelf.fetched.append(each.raw)
                return each.raw[:limit]
        return NoMessage(uid, "gone")

    async def append(
        self, folder: str, data: bytes, at: datetime, flags: tuple[str, ...] = ("\\Seen",)
    ) -> Appended | NotAppended:
        shelf = self._asked()
        return Appended(shelf.uidvalidity[folder], shelf.put(folder, data, at))

    async def wait_for_push(self, folder: str, seconds: float) -> Pushed | Quiet:
        raise AssertionError("only the watcher listens")

    def _asked(self) -> Shelf:
        """One command. Raises ConnectionLost where the connection is to break."""
        shelf = self._shelf
        if shelf.breaks_after is not None:
            shelf.breaks_after -= 1
            if shelf.breaks_after < 0:
                shelf.breaks_after = None
                self._open = False
        if shelf.unreadable or not self._open:
            self._open = False
            raise ConnectionLost("the mail server hung up")
        return shelf
