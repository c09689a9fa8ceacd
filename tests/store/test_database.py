"""Opening a database, and what its transactions promise."""

from __future__ import annotations

import asyncio
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from sequencer.operations.record import is_outage
from sequencer.store import database as database_module
from sequencer.store import mailboxes, migrate, set_aside, tables
from sequencer.store.database import CannotOpen, Database, PostgresServer, SqliteFile, locate
from tests.clock import PATIENCE
from tests.databases import Server, fresh_postgresql
from tests.fire.proxy import Proxy, unix
from tests.store.people import NOW


async def _add(conn: AsyncConnection, what: str) -> None:
    await set_aside.add(conn, "mark", what, "error", NOW)


async def _count(database: Database) -> int:
    async with database.read() as conn:
        return int(await conn.scalar(select(func.count()).select_from(tables.set_aside)) or 0)


# Where it is --------------------------------------------------------------------------------------


def test_sqlite_urls_are_relative_with_three_slashes_and_absolute_with_four(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert locate("sqlite:///data/x.db") == SqliteFile(tmp_path / "data" / "x.db")
    assert locate("sqlite:////srv/x.db") == SqliteFile(Path("/srv/x.db"))


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///", "sqlite:///:memory:", "mysql://h/x", "x.db", ""])
def test_other_urls_are_refused_with_the_way_out(url: str) -> None:
    with pytest.raises(CannotOpen, match=r"sqlite:///\w+"):
        locate(url)


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+asyncpg"])
def test_a_postgresql_url_is_shown_without_its_password_and_parameters(scheme: str) -> None:
    location = locate(f"{scheme}://anna:s3cret@db.example:5433/crm?sslmode=require&password=s3cret")
    assert isinstance(location, PostgresServer)
    assert location.dsn.startswith("postgresql://anna:s3cret@")
    assert str(location) == "postgresql://anna@db.example:5433/crm"
    assert "s3cret" not in repr(location) + str(location)


@pytest.mark.parametrize("password", ["s3cret/word", "s3cret#", "s3cret?x", "[s3cret", "s3cret@w:rd"])
async def test_an_unreadable_password_is_not_repeated(password: str) -> None:
    with pytest.raises(CannotOpen) as caught:
        await Database.open(f"postgresql://anna:{password}@127.0.0.1:1/crm")
    assert "s3cret" not in str(caught.value) + repr(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


async def test_an_unreachable_server_is_said_in_one_line_without_the_password() -> None:
    with pytest.raises(CannotOpen, match=r"cannot open postgresql://anna@127\.0\.0\.1:1/crm: ") as caught:
        await Database.open("postgresql://anna:s3cret@127.0.0.1:1/crm")
    assert "s3cret" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.postgresql
async def test_a_missing_database_is_said_in_one_line(postgresql_server: Server) -> None:
    with pytest.raises(CannotOpen, match='"nowhere" does not exist'):
        await Database.open(postgresql_server.url("nowhere"))


async def test_the_repr_of_a_database_holds_no_password(database: Database) -> None:
    assert "dsn" not in repr(database)
    assert "Engine" not in repr(database)


async def test_the_folder_is_made_and_the_file_is_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "x.db"
    database = await Database.open(f"sqlite:///{path}")
    await database.close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    path.write_text("Dear Anna, this is a letter and not a database." * 100)
    with pytest.raises(CannotOpen, match="file is not a database"):
        await Database.open(f"sqlite:///{path}")


async def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotOpen, match=r"Not a directory|File exists"):
        await Database.open(f"sqlite:///{tmp_path}/file/x.db")
    with pytest.raises(CannotOpen, match="Is a directory"):
        await Database.open(f"sqlite:///{tmp_path}")


async def test_opening_a_file_again_takes_no_locks_from_whoever_has_it_open(tmp_path: Path) -> None:
    """Else another process that closes it takes itself for the last, and takes away the log that we still read."""
    url, log = f"sqlite:///{tmp_path}/x.db", tmp_path / "x.db-wal"
    await migrate.upgrade(url)
    first = await Database.open(url)
    async with first.begin() as conn:
        await _add(conn, "one")
    kept = log.stat().st_ino
    second = await Database.open(url)
    look = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('SELECT * FROM set_aside'); c.close()"
    await asyncio.to_thread(subprocess.run, [sys.executable, "-c", look, str(tmp_path / "x.db")], check=True)
    assert log.stat().st_ino == kept
    assert await _count(first) == await _count(second) == 1
    await second.close()
    await first.close()


async def test_sqlite_is_set_to_survive_a_power_cut(tmp_path: Path) -> None:
    database = await Database.open(f"sqlite:///{tmp_path}/x.db")
    wanted = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 30_000}
    async with database.begin() as conn:
        found = {name: await conn.scalar(text(f"PRAGMA {name}")) for name in wanted}
    async with database.read() as conn:
        assert await conn.scalar(text("PRAGMA query_only")) == 1
    await database.close()
    assert found == wanted


