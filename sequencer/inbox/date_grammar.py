"""The grammar of dates, the same for every language: rules that rewrite a row of pieces until days are left.

Each rule is a pattern over the marks of the pieces (see `date_words`) and a function that makes one piece of those
that matched. `D` is a day, `P` a span of days, `r` a length of time.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Final

from sequencer.inbox import date_arithmetic as calendar
from sequencer.inbox.date_words import Piece

_MONTHS: Final = {"month": 1, "quarter": 3, "half_year": 6, "year": 12}
_DAYS: Final = {"day": 1, "week": 7, "fortnight": 14, "weekend": 7}


@dataclass(frozen=True, slots=True)
class Scene:
    """What a date is seen from: the day, and the order in which numbers are written."""

    today: date
    order: str
    bare_numbers: bool = False  # "el 16" is a day of the month
    postpositions: bool = False  # "after" stands behind the day


Row = list[Piece]
Rule = tuple[re.Pattern[str], Callable[[Scene, Row], Piece | None]]


def read_row(row: Row, scene: Scene) -> Row:
    """The days (`D`) and spans (`P`) that a row of pieces means, in the order of the text."""
    row = [_settled(piece, scene) for piece in row if piece.mark not in "cp"]
    row = [_month_beside_number(row, index) for index in range(len(row))]
    row = _with_numeric_dates(row, scene)
    for rules in (_FIRST, _SECOND, _SECOND, _THIRD):
        for pattern, make in rules:
            row = _rewrite(row, pattern, make, scene)
    return [piece for piece in row if piece.mark in "DP" and piece.pick]


def _month_beside_number(row: Row, index: int) -> Piece:
    piece = row[index]
    if piece.mark != "N" or not piece.unit.startswith("M"):
        return piece
    beside = (index and row[index - 1].mark in "NO") or (index + 1 < len(row) and row[index + 1].mark == "Y")
    return replace(piece, mark="M", number=int(piece.unit[1:]), unit="") if beside else replace(piece, unit="")


def _rewrite(row: Row, pattern: re.Pattern[str], make: Callable[[Scene, Row], Piece | None], scene: Scene) -> Row:
    marks = "".join(piece.mark for piece in row)
    if pattern.search(marks) is None:
        return row
    out: Row = []
    position = 0
    while found := pattern.search(marks, position):
        start, end = found.span()
        made = make(scene, row[start:end])
        if made is None:
            out += row[position : start + 1]
            position = start + 1
        else:
            out += row[position:start]
            out.append(replace(made, at=row[start].at, to=max(row[end - 1].to, row[start].to)))
            position = end
    return out + row[position:]


# Making pieces ------------------------------------------------------------------------------------


def _day(day: date | None, role: str = "") -> Piece | None:
    if day is None or day >= date(9998, 1, 1):
        return None
    return Piece("D", 0, 0, first=day, last=day + timedelta(days=1), pick=day, role=role)


def _span(days: calendar.Days | None, unit: str = "", pick: date | None = None, role: str = "") -> Piece | None:
    return Piece("P", 0, 0, unit=unit, first=days[0], last=days[1], pick=pick or days[0], role=role) if days else None


def _of(row: Row, marks: str) -> Piece | None:
    return next((piece for piece in row if piece.mark in marks), None)


def _number(row: Row, marks: str) -> int:
    found = _of(row, marks)
    return found.number if found else 0


def _moved(day: date, length: Piece, sign: int = 1) -> date | None:
    moved: date | None = day
    if length.months:
        moved = calendar.add_months(day, sign * length.months)
    if moved and length.days:
        moved = calendar.add_days(moved, sign * length.days)
    if moved and length.workdays:
        moved = calendar.add_workdays(moved, sign * length.workdays)
    return moved


# Numbers ------------------------------------------------------------------------------------------


def _settled(piece: Piece, scene: Scene) -> Piece:
    """A piece that needs no neighbours to be a day: today, 2026-03-01."""
    made: Piece | None
    if piece.mark == "T":
        made = _day(calendar.add_days(scene.today, piece.number))
    elif piece.mark == "D" and piece.first is None:
        made = _day(calendar.make_date(*(int(part) for part in piece.unit.split("-"))))
    else:
        return piece
    return replace(made, at=piece.at, to=piece.to) if made else replace(piece, mark=".")


def _with_numeric_dates(row: Row, scene: Scene) -> Row:
    """`3/4/2026` and `3.4.` as days; a weekday beside them, or plausibility, settles which number is the month."""
    out: Row = []
    for index, piece in enumerate(row):
        if piece.mark not in "3G":
            out.append(piece)
            continue
        before = row[index - 1] if index else None
        after = row[index + 1] if index + 1 < len(row) else None
        if piece.mark == "G" and not _is_partial_date(piece, before, scene):
            out.append(replace(piece, mark="."))
            continue
        near = [other for other in (before, row[index - 2] if index > 1 else None, after) if other]
        weekday = next((other.number for other in near if other.mark in "Ww"), None)
        made = _day(_numeric(piece, scene, weekday))
        out.append(replace(made, at=piece.at, to=piece.to) if made else replace(piece, mark="."))
    return out


def _is_partial_date(piece: Piece, before: Piece | None, scene: Scene) -> bool:
    """`3/4` is a date; `3.4` only where dots are the custom, or after a weekday or "on"."""
    if piece.unit == "/":
        return before is None or before.mark not in "U"
    return scene.order == "DMY" or (before is not None and before.mark in "WouB")


def _numeric(piece: Piece, scene: Scene, weekday: int | None) -> date | None:
    candidates = []
    pairs = [(piece.number, piece.second), (piece.second, piece.number)]
    for month, day in pairs if scene.order == "MDY" else pairs[::-1]:
        if piece.mark == "3":
            year = calendar.full_year(int(piece.unit), scene.today)
            candidates.append(calendar.make_date(year, month, day))
        else:
            candidates.append(calendar.next_day_named(month, day, scene.today) if month <= 12 and day else None)
    real = [candidate for candidate in candidates if candidate]
    if weekday is not None and (agreeing := [day for day in real if day.weekday() == weekday]):
        return agreeing[0]
    if piece.mark == "3":
        ahead = [day for day in real if 0 <= (day - scene.today).days <= 400]
        if ahead and real[0] not in ahead and (scene.today - real[0]).days < 400:
            return ahead[0]
    return real[0] if real else None


# Lengths of time ----------------------------------------------------------------------------------


def _length(_: Scene, row: Row) -> Piece | None:
    months = days = workdays = 0
    number = 1
    for piece in row:
        if piece.mark in "Nj":
            number = piece.number
        elif piece.mark == "U":
            months += number * _MONTHS.get(piece.unit, 0)
            days += number * _DAYS.get(piece.unit, 0)
            workdays += number * (piece.unit == "business_day")
            number = 1
    return Piece("r", 0, 0, months=months, days=days, workdays=workdays, unit=_of(row, "U").unit)  # type: ignore[union-attr]


def _one(_: Scene, row: Row) -> Piece | None:
    """ "in a week" in languages that need no word for "a"."""
    unit = row[-1].unit
    return Piece("r", 0, 0, months=_MONTHS.get(unit, 0), days=_DAYS.get(unit, 0), workdays=int(unit == "business_day"), unit=unit)


def _half_year(scene: Scene, row: Row) -> Piece | None:
    """ "for half a year": such a unit needs no number."""
    return _one(scene, row) if row[-1].unit in ("half_year", "fortnight") else None


def _tens_and_ones(_: Scene, row: Row) -> Piece | None:
    """ "двадцать четвертого": two words for one number."""
    tens, ones = row
    if tens.number not in (20, 30) or not 1 <= ones.number <= 9 or min(tens.to - tens.at, ones.to - ones.at) < 3:
        return None
    return replace(ones, number=tens.number + ones.number)


def _from_today(scene: Scene, row: Row) -> Piece | None:
    return _day(_moved(scene.today, _of(row, "r") or row[0]))


def _before_today(scene: Scene, row: Row) -> Piece | None:
    return _day(_moved(scene.today, _of(row, "r") or row[0], -1))


def _from_day(_: Scene, row: Row) -> Piece | None:
    length, day = _of(row, "r"), _of(row, "DP")
    if length is None or day is None or day.first is None or day.last is None:
        return None
    if row[0].mark == "y" or _of(row, "g"):
        end = _moved(day.first, length)
        return _span((day.first, end), role="range") if end and end > day.first else None
    if _of(row, "b"):
        return _day(_moved(day.first, length, -1))
    return _day(_moved(day.first, length))


def _weekday_from_now(scene: Scene, row: Row) -> Piece | None:
    length, weekday = _of(row, "r"), _of(row, "WD")
    moved = _moved(scene.today, length) if length else None
    if weekday is None or moved is None or length is None:
        return None
    if length.months:
        return _day(calendar.next_weekday(weekday.number, moved, today_counts=True))
    return _day(calendar.week_span(moved)[0] + timedelta(days=weekday.number))


def _weekdays_from_now(scene: Scene, row: Row) -> Piece | None:
    first = calendar.next_weekday(_number(row, "W"), scene.today)
    return _day(calendar.add_days(first, 7 * (_number(row, "Nj") - 1)))


def _next_length(scene: Scene, row: Row) -> Piece | None:
    length = _of(row, "r")
    end = _moved(scene.today, length) if length else None
    if end is None or end <= scene.today:
        return None
    return _span((scene.today, end), pick=end, role="within")


def _last_length(scene: Scene, row: Row) -> Piece | None:
    length = _of(row, "r")
    start = _moved(scene.today, length, -1) if length else None
    return _span((start, scene.today)) if start and start < scene.today else None


def _next_length_split(scene: Scene, row: Row) -> Piece | None:
    """ "the 3 next weeks"."""
    length = _length(scene, [row[0], row[-1]])
    return _next_length(scene, [length]) if length else None


# Days with a month --------------------------------------------------------------------------------


def _written_year(row: Row, scene: Scene, *, after: int) -> int | None:
    """The year among pieces, `after` being the index from which a bare two-digit number may be one."""
    year = _of(row, "Y")
    if year:
        return calendar.full_year(year.number, scene.today)
    for index in range(after, len(row)):
        piece = row[index]
        if piece.mark == "N" and (piece.number > 31 or row[index - 1].mark in "-/"):
            return calendar.full_year(piece.number, scene.today)
    return None


def _day_of_month(scene: Scene, row: Row) -> Piece | None:
    month = next(index for index, piece in enumerate(row) if piece.mark in "Mm")
    day = next(index for index, piece in enumerate(row) if piece.mark in "NO")
    weekday = _of(row, "Ww")
    unit = _of(row, "U")
    if not 1 <= row[day].number <= 31 or (unit and unit.unit != "day"):
        return None
    year = _written_year(row, scene, after=max(month, day) + 1)
    if year is not None:
        made = _day(calendar.make_date(year, row[month].number, row[day].number))
        return replace(made, second=1) if made else None
    if len(row) and row[-1].mark == "N" and len(row) - 1 not in (month, day):
        return None
    found = calendar.next_day_named(row[month].number, row[day].number, scene.today)
    if found and weekday and found.weekday() != weekday.number:
        other = [
            candidate
            for years in (1, 2)
            if (candidate := calendar.make_date(found.year + years, found.month, found.day))
            and candidate.weekday() == weekday.number
            and (candidate - scene.today).days <= 540
        ]
        found = other[0] if other else found
    return _day(found)


def _days_of_month(scene: Scene, row: Row) -> Piece | None:
    """ "13 to 15 July", "July 13-15, 2026"."""
    month = _of(row, "Mm")
    numbers = [piece.number for piece in row if piece.mark in "NO"]
    if month is None or len(numbers) != 2 or not all(1 <= number <= 31 for number in numbers):
        return None
    year = _written_year(row, scene, after=len(row))
    last = (
        calendar.make_date(year, month.number, numbers[1])
        if year
        else calendar.next_day_named(month.number, numbers[1], scene.today)
    )
    if last is None:
        return None
    first = calendar.make_date(last.year, month.number, numbers[0])
    if first and first > last:
        first = calendar.add_months(first, -1)
    return _span((first, last + timedelta(days=1)), role="range") if first else None


def _day_of_period(_: Scene, row: Row) -> Piece | None:
    """ "the 20th of next month"."""
    number, period = _number(row, "NO"), _of(row, "P")
    if period is None or period.first is None or period.unit != "month":
        return None
    first = period.first if number > 0 else period.last or period.first
    if number == -1:
        return _day(first - timedelta(days=1))
    return _day(calendar.make_date(first.year, first.month, number))


def _day_number(scene: Scene, row: Row) -> Piece | None:
    """ "on the 15th"."""
    number = row[-1].number
    if row[-1].to - row[-1].at > 5 and row[-1].mark == "O":
        return None
    return _day(calendar.next_day_of_month(number, scene.today)) if 1 <= number <= 31 else None


def _bare_day_number(scene: Scene, row: Row) -> Piece | None:
    """ "el 16", where articles are the custom."""
    return _day_number(scene, row) if scene.bare_numbers else None


def _day_number_in_range(scene: Scene, row: Row) -> Piece | None:
    """ "from the 3rd to the 10th"."""
    numbers = [piece.number for piece in row if piece.mark in "NO"]
    if row[0].mark != "B" and not scene.bare_numbers:
        return None
    last = calendar.next_day_of_month(numbers[1], scene.today) if 1 <= numbers[1] <= 31 else None
    first = calendar.make_date(last.year, last.month, numbers[0]) if last and 1 <= numbers[0] <= 31 else None
    if last is None or first is None:
        return None
    if first > last:
        first = calendar.add_months(first, -1) or first
    return _span((first, last + timedelta(days=1)), role="range")


def _weekday_and_number(scene: Scene, row: Row) -> Piece | None:
    weekday, number = _of(row, "Ww"), _of(row, "NO")
    if weekday is None or number is None or not 1 <= number.number <= 31:
        return None
    found = calendar.weekday_with_number(weekday.number, number.number, scene.today)
    if found is None or (number.mark == "N" and number.number <= 12 and (found - scene.today).days > 62):
        return None
    return _day(found)


# Spans --------------------------------------------------------------------------------------------

_SHIFTS: Final = {"X": 1, "H": 0, "L": -1, "Z": 2}


def _this_or_next(scene: Scene, row: Row) -> Piece | None:
    unit, which = _of(row, "U"), _of(row, "XHLZ")
    if unit is None or which is None:
        return None
    days = calendar.unit_span(unit.unit, scene.today, _SHIFTS[which.mark])
    return _span(days, unit.unit)


def _this(scene: Scene, row: Row) -> Piece | None:
    """ "of the year"."""
    unit = row[-1].unit
    return _span(calendar.unit_span(unit, scene.today, 0), unit)


def _weekend(scene: Scene, row: Row) -> Piece | None:
    return _this(scene, row) if row[-1].unit == "weekend" else None


def _wish(_: Scene, row: Row) -> Piece | None:
    """ "Have a nice weekend", "Merry Christmas": no day to act on."""
    return replace(row[0], mark=".", number=0, unit="")


def _after_next_weekday(scene: Scene, row: Row) -> Piece | None:
    """ "two months after next Friday"."""
    day = _weekday(scene, [replace(row[1], mark="X"), row[2]])
    return _day(_moved(day.first, row[0])) if day and day.first else None


def _weak_month_alone(scene: Scene, row: Row) -> Piece | None:
    """A whole answer that is nothing but the name of a month."""
    month = _of(row, "m")
    return _month(scene, [month]) if month else None


def _month(scene: Scene, row: Row) -> Piece | None:
    month = _of(row, "Mm")
    if month is None:
        return None
    if year := _of(row, "Y"):
        return _span(calendar.month_span(calendar.full_year(year.number, scene.today), month.number), "month")
    if period := _of(row, "P"):
        if period.first is None or period.unit != "year":
            return None
        return _span(calendar.month_span(period.first.year, month.number), "month")
    if _of(row, "L"):
        year_of = scene.today.year - (month.number >= scene.today.month)
        return _span(calendar.month_span(year_of, month.number), "month")
    days = calendar.next_month_named(month.number, scene.today)
    if _of(row, "X") and days and days[0] <= scene.today:
        days = calendar.month_span(scene.today.year + 1, month.number)
    return _span(days, "month")


def _weak_month(scene: Scene, row: Row) -> Piece | None:
    return _month(scene, row[-1:])


def _quarter(scene: Scene, row: Row) -> Piece | None:
    quarter = _of(row, "QqON")
    if quarter is None or (quarter.mark in "ON" and _of(row, "U") is None):
        return None
    unit = _of(row, "U")
    if unit and unit.unit not in ("quarter", "half_year"):
        return None
    make = calendar.half_span if quarter.mark == "q" or (unit and unit.unit == "half_year") else calendar.quarter_span
    period = _of(row, "P")
    if period and (period.unit != "year" or period.first is None):
        return None
    written = period.first.year if period and period.first else _written_year(row, scene, after=len(row))
    if written:
        return _span(make(written, quarter.number), "quarter")
    days = make(scene.today.year, quarter.number)
    if days and days[1] <= scene.today:
        days = make(scene.today.year + 1, quarter.number)
    return _span(days, "quarter")


def _week_number(scene: Scene, row: Row) -> Piece | None:
    week = _of(row, "KN")
    unit = _of(row, "U")
    if week is None or (unit and unit.unit != "week"):
        return None
    period = _of(row, "P")
    if period and (period.unit != "year" or period.first is None):
        return None
    written = period.first.year if period and period.first else _written_year(row, scene, after=len(row))
    days = calendar.iso_week_span(written or scene.today.isocalendar().year, week.number)
    if days and not written and days[1] <= scene.today:
        days = calendar.iso_week_span(scene.today.isocalendar().year + 1, week.number)
    return _span(days, "week")


def _year(scene: Scene, row: Row) -> Piece | None:
    return _span(calendar.year_span(calendar.full_year(row[-1].number, scene.today)), "year")


def _week_of_period(_: Scene, row: Row) -> Piece | None:
    """ "the first week of next month", "the last week of 2026"."""
    number, unit, period = _number(row, "O"), _of(row, "U"), _of(row, "P")
    if unit is None or period is None or period.first is None or period.last is None:
        return None
    if unit.unit == "week" and period.unit in ("month", "quarter", "year"):
        start = calendar.week_span(period.first)[0]
        if (start + timedelta(days=3)) < period.first:
            start += timedelta(days=7)
        start += timedelta(days=7 * (number - 1))
        if number == -1:
            start = calendar.week_span(period.last)[0]
            if start + timedelta(days=3) >= period.last:
                start -= timedelta(days=7)
        return (
            _span((start, start + timedelta(days=7)), "week", max(start, period.first)) if start < period.last else None
        )
    if unit.unit == "weekend":
        day = calendar.nth_weekday(period.first, period.last, 5, number)
        return _span((day, day + timedelta(days=2)), "weekend") if day else None
    if unit.unit == "day" and period.unit == "month":
        return _day_of_period(_, row)
    if unit.unit == "month" and period.unit in ("quarter", "year"):
        start_month = calendar.add_months(period.first if number > 0 else period.last, number - (number > 0))
        return _span(calendar.month_span(start_month.year, start_month.month), "month") if start_month else None
    return None


def _weekday_of_period(_: Scene, row: Row) -> Piece | None:
    """ "the last Monday of March"."""
    period = _of(row, "P")
    if period is None or period.first is None or period.last is None:
        return None
    return _day(calendar.nth_weekday(period.first, period.last, _number(row, "W"), _number(row, "O")))


def _week_of_day(_: Scene, row: Row) -> Piece | None:
    """ "the week of 10 April"."""
    unit, day = _of(row, "U"), _of(row, "DP")
    if unit is None or day is None or day.first is None or unit.unit not in ("week", "weekend"):
        return None
    days = calendar.week_span(day.first)
    if unit.unit == "weekend":
        return _span((days[1] - timedelta(days=2), days[1]), "weekend")
    return _span(days, "week")


def _season(scene: Scene, row: Row) -> Piece | None:
    season = _of(row, "s")
    if season is None:
        return None
    year = _written_year(row, scene, after=len(row))
    period = _of(row, "P")
    if period and period.first and period.unit == "year":
        year = period.first.year
    if year:
        return _season_piece(season.number, calendar.season_span(season.number, year))
    last = _of(row, "L") is not None
    for candidate in range(scene.today.year - 1, scene.today.year + 2):
        days = calendar.season_span(season.number, candidate)
        if days and days[1] > scene.today:
            if last:
                days = calendar.season_span(season.number, candidate - 1)
            elif _of(row, "X") and days[0] <= scene.today:
                days = calendar.season_span(season.number, candidate + 1)
            return _season_piece(season.number, days)
    return None


def _season_piece(season: int, days: calendar.Days | None) -> Piece | None:
    made = _span(days, "season")
    return replace(made, number=season) if made else None


def _feast(scene: Scene, row: Row) -> Piece | None:
    name = _of(row, "h")
    if name is None:
        return None
    year = _written_year(row, scene, after=len(row))
    period = _of(row, "P")
    if period and period.first and period.unit == "year":
        year = period.first.year
    if year:
        return _day(calendar.feast(name.unit, year))
    coming = [
        day
        for candidate in range(scene.today.year - 2, scene.today.year + 2)
        if (day := calendar.feast(name.unit, candidate))
    ]
    if _of(row, "L"):
        return _day(max((day for day in coming if day < scene.today), default=None))
    return _day(next((day for day in coming if day >= scene.today), None))


def _break(scene: Scene, row: Row) -> Piece | None:
    """ "after the holidays"."""
    return _span(calendar.break_span(row[-1].unit, scene.today), "break")


def _part(scene: Scene, row: Row) -> Piece | None:
    """ "early March", "the end of next week"; a bare unit means the present one."""
    which, period, unit = _of(row, "SVER"), _of(row, "DP"), _of(row, "U")
    if which is None:
        return None
    if period and period.mark == "D":
        return period
    if period is None:
        made = _span(calendar.unit_span(unit.unit, scene.today, 0), unit.unit) if unit else None
        if made is None or made.last is None:
            return None
        period = made
    if period.first is None or period.last is None:
        return None
    days = (period.last - period.first).days
    start, end = period.first, period.last
    match which.mark:
        case "S":
            if unit and not _of(row, "P") and start < scene.today and unit.unit in ("month", "quarter", "year"):
                following = calendar.unit_span(unit.unit, scene.today, 1)
                start, end = following or (start, end)
            return _span((start, start + timedelta(days=max(1, days // 3))), period.unit)
        case "V":
            pick = start + timedelta(days=14 if 28 <= days <= 31 else days // 2)
            return _span((start + timedelta(days=days // 3), end - timedelta(days=days // 3)), period.unit, pick)
        case "E":
            if period.unit == "month":
                start = end - timedelta(days=days - 24) if days > 24 else start
                return _span((start, end), period.unit, pick=max(start, min(scene.today, end - timedelta(days=1))))
            back = {"week": 3, "weekend": 1}.get(period.unit, min(16, max(1, days // 3)))
            first = end - timedelta(days=max(1, min(back, days)))
            return _span((first, end), period.unit, pick=max(first, min(scene.today, end - timedelta(days=1))))
        case _:
            return replace(period, first=max(start, scene.today), role="rest")


def _later_in(scene: Scene, row: Row) -> Piece | None:
    """ "later this week": the middle of what is left."""
    period = _of(row, "DP")
    if period is None or period.first is None or period.last is None:
        return None
    start = max(scene.today, period.first)
    left = (period.last - start).days
    return (
        _span((start, period.last), period.unit, pick=start + timedelta(days=max(left // 2, 0))) if left > 0 else None
    )


# Weekdays -----------------------------------------------------------------------------------------


def _weekday(scene: Scene, row: Row) -> Piece | None:
    weekday, which = _number(row, "Ww"), _of(row, "XHLZ")
    monday = calendar.week_span(scene.today)[0]
    mark = which.mark if which else ""
    if which and mark == "X" and not which.number:
        return _numbered_day(monday + timedelta(days=7 + weekday), weekday)
    if mark == "Z":
        return _numbered_day(calendar.next_weekday(weekday, scene.today) + timedelta(days=7), weekday)
    if mark == "L":
        return _numbered_day(scene.today - timedelta(days=(scene.today.weekday() - weekday) % 7 or 7), weekday)
    return _numbered_day(calendar.next_weekday(weekday, scene.today, today_counts=mark == "H"), weekday)


def _numbered_day(day: date, weekday: int) -> Piece | None:
    """A day that was told by its weekday."""
    made = _day(day)
    return replace(made, number=weekday, unit="weekday") if made else None


def _weekday_of_week(_: Scene, row: Row) -> Piece | None:
    """ "Wednesday of next week"."""
    period = _of(row, "P")
    if period is None or period.first is None or period.unit != "week":
        return None
    return _day(period.first + timedelta(days=_number(row, "Ww")))


def _dated_weekday(_: Scene, row: Row) -> Piece | None:
    """ "Friday, 3 April": the date decides."""
    return next((piece for piece in row if piece.mark == "D" and piece.unit != "weekday"), None)


# Ranges and what stands before a day --------------------------------------------------------------


def _range(_: Scene, row: Row) -> Piece | None:
    days = [piece for piece in row if piece.mark in "DP"]
    if len(days) != 2 or days[0].first is None or days[1].last is None or days[1].first is None:
        return None
    first, last = days[0].first, days[1].last
    if days[0].second and not days[1].second and days[1].mark == "D" and days[1].first:
        moved = calendar.next_day_named(days[1].first.month, days[1].first.day, first)
        last = moved + timedelta(days=1) if moved else last
    if days[1].second and not days[0].second and days[0].mark == "D":
        first = calendar.add_months(first, 12 * (days[1].first.year - first.year)) or first
    if days[1].mark == "P" and days[1].unit in ("month", "year", "quarter") and days[0].mark == "P":
        last = days[1].first if not _of(row, "vi") else last
    if last <= first:
        earlier = calendar.add_months(first, -12)
        later = calendar.add_months(last, 12)
        if earlier and earlier < last and (last - earlier).days < 200:
            first = earlier
        elif days[0].unit == "weekday" or days[1].unit == "weekday":
            last += timedelta(days=7)
        elif later and (later - first).days < 400:
            last = later
        else:
            return None
    return _span((first, last), role="range")


def _number_to_day(_: Scene, row: Row) -> Piece | None:
    """ "14 - 15.10.": the first number takes its month from the second day."""
    number, day = _of(row, "NO"), _of(row, "D")
    if number is None or day is None or day.first is None or day.last is None:
        return None
    first = calendar.make_date(day.first.year, day.first.month, number.number) if 1 <= number.number <= 31 else None
    if first and first > day.first:
        first = calendar.add_months(first, -1)
    return _span((first, day.last), role="range") if first else None


def _day_to_number(_: Scene, row: Row) -> Piece | None:
    """ "August 27th - 29th"."""
    number, day = _of(row, "NO"), _of(row, "D")
    if number is None or day is None or day.first is None or not 1 <= number.number <= 31:
        return None
    last = calendar.make_date(day.first.year, day.first.month, number.number)
    if last and last < day.first:
        last = calendar.add_months(last, 1)
    return _span((day.first, last + timedelta(days=1)), role="range") if last else None


def _until(_: Scene, row: Row) -> Piece | None:
    piece = _of(row, "DP")
    if piece is None or piece.role == "range":
        return None
    return replace(piece, role="through" if _of(row, "vi") else "until")


def _after(_: Scene, row: Row) -> Piece | None:
    piece = _of(row, "DP")
    if piece is None or piece.last is None or piece.role:
        return None
    pick = calendar.season_over(piece.number, piece.last) if piece.unit == "season" else piece.last
    return replace(piece, pick=pick, first=pick, last=pick + timedelta(days=1), role="after")


def _after_behind(scene: Scene, row: Row) -> Piece | None:
    return _after(scene, row) if scene.postpositions else None


def _before(_: Scene, row: Row) -> Piece | None:
    piece = _of(row, "DP")
    return replace(piece, role="before") if piece and not piece.role else None


def _inclusive(_: Scene, row: Row) -> Piece | None:
    return replace(row[0], role="through")


def _last_as_number(_: Scene, row: Row) -> Piece | None:
    """ "the last week of": a place in a period, not the week gone by."""
    return replace(row[0], mark="O", number=-1)


def _rules(*rules: tuple[str, Callable[[Scene, Row], Piece | None]]) -> tuple[Rule, ...]:
    return tuple((re.compile(_widened(pattern.replace(" ", ""))), make) for pattern, make in rules)


_ALSO: Final = {"f": "fIy", "o": "oyI"}
"""Wherever a rule has "of" or "on", "in" or "for" will do as well ("first week in March")."""


def _widened(pattern: str) -> str:
    out, inside = [], False
    for character in pattern:
        inside = character == "[" or (inside and character != "]")
        wider = _ALSO.get(character, character)
        out.append(wider if inside or len(wider) == 1 else f"[{wider}]")
    return "".join(out)


_FIRST: Final = _rules(
    (r"L (?=[UW] f t? [MmYPXHOQhs] | [UW] [Mm])", _last_as_number),
    (r"N [NO]", _tens_and_ones),
    (r"[Nj] U (?: [n,]? [Nj] U )*", _length),
    (r"(?<= I ) U (?! [NO] ) | U (?= F )", _one),
    (r"(?<= [yXa] ) U", _half_year),
    (r"B? o? t? [Mm] t? [NO] [-uvn] t? [NO] (?: ,? f? Y )?", _days_of_month),
    (r"B? o? t? [NO] [-uvn] o? t? [NO] f? t? [Mm] (?: [,f]? Y )?", _days_of_month),
    (r"[NO] [-/] [Mm] [-/] N", _day_of_month),
    (r"(?: [Ww] [,-]? )? o? t? [NO] U? f? t? [Mm] (?: [,/-]? f? Y | ,? N (?!U) )", _day_of_month),
    (r"(?: [Ww] [,-]? )? (?<! [Mm] ) (?<! [Mm] [,-] ) [NO] [-/,] [Mm] (?: [,/-]? f? Y | ,? N (?!U) )", _day_of_month),
    (r"(?: [Ww] [,-]? )? o? t? [Mm] [,/-]? t? [NO] ,? f? (?: Y | N (?!U) )", _day_of_month),
    (r"[Mm] [-/] [NO] [-/] (?: Y | N )", _day_of_month),
    (r"Y [-/,f]? t? [Mm] [-/,]? t? [NO]", _day_of_month),
    (r"(?: [Ww] [,-]? )? o? t? (?<! [Mm] ) [NO] U? f? t? [Mm] (?! [-/]? Y)", _day_of_month),
    (r"(?: [Ww] [,-]? )? (?<! [Mm] ) (?<! [Mm] [,-] ) [NO] [-/] [Mm] (?! [-/]? Y)", _day_of_month),
    (r"(?: [Ww] [,-]? )? o? t? [Mm] [,/-]? t? [NO]", _day_of_month),
    (r"[NO] [-/] Y [-/] [Mm]", _day_of_month),
    (r"(?<= [fISVER] ) t U (?! [NXHLZ] )", _this),
    (r"[Ww] [,-]? o? t? D | D [,-]? o? t? [Ww] (?! [,-]? [NOG])", _dated_weekday),
    (r"[XHLZ] t? U (?! [MW] f) | U [XHLZ] (?! [UWMN])", _this_or_next),
    (r"r Z W", _after_next_weekday),
    (r"[XH] t? r | r X", _next_length),
    (r"[Nj] X U", _next_length_split),
    (r"L t? r | r L", _last_length),
)
_SECOND: Final = _rules(
    (r"[XHL]? t? [Mm] [,/-]? f? t? (?: Y | P) | [XHL] M | [XL] m | [Mm] [XL]", _month),
    (r"Y [-/f]? M", _month),
    (r"M", _month),
    (r"(?<= [tfouabvBlHSVEi] ) U (?! [NXHLZ] )", _weekend),
    (r"x [.tHjo]? [tHX]? (?: h | [UWT] )", _wish),
    (r"(?: h | [UWT] ) x", _wish),
    (r"^ o? m \|? $", _weak_month_alone),
    (r"(?<= [IouBabSVEflvX-] ) m", _weak_month),
    (r"(?<= [IouBabSVEflvX] t ) m", _weak_month),
    (r"[OLN]? U? Q [-/,]? f? t? (?: Y | P )?", _quarter),
    (r"q [-/,]? f? t? (?: Y | P )? ", _quarter),
    (r"Y [-/,]? [Qq]", _quarter),
    (r"O U f? t? (?: Y | P ) | [ON] U (?! [XHLf])", _quarter),
    (r"U N [,/-]? f? t? (?: Y | P )? | K [,/-]? f? t? (?: Y | P )?", _week_number),
    (r"(?<= [IfouBabSVEyv] ) Y | (?<= [IfouBabSVEyv] t ) Y", _year),
    (r"(?<= P [-nu] ) Y | (?<= P ) Y", _year),
    (r"O [UW]? f? t? P (?<! [W] P ) (?<! W f P)", _week_of_period),
    (r"O W f? t? P", _weekday_of_period),
    (r"[NO] f? t? P", _day_of_period),
    (r"U f t? [DP] | U o t? D", _week_of_day),
    (r"[Ww] [fo]? t? P | P [,-]? o? t? W", _weekday_of_week),
    (r"[XHL] t? s | s [XL] | s f? [YP] | (?<= [IfouabSVEBlv] ) t? s", _season),
    (r"[XHL]? t? h ,? f? t? (?: Y | P ) | [XHL] t? h | h", _feast),
    (r"(?<= [abuvBSVE] ) t? k", _break),
    (r"[SVE] [-f]? t? [PD] | [SVER] [-f]? t? (?: U (?![NXHLZ]) | P)", _part),
    (r"P [SVE] (?! [PDU] )", _part),
)
_THIRD: Final = _rules(
    (r"W ,? r (?: F | B D ) | r (?: F | B D ) [,o]? W | W I r", _weekday_from_now),
    (r"[Nj] W (?: F | B D )", _weekdays_from_now),
    (r"[Ww] [,-]? o? t? [NO] (?! [U:c-] )", _weekday_and_number),
    (r"[XHLZ] t? [Ww] | [Ww] [XLHZ] | ^ o? w \|? $", _weekday),
    (r"W", _weekday),
    (r"y r ,? [Bogf] t? o? [DP] | y? r [ga] o? t? [DP] | r [BF] t? D | r b t? [DP]", _from_day),
    (r"^ r \|? $", _from_today),
    (r"I o? t? r | r [Fl] | [au] o? r | r a (?= [.,|] | $ )", _from_today),
    (r"r A", _before_today),
    (r"y t? r", _next_length),
    (r"B t? [NO] [-uvn] o? t? [NO] (?! [UM] ) | [oI] t? [NO] [uvn] t? [NO] (?= [,|.] | $ )", _day_number_in_range),
    (r"B? o? t? [NO] [-uvn] o? t? D", _number_to_day),
    (r"D [-uv] o? t? [NO] (?! [U] )", _day_to_number),
    (r"(?<= [ouaBbv] ) t? O (?! [UWfr.] ) | t O (?! [UWfr.] )", _day_number),
    (r"[to] N (?= [,|] | $ )", _bare_day_number),
    (r"[lF] f? t? [DP]", _later_in),
    (r"B? o? t? [DP] ,? [-uv] o? t? [DP] i? | [BI] o? t? [DP] n o? t? [DP]", _range),
    (r"[uv] o? t? [DP] i? | o [uv] t? [DP] i?", _until),
    (r"[DP] e", _until),
    (r"[DP] F", _after_behind),
    (r"[DP] i", _inclusive),
    (r"a o? t? [DP]", _after),
    (r"b o? t? [DP]", _before),
)
