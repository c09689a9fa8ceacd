"""The daemon: one worker a mailbox, leases, live edits, and an orderly end.

What belongs to the plan runs on the clock that was passed in; what belongs to the machine (leases, files, other
processes that write into the database) runs in real time.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import traceback
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final

from watchfiles import awatch

from sequencer.daemon.clock import Clock, SystemClock, pulse
from sequencer.daemon.mailbox_worker import Station, lose, work, work_once
from sequencer.daemon.service import Service
from sequencer.daemon.telling import Note, Told, veiled
from sequencer.daemon.veil import Veil
from sequencer.daemon.vitals import MINDING, Beside, Heart, Vitals
from sequencer.daemon.watcher import watch_inbox
from sequencer.operations.adopt import Unusable, adopt, put_in_force
from sequencer.operations.live import Live
from sequencer.store import agenda, mailboxes
from sequencer.store.claim import AlreadyClaimed, Claim, claim_file
from sequencer.store.database import CannotOpen
from sequencer.workspace.workspace import Workspace, load

LEASE_SECONDS: Final = 30.0
RENEWALS: Final = 4
"""How often a lease is renewed in its time: two that fail in a row cost nothing."""

LOOK_EVERY: Final = 3.0
"""Seconds of real time between two looks for changes that another process made in the database."""

STOP_WITHIN: Final = 10.0
"""Seconds in which the message in hand is finished; what is not done by then is cut off, and in doubt."""

POLL: Final = timedelta(minutes=2)
"""How often an inbox is read when nothing announces anything."""

CRASHED_AGAIN: Final = 30.0
"""Seconds until a worker that failed is started anew."""


@dataclass(slots=True)
class _Daemon:
    live: Live
    folder: Path
    environ: Mapping[str, str]
    clock: Clock
    tell: Callable[[Told], None]
    stop: asyncio.Event
    poll: timedelta
    vitals: Vitals
    lease: float
    veil: Veil
    stations: dict[str, Station] = field(default_factory=dict)
    workers: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    refused: bool = False  # the files as they are saved have mistakes

    @property
    def owner(self) -> str:
        return self.vitals.owner

    @property
    def on_sqlite(self) -> bool:
        return self.live.database.dialect == "sqlite"


def _nothing(_: Vitals) -> AbstractAsyncContextManager[str]:
    return nullcontext("")


async def run(
    folder: Path,
    environ: Mapping[str, str],
    clock: Clock | None = None,
    tell: Callable[[Told], None] = lambda told: None,
    stop: asyncio.Event | None = None,
    *,
    once: bool = False,
    poll: timedelta = POLL,
    lease: float = LEASE_SECONDS,
    beside: Beside = _nothing,
    veil: Veil | None = None,
) -> Unusable | None:
    """Run the daemon until `stop` is set, with `beside`; or, with `once`, until all that is due is done.

    `lease`: seconds of real time after which another daemon takes the mailboxes of one that is no longer heard of.
    `veil` learns the secrets of the workspace, for whoever tells something beside the daemon.
    Returns why it could not start, or None after an orderly end.
    """
    clock, veil = clock or SystemClock(), veil or Veil()
    loaded = load(folder, environ)
    if loaded.workspace is None:
        return Unusable(loaded.problems)
    veil.learn(loaded.workspace.config)
    claim = _claim(loaded.workspace)
    if isinstance(claim, Unusable):
        return claim
    try:
        live = await put_in_force(loaded.workspace, clock.now())
        if isinstance(live, Unusable):
            return live
        owner = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        vitals = Vitals(live, clock, owner, clock.now())
        told = _heard(vitals, tell, veil)
        daemon = _Daemon(live, folder, environ, clock, told, stop or asyncio.Event(), poll, vitals, lease, veil)
        try:
            if not once:
                return await _run_with(daemon, beside)
            await _run_once(daemon)
            return None
        finally:
            await live.database.close()
    finally:
        claim.release()


def _heard(vitals: Vitals, tell: Callable[[Told], None], veil: Veil) -> Callable[[Told], None]:
    """Counts what is told, and tells it without secrets."""

    def told(what: Told) -> None:
        vitals.hear(what)
        tell(veiled(what, veil))

    return told


def _claim(workspace: Workspace) -> Claim | Unusable:
    try:
        claim = claim_file(workspace.database_url)
    except CannotOpen as error:
        return Unusable(reason=str(error))
    if isinstance(claim, AlreadyClaimed):
        other = f" (process {claim.pid})" if claim.pid else ""
        return Unusable(
            reason=f"another sequencer{other} is running on this database; stop it first, or use PostgreSQL, "
            "where many may share the work"
        )
    return claim


# Running -----------------------------------------------------------------------------------------------


async def _run_with(daemon: _Daemon, beside: Beside) -> Unusable | None:
    async with beside(daemon.vitals) as refusal:
        if refusal:
            return Unusable(reason=refusal)
        await _run(daemon)
    return None


async def _run(daemon: _Daemon) -> None:
    names = ", ".join(daemon.live.workspace.config.mailboxes)
    daemon.tell(Note("info", "", f"running with {_count(daemon)}; mailboxes: {names}", "started"))
    service = Service.of(daemon.environ)
    minders = [
        asyncio.create_task(_mind_leases(daemon)),
        asyncio.create_task(_mind_database(daemon)),
        asyncio.create_task(_mind_files(daemon)),
        asyncio.create_task(service.report(daemon.vitals, daemon.stop)),
    ]
    try:
        await daemon.stop.wait()
    finally:
        daemon.stop.set()
        service.stopping()
        await _cancel(minders)
        await _stop_workers(daemon)
        daemon.tell(Note("info", "", "stopped", "stopped"))


async def _run_once(daemon: _Daemon) -> None:
    async def one(name: str) -> None:
        station = await _take(daemon, name)
        if station is None:
            daemon.tell(Note("warning", name, "another sequencer works for this mailbox", "not_owned"))
            return
        daemon.stations[name] = station
        await work_once(station)

    renewing = asyncio.create_task(_renew_forever(daemon))
    try:
        # Mailboxes do not wait for each other; one that fails does not stop the others.
        results = await asyncio.gather(
            *(one(name) for name in daemon.live.workspace.config.mailboxes), return_exceptions=True
        )
        for name, result in zip(daemon.live.workspace.config.mailboxes, results, strict=True):
            if isinstance(result, Exception):
                daemon.tell(Note("error", name, f"failed: {type(result).__name__}: {result}", "worker_failed"))
    finally:
        await _cancel([renewing])
        await _release(daemon)


def _count(daemon: _Daemon) -> str:
    number = len(daemon.live.workspace.sequences)
    return f"{number} sequence{'' if number == 1 else 's'}"


async def _stop_workers(daemon: _Daemon) -> None:
    for station in daemon.stations.values():
        station.wake.set()
    tasks = list(daemon.workers.values())
    if tasks:
        _, pending = await asyncio.wait(tasks, timeout=STOP_WITHIN)
        await _cancel(list(pending))
    await _release(daemon)


async def _cancel(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


# Workers and leases ------------------------------------------------------------------------------------


async def _take(daemon: _Daemon, name: str) -> Station | None:
    """Become the owner of a mailbox. On SQLite the file's lock says that nobody else can be alive."""
    async with daemon.live.database.begin() as conn:
        number = await mailboxes.take(conn, name, daemon.owner, daemon.lease, evict=daemon.on_sqlite)
    if number is None:
        return None
    return Station(daemon.live, name, number, daemon.clock, daemon.tell, daemon.stop, daemon.poll)


