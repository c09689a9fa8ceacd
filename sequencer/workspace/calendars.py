"""Zones and public holidays: what the core needs to know about a contact's days.

The `holidays` package takes tens of milliseconds to import and is only asked when somebody has holidays at all.
"""

from __future__ import annotations

import functools
import re
import zoneinfo
from collections.abc import Mapping
from datetime import date
from types import MappingProxyType
from typing import Final
from zoneinfo import ZoneInfo

from sequencer.core.model import Contact, Sequence
from sequencer.core.timing import Calendar
from sequencer.workspace.config import Mailbox
from sequencer.workspace.source import did_you_mean

NO_HOLIDAYS: Final[Mapping[date, str]] = MappingProxyType({})
_CODE: Final = re.compile(r"([A-Z]{2,3})(?:-([A-Z0-9]{1,4}))?")


class UnknownPlace(ValueError):
    """A zone or a holidays code that does not exist; `message` and `hint` are for people."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def calendar_for(contact: Contact, sequence: Sequence, mailbox: Mailbox) -> Calendar:
    """When this contact may be written to in this sequence from this mailbox. Raises UnknownPlace.

    The hours of the mailbox and of the sequence are both meant in the contact's zone, and both must allow.
    """
    hours = tuple(h for h in (mailbox.hours, sequence.hours) if h is not None)
    return Calendar(
        zone=zone_of(contact.timezone), hours=hours, holidays=holidays_of(contact.holidays), closed=mailbox.away
    )


def zone_of(name: str) -> ZoneInfo:
    """The zone of an IANA name. Raises UnknownPlace, with the nearest name that exists."""
    try:
        if not name.isascii() or not name.isprintable():
            raise ValueError(name)
        return ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise UnknownPlace(f"there is no time zone `{name[:60]}`", _zone_hint(name)) from None


def _zone_hint(name: str) -> str:
    zones = zoneinfo.available_timezones()
    cities = {zone.rpartition("/")[2].lower(): zone for zone in sorted(zones)}
    city = name.rpartition("/")[2].lower().replace(" ", "_")
    if city in cities:
        return f"did you mean `{cities[city]}`?"
    hint = did_you_mean(name, zones)
    return hint if hint.startswith("did you mean") else "write it as in America/Denver or Europe/Berlin"


@functools.lru_cache(maxsize=256)
def holidays_of(code: str) -> Mapping[date, str]:
    """The public holidays of `US`, `US-MT`, `DE-BY` …; none for an empty code. Raises UnknownPlace.

    The mapping is lazy: it knows a year once it was asked about a day in it.
    """
    if not code:
        return NO_HOLIDAYS
    import holidays

    found = _CODE.fullmatch(code)
    if found is None:
        raise UnknownPlace(f"`{code[:60]}` is no holidays code", _country_hint(code))
    country, state = found[1], found[2]
    supported = holidays.list_supported_countries()
    if country not in supported:
        raise UnknownPlace(f"there are no holidays for `{country}`", _country_hint(country))
    if state is not None and state not in supported[country]:
        raise UnknownPlace(f"{country} has no state or province `{state}`", did_you_mean(state, supported[country]))
    try:
        # Reasons are told in English, where the package has the English names.
        return _checked(holidays.country_holidays(country, subdiv=state, language="en_US"))
    except (NotImplementedError, ValueError):
        return holidays.country_holidays(country, subdiv=state)


def _country_hint(code: str) -> str:
    """The code that somebody meant who wrote `us`, `USA` or `Germany`."""
    import holidays

    word = code.strip()
    known = holidays.list_supported_countries()
    by_name = getattr(holidays, word.title().replace(" ", ""), None) or getattr(holidays, word.upper(), None)
    meant = getattr(by_name, "country", None) or word.upper()
    if isinstance(meant, str) and meant in known:
        return f"did you mean `{meant}`?"
    return "write a country by its two letters, as US, or with its state, as US-MT"


def _checked(calendar: Mapping[date, str]) -> Mapping[date, str]:
    """An unknown language is only found out by the first question."""
    calendar.get(date(2026, 1, 1))
    return calendar
