"""The words of time of each language (`calendar_words/*.yaml`), compiled into one pattern.

Every word has a mark, the letter by which the rules of `date_grammar` know it: `M` a month, `W` a weekday (small
letters when the word means something else too), `U` a unit, `N` a number, `X` next, `I` in, `u` until …
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Final

import yaml

from sequencer.inbox import date_patterns
from sequencer.inbox.folding import fold

LANGUAGES: Final = ("en", "de", "fr", "es", "it", "nl", "pt", "pl", "sv", "da", "ja", "zh", "ru", "tr", "cs")
UNSPACED: Final = ("ja", "zh")
"""Languages that put no space between words."""

Meaning = tuple[str, int, str]
"""A mark, a number, and the name of a unit or a feast."""

_LISTS: Final = {
    "from": "B", "starting": "g", "of": "f", "the": "t", "on": "o", "for": "y", "next": "X", "coming": "X",
    "after_next": "Z", "this": "H", "last": "L", "in": "I", "later": "F", "ago": "A", "after": "a", "before": "b",
    "until": "u", "and": "n", "start": "S", "middle": "V", "end": "E", "rest": "R", "part_of_day": "p",
    "inclusive": "i", "through": "v", "later_in": "l", "wishes": "x", "until_behind": "e",
}  # fmt: skip
"""The lists of a language and their marks; of a word in two lists the later one counts."""

_BREAKS: Final = ("holidays", "summer_break", "winter_break")
COMPOUNDS: Final = {
    "next_week": ("X", "week"), "next_month": ("X", "month"), "next_year": ("X", "year"),
    "next_quarter": ("X", "quarter"), "this_week": ("H", "week"), "this_month": ("H", "month"),
    "this_year": ("H", "year"), "this_quarter": ("H", "quarter"), "weekend_this": ("H", "weekend"),
    "last_week": ("L", "week"), "last_month": ("L", "month"), "last_year": ("L", "year"),
    "week_after_next": ("Z", "week"), "month_after_next": ("Z", "month"), "year_after_next": ("Z", "year"),
    "start_of_week": ("S", "week"), "start_of_month": ("S", "month"), "start_of_year": ("S", "year"),
    "middle_of_month": ("V", "month"), "end_of_week": ("E", "week"), "end_of_month": ("E", "month"),
    "end_of_year": ("E", "year"),
}  # fmt: skip
"""Lists of words that say two things at once, and what these are."""


@dataclass(frozen=True, slots=True, eq=False)
class Words:
    """The compiled words of one language."""

    language: str
    order: str
    pattern: re.Pattern[str]
    meanings: Mapping[str, Meaning]
    regular: tuple[tuple[re.Pattern[str], Meaning], ...]
    triggers: re.Pattern[str] | None


@cache
def words_of(language: str) -> Words:
    """The words of a language, compiled once. Raises KeyError for a language without a file."""
    if language not in LANGUAGES:
        raise KeyError(language)
    text = (resources.files("sequencer.inbox") / "calendar_words" / f"{language}.yaml").read_text(encoding="utf-8")
    data: dict[str, Any] = yaml.load(text, Loader=getattr(yaml, "CBaseLoader", yaml.BaseLoader))  # noqa: S506
    literal: dict[str, Meaning] = {}
    regular: list[tuple[re.Pattern[str], Meaning]] = []
    for entry, meaning in _meanings(data).items():
        if entry.startswith("/"):
            regular.append((re.compile(entry.strip("/")), meaning))
        else:
            literal[fold(entry)] = meaning
    return Words(
        language,
        str(data.get("order", "DMY")),
        _pattern(language, literal, regular),
        literal,
        tuple(regular),
        _triggers(language, data),
    )


def _pattern(
    language: str, literal: Mapping[str, Meaning], regular: list[tuple[re.Pattern[str], Meaning]]
) -> re.Pattern[str]:
    parts = [date_patterns.CLOCK, date_patterns.numeric(language), _word_pattern(literal, regular, language)]
    parts.append(date_patterns.HAN_NUMBER if language in UNSPACED else date_patterns.OTHER_WORD)
    return re.compile("|".join([*parts, date_patterns.PUNCTUATION]))


def _triggers(language: str, data: Mapping[str, Any]) -> re.Pattern[str] | None:
    words = [_literal(fold(word)) for word in data.get("triggers", ())]
    if not words:
        return None
    body = "(?:" + "|".join(words) + ")"
    return re.compile(body if language in UNSPACED else rf"(?<!\w){body}(?!\w)")


def _meanings(data: Mapping[str, Any]) -> dict[str, Meaning]:
    meanings: dict[str, Meaning] = {}
    for word, meaning in _entries(data):
        known = meanings.get(word)
        if known and known[0] == "L" and meaning[0] == "O":
            continue
        if known and known[0] == "M" and meaning[0] == "N":
            meaning = ("N", meaning[1], f"M{known[1]}")  # "sept" is seven, and September beside a number
        meanings[word] = meaning
    return meanings


def _entries(data: Mapping[str, Any]) -> Iterator[tuple[str, Meaning]]:
    for key, mark in _LISTS.items():
        for word in data.get(key, ()):
            yield word, (mark, int(key == "coming"), "")
    for key in COMPOUNDS:
        for word in data.get(key, ()):
            yield word, ("2", 0, key)
    yield from _named("months", "M", data)
    yield from _named("weekdays", "W", data)
    for unit, names in data.get("units", {}).items():
        for word in names:
            yield word, ("U", 0, unit)
    for mark, key in (("N", "numbers"), ("O", "ordinals"), ("T", "days"), ("j", "articles"), ("s", "seasons")):
        for word, number in data.get(key, {}).items():
            yield word, (mark, int(number), "")
    for word, name in data.get("holidays", {}).items():
        yield word, ("k" if name in _BREAKS else "h", 0, name)


def _named(key: str, mark: str, data: Mapping[str, Any]) -> Iterator[tuple[str, Meaning]]:
    """Months count from 1, weekdays from 0; a word marked "~" means something else too."""
    for number, names in enumerate(data.get(key, ()), 1 if key == "months" else 0):
        for word in names:
            yield word.rstrip("~"), (mark.lower() if word.endswith("~") else mark, number, "")


def _word_pattern(literal: Mapping[str, Meaning], regular: list[tuple[re.Pattern[str], Meaning]], language: str) -> str:
    """One alternation, longest first; in alphabets a word ends where its letters end, and may follow a digit."""
    ordered = sorted(literal, key=len, reverse=True)
    body = "|".join([*map(_literal, ordered), *(found.pattern for found, _ in regular)])
    if language in UNSPACED:
        return f"(?P<word>{body})"
    return rf"(?P<word>(?<![^\W\d_])(?:{body})(?![^\W_]))(?P<dot>\.(?!\d))?"


def _literal(word: str) -> str:
    """A word of the list as a pattern: `*` at its end stands for any ending."""
    stem = word.rstrip("*")
    escaped = re.escape(stem).replace(r"\ ", r"[ \n]{1,3}")
    return escaped + (r"[^\W\d_]{0,6}" if word.endswith("*") else "")
