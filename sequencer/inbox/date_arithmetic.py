"""The calendar behind the grammar of dates: which days a month, a week, a season or a feast means, seen from today."""

from __future__ import annotations

from calendar import monthrange
from datetime import date, timedelta
from typing import Final

Days = tuple[date, date]
"""A span of days: the first, and the first that no longer belongs to it."""

_SEASON_STARTS: Final = {1: (3, 20), 2: (6, 21), 3: (9, 23), 4: (12, 21)}
_SEASON_ENDS: Final = {1: (6, 21), 2: (9, 24), 3: (12, 21), 4: (3, 21)}
_SEASON_OVER: Final = {1: (6, 1), 2: (9, 1), 3: (12, 1), 4: (3, 1)}
_WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def make_date(year: int, month: int, day: int) -> date | None:
    """The date, or None when the calendar has no such day."""
    try:
        return date(year, month, day)
    except (ValueError, OverflowError):
        return None


def add_days(day: date, count: int) -> date | None:
    """`day` + `count` days, None outside the calendar."""
    try:
        return day + timedelta(days=count)
    except OverflowError:
        return None


def add_months(day: date, count: int) -> date | None:
    """The same day `count` months on, the month's last day when it has no such day."""
    index = day.year * 12 + day.month - 1 + count
    year, month = divmod(index, 12)
    if not 1 <= year <= 9998:
        return None
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def add_workdays(day: date, count: int) -> date | None:
    """`count` weekdays on (back, when negative); public holidays are not known here."""
    if abs(count) > 2_000:
        return None
    step = 1 if count >= 0 else -1
    left, current = abs(count), day
    while left:
        moved = add_days(current, step)
        if moved is None:
            return None
        current = moved
        left -= current.weekday() < 5
    return current


def full_year(number: int, today: date) -> int:
    """A year as written: 26 means 2026, 74 means 1974."""
    if number >= 100:
        return number
    return 2000 + number if number <= (today.year + 30) % 100 else 1900 + number


def year_span(year: int) -> Days | None:
    """All days of a year."""
    first, last = make_date(year, 1, 1), make_date(year + 1, 1, 1)
    return (first, last) if first and last else None


def month_span(year: int, month: int) -> Days | None:
    """All days of a month."""
    first = make_date(year, month, 1)
    last = add_months(first, 1) if first else None
    return (first, last) if first and last else None


def quarter_span(year: int, quarter: int) -> Days | None:
    """All days of a quarter (1 to 4)."""
    first = make_date(year, quarter * 3 - 2, 1) if 1 <= quarter <= 4 else None
    last = add_months(first, 3) if first else None
    return (first, last) if first and last else None


def half_span(year: int, half: int) -> Days | None:
    """All days of a half year (1 or 2)."""
    first = make_date(year, half * 6 - 5, 1) if 1 <= half <= 2 else None
    last = add_months(first, 6) if first else None
    return (first, last) if first and last else None


def week_span(day: date) -> Days:
    """The ISO week that holds `day`, Monday first."""
    first = day - timedelta(days=day.weekday())
    return first, first + timedelta(days=7)


def iso_week_span(year: int, week: int) -> Days | None:
    """An ISO week by its number, None when the year has no such week."""
    try:
        first = date.fromisocalendar(year, week, 1)
    except ValueError:
        return None
    return first, first + timedelta(days=7)


