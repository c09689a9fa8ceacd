"""The signing key is made once and stays."""

from __future__ import annotations

from sqlalchemy import delete

from sequencer.store import secrets, tables
from sequencer.store.database import Database


async def test_the_key_is_there_after_the_upgrade_and_the_same_on_every_connection(database: Database) -> None:
    async with database.read() as conn:
        first = await secrets.signing_key(conn)
    async with database.begin() as conn:
        second = await secrets.signing_key(conn)
    assert len(first) == 32
    assert first == second


async def test_a_key_whose_making_is_rolled_back_is_not_remembered(database: Database) -> None:
    async with database.begin() as conn:
        await conn.execute(delete(tables.secrets))
    lost = b""
    try:
        async with database.begin() as conn:
            lost = await secrets.signing_key(conn)
            raise LookupError
    except LookupError:
        pass
    async with database.begin() as conn:
        kept = await secrets.signing_key(conn)
    async with database.begin() as conn:
        again = await secrets.signing_key(conn)
    assert kept == again
    assert kept != lost
