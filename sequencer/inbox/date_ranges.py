"""Rules for what stands around a day: "from … to …", "until", "through", "after", "before"."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from sequencer.inbox import date_arithmetic as calendar
from sequencer.inbox.date_making import YEAR_GUESSED, YEAR_WRITTEN, Row, Scene, first_of, span_piece
from sequencer.inbox.date_pieces import Piece


def days_between(_: Scene, row: Row) -> Piece | None:
    """ "from 3 to 7 March", "Monday to Wednesday": a year or a month left out is the other's."""
    days = [piece for piece in row if piece.mark in "DP"]
    if len(days) != 2 or days[0].first is None or days[1].last is None or days[1].first is None:
        return None
    first, last = days[0].first, days[1].last
    if days[0].second == YEAR_WRITTEN and days[1].second == YEAR_GUESSED and days[1].first:
        moved = calendar.next_day_named(days[1].first.month, days[1].first.day, first)
        last = moved + timedelta(days=1) if moved else last
    if days[1].second == YEAR_WRITTEN and days[0].second == YEAR_GUESSED:
        first = calendar.add_months(first, 12 * (days[1].first.year - first.year)) or first
    if days[1].mark == "P" and days[1].unit in ("month", "year", "quarter") and days[0].mark == "P":
        last = days[1].first if not first_of(row, "vi") else last
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
    return span_piece((first, last), role="range")


def number_to_day(_: Scene, row: Row) -> Piece | None:
    """ "14 - 15.10.": the first number takes its month from the second day."""
    number, day = first_of(row, "NO"), first_of(row, "D")
    if number is None or day is None or day.first is None or day.last is None:
        return None
    first = calendar.make_date(day.first.year, day.first.month, number.number) if 1 <= number.number <= 31 else None
    if first and first > day.first:
        first = calendar.add_months(first, -1)
    return span_piece((first, day.last), role="range") if first else None


def day_to_number(_: Scene, row: Row) -> Piece | None:
    """ "August 27th - 29th"."""
    number, day = first_of(row, "NO"), first_of(row, "D")
    if number is None or day is None or day.first is None or not 1 <= number.number <= 31:
        return None
    last = calendar.make_date(day.first.year, day.first.month, number.number)
    if last and last < day.first:
        last = calendar.add_months(last, 1)
    return span_piece((day.first, last + timedelta(days=1)), role="range") if last else None


def until_days(_: Scene, row: Row) -> Piece | None:
    """ "until Friday", "through Friday"."""
    piece = first_of(row, "DP")
    if piece is None or piece.role == "range":
        return None
    return replace(piece, role="through" if first_of(row, "vi") else "until")


def after_days(_: Scene, row: Row) -> Piece | None:
    """ "after the holidays": acted upon on the first day that is no longer one of them."""
    piece = first_of(row, "DP")
    if piece is None or piece.last is None or piece.role:
        return None
    pick = calendar.season_over(piece.number, piece.last) if piece.unit == "season" else piece.last
    return replace(piece, pick=pick, first=pick, last=pick + timedelta(days=1), role="after")


def after_behind(scene: Scene, row: Row) -> Piece | None:
    """ "bayramdan sonra": where "after" stands behind."""
    return after_days(scene, row) if scene.postpositions else None


def before_days(_: Scene, row: Row) -> Piece | None:
    """ "before Friday"."""
    piece = first_of(row, "DP")
    return replace(piece, role="before") if piece and not piece.role else None


def with_last_day(_: Scene, row: Row) -> Piece | None:
    """ "… inclusive"."""
    return replace(row[0], role="through")


def last_as_number(_: Scene, row: Row) -> Piece | None:
    """ "the last week of": a place in a period, not the week gone by."""
    return replace(row[0], mark="O", number=-1)
