"""An IMAP server in this very process (pymap's in-memory backend): several users, plain text on loopback.

async with PymapServer({"mark@test.example": "secret"}) as server:
    await server.append("mark@test.example", "INBOX", b"Subject: hi\r\n\r\nhello\r\n", at)
"""

from __future__ import annotations

import asyncio
from argparse import Namespace
from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack
from datetime import datetime
from types import TracebackType
from typing import Any, Final, Self
from uuid import uuid4

from proxyprotocol.sock import SocketInfo
from pymap.backend.dict import Config, DictBackend, Identity, Login
from pymap.imap import IMAPServer
from pymap.parsing.message import AppendMessage
from pymap.parsing.specials.flag import Flag
from pymap.user import UserMetadata
from pysasl.hashing import Cleartext


class _Config(Config):
    @property
    def greeting(self) -> bytes:
        return b"Server ready"  # the original asks the resolver for this machine's name, connection by connection


class PymapServer:
    """A running server; `port` is known once the block is entered."""

    host: Final = "127.0.0.1"

    def __init__(self, users: Mapping[str, str], folders: Iterable[str] = ("Sent", "Junk")) -> None:
        self._users = dict(users)
        self._folders = tuple(folders)
        self._stack = AsyncExitStack()
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self.port = 0

    async def __aenter__(self) -> Self:
        args = Namespace(host=self.host, port=0, debug=False, cert=None, key=None, tls=False, passlib_cfg=None)
        args.demo_data, args.demo_user, args.demo_password, args.proxy_protocol = False, "", "", None
        config = _Config.from_args(args, hash_context=Cleartext(), invalid_user_sleep=0.0)
        config.apply_context()
        self._login = Login(config)
        self._backend = DictBackend(self._login, config)
        for name, password in self._users.items():
            await self._identity(name).set(UserMetadata(config, name, password=password))
            async with self._identity(name).new_session() as session:
                for folder in self._folders:
                    await session.create_mailbox(folder)
        imap = IMAPServer(self._login, config)

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            self._tasks.add(task)
            self._writers.add(writer)
            try:
                await imap(reader, writer, SocketInfo.get(writer, None, unique_id=uuid4().bytes))
            finally:
                self._writers.discard(writer)
                self._tasks.discard(task)

        server = await asyncio.start_server(serve, self.host, 0)
        await self._stack.enter_async_context(server)
        self.port = server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.disconnect()
        await self._stack.aclose()

    async def disconnect(self) -> None:
        """Cut all connections, and wait until the server is done with them."""
        for writer in self._writers:
            writer.transport.abort()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def append(self, user: str, folder: str, data: bytes, at: datetime, flags: Iterable[str] = ()) -> None:
        """Put a message into a folder; idling clients hear of it at once."""
        message = AppendMessage(data, at, frozenset(Flag(flag.encode()) for flag in flags))
        async with self._identity(user).new_session() as session:
            await session.append_messages(folder, [message])

    def _identity(self, name: str) -> Any:
        return Identity(name, self._login, None, frozenset())
