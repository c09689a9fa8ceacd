"""Why an instant was moved: each shift has its cause, and a reason for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from sequencer.core.when import WEEKDAY_NAMES


class Cause(StrEnum):
    """What can move a touch from the instant that its `when:` names."""

    WEEKDAY = "weekday"  # no hours on that day of the week
    HOLIDAY = "holiday"
    HOURS = "hours"  # outside the hours of that day
    MAILBOX_AWAY = "mailbox_away"
    THEY_AWAY = "they_away"  # out of office
    MIN_GAP = "min_gap"  # another touch to the same person is too near
    RESUMED = "resumed"  # it was paused or snoozed until then
    EDITED = "edited"  # the file made it due at once
    SERVER = "server"  # the server asked to try later
    SPREAD = "spread"
    LIMIT = "limit"  # of the mailbox: an hour, a day, the gap, the ramp-up
    HELD = "held"
    OVERDUE = "overdue"  # due before anybody could look: what came before it was late


_HOLIDAY: Final = "holiday: "


@dataclass(frozen=True, slots=True)
class Shift:
    """Moved from `since` to `until`, because of `reason`."""

    cause: Cause
    reason: str
    since: datetime
    until: datetime


def holiday(name: str) -> str:
    """The reason of a holiday."""
    return f"{_HOLIDAY}{name}"


def shifted(shifts: Sequence[Shift], cause: Cause, reason: str, since: datetime, until: datetime) -> tuple[Shift, ...]:
    """The shifts with one more, as one with the last where it goes on for the same reason."""
    if since >= until:
        return tuple(shifts)
    if shifts and (shifts[-1].cause, shifts[-1].reason) == (cause, reason):
        return (*shifts[:-1], replace(shifts[-1], until=until))
    return (*shifts, Shift(cause, reason, since, until))


def unbroken(shifts: Iterable[Shift], since: datetime, until: datetime) -> tuple[Shift, ...]:
    """The shifts from `since` to `until`; what they leave open, it was overdue."""
    chain: tuple[Shift, ...] = ()
    at = since
    for shift in shifts:
        chain = shifted(chain, Cause.OVERDUE, "overdue", at, shift.since)
        chain = shifted(chain, shift.cause, shift.reason, shift.since, shift.until)
        at = shift.until
    return shifted(chain, Cause.OVERDUE, "overdue", at, until)


def wished(shifts: Sequence[Shift], at: datetime) -> datetime:
    """The instant that was moved to `at`."""
    return shifts[0].since if shifts else at


def reasons_of(shifts: Iterable[Shift]) -> tuple[str, ...]:
    """Every reason once, in order. The spread needs no words: it is meant to be there."""
    return tuple(dict.fromkeys(shift.reason for shift in shifts if shift.cause is not Cause.SPREAD))


def in_words(shifts: Iterable[Shift]) -> str:
    """The reasons in order, as people say them: `Christmas Day, then the weekend`."""
    told = [shift for shift in shifts if shift.cause is not Cause.SPREAD]
    causes = [shift for shift in told if shift.cause is not Cause.OVERDUE]
    return ", then ".join(dict.fromkeys(_words(shift) for shift in causes or told))


def _words(shift: Shift) -> str:
    match shift.cause:
        case Cause.WEEKDAY if shift.reason in WEEKDAY_NAMES[5:]:
            return "weekend"
        case Cause.HOLIDAY:
            return shift.reason.removeprefix(_HOLIDAY)
        case _:
            return shift.reason
