"""Tell the rep: by mail through an SMTP server, by a message laid into their INBOX, or by Apprise.

Each way is tried once and says how it went; who calls decides what to try next. A mail says of itself that a machine
wrote it, and carries a token by which the inbox reader knows it again: it is no reply, and nobody's handwriting.
"""

from __future__ import annotations

import asyncio
import logging
import re
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from sequencer.mail.accounts import ImapAccount, SmtpAccount, Unreachable
from sequencer.mail.compose import Letter, Unwritable, compose
from sequencer.mail.ids import ALERT_HEADER, alert_token
from sequencer.mail.imap import ConnectionLost, ImapLine
from sequencer.mail.incoming import NotAppended
from sequencer.mail.smtp import Delivered, Doubtful, Refused, SmtpLine

SENDER: Final = "Follow-up sequencer"
INBOX: Final = "INBOX"
PATIENCE: Final = 30.0
"""Seconds to wait for each answer of a server: an alert can be tried again."""

_SCHEME: Final = re.compile(r"([a-z][a-z0-9+.-]*):", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Told:
    """It was told, or may have been: in doubt it is not told again."""


@dataclass(frozen=True, slots=True)
class NotTold:
    """It was certainly not told. `reason` is for people and holds no secret."""

    reason: str


@dataclass(frozen=True, slots=True)
class AlertMail:
    """A mail to the rep, as bytes. `message_id` has its angle brackets."""

    to: str
    message_id: str
    data: bytes


def alert_mail(
    key: bytes, number: int, sender: str, to: str, subject: str, body: str, at: datetime
) -> AlertMail | NotTold:
    """The mail of alert number `number`, with its token and RFC 3834's word that nobody is to answer automatically.

    Its Message-ID depends on the number alone, so that a second copy can be recognised.
    """
    token = alert_token(key, number)
    message_id = f"<{token}@{sender.rpartition('@')[2].lower()}>"
    letter = Letter(SENDER, sender, to, subject, body, message_id, at)
    data = compose(letter)
    if isinstance(data, Unwritable):
        return NotTold(f"the mail cannot be written: {data.reason}")
    headers = f"Auto-Submitted: auto-generated\r\nX-Auto-Response-Suppress: All\r\n{ALERT_HEADER}: {token}\r\n"
    return AlertMail(to, message_id, headers.encode("ascii") + data)


async def by_smtp(account: SmtpAccount, sender: str, mail: AlertMail) -> Told | NotTold:
    """Hand the mail to an SMTP server, on a connection of its own."""
    line = SmtpLine(replace(account, timeout=PATIENCE, final_timeout=2 * PATIENCE))
    try:
        opened = await line.open()
        if isinstance(opened, Unreachable):
            return NotTold(opened.message)
        offered = await line.offer(sender, mail.to, len(mail.data))
        if isinstance(offered, Refused):
            return NotTold(_refusal(account, offered))
        match await line.deliver(mail.data):
            case Delivered() | Doubtful():
                return Told()
            case Refused() as refused:
                return NotTold(_refusal(account, refused))
    finally:
        await line.close()


def _refusal(account: SmtpAccount, refused: Refused) -> str:
    return f"{account.host} did not take the mail: {refused.code or ''} {refused.answer}".replace("  ", " ")


async def by_imap(account: ImapAccount, mail: AlertMail, at: datetime) -> Told | NotTold:
    """Lay the mail into the INBOX, unread, unless it lies there already."""
    line = ImapLine(replace(account, timeout=PATIENCE))
    try:
        opened = await line.open()
        if isinstance(opened, Unreachable):
            return NotTold(opened.message)
        if await line.uids_with_message_id(INBOX, mail.message_id):
            return Told()
        appended = await line.append(INBOX, mail.data, at, flags=())
        if isinstance(appended, NotAppended):
            return NotTold(f"{account.host} did not take the mail into the INBOX: {appended.reason}")
        return Told()
    except ConnectionLost as error:
        return NotTold(f"{account.host}: {error}")
    finally:
        await line.close()


async def by_url(url: str, subject: str, body: str) -> Told | NotTold:
    """Tell it at an Apprise address (https://appriseit.com). What is told of a failure names the kind of address
    only: the rest of it is secret."""
    return await asyncio.to_thread(_by_apprise, url, subject, body)


def _by_apprise(url: str, subject: str, body: str) -> Told | NotTold:
    import apprise

    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)  # it may name addresses
    kind = kind_of(url)
    try:
        place = apprise.Apprise.instantiate(url, suppress_exceptions=True)
        if place is None:
            return NotTold(f"the entry {kind} of `notify:` is no address that Apprise knows")
        taken = place.notify(body=body, title=subject, body_format=apprise.NotifyFormat.TEXT)
    except Exception as error:  # whatever a plugin raises may hold the address: only its kind is told
        return NotTold(f"{kind} failed: {type(error).__name__}")
    return Told() if taken else NotTold(f"{kind} did not take it; is its address in `notify:` right?")


def kind_of(url: str) -> str:
    """What may be shown of an address: its scheme."""
    found = _SCHEME.match(url)
    return f"{found[1].lower()}://…" if found is not None else "an entry"
