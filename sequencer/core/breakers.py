"""When it is too many: what makes a mailbox stop itself, as a pure function of counts.

Mail providers judge a sender by how much of its mail comes back and how many people complain; a mailbox that goes on
regardless loses its reputation, then its account. It is better stopped by its own daemon, with the way back at hand.

Where the defaults come from: Google wants complaints below 0.1 % and never at 0.3 % (Email sender guidelines,
https://support.google.com/a/answer/81126); Amazon SES looks into accounts from 5 % bounces or 0.1 % complaints on
(https://docs.aws.amazon.com/ses/latest/dg/faqs-enforcement.html). Providers lock an account after a handful of wrong
passwords. The least numbers keep one bad address among two from stopping anybody.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from math import ceil
from typing import Final, Literal

Cause = Literal["bounces", "complaints", "refusals", "login"]
"""Why a mailbox stops itself. `refusals` are those that blame the sender."""

REFUSALS_WITHIN: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class TooMany:
    """It is too many from this number on, and from this share (0 to 1) of what was sent on: both."""

    share: float
    least: int


@dataclass(frozen=True, slots=True)
class Breakers:
    """What stops a mailbox. None switches one off. `window` is how far bounces and complaints are counted back."""

    bounces: TooMany | None = TooMany(0.05, 5)
    complaints: TooMany | None = TooMany(0.003, 2)
    refusals: int | None = 3
    logins: int | None = 3
    window: timedelta = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Counts:
    """What speaks against a mailbox: `bounces` and `complaints` within the window, `refusals` within a day, `logins`
    refused in a row. `sent` need not be counted further than `worth_counting`."""

    bounces: int = 0
    complaints: int = 0
    refusals: int = 0
    logins: int = 0
    sent: int = 0


def worth_counting(limits: Breakers, bounces: int, complaints: int) -> int:
    """How many sent messages have to be counted at most to know whether these are too many; 0 when they cannot be."""
    most = 0
    for limit, number in ((limits.bounces, bounces), (limits.complaints, complaints)):
        if limit is not None and number >= limit.least:
            most = max(most, ceil(number / limit.share) + 1)
    return most


def too_many(limits: Breakers, counts: Counts, said: Mapping[Cause, str]) -> dict[Cause, str]:
    """What is too many, by cause, in plain words with the numbers; empty when nothing is.

    `said` is what a server said last, where there is something to quote.
    """
    days = _days(limits.window)
    found: dict[Cause, str] = {}
    if limits.bounces is not None and _exceeds(limits.bounces, counts.bounces, counts.sent):
        part = _part(limits.bounces, counts.bounces, counts.sent)
        found["bounces"] = part.format(f"messages of {days} came back for good")
    if limits.complaints is not None and _exceeds(limits.complaints, counts.complaints, counts.sent):
        part = _part(limits.complaints, counts.complaints, counts.sent)
        found["complaints"] = part.format(f"messages of {days} were reported as spam")
    if limits.refusals is not None and counts.refusals >= limits.refusals:
        last = f", last with: {said['refusals'].rstrip('.')}" if said.get("refusals") else ""
        found["refusals"] = f"its mail was refused {_times(counts.refusals)} within a day because of the sender{last}"
    if limits.logins is not None and counts.logins >= limits.logins:
        last = f": {said['login'].rstrip('.')}" if said.get("login") else ""
        often = "" if counts.logins == 1 else f" {counts.logins} times in a row"
        found["login"] = f"the login was refused{often}{last}"
    return found


def _exceeds(limit: TooMany, number: int, sent: int) -> bool:
    return number >= limit.least and number >= limit.share * max(sent, number)


def _part(limit: TooMany, number: int, sent: int) -> str:
    whole = max(sent, number)
    return f"{number} of the {whole} {{}} ({number / whole:.1%}; {limit.share * 100:g}% is the limit)"


def _days(window: timedelta) -> str:
    days = round(window / timedelta(days=1))
    return "the last day" if days == 1 else f"the last {days} days"


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"
