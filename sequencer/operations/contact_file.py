"""Reading a CSV file of contacts: how it is to be understood, then person by person. Nothing is stored here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sequencer.operations.columns import Columns, DateFinder, NoColumn, could_be_head, read_head, read_row
from sequencer.operations.spreadsheet import MAX_BYTES, Damaged, NoSheet, Sheet, read_sheet
from sequencer.operations.values import Unfit, order_of
from sequencer.store.addresses import normal
from sequencer.store.contacts import Incoming
from sequencer.workspace.config import ContactDefaults


@dataclass(frozen=True, slots=True)
class Person:
    """A row that is fit, and the line on which it starts."""

    line: int
    incoming: Incoming


@dataclass(frozen=True, slots=True)
class Refused:
    """A row that was not taken, the line on which it starts, and why, for people."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A file that cannot be read at all; line and column count from 1, 0 where there is none."""

    file: str
    reason: str
    hint: str
    line: int = 0
    column: int = 0


@dataclass(frozen=True, slots=True)
class Survey:
    """What one reading of the whole file tells: its columns, how many rows it has, and notes for people on how it was
    understood."""

    sheet: Sheet
    columns: Columns
    rows: int
    notes: list[str]


def survey_file(path: Path, defaults: ContactDefaults) -> Survey | Unreadable:
    """Look through a file once, before anything is done with it. `defaults` tell how dates are written here."""
    raw = _read(path)
    if isinstance(raw, Unreadable):
        return raw
    sheet = read_sheet(raw, could_be_head)
    if isinstance(sheet, NoSheet):
        return Unreadable(path.name, sheet.reason, sheet.hint, sheet.line, sheet.column)
    columns = read_head(sheet.head.cells)
    if isinstance(columns, NoColumn):
        return _no_column(path, sheet, columns)
    order = order_of(defaults.holidays, defaults.timezone)
    finder = DateFinder(columns, order)
    rows = 0
    for row in sheet.rows():
        rows += 1
        if not isinstance(row, Damaged):
            finder.see(row.cells)
    notes = [] if sheet.encoding == "UTF-8" else [f"the file was read as {sheet.encoding}"]
    notes += [
        f"dates such as 03/04/2026 in the column {name} were read with the {order}; write 2026-03-04 to be sure"
        for name in finder.guessed()
    ]
    notes += [] if rows else ["nobody stands in this file: it has nothing below its first line"]
    return Survey(sheet, finder.columns(), rows, notes)


def people_in(survey: Survey) -> Iterator[Person | Refused]:
    """One answer a row, in order. An address that stood in an earlier row is refused."""
    seen: dict[str, int] = {}
    for row in survey.sheet.rows():
        incoming = Unfit(row.reason) if isinstance(row, Damaged) else read_row(row, survey.columns)
        if isinstance(incoming, Unfit):
            yield Refused(row.line, incoming.reason)
        elif (first := seen.setdefault(normal(incoming.email), row.line)) != row.line:
            yield Refused(row.line, f"{incoming.email} stands in line {first} already")
        else:
            yield Person(row.line, incoming)


def _read(path: Path) -> bytes | Unreadable:
    try:
        if path.is_dir():
            return Unreadable(path.name, "this is a folder", "name the CSV file in it")
        if path.stat().st_size > MAX_BYTES:
            return Unreadable(path.name, f"the file is larger than {MAX_BYTES >> 20} MB", "split it")
        return path.read_bytes()
    except FileNotFoundError:
        return Unreadable(path.name, "there is no such file", "")
    except OSError as error:
        return Unreadable(path.name, f"the file cannot be read: {error.strerror or 'unknown reason'}", "")


def _no_column(path: Path, sheet: Sheet, columns: NoColumn) -> Unreadable:
    if columns.looks_like_a_contact:
        reason = "the first line is a contact, not the names of the columns"
        hint = "put a line above it, such as email,first_name,last_name"
    else:
        shown = ", ".join(cell.strip()[:30] for cell in sheet.head.cells[:8])
        reason = f"no column is called email (the first line has: {shown})"
        hint = "call the column that holds the addresses `email`"
    return Unreadable(path.name, reason, hint, sheet.head.line, 1)
