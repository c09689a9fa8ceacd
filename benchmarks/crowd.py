"""Cost follows what is due, not who is enrolled: python benchmarks/crowd.py [ENROLLMENTS…] [--plans]

One mailbox with 1,000 people due among 10,000, 100,000 and 1,000,000 enrolled (filled in by SQL), on SQLite and on a
PostgreSQL that comes from its wheel. Measured: the tick of a worker that looks for who is due (64 of them, and when to
wake next), the look at all 1,000, and what `status` counts. Bar: with a million enrolled, a tick costs at most twice
what it costs with ten thousand. With --plans, how both planners find the rows. About three minutes.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import asyncpg
from fleet import postgresql
from sqlalchemy import bindparam, event, text
from sqlalchemy.ext.asyncio import AsyncConnection
from verdict import tell

from sequencer.core.events import Enrolled
from sequencer.core.model import Position
from sequencer.store import agenda, contacts, enrollments, mailboxes, migrate
from sequencer.store.columns import Instant
from sequencer.store.database import Database

NOW: Final = datetime(2026, 11, 24, 12, tzinfo=UTC)
MAILBOX: Final = "mark"
DUE: Final = 1000
TIMES: Final = 60
CROWDS: Final = (10_000, 100_000, 1_000_000)
NAMES: Final = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}

SERIES: Final = {
    "sqlite": "(WITH RECURSIVE s(n) AS (SELECT :first UNION ALL SELECT n + 1 FROM s WHERE n < :last) SELECT n FROM s)",
    "postgresql": "(SELECT n FROM generate_series(CAST(:first AS integer), CAST(:last AS integer)) AS g(n))",
}
LATER: Final = {
    "sqlite": "strftime('%Y-%m-%d %H:%M:%f', :later, '+' || n || ' seconds') || '000'",
    "postgresql": ":later + n * interval '1 second'",
}
PEOPLE: Final = """
    INSERT INTO contacts (id, email, address, domain, fields, created_at, changed_at)
    SELECT n, 'p' || n || '@one.example', 'p' || n || '@one.example', 'one.example', fields, created_at, changed_at
    FROM {series} AS s, contacts WHERE id = 1"""
PLANS: Final = """
    INSERT INTO enrollments (contact_id, sequence, mailbox, status, version, definition, step, alone, exclusive,
                             created_at, changed_at, state, wake_at)
    SELECT n, sequence, mailbox, status, version, definition, step, alone, exclusive, created_at, changed_at, state,
           CASE WHEN n <= :due THEN :now ELSE {later} END
    FROM {series} AS s, enrollments WHERE enrollments.id = 1"""


async def begin(database: Database) -> None:
    """The mailbox, and the first person: the others are copies."""
    async with database.begin() as conn:
        await mailboxes.register(conn, [MAILBOX], NOW)
        one = await contacts.upsert(conn, "p1@one.example", {"first_name": "Anna"}, None, None, None, NOW)
        position = Position(step="first")
        enrolled = Enrolled(at=NOW, contact_id=one.id, sequence="quote", mailbox=MAILBOX, position=position)
        await enrollments.create(conn, enrolled, "v1", wake_at=NOW)


async def fill(database: Database, first: int, last: int) -> None:
    """The people with these numbers, each in the sequence."""
    dialect = database.dialect
    values = {"first": first, "last": last, "due": DUE, "now": NOW, "later": NOW + timedelta(days=30)}
    instants = [bindparam("now", type_=Instant()), bindparam("later", type_=Instant())]
    async with database.begin() as conn:
        await conn.execute(text(PEOPLE.format(series=SERIES[dialect])), {"first": first, "last": last})
        plans = text(PLANS.format(series=SERIES[dialect], later=LATER[dialect])).bindparams(*instants)
        await conn.execute(plans, values)
    async with database.begin() as conn:
        await conn.execute(text("ANALYZE"))


async def tick(conn: AsyncConnection) -> None:
    """What a worker asks when it looks for work."""
    assert len((await agenda.due(conn, MAILBOX, NOW, 64)).standings) == 64
    assert await agenda.next_wake(conn, MAILBOX) == NOW


async def all_due(conn: AsyncConnection) -> None:
    assert len((await agenda.due(conn, MAILBOX, NOW, 2 * DUE)).standings) == DUE


async def counted(conn: AsyncConnection) -> None:
    assert (await agenda.load(conn, NOW))[MAILBOX].due == DUE


async def timed(
    databases: Sequence[Database], ask: Callable[[AsyncConnection], Awaitable[None]], times: int
) -> list[float]:
    """The median of each, in milliseconds; they take turns, so that what else the machine does concerns all alike."""
    taken: list[list[float]] = [[] for _ in databases]
    for _ in range(times):
        for database, found in zip(databases, taken, strict=True):
            begun = time.perf_counter()
            async with database.read() as conn:
                await ask(conn)
            found.append(1000 * (time.perf_counter() - begun))
    return [statistics.median(found) for found in taken]


async def explain(database: Database, ask: Callable[[AsyncConnection], Awaitable[object]]) -> None:
    """Print how the planner finds the rows of what is asked."""
    asked: dict[str, Any] = {}

    def keep(_conn: Any, _cursor: Any, statement: str, values: Any, _context: Any, _many: bool) -> None:
        if statement.startswith("SELECT"):
            asked[statement] = values

    engine = database.reader.sync_engine
    event.listen(engine, "before_cursor_execute", keep)
    async with database.read() as conn:
        await ask(conn)
    event.remove(engine, "before_cursor_execute", keep)
    word = "EXPLAIN QUERY PLAN " if database.dialect == "sqlite" else "EXPLAIN (COSTS OFF) "
    async with database.read() as conn:
        for statement, values in asked.items():
            rows = (await conn.exec_driver_sql(word + statement, values)).all()
            for row in rows:
                print(f"      {row[-1]}")


async def crowded(url: str, crowd: int) -> Database:
    """A database with so many people."""
    await migrate.upgrade(url)
    database = await Database.open(url)
    await begin(database)
    await fill(database, 2, crowd)
    return database


async def measure(urls: Sequence[str], crowds: Sequence[int], plans: bool) -> bool:
    databases = [await crowded(url, crowd) for url, crowd in zip(urls, crowds, strict=True)]
    name = NAMES[databases[0].dialect]
    ticks = await timed(databases, tick, TIMES)
    whole, status = await timed(databases, all_due, TIMES // 5), await timed(databases, counted, TIMES)
    for database, crowd, *found in zip(databases, crowds, ticks, whole, status, strict=True):
        print(
            f"{name}, {DUE:,} due of {crowd:9,} enrolled: a tick {found[0]:.2f} ms, "
            f"all due {found[1]:.1f} ms, counted for status {found[2]:.2f} ms",
            flush=True,
        )
        if plans:
            await explain(database, tick)
        await database.close()
    ratio, sizes = ticks[-1] / ticks[0], f"{crowds[-1]:,} enrolled against {crowds[0]:,}, {name}"
    return tell(f"a tick, {sizes}", f"{ratio:.2f} × ({ticks[-1]:.2f} ms)", "≤ 2 ×", ratio <= 2)


async def new_databases(url: str, names: Sequence[str]) -> list[str]:
    """A new database each, on this server."""
    admin = await asyncpg.connect(url)
    for name in names:
        await admin.execute(f'CREATE DATABASE "{name}"')
    await admin.close()
    return [url.replace("/postgres?", f"/{name}?") for name in names]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("crowds", nargs="*", type=int, default=CROWDS)
    parser.add_argument("--plans", action="store_true")
    options = parser.parse_args()
    crowds, names = options.crowds, [f"crowd{number}" for number in options.crowds]
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".crowd-") as folder:
        met = asyncio.run(measure([f"sqlite:///{folder}/{name}.db" for name in names], crowds, options.plans))
    with postgresql() as url:
        met &= asyncio.run(measure(asyncio.run(new_databases(url, names)), crowds, options.plans))
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
