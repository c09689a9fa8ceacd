"""Who moves a wake time earlier tells whoever works for that mailbox, once the transaction is committed."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from sequencer.store import agenda, announcements
from sequencer.store.announcements import SHARE, WAKE, Earlier, earlier_of
from sequencer.store.database import Database
from tests.clock import PATIENCE
from tests.fire.proxy import Proxy, unix
from tests.store.people import MAILBOX, NOW, happen, later, paused, replied, somebody

only_postgresql = pytest.mark.parametrize(
    "database_url", [pytest.param("postgresql", marks=pytest.mark.postgresql)], indirect=True
)


class _Heard:
    def __init__(self) -> None:
        self.said: list[tuple[str, str]] = []

    def __call__(self, channel: str, payload: str) -> None:
        self.said.append((channel, payload))


@only_postgresql
async def test_only_what_moves_earlier_is_announced_and_only_to_others(database: Database, database_url: str) -> None:
    heard = _Heard()
    ear = await announcements.listen(database_url, (WAKE, SHARE), heard)
    assert ear is not None

    async def news() -> list[Earlier]:
        assert ear is not None
        assert await ear.hears(PATIENCE)
        said, heard.said[:] = [earlier_of(payload) for _, payload in heard.said], []
        return said

    async with database.begin() as conn:
        anna = await somebody(conn, "a@example.com", wake_at=later(days=3))
        await somebody(conn, "b@example.com", wake_at=None)
        await somebody(conn, "c@example.com", mailbox="jane", wake_at=later(days=1))
        assert await news() == []
    assert await news() == [{MAILBOX: later(days=3), "jane": later(days=1)}]
    async with database.begin() as conn:
        anna = await happen(conn, anna, paused(), wake_at=later(days=4))
        anna = await happen(conn, anna, replied(1), wake_at=None)
    assert await news() == []
    async with database.begin() as conn:
        anna = await happen(conn, anna, replied(2), wake_at=later(days=9))
    assert await news() == [{MAILBOX: later(days=9)}]
    database.owned["jane"] = lambda at: None
    async with database.begin() as conn:
        await agenda.wake_sequence(conn, "quote", later(hours=1))
    assert await news() == [{MAILBOX: later(hours=1)}]
    database.sure = lambda name: name != "jane"  # frozen for longer than a lease: another may own it by now
    async with database.begin() as conn:
        await agenda.wake_sequence(conn, "quote", later(minutes=30))
    assert await news() == [{MAILBOX: later(minutes=30), "jane": later(minutes=30)}]
    with suppress(ZeroDivisionError):
        async with database.begin() as conn:
            await agenda.wake_sequence(conn, "quote", NOW)
            raise ZeroDivisionError
    assert await news() == []
    ear.close()
    assert not await ear.hears(1)


def test_as_few_announcements_as_fit_and_nonsense_is_nothing() -> None:
    many = {f"mailbox-{'ü' * 40}-{number}": NOW + timedelta(seconds=number) for number in range(300)}
    parts = list(announcements._parts(many))
    assert {name: at for part in parts for name, at in part.items()} == many
    sizes = [len(json.dumps({name: at.isoformat() for name, at in part.items()}, ensure_ascii=False)) for part in parts]
    assert all(size < 8000 for size in sizes)
    assert len(parts) < 8
    for nonsense in ("", "[]", "x", '{"a": 1}', '{"a": "yesterday"}'):
        assert earlier_of(nonsense) == {}


@only_postgresql
async def test_a_long_announcement_arrives_whole(database: Database, database_url: str) -> None:
    heard = _Heard()
    ear = await announcements.listen(database_url, (WAKE,), heard)
    assert ear is not None
    many = {f"mailbox-{'ü' * 40}-{number}": NOW for number in range(300)}
    async with database.begin() as conn:
        await announcements.announce_earlier(conn, many)
        await announcements.announce_share(conn)
    assert await ear.hears(PATIENCE)
    got: dict[str, object] = {}
    for _, payload in heard.said:
        got |= earlier_of(payload)
    assert got == many
    ear.close()


async def test_nobody_listens_where_nobody_answers() -> None:
    assert await announcements.listen("postgresql://nobody@127.0.0.1:1/none", (WAKE,), lambda *_: None) is None


@only_postgresql
async def test_nobody_waits_longer_than_told_for_a_server_that_has_gone_silent(
    database: Database, database_url: str
) -> None:
    folder = Path(parse_qs(urlsplit(database_url).query)["host"][0])
    async with Proxy(unix(folder / ".s.PGSQL.5432")) as wire:
        keeper = await Database.open(
            f"postgresql://postgres@127.0.0.1:{wire.port}{urlsplit(database_url).path}", keeper=1.0
        )
        async with keeper.begin() as conn:
            await conn.execute(text("SELECT 1"))
        wire.freeze()
        began = asyncio.get_running_loop().time()
        with pytest.raises((DBAPIError, OSError)):
            async with keeper.begin() as conn:
                await conn.execute(text("SELECT 1"))
        assert asyncio.get_running_loop().time() - began < 10  # and not the minute of everybody else
        wire.thaw()
        async with keeper.begin() as conn:
            assert await conn.scalar(text("SELECT 1")) == 1
        await keeper.close()