async def _mind_leases(daemon: _Daemon) -> None:
    """Keep the leases, take those that are free, start and restart workers."""
    heart = daemon.vitals.minders["the leases"] = Heart(MINDING)
    while not daemon.stop.is_set():
        all_well = True
        for name in list(daemon.live.workspace.config.mailboxes):
            heart.beat(MINDING)
            try:
                await _mind_mailbox(daemon, name)
            except Exception as error:  # a database that is away for a moment must not end the daemon
                all_well = False
                why = getattr(error, "orig", None) or type(error).__name__
                daemon.tell(Note("error", name, f"the lease could not be kept, trying again: {why}"))
        if all_well:
            daemon.vitals.standing.set()
        await pulse(daemon.stop, daemon.lease / RENEWALS)


async def _mind_mailbox(daemon: _Daemon, name: str) -> None:
    task, station = daemon.workers.get(name), daemon.stations.get(name)
    if task is not None and not task.done() and station is not None:
        await _renew(daemon, station)
        return
    station = await _take(daemon, name)
    if station is not None:
        daemon.stations[name] = station
        daemon.vitals.workers[name] = station.heart
        daemon.workers[name] = asyncio.create_task(_guarded(daemon, station))


async def _renew(daemon: _Daemon, station: Station) -> None:
    async with daemon.live.database.begin() as conn:
        kept = await mailboxes.renew(conn, station.name, station.lease, daemon.lease)
    if not kept:
        lose(station)


