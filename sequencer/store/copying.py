"""Copies of a whole database: made while a daemon works with it, looked through, and put back.

SQLite: the online backup of one snapshot. PostgreSQL: its own `pg_dump` and `pg_restore`, which get the password by the
environment, never by their command line, which others can read.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from sequencer.store import tables
from sequencer.store.database import PostgresServer

PAGES: Final = 1024
"""Pages copied at a time, 4 MB of the usual ones; between two of them `progress` is called."""

GAP: Final = 1_000_000
"""So many ids are left out in a copy: those given out since it was made stand in mails, and must not come again."""

Progress = Callable[[int, int], None]
"""Called with how many pages are done, and how many there are."""


class CannotCopy(Exception):
    """A copy cannot be made or used; the message is for a person and holds no password."""


@dataclass(frozen=True, slots=True)
class Content:
    """What a database is: the revision of its tables, and the latest instant that it knows of (None: it is empty)."""

    revision: str
    latest: datetime | None


# SQLite -------------------------------------------------------------------------------------------


def copy_file(source: Path, target: Path, progress: Progress) -> None:
    """Copy the database at one instant, however much is written into it meanwhile; `target` is an empty file.

    Raises CannotCopy.
    """
    try:
        with _connected(f"{source.absolute().as_uri()}?mode=ro") as old, _connected(str(target)) as new:
            # A snapshot of its own: without it, every transaction of the daemon would begin the copy anew.
            old.execute("BEGIN")
            old.execute("SELECT count(*) FROM sqlite_master").fetchone()
            old.backup(new, pages=PAGES, progress=lambda _, left, total: progress(total - left, total), sleep=0)
            old.execute("ROLLBACK")
    except sqlite3.Error as error:
        raise CannotCopy(f"{source} cannot be copied: {error}") from None


def as_one_file(path: Path) -> None:
    """Take in what stands beside the file, so that it can be moved and kept alone; and have it on the disk."""
    with _connected(str(path)) as conn:
        conn.execute("PRAGMA journal_mode = DELETE")
    _sync(path)


def look_through(path: Path) -> Content:
    """Read a copy from one end to the other. Raises CannotCopy when it is damaged, or not one of ours."""
    try:
        with _connected(f"{path.absolute().as_uri()}?mode=ro") as conn:
            (verdict,) = conn.execute("PRAGMA integrity_check(1)").fetchone()
            if verdict != "ok":
                raise CannotCopy(f"{path} is damaged: {' '.join(verdict.split())}")
            return _content(conn)
    except sqlite3.Error as error:
        raise CannotCopy(f"{path} is no copy of the sequencer's database, or is damaged: {error}") from None


def _content(conn: sqlite3.Connection) -> Content:
    (revision,) = conn.execute("SELECT version_num FROM alembic_version").fetchone()
    instants = [conn.execute(f"SELECT max({column}) FROM {name}").fetchone()[0] for name, column in LATEST]  # noqa: S608
    known = [datetime.fromisoformat(value).replace(tzinfo=UTC) for value in instants if value]
    return Content(str(revision), max(known, default=None))


LATEST: Final = (("events", "at"), ("messages", "recorded_at"), ("contacts", "changed_at"))
"""Where the latest that a database knows of stands."""


@contextlib.contextmanager
def _connected(name: str) -> Iterator[sqlite3.Connection]:
    conn = sqlite3.connect(name, uri=name.startswith("file:"), isolation_level=None, timeout=30)
    try:
        yield conn
    finally:
        conn.close()


def put_in_place(new: Path, target: Path, *, replacing: bool) -> None:
    """Give a finished file its name, at once or not at all. Raises FileExistsError unless `replacing`."""
    if replacing:
        new.replace(target)
    else:
        try:
            target.hardlink_to(new)  # unlike a rename, this never replaces a file that came in between
        except FileExistsError:
            raise
        except OSError:  # a file system without hard links
            if target.exists():
                raise FileExistsError(target) from None
            new.rename(target)
        else:
            new.unlink()
    _sync(target.parent)


def _sync(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


# PostgreSQL ---------------------------------------------------------------------------------------


def dump(location: PostgresServer, target: Path) -> None:
    """A copy by `pg_dump`, in its own compressed format. Raises CannotCopy, which names a command to run elsewhere."""
    where, environ = _reached(location)
    arguments = ["--format=custom", "--no-owner", "--no-privileges", f"--file={target}", f"--dbname={where}"]
    _run("pg_dump", arguments, environ, f"pg_dump --format=custom --no-owner --file=FILE {location}")
    listed = _run("pg_restore", ["--list", str(target)], environ, "")
    if "alembic_version" not in listed:
        raise CannotCopy(f"{location} does not hold the sequencer's tables")
    _sync(target)


def load(location: PostgresServer, source: Path) -> None:
    """Put a copy into a database that has none of its tables, in one transaction. Raises CannotCopy."""
    where, environ = _reached(location)
    arguments = ["--no-owner", "--no-privileges", "--single-transaction", "--exit-on-error", f"--dbname={where}"]
    hint = f"pg_restore --no-owner --single-transaction --dbname={location} {source}"
    _run("pg_restore", [*arguments, str(source)], environ, hint)


def listed_in(location: PostgresServer, source: Path) -> str:
    """What `pg_restore` finds in a copy. Raises CannotCopy when it is none of ours."""
    listed = _run("pg_restore", ["--list", str(source)], _reached(location)[1], "")
    if "alembic_version" not in listed:
        raise CannotCopy(f"{source} is no copy of the sequencer's database")
    return listed


def _run(program: str, arguments: list[str], environ: Mapping[str, str], instead: str) -> str:
    found = shutil.which(program)
    if found is None:
        hint = f": install PostgreSQL's client programs, or run elsewhere `{instead}`" if instead else ""
        raise CannotCopy(f"{program} is not on the PATH{hint}")
    done = subprocess.run(  # noqa: S603 (a list of arguments, no shell)
        [found, *arguments], env={**os.environ, **environ}, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        said = " ".join(done.stderr.split())[:400] or f"exit code {done.returncode}"
        raise CannotCopy(f"{program} could not do it: {said}")
    return done.stdout


def _reached(location: PostgresServer) -> tuple[str, dict[str, str]]:
    """The address without its password, and the password as libpq's environment has it."""
    parts = urlsplit(location.dsn)
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    password = options.pop("password", None) or (unquote(parts.password) if parts.password else None)
    user, at, host = parts.netloc.rpartition("@")
    place = f"{user.partition(':')[0]}{at}{host}"
    where = urlunsplit(("postgresql", place, parts.path, urlencode(options), ""))
    return where, ({"PGPASSWORD": password} if password else {})


