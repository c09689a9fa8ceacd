"""What other processes change in the database: heard of at once on PostgreSQL, looked for everywhere.

A rep's command or an import may make something due earlier than the owner of the mailbox has planned.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from sequencer.daemon.clock import pulse, ticks
from sequencer.daemon.state import Household
from sequencer.daemon.telling import Note
from sequencer.daemon.vitals import MINDING, Heart
from sequencer.operations.doubt import take_stock_of_others
from sequencer.store import agenda, announcements, mailboxes, releases
from sequencer.store.announcements import RELEASE, SHARE, WAKE, Ear
from sequencer.store.database import PostgresServer

LOOK_EVERY: Final = 3.0
"""Seconds of real time between two looks for changes that another process made in the database."""

HEAR_AGAIN: Final = 3.0
"""Seconds until a connection for announcements that broke off is tried anew."""

LOOK_RARELY: Final = 30.0
"""The same while announcements are heard: what they miss is found out all the same."""

STILL_THERE_EVERY: Final = 10.0
"""Seconds between two questions whether the server is still at the other end."""

ANSWERS_WITHIN: Final = 5.0


async def mind_database(daemon: Household) -> None:
    """Wake a worker when another process (a command, an import) has made something due earlier than planned."""
    heart = daemon.vitals.minders["the database"] = Heart(MINDING)
    looked_at = ticks()
    while not daemon.stop.is_set():
        asked = await pulse(daemon.look, LOOK_EVERY)
        heart.beat(MINDING)
        rarely = daemon.hears and not daemon.unfinished
        if not asked and rarely and ticks() - looked_at < LOOK_RARELY:
            continue
        daemon.look.clear()
        looked_at = ticks()
        try:
            async with daemon.live.database.read() as conn:
                earliest = await agenda.next_wakes(conn, daemon.stations)
                reopened = await _reopened(conn, daemon)
                release = await releases.latest_id(conn)
            await look_after_others(daemon)
        except Exception as error:  # the leases tell when the database is away; the next look comes soon
            daemon.tell(Note("debug", "", f"the look for changes failed: {type(error).__name__}: {error}", "look"))
            continue
        for name in reopened:
            daemon.stations[name].wake.set()
        if daemon.unfinished or release not in (daemon.live.release, daemon.heard):
            daemon.heard = release
            daemon.released.set()
        for name, wake_at in earliest.items():
            if (station := daemon.stations.get(name)) is not None:
                station.look_by(wake_at)


async def look_after_others(daemon: Household) -> None:
    """What mailboxes have left in the air that nobody works for any more is in doubt."""
    live, now = daemon.live, daemon.clock.now()
    told = await take_stock_of_others(
        live, daemon.stations.keys(), daemon.me.name, daemon.lease, now, evict=not daemon.shares
    )
    for happening in told:
        daemon.tell(happening)


async def _reopened(conn: AsyncConnection, daemon: Household) -> list[str]:
    """The mailboxes that had stopped themselves, and that somebody has let go on; it may be that nobody waits there."""
    halted = [name for name, station in daemon.stations.items() if station.standing.halts]
    return [row.name for row in await mailboxes.some(conn, halted) if not row.halts] if halted else []


async def mind_announcements(daemon: Household) -> None:
    """Hear what other processes announce; whenever the connection was away, look for what was missed meanwhile."""
    location = daemon.keeper.location
    if not isinstance(location, PostgresServer):
        return
    heart = daemon.vitals.minders["the announcements"] = Heart(MINDING)

    def heard(channel: str, payload: str) -> None:
        if channel == SHARE:
            daemon.round.set()
            return
        if channel == RELEASE:
            daemon.look.set()
            return
        for name, at in announcements.earlier_of(payload).items():
            if (station := daemon.stations.get(name)) is not None:
                station.look_by(at)

    while not daemon.stop.is_set():
        heart.beat(MINDING)
        ear = await announcements.listen(location.dsn, (WAKE, SHARE, RELEASE), heard)
        if ear is None:
            await pulse(daemon.stop, HEAR_AGAIN)
            continue
        try:
            daemon.hears = True
            daemon.look.set()
            daemon.round.set()
            await _listen(daemon, ear, heart)
        finally:
            daemon.hears = False
            ear.close()


async def _listen(daemon: Household, ear: Ear, heart: Heart) -> None:
    while not await pulse(daemon.stop, STILL_THERE_EVERY):
        heart.beat(MINDING)
        if not await ear.hears(ANSWERS_WITHIN):
            return
