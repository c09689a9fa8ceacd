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
from sequencer.operations.contact_file import Person, Refused, Survey, Unreadable, people_in, survey_file
from sequencer.operations.enrollments import Terms, enter, mailbox_refused, plan_named
from sequencer.operations.live import Live
from sequencer.operations.record import Refusal
from sequencer.store import agenda, contacts
from sequencer.store.contacts import Upserted

BATCH: Final = 500
"""Rows that are written in one transaction."""

Progress = Callable[[int, int], None]
"""Told how many rows are done, of how many."""


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
class Wishes:
    """What an import is to do beside taking the contacts. `fields` are those of the enrollments."""

    enroll: str = ""
    mailbox: str = ""
    fields: Fields | None = None
    dry_run: bool = False
    by: str = ""


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
    survey = await asyncio.to_thread(survey_file, path, live.workspace.config.contacts)
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


def _batches(survey: Survey, result: Imported) -> Iterator[tuple[list[Person], int]]:
    """The rows that are fit, with how many rows were read for them; the others are noted as refused."""
    batch: list[Person] = []
    read = 0
    for one in people_in(survey):
        if isinstance(one, Refused):
            result.refused.append(one)
        else:
            batch.append(one)
        read += 1
        if read == BATCH:
            yield batch, read
            batch, read = [], 0
    yield batch, read


# Writing ------------------------------------------------------------------------------------------


class _TakenBackError(Exception):
    """Ends the transaction of a dry run."""


async def _write(
    live: Live, batch: Sequence[Person], plan: Plan | None, now: datetime, wishes: Wishes, result: Imported
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
    batch: Sequence[Person],
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
