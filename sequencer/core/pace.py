"""A mailbox's pace: how many messages may leave now, and when the next one may.

Limits protect the sender's reputation with the providers: messages an hour and a day (rolling windows), a gap with
jitter between two messages, and a daily number that grows while the mailbox is young (ramp-up).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
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
    rooms = [
        _room(sent, now, HOUR, limits.per_hour, "an hour"),
        _day_room(limits, sent, began, now),
        _gap(limits, sent, now),
    ]
    closed = [room for room in rooms if room.count == 0]
    if closed:
        return max(closed, key=lambda room: room.next_at or now)
    counts = [room.count for room in rooms if room.count is not None]
    return Pace(min(counts) if counts else None)


def places(limits: Limits, sent: Sequence[datetime], began: datetime | None, opens: datetime) -> Iterator[datetime]:
    """For a queue of those who have to wait, in order: the earliest instant at which each may get its turn, from
    `opens` on. Endless; never goes back.

    Every gap is taken to be the shortest, so some have to wait a little longer than they are told here; but no turn
    passes while the one whose turn it is still sleeps.
    """
    left, at = list(sent), opens
    while True:
        at = max(at, *_openings(limits, left, began, at))
        began = began or at
        left.append(at)
        yield at


def _openings(limits: Limits, left: Sequence[datetime], began: datetime | None, at: datetime) -> Iterator[datetime]:
    """When each limit allows one more message than have left, `at` or later."""
    if limits.per_hour is not None and len(left) >= limits.per_hour:
        yield left[-limits.per_hour] + HOUR
    if limits.gap is not None and left:
        yield left[-1] + timedelta(seconds=limits.gap[0])
    yield _day_opens(limits, left, began, at)


def _day_opens(limits: Limits, left: Sequence[datetime], began: datetime | None, at: datetime) -> datetime:
    """A message drops out of the window, or the ramp-up grows by a day."""
    while (cap := day_cap(limits, began, at)) is not None and len(left) >= cap and left[-cap] + DAY > at:
        drops_out = left[-cap] + DAY
        grows = at + DAY - (at - began) % DAY if limits.ramp_up is not None and began is not None else drops_out
        at = min(drops_out, grows)
    return at


def _room(sent: Sequence[datetime], now: datetime, window: timedelta, limit: int | None, per: str) -> Pace:
    if limit is None:
        return Pace(None)
    recent = [at for at in sent if at > now - window]
    if len(recent) < limit:
        return Pace(limit - len(recent))
    return Pace(0, recent[len(recent) - limit] + window, f"the mailbox sends at most {limit} {per}")


def _day_room(limits: Limits, sent: Sequence[datetime], began: datetime | None, now: datetime) -> Pace:
    cap = day_cap(limits, began, now)
    room = _room(sent, now, DAY, cap, "a day" if cap == limits.per_day else "a day (ramp-up)")
    return replace(room, next_at=_day_opens(limits, sent, began, now)) if room.count == 0 else room


def day_cap(limits: Limits, began: datetime | None, now: datetime) -> int | None:
    """How many messages may leave within a day as of `now`, the ramp-up included; None: any number."""
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


def retry_after(first: timedelta, longest: timedelta, tries: int, key: str) -> timedelta:
    """How long to wait after so many tries (0: the first has just failed): twice as long each time, up to `longest`.

    With a jitter of a fifth by hash of `key`, so that what failed together does not come back at one moment.
    """
    wait = min(longest, first * (1 << min(tries, 10)))
    digest = blake2b(f"{key}:{tries}".encode(), digest_size=2).digest()
    return wait * (1 + int.from_bytes(digest, "big") / 65536 / 5)
