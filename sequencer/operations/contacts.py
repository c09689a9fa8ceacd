"""Importing contacts from a CSV file: create or update, never duplicate, and say what was refused and where."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from sequencer.core.model import Fields
from sequencer.core.model import Sequence as Plan
from sequencer.operations.columns import Columns, DateFinder, NoColumn, could_be_head, read_head, read_row
from sequencer.operations.enrollments import Terms, enter, mailbox_refused, plan_named
from sequencer.operations.live import Live
from sequencer.operations.record import Refusal
from sequencer.operations.spreadsheet import MAX_BYTES, Damaged, NoSheet, Sheet, read_sheet
from sequencer.operations.values import Unfit, order_of
from sequencer.store import agenda, contacts
from sequencer.store.addresses import normal
from sequencer.store.contacts import Incoming, Upserted

BATCH: Final = 500
"""Rows that are written in one transaction."""

Progress = Callable[[int, int], None]
"""Told how many rows are done, of how many."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A row that was not taken, the line on which it starts, and why, for people."""

    line: int
    reason: str


@dataclass(slots=True)
class Imported:
    """What an import did. `not_enrolled` are contacts that were taken and could not be enrolled; `notes` are for
    people: how the file was understood."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    enrolled: int = 0
    refused: list[Refused] = field(default_factory=list)
    not_enrolled: list[Refused] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A file that cannot be imported at all; line and column count from 1, 0 where there is none."""

    file: str
    reason: str
    hint: str
    line: int = 0
    column: int = 0


@dataclass(frozen=True, slots=True)
class Wishes:
    """What an import is to do beside taking the contacts. `fields` are those of the enrollments."""

    enroll: str = ""
    mailbox: str = ""
    fields: Fields | None = None
    dry_run: bool = False
    by: str = ""


@dataclass(frozen=True, slots=True)
class _Survey:
    """What one reading of the file, before anything is written, tells."""

    sheet: Sheet
    columns: Columns
    rows: int
    notes: list[str]


async def import_file(
    live: Live, path: Path, now: datetime, wishes: Wishes | None = None, progress: Progress | None = None
) -> Imported | Unreadable | Refusal:
    """Take the contacts of a CSV file in, batch by batch; each batch is written whole or not at all.

    The same file imported again changes nothing, and enrolls nobody a second time. A dry run does all of it and
    takes it back.
    """
    wishes = wishes or Wishes()
    plan = plan_named(live, wishes.enroll) if wishes.enroll else None
    if isinstance(plan, Refusal):
        return plan
    if (refused := mailbox_refused(live, wishes.mailbox)) is not None:
        return refused
    survey = await asyncio.to_thread(_survey, path, live)
    if isinstance(survey, Unreadable):
        return survey
    result = Imported(notes=survey.notes, dry_run=wishes.dry_run)
    done = 0
    for batch, read in _batches(survey, result):
        if batch:
            await _write(live, batch, plan, now, wishes, result)
        done += read
        if progress is not None:
            progress(done, survey.rows)
    result.refused.sort(key=lambda refused: refused.line)
    return result


# Reading ------------------------------------------------------------------------------------------


def _survey(path: Path, live: Live) -> _Survey | Unreadable:
    raw = _read(path)
    if isinstance(raw, Unreadable):
        return raw
    sheet = read_sheet(raw, could_be_head)
    if isinstance(sheet, NoSheet):
        return Unreadable(path.name, sheet.reason, sheet.hint, sheet.line, sheet.column)
    columns = read_head(sheet.head.cells)
    if isinstance(columns, NoColumn):
        return _no_column(path, sheet, columns)
    ours = live.workspace.config.contacts
    order = order_of(ours.holidays, ours.timezone)
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
    return _Survey(sheet, finder.columns(), rows, notes)


