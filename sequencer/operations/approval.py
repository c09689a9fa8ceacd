"""The two versions that an edit has, the one in force and the one saved; and putting the saved one in force by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sequencer.operations.adopt import Unusable, open_database
from sequencer.operations.in_force import as_it_was, is_whole_release, make_release
from sequencer.operations.live import Live
from sequencer.operations.record import Refusal
from sequencer.store import mailboxes, releases
from sequencer.store.announcements import announce_release
from sequencer.store.releases import Release
from sequencer.store.secrets import signing_key
from sequencer.workspace.release import contents_of, settings_hash
from sequencer.workspace.workspace import Loaded, Workspace, database_url, load

BY_HAND = "sequencer apply"


@dataclass(frozen=True, slots=True)
class Versions:
    """What is in force, and the files that may be put in its place. `release` is None before anything was in force:
    then both are the files. `running`: a daemon works with this database. `apart`: the files are not those of the
    workspace itself."""

    live: Live
    after: Workspace
    release: Release | None
    running: bool
    apart: bool = False

    @property
    def same(self) -> bool:
        """Whether the files are in force already, or approved."""
        return self.release is not None and is_whole_release(self.after, self.release)

    @property
    def manual(self) -> bool:
        """Whether saved files wait until somebody approves them."""
        return self.after.config.apply == "manual"


@asynccontextmanager
async def both_versions(
    folder: Path, environ: Mapping[str, str], files: Path | None = None
) -> AsyncIterator[Versions | Unusable]:
    """Both versions, with the database open; or what is wrong. `files`: another folder with the edited files."""
    loaded = load(folder, environ, secrets_required=False)
    edited = loaded if files is None else load(files, environ, secrets_required=False)
    if edited.workspace is None or loaded.config is None:
        yield Unusable(edited.problems if edited.workspace is None else loaded.problems)
        return
    database = await open_database(database_url(folder, loaded.config))
    if isinstance(database, Unusable):
        yield database
        return
    try:
        async with database.begin() as conn:
            key = await signing_key(conn)
            release = await releases.latest(conn)
            running = bool(await mailboxes.owners(conn))
            before: Workspace | str = loaded.workspace or edited.workspace
            if release is not None:
                before = await as_it_was(conn, release, folder, loaded.config, loaded.settings)
        if isinstance(before, str):
            yield Unusable(reason=f"{before}, as it is in force, cannot be read by this version of the program")
            return
        live = Live(database, before, key)
        yield Versions(live, edited.workspace, release, running, files is not None)
    finally:
        await database.close()


async def approve(versions: Versions, environ: Mapping[str, str], now: datetime) -> int | Refusal:
    """Make the saved files those that count; the number of the release. Refused when the files are no longer those
    that were looked at, or somebody else was first."""
    shown = versions.after
    again = load(shown.folder, environ, secrets_required=False)
    if not _same(again, shown):
        return Refusal("the files have changed while you were reading; nothing was put in force: look at them again")
    async with versions.live.database.begin() as conn:
        seen = versions.release.id if versions.release is not None else 0
        if await releases.lock_latest(conn) != seen:
            return Refusal("somebody else has put files in force meanwhile; look at them again")
        number = await make_release(conn, shown, now, by=BY_HAND)
        await announce_release(conn)
    return number


def _same(loaded: Loaded, shown: Workspace) -> bool:
    return (
        loaded.workspace is not None
        and contents_of(loaded.workspace) == contents_of(shown)
        and settings_hash(loaded.settings) == settings_hash(shown.settings)
    )


async def adopted_at(live: Live, release: int) -> datetime | None:
    """When a daemon first worked with a release; None while none has."""
    async with live.database.read() as conn:
        return await releases.adopted_at(conn, release)
