"""An IMAP server that says exactly what a test tells it to, right or wrong, byte by byte."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from sequencer.mail.accounts import ImapAccount, cut
from sequencer.mail.imap import ImapLine

SILENCE: Final = b""
HANG_UP: Final = b"\0hang up"


@dataclass(frozen=True)
class Sliced:
    """Send the data in pieces of so many bytes, with the client given time to read between them."""

    data: bytes
    size: int


@dataclass(frozen=True)
class Converse:
    """Send each prompt and read a line after it (kept in `replies`), then send the end."""

    prompts: tuple[bytes, ...]
    end: bytes


Answer = bytes | Sliced | Converse
"""What to say, `{tag}` filled in. SILENCE says nothing, HANG_UP cuts the connection, also at the end of other bytes."""

USUAL: Final[dict[str, Answer]] = {
    "CAPABILITY": b"* CAPABILITY IMAP4rev1 IDLE AUTH=PLAIN SASL-IR\r\n{tag} OK done\r\n",
    "LOGIN": b"{tag} OK hello\r\n",
    "LOGOUT": b"* BYE see you\r\n{tag} OK bye\r\n",
    "NOOP": b"{tag} OK nothing\r\n",
    "EXAMINE": b"* 3 EXISTS\r\n* OK [UIDVALIDITY 7] ok\r\n* OK [UIDNEXT 4] ok\r\n{tag} OK [READ-ONLY] done\r\n",
    "UID SEARCH": b"* SEARCH 1 2 3\r\n{tag} OK done\r\n",
    "IDLE": b"+ idling\r\n",
    "DONE": b"{tag} OK done\r\n",
}


class RawImap:
    """`answers` maps a command (`LOGIN`, `UID FETCH`, `DONE`) to what to say, or to several answers in turn.

    Commands with literals get their continuations, unless `literals` is False. `commands` are the lines received,
    without their tags.
    """

    host: Final = "127.0.0.1"

    def __init__(
        self,
        answers: Mapping[str, Answer | list[Answer]] | None = None,
        *,
        greeting: Answer = b"* OK ready\r\n",
        literals: bool = True,
    ) -> None:
        self._answers: dict[str, Answer | list[Answer]] = {**USUAL, **(answers or {})}
        self._greeting = greeting
        self._literals = literals
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.port = 0
        self.commands: list[str] = []
        self.replies: list[bytes] = []
        self.seen = asyncio.Event()
        """Set whenever a command has arrived."""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, self.host, 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            cut(writer.transport)
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._server.wait_closed()

    def say(self, data: bytes) -> None:
        """Send something unasked on every connection."""
        for writer in self._writers:
            writer.write(data)

    def account(self, timeout: float = 5.0, password: str = "secret") -> ImapAccount:
        return ImapAccount(self.host, self.port, "none", "mark", password, timeout=timeout, done_timeout=timeout)

    def line(self, timeout: float = 5.0) -> ImapLine:
        return ImapLine(self.account(timeout))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        try:
            await self._send(reader, writer, self._greeting, "*")
            tag = "*"
            while line := await reader.readline():
                text = line.rstrip(b"\r\n").decode("utf-8", "replace")
                while self._literals and (literal := re.search(r"\{(\d+)\}$", text)):
                    writer.write(b"+ go on\r\n")
                    text += (await reader.readexactly(int(literal[1]))).decode("utf-8", "replace")
                    text += (await reader.readline()).rstrip(b"\r\n").decode("utf-8", "replace")
                if text != "DONE":
                    tag, _, text = text.partition(" ")
                self.commands.append(text)
                self.seen.set()
                await self._send(reader, writer, self._next(text), tag)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    def _next(self, text: str) -> Answer:
        words = text.upper().split(" ")
        name = " ".join(words[:2]) if words[0] == "UID" else words[0]
        answer = self._answers.get(name, b"{tag} BAD unknown\r\n")
        if isinstance(answer, list):
            return answer.pop(0) if len(answer) > 1 else answer[0]
        return answer

    async def _send(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: Answer, tag: str) -> None:
        match answer:
            case Converse(prompts, end):
                for prompt in prompts:
                    writer.write(prompt)
                    self.replies.append((await reader.readline()).rstrip(b"\r\n"))
                writer.write(end.replace(b"{tag}", tag.encode()))
            case Sliced(data, size):
                data = data.replace(b"{tag}", tag.encode())
                for i in range(0, len(data), size):
                    writer.write(data[i : i + size])
                    await asyncio.wait([asyncio.ensure_future(_breath())])
            case bytes():
                writer.write(answer.removesuffix(HANG_UP).replace(b"{tag}", tag.encode()))
                if answer.endswith(HANG_UP):
                    await writer.drain()
                    writer.close()


async def _breath() -> None:
    """A turn of the loop, in which the other side reads what was sent."""


def message(uid: int, header: bytes = b"Subject: x\r\n\r\n", *, number: int | None = None) -> bytes:
    """One FETCH response as `heads` asks for it."""
    return (
        b'* %d FETCH (UID %d RFC822.SIZE 100 INTERNALDATE "24-Nov-2026 09:00:00 +0100" BODY[HEADER]<0> {%d}\r\n%s)\r\n'
        % (number or uid, uid, len(header), header)
    )


def messages(uids: Iterable[int]) -> bytes:
    """FETCH responses for many."""
    return b"".join(message(uid) for uid in uids)
