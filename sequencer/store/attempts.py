"""Attempts: every message that may have left, with its final bytes, committed before DATA.

`start_many` writes only under the mailbox's lease. `uq_attempts_in_flight` makes a second message in flight for one
enrollment impossible, `uq_attempts_live` a second one with the same Message-ID that may have been delivered.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Row, bindparam, func, insert, literal_column, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from sequencer.store import tables
from sequencer.store.addresses import bare
from sequencer.store.columns import Instant
from sequencer.store.mailboxes import LeaseLost, hold_lease
from sequencer.store.statements import among, execute_many, fetch, listed

_t = tables.attempts.c
_en = tables.enrollments.c

_START: Final = insert(tables.attempts)
_STARTED: Final = select(_t.enrollment_id, _t.id).where(
    listed(_t.enrollment_id, "enrollments"), literal_column("state = 'started'")
)
_FINISH: Final = (
    update(tables.attempts)
    .where(_t.id == bindparam("key"), literal_column(tables.UNFINISHED))
    .values(
        state=bindparam("new_state"),
        answer=bindparam("new_answer"),
        finished_at=bindparam("at", type_=Instant()),
        copy_state=bindparam("new_copy"),
    )
)
_IN_FLIGHT: Final = (
    select(_en.contact_id)
    .join_from(tables.enrollments, tables.attempts, _t.enrollment_id == _en.id)
    .where(listed(_en.contact_id, "contacts"), _t.state == "started")
)


class AttemptState(StrEnum):
    """What became of an attempt."""

    STARTED = "started"  # committed; DATA may be under way
    ACCEPTED = "accepted"
    DEFERRED = "deferred"
    REJECTED = "rejected"
    IN_DOUBT = "in_doubt"
    NOT_DELIVERED = "not_delivered"  # it was in doubt, and evidence says that it never left


LIVE: Final = (AttemptState.STARTED, AttemptState.ACCEPTED, AttemptState.IN_DOUBT)
"""The states of an attempt that reached, or may have reached, the contact."""


@dataclass(frozen=True, slots=True)
class NewAttempt:
    """A message about to leave: `data` is exactly what DATA will carry."""

    enrollment_id: int
    step: str
    message_id: str
    recipient: str
    subject: str
    data: bytes
    started_at: datetime
    variant: str = ""
    template: str = ""
    template_version: str = ""
    trial: str = ""  # from `trials.trial_of`, where there were several variants


@dataclass(frozen=True, slots=True)
class Attempt:
    """A message that left or may have left; `bytes_of` has its bytes. `message_id` is without angle brackets."""

    id: int
    enrollment_id: int
    mailbox: str
    step: str
    variant: str
    template: str
    message_id: str
    recipient: str
    subject: str
    lease_number: int
    state: AttemptState
    answer: str
    started_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class Lost:
    """A message that left and whose attempt the database does not know. `data` is its copy."""

    enrollment_id: int
    mailbox: str
    step: str
    variant: str
    message_id: str
    recipient: str
    subject: str
    sent_at: datetime
    data: bytes


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an attempt. With `copy`, a copy of it is to be put into Sent, see `sent_copies`."""

    attempt: int
    state: AttemptState
    answer: str
    at: datetime
    copy: bool = False


async def start_many(
    conn: AsyncConnection, mailbox: str, lease_number: int, rows: Sequence[NewAttempt]
) -> tuple[int, ...] | LeaseLost:
    """Commit (with this transaction) that these messages are about to leave; the ids of the attempts, in order.

    The lease cannot change hands before the transaction ends. When it already has, nothing is written. Raises
    sqlalchemy's IntegrityError when an enrollment already has a message in flight or a Message-ID is used again.
    """
    if not await hold_lease(conn, mailbox, lease_number):
        return LeaseLost(mailbox)
    if not rows:
        return ()
    values = [
        {
            "enrollment_id": row.enrollment_id,
            "mailbox": mailbox,
            "step": row.step,
            "variant": row.variant,
            "template": row.template,
            "template_version": row.template_version,
            "trial": row.trial,
            "message_id": bare(row.message_id),
            "recipient": row.recipient,
            "subject": row.subject,
            "lease_number": lease_number,
            "state": AttemptState.STARTED,
            "started_at": row.started_at,
            "bytes": row.data,
        }
        for row in rows
    ]
    # RETURNING would say it, too, but SQLAlchemy takes several times as long to build that as SQLite to run it.
    await execute_many(conn, _START, values)
    made = await fetch(conn, _STARTED, {"enrollments": [row.enrollment_id for row in rows]})
    ids = {row.enrollment_id: row.id for row in made}
    return tuple(ids[row.enrollment_id] for row in rows)