async def _renew_forever(daemon: _Daemon) -> None:
    while True:
        await pulse(daemon.stop, daemon.lease / RENEWALS)
        for station in list(daemon.stations.values()):
            with suppress(Exception):
                await _renew(daemon, station)


async def _guarded(daemon: _Daemon, station: Station) -> None:
    """A worker and its watcher. A failure is told, and the worker is started anew after a while."""
    watching = asyncio.create_task(watch_inbox(station))
    try:
        await work(station)
        daemon.vitals.worker_ended(station.name)
    except Exception as error:  # whatever it is, the other mailboxes go on
        daemon.vitals.worker_failed(station.name)
        why = f"failed and will be tried again: {type(error).__name__}: {error}"
        daemon.tell(Note("error", station.name, why, "worker_failed"))
        daemon.tell(Note("debug", station.name, "".join(traceback.format_exception(error)), "traceback"))
        await pulse(daemon.stop, CRASHED_AGAIN)
    finally:
        await _cancel([watching])


async def _release(daemon: _Daemon) -> None:
    """Give the mailboxes back, so that another daemon need not wait for the leases to run out."""
    for station in daemon.stations.values():
        with suppress(Exception):
            async with daemon.live.database.begin() as conn:
                await mailboxes.release(conn, station.name, station.lease)


# Changes from outside ----------------------------------------------------------------------------------


async def _mind_database(daemon: _Daemon) -> None:
    """Wake a worker when another process (a command, an import) has made something due earlier than planned."""
    heart = daemon.vitals.minders["the database"] = Heart(MINDING)
    while not await pulse(daemon.stop, LOOK_EVERY):
        heart.beat(MINDING)
        with suppress(Exception):
            async with daemon.live.database.read() as conn:
                for name, station in daemon.stations.items():
                    wake_at = await agenda.next_wake(conn, name)
                    if wake_at is not None and station.planned is not None and wake_at < station.planned:
                        station.wake.set()


async def _mind_files(daemon: _Daemon) -> None:
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


async def _reload(daemon: _Daemon) -> None:
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
    changed = await adopt(daemon.live, new, daemon.clock.now())
    what = f"changed: {', '.join(changed)}" if changed else "no sequence changed its meaning"
    daemon.tell(Note("info", "", f"the saved change is in force; {what}"))
    for name in sorted(old.sequences.keys() - new.sequences.keys()):
        daemon.tell(Note("warning", "", f"sequences/{name}.yaml is gone: whoever is in it is held until it is back"))
    for station in daemon.stations.values():
        station.wake.set()
