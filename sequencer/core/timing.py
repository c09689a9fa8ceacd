"""When something is due, and when it may leave: calendars, hours, holidays, zones, and the spread by hash.

Instants are aware UTC datetimes. A *wall* is what a clock on the contact's wall shows: a naive datetime in the zone of
the Calendar. A wall that a clock change skips stands for the first instant after it; one that comes twice, for
the first of the two.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from hashlib import blake2b
from typing import Final, assert_never
from zoneinfo import ZoneInfo

from sequencer.core.condition import field_value
from sequencer.core.hours import common_times, open_times
from sequencer.core.model import Away, Base, Enrollment, Fields, FieldValue, Hours, Span, Unit, When
from sequencer.core.shifts import Cause, Shift, holiday, reasons_of, shifted
from sequencer.core.when import WEEKDAY_NAMES

HORIZON: Final = timedelta(days=400)
"""How far `next_allowed` looks ahead."""

DECISION_DATE: Final = "decision_date"
"""The field that says when this contact decides."""

_DAY: Final = timedelta(days=1)
_WEEK: Final = timedelta(days=7)
_FIRST_YEAR, _LAST_YEAR = 1900, 2200  # dates outside are how other software writes "no date"


@dataclass(frozen=True, slots=True)
class Calendar:
    """What forbids a touch: every one of the hours must allow, `holidays` and `closed` days are out altogether.

    `closed` are the first and last day of each time that the mailbox is away. `holidays` may compute its days lazily:
    only `in` and `get` are used.
    """

    zone: ZoneInfo
    hours: tuple[Hours, ...] = ()
    holidays: Mapping[date, str] = field(default_factory=dict)
    closed: tuple[tuple[date, date], ...] = ()


@dataclass(frozen=True, slots=True)
class Due:
    """The instant at which a touch may leave; `shifts` say why it is not earlier, in order."""

    at: datetime
    shifts: tuple[Shift, ...] = ()

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it was shifted, for people."""
        return reasons_of(self.shifts)


@dataclass(frozen=True, slots=True)
class MissingDate:
    """The phrase counts from a date that the contact does not have."""

    field: str


@dataclass(frozen=True, slots=True)
class NeverAllowed:
    """Hours, holidays and absences leave no time within the horizon."""

    reason: str


def anchor_of(enrollment: Enrollment) -> datetime:
    """What waits count from: the last touch or sign of life, whichever is later; before any, the enrollment."""
    signs = [at for at in (enrollment.last_touch_at, enrollment.last_sign_at) if at is not None]
    return max(signs, default=enrollment.enrolled_at)


def due_at(
    when: When, enrollment: Enrollment, fields: Fields, decision_cycle: Span | None, calendar: Calendar
) -> datetime | MissingDate:
    """The instant that a `when:` phrase names, before any hours are applied; `fields` are the contact's with the
    enrollment's over them.

    Days are counted on the contact's wall, so the time of day stays; days on which the contact is away at that time do
    not count, minutes and hours stand still meanwhile, and nothing is due while they are away.
    """
    base = _base_instant(when, enrollment, fields, decision_cycle, calendar)
    if isinstance(base, MissingDate):
        return base
    away = _away(enrollment)
    exact = when.base is Base.NOW or (when.base is not Base.ENROLLMENT and _elapsed(when.span) is not None)
    due = _on_day_at(_after_away(base, away), when, calendar, not_before=exact)
    for _ in away:
        back = _after_away(due, away)
        if back == due:
            break
        due = _on_day_at(back, when, calendar, not_before=True)
    return due


def add_span(instant: datetime, span: Span, calendar: Calendar) -> datetime:
    """The instant one span later.

    Minutes and hours are elapsed time. Days, weeks, months and business days keep the time of day across clock
    changes; months end on their last day (31 January + 1 month = 28 February); business days are neither Saturdays,
    Sundays nor holidays.
    """
    return _shifted(instant, span, calendar, away=())


