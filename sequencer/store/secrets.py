"""Keys that the database keeps for itself."""

from __future__ import annotations

import secrets as randomness
from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from sequencer.store import tables
from sequencer.store.statements import upsert

SIGNING_KEY: Final = "signing key"
_CACHE: Final = "sequencer.signing_key"


async def signing_key(conn: AsyncConnection) -> bytes:
    """The 32 random bytes that sign ids and tokens and key the hashes of suppressed addresses.

    Made once, by `migrate.upgrade`, and never changed: tokens in mails sent years ago must stay readable.
    """
    info = (await conn.get_raw_connection()).info
    if _CACHE in info:
        cached: bytes = info[_CACHE]
        return cached
    found = await _read(conn)
    if found is not None:
        info[_CACHE] = found
        return found
    row = {"name": SIGNING_KEY, "value": randomness.token_bytes(32)}
    await conn.execute(upsert(conn, tables.secrets).values(row).on_conflict_do_nothing())
    made = await _read(conn)  # not cached: this transaction may yet be rolled back
    assert made is not None
    return made


async def _read(conn: AsyncConnection) -> bytes | None:
    value: bytes | None = await conn.scalar(select(tables.secrets.c.value).where(tables.secrets.c.name == SIGNING_KEY))
    return value
