"""Who is alive, by the clock of the database, and who could serve what."""

from __future__ import annotations

import asyncio

from sequencer.store import daemons
from sequencer.store.daemons import Daemon, Known, daemon_named, roster_of
from sequencer.store.database import Database

ONE, TWO = Daemon("a.example:11:f00"), Daemon("fe80::1:22:beef")


async def _beat(database: Database, who: Daemon, serves: list[str], seconds: float = 60) -> None:
    async with database.begin() as conn:
        await daemons.beat(conn, who, serves, seconds)


def test_the_name_says_where_it_runs() -> None:
    assert (ONE.host, ONE.pid) == ("a.example", 11)
    assert (TWO.host, TWO.pid) == ("fe80::1", 22)
    assert daemon_named(ONE.name) == ONE
    assert daemon_named("") is None
    assert daemon_named("a test") is None
    assert Daemon("odd:x:y").pid == 0


async def test_who_is_alive_and_who_is_buried(database: Database) -> None:
    await _beat(database, TWO, ["ann", "ben"])
    await _beat(database, ONE, ["ben", "ann"], seconds=-1)
    same = roster_of({"ann", "ben"})
    async with database.begin() as conn:
        assert await daemons.known(conn) == [Known(TWO.name, same, True), Known(ONE.name, same, False)]
        await daemons.bury(conn)
        assert await daemons.known(conn) == [Known(TWO.name, same, True)]
    await _beat(database, ONE, ["ann"])  # it was only cut off
    async with database.begin() as conn:
        assert [one.alive for one in await daemons.known(conn)] == [True, True]
        await daemons.leave(conn, TWO)
        assert [one.name for one in await daemons.known(conn)] == [ONE.name]


async def test_what_it_serves_follows_its_config(database: Database) -> None:
    await _beat(database, ONE, ["ann"], seconds=-1)
    await _beat(database, ONE, ["ann"])
    async with database.begin() as conn:
        assert [one.alive for one in await daemons.known(conn)] == [True]
        assert await daemons.serves(conn, [roster_of(["ann"])]) == {roster_of(["ann"]): frozenset({"ann"})}
        assert await daemons.serves(conn, []) == {}
    await _beat(database, ONE, ["ann", "ben"])
    async with database.begin() as conn:
        both = roster_of(["ben", "ann"])
        assert await daemons.serves(conn, [roster_of(["ann"]), both]) == {both: frozenset({"ann", "ben"})}


async def test_many_may_beat_and_bury_at_once(database: Database, database_url: str) -> None:
    others = [await Database.open(database_url) for _ in range(3)]
    for number in range(6):
        await _beat(database, Daemon(f"dead:{number}:x"), ["ann"], seconds=-1)

    async def round_of(number: int, other: Database) -> None:
        async with other.begin() as conn:
            await daemons.beat(conn, Daemon(f"alive:{number}:x"), ["ann"], 60)
            await daemons.bury(conn)

    await asyncio.gather(*(round_of(number, other) for number, other in enumerate(others)))
    async with database.read() as conn:
        assert sorted(one.name for one in await daemons.known(conn)) == [f"alive:{number}:x" for number in range(3)]
    for other in others:
        await other.close()
