"""The words of time in each language (`calendar_words/*.yaml`), and a text read as a row of such words.

A text becomes a list of `Piece`s, each with a one-letter mark; `date_grammar` reads the row of marks. Anything that
is no word of time is one piece marked "." however long it is, and the end of a sentence is marked "|".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import cache
from importlib import resources
from typing import Any, Final

import yaml

from sequencer.inbox.folding import fold

LANGUAGES: Final = ("en", "de", "fr", "es", "it", "nl", "pt", "pl", "sv", "da", "ja", "zh", "ru", "tr", "cs")

_LISTS: Final = {
    "from": "B", "starting": "g", "of": "f", "the": "t", "on": "o", "for": "y", "next": "X", "coming": "X", "after_next": "Z",
    "this": "H", "last": "L", "in": "I", "later": "F", "ago": "A", "after": "a", "before": "b", "until": "u", "and": "n",
    "start": "S", "middle": "V", "end": "E", "rest": "R", "part_of_day": "p", "inclusive": "i", "through": "v",
    "later_in": "l", "wishes": "x", "until_behind": "e",
}  # fmt: skip
"""The lists of a language and their marks; of a word in two lists the later one counts."""
_BREAKS: Final = ("holidays", "summer_break", "winter_break")
_COMPOUNDS: Final = {
    "next_week": ("X", "week"), "next_month": ("X", "month"), "next_year": ("X", "year"), "this_week": ("H", "week"),
    "this_month": ("H", "month"), "this_year": ("H", "year"), "last_week": ("L", "week"), "last_month": ("L", "month"),
    "last_year": ("L", "year"), "week_after_next": ("Z", "week"), "month_after_next": ("Z", "month"),
    "next_quarter": ("X", "quarter"), "end_of_month": ("E", "month"), "end_of_year": ("E", "year"),
    "end_of_week": ("E", "week"), "start_of_month": ("S", "month"), "start_of_year": ("S", "year"), "year_after_next": ("Z", "year"),
    "start_of_week": ("S", "week"), "middle_of_month": ("V", "month"), "weekend_this": ("H", "weekend"), "this_quarter": ("H", "quarter"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Piece:
    """A word of time, or what the grammar made of several.

    `first` to `last` (exclusive) is the span of days it means, `pick` the one day to act on; a length of time is
    `months` + `days` + `workdays`.
    """

    mark: str
    at: int
    to: int
    number: int = 0
    unit: str = ""
    first: date | None = None
    last: date | None = None
    pick: date | None = None
    role: str = ""
    months: int = 0
    days: int = 0
    workdays: int = 0
    second: int = 0


@dataclass(frozen=True, slots=True)
class Words:
    """The compiled words of one language."""

    language: str
    order: str
    pattern: re.Pattern[str]
    meanings: Mapping[str, tuple[str, int, str]]
    regular: tuple[tuple[re.Pattern[str], tuple[str, int, str]], ...]
    triggers: re.Pattern[str] | None


_CLOCK: Final = (
    r"(?P<clock>(?<![\d.,/\-])\d{1,2}(?::\d{2}){1,2}(?:[ ]?[ap]\.?m\b\.?|[ ]?uhr\b|[ ]?h\b)?|"
    r"(?<![\d.,/\-])\d{1,2}(?:[.:]\d{2})?[ ]?(?:[ap]\.?m\b\.?|uhr\b|o'clock|[ap]\b|heures?\b|h(?:\d{2})?\b)|\d{1,2}[時点點](?:\d{1,2}分|半)?|\d{1,2}시)"
)
_NUMERIC: Final = (
    r"(?P<iso>(?<![\d.])(?:19|20)\d{2}(?P<isosep>[\-/.])(?:1[0-2]|0?[1-9])(?P=isosep)(?:3[01]|[12]\d|0?[1-9])(?!\d)(?:t\d{2}:\d{2}[\d:.+\-z]*)?)|"
    r"(?P<compact>(?<![\d.,])20\d{2}(?:1[0-2]|0[1-9])(?:3[01]|[12]\d|0[1-9])(?!\d))|"
    r"(?P<cjk>(?<!\d)(?:(?P<cy>\d{4}|\d{2})[ ]?年[ ]?)?(?P<cm>1[0-2]|0?[1-9])[ ]?月[ ]?(?P<cd>3[01]|[12]\d|0?[1-9])[ ]?[日号號])|"
    r"(?P<cjkmonth>(?<!\d)(?:(?P<cmy>\d{4})[ ]?年[ ]?)?(?P<cmm>1[0-2]|0?[1-9])月(?!間)(?:份)?)|"
    r"(?P<cjkyear>(?<!\d)\d{4}年)|"
    r"(?P<cjkday>(?<!\d)(?:3[01]|[12]\d|0?[1-9])[ ]?[日号號](?![間後内以前]))|"
    r"(?P<full>(?<![\d.,/])(?<!-\d-)(?<!-\d\d-)(?<!\d\d\d-)\d{1,2}[ ]?(?P<sep>[./\-])[ ]?\d{1,2}[ ]?(?P=sep)[ ]?(?:\d{4}|\d{2})(?![\d/]|-(?!\d{1,2}[./])|[.,]\d))|"
    r"(?P<yearmonth>(?<!\d)(?:19|20)\d{2}[\-/](?:1[0-2]|0?[1-9])(?![\d\-/])|(?<![\d/.\-])(?:1[0-2]|0?[1-9])/(?:19|20)\d{2}(?![\d/]))|"
    r"(?P<part>(?<![\d.,/$€£:])(?<!-\d-)(?<!-\d\d-)(?<!\d\d\d-)\d{1,2}(?:/\d{1,2}(?![\d/%]|-(?!\d{1,2}[/.])|[.,]\d)|\.[ ]?\d{1,2}(?:\.(?!\d)|(?![\d.,%/])(?=\s|$|[)\-–]))))|"
    r"(?P<quarter>(?<!\w)[qk]([1-4])(?!\d)|(?<!\w)([1-4])q(?!\w))|(?P<half>(?<!\w)h([12])(?!\d))|"
    r"(?P<weekno>(?<!\w)(?:kw|cw|wk|ww|v|w)\.?[ ]?(?P<wn>[1-5]?\d)(?![\w%]|[.,]\d))|"
    r"(?P<year>(?<![\d.,$€£/])(?:19|20)\d{2}(?![\d%]|[.,]\d)|(?<!\w)'\d{2}(?!\d))|"
    r"(?P<ordinal>(?<![\d.,])\d{1,2}(?:st|nd|rd|th|ter|ten|\.?[ºª°]|ero?|eme|:?e|:?a|o|º|ª|de|ste|ten?|-?(?:go|ego|его|ого|го|е|ое|ого)|'?(?:inci|nci|uncu|ncu|unda|inde))(?!\w))|"
    r"(?P<number>(?<![\d.,$€£#])\d{1,3}(?![\d%]|[.,]\d))"
)
_DASHED_DAY: Final = r"(?P<dashed>(?<![\w.,/\-])(?:3[01]|[12]\d|0?[1-9])-(?:1[0-2]|0?[1-9])(?![\w\-/]|[.,]\d|[ ]uur))|"
_HAN_NUMBER: Final = r"(?P<han>[一二三四五六七八九十两兩]{1,3})"
_PUNCTUATION: Final = (
    r"(?P<end>[!?;。！？\n]|\.(?=\s|$))|(?P<comma>[,、])|(?P<dash>[\-~〜～])|(?P<slash>/)|(?P<space>\s+)"
)


@cache
def words_of(language: str) -> Words:
    """The words of a language, compiled once. Raises KeyError for a language without a file."""
    if language not in LANGUAGES:
        raise KeyError(language)
    text = (resources.files("sequencer.inbox") / "calendar_words" / f"{language}.yaml").read_text(encoding="utf-8")
    data: dict[str, Any] = yaml.load(text, Loader=getattr(yaml, "CBaseLoader", yaml.BaseLoader))  # noqa: S506
    meanings = _meanings(data)
    letters = language not in ("ja", "zh")
    literal, regular = {}, []
    for entry, meaning in meanings.items():
        if entry.startswith("/"):
            regular.append((re.compile(entry.strip("/")), meaning))
        else:
            literal[fold(entry)] = meaning
    numeric = _NUMERIC
    if language != "en":
        numeric += r"(?:\.(?=[ ]?[^\W\d_]|[ ]?[\-–]))?"  # "2. Mai": a number with a full stop is an ordinal
    if language == "nl":
        numeric = _DASHED_DAY + numeric
    pattern = re.compile(
        "|".join([_CLOCK, numeric, _word_pattern(literal, regular, letters), *([] if letters else [_HAN_NUMBER])])
        + "|"
        + _PUNCTUATION
    )
    triggers = [fold(word) for word in data.get("triggers", ())]
    left, right = (r"(?<!\w)", r"(?!\w)") if letters else ("", "")
    return Words(
        language,
        str(data.get("order", "DMY")),
        pattern,
        literal,
        tuple(regular),
        re.compile(left + "(?:" + "|".join(map(_literal, triggers)) + ")" + right) if triggers else None,
    )


def _meanings(data: Mapping[str, Any]) -> dict[str, tuple[str, int, str]]:
    meanings: dict[str, tuple[str, int, str]] = {}
    for word, meaning in _entries(data):
        known = meanings.get(word)
        if known and known[0] == "L" and meaning[0] == "O":
            continue
        if known and known[0] == "M" and meaning[0] == "N":
            meaning = ("N", meaning[1], f"M{known[1]}")  # "sept" is seven, and September beside a number
        meanings[word] = meaning
    return meanings


def _entries(data: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, int, str]]]:
    for key, mark in _LISTS.items():
        for word in data.get(key, ()):
            yield word, (mark, int(key == "coming"), "")
    for key, (_, unit) in _COMPOUNDS.items():
        for word in data.get(key, ()):
            yield word, ("2", 0, key)
    for number, names in enumerate(data.get("months", ()), 1):
        for word in names:
            yield word.rstrip("~"), ("m" if word.endswith("~") else "M", number, "")
    for number, names in enumerate(data.get("weekdays", ())):
        for word in names:
            yield word.rstrip("~"), ("w" if word.endswith("~") else "W", number, "")
    for unit, names in data.get("units", {}).items():
        for word in names:
            yield word, ("U", 0, unit)
    for mark, key in (("N", "numbers"), ("O", "ordinals"), ("T", "days"), ("j", "articles"), ("s", "seasons")):
        for word, number in data.get(key, {}).items():
            yield str(word), (mark, int(number), "")
    for word, name in data.get("holidays", {}).items():
        yield word, ("k" if str(name) in _BREAKS else "h", 0, str(name))


def _word_pattern(literal: Mapping[str, Any], regular: list[tuple[re.Pattern[str], Any]], letters: bool) -> str:
    """One alternation, longest first; in alphabets a word ends where its letters end, and may follow a digit."""
    ordered = sorted(literal, key=len, reverse=True)
    body = "|".join([*map(_literal, ordered), *(found.pattern for found, _ in regular)])
    if not letters:
        return f"(?P<word>{body})"
    return rf"(?P<word>(?<![^\W\d_])(?:{body})(?![^\W_]))(?P<dot>\.(?!\d))?"


def _literal(word: str) -> str:
    """A word of the list as a pattern: `*` at its end stands for any ending."""
    stem = word.rstrip("*")
    escaped = re.escape(stem).replace(r"\ ", r"[ \n]{1,3}")
    return escaped + (r"[^\W\d_]{0,6}" if word.endswith("*") else "")


def pieces_of(original: str, words: Words) -> list[Piece]:
    """The row of pieces of a text (in NFC)."""
    text = fold(original)
    row: list[Piece] = []
    position = 0
    for found in words.pattern.finditer(text):
        if found.start() > position and text[position : found.start()].strip(" \t()[]\"'*_"):
            _add_unknown(row, position, found.start())
        row.extend(_certain(piece, row, original) for piece in _pieces(found, words))
        position = found.end()
    if text[position:].strip():
        _add_unknown(row, position, len(text))
    return row


def _certain(piece: Piece, row: list[Piece], original: str) -> Piece:
    """A word such as "may" is the month when it has a capital inside a sentence."""
    if piece.mark not in "mw" or not row or row[-1].mark == "|" or piece.to - piece.at < 3:
        return piece
    shouted = original[piece.at : piece.to].isupper()
    return replace(piece, mark=piece.mark.upper()) if original[piece.at].isupper() and not shouted else piece


def _add_unknown(row: list[Piece], at: int, to: int) -> None:
    if not row or row[-1].mark != ".":
        row.append(Piece(".", at, to))


def _pieces(found: re.Match[str], words: Words) -> list[Piece]:
    kind = found.lastgroup or ""
    at, to = found.span()
    text = found.group()
    match kind:
        case "word" | "dot":
            return _word_pieces(found, words, at, to)
        case "space":
            return []
        case "end":
            return [Piece("|", at, to)]
        case "comma" | "dash" | "slash":
            return [Piece({"comma": ",", "dash": "-", "slash": "/"}[kind], at, to)]
        case "clock":
            return [Piece("c", at, to)]
        case "han":
            return [Piece("N", at, to, _han(text))]
        case _:
            return _numeric_pieces(found, at, to, text)


def _word_pieces(found: re.Match[str], words: Words, at: int, to: int) -> list[Piece]:
    word = re.sub(r"\s+", " ", found["word"])
    meaning = words.meanings.get(word) or _irregular(word, words, found)
    if meaning is None:
        return [Piece(".", at, to)]
    mark, number, name = meaning
    swallowed = words.language not in ("ja", "zh") and found["dot"]
    full_stop = [Piece("|", to - 1, to)] if swallowed and (len(word) > 4 or mark not in "MmWwUho") else []
    if mark == "2":
        first, unit = _COMPOUNDS[name]
        return [Piece(first, at, to), Piece("U", at, to, unit=unit), *full_stop]
    return [Piece(mark, at, to - len(full_stop), number, name), *full_stop]


def _irregular(word: str, words: Words, found: re.Match[str]) -> tuple[str, int, str] | None:
    """The meaning of a word with an open ending, or of one that is told by what follows it."""
    for stem in range(len(word), 1, -1):
        if (meaning := words.meanings.get(word[:stem] + "*")) is not None:
            return meaning
    at, to = found.span("word")
    for pattern, meaning in words.regular:
        told = pattern.match(found.string, at)
        if told and told.end() == to:
            return meaning
    return None


def _numeric_pieces(found: re.Match[str], at: int, to: int, text: str) -> list[Piece]:
    groups = {name: value for name, value in found.groupdict().items() if value}
    numbers = [int(number) for number in re.findall(r"\d+", text)]
    if "iso" in groups:
        return [Piece("D", at, to, unit=f"{numbers[0]:04}-{numbers[1]:02}-{numbers[2]:02}")]
    if "compact" in groups:
        return [Piece("D", at, to, unit=f"{text[:4]}-{text[4:6]}-{text[6:]}")]
    if "cjk" in groups:
        year = [Piece("Y", at, at, int(groups["cy"]))] if "cy" in groups else []
        return [*year, Piece("M", at, to, int(groups["cm"])), Piece("O", to, to, int(groups["cd"]))]
    if "cjkmonth" in groups:
        year = [Piece("Y", at, at, int(groups["cmy"]))] if "cmy" in groups else []
        return [*year, Piece("M", at, to, int(groups["cmm"]))]
    if "cjkday" in groups:
        return [Piece("o", at, at), Piece("t", at, at), Piece("O", at, to, numbers[0])]
    if "full" in groups:
        return [Piece("3", at, to, numbers[0], f"{numbers[2]}", second=numbers[1])]
    if "yearmonth" in groups:
        year_number, month = (numbers[0], numbers[1]) if numbers[0] > 31 else (numbers[1], numbers[0])
        return [Piece("Y", at, at, year_number), Piece("M", at, to, month)]
    if "dashed" in groups:
        return [Piece("G", at, to, numbers[0], "/", second=numbers[1])]
    if "part" in groups:
        return [Piece("G", at, to, numbers[0], "." if "." in text else "/", second=numbers[1])]
    marks = {"quarter": "Q", "half": "q", "weekno": "K", "year": "Y", "cjkyear": "Y", "ordinal": "O", "number": "N"}
    name = next(name for name in marks if name in groups)
    return [Piece(marks[name], at, to, numbers[0])]


def _han(text: str) -> int:
    digits = {character: value for value, character in enumerate("一二三四五六七八九", 1)} | {"两": 2, "兩": 2}
    if "十" not in text:
        value = 0
        for character in text:
            value = value * 10 + digits[character]
        return value
    tens, _, ones = text.partition("十")
    return (digits.get(tens, 1) if tens else 1) * 10 + (digits.get(ones, 0) if ones else 0)
