"""A wire that can be tampered with: a TCP proxy that drops, delays, freezes, and cuts a message in half.

    async with Proxy(unix(path)) as wire:                  # or Proxy(port(25))
        gate = wire.gate(b"To: <bob@", b"COMMIT")          # the first connection whose client says this, in this order
        await gate.reached()                               # … now holds its COMMIT
        gate.open()                                        # and goes on
        wire.cut()                                         # every connection breaks off (RST)

It knows no protocol: it looks at the bytes that the client sends, across the borders of packets.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Self

from sequencer.daemon.clock import pulse
from sequencer.mail.accounts import cut

CHUNK: Final = 65536
REMEMBERED: Final = 40
"""Bytes that a client has said before, which are kept so that words are found across two packets."""

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Target = Callable[[], Awaitable[Streams]]
Hold = Literal["request", "half", "answer"]


def port(number: int) -> Target:
    """A server on the loopback interface."""
    return lambda: asyncio.open_connection("127.0.0.1", number)


def unix(path: Path) -> Target:
    """A server on a socket in the file system."""
    return lambda: asyncio.open_unix_connection(str(path))


@dataclass(eq=False)
class Gate:
    """Holds one connection at one place, once. `hold`: the last words themselves (`request`), the second half of what
    came with them (`half`), or whatever the server answers (`answer`; without words: its greeting)."""

    words: tuple[bytes, ...]
    hold: Hold
    known: dict[_Connection, int] = field(default_factory=dict)
    """How many of the words each client has said."""
    _reached: asyncio.Event = field(default_factory=asyncio.Event)
    _opened: asyncio.Event = field(default_factory=asyncio.Event)

    async def reached(self) -> None:
        await self._reached.wait()

    @property
    def is_reached(self) -> bool:
        return self._reached.is_set()

    def open(self) -> None:
        self._opened.set()

    async def passed(self) -> None:
        await self._opened.wait()


@dataclass(eq=False)
class _Connection:
    client: Streams
    server: Streams
    said: bytes = b""
    answers_wait_for: list[Gate] = field(default_factory=list)
    hears_halfway: bool = False  # cut it after half of the next message

    def cut(self) -> None:
        """Break off both ends without a farewell."""
        for _, writer in (self.client, self.server):
            cut(writer.transport)

    def close(self) -> None:
        for _, writer in (self.client, self.server):
            writer.close()


class Proxy:
    """Listens on a free port of the loopback interface and speaks for the target."""

    host: Final = "127.0.0.1"

    def __init__(self, target: Target) -> None:
        self._target = target
        self._open: set[_Connection] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._gates: list[Gate] = []
        self._flows = asyncio.Event()
        self._flows.set()
        self._server: asyncio.Server | None = None
        self.delay = 0.0
        """Seconds by which each packet is late, in both directions."""
        self.refuses = False
        """Whether new connections are broken off at once."""
        self.port = 0
        self.connections = 0

    # What a trial does to it ---------------------------------------------------------------------

    def gate(self, *words: bytes, hold: Hold = "request") -> Gate:
        """Hold the first connection whose client says all these words, in this order."""
        gate = Gate(words, hold)
        self._gates.append(gate)
        return gate

    def cut(self) -> None:
        """Break off every connection."""
        for connection in list(self._open):
            connection.cut()

    def cut_in_half(self) -> None:
        """Break off every connection when its client speaks next, after half of what it says."""
        for connection in self._open:
            connection.hears_halfway = True

    def freeze(self) -> None:
        """Nothing gets through in either direction, and nothing breaks off: a cable that was pulled."""
        self._flows.clear()

    def thaw(self) -> None:
        """Everything that was held goes on its way."""
        self._flows.set()

    # Its life ------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, self.host, 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.connections += 1
        if self.refuses:
            cut(writer.transport)
            return
        try:
            server = await self._target()
        except OSError:
            cut(writer.transport)
            return
        connection = _Connection((reader, writer), server)
        self._open.add(connection)
        connection.answers_wait_for += self._met(connection, b"")
        ways = [asyncio.create_task(self._upwards(connection)), asyncio.create_task(self._downwards(connection))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            pass  # the end of the proxy; asyncio's streams complain about a handler that was cancelled
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            self._open.discard(connection)
            connection.close()

    async def _upwards(self, connection: _Connection) -> None:
        with contextlib.suppress(OSError):
            while chunk := await connection.client[0].read(CHUNK):
                await self._travel()
                if connection.hears_halfway:
                    connection.server[1].write(chunk[: len(chunk) // 2])
                    await connection.server[1].drain()
                    connection.cut()
                    return
                for gate in self._met(connection, chunk):
                    chunk = await self._hold(connection, gate, chunk)
                connection.server[1].write(chunk)
                await connection.server[1].drain()

    async def _downwards(self, connection: _Connection) -> None:
        with contextlib.suppress(OSError):
            while chunk := await connection.server[0].read(CHUNK):
                for gate in connection.answers_wait_for:
                    gate._reached.set()
                    await gate.passed()
                connection.answers_wait_for.clear()
                await self._travel()
                connection.client[1].write(chunk)
                await connection.client[1].drain()

    async def _travel(self) -> None:
        await self._flows.wait()
        if self.delay:
            await pulse(asyncio.Event(), self.delay)

    async def _hold(self, connection: _Connection, gate: Gate, chunk: bytes) -> bytes:
        """Stand at the gate; what is left to be passed on."""
        if gate.hold == "answer":
            connection.answers_wait_for.append(gate)
            return chunk
        rest = chunk
        if gate.hold == "half":
            connection.server[1].write(chunk[: len(chunk) // 2])
            await connection.server[1].drain()
            rest = chunk[len(chunk) // 2 :]
        gate._reached.set()
        await gate.passed()
        return rest

    def _met(self, connection: _Connection, chunk: bytes) -> list[Gate]:
        """The gates whose last words have just been said here; each is met once."""
        heard = connection.said + chunk
        met: list[Gate] = []
        for gate in list(self._gates):
            at, known = 0, gate.known.get(connection, 0)
            while known < len(gate.words) and (found := heard.find(gate.words[known], at)) >= 0:
                at, known = found + len(gate.words[known]), known + 1
            gate.known[connection] = known
            if known == len(gate.words):
                self._gates.remove(gate)
                met.append(gate)
        connection.said = heard[-REMEMBERED:]
        return met
