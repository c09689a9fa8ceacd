"""aiosqlite with one visit to its thread for each statement, where it would make four.

aiosqlite goes to the connection's thread and back to make a cursor, to execute, to fetch and to close; each visit
wakes the event loop. Here one visit does all of it; and a `brief` transaction visits only to begin, where it may have
to wait, and to commit, where the disk is waited for: what its statements do in between takes less than a visit.

Besides the time, it leaves no statement unfinished: SQLite keeps
a closed connection, with its lock on the file, until its last statement is finished, and a cancelled task would leave
that to the garbage collector.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import aiosqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

Rows = Sequence[Any]


async def connect(path: Path, busy_seconds: float) -> aiosqlite.Connection:
    """A connection to the file, for SQLAlchemy's `async_creator`. Transactions are the caller's business."""
    connection = _Connection(
        lambda: sqlite3.connect(
            path, timeout=busy_seconds, isolation_level=None, factory=_RollingBack, check_same_thread=False
        ),
        iter_chunk_size=64,
    )
    connection._thread.daemon = True  # as SQLAlchemy does: a forgotten connection must not keep the process alive
    return await connection


def ask_at_once(conn: AsyncConnection, sql: str, parameters: Sequence[Any], *, many: bool = False) -> Rows | None:
    """In a brief transaction: the rows of a statement, executed here and now without SQLAlchemy's work around it, which
    takes several times as long. None outside of one. Raises what SQLAlchemy would."""
    driver = _driver_of(conn)
    if driver is None or not driver.at_hand:
        return None
    cursor = driver._conn.cursor()
    try:
        if many:
            cursor.executemany(sql, parameters)
            return ()
        return cursor.execute(sql, parameters).fetchall()
    except sqlite3.Error as error:
        raise DBAPIError.instance(sql, None, error, sqlite3.Error, hide_parameters=True) from error
    finally:
        cursor.close()


def _driver_of(conn: AsyncConnection) -> _Connection | None:
    inner = conn.sync_connection
    driver = inner.connection.driver_connection if inner is not None else None
    return driver if isinstance(driver, _Connection) else None


class _RollingBack(sqlite3.Connection):
    """Ends its transaction when it is closed, so that nobody waits for what a cancelled task left behind."""

    def close(self) -> None:
        if self.in_transaction:
            self.rollback()
        super().close()


class _Connection(aiosqlite.Connection):
    brief = False
    """Whether the statements of the present transaction are executed here and now, without a visit."""

    asked = 0
    done = 0

    @property
    def at_hand(self) -> bool:
        """Whether the thread has nothing to do, so that it cannot get in the way of what is executed here."""
        return self.brief and self.asked == self.done and self.in_transaction

    async def _execute(self, fn: Any, *args: Any, **kwargs: Any) -> Any:
        def counted() -> Any:
            try:
                return fn(*args, **kwargs)
            finally:
                self.done += 1  # only the thread writes this, only the loop the other: no update gets lost

        self.asked += 1
        return await super()._execute(counted)  # type: ignore[no-untyped-call]  # aiosqlite has no types there

    async def rollback(self) -> None:
        # SQLAlchemy asks for it whenever a connection goes back to its pool; after a commit there is nothing to do
        if self.asked != self.done or self.in_transaction:
            await super().rollback()

    def cursor(self) -> _Cursor:  # type: ignore[override]  # only SQLAlchemy asks for one, and only enters it
        return _Cursor(self)


class _Cursor:
    """What SQLAlchemy asks of a cursor: executed, fetched to the end and closed in one go."""

    def __init__(self, connection: _Connection) -> None:
        self._connection: Any = connection
        self._rows: Rows = ()
        self.description: Any = None
        self.rowcount = -1
        self.lastrowid: int | None = None
        self.arraysize = 1

    async def __aenter__(self) -> _Cursor:
        return self

    async def execute(self, sql: str, parameters: Sequence[Any] = ()) -> _Cursor:
        return await self._visit(lambda cursor: cursor.execute(sql, parameters))

    async def executemany(self, sql: str, parameters: Iterable[Sequence[Any]]) -> _Cursor:
        return await self._visit(lambda cursor: cursor.executemany(sql, parameters))

    async def _visit(self, run: Any) -> _Cursor:
        def visit() -> tuple[Rows, Any, int, int | None]:
            cursor = connection.cursor()
            try:
                run(cursor)
                rows = cursor.fetchall() if cursor.description else ()
                return rows, cursor.description, cursor.rowcount, cursor.lastrowid
            finally:
                cursor.close()

        connection = self._connection._conn
        if self._connection.at_hand:
            self._rows, self.description, self.rowcount, self.lastrowid = visit()
            return self
        self._rows, self.description, self.rowcount, self.lastrowid = await self._connection._execute(visit)
        return self

    async def fetchall(self) -> Rows:
        return self._rows

    async def close(self) -> None:
        self._rows = ()
