"""What a crowd comes to: what each mailbox sends a day against its limits, what waited, who ended how, and the rep's
own load."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from collections.abc import Sequence as Many
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from statistics import median_low
from typing import Final
from zoneinfo import ZoneInfo

from sequencer.core.model import BACK_OFF
from sequencer.core.pace import Limits, day_cap
from sequencer.core.shifts import Cause
from sequencer.workspace.crowd import Journey
from sequencer.workspace.simulate import Row

MAILS: Final = ("email", BACK_OFF)
TASKS: Final = ("task", "text")
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class MailboxDay:
    """One day of a mailbox. `limit` is how many may leave as of its end (None: any number), `waiting` how many are due
    then and wait for the limits."""

    day: date
    sent: int
    limit: int | None
    waiting: int


@dataclass(frozen=True, slots=True)
class MailboxLoad:
    """A mailbox from the first day on which anything is due to the last on which anything leaves.

    The waits are those of its mails from when each was due to when it left, nights and weekends in between included;
    those that did not wait count as none. `all_written` is when the last of its people had their first mail.
    """

    name: str
    limits: Limits
    people: int
    days: tuple[MailboxDay, ...]
    waits: tuple[timedelta, ...]  # in ascending order, one a mail
    first_due: datetime | None
    all_written: datetime | None
    reasons: Mapping[str, int]  # what mails waited for, and how many

    @property
    def mails(self) -> int:
        """How many left."""
        return len(self.waits)

    @property
    def peak(self) -> MailboxDay | None:
        """The day on which most left."""
        return max(self.days, key=lambda day: day.sent, default=None)

    @property
    def usual_wait(self) -> timedelta:
        """Half of the mails waited no longer."""
        return median_low(self.waits) if self.waits else timedelta(0)

    @property
    def longest_wait(self) -> timedelta:
        """The worst."""
        return self.waits[-1] if self.waits else timedelta(0)


@dataclass(frozen=True, slots=True)
class RepDay:
    """What the rep is asked to do on one day, by kind of task."""

    day: date
    tasks: Mapping[str, int]

    @property
    def total(self) -> int:
        return sum(self.tasks.values())


@dataclass(frozen=True, slots=True)
class Skipped:
    """How often a step was passed over, and why. `waited` is how many of them had waited for the limits first."""

    step: str
    reason: str
    people: int
    waited: int


@dataclass(frozen=True, slots=True)
class Load:
    """What a crowd comes to, in days of `zone`."""

    people: int
    zone: ZoneInfo
    began: datetime  # when the first of them entered
    all_entered: datetime
    most_entered: int  # on one day
    ended: datetime
    mailboxes: tuple[MailboxLoad, ...]
    rep: tuple[RepDay, ...]  # days without a task are left out
    ends: Mapping[str, int]  # why it ended, the most frequent first
    skipped: tuple[Skipped, ...]
    answered: int


def load_of(
    journeys: Many[Journey], limits: Mapping[str, Limits], zone: ZoneInfo, began: Mapping[str, datetime] | None = None
) -> Load:
    """What these journeys come to. Raises ValueError without any."""
    rows = [row for journey in journeys for row in journey.rows]
    moments = [journey.entrant.enters for journey in journeys]
    return Load(
        people=len(journeys),
        zone=zone,
        began=min(moments),
        all_entered=max(moments),
        most_entered=Counter(at.astimezone(zone).date() for at in moments).most_common(1)[0][1],
        ended=max(row.at for row in rows) if rows else max(moments),
        mailboxes=tuple(_mailbox(name, limits[name], journeys, zone, (began or {}).get(name)) for name in limits),
        rep=_rep_days(rows, zone),
        ends=dict(Counter(journey.ended for journey in journeys).most_common()),
        skipped=_skipped(rows),
        answered=sum(journey.enrollment.last_sign_at is not None for journey in journeys),
    )


def _mailbox(name: str, limits: Limits, journeys: Many[Journey], zone: ZoneInfo, began: datetime | None) -> MailboxLoad:
    ours = [journey for journey in journeys if journey.enrollment.mailbox == name]
    mails = [row for journey in ours for row in journey.rows if row.action in MAILS]
    first = [next((row for row in journey.rows if row.action in MAILS), None) for journey in ours]
    firsts = [row for row in first if row is not None]
    waiting = [interval for journey in ours for row in journey.rows if (interval := waited(row)) is not None]
    still = [journey.waits_since for journey in ours if journey.waits_since is not None]
    reasons = Counter(reason for row in mails if (reason := _waited_for(row)))
    return MailboxLoad(
        name=name,
        limits=limits,
        people=len(ours),
        days=tuple(_days(mails, waiting, still, limits, began or min((row.at for row in mails), default=None), zone)),
        waits=tuple(sorted(_length(waited(row)) for row in mails)),
        first_due=min((_ready(row) for row in firsts), default=None),
        all_written=max((row.at for row in firsts), default=None),
        reasons=dict(reasons.most_common()),
    )


def waited(row: Row) -> tuple[datetime, datetime] | None:
    """From when to when a mail waited for the limits of its mailbox; None when it did not."""
    since = next((shift.since for shift in row.shifts if shift.cause is Cause.LIMIT), None)
    return (since, row.at) if since is not None else None


def _waited_for(row: Row) -> str:
    """The limit that it waited for the longest."""
    lasted: Counter[str] = Counter()
    for shift in row.shifts:
        if shift.cause is Cause.LIMIT:
            lasted[shift.reason] += (shift.until - shift.since) // timedelta(seconds=1)
    return lasted.most_common(1)[0][0] if lasted else ""


def _ready(row: Row) -> datetime:
    interval = waited(row)
    return interval[0] if interval is not None else row.at


def _length(interval: tuple[datetime, datetime] | None) -> timedelta:
    return interval[1] - interval[0] if interval is not None else timedelta(0)


def _days(
    mails: Many[Row],
    waiting: Many[tuple[datetime, datetime]],
    still: Many[datetime],
    limits: Limits,
    began: datetime | None,
    zone: ZoneInfo,
) -> list[MailboxDay]:
    if not mails and not waiting and not still:
        return []
    sent = Counter(row.at.astimezone(zone).date() for row in mails)
    joins = sorted([*(since for since, _ in waiting), *still])
    leaves = sorted(until for _, until in waiting)
    known = [at.astimezone(zone).date() for at in (*(row.at for row in mails), *joins[:1], *joins[-1:], *leaves[-1:])]
    day, last = min(known), max(known)
    days: list[MailboxDay] = []
    joined = left = 0
    while day <= last:
        end = datetime.combine(day + _DAY, time(), zone)
        while joined < len(joins) and joins[joined] < end:
            joined += 1
        while left < len(leaves) and leaves[left] < end:
            left += 1
        days.append(MailboxDay(day, sent[day], day_cap(limits, began, end), joined - left))
        day += _DAY
    return days


def _rep_days(rows: Many[Row], zone: ZoneInfo) -> tuple[RepDay, ...]:
    days: dict[date, Counter[str]] = {}
    for row in rows:
        if row.action in TASKS:
            days.setdefault(row.at.astimezone(zone).date(), Counter())[row.detail] += 1
    return tuple(RepDay(day, dict(days[day].most_common())) for day in sorted(days))


def _skipped(rows: Many[Row]) -> tuple[Skipped, ...]:
    skips = [row for row in rows if row.action == "skip"]
    counted = Counter((row.step, row.reason) for row in skips)
    held = Counter((row.step, row.reason) for row in skips if waited(row) is not None)
    return tuple(Skipped(*key, people, held[key]) for key, people in counted.most_common())
