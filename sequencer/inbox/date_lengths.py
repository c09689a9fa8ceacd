"""Rules for lengths of time: "in two weeks", "2 months from Monday", "the next three days"."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Final

from sequencer.inbox import date_arithmetic as calendar
from sequencer.inbox.date_making import Row, Scene, day_moved, day_piece, first_of, number_of, span_piece
from sequencer.inbox.date_pieces import Piece

_MONTHS: Final = {"month": 1, "quarter": 3, "half_year": 6, "year": 12}
_DAYS: Final = {"day": 1, "week": 7, "fortnight": 14, "weekend": 7}


def length_of_time(_: Scene, row: Row) -> Piece | None:
    """ "two weeks", "2 months and 3 days"."""
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
    return Piece("r", 0, 0, months=months, days=days, workdays=workdays, unit=first_of(row, "U").unit)  # type: ignore[union-attr]


def one_unit(_: Scene, row: Row) -> Piece | None:
    """ "in a week" in languages that need no word for "a"."""
    unit = row[-1].unit
    return Piece(
        "r", 0, 0, months=_MONTHS.get(unit, 0), days=_DAYS.get(unit, 0), workdays=int(unit == "business_day"), unit=unit
    )


def half_year(scene: Scene, row: Row) -> Piece | None:
    """ "for half a year": such a unit needs no number."""
    return one_unit(scene, row) if row[-1].unit in ("half_year", "fortnight") else None


def tens_and_ones(_: Scene, row: Row) -> Piece | None:
    """ "двадцать четвертого": two words for one number."""
    tens, ones = row
    if tens.number not in (20, 30) or not 1 <= ones.number <= 9 or min(tens.to - tens.at, ones.to - ones.at) < 3:
        return None
    return replace(ones, number=tens.number + ones.number)


def from_today(scene: Scene, row: Row) -> Piece | None:
    """ "in two weeks", "two weeks later"."""
    return day_piece(day_moved(scene.today, first_of(row, "r") or row[0]))


def before_today(scene: Scene, row: Row) -> Piece | None:
    """ "two weeks ago"."""
    return day_piece(day_moved(scene.today, first_of(row, "r") or row[0], -1))


def from_day(_: Scene, row: Row) -> Piece | None:
    """ "two weeks after Easter", "3 days from Monday", "for 3 days starting on Monday"."""
    length, day = first_of(row, "r"), first_of(row, "DP")
    if length is None or day is None or day.first is None or day.last is None:
        return None
    if row[0].mark == "y" or first_of(row, "g"):
        end = day_moved(day.first, length)
        return span_piece((day.first, end), role="range") if end and end > day.first else None
    if first_of(row, "b"):
        return day_piece(day_moved(day.first, length, -1))
    return day_piece(day_moved(day.first, length))


def weekday_from_now(scene: Scene, row: Row) -> Piece | None:
    """ "Monday in two weeks"."""
    length, weekday = first_of(row, "r"), first_of(row, "WD")
    moved = day_moved(scene.today, length) if length else None
    if weekday is None or moved is None or length is None:
        return None
    if length.months:
        return day_piece(calendar.next_weekday(weekday.number, moved, today_counts=True))
    return day_piece(calendar.week_span(moved)[0] + timedelta(days=weekday.number))


def weekdays_from_now(scene: Scene, row: Row) -> Piece | None:
    """ "two Mondays from now"."""
    first = calendar.next_weekday(number_of(row, "W"), scene.today)
    return day_piece(calendar.add_days(first, 7 * (number_of(row, "Nj") - 1)))


def next_length(scene: Scene, row: Row) -> Piece | None:
    """ "the next three days": acted upon when they are over."""
    length = first_of(row, "r")
    end = day_moved(scene.today, length) if length else None
    if end is None or end <= scene.today:
        return None
    return span_piece((scene.today, end), pick=end, role="within")


def last_length(scene: Scene, row: Row) -> Piece | None:
    """ "the last three days"."""
    length = first_of(row, "r")
    start = day_moved(scene.today, length, -1) if length else None
    return span_piece((start, scene.today)) if start and start < scene.today else None


def next_length_split(scene: Scene, row: Row) -> Piece | None:
    """ "the 3 next weeks"."""
    length = length_of_time(scene, [row[0], row[-1]])
    return next_length(scene, [length]) if length else None
