"""Who works for which mailbox: leases, an even spread over the daemons, and the workers' beginning and end.

One round, every fifth of a lease and whenever something changes: say that we are alive, renew what we have, take what
is free and ours to take, hand back what is too much. All of it in one transaction, by the database's clock. A daemon
that is no longer heard of loses its leases after `LEASE_SECONDS`, and the others find them free at their next round.

Nobody sends by a lease that may have run out. Beside the number that every attempt is committed under, a worker begins
nothing once four fifths of the lease have passed, by this machine's own clock, since the last renewal was begun.
"""

from __future__ import annotations

import asyncio
import math
import traceback
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from sequencer.daemon.clock import boot_ticks, pulse
from sequencer.daemon.listening import look_after_others
from sequencer.daemon.mailbox_worker import work, work_once
from sequencer.daemon.messenger import deliver
from sequencer.daemon.shares import Part, parts_of, surplus
from sequencer.daemon.state import Household, cancel
from sequencer.daemon.station import Station, lose
from sequencer.daemon.telling import Level, Note
from sequencer.daemon.vitals import MINDING, Heart
from sequencer.daemon.watcher import watch_inbox
from sequencer.operations.record import is_outage
from sequencer.store import announcements, daemons, mailboxes

LEASE_SECONDS: Final = 15.0
"""A dead daemon is replaced after this, plus at most one round of another one (3 s), plus that round's own length."""

RENEWALS: Final = 5
"""How often a lease is renewed in its time."""

CERTAIN: Final = 0.8
"""The part of a lease during which messages may be begun under it."""

PATIENCE: Final = 0.2
"""The part of a lease in which the database has to answer; else it is asked anew, on another connection."""

STOP_WITHIN: Final = 10.0
"""Seconds in which the message in hand is finished; what is not done by then is cut off, and in doubt."""

LET_GO_WITHIN: Final = 60.0
"""Seconds after which the worker of a mailbox that was lost is cut off, whatever it waits for."""

STARTS_A_SECOND: Final = 25.0
"""Workers that begin in one second: each logs in several times, which costs the machine its breath."""

CRASHED_AGAIN: Final = 30.0
"""Seconds until a worker that failed is started anew."""

OUTAGE_AGAIN: Final = 5.0
"""The same when it was the database that was away."""

GATHER: Final = 0.1
"""Seconds in which things that happen one after the other are gathered for one round."""

MOST_AT_ONCE: Final = 500
"""Mailboxes taken in one round."""


@dataclass(slots=True)
class _Memory:
    """From round to round. `reached_at` is when the last round that succeeded began; until `patient_until` nothing is
    taken or handed back, since after an outage the others must have time to say that they are alive."""

    reached_at: float = field(default_factory=boot_ticks)
    patient_until: float = 0.0
    rosters: dict[str, frozenset[str]] = field(default_factory=dict)
    shared_by: tuple[tuple[str, str], ...] = ()
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True)
class _Kept:
    """What came of a renewal: renewed; or still ours, but somebody was just committing under it. The rest is lost."""

    renewed: set[str]
    busy: set[str]


async def mind_leases(daemon: Household) -> None:
    """Keep the leases, take and hand back mailboxes, start and restart workers."""
    heart = daemon.vitals.minders["the leases"] = Heart(MINDING)
    memory = _Memory()
    late = False
    while not daemon.stop.is_set():
        heart.beat(MINDING)
        daemon.round.clear()
        try:
            await _round(daemon, memory)
        except Exception as error:  # a database that is away for a moment must not end the daemon
            why = getattr(error, "orig", None) or type(error).__name__
            level: Level = "debug" if late else "error"  # once is enough
            daemon.tell(Note(level, "", f"the leases could not be kept, trying again: {why}", "leases_late"))
            late = True
        else:
            daemon.vitals.standing.set()
            if late:
                daemon.tell(Note("info", "", "the leases are kept again", "leases_kept"))
            late = False
        if await pulse(daemon.round, daemon.lease / RENEWALS):
            await pulse(daemon.stop, GATHER)


async def _round(daemon: Household, memory: _Memory) -> None:
    """One round. Raises what the database raises; then nothing has changed, but for the leases running out."""
    began = boot_ticks()
    if began - memory.reached_at > daemon.lease * CERTAIN:
        memory.patient_until = began + 2 * daemon.lease / RENEWALS
    patient = began < memory.patient_until
    ended = _ended(daemon)
    leases = {name: station.lease for name, station in daemon.stations.items() if not station.lost}
    async with daemon.keeper.begin() as conn:
        kept = await _renew(conn, daemon, leases)
        await mailboxes.release_many(conn, ended, daemon.me.name)
        parts = await _parts(conn, daemon, memory)
        taken = {} if patient else await _take(conn, daemon, parts)
        if ended.keys() - taken.keys():
            await announcements.announce_share(conn)
    memory.reached_at = began
    for name in daemon.vitals.workers.keys() - daemon.stations.keys() - taken.keys():  # also of a round that failed
        daemon.vitals.worker_ended(name)
    until = _certain(daemon, began)
    _note_kept(daemon, kept, until)
    for place, (name, number) in enumerate(sorted(taken.items())):
        _start(daemon, name, number, until, place / STARTS_A_SECOND)
    if not patient:
        _hand_back(daemon, parts)


