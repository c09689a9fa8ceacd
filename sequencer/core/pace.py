"""A mailbox's pace: how many messages may leave now, and when the next one may.

Limits protect the sender's reputation with the providers: messages an hour and a day (rolling windows), a gap with
jitter between two messages, and a daily number that grows while the mailbox is young (ramp-up).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Final

HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a mailbox may send. None switches a limit off. `gap` is in seconds, least and most."""

    per_hour: int | None = None
    per_day: int | None = None
    gap: tuple[float, float] | None = None
    ramp_up: int | None = None  # so many more each day, from the mailbox's first day on


@dataclass(frozen=True, slots=True)
class Pace:
    """How many messages may leave now (None: any number); `next_at` when none may, and what forbids it."""

    count: int | None
    next_at: datetime | None = None
    reason: str = ""


def pace(limits: Limits, sent: Sequence[datetime], began: datetime | None, now: datetime) -> Pace:
    """The pace at `now`, from the instants at which messages left during the last day, oldest first.

    `began` is when the mailbox sent its first message ever (None: not yet); the ramp-up counts from there.
    """
    day_cap = _day_cap(limits, began, now)
    rooms = [
        _room(sent, now, HOUR, limits.per_hour, "an hour"),
        _room(sent, now, DAY, day_cap, "a day (ramp-up)" if day_cap != limits.per_day else "a day"),
        _gap(limits, sent, now),
    ]
    closed = [room for room in rooms if room.count == 0]
    if closed:
        return max(closed, key=lambda room: room.next_at or now)
    counts = [room.count for room in rooms if room.count is not None]
    return Pace(min(counts) if counts else None)


def _room(sent: Sequence[datetime], now: datetime, window: timedelta, limit: int | None, per: str) -> Pace:
    if limit is None:
        return Pace(None)
    recent = [at for at in sent if at > now - window]
    if len(recent) < limit:
        return Pace(limit - len(recent))
    frees = recent[len(recent) - limit] if limit else now
    return Pace(0, frees + window, f"the mailbox sends at most {limit} {per}")


def _day_cap(limits: Limits, began: datetime | None, now: datetime) -> int | None:
    if limits.ramp_up is None:
        return limits.per_day
    days = 1 if began is None else (now - began) // DAY + 1
    grown = limits.ramp_up * days
    return grown if limits.per_day is None else min(grown, limits.per_day)


def _gap(limits: Limits, sent: Sequence[datetime], now: datetime) -> Pace:
    if limits.gap is None:
        return Pace(None)
    if not sent:
        return Pace(1)
    opens = sent[-1] + timedelta(seconds=_jittered(limits.gap, sent[-1]))
    if opens <= now:
        return Pace(1)
    return Pace(0, opens, "the gap between two messages")


def _jittered(gap: tuple[float, float], last: datetime) -> float:
    """A length between the two ends that looks random from outside and is the same whenever it is asked for."""
    least, most = gap
    digest = blake2b(last.isoformat().encode(), digest_size=8).digest()
    return least + (most - least) * int.from_bytes(digest, "big") / 2**64
