"""Putting a checked workspace in force: every version is kept, everybody it concerns is looked at again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncConnection

from sequencer.core.model import Sequence
from sequencer.operations.in_force import (
    Chosen,
    choose,
    is_release,
    is_whole_release,
    make_release,
    note_config,
    sequences_of,
)
from sequencer.operations.live import Live
from sequencer.store import agenda, definitions, mailboxes, migrate, releases
from sequencer.store.database import CannotOpen, Database, SqliteFile, locate
from sequencer.store.secrets import signing_key
from sequencer.workspace.source import Problem
from sequencer.workspace.workspace import Loaded, Workspace, database_url

BY_ITSELF = "the daemon"
"""Who puts a saved change in force with `apply: auto`."""


@dataclass(frozen=True, slots=True)
class Unusable:
    """The workspace or its database cannot be used: what is wrong, for people."""

    problems: tuple[Problem, ...] = ()
    reason: str = ""


async def put_in_force(workspace: Workspace, now: datetime) -> Live | Unusable:
    """Bring the database of a loaded workspace up to date, and put the workspace in force."""
    started = await start(workspace.folder, Loaded(workspace, (), workspace.config, workspace.settings), now)
    return started if isinstance(started, Unusable) else started[0]


async def start(folder: Path, loaded: Loaded, now: datetime) -> tuple[Live, Chosen] | Unusable:
    """Put in force what is to be: the saved files, or the last release where they have a mistake or wait for approval.

    Unusable when config.yaml has a mistake, or when there are mistakes and nothing was ever in force.
    """
    if loaded.config is None or (loaded.workspace is None and never_used(folder, loaded)):
        return Unusable(loaded.problems)
    database = await open_database(database_url(folder, loaded.config))
    if isinstance(database, Unusable):
        return database
    async with database.begin() as conn:
        key = await signing_key(conn)
        chosen = await choose(conn, folder, loaded)
    if chosen is None:
        await database.close()
        return Unusable(loaded.problems) if loaded.workspace is None else Unusable(reason=CANNOT_COME_BACK)
    live = Live(database, chosen.workspace, key, mistakes=chosen.mistakes, waits=chosen.waits == "approval")
    await adopt(live, chosen.workspace, now)
    if chosen.release is not None and chosen.workspace.config.apply == "manual":
        async with database.begin() as conn:
            await note_config(conn, chosen.workspace, chosen.release)
    return live, chosen


CANNOT_COME_BACK = (
    "what was last approved cannot be read by this version of the program: look at the saved files with "
    "`sequencer check`, and approve them with `sequencer apply`"
)


def never_used(folder: Path, loaded: Loaded) -> bool:
    """Whether there is no database yet: with mistakes in the files, none is made."""
    if loaded.config is None:
        return True
    try:
        location = locate(database_url(folder, loaded.config))
    except CannotOpen:
        return False  # opening it says what is wrong
    return isinstance(location, SqliteFile) and not location.path.exists()


async def open_database(url: str) -> Database | Unusable:
    """The database at a URL, with the migrations that were missing."""
    try:
        await migrate.upgrade(url)
        return await Database.open(url)
    except CannotOpen as error:
        return Unusable(reason=str(error))


async def adopt(live: Live, workspace: Workspace, now: datetime) -> tuple[str, ...]:
    """Put a workspace in force; the names of the sequences whose meaning has changed.

    With `apply: manual` a release is only made when there is none yet; what is adopted is otherwise one already.
    """
    former = live.workspace, live.release
    try:
        return await _adopt(live, workspace, now)
    except BaseException:
        if live.workspace is workspace:  # the commit failed: what is not kept is not in force
            live.replace_workspace(former[0])
            live.release = former[1]
        raise


async def _adopt(live: Live, workspace: Workspace, now: datetime) -> tuple[str, ...]:
    async with live.database.begin() as conn:
        await mailboxes.register(conn, workspace.config.mailboxes, now)
        new = await _new_here(conn, workspace)
        for sequence in new:
            await definitions.keep(conn, sequence.name, sequence.version, workspace.sources[sequence.name], now)
        # Another daemon may have adopted it first: whoever was decided on by our former version is looked at again.
        ours = live.workspace.sequences
        others = [s for s in workspace.sequences.values() if s.name in ours and ours[s.name].version != s.version]
        changed = {sequence.name: sequence for sequence in (*new, *others)}
        for name in changed:
            await agenda.wake_sequence(conn, name, now)
        for name in workspace.config.mailboxes:
            await agenda.wake_held(conn, name, now)  # what was missing may be there now, and a limit may be gone
        release = await _note_release(conn, workspace, now)
        live.replace_workspace(workspace)  # before the commit: whoever is woken is decided on by the new version
        live.release = release
        for sequence in new:  # nobody else can read it before the commit
            live.suppose_applied(sequence, now)
    return tuple(name for name in workspace.sequences if name in changed)


async def _new_here(conn: AsyncConnection, workspace: Workspace) -> list[Sequence]:
    """The sequences that no daemon has worked with last in this version."""
    last = await releases.last_adopted(conn)
    before = sequences_of(last) if last is not None else await definitions.live(conn)
    return [sequence for sequence in workspace.sequences.values() if before.get(sequence.name) != sequence.version]


async def _note_release(conn: AsyncConnection, workspace: Workspace, now: datetime) -> int:
    """The number of the release that this workspace is; 0 when another one has been approved meanwhile."""
    latest = await releases.latest(conn)
    by_itself = workspace.config.apply == "auto"
    if latest is None or (by_itself and not is_whole_release(workspace, latest)):
        return await make_release(conn, workspace, now, by=BY_ITSELF, adopted_at=now)
    if not is_release(workspace, latest):
        return 0
    await releases.adopted(conn, latest.id, now)
    return latest.id