# Transactions -------------------------------------------------------------------------------------


async def test_what_is_committed_is_there_and_what_fails_is_not(database: Database) -> None:
    async with database.begin() as conn:
        await _add(conn, "kept")
    with pytest.raises(LookupError):
        await _fail_after_writing(database)
    assert await _count(database) == 1


async def _fail_after_writing(database: Database) -> None:
    async with database.begin() as conn:
        await _add(conn, "lost")
        raise LookupError


async def test_a_cancelled_transaction_leaves_nothing_and_the_next_one_works(database: Database) -> None:
    writing = asyncio.Event()

    async def never_done() -> None:
        async with database.begin() as conn:
            await _add(conn, "lost")
            writing.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(never_done())
    await writing.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with database.begin() as conn:
        await _add(conn, "kept")
    assert await _count(database) == 1


async def test_cancelled_at_any_step_a_transaction_is_whole_or_nothing(database: Database) -> None:
    async def two_rows() -> None:
        async with database.begin() as conn:
            await _add(conn, "one")
            await _add(conn, "two")

    for turns in range(1, 40):
        task = asyncio.create_task(two_rows())
        for _ in range(turns):
            await asyncio.wait([task], timeout=0.0005)
        task.cancel()
        await asyncio.wait([task])
        async with asyncio.timeout(5):  # the cancelled one must have let go of the file at once
            await two_rows()
        assert await _count(database) % 2 == 0


async def test_one_process_writes_in_turns(database: Database) -> None:
    async def add_ten(name: int) -> None:
        for number in range(10):
            async with database.begin() as conn:
                await _add(conn, f"{name}/{number}")

    await asyncio.gather(*(add_ten(name) for name in range(8)))
    assert await _count(database) == 80


async def test_two_processes_write_in_turns(database: Database, database_url: str) -> None:
    other = await Database.open(database_url)

    async def add_ten(through: Database) -> None:
        for number in range(10):
            async with through.begin() as conn:
                await _add(conn, str(number))

    await asyncio.gather(*(add_ten(through) for through in (database, other) * 2))
    await other.close()
    assert await _count(database) == 40


async def test_a_second_transaction_of_the_same_task_is_an_error_rather_than_a_standstill(tmp_path: Path) -> None:
    database = await Database.open(f"sqlite:///{tmp_path}/x.db")
    async with database.begin():
        with pytest.raises(RuntimeError, match="inside another"):
            await _count_in_a_transaction(database)
    await _count_in_a_transaction(database)
    await database.close()


async def _count_in_a_transaction(database: Database) -> None:
    async with database.begin() as conn:
        await conn.execute(text("SELECT 1"))


async def test_a_reading_transaction_cannot_write(database: Database) -> None:
    with pytest.raises(DBAPIError, match=r"(?i)read-?only"):
        await _write_while_reading(database)
    assert await _count(database) == 0


