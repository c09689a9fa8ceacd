"""A local HTTP server that answers like an OpenAI-compatible endpoint: well, wrongly, slowly, with garbage."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from sequencer.workspace.config import SecondOpinion


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it came: `head` are its first lines."""

    head: str
    body: dict[str, Any]

    @property
    def text(self) -> str:
        """The text that is to be judged."""
        return str(self.body["messages"][-1]["content"])


def says(content: str) -> bytes:
    """The body of an answer whose only choice has this content."""
    return json.dumps({"choices": [{"message": {"role": "assistant", "content": content}}]}).encode()


def judges(kind: object, confidence: object = 0.95) -> bytes:
    return says(json.dumps({"kind": kind, "confidence": confidence}))


Answer = Callable[[Asked], Awaitable[bytes]]


@dataclass
class Oracle:
    """`answer` is the body of every answer; `before` may wait, or do something else, before it is given."""

    answer: bytes = b""
    status: str = "200 OK"
    headers: str = ""
    hang_up: bool = False
    before: Callable[[Asked], Awaitable[object]] | None = None
    asked: list[Asked] = field(default_factory=list)
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def __aenter__(self) -> Oracle:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def endpoint(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"

    def reader(self, timeout: float = 5.0) -> SecondOpinion:
        return SecondOpinion(self.endpoint, "small", None, timeout)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._answer(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = next(
            int(line.split(":")[1]) for line in head.splitlines() if line.lower().startswith("content-length")
        )
        asked = Asked(head, json.loads(await reader.readexactly(length)))
        self.asked.append(asked)
        if self.before is not None:
            await self.before(asked)
        if self.hang_up:
            return
        head = f"HTTP/1.1 {self.status}\r\nContent-Length: {len(self.answer)}\r\n{self.headers}\r\n"
        writer.write(head.encode() + self.answer)
        await writer.drain()
