"""Where the data lives, and its transactions.

SQLite: write-ahead log, full sync, one writer; every writing transaction is BEGIN IMMEDIATE, so what it reads cannot
change before it commits. PostgreSQL: READ COMMITTED to write; the aggregates lock the rows they compare. Reading
transactions see one snapshot and cannot write, on both.
"""

from __future__ import annotations

import asyncio
import errno
import os
import re
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import parse_qs, urlsplit

from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from sequencer.store import announcements
from sequencer.store.columns import dump_json
from sequencer.store.sqlite_driver import connect

Dialect = Literal["sqlite", "postgresql"]

BUSY_SECONDS: Final = 30
"""How long a writer waits for another process's transaction on the same SQLite file."""

CONNECT_SECONDS: Final = 15
CONNECTIONS: Final = 16
"""To PostgreSQL, for one process at most; half of them stay open."""

IDLE_SECONDS: Final = 10
"""How long PostgreSQL keeps a transaction, and its locks, whose client says nothing: one that was frozen or cut off in
the middle of it. `?idle_in_transaction_session_timeout=` in the database's address says otherwise (milliseconds)."""

SILENT_SECONDS: Final = 60
"""How long a statement may take before PostgreSQL is taken for gone: a connection that has gone dead says nothing."""


class CannotOpen(Exception):
    """The database cannot be used; the message is for a person, names the way out and holds no password."""


@dataclass(frozen=True, slots=True)
class SqliteFile:
    """A database in a file of this machine."""

    path: Path  # absolute

    def __str__(self) -> str:
        return f"sqlite:///{self.path}"


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """A database on a PostgreSQL server; `dsn` may hold a password and is never shown."""

    dsn: str = field(repr=False)
    shown: str

    def __str__(self) -> str:
        return self.shown


Location = SqliteFile | PostgresServer


def locate(url: str) -> Location:
    """What a database URL means: `sqlite:///relative/to/cwd.db`, `sqlite:////absolute.db`, or anything libpq takes
    that begins with `postgresql://`. Raises CannotOpen for any other."""
    scheme, _, rest = url.strip().partition("://")
    match scheme.lower():
        case "sqlite":
            path = rest.removeprefix("/")
            if not rest.startswith("/") or not path or path.startswith(":memory:"):
                raise CannotOpen("a SQLite database needs a file: sqlite:///data/sequencer.db")
            return SqliteFile(Path(path).absolute())
        case "postgresql" | "postgres" | "postgresql+asyncpg":
            dsn = f"postgresql://{rest}"
            return PostgresServer(dsn, _without_password(dsn))
        case _:
            raise CannotOpen("the database must be sqlite:///path/to/file.db or postgresql://user@host/name")


def _without_password(dsn: str) -> str:
    try:
        parts = urlsplit(dsn)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        raise CannotOpen(
            "the postgresql:// address cannot be read; write special characters of the password as %XX (/ is %2F)"
        ) from None
    user = f"{parts.username}@" if parts.username else ""
    return f"postgresql://{user}{parts.hostname or ''}{port}{parts.path}"


def _surely(name: str) -> bool:
    return True


