"""The migrations lead to the tables of `tables.py`, run from anywhere, and say nothing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, inspect, text

from sequencer.store import migrate, tables
from sequencer.store.database import CannotOpen, Database
from tests.databases import BOTH, Server, fresh_postgresql


@pytest.fixture(params=BOTH)
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database without tables."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/x.db"
        return
    server: Server = request.getfixturevalue("postgresql_server")
    url, remove = fresh_postgresql(server, "template1")
    yield url
    remove()


@pytest.fixture
async def spoiled(empty_url: str) -> AsyncIterator[Database]:
    """An upgraded database whose tables a test may change."""
    await migrate.upgrade(empty_url)
    database = await Database.open(empty_url)
    yield database
    await database.close()


def _differences(connection: Connection) -> list[Any]:
    context = MigrationContext.configure(
        connection, opts={"compare_type": True, "compare_server_default": True, "target_metadata": tables.metadata}
    )
    return list(compare_metadata(context, tables.metadata))


def _partial_indexes(connection: Connection) -> dict[str, str]:
    """The conditions of partial indexes, which Alembic does not compare; white space and brackets do not count."""
    if connection.dialect.name == "sqlite":
        rows = connection.execute(text("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"))
    else:
        rows = connection.execute(text("SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'"))
    return {row[0]: row[1].partition(" WHERE ")[2] for row in rows if " WHERE " in row[1]}


async def test_the_migrations_lead_to_the_tables(database: Database) -> None:
    async with database.begin() as conn:
        assert await conn.run_sync(_differences) == []


async def test_the_partial_indexes_are_those_of_the_tables(spoiled: Database) -> None:
    async with spoiled.begin() as conn:
        found = await conn.run_sync(_partial_indexes)
        await conn.run_sync(tables.metadata.drop_all)
        await conn.run_sync(tables.metadata.create_all)
        wanted = await conn.run_sync(_partial_indexes)
    assert found == wanted
    assert len(found) >= 10


async def test_a_difference_would_be_found(spoiled: Database) -> None:
    async with spoiled.begin() as conn:
        await conn.execute(text("ALTER TABLE tasks ADD COLUMN surplus integer"))
        await conn.execute(text("DROP INDEX ix_enrollments_wake"))
        found = await conn.run_sync(_differences)
    assert {difference[0] for difference in found} == {"remove_column", "add_index"}


async def test_upgrading_is_done_once(empty_url: str) -> None:
    missing = await migrate.pending(empty_url)
    assert missing[0] == "0001"
    assert await migrate.upgrade(empty_url) == missing
    assert await migrate.pending(empty_url) == ()
    assert await migrate.upgrade(empty_url) == ()


async def test_several_daemons_that_start_at_once_upgrade_once(empty_url: str) -> None:
    done = await asyncio.gather(*(migrate.upgrade(empty_url) for _ in range(4)))
    assert sorted(map(len, done))[:3] == [0, 0, 0]
    assert any(done)


async def test_a_failing_migration_leaves_nothing_behind(empty_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def run_and_fail(connection: Connection) -> None:
        run(connection)
        raise LookupError

    run = migrate._run
    with monkeypatch.context() as patch:
        patch.setattr(migrate, "_run", run_and_fail)
        with pytest.raises(LookupError):
            await migrate.upgrade(empty_url)
    database = await Database.open(empty_url)
    async with database.begin() as conn:
        assert await conn.run_sync(lambda connection: inspect(connection).get_table_names()) == []
    await database.close()
    assert await migrate.upgrade(empty_url) != ()


async def test_a_database_of_a_newer_version_is_refused(spoiled: Database, empty_url: str) -> None:
    async with spoiled.begin() as conn:
        await conn.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(CannotOpen, match="newer version of the sequencer"):
        await migrate.upgrade(empty_url)
    with pytest.raises(CannotOpen, match="9999"):
        await migrate.pending(empty_url)


async def test_upgrading_prints_nothing_and_leaves_logging_alone(
    empty_url: str, capfd: pytest.CaptureFixture[str]
) -> None:
    root = logging.getLogger()
    before = (list(root.handlers), root.level, logging.getLogger("alembic").level, logging.root.manager.disable)
    await migrate.upgrade(empty_url)
    after = (list(root.handlers), root.level, logging.getLogger("alembic").level, logging.root.manager.disable)
    assert before == after
    assert capfd.readouterr() == ("", "")
