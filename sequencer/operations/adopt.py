"""Putting a checked workspace in force: every version is kept, everybody it concerns is looked at again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sequencer.operations.live import Live
from sequencer.store import agenda, definitions, mailboxes, migrate
from sequencer.store.database import CannotOpen, Database
from sequencer.store.secrets import signing_key
from sequencer.workspace.source import Problem
from sequencer.workspace.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Unusable:
    """The workspace or its database cannot be used: what is wrong, for people."""

    problems: tuple[Problem, ...] = ()
    reason: str = ""


async def put_in_force(workspace: Workspace, now: datetime) -> Live | Unusable:
    """Bring the database of a loaded workspace up to date, and put the workspace in force."""
    database = await open_database(workspace)
    if isinstance(database, Unusable):
        return database
    async with database.begin() as conn:
        live = Live(database, workspace, await signing_key(conn))
    await adopt(live, workspace, now)
    return live


async def open_database(workspace: Workspace) -> Database | Unusable:
    """The database of a workspace, with the migrations that were missing."""
    url = workspace.database_url
    try:
        await migrate.upgrade(url)
        return await Database.open(url)
    except CannotOpen as error:
        return Unusable(reason=str(error))


async def adopt(live: Live, workspace: Workspace, now: datetime) -> tuple[str, ...]:
    """Put a workspace in force; the names of the sequences whose meaning has changed."""
    async with live.database.begin() as conn:
        await mailboxes.register(conn, workspace.config.mailboxes, now)
        before = await definitions.live(conn)
        changed = [s for s in workspace.sequences.values() if before.get(s.name) != s.version]
        for sequence in changed:
            await definitions.keep(conn, sequence.name, sequence.version, workspace.sources[sequence.name], now)
            await agenda.wake_sequence(conn, sequence.name, now)
        for name in workspace.config.mailboxes:
            await agenda.wake_held(conn, name, now)  # what was missing may be there now, and a limit may be gone
        live.replace_workspace(workspace)
    return tuple(sequence.name for sequence in changed)
