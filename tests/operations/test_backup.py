"""Copies of the live database, and the way back: consistent, private, never in the place of something newer unasked."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import stat
import threading
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from sequencer.operations.backup import BackedUp, Restored, back_up, restore
from sequencer.operations.record import Refusal
from sequencer.store import contacts, copying, mailboxes
from sequencer.store.claim import Claim, claim_file
from sequencer.store.copying import GAP, look_through
from sequencer.store.database import Database, PostgresServer, SqliteFile, locate
from sequencer.workspace.workspace import Workspace, load
from tests.daemon.house import ENVIRON, House, furnish
from tests.databases import client_programs
from tests.operations.shop import MONDAY
from tests.smtp_peer import SmtpPeer


@pytest.fixture
async def house(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    monkeypatch.setenv("PATH", f"{client_programs()}{os.pathsep}{os.environ['PATH']}")
    async with SmtpPeer() as smtp:
        furnish(tmp_path, smtp=smtp.port, imap=1, user="mark", database=database_url)
        yield House(tmp_path, smtp)


def workspace(house: House) -> Workspace:
    loaded = load(house.folder, ENVIRON)
    assert loaded.workspace is not None
    return loaded.workspace


def nothing(done: int, total: int) -> None:
    pass


async def backed_up(house: House, name: str = "copy", *, force: bool = False) -> BackedUp | Refusal:
    file = house.folder / name
    return await asyncio.to_thread(back_up, workspace(house), file, house.clock.now(), nothing, force=force)


async def put_back(house: House, name: str = "copy", *, force: bool = False) -> Restored | Refusal:
    return await asyncio.to_thread(restore, workspace(house), house.folder / name, house.clock.now(), force=force)


async def people(house: House) -> list[str]:
    async with house.live() as live, live.database.read() as conn:
        found = await contacts.by_ids(conn, range(1, 100))
    return sorted(contact.email for contact in found.values())


async def test_a_copy_holds_everything_and_is_private(house: House) -> None:
    await house.enroll("anna@example.com")
    made = await backed_up(house)
    assert isinstance(made, BackedUp), made
    assert made.latest == house.clock.now()
    assert stat.S_IMODE(made.file.stat().st_mode) == 0o600
    assert [path.name for path in house.folder.iterdir() if ".part" in path.name] == []
    async with house.live() as live, live.database.read() as conn:  # the live one does not take itself for a copy
        assert not any(row.copied_at for row in await mailboxes.listing(conn))


async def test_nothing_is_put_in_the_place_of_the_database(house: House) -> None:
    """`backup sequencer.db --force` would take the file away from under the daemon that writes it."""
    await house.enroll("anna@example.com")
    location = locate(workspace(house).database_url)
    if not isinstance(location, SqliteFile):
        return
    before = location.path.stat().st_ino
    (house.folder / "other-name").symlink_to(location.path)
    for name in (str(location.path), f"{location.path}-wal", "other-name"):
        refused = await backed_up(house, name, force=True)
        assert isinstance(refused, Refusal)
        assert "belongs to the database itself" in refused.reason
    itself = await put_back(house, str(location.path), force=True)
    assert isinstance(itself, Refusal)
    assert "it is no copy" in itself.reason
    assert location.path.stat().st_ino == before
    assert await people(house) == ["anna@example.com"]


async def test_a_copy_needs_a_folder_that_is_there_and_a_name(house: House) -> None:
    refused = await backed_up(house, "missing/copy")
    assert refused == Refusal(f"there is no folder {house.folder / 'missing'}; make it first, or choose another")
    for force in (False, True):
        refused = await backed_up(house, "templates", force=force)
        assert refused == Refusal(f"{house.folder / 'templates'} is a folder; name the file in it")
    folder = await put_back(house, "templates")
    assert folder == Refusal(f"{house.folder / 'templates'} is no file")


async def test_no_file_is_replaced_unasked(house: House) -> None:
    (house.folder / "copy").write_text("mine")
    refused = await backed_up(house)
    assert isinstance(refused, Refusal)
    assert "is there already" in refused.reason
    assert (house.folder / "copy").read_text() == "mine"
    assert isinstance(await backed_up(house, force=True), BackedUp)


async def test_there_and_back(house: House) -> None:
    await house.enroll("anna@example.com")
    await backed_up(house)
    house.clock.advance(timedelta(days=1))
    await house.enroll("ben@example.org")
    refused = await put_back(house)
    assert isinstance(refused, Refusal)
    assert "--force" in refused.reason
    assert await people(house) == ["anna@example.com", "ben@example.org"]
    done = await put_back(house, force=True)
    assert isinstance(done, Restored), done
    assert await people(house) == ["anna@example.com"]
    assert done.aside is not None
    assert stat.S_IMODE(done.aside.stat().st_mode) == 0o600
    async with house.live() as live, live.database.read() as conn:
        marked = {row.name: row.copied_at is not None for row in await mailboxes.listing(conn)}
        ids = await copying.last_ids(conn)
    assert ids["contacts"] >= 2 + GAP, "ben's id must not be given to somebody else"
    assert all(marked.values())
    # The way back from there: what was set aside is a copy as well.
    again = await put_back(house, done.aside.name, force=True)
    assert isinstance(again, Restored), again
    assert await people(house) == ["anna@example.com", "ben@example.org"]


class _Killed(Exception):
    pass


async def test_killed_in_the_middle_there_is_a_database_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the next `run` would begin an empty one."""

    def killed(*_: object, **__: object) -> None:
        raise _Killed

    async with SmtpPeer() as smtp:
        furnish(tmp_path, smtp=smtp.port, imap=1, user="mark")
        house = House(tmp_path, smtp)
        await house.enroll("anna@example.com")
        await backed_up(house)
        await house.enroll("ben@example.org")
        monkeypatch.setattr(copying, "put_in_place", killed)
        with pytest.raises(_Killed):
            await put_back(house, force=True)
        assert await people(house) == ["anna@example.com", "ben@example.org"]