@dataclass(slots=True)
class Database:
    """An open database. Create it with `open`, end it with `close` (or use `opened`); belongs to one event loop."""

    location: Location
    writer: AsyncEngine = field(repr=False)
    reader: AsyncEngine = field(repr=False)
    owned: dict[str, Callable[[datetime], None]] = field(default_factory=dict, repr=False)
    """The mailboxes that this process works for, and whom to tell when a transaction of this process has made
    something due there earlier. The owners of the others are told by PostgreSQL."""

    sure: Callable[[str], bool] = field(default=_surely, repr=False)
    """Whether one of these is certainly still ours; where it is not, PostgreSQL tells whoever may own it now, too."""

    _one_writer: asyncio.Lock | None = field(default=None, repr=False)
    _writing: asyncio.Task[Any] | None = field(default=None, repr=False)

    @staticmethod
    async def open(url: str, *, patient: bool = False, keeper: float | None = None) -> Database:
        """Connect, creating an SQLite file and its folder (readable by this user only) when they are not there.

        The tables are made by `migrate.upgrade`. With `patient`, a statement may take as long as it needs, on
        PostgreSQL too. With `keeper`, it is for one task that must not wait for others: one connection to PostgreSQL,
        which is made, and answers, within so many seconds or not at all. Raises CannotOpen.
        """
        match locate(url):
            case SqliteFile() as location:
                database = _open_sqlite(location)
            case PostgresServer() as location:
                database = _open_postgresql(location, None if patient else keeper or SILENT_SECONDS, keeper)
        try:
            async with database.read() as conn:
                await conn.execute(text("SELECT 1"))
        except (DBAPIError, OSError, TimeoutError, ValueError, _postgres_error()) as error:
            await database.close()
            raise CannotOpen(f"cannot open {location}: {_plain(error, location)}") from None
        return database

    @classmethod
    @asynccontextmanager
    async def opened(cls, url: str, *, patient: bool = False) -> AsyncIterator[Database]:
        """The same for the length of a block. Raises CannotOpen."""
        database = await cls.open(url, patient=patient)
        try:
            yield database
        finally:
            await database.close()

    @property
    def dialect(self) -> Dialect:
        return "sqlite" if isinstance(self.location, SqliteFile) else "postgresql"

    @asynccontextmanager
    async def begin(self, *, brief: bool = False) -> AsyncIterator[AsyncConnection]:
        """A writing transaction: committed at the end, rolled back when an exception leaves the block.

        With `brief`, every statement in it must be a matter of a few rows: SQLite executes them on the event loop,
        which is faster. Cancelled during the commit itself, either may have happened. Raises RuntimeError when one
        task begins a second one inside the first: on SQLite it would wait for itself.
        """
        async with self._transaction(brief) as conn:
            earlier = announcements.collect(conn)
            yield conn
            if earlier and self._one_writer is None:
                others = {name: at for name, at in earlier.items() if name not in self.owned or not self.sure(name)}
                await announcements.announce_earlier(conn, others)
        for name in earlier.keys() & self.owned.keys():
            self.owned[name](earlier[name])

    @asynccontextmanager
    async def _transaction(self, brief: bool) -> AsyncIterator[AsyncConnection]:
        task = asyncio.current_task()
        if self._one_writer is None:
            async with self.writer.begin() as conn:
                yield conn
            return
        if self._writing is task:
            raise RuntimeError("a writing transaction inside another one of the same task")
        async with self._one_writer:
            self._writing = task
            try:
                async with self.writer.begin() as conn:
                    driver: Any = (await conn.get_raw_connection()).driver_connection
                    driver.brief = brief
                    yield conn
            finally:
                self._writing = None

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A reading transaction: one snapshot; writing in it is an error."""
        async with self.reader.begin() as conn:
            yield conn

    async def close(self) -> None:
        """Close all connections."""
        await self.reader.dispose()
        await self.writer.dispose()


def _open_sqlite(location: SqliteFile) -> Database:
    path = location.path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _make_file(path)
    except OSError as error:
        raise CannotOpen(f"cannot open the database file {path}: {error.strerror}") from None
    return Database(
        location,
        writer=_sqlite_engine(path, "BEGIN IMMEDIATE", {}, connections=1),
        reader=_sqlite_engine(path, "BEGIN", {"query_only": "ON"}, connections=4),
        _one_writer=asyncio.Lock(),
    )


def _make_file(path: Path) -> None:
    """The database file, private, where there is none. One that is there is not opened: closing it again would take
    away the locks of this process's other connections (https://sqlite.org/howtocorrupt.html, §2.2). Raises OSError."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR)) from None
        if not os.access(path, os.R_OK | os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES)) from None


def _sqlite_engine(path: Path, begin: str, pragmas: Mapping[str, str], connections: int) -> AsyncEngine:
    engine = create_async_engine(
        "sqlite+aiosqlite:///file",  # any name: without one, SQLAlchemy would share one connection among all
        async_creator=lambda: connect(path, BUSY_SECONDS),
        pool_size=connections,
        max_overflow=0,
        json_serializer=dump_json,
        hide_parameters=True,  # errors must not carry people's data into logs
    )
    settings = {"journal_mode": "WAL", "synchronous": "FULL", "foreign_keys": "ON", **pragmas}

    @event.listens_for(engine.sync_engine, "connect")
    def on_connect(connection: Any, entry: ConnectionPoolEntry) -> None:
        cursor = connection.cursor()
        for name, value in settings.items():
            cursor.execute(f"PRAGMA {name} = {value}")
        cursor.close()

    # sqlite3 itself would begin too late, at the first write, and end transactions behind our back
    @event.listens_for(engine.sync_engine, "begin")
    def on_begin(conn: Any) -> None:
        conn.exec_driver_sql(begin)

    return engine


def _open_postgresql(location: PostgresServer, silent: float | None, keeper: float | None) -> Database:
    try:
        import asyncpg  # an extra: SQLite needs no driver
    except ImportError:
        raise CannotOpen("PostgreSQL needs the driver: pip install 'follow-up-sequencer[postgresql]'") from None

    settings = {"application_name": "sequencer", "idle_in_transaction_session_timeout": f"{IDLE_SECONDS * 1000}"}
    asked_for = parse_qs(urlsplit(location.dsn).query)
    settings = {name: value for name, value in settings.items() if name not in asked_for}

    async def connect() -> Any:
        try:
            return await asyncpg.connect(
                location.dsn, timeout=keeper or CONNECT_SECONDS, command_timeout=silent, server_settings=settings
            )
        except asyncpg.PostgresError as error:  # SQLAlchemy hands it on as it is: for us the database is away
            raise ConnectionError(str(error)) from None

    writer = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=connect,
        pool_size=CONNECTIONS // 2 if keeper is None else 1,
        max_overflow=CONNECTIONS // 2 if keeper is None else 0,
        pool_pre_ping=True,  # a restarted server costs a new connection, not an error
        json_serializer=dump_json,
        hide_parameters=True,
    )
    reader = writer.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    return Database(location, writer, reader)


def _postgres_error() -> type[BaseException]:
    try:
        import asyncpg
    except ImportError:
        return sqlite3.Error
    error: type[BaseException] = asyncpg.PostgresError
    return error


def _plain(error: BaseException, location: Location) -> str:
    """One line of why, without a password even if the driver repeats what it was given."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    if isinstance(error, ValueError) and isinstance(location, PostgresServer):
        return "the address cannot be read; write special characters of the password as %XX"
    if isinstance(error, TimeoutError):
        return f"no answer within {CONNECT_SECONDS} s"
    return re.sub(r"^<class '[^']*'>:\s*", "", str(cause)).partition("\n")[0] or type(cause).__name__
