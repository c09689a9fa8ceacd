"""To-dos: what the rep was asked to do, and what the plan does once it is done."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from sequencer.core import events as e
from sequencer.core.decide import next_position
from sequencer.core.model import Contact, Enrollment, Position
from sequencer.operations.live import Live
from sequencer.operations.record import Refusal, change_in
from sequencer.store import contacts, enrollments, tasks
from sequencer.store.tasks import Task, TaskStatus
from sequencer.workspace.templates import fill, variables_for


@dataclass(frozen=True, slots=True)
class ToDo:
    """A task with the person it is about; `note` has its variables filled in."""

    task: Task
    contact: Contact
    note: str


@dataclass(frozen=True, slots=True)
class Done:
    """A task that was done, and where its plan stands now."""

    to_do: ToDo
    enrollment: Enrollment


async def to_dos(conn: AsyncConnection, live: Live, *, everything: bool = False, limit: int = 1000) -> list[ToDo]:
    """The tasks that a plan waits for, the longest due first; with `everything` also those done or dropped."""
    found = await tasks.listing(conn, everything=everything, limit=limit)
    people = await contacts.by_ids(conn, {task.contact_id for task in found}, live.defaults)
    going = await enrollments.by_ids(conn, {task.enrollment_id for task in found})
    return [
        _to_do(live, task, people[task.contact_id], enrollment)
        for task in found
        if _waits_for(enrollment := going[task.enrollment_id].enrollment, task) or everything
    ]


def _waits_for(enrollment: Enrollment, task: Task) -> bool:
    return enrollment.task is not None and enrollment.task.task == task.id


def _to_do(live: Live, task: Task, contact: Contact, enrollment: Enrollment) -> ToDo:
    """A note that cannot be filled in is shown as it was written: the rep can still read it."""
    mailbox = live.mailbox(task.mailbox)
    if mailbox is None or "{" not in task.note:
        return ToDo(task, contact, task.note)
    company = live.workspace.config.company
    variables = variables_for(contact, enrollment.fields, mailbox, company, unsubscribe="")
    filled = fill(task.note, variables)
    return ToDo(task, contact, filled if isinstance(filled, str) else task.note)


async def done(
    live: Live, task_id: int, outcome: str, now: datetime, *, by: str = "", touched: bool = True
) -> Done | Refusal:
    """The rep has done a task: the plan goes on with the next step.

    With `touched` false it was not needed, or nobody was reached: waits count from the last touch before it.
    """
    async with live.database.begin() as conn:
        task = await tasks.get(conn, task_id)
        if task is None:
            return Refusal(f"there is no task {task_id}")
        if task.status is not TaskStatus.OPEN:
            why = f": {task.outcome}" if task.outcome else ""
            return Refusal(f"task {task_id} is {task.status} already{why}")
        onwards = await _onwards(conn, live, task)

        def make(enrollment: Enrollment) -> tuple[e.Event, ...] | Refusal:
            if enrollment.task is None or enrollment.task.task != task_id:
                return Refusal("the plan does not wait for it any more")
            event = e.TaskDone(
                at=now,
                step=task.step,
                task=task_id,
                outcome=outcome,
                next=onwards or Position(enrollment.position.line, "", task.step),
                touched=touched,
                by=by,
            )
            return (event,)

        after = await change_in(conn, live, task.enrollment_id, now, make)
        if isinstance(after, Refusal):
            await tasks.drop(conn, task.enrollment_id, after.reason, now)
            return Refusal(f"task {task_id}: {after.reason}; it is off the list now")
        await tasks.done(conn, task_id, outcome, by, now)
        contact = await contacts.by_id(conn, task.contact_id, live.defaults)
        assert contact is not None
        return Done(_to_do(live, task, contact, after), after)


async def _onwards(conn: AsyncConnection, live: Live, task: Task) -> Position | None:
    """Where the plan stands once the task is done; None when its file and every version of it are gone."""
    enrollment = await enrollments.get(conn, task.enrollment_id)
    if enrollment is None:
        return None
    earlier = await live.earlier(conn, enrollment)
    plan = live.sequence(task.sequence) or earlier
    return next_position(plan, enrollment, earlier) if plan is not None else None