async def finish_many(conn: AsyncConnection, outcomes: Sequence[Outcome]) -> None:
    """Record outcomes, one statement for all. Only an attempt that was started or in doubt can change."""
    rows = [
        {
            "key": outcome.attempt,
            "new_state": outcome.state,
            "new_answer": outcome.answer,
            "at": outcome.at,
            "new_copy": "pending" if outcome.copy else "",
        }
        for outcome in sorted(outcomes, key=lambda outcome: outcome.attempt)
    ]
    await execute_many(conn, _FINISH, rows)


RECOVERED: Final = 0
"""The lease number of attempts that were made anew from a copy: no lease ever has it."""


async def recover(conn: AsyncConnection, lost: Lost, evidence: str, now: datetime, known: int | None = None) -> int:
    """Make the attempt of a message that certainly left, or (`known`) correct the one that was said never to have; its
    id. Raises IntegrityError when the Message-ID belongs to another attempt that may have been delivered."""
    said = {"state": AttemptState.ACCEPTED, "answer": evidence, "finished_at": now, "copy_state": "done"}
    if known is not None:
        await conn.execute(update(tables.attempts).where(_t.id == known).values(**said))
        return known
    row = {
        "enrollment_id": lost.enrollment_id,
        "mailbox": lost.mailbox,
        "step": lost.step,
        "variant": lost.variant,
        "template": lost.variant,
        "message_id": bare(lost.message_id),
        "recipient": lost.recipient,
        "subject": lost.subject,
        "lease_number": RECOVERED,
        "started_at": lost.sent_at,
        "bytes": lost.data,
        **said,
    }
    made = await conn.execute(insert(tables.attempts).values(row).returning(_t.id))
    return int(made.scalar_one())


async def not_delivered(conn: AsyncConnection, message_id: str) -> int | None:
    """The attempt with this Message-ID of which it was said that it never left; None when there is none."""
    found: int | None = await conn.scalar(
        select(_t.id).where(_t.message_id == bare(message_id), _t.state == AttemptState.NOT_DELIVERED).limit(1)
    )
    return found


async def exists(conn: AsyncConnection, message_id: str) -> bool:
    """Whether there is an attempt with this Message-ID, whatever became of it."""
    return await conn.scalar(select(_t.id).where(_t.message_id == bare(message_id)).limit(1)) is not None


async def recovered_since(conn: AsyncConnection, mailbox: str, since: datetime) -> list[Attempt]:
    """The attempts of a mailbox that were made anew from copies since, in order, by our own clock."""
    return await _select(conn, _t.mailbox == mailbox, _t.finished_at >= since, _t.lease_number == RECOVERED)


async def get(conn: AsyncConnection, attempt_id: int) -> Attempt | None:
    """One attempt, or None."""
    return next(iter(await _select(conn, _t.id == attempt_id)), None)


async def of_enrollment(conn: AsyncConnection, enrollment_id: int) -> list[Attempt]:
    """All attempts of an enrollment, the oldest first."""
    return await _select(conn, _t.enrollment_id == enrollment_id)


async def by_message_id(conn: AsyncConnection, message_id: str) -> Attempt | None:
    """The attempt with this Message-ID that reached, or may have reached, the contact; or None."""
    return next(iter(await _select(conn, _t.message_id == bare(message_id), literal_column(tables.LIVE))), None)


async def orphans(conn: AsyncConnection, mailbox: str, before: int) -> list[Attempt]:
    """Attempts whose outcome was never committed, started under an earlier lease than number `before`."""
    return await _select(
        conn,
        _t.mailbox == mailbox,
        literal_column(tables.UNFINISHED),
        _t.state == AttemptState.STARTED,
        _t.lease_number < before,
    )


async def in_the_air(conn: AsyncConnection) -> list[str]:
    """The mailboxes with a message whose outcome is not committed yet."""
    flying = select(_t.mailbox).where(literal_column(tables.UNFINISHED), _t.state == AttemptState.STARTED)
    return list(await conn.scalars(flying.distinct().order_by(_t.mailbox)))