def _certain(daemon: Household, began: float) -> float:
    """Until when messages may be begun under a lease whose renewal was begun then."""
    return began + daemon.lease * CERTAIN if daemon.shares else math.inf


async def _renew(conn: AsyncConnection, daemon: Household, leases: Mapping[str, int]) -> _Kept:
    renewed = await mailboxes.renew_many(conn, leases, daemon.me.name, daemon.lease)
    others = {name: number for name, number in leases.items() if name not in renewed}
    return _Kept(renewed, await mailboxes.held(conn, others, daemon.me.name))


def _note_kept(daemon: Household, kept: _Kept, until: float) -> None:
    for name, station in daemon.stations.items():
        if name in kept.renewed:
            station.certain_until = until
        elif name not in kept.busy:
            lose(station)


# What is ours ------------------------------------------------------------------------------------------


async def _parts(conn: AsyncConnection, daemon: Household, memory: _Memory) -> tuple[Part, ...]:
    """What this daemon is to serve, as far as it knows of the others."""
    mine = frozenset(daemon.live.workspace.config.mailboxes)
    if not daemon.shares:
        return (Part(mine, len(mine)),)
    if await daemons.beat(conn, daemon.me, mine, daemon.lease):
        await announcements.announce_share(conn)
    known = await daemons.known(conn)
    if any(not one.alive for one in known):
        await daemons.bury(conn)
        known = [one for one in known if one.alive]
    shared_by = tuple((one.name, one.roster) for one in known)
    if shared_by != memory.shared_by:
        memory.rosters[daemons.roster_of(mine)] = mine
        rosters = {roster for _, roster in shared_by}
        memory.rosters |= await daemons.serves(conn, rosters - memory.rosters.keys())
        memory.rosters = {roster: names for roster, names in memory.rosters.items() if roster in rosters}
        serves = {name: memory.rosters.get(roster, frozenset()) for name, roster in shared_by}
        memory.parts, memory.shared_by = parts_of(daemon.me.name, serves), shared_by
    return memory.parts


async def _take(conn: AsyncConnection, daemon: Household, parts: tuple[Part, ...]) -> dict[str, int]:
    """Take what is free, up to our part of it."""
    taken: dict[str, int] = {}
    for part in parts:
        held = sum(1 for name, station in daemon.stations.items() if name in part.mailboxes and not station.lost)
        room = min(part.number - held, MOST_AT_ONCE - len(taken))
        taken |= await mailboxes.take_many(
            conn, part.mailboxes - daemon.stations.keys(), daemon.me.name, daemon.lease, room, evict=not daemon.shares
        )
    return taken


def _hand_back(daemon: Household, parts: tuple[Part, ...]) -> None:
    """What is too much is let go as soon as its worker has finished what it has in hand."""
    staying = [name for name, station in daemon.stations.items() if not station.leaving and not station.lost]
    over = surplus(parts, staying)
    for name in over:
        _let_go(daemon.stations[name])
    if over:
        number = "1 mailbox" if len(over) == 1 else f"{len(over)} mailboxes"
        whose = f"handing {number} over to another sequencer: {', '.join(over)}"
        daemon.tell(Note("info", "", whose, "handed_over"))


def _let_go(station: Station) -> None:
    station.leaving = True
    station.wake.set()


# Workers -----------------------------------------------------------------------------------------------


def _settle_in(daemon: Household, name: str, number: int, until: float) -> Station:
    station = Station(daemon.live, name, number, daemon.clock, daemon.tell, daemon.stop, daemon.poll)
    station.certain_until = until
    daemon.stations[name] = station
    daemon.live.database.owned[name] = station.look_by
    daemon.live.database.sure = partial(_is_surely_ours, daemon)
    return station


def _is_surely_ours(daemon: Household, name: str) -> bool:
    station = daemon.stations.get(name)
    return station is not None and not station.lost and station.certain()


def _start(daemon: Household, name: str, number: int, until: float, delay: float) -> None:
    station = _settle_in(daemon, name, number, until)
    daemon.vitals.workers[name] = station.heart
    worker = daemon.workers[name] = asyncio.create_task(_guarded(daemon, station, delay))
    worker.add_done_callback(lambda _: daemon.round.set())


