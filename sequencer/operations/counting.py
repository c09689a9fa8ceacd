"""Numbers and lists inside a sentence. Imports nothing: the commands use it before anything heavy is loaded."""

from __future__ import annotations

from collections.abc import Sequence


def counted(number: int, thing: str) -> str:
    """`1 mistake`, `1,200 mistakes`."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def headcount(number: int) -> str:
    """`1 person`, `1,200 people`."""
    return "1 person" if number == 1 else f"{number:,} people"


def listed(names: Sequence[str]) -> str:
    """`one`, `one and two`, `one, two and three`."""
    return " and ".join(names) if len(names) < 3 else f"{', '.join(names[:-1])} and {names[-1]}"
