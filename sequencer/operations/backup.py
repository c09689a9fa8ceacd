"""Backup and restore: a copy of the live database, and the way back to one.

A copy says of itself that it is one. Whoever works with it first finds out what has left since it was made
(`operations/restored.py`), and its ids go on beyond those that may have been given out since.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import sqlite3
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from sequencer.operations.history import moment
from sequencer.operations.record import Refusal
from sequencer.store import copying, mailboxes, migrate, tables
from sequencer.store.claim import AlreadyClaimed, claim_file
from sequencer.store.copying import GAP, CannotCopy, Content, Progress
from sequencer.store.database import CannotOpen, Database, PostgresServer, SqliteFile, locate
from sequencer.store.statements import database_clock
from sequencer.workspace.calendars import zone_of
from sequencer.workspace.workspace import Workspace


@dataclass(frozen=True, slots=True)
class BackedUp:
    """A copy that was made: where, how many bytes, and the latest that it knows of."""

    file: Path
    size: int
    latest: datetime | None


@dataclass(frozen=True, slots=True)
class Restored:
    """A copy that was put back. `aside` is what was there before; `unproven` are the mailboxes without a Sent folder,
    of which nobody can tell what has left since the copy was made."""

    latest: datetime | None
    aside: Path | None
    unproven: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Given:
    """What a database has given out and must not give out again: the last id of each table, the last lease number."""

    ids: Mapping[str, int] = field(default_factory=dict)
    lease: int = 0


# Backup -------------------------------------------------------------------------------------------


def back_up(
    workspace: Workspace, file: Path, now: datetime, progress: Progress, *, force: bool = False
) -> BackedUp | Refusal:
    """Copy the database of a workspace into a file that only this user can read, while a daemon works with it.

    The file appears when it is complete and was read through; one that is there is kept unless `force`.
    """
    try:
        location = locate(workspace.database_url)
        if (refusal := _no_place(location, file, force=force)) is not None:
            return refusal
        part = _beside(file)
        content: Content | None
        try:
            match location:
                case SqliteFile():
                    content = _copy_sqlite(location, part, now, progress)
                case PostgresServer():
                    copying.dump(location, part)
                    content = asyncio.run(_present(workspace.database_url))
            copying.put_in_place(part, file, replacing=force)
        finally:
            _remove(part)
    except FileExistsError:
        return Refusal(f"{file} is there already; choose another name, or --force to replace it")
    except OSError as error:
        return Refusal(f"cannot write {file}: {error.strerror or error}")
    except (CannotCopy, CannotOpen) as error:
        return Refusal(str(error))
    return BackedUp(file, file.stat().st_size, content.latest if content is not None else None)


def _no_place(location: SqliteFile | PostgresServer, file: Path, *, force: bool) -> Refusal | None:
    """Why a copy cannot be written there: above all, nothing is ever put in the place of the database itself."""
    if _is_database(location, file):
        return Refusal(f"{file} belongs to the database itself; choose another name for the copy")
    if file.is_dir():
        return Refusal(f"{file} is a folder; name the file in it")
    if file.exists() and not force:
        return Refusal(f"{file} is there already; choose another name, or --force to replace it")
    if not file.parent.is_dir():
        return Refusal(f"there is no folder {file.parent}; make it first, or choose another")
    return None


def _is_database(location: SqliteFile | PostgresServer, file: Path) -> bool:
    if isinstance(location, PostgresServer):
        return False
    path = location.path.resolve()
    return file.resolve() in {path.with_name(path.name + tail) for tail in ("", "-wal", "-shm", "-journal", ".lock")}


def _copy_sqlite(location: SqliteFile, part: Path, now: datetime, progress: Progress) -> Content:
    if not location.path.exists():
        raise CannotCopy(f"there is no database {location.path} yet")
    copying.copy_file(location.path, part, progress)
    asyncio.run(_mark(f"sqlite:///{part.absolute()}", now, _Given()))
    copying.as_one_file(part)
    return copying.look_through(part)


async def _mark(url: str, copied_at: datetime, known: _Given, names: Collection[str] = ()) -> None:
    """Let a copy say when it was made, and leave out what may have been given out since. `names` are mailboxes that it
    may not know yet: these may have sent since as well."""
    await migrate.upgrade(url)
    async with Database.opened(url) as database, database.begin() as conn:
        await mailboxes.register(conn, names, copied_at)
        await mailboxes.mark_copied(conn, copied_at, known.lease)
        ids = await copying.last_ids(conn)
        await copying.leave_out_ids(conn, {name: max(ids[name], known.ids.get(name, 0)) + GAP for name in ids})


def _beside(file: Path) -> Path:
    """An empty file for what is not complete yet, which only this user can read."""
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    part.unlink(missing_ok=True)
    os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    return part


def _remove(part: Path) -> None:
    for name in (part.name, f"{part.name}-wal", f"{part.name}-shm", f"{part.name}-journal"):
        part.with_name(name).unlink(missing_ok=True)


# Restore ------------------------------------------------------------------------------------------


def restore(workspace: Workspace, file: Path, now: datetime, *, force: bool = False) -> Restored | Refusal:
    """Put a copy in the place of the database, which is kept aside. Refused while a daemon works with it, and without
    `force` where it knows more than the copy."""
    if not file.is_file():
        return Refusal(f"{file} is no file" if file.exists() else f"there is no file {file}")
    try:
        location = locate(workspace.database_url)
        if _is_database(location, file):
            return Refusal(f"{file} belongs to the database itself, it is no copy")
        match location:
            case SqliteFile():
                restored = _restore_sqlite(workspace, location, file, now, force=force)
            case PostgresServer():
                restored = _restore_postgresql(workspace, location, file, now, force=force)
    except OSError as error:
        return Refusal(f"cannot restore {file}: {error.strerror or error}")
    except (CannotCopy, CannotOpen) as error:
        return Refusal(str(error))
    return restored


def _restore_sqlite(
    workspace: Workspace, location: SqliteFile, file: Path, now: datetime, *, force: bool
) -> Restored | Refusal:
    claim = claim_file(workspace.database_url)
    if isinstance(claim, AlreadyClaimed):
        other = f" (process {claim.pid})" if claim.pid else ""
        return Refusal(f"a sequencer{other} is running on this database: stop it first")
    path, part, names = location.path, _beside(location.path), workspace.config.mailboxes.keys()
    try:
        copy = copying.look_through(file)
        present, known = _looked_into(path)
        if (refusal := _knows_more(workspace, present, copy, force=force)) is not None:
            return refusal
        copying.copy_file(file, part, lambda done, total: None)
        asyncio.run(_mark(f"sqlite:///{part.absolute()}", _copied_at(part, copy, now), known, names))
        copying.as_one_file(part)
        aside = _set_aside(path, now)
        copying.put_in_place(part, path, replacing=True)
    finally:
        _remove(part)
        claim.release()
    return Restored(copy.latest, aside, _unproven(workspace))


def _looked_into(path: Path) -> tuple[Content | None, _Given]:
    """What the present database knows, and what it has given out; nothing of one that cannot be read."""
    if not path.exists():
        return None, _Given()
    try:
        return copying.look_through(path), asyncio.run(_given(f"sqlite:///{path}"))
    except (CannotCopy, CannotOpen, SQLAlchemyError):
        return None, _Given()


def _copied_at(part: Path, copy: Content, now: datetime) -> datetime:
    """When a copy was made: it says so itself; else it knows nothing later than this."""
    return asyncio.run(_said(f"sqlite:///{part.absolute()}")) or copy.latest or now


async def _said(url: str) -> datetime | None:
    await migrate.upgrade(url)
    async with Database.opened(url) as database, database.read() as conn:
        said: datetime | None = await conn.scalar(select(func.max(tables.mailboxes.c.copied_at)))
        return said


async def _given(url: str) -> _Given:
    async with Database.opened(url) as database, database.read() as conn:
        return await _given_out(conn)


async def _given_out(conn: AsyncConnection) -> _Given:
    return _Given(await copying.last_ids(conn), await mailboxes.last_lease(conn))


def _aside(beside: Path, now: datetime) -> Path:
    """A name for what was there before, which nothing has yet: somebody may restore twice in one second."""
    name = f"{beside.name}.before-restore-{now:%Y%m%d-%H%M%S}"
    names = itertools.chain((name,), (f"{name}-{number}" for number in itertools.count(2)))
    return next(free for each in names if not (free := beside.with_name(each)).exists())


def _set_aside(path: Path, now: datetime) -> Path | None:
    """Keep the present database under another name, with what stands beside it.

    It keeps its own name as well until the copy takes that: killed in between, no `run` begins an empty database.
    """
    if not path.exists():
        return None
    aside = _aside(path, now)
    try:
        copying.as_one_file(path)
        aside.hardlink_to(path)
    except (sqlite3.Error, OSError):  # a damaged file, or a file system without hard links
        _move(path, aside)
    aside.chmod(0o600)
    return aside


def _move(path: Path, aside: Path) -> None:
    for tail in ("-wal", "-shm", ""):
        if (one := path.with_name(path.name + tail)).exists():
            one.rename(aside.with_name(aside.name + tail))


def _restore_postgresql(
    workspace: Workspace, location: PostgresServer, file: Path, now: datetime, *, force: bool
) -> Restored | Refusal:
    url = workspace.database_url
    copying.listed_in(location, file)
    if (owner := asyncio.run(_owner(url))) is not None:
        return Refusal(f"a sequencer ({owner}) is working with this database: stop all of them first")
    present = asyncio.run(_present(url))
    if present is not None and not force:
        return Refusal(
            f"{location} holds a database already{_until(workspace, present)}; --force to put the copy in its place: "
            "the present one is kept in a file beside the copy"
        )
    aside: Path | None = None
    known = _Given()
    if present is not None:
        aside = _aside(file, now)
        os.close(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        copying.dump(location, aside)
        known = asyncio.run(_emptied(url))
    try:
        copying.load(location, file)
    except CannotCopy as error:
        if aside is not None:
            copying.load(location, aside)
        raise CannotCopy(f"{error}; everything is as it was before") from None
    copy = asyncio.run(_present(url))
    copied_at = copy.latest if copy is not None and copy.latest is not None else now
    asyncio.run(_mark(url, copied_at, known, workspace.config.mailboxes.keys()))
    return Restored(copy.latest if copy is not None else None, aside, _unproven(workspace))


async def _owner(url: str) -> str | None:
    """A daemon that works with the database right now."""
    m = tables.mailboxes.c
    async with Database.opened(url) as database, database.read() as conn:
        if await copying.content(conn) is None:
            return None
        working = select(m.lease_owner).where(m.lease_until > database_clock(conn)).limit(1)
        owner: str | None = await conn.scalar(working)
        return owner


async def _present(url: str) -> Content | None:
    async with Database.opened(url) as database, database.read() as conn:
        return await copying.content(conn)


async def _emptied(url: str) -> _Given:
    async with Database.opened(url) as database, database.begin() as conn:
        known = await _given_out(conn)
        await copying.drop_everything(conn)
        return known


def _knows_more(workspace: Workspace, present: Content | None, copy: Content, *, force: bool) -> Refusal | None:
    if force or present is None or present.latest is None:
        return None
    if copy.latest is not None and present.latest <= copy.latest:
        return None
    return Refusal(
        f"the present database knows more than the copy: something{_until(workspace, present)}, the copy"
        f"{_until(workspace, copy)}; --force to go back all the same: the present one is kept aside"
    )


def _until(workspace: Workspace, content: Content) -> str:
    if content.latest is None:
        return " of nothing yet"
    return f" of {moment(content.latest, zone_of(workspace.config.contacts.timezone))}"


def _unproven(workspace: Workspace) -> tuple[str, ...]:
    return tuple(name for name, mailbox in workspace.config.mailboxes.items() if not mailbox.imap.sent)
