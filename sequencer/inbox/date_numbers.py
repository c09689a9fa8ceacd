"""Numbers that are days by themselves: 2026-03-01, 3/4/2026, 3.4., and which of the two is the month."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from sequencer.inbox import date_arithmetic as calendar
from sequencer.inbox.date_making import YEAR_GUESSED, YEAR_WRITTEN, Row, Scene, day_piece
from sequencer.inbox.date_pieces import Piece


def settled(piece: Piece, scene: Scene) -> Piece:
    """A piece that needs no neighbours to be a day: today, 2026-03-01."""
    made: Piece | None
    if piece.mark == "T":
        made = day_piece(calendar.add_days(scene.today, piece.number))
    elif piece.mark == "D" and piece.first is None:
        made = day_piece(calendar.make_date(*(int(part) for part in piece.unit.split("-"))))
    else:
        return piece
    return replace(made, at=piece.at, to=piece.to) if made else replace(piece, mark=".")


def month_beside_number(row: Row, index: int) -> Piece:
    """The piece at an index; "sept" is the month when a number stands beside it."""
    piece = row[index]
    if piece.mark != "N" or not piece.unit.startswith("M"):
        return piece
    beside = (index and row[index - 1].mark in "NO") or (index + 1 < len(row) and row[index + 1].mark == "Y")
    return replace(piece, mark="M", number=int(piece.unit[1:]), unit="") if beside else replace(piece, unit="")


def with_numeric_dates(row: Row, scene: Scene) -> Row:
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
        made = day_piece(_numeric(piece, scene, weekday))
        year = YEAR_WRITTEN if piece.mark == "3" else YEAR_GUESSED
        out.append(replace(made, at=piece.at, to=piece.to, second=year) if made else replace(piece, mark="."))
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
