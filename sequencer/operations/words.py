"""Dates and steps in words, as short as a list of many people needs them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from sequencer.core.model import BACK_OFF


@dataclass(frozen=True, slots=True)
class Words:
    """The words for instants in a zone; the year is left out where it is that of `now`."""

    zone: ZoneInfo
    now: datetime

    def day(self, at: datetime) -> str:
        """`Mon 5 Jan`."""
        local = at.astimezone(self.zone)
        year = f" {local.year}" if local.year != self.now.astimezone(self.zone).year else ""
        return f"{local:%a} {local.day} {local:%b}{year}"

    def moment(self, at: datetime) -> str:
        """`Mon 5 Jan 09:30`."""
        return f"{self.day(at)} {at.astimezone(self.zone):%H:%M}"


def named(step: str) -> str:
    """A step, for people."""
    return "the back-off message" if step == BACK_OFF else f"“{step}”"
