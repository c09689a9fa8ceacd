"""Instants and calendars for tests, written as people read them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from sequencer.core.hours import parse_hours
from sequencer.core.timing import Calendar

OFFICE = "Mon-Fri 08:30-17:00"


def at(text: str, zone: str = "UTC") -> datetime:
    """`2026-03-07 09:30` on the wall of a zone (an offset in the text wins) as a UTC instant."""
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(zone))).astimezone(UTC)


def calendar(
    zone: str = "UTC",
    *hours: str,
    holidays: Mapping[date, str] | None = None,
    closed: tuple[tuple[str, str], ...] = (),
) -> Calendar:
    days = tuple((date.fromisoformat(first), date.fromisoformat(last)) for first, last in closed)
    return Calendar(
        ZoneInfo(zone), tuple(parse_hours(text) for text in hours), {} if holidays is None else holidays, days
    )


def denver(text: str) -> datetime:
    return at(text, "America/Denver")


DENVER = calendar("America/Denver", OFFICE)