def _read(path: Path) -> bytes | Unreadable:
    try:
        if path.is_dir():
            return Unreadable(path.name, "this is a folder", "name the CSV file in it")
        if path.stat().st_size > MAX_BYTES:
            return Unreadable(path.name, f"the file is larger than {MAX_BYTES >> 20} MB", "split it")
        return path.read_bytes()
    except FileNotFoundError:
        return Unreadable(path.name, "there is no such file", f"looked for {path}")
    except OSError as error:
        return Unreadable(path.name, f"the file cannot be read: {error.strerror or 'unknown reason'}", "")


def _no_column(path: Path, sheet: Sheet, columns: NoColumn) -> Unreadable:
    if columns.looks_like_a_contact:
        reason = "the first line is a contact, not the names of the columns"
        hint = "put a line above it, such as email,first_name,last_name"
    else:
        shown = ", ".join(cell.strip()[:30] for cell in sheet.head.cells[:8])
        reason = f"no column is called email (the first line has: {shown})"
        hint = "name the column that holds the addresses email"
    return Unreadable(path.name, reason, hint, sheet.head.line, 1)


@dataclass(frozen=True, slots=True)
class _Person:
    line: int
    incoming: Incoming


def _batches(survey: _Survey, result: Imported) -> Iterator[tuple[list[_Person], int]]:
    """The rows that are fit, with how many rows were read for them; the others are noted as refused."""
    seen: dict[str, int] = {}
    batch: list[_Person] = []
    read = 0
    for row in survey.sheet.rows():
        read += 1
        incoming = Unfit(row.reason) if isinstance(row, Damaged) else read_row(row, survey.columns)
        if isinstance(incoming, Unfit):
            result.refused.append(Refused(row.line, incoming.reason))
        elif (first := seen.setdefault(normal(incoming.email), row.line)) != row.line:
            result.refused.append(Refused(row.line, f"{incoming.email} stands in line {first} already"))
        else:
            batch.append(_Person(row.line, incoming))
        if read == BATCH:
            yield batch, read
            batch, read = [], 0
    yield batch, read


# Writing ------------------------------------------------------------------------------------------


class _TakenBackError(Exception):
    """Ends the transaction of a dry run."""


async def _write(
    live: Live, batch: Sequence[_Person], plan: Plan | None, now: datetime, wishes: Wishes, result: Imported
) -> None:
    try:
        async with live.database.begin() as conn:
            made = await contacts.upsert_many(conn, [person.incoming for person in batch], now)
            await agenda.wake_contacts(conn, {one.id for one in made if one.outcome == "updated"}, now)
            kept = await _enroll(conn, live, batch, made, plan, now, wishes)
            if wishes.dry_run:
                raise _TakenBackError
    except _TakenBackError:
        pass
    outcomes = [one.outcome for one in made]
    result.created += outcomes.count("created")
    result.updated += outcomes.count("updated")
    result.unchanged += outcomes.count("unchanged")
    result.enrolled += len(batch) - len(kept) if plan is not None else 0
    result.not_enrolled += kept


async def _enroll(
    conn: AsyncConnection,
    live: Live,
    batch: Sequence[_Person],
    made: Sequence[Upserted],
    plan: Plan | None,
    now: datetime,
    wishes: Wishes,
) -> list[Refused]:
    if plan is None:
        return []
    known = await contacts.by_ids(conn, {one.id for one in made}, live.defaults)
    terms = Terms(wishes.mailbox, wishes.fields, wishes.by, once=True)
    answers = await enter(conn, live, plan, [known[one.id] for one in made], now, terms)
    return [
        Refused(person.line, f"{person.incoming.email}: {answer.reason}")
        for person, answer in zip(batch, answers, strict=True)
        if isinstance(answer, Refusal)
    ]


def summary(result: Imported) -> dict[str, Any]:
    """The result as JSON values (DESIGN §6)."""
    return {
        "created": result.created,
        "updated": result.updated,
        "unchanged": result.unchanged,
        "enrolled": result.enrolled,
        "refused": [{"line": one.line, "reason": one.reason} for one in result.refused],
        "not_enrolled": [{"line": one.line, "reason": one.reason} for one in result.not_enrolled],
        "notes": result.notes,
        "dry_run": result.dry_run,
    }
