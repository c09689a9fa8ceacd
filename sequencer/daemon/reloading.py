"""Live edits: a saved change that checks clean is put in force; otherwise the last good version stays.

With `apply: manual` it waits until somebody has approved it. What was approved is in the store: the files may have been
changed again since, or be those of another machine.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Final

from watchfiles import awatch

from sequencer.daemon.clock import pulse
from sequencer.daemon.state import Household
from sequencer.daemon.telling import Level, Note
from sequencer.daemon.vitals import MINDING, Heart
from sequencer.operations.adopt import adopt
from sequencer.operations.in_force import Chosen, is_whole_release, workspace_of
from sequencer.operations.record import is_outage
from sequencer.store import releases
from sequencer.workspace.release import contents_of, hash_of, settings_hash
from sequencer.workspace.source import Problem
from sequencer.workspace.workspace import Loaded, Workspace, load

POLL_FILES: Final = 3.0
"""Seconds between two looks at the files where the system cannot tell of changes."""

STILL_THERE: Final = 30.0
"""Seconds after which whoever waits for a release says that it still does."""


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
    first = True
    async for changes in seen:
        heart.beat(MINDING)
        if changes or first:  # what was saved before the watch began, it has not seen
            await _reload_or_tell(daemon, again=not changes)
        first = False


def _is_workspace_file(_change: object, path: str) -> bool:
    return Path(path).suffix in (".yaml", ".yml", ".md")


def _meaning(workspace: Workspace) -> tuple[object, ...]:
    return workspace.config, workspace.sources, workspace.templates, workspace.phrases


async def mind_releases(daemon: Household) -> None:
    """With `apply: manual`, put in force what somebody has approved since, be it from another machine."""
    heart = daemon.vitals.minders["the releases"] = Heart(MINDING)
    while not daemon.stop.is_set():
        asked = await pulse(daemon.released, STILL_THERE)
        heart.beat(MINDING)
        if not asked or daemon.stop.is_set():
            continue
        daemon.released.clear()
        await _reload_or_tell(daemon, again=True)


def tell_what_waits(daemon: Household, chosen: Chosen, saved: Workspace | None) -> None:
    """At the start: that the saved files are not what is in force, and why."""
    if chosen.waits == "mistakes":
        daemon.refused = True
        why = "the files have mistakes; it starts with what was last in force:"
        daemon.tell(Note("warning", "", why, "reload_refused"))
        _tell_mistakes(daemon, chosen.mistakes)
    elif chosen.waits == "approval":
        _tell_waiting(daemon, saved)


async def _reload_or_tell(daemon: Household, *, again: bool = False) -> None:
    told, daemon.unfinished = daemon.unfinished, False
    try:
        async with daemon.reloading:
            await _reload(daemon, again=again)
    except Exception as error:
        daemon.unfinished = is_outage(error)
        why = f"the change could not be applied: {type(error).__name__}: {error}"
        level: Level = "debug" if told and daemon.unfinished else "error"  # it is tried every moment
        daemon.tell(Note(level, "", why, "reload_failed"))


async def _reload(daemon: Household, *, again: bool) -> None:
    """Look at the files; `again`: nobody says that they have changed, so mistakes that were told are not told twice."""
    loaded = await asyncio.to_thread(load, daemon.folder, daemon.environ)
    before, daemon.refused = daemon.refused, loaded.workspace is None
    if loaded.workspace is None and not (again and before):
        why = "the change is not applied, the last good version stays in force:"
        daemon.tell(Note("warning", "", why, "reload_refused"))
        _tell_mistakes(daemon, loaded.problems)
    config = loaded.config or daemon.live.workspace.config
    if config.database != daemon.live.workspace.config.database:
        why = "the database is another one now: restart the sequencer to use it"
        daemon.tell(Note("warning", "", why, "restart_needed"))
    elif config.apply == "manual":
        await _follow_release(daemon, loaded)
    elif loaded.workspace is not None:
        await _put_in_force(daemon, loaded.workspace, right_again=before)


def _tell_mistakes(daemon: Household, problems: Iterable[Problem]) -> None:
    for problem in problems:
        if problem.severity == "error":
            place = f"{problem.file}:{problem.line}:{problem.column}"
            daemon.tell(Note("warning", "", f"{place}: {problem.message} ({problem.hint})", "mistake"))


async def _follow_release(daemon: Household, loaded: Loaded) -> None:
    """With `apply: manual`, the last release is in force, whatever has been saved since; of config.yaml, what was
    approved with it."""
    running = daemon.live.workspace
    async with daemon.live.database.read() as conn:
        release = await releases.latest(conn)
        if release is None:
            return
        config = replace(running.config, apply="manual")  # it may have been switched on since the start
        approved = await workspace_of(conn, release, daemon.folder, config, running.settings)
    if isinstance(approved, str):
        why = f"{approved}, as it was approved, cannot be read by this version of the program"
        daemon.tell(Note("error", "", why, "reload_failed"))
        return
    news, saved = release.id != daemon.live.release, loaded.workspace
    if saved is not None and is_whole_release(saved, release):
        daemon.waiting = ""
        await _put_in_force(daemon, saved, even_so=news)
        return
    if news:
        await _put_in_force(daemon, approved, even_so=True)
        daemon.live.release = release.id
        if settings_hash(loaded.settings) != release.config:
            why = "config.yaml is another one than was approved; the one that is running stays"
            daemon.tell(Note("warning", "", why, "restart_needed"))
    if saved is not None:
        _tell_waiting(daemon, saved)


def _tell_waiting(daemon: Household, saved: Workspace | None) -> None:
    """Once for each state of the files."""
    state = f"{hash_of(contents_of(saved))} {settings_hash(saved.settings)}" if saved is not None else ""
    if state and state != daemon.waiting:
        why = "the saved files wait: `sequencer plan` shows what they change, `sequencer apply` puts them in force"
        daemon.tell(Note("info", "", why, "waiting"))
    daemon.waiting = state


async def _put_in_force(daemon: Household, new: Workspace, *, right_again: bool = False, even_so: bool = False) -> None:
    """Adopt a workspace, unless it means what is in force already; `even_so`, whatever it means."""
    old = daemon.live.workspace
    if not even_so and _meaning(new) == _meaning(old):
        if right_again:
            daemon.tell(Note("info", "", "the files are right again, and mean what is in force", "reload_unneeded"))
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
