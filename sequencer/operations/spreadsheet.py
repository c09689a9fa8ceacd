"""CSV files as they really come: any encoding, any separator, quoted line breaks, and damage in the middle.

Every row keeps the physical line on which it starts, so that whoever reads a message finds it in an editor.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

SEPARATORS: Final = (",", ";", "\t", "|")
MAX_BYTES: Final = 512 * 1024 * 1024
MOST_DAMAGED: Final = 1000
"""Rows with broken quotes that are told of, one by one, before the reading of a file is given up."""

_SAMPLE: Final = 50
_EMPTY: Final = ' \t\r\n,;|"'
_MARKS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32", "UTF-32"),  # before UTF-16: its mark begins with the same bytes
    (codecs.BOM_UTF32_BE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF16_LE, "utf-16", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16", "UTF-16"),
)
_REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"


@dataclass(frozen=True, slots=True)
class Row:
    """The cells of one row, and the line on which it starts, counted from 1."""

    line: int
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Damaged:
    """A row that cannot be read, and why, for people."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """A file that was decoded. `encoding` is its name for people; `head` is the first row that holds anything."""

    text: str
    encoding: str
    separator: str
    head: Row

    def rows(self) -> Iterator[Row | Damaged]:
        """What comes after the head, without the blank rows."""
        return islice(_rows(self.text, self.separator), 1, None)


@dataclass(frozen=True, slots=True)
class NoSheet:
    """Why a file cannot be read as CSV, for people; line and column count from 1, 0 where there is none."""

    reason: str
    hint: str
    line: int = 0
    column: int = 0


def read_sheet(raw: bytes, is_head: Callable[[tuple[str, ...]], bool]) -> Sheet | NoSheet:
    """Decode a file and find its separator: the one that makes a head of the first row, and rows as long as the head.

    `is_head` says whether cells could be the head of this kind of file.
    """
    decoded = _decode(raw)
    if isinstance(decoded, NoSheet):
        return decoded
    text, encoding = decoded
    text, said = _said_separator(text)
    candidates = [said] if said else list(SEPARATORS)
    sample = text[: 1 << 18]
    separator = max(candidates, key=lambda each: _fit(sample, each, is_head))
    first = next(_rows(text, separator), None) if text.strip(_EMPTY) else None
    if first is None:
        return NoSheet("the file is empty", "the first line names the columns, one of them email")
    if isinstance(first, Damaged):
        return NoSheet(first.reason, "the first line names the columns, as in email,first_name", first.line, 1)
    return Sheet(text, encoding, separator, first)


# Decoding -----------------------------------------------------------------------------------------


def _decode(raw: bytes) -> tuple[str, str] | NoSheet:
    if raw.startswith(codecs.BOM_UTF8):
        return raw.decode("utf-8-sig", "replace"), "UTF-8"
    for mark, codec, name in _MARKS:
        if raw.startswith(mark):
            return _strictly(raw, codec, name)
    if raw[:4] == b"PK\x03\x04" or raw[:8] == b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1":
        return NoSheet("this is a workbook, not a CSV file", "open it and save it as CSV (UTF-8)")
    if raw[:5] == b"%PDF-":
        return NoSheet("this is a PDF, not a CSV file", "export the contacts as CSV")
    wide = _wide(raw)
    if wide:
        return _strictly(raw, wide, "UTF-16")
    try:
        return raw.decode("utf-8"), "UTF-8"
    except UnicodeDecodeError:
        return _eight_bit(raw)


def _strictly(raw: bytes, codec: str, name: str) -> tuple[str, str] | NoSheet:
    try:
        return raw.decode(codec).removeprefix("\ufeff"), name
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode(codec, "replace")
        line, column = before.count("\n") + 1, len(before.rpartition("\n")[2]) + 1
        return NoSheet(f"the file begins as {name} and then is not", "save it again as CSV (UTF-8)", line, column)


def _wide(raw: bytes) -> str:
    """UTF-16 without its mark: every second byte of what is mostly ASCII is zero."""
    head = raw[:2000]
    if len(head) < 4:
        return ""
    even, odd = head[::2].count(0) / len(head[::2]), head[1::2].count(0) / len(head[1::2])
    if odd > 0.6 > even:
        return "utf-16-le"
    return "utf-16-be" if even > 0.6 > odd else ""


def _eight_bit(raw: bytes) -> tuple[str, str]:
    """Not UTF-8: either UTF-8 with a damaged place (its rows are refused), or what Windows writes in the West."""
    damaged = raw.decode("utf-8", "replace")
    wrong = damaged.count(_REPLACEMENT)
    right = sum(1 for char in damaged if char > "\x7f") - wrong
    if right > 4 * wrong:
        return damaged, "UTF-8"
    try:
        return raw.decode("cp1252"), "Windows-1252"
    except UnicodeDecodeError:
        return raw.decode("latin-1"), "Latin-1"


# Rows ---------------------------------------------------------------------------------------------


def _said_separator(text: str) -> tuple[str, str]:
    """Excel's first line `sep=;`: it is blanked, so that the lines still count."""
    line, newline, rest = text.partition("\n")
    word = line.strip().strip('"').lower()
    if word.startswith("sep=") and len(word) == 5:
        return newline + rest, word[4]
    return (newline + rest, "\t") if line.strip("\r").lower() == "sep=\t" else (text, "")


def _fit(sample: str, separator: str, is_head: Callable[[tuple[str, ...]], bool]) -> tuple[bool, float, int]:
    found = list(islice(_rows(sample, separator), _SAMPLE))
    rows = [row.cells for row in found if isinstance(row, Row)]
    if not rows or not isinstance(found[0], Row):
        return False, 0.0, 0
    alike = sum(len(cells) == len(rows[0]) for cells in rows) / len(found)
    return is_head(rows[0]), alike, len(rows[0])


def _rows(text: str, separator: str) -> Iterator[Row | Damaged]:
    """The rows that hold anything. Where quotes are broken, that line is told of and the reading goes on after it."""
    source = io.StringIO(text, newline="")
    taken: list[int] = []  # the lengths of the lines of the present row
    begins = done = damaged = 0  # where the present row begins, and the number of lines before it
    reader = _reader(source, taken, separator)
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            damaged += 1
            yield Damaged(done + 1, _plain(error, len(taken)))
            if damaged == MOST_DAMAGED:
                yield Damaged(done + 2, "too many rows with broken quotes: the rest of the file was not read")
                return
            begins, done = begins + taken[0], done + 1
            source.seek(begins)
            taken.clear()
            reader = _reader(source, taken, separator)
            continue
        if any(cell.strip() for cell in cells):
            yield Row(done + 1, tuple(cells))
        begins, done = begins + sum(taken), done + len(taken)
        taken.clear()


def _reader(source: io.StringIO, taken: list[int], separator: str) -> Iterator[list[str]]:
    def lines() -> Iterator[str]:
        while line := source.readline():
            taken.append(len(line))
            yield line

    return csv.reader(lines(), delimiter=separator, strict=True)


def _plain(error: csv.Error, lines: int) -> str:
    words = str(error)
    if "unexpected end of data" in words or "field larger" in words:
        return 'a quote (") is opened here and never closed'
    if "expected after" in words:
        return (
            'a quote (") stands inside a quoted value; write it twice ("")'
            if lines <= 1
            else 'a quote (") is opened here and closed in the wrong place'
        )
    return f"the row cannot be read: {words}"