async def _guarded(daemon: Household, station: Station, delay: float) -> None:
    """A worker and its watcher. A failure is told, and the worker is started anew after a while."""
    await pulse(daemon.stop, delay)
    watching = asyncio.create_task(watch_inbox(station))
    try:
        await work(station)
        daemon.vitals.worker_ended(station.name)
    except Exception as error:  # whatever it is, the other mailboxes go on
        daemon.vitals.worker_failed(station.name)
        why = f"failed and will be tried again: {type(error).__name__}: {error}"
        daemon.tell(Note("error", station.name, why, "worker_failed"))
        daemon.tell(Note("debug", station.name, "".join(traceback.format_exception(error)), "traceback"))
        await pulse(daemon.stop, OUTAGE_AGAIN if is_outage(error) else CRASHED_AGAIN)
    finally:
        await cancel([watching])


def _ended(daemon: Household) -> dict[str, int]:
    """Forget the stations whose workers have ended; the leases of those that are still ours."""
    ended: dict[str, int] = {}
    for name, worker in list(daemon.workers.items()):
        station = daemon.stations[name]
        if station.lost and boot_ticks() - station.lost_at > LET_GO_WITHIN:
            worker.cancel()
        if not worker.done():
            continue
        del daemon.workers[name], daemon.stations[name]
        daemon.live.database.owned.pop(name, None)
        if station.lost:
            daemon.vitals.worker_ended(name)
        else:
            ended[name] = station.lease
    return ended


# Leaving -----------------------------------------------------------------------------------------------


async def leave(daemon: Household) -> None:
    """End all workers in an orderly way; each mailbox is free for the others as soon as its worker has ended."""
    for station in daemon.stations.values():
        _let_go(station)
    until = boot_ticks() + STOP_WITHIN
    await _free(daemon, {}, leaving=True)
    while daemon.workers and (left := until - boot_ticks()) > 0:
        patience = min(left, daemon.lease / RENEWALS)
        await asyncio.wait(daemon.workers.values(), timeout=patience, return_when=asyncio.FIRST_COMPLETED)
        await _free(daemon, _ended(daemon))
    await cancel(list(daemon.workers.values()))
    await _free(daemon, _ended(daemon))
    with suppress(Exception):
        async with daemon.keeper.begin() as conn:  # also what a round has taken that was cut off
            await mailboxes.release_all(conn, daemon.me.name)


async def _free(daemon: Household, ended: Mapping[str, int], *, leaving: bool = False) -> None:
    """Give these back and keep the others. Where the database is away, the leases run out by themselves."""
    kept = {name: station.lease for name, station in daemon.stations.items() if not station.lost}
    with suppress(Exception):
        async with daemon.keeper.begin() as conn:
            await mailboxes.release_many(conn, ended, daemon.me.name)
            await mailboxes.renew_many(conn, kept, daemon.me.name, daemon.lease)
            if leaving and daemon.shares:
                await daemons.leave(conn, daemon.me)
            if ended or leaving:
                await announcements.announce_share(conn)


# `run --once` ------------------------------------------------------------------------------------------


async def work_once_for_all(daemon: Household) -> None:
    """Do once what there is to do for every mailbox that no daemon works for. Mailboxes do not wait for each other."""
    names = list(daemon.live.workspace.config.mailboxes)
    await look_after_others(daemon)
    began = boot_ticks()
    async with daemon.keeper.begin() as conn:
        taken = await mailboxes.take_many(
            conn, names, daemon.me.name, daemon.lease, len(names), evict=not daemon.shares
        )
    for name in [name for name in names if name not in taken]:
        daemon.tell(Note("warning", name, "another sequencer works for this mailbox", "not_owned"))
    stations = [_settle_in(daemon, name, number, _certain(daemon, began)) for name, number in taken.items()]
    renewing = asyncio.create_task(_renew_forever(daemon))
    try:
        results = await asyncio.gather(*map(work_once, stations), return_exceptions=True)
        for station, result in zip(stations, results, strict=True):
            if isinstance(result, Exception):  # one that fails does not stop the others
                daemon.tell(Note("error", station.name, f"failed: {type(result).__name__}: {result}", "worker_failed"))
        await deliver(daemon, taken)
    finally:
        await cancel([renewing])
        ours = {name: station.lease for name, station in daemon.stations.items() if not station.lost}
        daemon.stations.clear()
        await _free(daemon, ours)


async def _renew_forever(daemon: Household) -> None:
    while True:
        await pulse(daemon.stop, daemon.lease / RENEWALS)
        began = boot_ticks()
        leases = {name: station.lease for name, station in daemon.stations.items() if not station.lost}
        with suppress(Exception):
            async with daemon.keeper.begin() as conn:
                kept = await _renew(conn, daemon, leases)
            _note_kept(daemon, kept, _certain(daemon, began))
