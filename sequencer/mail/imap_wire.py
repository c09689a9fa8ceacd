"""aioimaplib's protocol with the dangerous pieces replaced. One command at a time; everything said belongs to it.

What is kept: the transport, commands and their tags. What is replaced, and why (measured on 2.0.3):
- the parser: it recurses once a line (1,200 messages exceed Python's stack, and then not even the timeout fires), is
  quadratic, counts parentheses inside quoted text and deletes `"* "` anywhere;
- `connection_lost` and `BYE`: neither fails the pending command, so that it waits for ever;
- the sending side: it logs the wire, passwords included, and knows no literals but that of APPEND;
- the dispatch by name of several commands at once, which loses track after a timeout.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable

from aioimaplib import aioimaplib

from sequencer.mail.accounts import cut, shown
from sequencer.mail.imap_parse import Framer, Garbled, keyword, numbered

MAX_ANSWER = 128 * 1024 * 1024  # bytes, all responses to one command together

# Nothing of the wire is logged here, but whoever turns on DEBUG for everything must not get credentials from there.
for _name in ("aioimaplib", "aioimaplib.aioimaplib"):
    logging.getLogger(_name).setLevel(logging.INFO)


class ConnectionLost(Exception):
    """The connection is gone and of no more use, for whatever reason: reconnect. The text is for people."""


class Ask(aioimaplib.Command):  # type: ignore[misc]  # aioimaplib carries no types
    """One command, what to say when the server asks for more, and all that the server said meanwhile."""

    def __init__(self, name: str, tag: str, *args: str, prefix: str = "", answers: tuple[bytes, ...] = ()) -> None:
        super().__init__(name, tag, *args, prefix=prefix or None)
        self.answers = list(answers)
        self.continued = False
        self.size = 0

    @property
    def done(self) -> bool:
        return bool(self._event.is_set())

    @property
    def responses(self) -> list[bytes]:
        """The untagged responses, whole."""
        return [bytes(line) for line in self.response.lines[: -1 if self.done else None]]

    def fail(self, error: Exception) -> None:
        self._exception = error
        self._event.set()


class Wire(aioimaplib.IMAP4ClientProtocol):  # type: ignore[misc]  # aioimaplib carries no types
    """The connection: frames responses, hands them to the pending command, and notices when it is over."""

    transport: asyncio.Transport | None

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.greeting = b""
        self.lost: ConnectionLost | None = None
        self.exists = 0
        self.news = False
        """Whether messages have been announced since it was last set to False."""
        self._framer = Framer()
        self._stir = asyncio.Event()

    @property
    def pending(self) -> Ask | None:
        command: Ask | None = self.pending_sync_command
        return command

    def start(self, name: str, *args: str, prefix: str = "", answers: tuple[bytes, ...] = ()) -> Ask:
        """Send a command. Raises ConnectionLost, and RuntimeError when another one has not ended."""
        if self.lost is not None:
            raise self.lost
        if self.pending is not None:
            raise RuntimeError(f"{name} while {self.pending.name} has not ended")
        self.pending_sync_command = ask = Ask(name, self.new_tag(), *args, prefix=prefix, answers=answers)
        self.send(str(ask))
        return ask

    async def until(self, ask: Ask | None, condition: Callable[[], bool]) -> None:
        """Wait until a condition holds or the command has ended. Raises ConnectionLost."""
        while not (condition() or (ask is not None and ask.done)):
            if self.lost is not None:
                raise self.lost
            self._stir.clear()
            await self._stir.wait()

    def send(self, line: str, scrub: str | None = None) -> None:
        self.write(line.encode("utf-8", "surrogateescape"))

    def write(self, data: bytes) -> None:
        """Send bytes and a line end."""
        if self.transport is not None and self.lost is None:
            self.transport.writelines((data, b"\r\n"))

    def lose(self, reason: str) -> None:
        """End it here: whoever waits gets ConnectionLost."""
        if self.lost is None:
            self.lost = ConnectionLost(reason)
            if self.transport is not None:
                cut(self.transport)
            if self.pending is not None:
                self.pending.fail(self.lost)
            self._stir.set()

    async def start_tls(self, context: ssl.SSLContext, host: str) -> None:
        """Go on over TLS; what was received in the clear is forgotten. Raises ConnectionLost, OSError."""
        if self.transport is None:
            raise ConnectionLost("the connection was lost before TLS")
        transport = await self.loop.start_tls(self.transport, self, context, server_hostname=host)
        if transport is None:
            raise ConnectionLost("the connection was lost during TLS")
        self.transport = transport
        self._framer = Framer()

    def data_received(self, d: bytes) -> None:
        try:
            for response in self._framer.feed(d):
                self._respond(response)
        except Garbled as error:
            self.lose(f"the server sent {error}")
        except (aioimaplib.AioImapException, UnicodeDecodeError) as error:
            self.lose(f"the server sent what nobody asked for: {type(error).__name__}")
        self._stir.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lose(f"the connection was lost: {exc}" if exc else "the server closed the connection")

    def _respond(self, response: bytes) -> None:
        if not self.greeting:
            self.greeting = response
        elif response.startswith(b"* "):
            self._untagged_response(response)
        elif response.startswith(b"+"):
            self._continuation(response)
        elif response:
            self._response_done(response)

    def _untagged_response(self, line: bytes) -> None:
        said = keyword(line)
        if said == "BYE" and not (self.pending is not None and self.pending.name == "LOGOUT"):
            self.lose("the server said goodbye: " + shown(line[6:200].decode("utf-8", "replace")))
            return
        count = numbered(line)
        if count is not None and said == "EXISTS":
            self.exists = count[0]
            self.news = True
        elif count is not None and said == "EXPUNGE":
            self.exists = max(0, self.exists - 1)
        if self.pending is not None:
            self.pending.size += len(line)
            if self.pending.size > MAX_ANSWER:
                raise Garbled("an answer without an end")
            self.pending.append_to_resp(line)

    def _continuation(self, line: bytes) -> None:
        if self.pending is None:
            return
        if self.pending.answers:
            self.write(self.pending.answers.pop(0))
        else:
            self.pending.continued = True

    def _response_done(self, line: bytes) -> None:
        if self.pending is None:
            raise Garbled("an answer to no command")
        super()._response_done(line)
