"""An SMTP server for benchmarks that accepts everything, as fast as it can, in a process of its own."""

from __future__ import annotations

import asyncio
import multiprocessing
import multiprocessing.connection
from collections.abc import Iterator
from contextlib import contextmanager


class Sink(asyncio.Protocol):
    """Accepts everything, as fast as possible."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._buffer = b""
        self._body = False
        transport.write(b"220 sink\r\n")

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while self._buffer:
            line, found, rest = self._buffer.partition(b"\r\n.\r\n" if self._body else b"\r\n")
            if not found:
                return
            self._buffer = rest
            self._transport.write(self._answer(line))
            if line[:4].upper() == b"QUIT":
                self._transport.close()

    def _answer(self, line: bytes) -> bytes:
        if self._body:
            self._body = False
            return b"250 2.0.0 queued\r\n"
        word = line[:4].upper()
        if word == b"DATA":
            self._body = True
            return b"354 go on\r\n"
        if word == b"EHLO":
            return b"250-sink\r\n250 SIZE 10000000\r\n"
        return b"221 bye\r\n" if word == b"QUIT" else b"250 ok\r\n"


def serve(ready: multiprocessing.connection.Connection) -> None:
    """The sink's process: tells its port, and serves until it is ended."""

    async def run() -> None:
        server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", 0, backlog=1000)
        ready.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(run())


@contextmanager
def running() -> Iterator[int]:
    """A sink in a process of its own, for as long as the block lasts; its port."""
    ours, theirs = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs,), daemon=True)
    process.start()
    try:
        port: int = ours.recv()
        yield port
    finally:
        process.terminate()
        process.join()