async def content(conn: AsyncConnection) -> Content | None:
    """What an open database is; None when it has no tables of ours."""
    has_tables = await conn.run_sync(lambda sync: sync.dialect.has_table(sync, "alembic_version"))
    if not has_tables:
        return None
    revision = await conn.scalar(text("SELECT version_num FROM alembic_version"))
    instants = [
        await conn.scalar(select(tables.metadata.tables[name].c[column]).order_by(text(f"{column} DESC")).limit(1))
        for name, column in LATEST
    ]
    return Content(str(revision), max((one for one in instants if one is not None), default=None))


async def drop_everything(conn: AsyncConnection) -> None:
    """Remove the sequencer's tables, whatever version they are of, to make room for a copy."""
    for name in (*(table.name for table in reversed(tables.metadata.sorted_tables)), "alembic_version"):
        await conn.execute(text(f'DROP TABLE IF EXISTS "{name}" CASCADE'))


# The ids ------------------------------------------------------------------------------------------


def _numbered() -> list[str]:
    """The tables whose ids must never come twice."""
    return [table.name for table in tables.metadata.sorted_tables if table.dialect_options["sqlite"]["autoincrement"]]


async def last_ids(conn: AsyncConnection) -> dict[str, int]:
    """The last id that each table has given out."""
    if conn.dialect.name == "sqlite":
        found = await conn.execute(text("SELECT name, seq FROM sqlite_sequence"))
        known = {row.name: int(row.seq) for row in found}
        return {name: known.get(name, 0) for name in _numbered()}
    sequence = "SELECT pg_sequence_last_value(pg_get_serial_sequence(:name, 'id')::regclass)"
    return {name: int(await conn.scalar(text(sequence), {"name": name}) or 0) for name in _numbered()}


async def leave_out_ids(conn: AsyncConnection, until: Mapping[str, int]) -> None:
    """Give out only ids beyond these from now on, by table."""
    known = await last_ids(conn)
    for name in _numbered():
        beyond = max(known[name], until.get(name, 0))
        if conn.dialect.name == "sqlite":
            await conn.execute(text("DELETE FROM sqlite_sequence WHERE name = :name"), {"name": name})
            await conn.execute(
                text("INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :seq)"), {"name": name, "seq": beyond}
            )
        elif beyond:
            statement = "SELECT setval(pg_get_serial_sequence(:name, 'id'), CAST(:seq AS bigint))"
            await conn.execute(text(statement), {"name": name, "seq": beyond})
