"""Live edits: a saved change that checks clean is put in force; otherwise the last good version stays."""

from __future__ import annotations

import asyncio
from pathlib import Path

from watchfiles import awatch

from sequencer.daemon.state import Household
from sequencer.daemon.telling import Note
from sequencer.daemon.vitals import MINDING, Heart
from sequencer.operations.adopt import adopt
from sequencer.workspace.workspace import Workspace, load


async def mind_files(daemon: Household) -> None:
    """Put a saved change in force when it checks clean; otherwise the last good version stays."""
    heart = daemon.vitals.minders["the files"] = Heart(MINDING)
    seen = awatch(daemon.folder, stop_event=daemon.stop, watch_filter=_is_workspace_file, yield_on_timeout=True)
    async for changes in seen:
        heart.beat(MINDING)
        if not changes:
            continue
        try:
            await _reload(daemon)
        except Exception as error:
            daemon.tell(Note("error", "", f"the change could not be applied: {type(error).__name__}: {error}"))


def _is_workspace_file(_change: object, path: str) -> bool:
    return Path(path).suffix in (".yaml", ".yml", ".md")


def _meaning(workspace: Workspace) -> tuple[object, ...]:
    return workspace.config, workspace.sources, workspace.templates, workspace.phrases


async def _reload(daemon: Household) -> None:
    loaded = await asyncio.to_thread(load, daemon.folder, daemon.environ)
    before, daemon.refused = daemon.refused, loaded.workspace is None
    if loaded.workspace is None:
        daemon.tell(Note("warning", "", "the change is not applied, the last good version stays in force:"))
        for problem in loaded.problems:
            if problem.severity == "error":
                place = f"{problem.file}:{problem.line}:{problem.column}"
                daemon.tell(Note("warning", "", f"{place}: {problem.message} ({problem.hint})"))
        return
    old, new = daemon.live.workspace, loaded.workspace
    if new.config.database != old.config.database:
        daemon.tell(Note("warning", "", "the database is another one now: restart the sequencer to use it"))
        return
    if _meaning(new) == _meaning(old):
        if before:
            daemon.tell(Note("info", "", "the files are right again, and mean what is in force"))
        return
    if new.config.apply == "manual":
        daemon.tell(Note("info", "", "the files have changed; `apply: manual`: restart the sequencer to apply them"))
        return
    daemon.veil.learn(new.config)
    changed = await adopt(daemon.live, new, daemon.clock.now())
    what = f"changed: {', '.join(changed)}" if changed else "no sequence changed its meaning"
    daemon.tell(Note("info", "", f"the saved change is in force; {what}"))
    for name in sorted(old.sequences.keys() - new.sequences.keys()):
        daemon.tell(Note("warning", "", f"sequences/{name}.yaml is gone: whoever is in it is held until it is back"))
    for station in daemon.stations.values():
        station.wake.set()
    daemon.round.set()  # there may be other mailboxes now
