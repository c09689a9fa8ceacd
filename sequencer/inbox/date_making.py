"""What every rule of the grammar of dates needs: the scene, and pieces made of days and spans."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from sequencer.inbox import date_arithmetic as calendar
from sequencer.inbox.date_pieces import Piece

Row = list[Piece]

YEAR_WRITTEN: Final = 1
YEAR_GUESSED: Final = 2
"""What the field `second` of a day with a month says about its year."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What a date is seen from: the day, and the order in which numbers are written."""

    today: date
    order: str
    bare_numbers: bool = False  # "el 16" is a day of the month
    postpositions: bool = False  # "after" stands behind the day
    bare_seasons: bool = False  # "wiosną" needs no "in"


def day_piece(day: date | None, role: str = "") -> Piece | None:
    """A day as a piece; None stays None."""
    if day is None or day >= date(9998, 1, 1):
        return None
    return Piece("D", 0, 0, first=day, last=day + timedelta(days=1), pick=day, role=role)


def span_piece(days: calendar.Days | None, unit: str = "", pick: date | None = None, role: str = "") -> Piece | None:
    """A span of days as a piece, acted upon on `pick`, its first day unless told otherwise."""
    return Piece("P", 0, 0, unit=unit, first=days[0], last=days[1], pick=pick or days[0], role=role) if days else None


def first_of(row: Row, marks: str) -> Piece | None:
    """The first piece of a row with one of these marks."""
    return next((piece for piece in row if piece.mark in marks), None)


def number_of(row: Row, marks: str) -> int:
    """The number of the first piece with one of these marks, 0 without any."""
    found = first_of(row, marks)
    return found.number if found else 0


def day_moved(day: date, length: Piece, sign: int = 1) -> date | None:
    """A day moved by a length of time; None outside the calendar."""
    moved: date | None = day
    if length.months:
        moved = calendar.add_months(day, sign * length.months)
    if moved and length.days:
        moved = calendar.add_days(moved, sign * length.days)
    if moved and length.workdays:
        moved = calendar.add_workdays(moved, sign * length.workdays)
    return moved


def written_year(row: Row, scene: Scene, *, after: int) -> int | None:
    """The year among pieces, `after` being the index from which a bare two-digit number may be one."""
    year = first_of(row, "Y")
    if year:
        return calendar.full_year(year.number, scene.today)
    for index in range(after, len(row)):
        piece = row[index]
        if piece.mark == "N" and (piece.number > 31 or row[index - 1].mark in "-/"):
            return calendar.full_year(piece.number, scene.today)
    return None
