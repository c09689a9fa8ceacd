"""Delivers alerts to the rep: takes each in turn, tries the ways there are, and again later when none works.

It runs beside the workers, on connections of its own, so that telling somebody never keeps a mailbox waiting. A crash
in the middle of a try means that it is tried again: by mail, the copy in the INBOX tells that it was told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sequencer.core.pace import retry_after
from sequencer.daemon.clock import pulse
from sequencer.daemon.state import Household
from sequencer.daemon.telling import Note
from sequencer.daemon.vitals import Heart
from sequencer.notify import AlertMail, NotTold, Told, alert_mail, by_imap, by_smtp, by_url
from sequencer.operations import breakers
from sequencer.operations.accounts import imap_account, smtp_account
from sequencer.operations.alerting import target_of
from sequencer.store import alerts, mailboxes
from sequencer.store.alerts import Alert
from sequencer.store.mailboxes import MailboxState
from sequencer.store.strikes import Strike
from sequencer.workspace.config import MAILTO, Mailbox

LOOK_EVERY: Final = 2.0
"""Seconds of real time between two looks for alerts."""

PATIENCE: Final = 1800.0
"""Seconds that telling may take at the longest: several servers may have to be waited for in turn."""

AT_ONCE: Final = 8
FIRST_RETRY: Final = timedelta(minutes=1)
LONGEST_RETRY: Final = timedelta(hours=6)
MOST_TRIES: Final = 12
"""About a day and a half; after that, `status` alone tells."""


async def mind_alerts(daemon: Household) -> None:
    """Deliver what is to be told, until the daemon stops."""
    heart = daemon.vitals.minders["the alerts"] = Heart(PATIENCE)
    while not await pulse(daemon.stop, LOOK_EVERY):
        heart.beat(PATIENCE)
        try:
            await deliver(daemon, daemon.stations)
        except Exception as error:  # the database may be away for a moment: the alerts wait in it
            daemon.tell(Note("debug", "", f"alerts wait: {type(error).__name__}", "alerts_wait"))


async def deliver(daemon: Household, names: Collection[str]) -> None:
    """Try once whatever is to be told of these mailboxes by now."""
    if not names:
        return
    async with daemon.live.database.read() as conn:
        waiting = await alerts.waiting(conn, list(names), daemon.clock.now(), AT_ONCE)
    await asyncio.gather(*(_deliver(daemon, alert) for alert in waiting))


async def _deliver(daemon: Household, alert: Alert) -> None:
    live, now = daemon.live, daemon.clock.now()
    async with live.database.begin() as conn:
        if not await alerts.take(
            conn, alert, now + retry_after(FIRST_RETRY, LONGEST_RETRY, alert.tries, str(alert.id))
        ):
            return
    result = await _try(daemon, alert, now)
    gives_up = isinstance(result, NotTold) and alert.tries + 1 >= MOST_TRIES
    async with live.database.begin() as conn:
        match result:
            case Told():
                await alerts.told(conn, alert.id, now)
            case NotTold(reason=reason):
                await alerts.failed(conn, alert.id, reason, now, give_up=gives_up)
    if isinstance(result, Told):
        daemon.tell(Note("info", alert.mailbox, f"told the rep: {alert.subject}", "alert_told"))
    else:
        then = "that was the last try" if gives_up else "it is tried again"
        daemon.tell(
            Note("warning", alert.mailbox, f"the rep could not be told: {result.reason}; {then}", "alert_failed")
        )


async def _try(daemon: Household, alert: Alert, now: datetime) -> Told | NotTold:
    try:
        return await _tell(daemon, alert, now)
    except Exception as error:  # whatever a way stumbles over counts as a try; its words might hold a secret
        return NotTold(f"unexpected: {type(error).__name__}")


async def _tell(daemon: Household, alert: Alert, now: datetime) -> Told | NotTold:
    live = daemon.live
    url = next((url for url in live.workspace.config.notify if target_of(live, url) == alert.target), None)
    if url is None:
        return NotTold("the entry of `notify:` that it was meant for is gone")
    if url != MAILTO:
        return await by_url(url, alert.subject, alert.body)
    mailbox = live.mailbox(alert.mailbox)
    if mailbox is None:
        return NotTold("the mailbox is no longer in config.yaml")
    failures: list[str] = []
    for way in await _ways(daemon, mailbox):
        result = await _by(way, daemon, alert, mailbox, now)
        if isinstance(result, Told):
            return result
        failures.append(result.reason)
    return NotTold("; ".join(failures) or "no mailbox works")


@dataclass(frozen=True, slots=True)
class _Way:
    """Through the SMTP account of `sender`; or, with `laid`, straight into the INBOX."""

    sender: Mailbox
    laid: bool = False


async def _ways(daemon: Household, mailbox: Mailbox) -> list[_Way]:
    """The ways to a rep by mail, the likeliest first. A login that was refused is not tried for this."""
    live = daemon.live
    async with live.database.read() as conn:
        rows = {row.name: row for row in await mailboxes.some(conn, list(live.workspace.config.mailboxes))}
        row = rows.get(mailbox.name)
        logins = await breakers.refused_logins(conn, row) if row is not None else {}
    refused = row is not None and "refusals" in row.halts
    ways = []
    if not refused and not logins.get(Strike.SMTP_LOGIN):
        ways.append(_Way(mailbox))
    if not logins.get(Strike.IMAP_LOGIN):
        ways.append(_Way(mailbox, laid=True))
    return ways + [_Way(other) for other in _healthy(daemon, mailbox, {n for n, r in rows.items() if _sends(r)})]


def _sends(row: mailboxes.MailboxRow) -> bool:
    return row.state is MailboxState.OK and row.inbox_read_at is not None


def _healthy(daemon: Household, mailbox: Mailbox, names: Collection[str]) -> Iterator[Mailbox]:
    for name, other in daemon.live.workspace.config.mailboxes.items():
        if name in names and name != mailbox.name:
            yield other


async def _by(way: _Way, daemon: Household, alert: Alert, mailbox: Mailbox, now: datetime) -> Told | NotTold:
    sender, to = way.sender.from_address, mailbox.from_address
    mail = alert_mail(daemon.live.key, alert.id, sender, to, alert.subject, alert.body, now)
    if not isinstance(mail, AlertMail):
        return mail
    if way.laid:
        return await by_imap(imap_account(way.sender), mail, now)
    return await by_smtp(smtp_account(way.sender), sender, mail)
