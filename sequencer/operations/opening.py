"""Opening a workspace for one command: the database brought up to date, the files loaded, nothing put in force.

The daemon puts a workspace in force (`adopt.start`); a command only looks and records what somebody decided.
While a sequence or a template has a mistake, the daemon goes on with what it has, and so do the commands: nobody shall
have to wait with `stop` or `suppress` until somebody else has mended a file.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncConnection

from sequencer.operations.adopt import Unusable, open_database
from sequencer.operations.in_force import Chosen, choose, is_whole_release
from sequencer.operations.live import Live
from sequencer.store import definitions
from sequencer.store.secrets import signing_key
from sequencer.workspace.workspace import (
    Loaded,
    Workspace,
    database_url,
    load,
    load_sequence_text,
    load_what_is_right,
)


@asynccontextmanager
async def opened(folder: Path, environ: Mapping[str, str], *, saved: bool = False) -> AsyncIterator[Live | Unusable]:
    """The workspace in a folder with its database open, or what is wrong. Passwords need not be at hand.

    It is what the daemon works with: files with mistakes, or that wait for approval, count as they were last in force;
    `live.mistakes` and `live.waits` tell of it. With `saved` they count as they are saved, where they have no mistake:
    for whoever looks at what they have written.
    """
    loaded = load(folder, environ, secrets_required=False)
    if loaded.config is None:
        yield Unusable(loaded.problems)
        return
    database = await open_database(database_url(folder, loaded.config))
    if isinstance(database, Unusable):
        yield database
        return
    try:
        async with database.begin() as conn:
            key = await signing_key(conn)
            chosen = await _chosen(conn, folder, environ, loaded)
        if isinstance(chosen, Unusable):
            yield chosen
            return
        whole = chosen.release is None or loaded.workspace is None or is_whole_release(loaded.workspace, chosen.release)
        waits = loaded.config.apply == "manual" and not whole
        workspace = loaded.workspace if saved and loaded.workspace is not None else chosen.workspace
        yield Live(database, workspace, key, mistakes=chosen.mistakes, waits=waits)
    finally:
        await database.close()


async def _chosen(conn: AsyncConnection, folder: Path, environ: Mapping[str, str], loaded: Loaded) -> Chosen | Unusable:
    chosen = await choose(conn, folder, loaded)
    if chosen is not None:
        return chosen
    right = load_what_is_right(folder, environ)
    if right is None:
        return Unusable(loaded.problems)
    wrong = tuple(problem for problem in loaded.problems if problem.severity == "error")
    return Chosen(await _with_earlier(conn, *right), "mistakes", None, wrong)


async def _with_earlier(conn: AsyncConnection, workspace: Workspace, broken: Collection[str]) -> Workspace:
    """The workspace with these sequences as they were last in force, those that ever were."""
    sequences, sources = dict(workspace.sequences), dict(workspace.sources)
    for name, version in (await definitions.live(conn)).items():
        text = await definitions.text_of(conn, name, version) if name in broken else None
        sequence = load_sequence_text(name, text)[0] if text is not None else None
        if text is not None and sequence is not None:
            sequences[name], sources[name] = sequence, text
    return replace(workspace, sequences=sequences, sources=sources)
