"""Whether a mailbox may go on: how its worker knows, and what it does when the mailbox has stopped itself.

Trouble that passes holds a mailbox and is tried again (`station.hold`). What speaks against the mailbox itself is
counted; when it is too many, the mailbox halts: it sends nothing, its inbox is read as far as that can be, and only a
person, or a changed password where the login was refused, lets it go on.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from sequencer.daemon.station import DOORS, Station, lose
from sequencer.daemon.telling import Note
from sequencer.mail.accounts import Unreachable
from sequencer.mail.imap import ImapLine
from sequencer.mail.smtp import SmtpLine
from sequencer.operations import alerting, breakers
from sequencer.operations.accounts import imap_account, smtp_account
from sequencer.operations.breakers import LOGIN, Judged
from sequencer.store import agenda, mailboxes
from sequencer.store.mailboxes import MailboxState
from sequencer.workspace.config import Mailbox

LOOK_EVERY: Final = timedelta(minutes=5)
"""How often it is looked whether the rep is to be told of something."""

ANEW_AGAIN: Final = timedelta(minutes=5)
"""When changed accounts are tried once more, after a try in which no server said yes or no."""

STOPPED, REOPENED = "mailbox_stopped", "mailbox_reopened"
"""Names of lines in the log."""


def shut(station: Station, where: str) -> bool:
    """Whether a login was refused so often that it is not tried before somebody acts."""
    limit, standing = station.live.workspace.config.breakers.logins, station.standing
    return limit is not None and LOGIN in standing.halts and standing.logins.get(DOORS[where], 0) >= limit


async def look_up(station: Station, mailbox: Mailbox, now: datetime) -> None:
    """At the beginning of a turn: how the mailbox stands by the database, where somebody may have reopened it."""
    standing = station.standing
    async with station.live.database.read() as conn:
        row = await mailboxes.get(conn, station.name)
        if row is not None and standing.noted is None:
            standing.logins = await breakers.refused_logins(conn, row)
            standing.held_since = row.since if row.state is MailboxState.HELD else None
    if row is None:
        return
    first, before = standing.noted is None, standing.halts
    standing.noted = row.state, row.reason
    standing.halts = row.halts if row.state is MailboxState.HALTED else {}
    if before and not standing.halts:
        _begin_anew(station)
        station.tell(Note("info", station.name, "goes on: it was reopened", REOPENED))
    elif first and standing.halts:
        station.tell(
            Note("error", station.name, f"has stopped itself: {row.reason}; {_way_back(station.name)}", STOPPED)
        )
    if LOGIN in standing.halts and standing.tried_with is not mailbox:
        await _try_anew(station, mailbox, row.halted_with, now)


def _begin_anew(station: Station) -> None:
    station.troubles.clear()
    station.retry_at.clear()
    station.failures.clear()
    station.failures["smtp"] = 0  # one message has to show that things are well again
    standing = station.standing
    standing.logins, standing.happened, standing.suspect = {}, [], False


def _way_back(name: str) -> str:
    return f"`sequencer reopen {name}` lets it go on"


async def judge(station: Station, mailbox: Mailbox, now: datetime) -> None:
    """Record what has happened, and halt when it is too many."""
    standing = station.standing
    for door in tuple(standing.welcomed):
        await breakers.logged_in(station.live, station.name, door)
        standing.logins[door] = 0
        standing.welcomed.discard(door)
    if not standing.happened and not standing.suspect:
        return
    happened = tuple(standing.happened)
    found = await breakers.judge(station.live, mailbox, station.lease, happened, standing.said, now)
    if not isinstance(found, Judged):
        lose(station)
        return
    standing.happened, standing.suspect = standing.happened[len(happened) :], False
    standing.halts, standing.logins = found.halts, dict(found.logins)
    if found.new:
        if LOGIN in found.new:
            standing.tried_with = mailbox
        reasons = "; ".join(found.halts[cause] for cause in found.new)
        station.tell(Note("error", station.name, f"has stopped itself: {reasons}; {_way_back(station.name)}", STOPPED))
        await _fall_silent(station)


async def _fall_silent(station: Station) -> None:
    """Nothing is sent, nor tried, any more; the inbox is read on, unless its login is what was refused."""
    for where in ("smtp", "imap"):
        if where == "smtp" or shut(station, where):
            station.troubles.pop(where, None)
            station.retry_at.pop(where, None)
    if station.lines is not None:
        await station.lines.close()


async def _try_anew(station: Station, mailbox: Mailbox, seal: str, now: datetime) -> None:
    """The login was refused; where the accounts are others by now, they are tried once."""
    standing = station.standing
    if standing.anew_at is not None and now < standing.anew_at:
        return
    present = await breakers.seal_of(station.live, mailbox)
    if present == seal:
        standing.tried_with = mailbox
        return
    smtp, imap = SmtpLine(smtp_account(mailbox)), ImapLine(imap_account(mailbox))
    answers = []
    for line in (smtp, imap):
        answers.append(await line.open())
        await line.close()
    failures = [answer for answer in answers if isinstance(answer, Unreachable)]
    refused = [answer for answer in failures if answer.why == "auth" and not answer.temporary]
    if refused:
        standing.tried_with = mailbox
        await breakers.still_refused(station.live, station.name, present, refused[0].message, now)
        note = f"the login with the changed accounts was refused as well: {refused[0].message}"
        station.tell(Note("error", station.name, f"{note}; {_way_back(station.name)}", STOPPED))
    elif failures:
        standing.anew_at = now + ANEW_AGAIN
    else:
        standing.tried_with = mailbox
        standing.logins = {}
        if await breakers.login_works(station.live, station.name, now):
            standing.halts = {}
            standing.noted = MailboxState.OK, ""
            _begin_anew(station)
            station.tell(Note("info", station.name, "goes on: the login with the changed accounts works", REOPENED))


async def note_state(station: Station, now: datetime) -> None:
    """The mailbox's state for `status` and `why`; whoever was held by it is woken when it works again."""
    standing = station.standing
    if standing.halts:
        return
    reason = "; ".join(trouble.reason for trouble in station.troubles.values())
    state = MailboxState.HELD if reason else MailboxState.OK
    standing.held_since = (standing.held_since or now) if reason else None
    if standing.noted == (state, reason):
        return
    async with station.live.database.begin() as conn:
        await mailboxes.set_state(conn, station.name, state, reason, now)
        if state is MailboxState.OK:
            await agenda.wake_held(conn, station.name, now)
    standing.noted = state, reason


async def mind(station: Station, mailbox: Mailbox, now: datetime) -> None:
    """Have the rep told of what lasts or needs a person; now and then, since nothing of it is a matter of seconds."""
    standing, live = station.standing, station.live
    if standing.next_look is not None and now < standing.next_look:
        return
    standing.next_look = now + LOOK_EVERY
    patience, since = live.workspace.config.tell_when_held, standing.held_since
    async with live.database.read() as conn:
        doubt = await alerting.doubtful(conn, live, mailbox, now)
        aside = await alerting.aside(conn, mailbox)
    found = {alerting.DOUBT: doubt, alerting.SET_ASIDE: aside}
    if patience is not None and since is not None and now - since >= patience and standing.noted is not None:
        found[alerting.HELD] = alerting.held(live, mailbox, standing.noted[1], since, now)
    for kind, words in found.items():
        if words is not None:
            async with live.database.begin() as conn:
                await alerting.tell(conn, live, station.name, kind, words, now)
