"""Opening a workspace for one command: the database brought up to date, the files loaded, nothing put in force.

The daemon puts a workspace in force (`adopt.open_live`); a command only looks and records what somebody decided.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from sequencer.operations.adopt import Unusable
from sequencer.operations.live import Live
from sequencer.store import migrate
from sequencer.store.database import CannotOpen, Database
from sequencer.store.secrets import signing_key
from sequencer.workspace.workspace import Workspace, load


@asynccontextmanager
async def opened(folder: Path, environ: Mapping[str, str]) -> AsyncIterator[Live | Unusable]:
    """The workspace in a folder with its database open, or what is wrong. Passwords need not be at hand."""
    loaded = load(folder, environ, secrets_required=False)
    if loaded.workspace is None:
        yield Unusable(loaded.problems)
        return
    database = await _database(loaded.workspace)
    if isinstance(database, Unusable):
        yield database
        return
    try:
        async with database.begin() as conn:
            key = await signing_key(conn)
        yield Live(database, loaded.workspace, key)
    finally:
        await database.close()


async def _database(workspace: Workspace) -> Database | Unusable:
    url = workspace.database_url
    try:
        await migrate.upgrade(url)
        return await Database.open(url)
    except CannotOpen as error:
        return Unusable(reason=str(error))