async def test_no_lease_number_comes_twice(house: House) -> None:
    """An owner that was frozen before the restore may wake up after it."""
    async with house.live() as live, live.database.begin() as conn:
        await mailboxes.register(conn, ["mark"], MONDAY)
    await backed_up(house)
    async with house.live() as live, live.database.begin() as conn:
        frozen = await mailboxes.take(conn, "mark", "frozen", 0)
    done = await put_back(house, force=True)
    assert isinstance(done, Restored), done
    async with house.live() as live, live.database.begin() as conn:
        await mailboxes.register(conn, ["mark"], MONDAY)
        now = await mailboxes.take(conn, "mark", "another", 60)
        assert frozen is not None
        assert now is not None
        assert now != frozen
        assert not await mailboxes.hold_lease(conn, "mark", frozen)


async def test_whoever_restores_twice_loses_neither_what_was_set_aside_nor_a_lease_number(house: House) -> None:
    """Within one second, from the same copy; a daemon was frozen between the two."""
    await house.enroll("anna@example.com")
    await backed_up(house)
    await house.enroll("ben@example.org")
    first = await put_back(house, force=True)
    assert isinstance(first, Restored), first
    async with house.live() as live, live.database.begin() as conn:
        await mailboxes.register(conn, ["mark"], MONDAY)
        frozen = await mailboxes.take(conn, "mark", "frozen", 0)
    second = await put_back(house, force=True)
    assert isinstance(second, Restored), second
    async with house.live() as live, live.database.begin() as conn:
        await mailboxes.register(conn, ["mark"], MONDAY)
        assert await mailboxes.take(conn, "mark", "another", 0) != frozen
    assert first.aside is not None
    assert first.aside != second.aside
    back = await put_back(house, first.aside.name, force=True)
    assert isinstance(back, Restored), back
    assert await people(house) == ["anna@example.com", "ben@example.org"]


async def test_a_mailbox_that_the_copy_does_not_know_yet_may_have_sent_as_well(house: House) -> None:
    await house.enroll("anna@example.com")
    await backed_up(house)
    async with house.live() as live, live.database.begin() as conn:
        await mailboxes.register(conn, ["mark"], MONDAY)
    assert isinstance(await put_back(house, force=True), Restored)
    async with house.live() as live, live.database.begin() as conn:
        await mailboxes.register(conn, ["mark"], MONDAY)
        assert await mailboxes.is_copy(conn, "mark")


async def test_a_copy_of_a_copy_knows_since_when_nothing_is_known(house: House) -> None:
    """It was copied once more before it was found out what had left since the first copy."""
    async with house.live() as live, live.database.begin() as conn:
        await mailboxes.register(conn, ["mark"], MONDAY)
    await house.enroll("anna@example.com")
    await backed_up(house)
    await put_back(house, force=True)
    async with house.live() as live, live.database.read() as conn:
        (since,) = [row.copied_at for row in await mailboxes.listing(conn)]
    house.clock.advance(timedelta(days=1))
    await house.enroll("ben@example.org")
    await backed_up(house, "later")
    done = await put_back(house, "later", force=True)
    assert isinstance(done, Restored), done
    async with house.live() as live, live.database.read() as conn:
        assert [row.copied_at for row in await mailboxes.listing(conn)] == [since]


async def test_not_while_a_daemon_works_with_it(house: House, database_url: str) -> None:
    await backed_up(house)
    if database_url.startswith("sqlite"):
        claim = claim_file(database_url)
        assert isinstance(claim, Claim)
        refused = await put_back(house, force=True)
        claim.release()
    else:
        async with house.live() as live, live.database.begin() as conn:
            await mailboxes.register(conn, ["mark"], MONDAY)
            await mailboxes.take(conn, "mark", "another daemon", 60)
        refused = await put_back(house, force=True)
    assert isinstance(refused, Refusal)
    assert "stop" in refused.reason