def next_allowed(instant: datetime, calendar: Calendar) -> Due | NeverAllowed:
    """The first instant at or after this one that lies inside all the hours and on no holiday or closed day."""
    if instant.year > _LAST_YEAR:
        return NeverAllowed(f"{instant.year} is too far ahead")
    shifts: tuple[Shift, ...] = ()
    moment = instant
    while moment - instant <= HORIZON:
        wall = _wall(moment, calendar.zone)
        obstacle = _obstacle(wall, calendar)
        if obstacle is None:
            return Due(moment, shifts)
        since, moment = moment, _advance(moment, wall, obstacle.until, calendar.zone)
        cause, reason = obstacle.cause, obstacle.reason
        if cause is Cause.HOURS and shifts:  # the morning before the hours start needs no words of its own
            cause, reason = shifts[-1].cause, shifts[-1].reason
        shifts = shifted(shifts, cause, reason, since, moment)
    return NeverAllowed(_never(calendar, reasons_of(shifts)))


def spread_over(due: Due, calendar: Calendar, spread: timedelta | None, key: str) -> Due:
    """A later instant, by the hash of the key: less than `spread` later, and before the allowed time ends.

    The same key gives the same instant. `due` must be what `next_allowed` gave for this calendar.
    """
    if spread is None or spread <= timedelta(0):
        return due
    room = _open_for(due.at, calendar, spread) // timedelta(microseconds=1)
    fraction = int.from_bytes(blake2b(key.encode(), digest_size=8).digest())
    seconds = (room * fraction >> 64) // 1_000_000
    return Due(due.at + timedelta(seconds=seconds), due.shifts)