async def _write_while_reading(database: Database) -> None:
    async with database.read() as conn:
        await _add(conn, "never")


async def test_a_reading_transaction_sees_one_moment(database: Database) -> None:
    async with database.read() as conn:
        before = await set_aside.listing(conn)
        async with database.begin() as writing:
            await _add(writing, "new")
        after = await set_aside.listing(conn)
    assert before == after == []
    assert await _count(database) == 1


async def test_an_error_does_not_carry_what_was_written(database: Database) -> None:
    with pytest.raises(DBAPIError) as caught:
        await _write_nonsense(database)
    assert "anna@example.com" not in str(caught.value)


async def _write_nonsense(database: Database) -> None:
    async with database.begin() as conn:
        await conn.execute(text("INSERT INTO nowhere VALUES (:address)"), {"address": "anna@example.com"})


_WRITER = """
import asyncio, sys
from sequencer.store import set_aside
from sequencer.store.database import Database
from tests.store.people import NOW

async def main():
    database = await Database.open(sys.argv[1])
    async with database.begin() as conn:
        await set_aside.add(conn, "mark", "committed", "", NOW)
    async with database.begin() as conn:
        await set_aside.add(conn, "mark", "not committed", "", NOW)
        print("ready", flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_after_kill_9_what_was_committed_is_there_and_the_rest_is_not(
    database: Database, database_url: str
) -> None:
    writer = await asyncio.create_subprocess_exec(sys.executable, "-c", _WRITER, database_url, stdout=subprocess.PIPE)
    assert writer.stdout is not None
    ready = await writer.stdout.readline()
    writer.kill()
    await writer.wait()
    assert ready == b"ready\n"
    async with database.begin() as conn:  # the dead writer holds no lock any more
        await _add(conn, "after")
    async with database.read() as conn:
        found = {item.what for item in await set_aside.listing(conn)}
    assert found == {"committed", "after"}


async def test_an_upgraded_database_is_one_file_that_can_be_copied_once_closed(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/x.db"
    await migrate.upgrade(url)
    assert os.listdir(tmp_path) == ["x.db"]


# A client, or a server, that says nothing any more -------------------------------------------------


@pytest.mark.postgresql
async def test_who_falls_silent_in_a_transaction_does_not_keep_its_locks(postgresql_server: Server) -> None:
    url, drop = fresh_postgresql(postgresql_server)
    frozen = await Database.open(f"{url}&idle_in_transaction_session_timeout=300")
    other = await Database.open(url)
    try:
        async with frozen.begin() as conn:
            await mailboxes.register(conn, ["mark"], NOW)

        async def overtaken() -> None:
            async with frozen.begin() as conn:
                assert await mailboxes.take(conn, "mark", "frozen", 30) is not None
                async with asyncio.timeout(PATIENCE), other.begin() as theirs:
                    assert await mailboxes.take(theirs, "mark", "other", 30) is not None

        with pytest.raises(DBAPIError) as caught:
            await overtaken()
        assert is_outage(caught.value)
    finally:
        await frozen.close()
        await other.close()
        drop()


@pytest.mark.postgresql
async def test_a_server_that_answers_nothing_is_an_error_in_the_end(
    postgresql_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, drop = fresh_postgresql(postgresql_server)
    monkeypatch.setattr(database_module, "SILENT_SECONDS", 0.3)
    async with Proxy(unix(postgresql_server.socket_folder / ".s.PGSQL.5432")) as wire:
        name = url.rpartition("@/")[2].partition("?")[0]
        database = await Database.open(f"postgresql://postgres@127.0.0.1:{wire.port}/{name}?sslmode=disable")
        wire.freeze()
        async with asyncio.timeout(PATIENCE):
            with pytest.raises((DBAPIError, TimeoutError)) as caught:
                await _count(database)
        assert is_outage(caught.value)
        wire.thaw()
        assert await _count(database) == 0
        await database.close()
    drop()