async def in_flight_to(conn: AsyncConnection, contact_ids: Collection[int]) -> set[int]:
    """Of these contacts, those to whom a message is on its way right now, from whatever mailbox or sequence."""
    return {row.contact_id for row in await fetch(conn, _IN_FLIGHT, {"contacts": contact_ids})}


async def in_doubt(conn: AsyncConnection, mailbox: str) -> list[Attempt]:
    """Attempts of a mailbox that are in doubt, the oldest first."""
    return await _select(
        conn, _t.mailbox == mailbox, literal_column(tables.UNFINISHED), _t.state == AttemptState.IN_DOUBT
    )


class Doubt(NamedTuple):
    """An attempt in doubt, and whom it was for."""

    attempt: Attempt
    contact: str
    sequence: str


async def doubts(conn: AsyncConnection, enrollment_ids: Collection[int] | None = None, limit: int = 100) -> list[Doubt]:
    """What is in doubt, the oldest first, of all mailboxes or of these enrollments; `limit` at most."""
    en, c = tables.enrollments.c, tables.contacts.c
    wanted = [literal_column(f"attempts.{tables.UNFINISHED}"), _t.state == AttemptState.IN_DOUBT]
    if enrollment_ids is not None:
        wanted.append(among(conn, _t.enrollment_id, enrollment_ids))
    found = await conn.execute(
        select(*_COLUMNS, c.email, en.sequence)
        .join_from(tables.attempts, tables.enrollments, _t.enrollment_id == en.id)
        .join(tables.contacts, en.contact_id == c.id)
        .where(*wanted)
        .order_by(_t.id)
        .limit(limit)
    )
    return [Doubt(_attempt(row, leave=("email", "sequence")), row.email, row.sequence) for row in found]


async def in_doubt_counts(conn: AsyncConnection) -> dict[str, int]:
    """How many attempts are in doubt, by mailbox; a mailbox without any is not in the answer."""
    found = await conn.execute(
        select(_t.mailbox, func.count())
        .where(literal_column(tables.UNFINISHED), _t.state == AttemptState.IN_DOUBT)
        .group_by(_t.mailbox)
    )
    return {row[0]: int(row[1]) for row in found}


async def last_accepted(conn: AsyncConnection, mailbox: str) -> Attempt | None:
    """The newest message of a mailbox of which the server said that it took it."""
    newest = select(_t.id).where(_t.mailbox == mailbox, _t.state == AttemptState.ACCEPTED)
    found = await conn.scalar(newest.order_by(_t.started_at.desc(), _t.id.desc()).limit(1))
    return None if found is None else await get(conn, found)


async def bytes_of(conn: AsyncConnection, attempt_id: int) -> bytes | None:
    """Exactly what DATA carried, or None when there is no such attempt."""
    data: bytes | None = await conn.scalar(select(_t.bytes).where(_t.id == attempt_id))
    return data


async def sent_since(conn: AsyncConnection, mailbox: str, since: datetime) -> list[datetime]:
    """When messages that reached, or may have reached, somebody were started at or after `since`, in order."""
    found = await conn.scalars(
        select(_t.started_at)
        .where(_t.mailbox == mailbox, _t.started_at >= since, _t.state.in_(LIVE))
        .order_by(_t.started_at)
    )
    return list(found)


async def first_sent(conn: AsyncConnection, mailbox: str) -> datetime | None:
    """When the mailbox sent its first message (the ramp-up counts from there), or None."""
    first: datetime | None = await conn.scalar(
        select(_t.started_at).where(_t.mailbox == mailbox, _t.state.in_(LIVE)).order_by(_t.started_at).limit(1)
    )
    return first


_COLUMNS: Final = (
    _t.id,
    _t.enrollment_id,
    _t.mailbox,
    _t.step,
    _t.variant,
    _t.template,
    _t.message_id,
    _t.recipient,
    _t.subject,
    _t.lease_number,
    _t.state,
    _t.answer,
    _t.started_at,
    _t.finished_at,
)


async def _select(conn: AsyncConnection, *where: ColumnElement[bool]) -> list[Attempt]:
    found = await conn.execute(select(*_COLUMNS).where(*where).order_by(_t.id))
    return [_attempt(row) for row in found]


def _attempt(row: Row[*tuple[Any, ...]], leave: Collection[str] = ()) -> Attempt:
    values = {name: value for name, value in row._mapping.items() if name not in leave}
    return Attempt(**{**values, "state": AttemptState(row.state)})