def spread_allowed(instant: datetime, calendar: Calendar, most: timedelta, key: str) -> datetime:
    """An instant within the next `most` of allowed time, evenly by the hash of the key, across hours and days."""
    fraction = int.from_bytes(blake2b(key.encode(), digest_size=8).digest())
    left = timedelta(microseconds=(most // timedelta(microseconds=1)) * fraction >> 64)
    moment = instant
    while True:
        slot = next_allowed(moment, calendar)
        if isinstance(slot, NeverAllowed):
            return instant
        room = _open_for(slot.at, calendar, left + timedelta(microseconds=1))
        if room > left:
            return slot.at + left
        left -= room
        moment = slot.at + room


# What a phrase counts from --------------------------------------------------------------------------


def _base_instant(
    when: When, enrollment: Enrollment, fields: Fields, decision_cycle: Span | None, calendar: Calendar
) -> datetime | MissingDate:
    match when.base:
        case Base.NOW:
            return anchor_of(enrollment)
        case Base.TOUCH:
            return _shifted(anchor_of(enrollment), when.span, calendar, _away(enrollment))
        case Base.ENROLLMENT:
            return add_span(enrollment.enrolled_at, when.span, calendar)
        case Base.DECISION:
            start = _decision(enrollment, fields, decision_cycle, calendar)
            return start if isinstance(start, MissingDate) else _around(start, when, calendar)
        case Base.FIELD:
            named = _wall_of(field_value(fields, when.field), calendar.zone)
            return MissingDate(when.field) if named is None else _around(named, when, calendar)
        case _:
            assert_never(when.base)


def _decision(enrollment: Enrollment, fields: Fields, cycle: Span | None, calendar: Calendar) -> datetime | MissingDate:
    """The wall of the decision."""
    value = field_value(fields, DECISION_DATE)
    if value is None and cycle is not None:
        return _wall(add_span(enrollment.enrolled_at, cycle, calendar), calendar.zone)
    return _wall_of(value, calendar.zone) or MissingDate(DECISION_DATE)


def _wall_of(value: FieldValue, zone: ZoneInfo) -> datetime | None:
    """A date field as a wall: midnight of a day, or the very time when it has one. None when it is no date."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            return None
    if not isinstance(value, date) or not _FIRST_YEAR <= value.year <= _LAST_YEAR:
        return None
    if not isinstance(value, datetime):
        return datetime.combine(value, time())
    return value if value.tzinfo is None else _wall(value, zone)


def _around(wall: datetime, when: When, calendar: Calendar) -> datetime:
    elapsed = _elapsed(when.span)
    if elapsed is not None:
        return _instant(wall, calendar.zone) + (-elapsed if when.before else elapsed)
    return _instant(_counted(wall, when.span, calendar, -1 if when.before else 1, _every_day), calendar.zone)


def _on_day_at(instant: datetime, when: When, calendar: Calendar, *, not_before: bool) -> datetime:
    """`on Tuesday` and `at 09:30` applied to an instant.

    With `not_before`, the first instant at or after this one that is such a time; without, the time on that very day.
    """
    if when.at is None and when.weekday is None:
        return instant
    wall = _wall(instant, calendar.zone)
    ahead = 0 if when.weekday is None else (when.weekday - wall.weekday()) % 7
    day = wall.date() + ahead * _DAY
    again = day + (_DAY if when.weekday is None else _WEEK)
    if when.at is not None:
        due = _instant(datetime.combine(day, when.at), calendar.zone)
        return _instant(datetime.combine(again, when.at), calendar.zone) if not_before and due < instant else due
    # When the hours of that weekday are over, they would shift it to the day after, and the weekday be lost.
    over = _over(datetime.combine(day, wall.time()), calendar)
    if not ahead and not over:
        return instant
    if not_before:
        return _instant(datetime.combine(day if ahead else again, time()), calendar.zone)
    return _instant(datetime.combine(day, time() if over else wall.time()), calendar.zone)


def _over(wall: datetime, calendar: Calendar) -> bool:
    """Whether the day has hours, and they are over at this time."""
    times = common_times(calendar.hours, wall.weekday())
    return bool(times) and wall - datetime.combine(wall.date(), time()) >= times[-1][1]


# Counting -------------------------------------------------------------------------------------------


def _elapsed(span: Span) -> timedelta | None:
    """The span as elapsed time, or None when it is counted in days on the wall."""
    match span.unit:
        case Unit.MINUTES:
            return timedelta(minutes=span.amount)
        case Unit.HOURS:
            return timedelta(hours=span.amount)
        case Unit.DAYS | Unit.WEEKS | Unit.MONTHS | Unit.BUSINESS_DAYS:
            return None
        case _:
            assert_never(span.unit)


def _shifted(instant: datetime, span: Span, calendar: Calendar, away: Sequence[Away]) -> datetime:
    elapsed = _elapsed(span)
    if elapsed is not None:
        return _after_waiting(instant, elapsed, away)
    if span.amount == 0:
        return instant  # not by way of the wall, which would lose the second pass of an hour that comes twice
    wall = _wall(instant, calendar.zone)

    def counts(day: date) -> bool:
        moment = _instant(datetime.combine(day, wall.time()), calendar.zone)
        return _after_away(moment, away) == moment

    return _instant(_counted(wall, span, calendar, 1, counts if away else _every_day), calendar.zone)


def _after_waiting(instant: datetime, elapsed: timedelta, away: Sequence[Away]) -> datetime:
    """The clock stands still while the contact is away. `away` is in order and does not overlap."""
    for absence in away:
        if absence.until <= instant:
            continue
        if instant + elapsed <= absence.since:
            break
        elapsed -= max(absence.since - instant, timedelta(0))
        instant = absence.until
    return instant + elapsed


def _counted(
    wall: datetime, span: Span, calendar: Calendar, direction: int, counts: Callable[[date], bool]
) -> datetime:
    """The wall so many days, weeks, months or business days later (direction 1) or earlier (-1)."""
    if span.unit is Unit.BUSINESS_DAYS:

        def is_working(day: date) -> bool:
            return day.weekday() < 5 and day not in calendar.holidays and counts(day)

        return datetime.combine(_walked(wall.date(), span.amount, direction, is_working), wall.time())
    target = _calendar_day(wall.date(), span, direction)
    if counts is not _every_day:
        target = _walked(wall.date(), abs((target - wall.date()).days), direction, counts)
    return datetime.combine(target, wall.time())


def _calendar_day(day: date, span: Span, direction: int) -> date:
    if span.unit is not Unit.MONTHS:
        return day + direction * span.amount * (_WEEK if span.unit is Unit.WEEKS else _DAY)
    months = day.year * 12 + day.month - 1 + direction * span.amount
    following = date((months + 1) // 12, (months + 1) % 12 + 1, 1)
    return date(months // 12, months % 12 + 1, min(day.day, (following - _DAY).day))


def _walked(day: date, count: int, direction: int, counts: Callable[[date], bool]) -> date:
    skipped = 0
    while count:
        day += direction * _DAY
        if counts(day) or skipped > HORIZON.days:  # a calendar without any working day must not hang
            count, skipped = count - 1, 0
        else:
            skipped += 1
    return day


def _every_day(_day: date) -> bool:
    return True


def _away(enrollment: Enrollment) -> list[Away]:
    """The absences in order, overlapping ones as one."""
    joined: list[Away] = []
    for absence in sorted(enrollment.away, key=lambda one: one.since):
        if joined and absence.since <= joined[-1].until:
            joined[-1] = Away(joined[-1].since, max(absence.until, joined[-1].until))
        elif absence.since < absence.until:
            joined.append(absence)
    return joined


def _after_away(instant: datetime, away: Sequence[Away]) -> datetime:
    return next((absence.until for absence in away if absence.since <= instant < absence.until), instant)


# Walls and instants ---------------------------------------------------------------------------------


def _wall(instant: datetime, zone: ZoneInfo) -> datetime:
    return instant.astimezone(zone).replace(tzinfo=None, fold=0)


def _instant(wall: datetime, zone: ZoneInfo) -> datetime:
    after = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if _wall(after, zone) == wall:
        return after
    return _change_between(wall.replace(tzinfo=zone, fold=1).astimezone(UTC), after, zone)


def _advance(moment: datetime, wall: datetime, until: datetime, zone: ZoneInfo) -> datetime:
    """The instant at which the wall shows `until`, or the next change of the clocks, whichever is earlier."""
    then = moment + (until - wall)
    if then.astimezone(zone).utcoffset() == moment.astimezone(zone).utcoffset():
        return then
    return _change_between(moment, then, zone)


def _change_between(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """The first instant of the offset that holds at `after`; changes happen on whole seconds."""
    start = before.replace(microsecond=0)
    offset = start.astimezone(zone).utcoffset()
    low, high = 0, (after - start) // timedelta(seconds=1) + 1
    while high - low > 1:
        middle = (low + high) // 2
        if (start + timedelta(seconds=middle)).astimezone(zone).utcoffset() == offset:
            low = middle
        else:
            high = middle
    return start + timedelta(seconds=high)


# What forbids ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Obstacle:
    cause: Cause
    reason: str
    until: datetime  # the wall at which to look again


def _obstacle(wall: datetime, calendar: Calendar) -> _Obstacle | None:
    """What forbids a touch at this wall, or None."""
    day = wall.date()
    midnight = datetime.combine(day, time())
    if (whole_day := _day_off(day, calendar)) is not None:
        return _Obstacle(*whole_day, midnight + _DAY)
    clock = wall - midnight
    times = common_times(calendar.hours, day.weekday())
    if any(start <= clock < end for start, end in times):
        return None
    outside = dict.fromkeys(
        hours.text
        for hours in calendar.hours
        if not any(start <= clock < end for start, end in open_times(hours, day.weekday()))
    )
    until = next((start for start, _ in times if start > clock), _DAY)
    return _Obstacle(Cause.HOURS, f"outside {' and '.join(outside)}", midnight + until)


def _day_off(day: date, calendar: Calendar) -> tuple[Cause, str] | None:
    """Why the whole day is out: the first reason is enough."""
    until = max((last for first, last in calendar.closed if first <= day <= last), default=None)
    if until is not None:
        return Cause.MAILBOX_AWAY, f"mailbox away until {until}"
    if day in calendar.holidays:
        return Cause.HOLIDAY, holiday(calendar.holidays.get(day) or str(day))
    if any(not open_times(hours, day.weekday()) for hours in calendar.hours):
        return Cause.WEEKDAY, WEEKDAY_NAMES[day.weekday()]
    return None


def _never(calendar: Calendar, reasons: tuple[str, ...]) -> str:
    if not any(common_times(calendar.hours, weekday) for weekday in range(7)):
        return f"{' and '.join(hours.text for hours in calendar.hours)} have no time in common"
    shown = ", ".join(reasons[:5]) + (", …" if len(reasons) > 5 else "")
    return f"no allowed time within {HORIZON.days} days: {shown}"


def _open_for(start: datetime, calendar: Calendar, most: timedelta) -> timedelta:
    """How long it stays allowed from here, `most` at most."""
    moment, latest = start, start + most
    while moment < latest:
        wall = _wall(moment, calendar.zone)
        if _obstacle(wall, calendar) is not None:
            break
        midnight = datetime.combine(wall.date(), time())
        times = common_times(calendar.hours, wall.weekday())
        end = next(end for start_of, end in times if start_of <= wall - midnight < end)
        moment = _advance(moment, wall, midnight + end, calendar.zone)
    return min(moment, latest) - start
