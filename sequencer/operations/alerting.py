"""What the rep is told at once, in words: that their mailbox has stopped itself, or that something needs a person.

An alert is a row, written in the transaction of what it tells of; the daemon delivers it (`daemon/messenger.py`).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from textwrap import fill
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection

from sequencer.operations.live import Live
from sequencer.store import alerts, attempts, set_aside
from sequencer.workspace.calendars import UnknownPlace, zone_of
from sequencer.workspace.config import MAILTO, Mailbox

SETTLES_WITHIN: Final = timedelta(hours=1)
"""A message in doubt that is younger may still be found in Sent, or come back: nobody is told of it yet."""

MOST_NAMED: Final = 10
WIDTH: Final = 78

HELD, DOUBT, SET_ASIDE = "held", "doubt", "set_aside"
"""Kinds of alerts; the others are `stopped:CAUSE`."""

_ADVICE: Final[Mapping[str, str]] = {
    "bounces": "Addresses that do not exist are the mark of an old or bought list, and providers close accounts for "
    "them. Look where these addresses came from before you go on; those that came back are never written to again.",
    "complaints": "Somebody pressed “spam”. Providers weigh that more than anything else. Write to fewer people, and "
    "only to those who know you; whoever complained is never written to again.",
    "refusals": "The servers blame the sender: the account, its domain (SPF, DKIM, DMARC) or its reputation, not the "
    "people written to. The answer above says which. `sequencer check --connect` looks at the account and the domain.",
    "login": "Has the password changed? Put the new one where config.yaml takes it from. A saved change of config.yaml "
    "is tried once by itself, and so is what the sequencer finds when it is started anew. `sequencer check --connect` "
    "tries it before.",
}


@dataclass(frozen=True, slots=True)
class Words:
    """An alert, as it is read."""

    subject: str
    body: str


def target_of(live: Live, url: str) -> str:
    """How a row names an entry of `notify:` without its secrets."""
    if url == MAILTO:
        return MAILTO
    return hmac.new(live.key, b"notify\0" + url.encode(), hashlib.sha256).hexdigest()[:24]


async def tell(
    conn: AsyncConnection,
    live: Live,
    mailbox: str,
    kind: str,
    words: Words,
    now: datetime,
    *,
    unless_since: datetime | None = None,
) -> bool:
    """Have it told wherever `notify:` says, once a kind, mailbox and day (or unless it was told after an instant)."""
    targets = list(dict.fromkeys(target_of(live, url) for url in live.workspace.config.notify))
    return await alerts.add(conn, mailbox, kind, targets, words.subject, words.body, now, unless_since=unless_since)


# The mailbox --------------------------------------------------------------------------------------


def stopped(live: Live, mailbox: Mailbox, halts: Mapping[str, str], now: datetime) -> Words:
    """It has stopped itself: why, what that means, and the way back."""
    body = _letter(
        f"The mailbox {mailbox.name} ({mailbox.from_address}) stopped itself on {_moment(live, now)}:",
        *(_sentence(reason) for reason in halts.values()),
        "Nothing more leaves from it until you let it go on. As far as its inbox can still be read, it is: replies, "
        "requests to unsubscribe and mail that comes back are taken in.",
        *(_ADVICE[cause] for cause in halts if cause in _ADVICE),
        "The way back, once that is seen to:",
        f"    sequencer reopen {mailbox.name}",
        "What has waited leaves then at the mailbox's pace, the longest due first. What `expires:` says is too late by "
        "then is skipped, and recorded.",
    )
    return Words(f"The mailbox {mailbox.name} has stopped itself", body)


def held(live: Live, mailbox: Mailbox, reason: str, since: datetime, now: datetime) -> Words:
    """Nothing could leave, or be read, for long; it is tried again by itself."""
    hours = int((now - since) / timedelta(hours=1))
    length = "an hour" if hours == 1 else f"{hours} hours" if hours else "a while"
    body = _letter(
        f"Nothing has left from the mailbox {mailbox.name} ({mailbox.from_address}) since {_moment(live, since)}:",
        _sentence(reason),
        "It is tried again by itself, and goes on when it works: what waits leaves at the mailbox's pace, the longest "
        "due first. While an inbox cannot be read nothing may leave either, since an answer may stand in it.",
        "If it does not pass, `sequencer check --connect` says what is wrong, and `sequencer status` how it stands.",
    )
    return Words(f"The mailbox {mailbox.name} has been held for {length}", body)


# What needs a person ------------------------------------------------------------------------------


async def doubtful(conn: AsyncConnection, live: Live, mailbox: Mailbox, now: datetime) -> Words | None:
    """Messages that may or may not have arrived, of which nobody was told yet; told together, and once."""
    told_at = await alerts.last(conn, mailbox.name, DOUBT)
    every = [
        one for one in await attempts.in_doubt(conn, mailbox.name) if _since(one.finished_at) <= now - SETTLES_WITHIN
    ]
    if not any(told_at is None or _since(one.finished_at) > told_at - SETTLES_WITHIN for one in every):
        return None
    what, count = ("1 message", "it counts") if len(every) == 1 else (f"{len(every)} messages", "they count")
    lines = [f"    {one.recipient}: “{one.subject}”, {_moment(live, one.started_at)}" for one in every[:MOST_NAMED]]
    body = _letter(
        f"{what} from {mailbox.name} ({mailbox.from_address}) may or may not have arrived: the connection ended before "
        "the server's answer.",
        "\n".join((*lines, *_more(every))),
        f"Nothing is sent twice: {count} as delivered, and the plan goes on. "
        "Do you know better, from the contact or from your provider? `sequencer status` shows the numbers, and "
        "`sequencer resolve` takes your word.",
    )
    return Words(f"{what} from {mailbox.name} may or may not have arrived", body)


async def aside(conn: AsyncConnection, mailbox: Mailbox) -> Words | None:
    """What could not be processed since the last alert."""
    told_at = await alerts.last(conn, mailbox.name, SET_ASIDE)
    every = [
        one
        for one in await set_aside.listing(conn)
        if one.mailbox == mailbox.name and (told_at is None or one.created_at > told_at)
    ]
    if not every:
        return None
    what = "1 thing was" if len(every) == 1 else f"{len(every)} things were"
    lines = [f"    {one.what}: {one.error}" for one in every[:MOST_NAMED]]
    body = _letter(
        f"{what} set aside in the mailbox {mailbox.name} ({mailbox.from_address}), since it could not be processed:",
        "\n".join((*lines, *_more(every))),
        "Everything else goes on, and nothing of it is lost: `sequencer status` shows it.",
    )
    return Words(f"{what} set aside in {mailbox.name}", body)


def _more(every: Sequence[object]) -> list[str]:
    return [f"    and {len(every) - MOST_NAMED} more"] if len(every) > MOST_NAMED else []


def _letter(*paragraphs: str) -> str:
    """Paragraphs as plain text; what is indented stays as it is."""
    return "\n\n".join(each if each.startswith("    ") else fill(each, WIDTH) for each in paragraphs) + "\n"


def _since(at: datetime | None) -> datetime:
    return at if at is not None else datetime.min.replace(tzinfo=UTC)


def _moment(live: Live, at: datetime) -> str:
    try:
        zone = zone_of(live.workspace.config.contacts.timezone)
    except UnknownPlace:
        zone = ZoneInfo("UTC")
    return f"{at.astimezone(zone):%a %d %b %Y at %H:%M} ({zone.key})"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(".") + "."
