"""Live edits: a saved change that checks clean is put in force; otherwise the last good version stays."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

from watchfiles import awatch

from sequencer.daemon.clock import pulse
from sequencer.daemon.state import Household
from sequencer.daemon.telling import Note
from sequencer.daemon.vitals import MINDING, Heart
from sequencer.operations.adopt import adopt
from sequencer.workspace.workspace import Workspace, load

POLL_FILES: Final = 3.0
"""Seconds between two looks at the files where the system cannot tell of changes."""


async def mind_files(daemon: Household) -> None:
    """Put a saved change in force when it checks clean; otherwise the last good version stays."""
    heart = daemon.vitals.minders["the files"] = Heart(MINDING)
    polling = False
    while not daemon.stop.is_set():
        try:
            await _watch(daemon, heart, polling)
        except Exception as error:  # the machine's limit of watched files, for example
            if not polling:
                why = f"the files cannot be watched, and are looked at every {POLL_FILES:g} s: {error}"
                daemon.tell(Note("warning", "", why, "watch_failed"))
            polling = True
            await pulse(daemon.stop, POLL_FILES)
            heart.beat(MINDING)


async def _watch(daemon: Household, heart: Heart, polling: bool) -> None:
    seen = awatch(
        daemon.folder,
        stop_event=daemon.stop,
        watch_filter=_is_workspace_file,
        yield_on_timeout=True,
        force_polling=polling,
        poll_delay_ms=int(POLL_FILES * 1000),
        ignore_permission_denied=True,  # what we may not read is none of our files
    )
    async for changes in seen:
        heart.beat(MINDING)
        if not changes:
            continue
        try:
            await _reload(daemon)
        except Exception as error:
            why = f"the change could not be applied: {type(error).__name__}: {error}"
            daemon.tell(Note("error", "", why, "reload_failed"))


def _is_workspace_file(_change: object, path: str) -> bool:
    return Path(path).suffix in (".yaml", ".yml", ".md")


def _meaning(workspace: Workspace) -> tuple[object, ...]:
    return workspace.config, workspace.sources, workspace.templates, workspace.phrases


async def _reload(daemon: Household) -> None:
    loaded = await asyncio.to_thread(load, daemon.folder, daemon.environ)
    before, daemon.refused = daemon.refused, loaded.workspace is None
    if loaded.workspace is None:
        why = "the change is not applied, the last good version stays in force:"
        daemon.tell(Note("warning", "", why, "reload_refused"))
        for problem in loaded.problems:
            if problem.severity == "error":
                place = f"{problem.file}:{problem.line}:{problem.column}"
                daemon.tell(Note("warning", "", f"{place}: {problem.message} ({problem.hint})", "mistake"))
        return
    old, new = daemon.live.workspace, loaded.workspace
    if new.config.database != old.config.database:
        why = "the database is another one now: restart the sequencer to use it"
        daemon.tell(Note("warning", "", why, "restart_needed"))
        return
    if _meaning(new) == _meaning(old):
        if before:
            daemon.tell(Note("info", "", "the files are right again, and mean what is in force", "reload_unneeded"))
        return
    if new.config.apply == "manual":
        why = "the files have changed; `apply: manual`: restart the sequencer to apply them"
        daemon.tell(Note("info", "", why, "restart_needed"))
        return
    daemon.veil.learn(new.config)
    changed = await adopt(daemon.live, new, daemon.clock.now())
    what = f"changed: {', '.join(changed)}" if changed else "no sequence changed its meaning"
    daemon.tell(Note("info", "", f"the saved change is in force; {what}", "reloaded"))
    if new.config.web != old.config.web:
        daemon.tell(Note("warning", "", "`web` is another one now: restart the sequencer to use it", "restart_needed"))
    for name in sorted(old.sequences.keys() - new.sequences.keys()):
        why = f"sequences/{name}.yaml is gone: whoever is in it is held until it is back"
        daemon.tell(Note("warning", "", why, "sequence_gone"))
    for station in daemon.stations.values():
        station.wake.set()
    daemon.round.set()  # there may be other mailboxes now
