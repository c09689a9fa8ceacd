"""A text read as a row of pieces: words of time, numbers, and marks for everything else.

Anything that is no word of time is one piece marked "." however long it is, and the end of a sentence is marked "|".
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

from sequencer.inbox.date_words import COMPOUNDS, UNSPACED, Meaning, Words
from sequencer.inbox.folding import fold


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


def pieces_of(original: str, words: Words) -> list[Piece]:
    """The row of pieces of a text (in NFC)."""
    text = fold(original)
    row: list[Piece] = []
    position = 0
    for found in words.pattern.finditer(text):
        if found.lastgroup == "space":
            position = found.end() if found.start() == position else position
            continue
        if found.lastgroup == "other":
            _add_unknown(row, found.start(), found.end())
        else:
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
    swallowed = words.language not in UNSPACED and found["dot"]
    full_stop = [Piece("|", to - 1, to)] if swallowed and (len(word) > 4 or mark not in "MmWwUho") else []
    if mark == "2":
        first, unit = COMPOUNDS[name]
        return [Piece(first, at, to), Piece("U", at, to, unit=unit), *full_stop]
    return [Piece(mark, at, to - len(full_stop), number, name), *full_stop]


def _irregular(word: str, words: Words, found: re.Match[str]) -> Meaning | None:
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


_PLAIN_MARKS: Final = {
    "quarter": "Q", "half": "q", "weekno": "K", "year": "Y", "cjkyear": "Y", "ordinal": "O", "number": "N",
}  # fmt: skip


def _numeric_pieces(found: re.Match[str], at: int, to: int, text: str) -> list[Piece]:
    groups = {name: value for name, value in found.groupdict().items() if value}
    numbers = [int(number) for number in re.findall(r"\d+", text)]
    if "iso" in groups:
        return [Piece("D", at, to, unit=f"{numbers[0]:04}-{numbers[1]:02}-{numbers[2]:02}")]
    if "compact" in groups:
        return [Piece("D", at, to, unit=f"{text[:4]}-{text[4:6]}-{text[6:]}")]
    if "cjk" in groups or "cjkmonth" in groups or "cjkday" in groups:
        return _east_asian_pieces(groups, at, to)
    if "full" in groups:
        return [Piece("3", at, to, numbers[0], f"{numbers[2]}", second=numbers[1])]
    if "yearmonth" in groups:
        year, month = (numbers[0], numbers[1]) if numbers[0] > 31 else (numbers[1], numbers[0])
        return [Piece("Y", at, at, year), Piece("M", at, to, month)]
    if "dashed" in groups or "part" in groups:
        return [Piece("G", at, to, numbers[0], "." if "." in text else "/", second=numbers[1])]
    name = next(name for name in _PLAIN_MARKS if name in groups)
    return [Piece(_PLAIN_MARKS[name], at, to, numbers[0])]


def _east_asian_pieces(groups: dict[str, str], at: int, to: int) -> list[Piece]:
    """`2026年3月4日`, `3月`, `4日`."""
    if "cjkday" in groups:
        day = int(re.sub(r"\D", "", groups["cjkday"]))
        return [Piece("o", at, at), Piece("t", at, at), Piece("O", at, to, day)]
    written_year = groups.get("cy") or groups.get("cmy")
    year = [Piece("Y", at, at, int(written_year))] if written_year else []
    if "cjk" in groups:
        return [*year, Piece("M", at, to, int(groups["cm"])), Piece("O", to, to, int(groups["cd"]))]
    return [*year, Piece("M", at, to, int(groups["cmm"]))]


def _han(text: str) -> int:
    digits = {character: value for value, character in enumerate("一二三四五六七八九", 1)} | {"两": 2, "兩": 2}
    if "十" not in text:
        value = 0
        for character in text:
            value = value * 10 + digits[character]
        return value
    tens, _, ones = text.partition("十")
    return (digits.get(tens, 1) if tens else 1) * 10 + (digits.get(ones, 0) if ones else 0)
