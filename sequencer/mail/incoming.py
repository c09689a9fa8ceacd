"""What a mailbox is read through, and the values that reading comes to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from sequencer.mail.accounts import Ready, Unreachable
from sequencer.mail.imap_names import Folder

MAX_BODY = 262_144


@dataclass(frozen=True, slots=True)
class FolderState:
    """An opened folder. UIDs are comparable under one `uidvalidity` only; `uidnext` is 0 where the server is silent."""

    uidvalidity: int
    uidnext: int
    exists: int


@dataclass(frozen=True, slots=True)
class NoFolder:
    """There is no such folder, or it cannot be opened."""

    folder: str
    reason: str


@dataclass(frozen=True, slots=True)
class Head:
    """What to know of a message before its body is fetched.

    `header` is cut at 128 KiB, `gmail_thread` empty where the server has no X-GM-EXT-1. With a `problem` the server
    could not read this message; the other fields are then empty, and asking again will not help.
    """

    uid: int
    size: int = 0
    received_at: datetime | None = None
    header: bytes = b""
    gmail_thread: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class NoMessage:
    """The message is gone (`reason` "gone"), or the server cannot read it."""

    uid: int
    reason: str


@dataclass(frozen=True, slots=True)
class Appended:
    """The message stands in the folder; `uid` is 0 where the server does not tell (RFC 4315)."""

    uidvalidity: int = 0
    uid: int = 0


@dataclass(frozen=True, slots=True)
class NotAppended:
    """The server did not take it. `no_folder`: `create` the folder first."""

    reason: str
    no_folder: bool = False


@dataclass(frozen=True, slots=True)
class Pushed:
    """The server announced messages: search."""


@dataclass(frozen=True, slots=True)
class Quiet:
    """Nothing was announced. `idle` is False where the server has no IDLE, so that the call did not wait."""

    idle: bool = True


class Incoming(Protocol):
    """What a mailbox is read through. Every method but `open` and `close` may raise ConnectionLost."""

    @property
    def is_open(self) -> bool: ...

    async def open(self) -> Ready | Unreachable: ...
    async def folders(self) -> tuple[Folder, ...]: ...
    async def create(self, folder: str) -> bool: ...
    async def examine(self, folder: str) -> FolderState | NoFolder: ...
    async def uids_after(self, folder: str, last_uid: int) -> tuple[int, ...]: ...
    async def uids_since(self, folder: str, day: date) -> tuple[int, ...]: ...
    async def uids_with_message_id(self, folder: str, message_id: str) -> tuple[int, ...]: ...
    async def heads(self, folder: str, uids: Sequence[int]) -> tuple[Head, ...]: ...
    async def body(self, folder: str, uid: int, limit: int = MAX_BODY) -> bytes | NoMessage: ...
    async def append(
        self, folder: str, data: bytes, at: datetime, flags: tuple[str, ...] = ("\\Seen",)
    ) -> Appended | NotAppended: ...
    async def wait_for_push(self, folder: str, seconds: float) -> Pushed | Quiet: ...
    async def close(self) -> None: ...
