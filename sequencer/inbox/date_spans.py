"""Rules for spans of days: "next month", "Q2", "KW 12", "early March", "the spring", "the holidays"."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Final

from sequencer.inbox import date_arithmetic as calendar
from sequencer.inbox.date_days import day_of_period
from sequencer.inbox.date_making import Row, Scene, day_piece, first_of, number_of, span_piece, written_year
from sequencer.inbox.date_pieces import Piece

_SHIFTS: Final = {"X": 1, "H": 0, "L": -1, "Z": 2}


def this_or_next(scene: Scene, row: Row) -> Piece | None:
    """ "next month", "this week", "the week after next"."""
    unit, which = first_of(row, "U"), first_of(row, "XHLZ")
    if unit is None or which is None:
        return None
    days = calendar.unit_span(unit.unit, scene.today, _SHIFTS[which.mark])
    return span_piece(days, unit.unit)


def present_unit(scene: Scene, row: Row) -> Piece | None:
    """ "of the year"."""
    unit = row[-1].unit
    return span_piece(calendar.unit_span(unit, scene.today, 0), unit)


def weekend_alone(scene: Scene, row: Row) -> Piece | None:
    """ "on the weekend"."""
    return present_unit(scene, row) if row[-1].unit == "weekend" else None


def wish(_: Scene, row: Row) -> Piece | None:
    """ "Have a nice weekend", "Merry Christmas": no day to act on."""
    return replace(row[0], mark=".", number=0, unit="")


def weak_month_alone(scene: Scene, row: Row) -> Piece | None:
    """A whole answer that is nothing but the name of a month."""
    month = first_of(row, "m")
    return month_named(scene, [month]) if month else None


def month_named(scene: Scene, row: Row) -> Piece | None:
    """ "in March", "next March", "March 2027"."""
    month = first_of(row, "Mm")
    if month is None:
        return None
    if year := first_of(row, "Y"):
        return span_piece(calendar.month_span(calendar.full_year(year.number, scene.today), month.number), "month")
    if period := first_of(row, "P"):
        if period.first is None or period.unit != "year":
            return None
        return span_piece(calendar.month_span(period.first.year, month.number), "month")
    if first_of(row, "L"):
        year_of = scene.today.year - (month.number >= scene.today.month)
        return span_piece(calendar.month_span(year_of, month.number), "month")
    days = calendar.next_month_named(month.number, scene.today)
    if first_of(row, "X") and days and days[0] <= scene.today:
        days = calendar.month_span(scene.today.year + 1, month.number)
    return span_piece(days, "month")


def weak_month(scene: Scene, row: Row) -> Piece | None:
    """A month whose name means something else too, behind a word such as "in"."""
    return month_named(scene, row[-1:])


def quarter_named(scene: Scene, row: Row) -> Piece | None:
    """ "Q2", "the second quarter of 2027", "H1"."""
    quarter = first_of(row, "QqON")
    if quarter is None or (quarter.mark in "ON" and first_of(row, "U") is None):
        return None
    unit = first_of(row, "U")
    if unit and unit.unit not in ("quarter", "half_year"):
        return None
    make = calendar.half_span if quarter.mark == "q" or (unit and unit.unit == "half_year") else calendar.quarter_span
    period = first_of(row, "P")
    if period and (period.unit != "year" or period.first is None):
        return None
    written = period.first.year if period and period.first else written_year(row, scene, after=len(row))
    if written:
        return span_piece(make(written, quarter.number), "quarter")
    days = make(scene.today.year, quarter.number)
    if days and days[1] <= scene.today:
        days = make(scene.today.year + 1, quarter.number)
    return span_piece(days, "quarter")


def week_number(scene: Scene, row: Row) -> Piece | None:
    """ "week 12", "KW 12 2027"."""
    week = first_of(row, "KN")
    unit = first_of(row, "U")
    if week is None or (unit and unit.unit != "week"):
        return None
    period = first_of(row, "P")
    if period and (period.unit != "year" or period.first is None):
        return None
    written = period.first.year if period and period.first else written_year(row, scene, after=len(row))
    days = calendar.iso_week_span(written or scene.today.isocalendar().year, week.number)
    if days and not written and days[1] <= scene.today:
        days = calendar.iso_week_span(scene.today.isocalendar().year + 1, week.number)
    return span_piece(days, "week")


def year_alone(scene: Scene, row: Row) -> Piece | None:
    """ "in 2027"."""
    return span_piece(calendar.year_span(calendar.full_year(row[-1].number, scene.today)), "year")


def week_of_period(_: Scene, row: Row) -> Piece | None:
    """ "the first week of next month", "the last week of 2026"."""
    number, unit, period = number_of(row, "O"), first_of(row, "U"), first_of(row, "P")
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
            span_piece((start, start + timedelta(days=7)), "week", max(start, period.first))
            if start < period.last
            else None
        )
    if unit.unit == "weekend":
        day = calendar.nth_weekday(period.first, period.last, 5, number)
        return span_piece((day, day + timedelta(days=2)), "weekend") if day else None
    if unit.unit == "day" and period.unit == "month":
        return day_of_period(_, row)
    if unit.unit == "month" and period.unit in ("quarter", "year"):
        start_month = calendar.add_months(period.first if number > 0 else period.last, number - (number > 0))
        return span_piece(calendar.month_span(start_month.year, start_month.month), "month") if start_month else None
    return None


def week_of_day(_: Scene, row: Row) -> Piece | None:
    """ "the week of 10 April"."""
    unit, day = first_of(row, "U"), first_of(row, "DP")
    if unit is None or day is None or day.first is None or unit.unit not in ("week", "weekend"):
        return None
    days = calendar.week_span(day.first)
    if unit.unit == "weekend":
        return span_piece((days[1] - timedelta(days=2), days[1]), "weekend")
    return span_piece(days, "week")


def _year_named(row: Row, scene: Scene) -> int | None:
    """The year that is written beside, or meant by "next year"."""
    period = first_of(row, "P")
    if period and period.first and period.unit == "year":
        return period.first.year
    return written_year(row, scene, after=len(row))


def season_named(scene: Scene, row: Row) -> Piece | None:
    """ "in the spring", "next summer"."""
    season = first_of(row, "s")
    if season is None:
        return None
    year = _year_named(row, scene)
    if year:
        return _season_piece(season.number, calendar.season_span(season.number, year))
    last = first_of(row, "L") is not None
    for candidate in range(scene.today.year - 1, scene.today.year + 2):
        days = calendar.season_span(season.number, candidate)
        if days and days[1] > scene.today:
            if last:
                days = calendar.season_span(season.number, candidate - 1)
            elif first_of(row, "X") and days[0] <= scene.today:
                days = calendar.season_span(season.number, candidate + 1)
            return _season_piece(season.number, days)
    return None


def bare_season(scene: Scene, row: Row) -> Piece | None:
    """ "wiosną": the ending of the word says "in"."""
    return season_named(scene, row) if scene.bare_seasons else None


def _season_piece(season: int, days: calendar.Days | None) -> Piece | None:
    made = span_piece(days, "season")
    return replace(made, number=season) if made else None


def feast_named(scene: Scene, row: Row) -> Piece | None:
    """ "Christmas", "last Easter", "Thanksgiving 2027"."""
    name = first_of(row, "h")
    if name is None:
        return None
    year = _year_named(row, scene)
    if year:
        return day_piece(calendar.feast(name.unit, year))
    coming = [
        day
        for candidate in range(scene.today.year - 2, scene.today.year + 2)
        if (day := calendar.feast(name.unit, candidate))
    ]
    if first_of(row, "L"):
        return day_piece(max((day for day in coming if day < scene.today), default=None))
    return day_piece(next((day for day in coming if day >= scene.today), None))


def holiday_break(scene: Scene, row: Row) -> Piece | None:
    """ "after the holidays"."""
    return span_piece(calendar.break_span(row[-1].unit, scene.today), "break")


def part_of_span(scene: Scene, row: Row) -> Piece | None:
    """ "early March", "the end of next week"; a bare unit means the present one."""
    which, period, unit = first_of(row, "SVER"), first_of(row, "DP"), first_of(row, "U")
    if which is None:
        return None
    if period and period.mark == "D":
        return period
    if period is None:
        made = span_piece(calendar.unit_span(unit.unit, scene.today, 0), unit.unit) if unit else None
        if made is None or made.last is None:
            return None
        period = made
    if period.first is None or period.last is None:
        return None
    days = (period.last - period.first).days
    start, end = period.first, period.last
    match which.mark:
        case "S":
            if unit and not first_of(row, "P") and start < scene.today and unit.unit in ("month", "quarter", "year"):
                following = calendar.unit_span(unit.unit, scene.today, 1)
                start, end = following or (start, end)
            return span_piece((start, start + timedelta(days=max(1, days // 3))), period.unit)
        case "V":
            pick = start + timedelta(days=14 if 28 <= days <= 31 else days // 2)
            return span_piece((start + timedelta(days=days // 3), end - timedelta(days=days // 3)), period.unit, pick)
        case "E":
            if period.unit == "month":
                start = end - timedelta(days=days - 24) if days > 24 else start
                return span_piece((start, end), period.unit, pick=max(start, min(scene.today, end - timedelta(days=1))))
            back = {"week": 3, "weekend": 1}.get(period.unit, min(16, max(1, days // 3)))
            first = end - timedelta(days=max(1, min(back, days)))
            return span_piece((first, end), period.unit, pick=max(first, min(scene.today, end - timedelta(days=1))))
        case _:
            return replace(period, first=max(start, scene.today), role="rest")


def later_in(scene: Scene, row: Row) -> Piece | None:
    """ "later this week": the middle of what is left."""
    period = first_of(row, "DP")
    if period is None or period.first is None or period.last is None:
        return None
    start = max(scene.today, period.first)
    left = (period.last - start).days
    return (
        span_piece((start, period.last), period.unit, pick=start + timedelta(days=max(left // 2, 0)))
        if left > 0
        else None
    )
