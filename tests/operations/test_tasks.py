"""To-dos: listed with what the rep needs, done once, and the plan goes on."""

from __future__ import annotations

from datetime import timedelta

from sequencer.core import events as e
from sequencer.core.model import Enrollment, Status
from sequencer.operations import steering
from sequencer.operations import tasks as to_dos
from sequencer.operations.live import Live
from sequencer.operations.record import Refusal
from sequencer.operations.steering import Who
from sequencer.operations.tasks import Done
from sequencer.store import contacts, enrollments, tasks
from sequencer.store.tasks import TaskStatus
from tests.operations.shop import MONDAY, add, entered, happen, mailed

ANNA = "anna@example.com"
NOTE = "Ask {{ full_name }} about {{ product }}."


async def asked(live: Live, product: str = "a van") -> tuple[Enrollment, int]:
    """The plan asks the rep to call Anna."""
    (anna,) = await entered(live, "quote", ANNA)
    await add(live, ANNA, **({"product": product} if product else {}))
    await mailed(live, anna, "thanks", "call")
    async with live.database.begin() as conn:
        task = await tasks.create(conn, anna.id, "call", "call", NOTE, MONDAY, MONDAY)
    return await happen(live, anna.id, e.TaskCreated(at=MONDAY, step="call", task=task, kind="call", note=NOTE)), task


async def listed(live: Live, *, everything: bool = False) -> list[to_dos.ToDo]:
    async with live.database.read() as conn:
        return await to_dos.to_dos(conn, live, everything=everything)


async def test_a_task_is_listed_with_its_note_filled_in(live: Live) -> None:
    await asked(live)
    (one,) = await listed(live)
    assert (one.contact.email, one.task.kind, one.task.due_at) == (ANNA, "call", MONDAY)
    assert one.note == "Ask Anna about a van."


async def test_a_note_that_cannot_be_filled_in_is_shown_as_it_was_written(live: Live) -> None:
    await asked(live, product="")
    (one,) = await listed(live)
    assert one.note == NOTE


async def test_doing_a_task_is_a_touch_and_the_plan_goes_on(live: Live) -> None:
    anna, task = await asked(live)
    later = MONDAY + timedelta(days=2)
    done = await to_dos.done(live, task, "left a message", later, by="hand")
    assert isinstance(done, Done)
    assert done.enrollment.task is None
    assert done.enrollment.position.step == "last"
    assert done.enrollment.last_touch_at == later
    assert await listed(live) == []
    (kept,) = await listed(live, everything=True)
    assert (kept.task.status, kept.task.outcome, kept.task.done_by) == (TaskStatus.DONE, "left a message", "hand")
    async with live.database.read() as conn:
        assert await contacts.last_touch_of(conn, [anna.contact_id]) == {anna.contact_id: later}
        standing = await enrollments.standing_by_id(conn, anna.id)
    assert standing is not None
    assert standing.wake_at is not None
    assert standing.wake_at >= later + timedelta(days=5)


async def test_who_was_not_reached_was_not_touched(live: Live) -> None:
    anna, task = await asked(live)
    done = await to_dos.done(live, task, "nobody there", MONDAY + timedelta(days=2), touched=False)
    assert isinstance(done, Done)
    assert done.enrollment.last_touch_at == anna.last_touch_at
    assert done.enrollment.position.step == "last"


async def test_a_task_is_done_once(live: Live) -> None:
    _, task = await asked(live)
    await to_dos.done(live, task, "reached her", MONDAY)
    again = await to_dos.done(live, task, "again", MONDAY)
    assert again == Refusal(f"task {task} is done already: reached her")
    assert await to_dos.done(live, 999, "", MONDAY) == Refusal("there is no task 999")


async def test_a_task_done_while_paused_leaves_the_plan_paused_at_the_next_step(live: Live) -> None:
    _, task = await asked(live)
    await steering.pause(live, Who((ANNA,)), MONDAY)
    done = await to_dos.done(live, task, "reached her", MONDAY)
    assert isinstance(done, Done)
    assert (done.enrollment.status, done.enrollment.position.step) == (Status.PAUSED, "last")


async def test_a_task_that_the_plan_no_longer_waits_for_leaves_the_list(live: Live) -> None:
    anna, task = await asked(live)
    # The daemon moved on without the list having been told.
    await happen(live, anna.id, e.Stopped(at=MONDAY, reason="unsubscribed"))
    assert await listed(live) == []
    assert [one.task.status for one in await listed(live, everything=True)] == [TaskStatus.OPEN]
    refused = await to_dos.done(live, task, "reached her", MONDAY)
    assert isinstance(refused, Refusal)
    assert "does not wait for it any more" in refused.reason
    assert [one.task.status for one in await listed(live, everything=True)] == [TaskStatus.DROPPED]
