"""Enrollments and their log.

The events are the truth; beside them stand the folded `Enrollment` (JSON) and the columns that are queried. `append`
is a compare-and-set on `version`: it locks the rows in the order of their ids, so whoever comes second is told, has
written nothing, and no two transactions wait for each other.

A contact's one place. An enrollment whose sequence wants the contact for itself (`alone`) is refused while another
such one has not ended. The one that holds the place is `exclusive`, and a unique index makes a second one impossible.
A late reply may reopen an ended enrollment while a newer one holds the place: reopening must never fail, so the old
one comes back without the place (`alone`, not `exclusive`). It still keeps further ones out until it ends, and the
newer one goes on; when both are open, somebody decides, since the reopened one is paused. Whoever enters or reopens
locks the contact's row first, so the index is only the second line of defence.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Row, bindparam, func, insert, literal_column, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from sequencer.core.decide import begin
from sequencer.core.events import (
    Enrolled,
    Event,
    NoticeReceived,
    Relabelled,
    Replied,
    event_from_json,
    from_json,
)
from sequencer.core.model import Enrollment, Status
from sequencer.store import tables
from sequencer.store.addresses import normal
from sequencer.store.announcements import moved_earlier
from sequencer.store.statements import among, execute_many, fetch, listed

_t = tables.enrollments.c
_e = tables.events.c

OPEN: Final = (Status.ACTIVE, Status.PAUSED, Status.SNOOZED)
_UPDATE: Final = update(tables.enrollments).where(_t.id == bindparam("key"))
_INSERT_EVENTS: Final = insert(tables.events)
_LOCK: Final = (
    select(_t.id, _t.contact_id, _t.version, _t.status, _t.alone, _t.exclusive, _t.wake_at, _t.wakes, _t.last_message)
    .where(listed(_t.id, "ids"))
    .order_by(_t.id)
    .with_for_update(key_share=True)
)
_IS_OPEN: Final[ColumnElement[bool]] = literal_column(f"enrollments.{tables.OPEN}")


@dataclass(frozen=True, slots=True)
class Hold:
    """Why a due step may not be taken right now. `since` is when this reason began."""

    reason: str
    step: str
    since: datetime
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """An enrollment, and what the store keeps beside it: when to look at it again, and what holds it back."""

    enrollment: Enrollment
    wake_at: datetime | None
    hold: Hold | None
    exclusive: bool
    wakes: int  # how often it was woken from outside, see `agenda`


@dataclass(frozen=True, slots=True)
class NewEnrollment:
    """One contact about to enter a sequence."""

    event: Enrolled
    definition: str
    wake_at: datetime | None
    alone: bool = True


@dataclass(frozen=True, slots=True)
class Occupied:
    """Refused: this other enrollment of the contact has not ended, and both want the contact for themselves."""

    enrollment_id: int


@dataclass(frozen=True, slots=True)
class Change:
    """What events did to an enrollment: `after` is the fold of `events` over `before`.

    `wakes` is that of the `Standing` which the decision was made on: when somebody has woken the enrollment since (the
    contact's fields changed), the earlier of the two wake times wins and nothing is slept through. None: not said.
    `definition` is the version that decided it, for the log; empty: that of `after`, which placed it where it stands.
    """

    before: Enrollment
    after: Enrollment
    events: tuple[Event, ...]
    definition: str
    wake_at: datetime | None
    wakes: int | None = None


class Recorded(NamedTuple):
    """One line of the log: the event, its number from 1, and the definition version it was decided by."""

    version: int
    definition: str
    event: Event


# Entering -----------------------------------------------------------------------------------------


async def create(
    conn: AsyncConnection, event: Enrolled, definition: str, *, wake_at: datetime | None, alone: bool = True
) -> Enrollment | Occupied:
    """Enroll one contact, see `create_many`."""
    return (await create_many(conn, [NewEnrollment(event, definition, wake_at, alone)]))[0]


async def create_many(conn: AsyncConnection, entries: Sequence[NewEnrollment]) -> list[Enrollment | Occupied]:
    """Enroll contacts, with their first event; one answer an entry. Four statements for all.

    Of two entries for one contact the later one may be refused because of the earlier.
    Raises sqlalchemy's IntegrityError for a contact that does not exist.
    """
    taken = await _occupied(conn, {entry.event.contact_id for entry in entries if entry.alone})
    answers: dict[int, Enrollment | Occupied] = {}
    pending = list(range(len(entries)))
    while pending:  # one round, unless a contact is in the batch twice
        batch: dict[int, int] = {}  # contact -> entry
        later: list[int] = []
        for index in pending:
            entry = entries[index]
            contact_id = entry.event.contact_id
            if contact_id in batch:
                later.append(index)
            elif entry.alone and contact_id in taken:
                answers[index] = Occupied(taken[contact_id])
            else:
                batch[contact_id] = index
        for contact_id, enrollment in (await _insert(conn, [entries[i] for i in batch.values()])).items():
            answers[batch[contact_id]] = enrollment
            if entries[batch[contact_id]].alone:
                taken[contact_id] = enrollment.id
        pending = later
    return [answers[index] for index in range(len(entries))]


async def _occupied(conn: AsyncConnection, contact_ids: Collection[int]) -> dict[int, int]:
    """Lock the contacts; the enrollment that keeps further ones out, by contact."""
    if not contact_ids:
        return {}
    await _lock_contacts(conn, contact_ids)
    found = await conn.execute(
        select(_t.contact_id, _t.id)
        .where(among(conn, _t.contact_id, contact_ids), _t.alone, _IS_OPEN)
        .order_by(_t.exclusive, _t.id)
    )
    return {row.contact_id: row.id for row in found}


async def _lock_contacts(conn: AsyncConnection, contact_ids: Collection[int]) -> None:
    if conn.dialect.name == "sqlite":
        return  # BEGIN IMMEDIATE: nobody else writes
    c = tables.contacts.c
    await conn.execute(
        select(c.id).where(among(conn, c.id, contact_ids)).order_by(c.id).with_for_update(key_share=True)
    )


async def _insert(conn: AsyncConnection, entries: Sequence[NewEnrollment]) -> dict[int, Enrollment]:
    """Insert enrollments of different contacts, with their first events; by contact."""
    if not entries:
        return {}
    new = {entry.event.contact_id: begin(entry.event, 0, entry.definition) for entry in entries}
    rows = [
        {
            "contact_id": entry.event.contact_id,
            "sequence": entry.event.sequence,
            "mailbox": entry.event.mailbox,
            "alone": entry.alone,
            "exclusive": entry.alone,
            "created_at": entry.event.at,
            **_columns(new[entry.event.contact_id], entry.definition, entry.event.at),
            "wake_at": entry.wake_at,
        }
        for entry in entries
    ]
    made = await conn.execute(insert(tables.enrollments).returning(_t.contact_id, _t.id), rows)
    for entry in entries:
        if entry.wake_at is not None:
            moved_earlier(conn, entry.event.mailbox, entry.wake_at)
    answers = {row.contact_id: replace(new[row.contact_id], id=row.id) for row in made}
    await _log(conn, [(answers[entry.event.contact_id].id, 0, (entry.event,), entry.definition) for entry in entries])
    return answers


# Appending ----------------------------------------------------------------------------------------


async def append(
    conn: AsyncConnection,
    before: Enrollment,
    after: Enrollment,
    events: Sequence[Event],
    definition: str,
    wake_at: datetime | None,
) -> bool:
    """Record what happened to one enrollment, see `append_many`. False when somebody else was first."""
    return not await append_many(conn, [Change(before, after, tuple(events), definition, wake_at)])


async def append_many(conn: AsyncConnection, changes: Sequence[Change], locked: Locked | None = None) -> set[int]:
    """Record events by compare-and-set on the version; three statements for all. Returns the ids of those that lost.
    `locked` is what `lock` has returned in this transaction, where it was asked.

    Whoever lost (somebody else appended first, or the enrollment was erased) has nothing written; the others are
    written. A hold ends with any event; who has ended sleeps for ever. Raises ValueError when one enrollment is
    changed twice, or when `after` does not count its events.
    """
    if not changes:
        return set()
    wanted = {change.before.id: change for change in changes}
    if len(wanted) != len(changes):
        raise ValueError("two changes of one enrollment in one batch")
    for change in changes:
        if change.after.version != change.before.version + len(change.events):
            raise ValueError(f"enrollment {change.before.id}: the version does not count the events")
    present = locked if locked is not None else await lock(conn, wanted.keys())
    winners = {
        enrollment_id: row
        for enrollment_id, row in present.items()
        if enrollment_id in wanted and row.version == wanted[enrollment_id].before.version
    }
    reopened = {row.contact_id for row in winners.values() if _reopens(row, wanted[row.id])}
    taken = await _occupied(conn, reopened)
    rows = [_changed(row, wanted[row.id], taken) for row in winners.values()]
    if rows:
        await execute_many(conn, _UPDATE, rows)
        await _log(conn, [_entry(wanted[i]) for i in winners])
        for row in rows:
            change, was = wanted[row["key"]], winners[row["key"]].wake_at
            if row["wake_at"] is not None and (was is None or row["wake_at"] < was):
                moved_earlier(conn, change.before.mailbox, row["wake_at"])
    return wanted.keys() - winners.keys()


Locked = Mapping[int, Any]
"""Rows that nobody else can change before the transaction ends, by enrollment."""


async def outrun(conn: AsyncConnection, versions: Mapping[int, int]) -> set[int]:
    """Of enrollments (id -> the version that a decision was made on), those that have moved on since.

    The others are locked until this transaction ends, so a following `append_many` cannot lose them.
    """
    return moved_on(await lock(conn, versions.keys()), versions)


def moved_on(locked: Locked, versions: Mapping[int, int]) -> set[int]:
    """The same, once they are locked."""
    return {i for i, version in versions.items() if i not in locked or locked[i].version != version}


async def lock(conn: AsyncConnection, ids: Collection[int]) -> Locked:
    """Lock enrollments until this transaction ends; those that do not exist are not in the answer."""
    return {row.id: row for row in await fetch(conn, _LOCK, {"ids": ids})}


def _reopens(row: Any, change: Change) -> bool:
    return bool(row.alone) and Status(row.status).ended and not change.after.status.ended


def _changed(row: Any, change: Change, taken: dict[int, int]) -> dict[str, Any]:
    exclusive = bool(row.exclusive)
    if _reopens(row, change):
        exclusive = row.contact_id not in taken
        taken.setdefault(row.contact_id, row.id)  # two old ones may come back at once
    wake_at = change.wake_at
    if change.wakes is not None and row.wakes != change.wakes and row.wake_at is not None:
        wake_at = row.wake_at if wake_at is None else min(wake_at, row.wake_at)
    return {
        "key": row.id,
        "exclusive": exclusive,
        "wake_at": None if change.after.status.ended else wake_at,
        "last_message": _to_answer(change) or row.last_message,
        **_columns(change.after, change.after.definition, change.events[-1].at),
    }


def _entry(change: Change) -> tuple[int, int, Sequence[Event], str]:
    return change.before.id, change.before.version, change.events, change.definition or change.after.definition


def _to_answer(change: Change) -> int | None:
    """The message that waits for the rep: the last reply, or the notice or the correction that paused the plan."""
    paused = change.after.status is Status.PAUSED and change.before.status is not Status.PAUSED
    for event in reversed(change.events):
        if isinstance(event, Replied) or (isinstance(event, (NoticeReceived, Relabelled)) and paused):
            return event.message
    return None


def _columns(enrollment: Enrollment, definition: str, at: datetime) -> dict[str, Any]:
    return {
        "status": enrollment.status,
        "reason": enrollment.reason,
        "version": enrollment.version,
        "definition": definition,
        "step": enrollment.position.step,
        "held_reason": "",
        "held_step": "",
        "held_since": None,
        "held_until": None,
        "changed_at": at,
        "state": enrollment,
    }


async def _log(conn: AsyncConnection, entries: Iterable[tuple[int, int, Sequence[Event], str]]) -> None:
    rows = [
        {
            "enrollment_id": enrollment_id,
            "version": version,
            "kind": type(event).__name__,
            "at": event.at,
            "definition": definition,
            "message": getattr(event, "message", None),
            "data": event,
        }
        for enrollment_id, before, events, definition in entries
        for version, event in enumerate(events, before + 1)
    ]
    await execute_many(conn, _INSERT_EVENTS, rows)


# Reading ------------------------------------------------------------------------------------------

STANDING: Final = (
    _t.id,
    _t.definition,
    _t.wake_at,
    _t.held_reason,
    _t.held_step,
    _t.held_since,
    _t.held_until,
    _t.exclusive,
    _t.wakes,
    _t.state,
)


def standing_of(row: Row[*tuple[Any, ...]]) -> Standing:
    """The standing that a row of the `STANDING` columns holds."""
    enrollment: Enrollment = from_json(Enrollment, {**row.state, "id": row.id, "definition": row.definition})
    hold = Hold(row.held_reason, row.held_step, row.held_since, row.held_until) if row.held_reason else None
    return Standing(enrollment, row.wake_at, hold, bool(row.exclusive), row.wakes)


async def get(conn: AsyncConnection, enrollment_id: int) -> Enrollment | None:
    """One enrollment, or None."""
    standing = await standing_by_id(conn, enrollment_id)
    return None if standing is None else standing.enrollment


async def standing_by_id(conn: AsyncConnection, enrollment_id: int) -> Standing | None:
    """One enrollment with its wake time and hold, or None."""
    row = (await conn.execute(select(*STANDING).where(_t.id == enrollment_id))).one_or_none()
    return None if row is None else standing_of(row)


async def by_ids(conn: AsyncConnection, ids: Collection[int]) -> dict[int, Standing]:
    """The enrollments of these ids, those that exist."""
    found = await conn.execute(select(*STANDING).where(among(conn, _t.id, ids)))
    return {row.id: standing_of(row) for row in found}


async def by_contact(conn: AsyncConnection, contact_id: int) -> list[Standing]:
    """All enrollments of a contact, the oldest first."""
    found = await conn.execute(select(*STANDING).where(_t.contact_id == contact_id).order_by(_t.id))
    return [standing_of(row) for row in found]


async def active_of(conn: AsyncConnection, contact_id: int) -> list[Enrollment]:
    """The enrollments of a contact that have not ended (active, paused or snoozed), the oldest first."""
    found = await conn.execute(select(*STANDING).where(_t.contact_id == contact_id, _IS_OPEN).order_by(_t.id))
    return [standing_of(row).enrollment for row in found]


async def open_at_domain(conn: AsyncConnection, domain: str) -> list[Enrollment]:
    """The enrollments that have not ended of everybody at this domain, in the order of their ids."""
    c = tables.contacts.c
    found = await conn.execute(
        select(*STANDING)
        .join_from(tables.enrollments, tables.contacts, _t.contact_id == c.id)
        .where(c.domain == normal(domain), _t.status.in_(OPEN))
        .order_by(_t.id)
    )
    return [standing_of(row).enrollment for row in found]


async def open_of_mailbox(conn: AsyncConnection, mailbox: str) -> list[Enrollment]:
    """The enrollments of a mailbox that have not ended, in the order of their ids."""
    found = await conn.execute(select(*STANDING).where(_t.mailbox == mailbox, _IS_OPEN).order_by(_t.id))
    return [standing_of(row).enrollment for row in found]


async def oldest_open(conn: AsyncConnection, mailbox: str) -> datetime | None:
    """When the oldest of a mailbox's enrollments that have not ended began, or None when there is none."""
    began: datetime | None = await conn.scalar(
        select(_t.created_at).where(_t.mailbox == mailbox, _IS_OPEN).order_by(_t.created_at).limit(1)
    )
    return began


async def of_sequence(
    conn: AsyncConnection,
    sequence: str,
    statuses: Collection[Status] = OPEN,
    *,
    after: int = 0,
    limit: int = 1000,
) -> list[Standing]:
    """The enrollments in a sequence, in the order of their ids, those beyond `after`: call again for the next ones."""
    found = await conn.execute(
        select(*STANDING)
        .where(_t.status.in_(statuses), _t.sequence == sequence, _t.id > after)
        .order_by(_t.id)
        .limit(limit)
    )
    return [standing_of(row) for row in found]


async def open_by_sequence(conn: AsyncConnection) -> dict[str, int]:
    """How many enrollments have not ended, by sequence; a sequence without any is not in the answer."""
    found = await conn.execute(
        select(_t.sequence, func.count()).where(_t.status.in_(OPEN)).group_by(_t.sequence).order_by(_t.sequence)
    )
    return {row[0]: int(row[1]) for row in found}


async def readable(
    conn: AsyncConnection, sequence: str, *, after: int, limit: int
) -> tuple[list[Enrollment], list[int]]:
    """The enrollments in a sequence that have not ended, in the order of their ids, those beyond `after`; and the ids
    of the rows among them that nobody can read."""
    found = await conn.execute(
        select(*STANDING)
        .where(_t.status.in_(OPEN), _t.sequence == sequence, _t.id > after)
        .order_by(_t.id)
        .limit(limit)
    )
    people: list[Enrollment] = []
    broken: list[int] = []
    for row in found:
        try:
            people.append(standing_of(row).enrollment)
        except (KeyError, TypeError, ValueError):
            broken.append(row.id)
    return people, broken


async def counts(conn: AsyncConnection) -> dict[Status, int]:
    """How many enrollments stand where; every status is in the answer."""
    found = await conn.execute(select(_t.status, func.count()).group_by(_t.status))
    known = {Status(row[0]): int(row[1]) for row in found}
    return {status: known.get(status, 0) for status in Status}


async def events_of(conn: AsyncConnection, enrollment_id: int) -> list[Recorded]:
    """The log of an enrollment, in order."""
    found = await conn.execute(
        select(_e.version, _e.definition, _e.kind, _e.data)
        .where(_e.enrollment_id == enrollment_id)
        .order_by(_e.version)
    )
    return [Recorded(row.version, row.definition, event_from_json(row.kind, row.data)) for row in found]


async def concerned_by(conn: AsyncConnection, message_id: int) -> list[int]:
    """The enrollments whose log tells of this message (one reply may concern a whole company)."""
    found = await conn.scalars(
        select(_e.enrollment_id).where(_e.message == message_id).distinct().order_by(_e.enrollment_id)
    )
    return list(found)
