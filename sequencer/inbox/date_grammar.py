"""The grammar of dates, the same for every language: rules that rewrite a row of pieces until days are left.

Each rule is a pattern over the marks of the pieces (see `date_words`) and a function that makes one piece of those
that matched. `D` is a day, `P` a span of days, `r` a length of time.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from sequencer.inbox import date_days as days
from sequencer.inbox import date_lengths as lengths
from sequencer.inbox import date_ranges as ranges
from sequencer.inbox import date_spans as spans
from sequencer.inbox.date_making import Row, Scene
from sequencer.inbox.date_numbers import month_beside_number, settled, with_numeric_dates
from sequencer.inbox.date_pieces import Piece

Make = Callable[[Scene, Row], Piece | None]
Rule = tuple[re.Pattern[str], Make]


def read_row(row: Row, scene: Scene) -> Row:
    """The days (`D`) and spans (`P`) that a row of pieces means, in the order of the text."""
    row = [settled(piece, scene) for piece in row if piece.mark not in "cp"]
    row = [month_beside_number(row, index) for index in range(len(row))]
    row = with_numeric_dates(row, scene)
    marks = _marks(row)
    for rules in (_FIRST, _SECOND, _SECOND, _THIRD):
        for pattern, make in rules:
            if pattern.search(marks):
                row = _rewrite(row, marks, pattern, make, scene)
                marks = _marks(row)
    return [piece for piece in row if piece.mark in "DP" and piece.pick]


def _marks(row: Row) -> str:
    return "".join([piece.mark for piece in row])


def _rewrite(row: Row, marks: str, pattern: re.Pattern[str], make: Make, scene: Scene) -> Row:
    """The row with every match of a rule replaced by what it makes."""
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


def _rules(*rules: tuple[str, Make]) -> tuple[Rule, ...]:
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
    (r"L (?=[UW] f t? [MmYPXHOQhs] | [UW] [Mm])", ranges.last_as_number),
    (r"N [NO]", lengths.tens_and_ones),
    (r"[Nj] U (?: [n,]? [Nj] U )*", lengths.length_of_time),
    (r"(?<= I ) U (?! [NO] ) | U (?= F )", lengths.one_unit),
    (r"(?<= [yXa] ) U", lengths.half_year),
    (r"B? o? t? [Mm] t? [NO] [-uvn] t? [NO] (?: ,? f? Y )?", days.days_of_month),
    (r"B? o? t? [NO] [-uvn] o? t? [NO] f? t? [Mm] (?: [,f]? Y )?", days.days_of_month),
    (r"[NO] [-/] [Mm] [-/] N", days.day_of_month),
    (r"(?: [Ww] [,-]? )? o? t? [NO] U? f? t? [Mm] (?: [,/-]? f? Y | ,? N (?!U) )", days.day_of_month),
    (
        r"(?: [Ww] [,-]? )? (?<! [Mm] ) (?<! [Mm] [,-] ) [NO] [-/,] [Mm] (?: [,/-]? f? Y | ,? N (?!U) )",
        days.day_of_month,
    ),
    (r"(?: [Ww] [,-]? )? o? t? [Mm] [,/-]? t? [NO] ,? f? (?: Y | N (?!U) )", days.day_of_month),
    (r"[Mm] [-/] [NO] [-/] (?: Y | N )", days.day_of_month),
    (r"Y [-/,f]? t? [Mm] [-/,]? t? [NO]", days.day_of_month),
    (r"(?: [Ww] [,-]? )? o? t? (?<! [Mm] ) [NO] U? f? t? [Mm] (?! [-/]? Y)", days.day_of_month),
    (r"(?: [Ww] [,-]? )? (?<! [Mm] ) (?<! [Mm] [,-] ) [NO] [-/] [Mm] (?! [-/]? Y)", days.day_of_month),
    (r"(?: [Ww] [,-]? )? o? t? [Mm] [,/-]? t? [NO]", days.day_of_month),
    (r"[NO] [-/] Y [-/] [Mm]", days.day_of_month),
    (r"(?<= [fISVER] ) t U (?! [NXHLZ] )", spans.present_unit),
    (r"[Ww] [,-]? o? t? D | D [,-]? o? t? [Ww] (?! [,-]? [NOG])", days.dated_weekday),
    (r"[Nj] X U", lengths.next_length_split),
    (r"[XHLZ] t? U (?! [MW] f) | U [XHLZ] (?! [UWMN])", spans.this_or_next),
    (r"r Z W", days.after_next_weekday),
    (r"[XH] t? r | r X", lengths.next_length),
    (r"L t? r | r L", lengths.last_length),
)
_SECOND: Final = _rules(
    (r"[XHL]? t? [Mm] [,/-]? f? t? (?: Y | P) | [XHL] M | [XL] m | [Mm] [XL]", spans.month_named),
    (r"Y [-/f]? M", spans.month_named),
    (r"M", spans.month_named),
    (r"(?<= [tfouabvBlHSVEi] ) U (?! [NXHLZ] )", spans.weekend_alone),
    (r"x [.tHjo]? [tHX]? (?: h | [UWT] )", spans.wish),
    (r"(?: h | [UWT] ) x", spans.wish),
    (r"^ o? m \|? $", spans.weak_month_alone),
    (r"(?<= [IouBabSVEflvX-] ) m", spans.weak_month),
    (r"(?<= [IouBabSVEflvX] t ) m", spans.weak_month),
    (r"[OLN]? U? Q [-/,]? f? t? (?: Y | P )?", spans.quarter_named),
    (r"q [-/,]? f? t? (?: Y | P )? ", spans.quarter_named),
    (r"Y [-/,]? [Qq]", spans.quarter_named),
    (r"O U f? t? (?: Y | P ) | [ON] U (?! [XHLf])", spans.quarter_named),
    (r"U N [,/-]? f? t? (?: Y | P )? | K [,/-]? f? t? (?: Y | P )?", spans.week_number),
    (r"(?<= [IfouBabSVEyv] ) Y | (?<= [IfouBabSVEyv] t ) Y", spans.year_alone),
    (r"(?<= P [-nu] ) Y | (?<= P ) Y", spans.year_alone),
    (r"O [UW]? f? t? P (?<! [W] P ) (?<! W f P)", spans.week_of_period),
    (r"O W f? t? P", days.weekday_of_period),
    (r"[NO] f? t? P", days.day_of_period),
    (r"U f t? [DP] | U o t? D", spans.week_of_day),
    (r"[Ww] [fo]? t? P | P [,-]? o? t? W", days.weekday_of_week),
    (r"[XHL] t? s | s [XL] | s f? [YP] | (?<= [IfouabSVEBlv] ) t? s", spans.season_named),
    (r"s", spans.bare_season),
    (r"[XHL]? t? h ,? f? t? (?: Y | P ) | [XHL] t? h | h", spans.feast_named),
    (r"(?<= [abuvBSVE] ) t? k", spans.holiday_break),
    (r"[SVE] [-f]? t? [PD] | [SVER] [-f]? t? (?: U (?![NXHLZ]) | P)", spans.part_of_span),
    (r"P [SVE] (?! [PDU] )", spans.part_of_span),
)
_THIRD: Final = _rules(
    (r"W ,? r (?: F | B D ) | r (?: F | B D ) [,o]? W | W I r", lengths.weekday_from_now),
    (r"[Nj] W (?: F | B D )", lengths.weekdays_from_now),
    (r"[Ww] [,-]? o? t? [NO] (?! [U:c-] )", days.weekday_and_number),
    (r"[XHLZ] t? [Ww] | [Ww] [XLHZ] | ^ o? w \|? $", days.weekday_named),
    (r"W", days.weekday_named),
    (r"y r ,? [Bogf] t? o? [DP] | y? r [ga] o? t? [DP] | r [BF] t? D | r b t? [DP]", lengths.from_day),
    (r"^ r \|? $", lengths.from_today),
    (r"I o? t? r | r [Fl] | [au] o? r | r a (?= [.,|] | $ )", lengths.from_today),
    (r"r A", lengths.before_today),
    (r"y t? r", lengths.next_length),
    (r"B t? [NO] [-uvn] o? t? [NO] (?! [UM] ) | [oI] t? [NO] [uvn] t? [NO] (?= [,|.] | $ )", days.day_number_in_range),
    (r"B? o? t? [NO] [-uvn] o? t? D", ranges.number_to_day),
    (r"D [-uv] o? t? [NO] (?! [U] )", ranges.day_to_number),
    (r"(?<= [ouaBbv] ) t? O (?! [UWfr.] ) | t O (?! [UWfr.] )", days.day_number),
    (r"[to] N (?= [,|] | $ )", days.bare_day_number),
    (r"[lF] f? t? [DP]", spans.later_in),
    (r"B? o? t? [DP] ,? [-uv] o? t? [DP] i? | [BI] o? t? [DP] n o? t? [DP]", ranges.days_between),
    (r"[uv] o? t? [DP] i? | o [uv] t? [DP] i?", ranges.until_days),
    (r"[DP] e", ranges.until_days),
    (r"[DP] F", ranges.after_behind),
    (r"[DP] i", ranges.with_last_day),
    (r"a o? t? [DP]", ranges.after_days),
    (r"b o? t? [DP]", ranges.before_days),
)
