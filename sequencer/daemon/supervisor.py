"""The daemon: one worker a mailbox, leases, live edits, and an orderly end.

What belongs to the plan runs on the clock that was passed in; what belongs to the machine (leases, files, other
processes that write into the database) runs in real time.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Final

from sequencer.daemon.clock import Clock, SystemClock
from sequencer.daemon.listening import mind_announcements, mind_database
from sequencer.daemon.messenger import mind_alerts
from sequencer.daemon.reloading import mind_files, mind_releases, tell_what_waits
from sequencer.daemon.service import Service
from sequencer.daemon.sharing import LEASE_SECONDS, PATIENCE, leave, mind_leases, work_once_for_all
from sequencer.daemon.state import Household, cancel
from sequencer.daemon.telling import Note, Told, veiled
from sequencer.daemon.veil import Veil
from sequencer.daemon.vitals import Beside, Vitals
from sequencer.operations.adopt import Unusable, never_used, start
from sequencer.operations.live import Live
from sequencer.store.claim import AlreadyClaimed, Claim, claim_file
from sequencer.store.database import CannotOpen, Database
from sequencer.workspace.workspace import database_url, load

POLL: Final = timedelta(minutes=2)
"""How often an inbox is read when nothing announces anything."""

FILE_LEASE_SECONDS: Final = 30.0
"""A lease on SQLite, where the lock on the file says that nobody else is there: it only tells that we are alive."""


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
    lease: float | None = None,
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
    if loaded.config is None or (loaded.workspace is None and never_used(folder, loaded)):
        return Unusable(loaded.problems)
    veil.learn(loaded.config)
    claim = _claim(database_url(folder, loaded.config))
    if isinstance(claim, Unusable):
        return claim
    try:
        started = await start(folder, loaded, clock.now())
        if isinstance(started, Unusable):
            return started
        live, chosen = started
        owner = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        vitals = Vitals(live, clock, owner, clock.now())
        told = _heard(vitals, tell, veil)
        lease = lease or (FILE_LEASE_SECONDS if live.database.dialect == "sqlite" else LEASE_SECONDS)
        try:
            keeper = await _keeper(live, lease)
        except CannotOpen as error:
            await live.database.close()
            return Unusable(reason=str(error))
        stop = stop or asyncio.Event()
        daemon = Household(live, folder, environ, clock, told, stop, poll, vitals, lease, keeper, veil)
        tell_what_waits(daemon, chosen, loaded.workspace)
        try:
            if not once:
                return await _run_with(daemon, beside)
            await work_once_for_all(daemon)
            return None
        finally:
            await keeper.close()
            await live.database.close()
    finally:
        claim.release()


def _heard(vitals: Vitals, tell: Callable[[Told], None], veil: Veil) -> Callable[[Told], None]:
    """Counts what is told, and tells it without secrets."""

    def told(what: Told) -> None:
        vitals.hear(what)
        tell(veiled(what, veil))

    return told


async def _keeper(live: Live, lease: float) -> Database:
    """A connection for the leases alone: they must not wait until a worker lets one go."""
    if live.database.dialect == "sqlite":
        return live.database
    return await Database.open(live.workspace.database_url, keeper=lease * PATIENCE)


def _claim(url: str) -> Claim | Unusable:
    try:
        claim = claim_file(url)
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


async def _run_with(daemon: Household, beside: Beside) -> Unusable | None:
    async with beside(daemon.vitals) as refusal:
        if refusal:
            return Unusable(reason=refusal)
        await _run(daemon)
    return None


async def _run(daemon: Household) -> None:
    names = ", ".join(daemon.live.workspace.config.mailboxes)
    daemon.tell(Note("info", "", f"running with {_count(daemon)}; mailboxes: {names}", "started"))
    service = Service.of(daemon.environ)
    minders = [
        asyncio.create_task(mind_leases(daemon)),
        asyncio.create_task(mind_database(daemon)),
        asyncio.create_task(mind_announcements(daemon)),
        asyncio.create_task(mind_files(daemon)),
        asyncio.create_task(mind_releases(daemon)),
        asyncio.create_task(mind_alerts(daemon)),
        asyncio.create_task(service.report(daemon.vitals, daemon.stop)),
    ]
    try:
        await daemon.stop.wait()
    finally:
        daemon.stop.set()
        service.stopping()
        await cancel(minders)
        await leave(daemon)
        daemon.tell(Note("info", "", "stopped", "stopped"))


def _count(daemon: Household) -> str:
    number = len(daemon.live.workspace.sequences)
    return f"{number} sequence{'' if number == 1 else 's'}"
