"""Rules for single days: "2 March", "the 15th", "Friday the 13th", "next Tuesday", "Wednesday of next week"."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

from sequencer.inbox import date_arithmetic as calendar
from sequencer.inbox.date_making import (
    YEAR_GUESSED,
    YEAR_WRITTEN,
    Row,
    Scene,
    day_moved,
    day_piece,
    first_of,
    number_of,
    span_piece,
    written_year,
)
from sequencer.inbox.date_pieces import Piece


def day_of_month(scene: Scene, row: Row) -> Piece | None:
    """ "2 March 2027", "Tuesday, March 2nd": without a year, the next such day, or the one on that weekday."""
    month = next(index for index, piece in enumerate(row) if piece.mark in "Mm")
    day = next(index for index, piece in enumerate(row) if piece.mark in "NO")
    unit = first_of(row, "U")
    if not 1 <= row[day].number <= 31 or (unit and unit.unit != "day"):
        return None
    year = written_year(row, scene, after=max(month, day) + 1)
    if year is not None:
        made = day_piece(calendar.make_date(year, row[month].number, row[day].number))
        return replace(made, second=YEAR_WRITTEN) if made else None
    if row[-1].mark == "N" and len(row) - 1 not in (month, day):
        return None
    found = calendar.next_day_named(row[month].number, row[day].number, scene.today)
    weekday = first_of(row, "Ww")
    made = day_piece(_on_weekday(found, weekday.number, scene.today) if found and weekday else found)
    return replace(made, second=YEAR_GUESSED) if made else None


def _on_weekday(day: date, weekday: int, today: date) -> date:
    """That day in this or one of the next two years, whichever is such a weekday; else the next."""
    for years in range(3):
        moved = calendar.make_date(day.year + years, day.month, day.day)
        if moved and moved.weekday() == weekday and (moved - today).days <= 540:
            return moved
    return day


def days_of_month(scene: Scene, row: Row) -> Piece | None:
    """ "13 to 15 July", "July 13-15, 2026"."""
    month = first_of(row, "Mm")
    numbers = [piece.number for piece in row if piece.mark in "NO"]
    if month is None or len(numbers) != 2 or not all(1 <= number <= 31 for number in numbers):
        return None
    year = written_year(row, scene, after=len(row))
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
    return span_piece((first, last + timedelta(days=1)), role="range") if first else None


def day_of_period(_: Scene, row: Row) -> Piece | None:
    """ "the 20th of next month"."""
    number, period = number_of(row, "NO"), first_of(row, "P")
    if period is None or period.first is None or period.unit != "month":
        return None
    first = period.first if number > 0 else period.last or period.first
    if number == -1:
        return day_piece(first - timedelta(days=1))
    return day_piece(calendar.make_date(first.year, first.month, number))


def day_number(scene: Scene, row: Row) -> Piece | None:
    """ "on the 15th"."""
    number = row[-1].number
    if row[-1].to - row[-1].at > 5 and row[-1].mark == "O":
        return None
    return day_piece(calendar.next_day_of_month(number, scene.today)) if 1 <= number <= 31 else None


def bare_day_number(scene: Scene, row: Row) -> Piece | None:
    """ "el 16", where articles are the custom."""
    return day_number(scene, row) if scene.bare_numbers else None


def day_number_in_range(scene: Scene, row: Row) -> Piece | None:
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
    return span_piece((first, last + timedelta(days=1)), role="range")


def weekday_and_number(scene: Scene, row: Row) -> Piece | None:
    """ "Friday the 13th": the next day that is both; a far one is believed only with an ordinal."""
    weekday, number = first_of(row, "Ww"), first_of(row, "NO")
    if weekday is None or number is None or not 1 <= number.number <= 31:
        return None
    found = calendar.weekday_with_number(weekday.number, number.number, scene.today)
    if found is None or (number.mark == "N" and number.number <= 12 and (found - scene.today).days > 62):
        return None
    return day_piece(found)


def weekday_named(scene: Scene, row: Row) -> Piece | None:
    """ "next Tuesday", "on Tuesday": `next` is in the coming week, `coming` and no word at all is the next such day."""
    weekday, which = number_of(row, "Ww"), first_of(row, "XHLZ")
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
    made = day_piece(day)
    return replace(made, number=weekday, unit="weekday") if made else None


def weekday_of_week(_: Scene, row: Row) -> Piece | None:
    """ "Wednesday of next week"."""
    period = first_of(row, "P")
    if period is None or period.first is None or period.unit != "week":
        return None
    return day_piece(period.first + timedelta(days=number_of(row, "Ww")))


def dated_weekday(_: Scene, row: Row) -> Piece | None:
    """ "Friday, 3 April": the date decides."""
    return next((piece for piece in row if piece.mark == "D" and piece.unit != "weekday"), None)


def after_next_weekday(scene: Scene, row: Row) -> Piece | None:
    """ "two months after next Friday"."""
    day = weekday_named(scene, [replace(row[1], mark="X"), row[2]])
    return day_piece(day_moved(day.first, row[0])) if day and day.first else None


def weekday_of_period(_: Scene, row: Row) -> Piece | None:
    """ "the last Monday of March"."""
    period = first_of(row, "P")
    if period is None or period.first is None or period.last is None:
        return None
    return day_piece(calendar.nth_weekday(period.first, period.last, number_of(row, "W"), number_of(row, "O")))
