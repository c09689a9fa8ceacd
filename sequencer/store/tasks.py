"""What the rep was asked to do; the plan of the enrollment waits for it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, Select, insert, literal_column, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from sequencer.store import tables

_t = tables.tasks.c
_e = tables.enrollments.c


class TaskStatus(StrEnum):
    """Where a task stands."""

    OPEN = "open"
    DONE = "done"
    DROPPED = "dropped"  # the plan does not wait for it any more


@dataclass(frozen=True, slots=True)
class Task:
    """One thing to do. `due_at` is when the step fell due."""

    id: int
    enrollment_id: int
    contact_id: int
    sequence: str
    mailbox: str
    step: str
    kind: str
    note: str
    status: TaskStatus
    outcome: str
    done_by: str
    due_at: datetime
    created_at: datetime
    done_at: datetime | None


async def create(
    conn: AsyncConnection, enrollment_id: int, step: str, kind: str, note: str, due_at: datetime, now: datetime
) -> int:
    """Ask the rep to do something; returns the task's id."""
    made = await conn.execute(
        insert(tables.tasks)
        .values(
            enrollment_id=enrollment_id,
            step=step,
            kind=kind,
            note=note,
            status=TaskStatus.OPEN,
            due_at=due_at,
            created_at=now,
        )
        .returning(_t.id)
    )
    return int(made.scalar_one())


async def get(conn: AsyncConnection, task_id: int) -> Task | None:
    """One task, or None."""
    row = (await conn.execute(_selected().where(_t.id == task_id))).one_or_none()
    return None if row is None else _task(row)


async def listing(conn: AsyncConnection, *, everything: bool = False, limit: int = 1000) -> list[Task]:
    """The open tasks, the longest due first; with `everything` also those done or dropped."""
    wanted = _selected().order_by(_t.due_at, _t.id).limit(limit)
    found = await conn.execute(wanted if everything else wanted.where(literal_column(f"tasks.{tables.TASK_OPEN}")))
    return [_task(row) for row in found]


async def done(conn: AsyncConnection, task_id: int, outcome: str, by: str, now: datetime) -> bool:
    """The task is done. False when it was not open any more: somebody else was first."""
    return await _close(conn, _t.id == task_id, TaskStatus.DONE, outcome, by, now) == 1


async def drop(conn: AsyncConnection, enrollment_id: int, reason: str, now: datetime) -> int:
    """The plan does not wait for the open tasks of this enrollment any more; returns how many there were."""
    return await _close(conn, _t.enrollment_id == enrollment_id, TaskStatus.DROPPED, reason, "", now)


async def _close(
    conn: AsyncConnection, which: ColumnElement[bool], status: TaskStatus, outcome: str, by: str, now: datetime
) -> int:
    closed = await conn.execute(
        update(tables.tasks)
        .where(which, _t.status == TaskStatus.OPEN)
        .values(status=status, outcome=outcome, done_by=by, done_at=now)
    )
    return closed.rowcount


_COLUMNS: Final = (
    _t.id,
    _t.enrollment_id,
    _e.contact_id,
    _e.sequence,
    _e.mailbox,
    _t.step,
    _t.kind,
    _t.note,
    _t.status,
    _t.outcome,
    _t.done_by,
    _t.due_at,
    _t.created_at,
    _t.done_at,
)


def _selected() -> Select[Any]:
    return select(*_COLUMNS).join_from(tables.tasks, tables.enrollments, _t.enrollment_id == _e.id)


def _task(row: Row[*tuple[Any, ...]]) -> Task:
    return Task(**{**row._mapping, "status": TaskStatus(row.status)})