@pytest.mark.parametrize("what", ["text", "half", "nothing"])
async def test_what_is_no_copy_is_refused_and_changes_nothing(house: House, what: str) -> None:
    await house.enroll("anna@example.com")
    made = await backed_up(house)
    assert isinstance(made, BackedUp)
    if what == "text":
        made.file.write_text("something else")
    elif what == "half":
        made.file.write_bytes(made.file.read_bytes()[: made.size // 2])
    else:
        made.file.unlink()
    refused = await put_back(house, force=True)
    assert isinstance(refused, Refusal), refused
    assert await people(house) == ["anna@example.com"]


# SQLite ---------------------------------------------------------------------------------------------


async def test_one_instant_is_copied_however_much_is_written_meanwhile(tmp_path: Path, migrated_sqlite: Path) -> None:
    source, target = tmp_path / "s.db", tmp_path / "copy.db"
    shutil.copyfile(migrated_sqlite, source)
    database = await Database.open(f"sqlite:///{source}")  # write-ahead log, as the daemon has it
    with sqlite3.connect(source, isolation_level=None) as conn:
        conn.execute("CREATE TABLE pairs (a INTEGER, b INTEGER, filler BLOB)")
        conn.executemany("INSERT INTO pairs VALUES (0, 0, zeroblob(4000))", [()] * 4000)
    target.touch()
    ended, written = threading.Event(), 0

    def write() -> None:
        nonlocal written
        with sqlite3.connect(source, isolation_level=None, timeout=30) as conn:
            while not ended.is_set():
                written += 1
                conn.execute("UPDATE pairs SET a = ?, b = ? WHERE rowid <= 200", (written, written))
        conn.close()

    seen: list[int] = []
    writer = threading.Thread(target=write)
    writer.start()
    try:
        await asyncio.to_thread(copying.copy_file, source, target, lambda done, total: seen.append(written))
    finally:
        ended.set()
        writer.join()
        await database.close()
    assert seen[-1] > seen[0], "it was written to while it was copied"
    with sqlite3.connect(target) as conn:
        assert conn.execute("SELECT count(*), max(a) = min(a) FROM pairs WHERE rowid <= 200").fetchone() == (200, 1)
    conn.close()
    assert look_through(target).revision


async def test_a_copy_put_in_place_by_hand_knows_that_it_is_one(tmp_path: Path, migrated_sqlite: Path) -> None:
    (tmp_path / "data").mkdir()
    shutil.copyfile(migrated_sqlite, tmp_path / "data" / "s.db")
    furnish(tmp_path, smtp=1, imap=1, user="mark")
    path = tmp_path / "config.yaml"
    path.write_text(path.read_text().replace("sqlite:///data/s.db", f"sqlite:///{tmp_path}/data/s.db"))
    async with SmtpPeer() as smtp:
        house = House(tmp_path, smtp)
        async with house.live() as live, live.database.begin() as conn:
            await mailboxes.register(conn, ["mark"], MONDAY)
        await backed_up(house)
        for tail in ("", "-wal", "-shm"):
            (tmp_path / "data" / f"s.db{tail}").unlink(missing_ok=True)
        shutil.copyfile(tmp_path / "copy", tmp_path / "data" / "s.db")
        async with house.live() as live, live.database.read() as conn:
            assert await mailboxes.is_copy(conn, "mark")


# PostgreSQL -----------------------------------------------------------------------------------------


def spy(folder: Path, name: str) -> Path:
    """A program that writes down how it was called."""
    folder.mkdir(exist_ok=True)
    program = folder / name
    program.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$@" > {folder}/arguments\nprintf "%s" "$PGPASSWORD" > {folder}/password\nexit 1\n'
    )
    program.chmod(0o755)
    return program


@pytest.mark.parametrize(
    "dsn", ["postgresql://u:se%2Fcret@db.example/x?sslmode=require", "postgresql://u@db.example/x?password=se/cret"]
)
def test_the_password_is_never_on_a_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dsn: str) -> None:
    spy(tmp_path / "bin", "pg_dump")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(copying.CannotCopy) as failure:
        copying.dump(PostgresServer(dsn, "postgresql://u@db.example/x"), tmp_path / "copy")
    assert (tmp_path / "bin" / "password").read_text() == "se/cret"
    said = (tmp_path / "bin" / "arguments").read_text()
    assert "--dbname=postgresql://u@db.example/x" in said
    assert "cret" not in said + str(failure.value)


def test_where_pg_dump_is_not_there_the_command_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(copying.CannotCopy, match=r"pg_dump is not on the PATH: .* `pg_dump --format=custom"):
        copying.dump(PostgresServer("postgresql://u@db.example/x", "postgresql://u@db.example/x"), tmp_path / "copy")
