"""A mailbox stops itself when too much speaks against it, tells the rep, and is let go on by a person.

The rule is `core/breakers.py`. Here: what is counted, the halt and its alert in one transaction, and the way back.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from sequencer.core.breakers import REFUSALS_WITHIN, Breakers, Cause, Counts, too_many, worth_counting
from sequencer.operations import alerting
from sequencer.operations.accounts import imap_account, smtp_account
from sequencer.operations.live import Live
from sequencer.store import agenda, mailboxes, strikes
from sequencer.store.mailboxes import LeaseLost, MailboxRow, MailboxState
from sequencer.store.strikes import LOGINS, Strike
from sequencer.workspace.config import Mailbox
from sequencer.workspace.source import did_you_mean

LOGIN: Final = "login"
"""The cause that a changed account may mend by itself."""


@dataclass(frozen=True, slots=True)
class Judged:
    """How a mailbox stands: why it has stopped itself, by cause (empty: it has not), the causes that are new, and how
    often its logins were refused in a row."""

    halts: Mapping[str, str] = field(default_factory=dict)
    new: tuple[str, ...] = ()
    logins: Mapping[Strike, int] = field(default_factory=dict)


async def judge(
    live: Live,
    mailbox: Mailbox,
    lease: int,
    happened: Sequence[Strike],
    said: Mapping[Cause, str],
    now: datetime,
) -> Judged | LeaseLost:
    """Record what happened and see whether it is too many; if so the mailbox is halted, and an alert raised, in the
    same transaction. Only its owner may."""
    limits = live.workspace.config.breakers
    seal = await seal_of(live, mailbox) if any(strike in LOGINS for strike in happened) else ""
    async with live.database.begin() as conn:
        if not await mailboxes.hold_lease(conn, mailbox.name, lease):
            return LeaseLost(mailbox.name)
        await strikes.add(conn, mailbox.name, happened, now)
        row = await mailboxes.get(conn, mailbox.name)
        assert row is not None, "its lease is held"
        logins = await refused_logins(conn, row)
        found = too_many(limits, await _counts(conn, limits, row, logins, now), said)
        new: dict[str, str] = {cause: reason for cause, reason in found.items() if cause not in row.halts}
        if not new:
            return Judged(row.halts, (), logins)
        halts = {**row.halts, **new}
        await mailboxes.halt(conn, mailbox.name, halts, seal if LOGIN in new else row.halted_with, now)
        words = alerting.stopped(live, mailbox, new, now)
        for cause in new:  # somebody let it go on: what stops it then is news again, on the same day as well
            if await alerting.tell(
                conn, live, mailbox.name, f"stopped:{cause}", words, now, unless_since=row.reopened_at
            ):
                break
    return Judged(halts, tuple(new), logins)


async def _counts(
    conn: AsyncConnection, limits: Breakers, row: MailboxRow, logins: Mapping[Strike, int], now: datetime
) -> Counts:
    since = _later(now - limits.window, row.reopened_at)
    back = await strikes.came_back(conn, row.name, since)
    turned_away = await strikes.count(conn, row.name, Strike.BOUNCE, since)
    bounces, complaints = back.get("bounce", 0) + turned_away, back.get("complaint", 0)
    most = worth_counting(limits, bounces, complaints)
    sent = await strikes.sent(conn, row.name, since, most) if most else 0
    refusals = await strikes.count(conn, row.name, Strike.REFUSAL, _later(now - REFUSALS_WITHIN, row.reopened_at))
    return Counts(bounces, complaints, refusals, max(logins.values(), default=0), sent + turned_away)


async def refused_logins(conn: AsyncConnection, row: MailboxRow) -> dict[Strike, int]:
    """How often each login was refused in a row, since somebody last let the mailbox go on."""
    return {door: await strikes.count(conn, row.name, door, row.reopened_at) for door in LOGINS}


async def logged_in(live: Live, mailbox: str, door: Strike) -> None:
    """A login was taken: those refused before are forgotten."""
    async with live.database.begin() as conn:
        await strikes.clear(conn, mailbox, [door])


def _later(at: datetime, other: datetime | None) -> datetime:
    return at if other is None else max(at, other)


# The accounts -------------------------------------------------------------------------------------


async def seal_of(live: Live, mailbox: Mailbox) -> str:
    """Tells these accounts, passwords included, from changed ones, and gives nothing away: slow, and keyed."""
    smtp, imap = smtp_account(mailbox), imap_account(mailbox)
    parts = [
        str(part)
        for account in (smtp, imap)
        for part in (account.host, account.port, account.tls, account.username, account.password, account.ca_file)
    ]
    words = "\0".join(parts).encode()
    digest = await asyncio.to_thread(hashlib.scrypt, words, salt=live.key, n=2**14, r=8, p=1, dklen=16)
    return digest.hex()


async def still_refused(live: Live, mailbox: str, seal: str, reason: str, now: datetime) -> None:
    """The changed accounts were refused as well: they are not tried again."""
    async with live.database.begin() as conn:
        row = await mailboxes.get(conn, mailbox)
        if row is not None and LOGIN in row.halts:
            words = f"the login was refused again after the accounts were changed: {reason}"
            await mailboxes.halt(conn, mailbox, {**row.halts, LOGIN: words}, seal, now)


async def login_works(live: Live, mailbox: str, now: datetime) -> bool:
    """The changed accounts were taken. True when the mailbox may go on: nothing else had stopped it."""
    async with live.database.begin() as conn:
        row = await mailboxes.get(conn, mailbox)
        if row is None or LOGIN not in row.halts:
            return False
        others = {cause: reason for cause, reason in row.halts.items() if cause != LOGIN}
        await strikes.clear(conn, mailbox, LOGINS)
        if others:
            await mailboxes.halt(conn, mailbox, others, "", now)
            return False
        await _let_go_on(conn, mailbox, now)
    return True


# The way back -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Reopened:
    """A mailbox that goes on: why it had stopped, how many wait, and whether a daemon is there to send."""

    mailbox: Mailbox
    reason: str
    waiting: int
    running: bool


@dataclass(frozen=True, slots=True)
class NotStopped:
    """There is nothing to reopen; `reason` says how it stands instead."""

    mailbox: str
    reason: str


@dataclass(frozen=True, slots=True)
class NoSuchMailbox:
    """The name is not in config.yaml."""

    name: str
    hint: str


async def reopen(live: Live, names: Sequence[str], now: datetime) -> list[Reopened | NotStopped] | NoSuchMailbox:
    """Let mailboxes that have stopped themselves go on. What spoke against them before counts no more.

    An unknown name: nothing is done.
    """
    for name in names:
        if live.mailbox(name) is None:
            return NoSuchMailbox(name, did_you_mean(name, live.workspace.config.mailboxes))
    return [await _reopen(live, name, now) for name in dict.fromkeys(names)]


async def _reopen(live: Live, name: str, now: datetime) -> Reopened | NotStopped:
    mailbox = live.mailbox(name)
    assert mailbox is not None
    async with live.database.begin() as conn:
        row = await mailboxes.get(conn, name)
        if row is None or row.state is not MailboxState.HALTED:
            return NotStopped(name, _standing(row))
        await _let_go_on(conn, name, now)
        load = (await agenda.load(conn, now)).get(name)
        running = name in await mailboxes.owners(conn)
        return Reopened(mailbox, row.reason, load.due + load.held if load is not None else 0, running)


async def _let_go_on(conn: AsyncConnection, name: str, now: datetime) -> None:
    await mailboxes.reopen(conn, name, now)
    await agenda.wake_held(conn, name, now)


def _standing(row: MailboxRow | None) -> str:
    if row is None:
        return "it was never used yet"
    if row.state is MailboxState.HELD:
        return f"it has not stopped itself; it is held, and tried again by itself: {row.reason}"
    return "it has not stopped itself; all is well"
