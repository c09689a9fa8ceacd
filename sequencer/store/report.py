"""What the report is made of, read in one go: who entered, what reached them, what came back, how it ended.

Instants come as whole microseconds since 1970, UTC: the report compares and subtracts millions of them, and a datetime
each would take longer than the database. Every statement reads the columns it needs and parses no JSON but that of
the few events that have no column of their own; none needs an index that sending would have to keep.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import BigInteger, ColumnElement, Row, and_, case, func, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from sequencer.core.model import Status
from sequencer.store import tables
from sequencer.store.attempts import AttemptState
from sequencer.store.messages import Direction
from sequencer.store.statements import among
from sequencer.store.tasks import TaskStatus

_n = tables.enrollments.c
_c = tables.contacts.c
_e = tables.events.c
_a = tables.attempts.c
_m = tables.messages.c
_k = tables.tasks.c
_l = tables.aliases.c

CHUNK: Final = 50_000
"""Attempts that are read at a time, by their ids."""

Rows = Sequence[Row[*tuple[Any, ...]]]

ENDS: Final = ("Finished", "Skipped", "NotDelivered", "Recovered", "TaskDone")
"""The events that say what no other table says."""

LEAVES_PAUSE: Final = ("Resumed", "Snoozed", "Branched", "Moved", "Stopped", "Finished")
"""The events after which nobody is paused any more."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Who is reported on: everybody, or those of one sequence, of one mailbox, who entered from `since` until just
    before `until`."""

    sequence: str = ""
    mailbox: str = ""
    since: datetime | None = None
    until: datetime | None = None


class Micros(FunctionElement[int]):
    """An instant as microseconds since 1970."""

    inherit_cache = True
    type = BigInteger()


@compiles(Micros)
def _of_timestamp(element: Micros, compiler: SQLCompiler, **options: Any) -> str:
    return f"CAST(EXTRACT(EPOCH FROM {compiler.process(element.clauses, **options)}) * 1000000 AS BIGINT)"


@compiles(Micros, "sqlite")
def _of_text(element: Micros, compiler: SQLCompiler, **options: Any) -> str:
    column = compiler.process(element.clauses, **options)
    return f"CAST(STRFTIME('%s', {column}) AS INTEGER) * 1000000 + CAST(SUBSTR({column}, 21) AS INTEGER)"


def _chosen(scope: Scope) -> list[ColumnElement[bool]]:
    chosen: list[ColumnElement[bool]] = []
    if scope.sequence:
        chosen.append(_n.sequence == scope.sequence)
    if scope.mailbox:
        chosen.append(_n.mailbox == scope.mailbox)
    if scope.since is not None:
        chosen.append(_n.created_at >= scope.since)
    if scope.until is not None:
        chosen.append(_n.created_at < scope.until)
    return chosen


async def people(conn: AsyncConnection, scope: Scope) -> Rows:
    """The enrollments: id, contact_id, email, zone (None: the workspace's), sequence, mailbox, status, reason, entered,
    changed, wake, held_reason, held_since, held_until, latest (the contact was enrolled nowhere since)."""
    later = tables.enrollments.alias("later")
    since = select(later.c.id).where(later.c.contact_id == _n.contact_id, later.c.id > _n.id).exists()
    found = await conn.execute(
        select(
            _n.id,
            _n.contact_id,
            _c.email,
            _c.timezone.label("zone"),
            _n.sequence,
            _n.mailbox,
            _n.status,
            _n.reason,
            Micros(_n.created_at).label("entered"),
            Micros(_n.changed_at).label("changed"),
            Micros(_n.wake_at).label("wake"),
            _n.held_reason,
            Micros(_n.held_since).label("held_since"),
            Micros(_n.held_until).label("held_until"),
            case((since, 0), else_=1).label("latest"),
        )
        .join_from(tables.enrollments, tables.contacts, _c.id == _n.contact_id)
        .where(*_chosen(scope))
        .order_by(_n.id)
    )
    return found.all()


async def open_contacts(conn: AsyncConnection) -> set[int]:
    """The contacts who have anything open, in whatever sequence."""
    found = await conn.scalars(
        select(_n.contact_id).where(_n.status.in_((Status.ACTIVE, Status.PAUSED, Status.SNOOZED)))
    )
    return set(found)


async def never_enrolled(conn: AsyncConnection) -> Rows:
    """The contacts who were never in a sequence: id, email, created."""
    anywhere = select(_n.id).where(_n.contact_id == _c.id).exists()
    found = await conn.execute(
        select(_c.id, _c.email, Micros(_c.created_at).label("created")).where(~anywhere).order_by(_c.id)
    )
    return found.all()


async def replies(conn: AsyncConnection) -> Rows:
    """What people wrote in a thread, in order: enrollment_id, kind and label (as they stand after corrections),
    received, recorded, and `answers`, the attempt that it names as the message it answers."""
    mine = and_(_m.enrollment_id == _a.enrollment_id, _a.message_id == _m.in_reply_to)
    named = select(func.max(_a.id)).where(mine, _a.state.in_((AttemptState.ACCEPTED, AttemptState.IN_DOUBT)))
    other = select(func.max(_l.attempt_id)).where(_l.message_id == _m.in_reply_to, _l.enrollment_id == _m.enrollment_id)
    found = await conn.execute(
        select(
            _m.enrollment_id,
            _m.kind,
            _m.label,
            Micros(_m.received_at).label("received"),
            Micros(_m.recorded_at).label("recorded"),
            case(
                (_m.in_reply_to != "", func.coalesce(named.scalar_subquery(), other.scalar_subquery())), else_=None
            ).label("answers"),
        )
        .where(_m.direction == Direction.RECEIVED, _m.enrollment_id.is_not(None))
        .order_by(_m.received_at, _m.id)
    )
    return found.all()


async def notices(conn: AsyncConnection, kinds: Sequence[str]) -> Rows:
    """The enrollments in whose thread a notice of one of these kinds came, each once a kind: enrollment_id, kind."""
    found = await conn.execute(
        select(_m.enrollment_id, _m.kind)
        .where(_m.direction == Direction.NOTICE, _m.kind.in_(kinds), _m.enrollment_id.is_not(None))
        .distinct()
    )
    return found.all()


async def hand_written(conn: AsyncConnection) -> Rows:
    """What the reps wrote by hand in a thread: enrollment_id, at."""
    found = await conn.execute(
        select(_m.enrollment_id, Micros(_m.received_at).label("at")).where(
            _m.direction == Direction.HAND_WRITTEN, _m.enrollment_id.is_not(None)
        )
    )
    return found.all()


async def ends(conn: AsyncConnection) -> Rows:
    """The events of the kinds `ENDS`: enrollment_id, version, kind, at, step, reason, outcome, touched (a task that
    reached somebody: "true" or "1"), message_id, sent_at (ISO 8601)."""
    words = [_e.data[name].as_string().label(name) for name in ("step", "reason", "outcome", "touched", "message_id")]
    sent_at = case((_e.kind == "Recovered", _e.data["sent_at"].as_string()), else_=None).label("sent_at")
    found = await conn.execute(
        select(_e.enrollment_id, _e.version, _e.kind, Micros(_e.at).label("at"), *words, sent_at).where(
            _e.kind.in_(ENDS)
        )
    )
    return found.all()


async def returned(conn: AsyncConnection, message_ids: Sequence[str]) -> set[int]:
    """The attempts with these Message-IDs (without angle brackets)."""
    found = await conn.scalars(select(_a.id).where(among(conn, _a.message_id, message_ids)))
    return set(found)


async def last_attempt(conn: AsyncConnection) -> int:
    """The greatest id of an attempt; 0 when there is none."""
    return int(await conn.scalar(select(func.max(_a.id))) or 0)


async def sent(conn: AsyncConnection, last: int) -> AsyncIterator[tuple[int, Rows]]:
    """The messages that reached, or may have reached, somebody, in pieces, each with how far (of `last`) it goes: id,
    enrollment_id, step, variant, at."""
    wanted = (
        select(_a.id, _a.enrollment_id, _a.step, _a.variant, Micros(_a.started_at).label("at"))
        .where(_a.state.in_((AttemptState.ACCEPTED, AttemptState.IN_DOUBT)))
        .order_by(_a.id)
    )
    for first in range(1, last + 1, CHUNK):
        found = await conn.execute(wanted.where(_a.id >= first, _a.id < first + CHUNK))
        yield min(last, first + CHUNK - 1), found.all()


async def on_its_way(conn: AsyncConnection) -> set[int]:
    """The enrollments with a message whose outcome is not known yet."""
    return set(await conn.scalars(select(_a.enrollment_id).where(_a.state == AttemptState.STARTED)))


async def open_tasks(conn: AsyncConnection) -> Rows:
    """What the reps are asked to do: enrollment_id, kind, due."""
    found = await conn.execute(
        select(_k.enrollment_id, _k.kind, Micros(_k.due_at).label("due")).where(_k.status == TaskStatus.OPEN)
    )
    return found.all()


async def turns_of_paused(conn: AsyncConnection) -> Rows:
    """The turns of those who are paused now, in order, to see since when they are so: enrollment_id, kind, at."""
    found = await conn.execute(
        select(_e.enrollment_id, _e.kind, Micros(_e.at).label("at"))
        .join_from(tables.enrollments, tables.events, _e.enrollment_id == _n.id)
        .where(_n.status == Status.PAUSED, _e.kind.in_(("Paused", *LEAVES_PAUSE)))
        .order_by(_e.enrollment_id, _e.version)
    )
    return found.all()


async def known_names(conn: AsyncConnection) -> tuple[set[str], set[str]]:
    """The sequences and the mailboxes that anybody was ever enrolled in or from."""
    found = (await conn.execute(select(_n.sequence, _n.mailbox).distinct())).all()
    return {row.sequence for row in found}, {row.mailbox for row in found}