def unit_span(unit: str, today: date, shift: int) -> Days | None:
    """This (0), the next (1), the last (-1) … week, month, quarter, half year, year or weekend."""
    match unit:
        case "week":
            moved = add_days(today, 7 * shift)
            return week_span(moved) if moved else None
        case "fortnight":
            moved = add_days(week_span(today)[0], 14 * shift)
            return (moved, moved + timedelta(days=14)) if moved else None
        case "weekend":
            moved = add_days(week_span(today)[0], 7 * shift + 5)
            return (moved, moved + timedelta(days=2)) if moved else None
        case "month":
            moved = add_months(today.replace(day=1), shift)
            return month_span(moved.year, moved.month) if moved else None
        case "quarter":
            index = today.year * 4 + (today.month - 1) // 3 + shift
            return quarter_span(index // 4, index % 4 + 1)
        case "half_year":
            index = today.year * 2 + (today.month - 1) // 6 + shift
            return half_span(index // 2, index % 2 + 1)
        case "year":
            return year_span(today.year + shift)
        case "day":
            moved = add_days(today, shift)
            return (moved, moved + timedelta(days=1)) if moved else None
        case "business_day":
            moved = add_workdays(today, shift)
            return (moved, moved + timedelta(days=1)) if moved else None
    return None


def next_month_named(month: int, today: date) -> Days | None:
    """The month of that name that holds today or comes next."""
    return month_span(today.year + (month < today.month), month)


def next_day_named(month: int, day: int, today: date) -> date | None:
    """The next such day, today included; 29 February waits for a leap year."""
    for year in range(today.year, today.year + 5):
        found = make_date(year, month, day)
        if found and found >= today:
            return found
    return None


def next_day_of_month(day: int, today: date) -> date | None:
    """The next day with that number, today included."""
    for count in range(3):
        start = add_months(today.replace(day=1), count)
        found = make_date(start.year, start.month, day) if start else None
        if found and found >= today:
            return found
    return None


def next_weekday(weekday: int, today: date, *, today_counts: bool = False) -> date:
    """The next such weekday; today only when `today_counts`."""
    ahead = (weekday - today.weekday()) % 7
    return today + timedelta(days=ahead or (0 if today_counts else 7))


def weekday_with_number(weekday: int, day: int, today: date) -> date | None:
    """The next "Friday the 13th"."""
    for count in range(14):
        start = add_months(today.replace(day=1), count)
        found = make_date(start.year, start.month, day) if start else None
        if found and found >= today and found.weekday() == weekday:
            return found
    return None


def nth_weekday(first: date, last: date, weekday: int, number: int) -> date | None:
    """The `number`-th such weekday of a span of days; -1 is the last."""
    if number == -1:
        end = last - timedelta(days=1)
        return end - timedelta(days=(end.weekday() - weekday) % 7)
    found = next_weekday(weekday, first, today_counts=True) + timedelta(days=7 * (number - 1))
    return found if found < last else None


def season_span(season: int, year: int) -> Days | None:
    """A season of the northern half of the Earth, by the Sun; winter begins in `year`."""
    if season not in _SEASON_STARTS:
        return None
    end_year = year + (season == 4)
    first, last = make_date(year, *_SEASON_STARTS[season]), make_date(end_year, *_SEASON_ENDS[season])
    return (first, last) if first and last else None


def season_over(season: int, last: date) -> date:
    """When people say that a season is over: the first of a month, before the Sun says so."""
    return date(last.year, *_SEASON_OVER[season])


def easter(year: int) -> date:
    """Easter Sunday of the western churches (the anonymous Gregorian algorithm)."""
    golden, century = year % 19, year // 100
    skipped = century - century // 4 - (8 * century + 13) // 25 + 19 * golden + 15
    moon = skipped % 30
    moon -= (moon // 28) * (1 - (moon // 28) * (29 // (moon + 1)) * ((21 - golden) // 11))
    offset = moon - (year + year // 4 + moon + 2 - century + century // 4) % 7
    month = 3 + (offset + 40) // 44
    return date(year, month, offset + 28 - 31 * (month // 4))


def feast(name: str, year: int) -> date | None:
    """A feast in a year: `12-25`, `easter-2`, `11-4-thu` (the fourth Thursday), `05-last-mon`, `11-4-thu+1`."""
    if name.startswith("easter"):
        return add_days(easter(year), int(name[6:] or 0)) if 1583 <= year <= 9998 else None
    base, _, plus = name.partition("+")
    parts = base.split("-")
    if len(parts) == 2:
        return make_date(year, int(parts[0]), int(parts[1]))
    span = month_span(year, int(parts[0]))
    if span is None:
        return None
    number = -1 if parts[1] == "last" else int(parts[1])
    found = nth_weekday(*span, _WEEKDAYS.index(parts[2]), number)
    return add_days(found, int(plus or 0)) if found else None


def break_span(name: str, today: date) -> Days | None:
    """The break that people mean by "the holidays": around New Year, or the summer."""
    if name == "holidays" and (today.month >= 9 or today.month == 1):
        year = today.year + (today.month >= 9)
        first, last = make_date(year - 1, 12, 23), make_date(year, 1, 5)
    elif name == "winter_break":
        year = today.year + (today.month >= 2)
        first, last = make_date(year - 1, 12, 23), make_date(year, 1, 7)
    elif name == "summer_break" or today.month >= 5:
        year = today.year + (today.month >= 9)
        first, last = make_date(year, 7, 1), make_date(year, 9, 1)
    else:
        return None
    return (first, last) if first and last else None
