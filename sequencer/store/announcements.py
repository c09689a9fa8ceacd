"""Telling other processes at once, by PostgreSQL's LISTEN and NOTIFY; SQLite has nothing like it.

A NOTIFY takes a lock of the whole server when it commits, so the workers' own work must do without: only where a wake
time moves earlier and another process owns the mailbox is its owner told. Every announcement is a hint. Whoever misses
one finds out at the next look.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from sequencer.store.columns import dump_json

WAKE: Final = "sequencer_wake"
"""Somebody is to be looked at earlier than planned; says where and when."""

SHARE: Final = "sequencer_share"
"""A mailbox is free, or a daemon has come or gone; says nothing more."""

RELEASE: Final = "sequencer_release"
"""Somebody has approved saved files; says nothing more."""

LONGEST: Final = 7000
"""Bytes of one announcement; PostgreSQL takes less than 8,000."""

LISTEN_SECONDS: Final = 10.0
_COLLECTED: Final = "sequencer_earlier"

Earlier = dict[str, datetime]
"""By mailbox, the earliest instant to which a wake time has moved."""


# What a transaction has to tell --------------------------------------------------------------------


def collect(conn: AsyncConnection) -> Earlier:
    """What `moved_earlier` is told in the transaction that begins here."""
    earlier: Earlier = {}
    conn.info[_COLLECTED] = earlier
    return earlier


def moved_earlier(conn: AsyncConnection, mailbox: str, at: datetime) -> None:
    """Somebody of this mailbox is to be looked at at `at`, earlier than it was planned until now."""
    earlier = conn.info.get(_COLLECTED)
    if earlier is not None and (mailbox not in earlier or at < earlier[mailbox]):
        earlier[mailbox] = at


async def announce_earlier(conn: AsyncConnection, earlier: Mapping[str, datetime]) -> None:
    """Tell the owners of these mailboxes, when this transaction commits."""
    for some in _parts(earlier):
        await _notify(conn, WAKE, dump_json({name: at.isoformat() for name, at in some.items()}))


async def announce_share(conn: AsyncConnection) -> None:
    """Tell the daemons that there is something to share anew, when this transaction commits."""
    await _notify(conn, SHARE, "")


async def announce_release(conn: AsyncConnection) -> None:
    """Tell the daemons that files were approved, when this transaction commits."""
    await _notify(conn, RELEASE, "")


def earlier_of(payload: str) -> Earlier:
    """What an announcement on WAKE says; nothing when it cannot be read."""
    try:
        return {str(name): datetime.fromisoformat(at) for name, at in json.loads(payload).items()}
    except (ValueError, AttributeError, TypeError):
        return {}


async def _notify(conn: AsyncConnection, channel: str, payload: str) -> None:
    if conn.dialect.name == "postgresql":
        await conn.execute(select(func.pg_notify(channel, payload)))


def _parts(earlier: Mapping[str, datetime]) -> Iterator[Earlier]:
    """As few announcements as fit."""
    part: Earlier = {}
    size = 0
    for name, at in earlier.items():
        room = len(dump_json({name: at.isoformat()}).encode())
        if part and size + room > LONGEST:
            yield part
            part, size = {}, 0
        part[name] = at
        size += room
    if part:
        yield part


# Listening -----------------------------------------------------------------------------------------


@dataclass(slots=True)
class Ear:
    """A connection of its own that hears announcements."""

    _conn: Any

    async def hears(self, seconds: float) -> bool:
        """Whether the server still answers, within so many seconds."""
        try:
            await self._conn.execute("SELECT 1", timeout=seconds)
        except _failures():
            return False
        return True

    def close(self) -> None:
        """Hang up, whatever the server says."""
        self._conn.terminate()


async def listen(dsn: str, channels: Collection[str], heard: Callable[[str, str], None]) -> Ear | None:
    """Hear these channels: `heard` is called with a channel and what was said. None when there is no connection."""
    import asyncpg

    try:
        conn = await asyncpg.connect(
            dsn,
            timeout=LISTEN_SECONDS,
            command_timeout=LISTEN_SECONDS,
            server_settings={"application_name": "sequencer, listening"},
        )
    except _failures():
        return None
    try:
        for channel in channels:
            await conn.add_listener(channel, lambda _conn, _pid, channel, payload: heard(channel, payload))
    except _failures():
        conn.terminate()
        return None
    return Ear(conn)


def _failures() -> tuple[type[Exception], ...]:
    import asyncpg

    return (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)
