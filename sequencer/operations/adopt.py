"""Putting a checked workspace in force: every version is kept, everybody it concerns is looked at again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sequencer.operations.live import Live
from sequencer.store import agenda, definitions, mailboxes, migrate
from sequencer.store.database import CannotOpen, Database
from sequencer.store.secrets import signing_key
from sequencer.workspace.source import Problem
from sequencer.workspace.workspace import Workspace, load


@dataclass(frozen=True, slots=True)
class Unusable:
    """The workspace or its database cannot be used: what is wrong, for people."""

    problems: tuple[Problem, ...] = ()
    reason: str = ""


async def open_live(folder: Path, environ: Mapping[str, str], now: datetime) -> Live | Unusable:
    """Load the workspace, bring its database up to date, and put the workspace in force."""
    loaded = load(folder, environ)
    if loaded.workspace is None:
        return Unusable(loaded.problems)
    try:
        url = loaded.workspace.database_url
        await migrate.upgrade(url)
        database = await Database.open(url)
    except CannotOpen as error:
        return Unusable(reason=str(error))
    async with database.begin() as conn:
        live = Live(database, loaded.workspace, await signing_key(conn))
    await adopt(live, loaded.workspace, now)
    return live


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
