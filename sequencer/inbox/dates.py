"""The day that somebody names: "in two weeks", "after the holidays", "Q2", "KW 12", "not before the 3rd"."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Final, Literal

from sequencer.inbox.date_grammar import read_row
from sequencer.inbox.date_making import Scene
from sequencer.inbox.date_pieces import pieces_of
from sequencer.inbox.date_words import LANGUAGES, Words, words_of
from sequencer.inbox.folding import composed, fold
from sequencer.inbox.languages import likely_languages

MAX_TEXT: Final = 6_000
"""Characters that are searched for dates: people name theirs early."""
HORIZON: Final = 400
"""Days ahead within which a date is believed."""

_SHORT: Final = 80
"""Characters up to which a text may be in any language, whatever it looks like."""
_TELLING_LETTERS: Final = 7
"""Letters that the words of a date need to be believed in an unlikely language: "mag" is May, and much else."""
_BARE_NUMBERS: Final = ("es", "fr", "it", "pt")
_POSTPOSITIONS: Final = ("ja", "zh", "tr")
_BARE_SEASONS: Final = ("pl", "ru", "tr", "cs")

ZoneOrder = Literal["DMY", "MDY", ""]


@dataclass(frozen=True, slots=True)
class Found:
    """A day that was named, and the words it came from."""

    day: date
    words: str


@dataclass(frozen=True, slots=True)
class Days:
    """A span of days that was named: `first` to `last` (exclusive), `pick` the day to act on.

    `role` is "until", "through" (that day included), "after", "before", "range", "within", "rest" or "".
    """

    first: date
    last: date
    pick: date
    words: str
    role: str
    at: int
    to: int


def find_date(text: str, today: date, language: str = "", zone_order: ZoneOrder = "") -> Found | None:
    """The day that a text names, 0 to 400 days ahead of `today`, or None.

    Of several, the one nearest to a word such as "call", "back" or "until" is taken, else the first. `language` is
    a hint; `zone_order` tells whether 3/4 is read as 3 April (DMY) or March 4 (MDY) where the text does not settle it.
    """
    named = find_named(text, today, language, zone_order)
    return Found(named[0], named[1].words) if named else None


def find_named(text: str, today: date, language: str = "", zone_order: ZoneOrder = "") -> tuple[date, Days] | None:
    """As `find_date`, with the span of days that the words mean."""
    text = composed(text[:MAX_TEXT])
    likely, unlikely = _languages(text, language)
    for code in likely:
        if found := _named_in(code, text, today, zone_order):
            return found
    for code in unlikely:
        found = _named_in(code, text, today, zone_order)
        if found and sum(map(str.isalpha, found[1].words)) >= _TELLING_LETTERS:
            return found
    return None


def _named_in(code: str, text: str, today: date, zone_order: ZoneOrder) -> tuple[date, Days] | None:
    words = words_of(code)
    ahead = []
    for days in _read(text, today, words, zone_order):
        day = _day_ahead(days, today)
        if day is not None:
            ahead.append((days, day))
    if not ahead:
        return None
    days, day = _best(text, ahead, words, today)
    return day, days


def find_days(text: str, today: date, language: str = "", zone_order: ZoneOrder = "") -> tuple[Days, ...]:
    """Every span of days that a text names, past ones too, in its order; from the first language that finds any."""
    text = composed(text[:MAX_TEXT])
    for code in _languages(text, language)[0]:
        if found := _read(text, today, words_of(code), zone_order):
            return found
    return ()


def _languages(text: str, language: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The languages to try, likeliest first, and those to try with suspicion when these find nothing."""
    hint = language.lower()[:2]
    guessed = likely_languages(text, hint)
    likely = tuple(code for code in dict.fromkeys((*guessed[:1], hint, "en")) if code in LANGUAGES)
    others = dict.fromkeys((*guessed, *(LANGUAGES if len(text) <= _SHORT else ())))
    return likely, tuple(code for code in others if code not in likely)


def _read(text: str, today: date, words: Words, zone_order: ZoneOrder) -> tuple[Days, ...]:
    order = zone_order if zone_order and words.language == "en" else words.order
    code = words.language
    scene = Scene(
        today,
        order,
        bare_numbers=code in _BARE_NUMBERS,
        postpositions=code in _POSTPOSITIONS,
        bare_seasons=code in _BARE_SEASONS,
    )
    pieces = read_row(pieces_of(text, words), scene)
    return tuple(
        Days(
            piece.first,
            piece.last,
            piece.pick,
            " ".join(text[piece.at : piece.to].split()),
            piece.role,
            piece.at,
            piece.to,
        )
        for piece in pieces
        if piece.first and piece.last and piece.pick
    )


def _day_ahead(days: Days, today: date) -> date | None:
    """The day to act on, when it lies ahead: a span that has begun counts from the middle of what is left."""
    day = days.pick
    if day < today < days.last and (days.last - days.first).days > 1:
        if days.role in ("until", "through", "range", "rest"):
            day = days.last if (days.last - today).days > 1 else today
        else:
            day = today + (days.last - today) // 2
    return day if 0 <= (day - today).days <= HORIZON else None


def _best(text: str, ahead: list[tuple[Days, date]], words: Words, today: date) -> tuple[Days, date]:
    later = [candidate for candidate in ahead if candidate[1] > today]
    ahead = later or ahead
    if len(ahead) == 1 or words.triggers is None:
        return ahead[0]
    triggers = [found.span() for found in words.triggers.finditer(fold(text))]

    def distance(candidate: tuple[Days, date]) -> int:
        days = candidate[0]
        gaps = [days.at - end if end <= days.at else (start - days.to) + 20 for start, end in triggers]
        return min((gap for gap in gaps if 0 <= gap <= 60), default=1_000)

    return min(ahead, key=distance)
