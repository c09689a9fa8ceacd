"""One look at everybody who is due: what touches nobody is done at once, e-mails are handed back, one bad row stops
nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from sequencer.core import events as e
from sequencer.core.model import GoTo, Status, Step
from sequencer.operations import tasks
from sequencer.operations.advance import HELD_AGAIN, Advance, advance
from sequencer.operations.record import change
from sequencer.store import agenda, contacts, enrollments, mailboxes, set_aside, suppressions, tables
from sequencer.store.database import Database
from sequencer.store.enrollments import Change
from sequencer.store.mailboxes import MailboxState
from tests.operations.desk import ANNA, BEN, CLEO, DAY, HOUR, MONDAY, PLAN, Desk, a_desk
from tests.smtp_peer import Say

CALLS = """\
from: mark
steps:
  - step: call
    task: call
    note: Call {{ first_name }}.
    when: immediately
  - step: first
    email: first
    when: 1 hour later
"""


@pytest.fixture
async def desk(database: Database, tmp_path: Path) -> AsyncIterator[Desk]:
    async with a_desk(database, tmp_path) as desk:
        yield desk


async def look(desk: Desk, limit: int = 200, *, read: bool = True) -> Advance:
    if read:
        async with desk.live.database.begin() as conn:
            await mailboxes.set_inbox_read(conn, "mark", desk.now)
    return await advance(desk.live, "mark", desk.now, limit)


def names(result: Advance) -> list[str]:
    return [ready.contact.email for ready in result.ready]


async def hold(desk: Desk, email: str, sequence: str = "plan") -> str:
    found = (await desk.standing(email, sequence)).hold
    return found.reason if found is not None else ""


async def test_nobody_is_due(desk: Desk) -> None:
    assert await look(desk) == Advance()


async def test_who_is_due_the_longest_comes_first(desk: Desk) -> None:
    await desk.enroll(CLEO)
    desk.now += HOUR
    await desk.enroll(ANNA)
    desk.now += HOUR
    await desk.enroll(BEN)
    result = await look(desk)
    assert names(result) == [CLEO, ANNA, BEN]
    assert [ready.action.due_at for ready in result.ready] == [MONDAY, MONDAY + HOUR, MONDAY + 2 * HOUR]
    assert not result.more
    some = await look(desk, limit=2)
    assert (names(some), some.more) == ([CLEO, ANNA], True)


async def test_the_mailboxes_of_others_are_left_alone(desk: Desk) -> None:
    await desk.adopt(plan=PLAN.replace("from: mark", "from: [mark, susan]"))
    await desk.enroll(ANNA, mailbox="mark")
    await desk.enroll(BEN, mailbox="susan")
    assert names(await look(desk)) == [ANNA]


async def test_a_task_is_asked_for_once_and_waited_for(desk: Desk) -> None:
    await desk.adopt(calls=CALLS)
    await desk.enroll(ANNA, sequence="calls")
    told = (await look(desk)).happenings
    assert [(happening.what, happening.contact, happening.step) for happening in told] == [("task", ANNA, "call")]
    desk.now += 5 * DAY
    assert await look(desk) == Advance()
    async with desk.live.database.read() as conn:
        (to_do,) = await tasks.to_dos(conn, desk.live)
    assert (to_do.note, to_do.task.due_at) == ("Call Anna.", MONDAY)
    await tasks.done(desk.live, to_do.task.id, "talked", desk.now)
    assert names(await look(desk)) == []
    desk.now += HOUR
    assert names(await look(desk)) == [ANNA]


async def test_what_touches_nobody_is_done_in_one_go(desk: Desk) -> None:
    plan = """\
from: mark
steps:
  - {step: one, email: first, when: immediately, only_if: contact.vip}
  - {step: two, go_to: aside, when: immediately}
  - {step: end, move_to: calls, when: immediately}
branches:
  aside:
    - {step: three, email: first, when: immediately, only_if: contact.vip}
"""
    await desk.adopt(calls=CALLS, plan=plan)
    await desk.enroll(ANNA)
    result = await look(desk)
    assert [happening.what for happening in result.happenings] == [
        "skipped",
        "branched",
        "skipped",
        "branched",
        "moved",
    ]
    assert await desk.log(ANNA) == ["Enrolled", "Skipped", "Branched", "Skipped", "Branched", "Moved"]
    assert (await desk.enrollment(ANNA)).status is Status.FINISHED
    assert [happening.what for happening in (await look(desk)).happenings] == ["task"]
    assert (await desk.enrollment(ANNA, "calls")).task is not None


async def test_a_snooze_that_is_over_wakes(desk: Desk) -> None:
    await desk.enroll(ANNA)
    anna = await desk.enrollment(ANNA)
    asleep = e.Snoozed(at=desk.now, until=desk.now + DAY, reason="later")
    await change(desk.live, anna.id, desk.now, lambda _: (asleep,))
    assert await look(desk) == Advance()
    desk.now += DAY
    result = await look(desk)
    assert ([happening.what for happening in result.happenings], names(result)) == (["resumed"], [ANNA])
    assert await desk.log(ANNA) == ["Enrolled", "Snoozed", "Resumed"]


async def test_who_was_suppressed_is_stopped(desk: Desk) -> None:
    await desk.enroll(ANNA)
    async with desk.live.database.begin() as conn:
        await suppressions.add(conn, ANNA, "they asked", "a test", desk.now)
    result = await look(desk)
    assert (names(result), [happening.what for happening in result.happenings]) == ([], ["stopped"])


# Holds -----------------------------------------------------------------------------------------------


async def test_an_inbox_that_was_not_read_holds_and_says_so_once(desk: Desk) -> None:
    await desk.enroll(ANNA)
    result = await look(desk, read=False)
    assert [(happening.what, happening.detail) for happening in result.happenings] == [
        ("held", "the inbox was not read to its end since this fell due")
    ]
    standing = await desk.standing(ANNA)
    assert standing.wake_at == desk.now + HELD_AGAIN
    assert standing.hold is not None
    assert standing.hold.since == MONDAY
    desk.now += HELD_AGAIN
    assert await look(desk, read=False) == Advance()
    assert names(await look(desk)) == []
    desk.now += HELD_AGAIN
    assert names(await look(desk)) == [ANNA]


async def test_a_mailbox_in_trouble_holds_with_its_reason(desk: Desk) -> None:
    await desk.enroll(ANNA)
    async with desk.live.database.begin() as conn:
        await mailboxes.set_state(conn, "mark", MailboxState.HELD, "the server refuses us", desk.now)
    assert names(await look(desk)) == []
    assert await hold(desk, ANNA) == "the server refuses us"
    async with desk.live.database.begin() as conn:
        await mailboxes.set_state(conn, "mark", MailboxState.OK, "", desk.now)
        await agenda.wake_held(conn, "mark", desk.now)
    assert names(await look(desk)) == [ANNA]


async def test_outside_the_hours_it_is_held_until_they_begin(desk: Desk) -> None:
    await desk.adopt(plan="hours: Mon-Fri 08:30-17:00\n" + PLAN)
    await desk.enroll(ANNA)
    desk.now = MONDAY + 10 * HOUR  # the daemon was down; it is seven in the evening there
    assert names(await look(desk)) == []
    standing = await desk.standing(ANNA)
    assert standing.hold is not None
    opens = MONDAY + DAY - timedelta(minutes=30)
    assert standing.wake_at == standing.hold.until == opens
    desk.now = opens
    assert names(await look(desk)) == [ANNA]


async def test_a_date_that_is_missing_holds_until_it_comes(desk: Desk) -> None:
    await desk.adopt(plan=PLAN.replace("when: immediately", "when: 1 day before birthday"))
    await desk.enroll(ANNA, BEN)
    assert names(await look(desk)) == []
    assert await hold(desk, ANNA) == "the contact has no date “birthday”"
    async with desk.live.database.begin() as conn:
        anna = await contacts.upsert(conn, ANNA, {"birthday": desk.now.date()}, None, None, None, desk.now)
        await agenda.wake_contacts(conn, [anna.id], desk.now)
    assert names(await look(desk)) == [ANNA]


async def test_a_file_or_a_mailbox_that_is_gone_holds(desk: Desk) -> None:
    await desk.adopt(other=PLAN)
    await desk.enroll(ANNA, sequence="other")
    await desk.enroll(BEN)
    (desk.folder / "sequences" / "other.yaml").unlink()
    await desk.adopt()
    assert names(await look(desk)) == [BEN]
    assert await hold(desk, ANNA, "other") == "sequences/other.yaml is no longer in the workspace"


async def test_a_time_zone_that_nobody_knows_holds_that_person_alone(desk: Desk) -> None:
    await desk.enroll(ANNA, BEN)
    async with desk.live.database.begin() as conn:
        await contacts.upsert(conn, ANNA, {}, "Atlantis/Main", None, None, desk.now)
    assert names(await look(desk)) == [BEN]
    assert (await hold(desk, ANNA)).startswith("there is no time zone `Atlantis/Main`")


async def test_a_rep_in_conversation_elsewhere_holds(desk: Desk) -> None:
    await desk.adopt(beside="alongside: yes\n" + PLAN)
    await desk.enroll(ANNA)
    (beside,) = await desk.enroll(ANNA, sequence="beside")
    replied = e.Replied(at=desk.now, message=1, kind="reply", sender=ANNA, matched_by="a test")
    await change(desk.live, beside.id, desk.now, lambda _: (replied, e.Paused(at=desk.now, reason="they replied")))
    assert names(await look(desk)) == []
    assert await hold(desk, ANNA) == "they are in conversation in beside"


# One bad row -----------------------------------------------------------------------------------------


async def test_a_row_that_cannot_be_processed_is_set_aside_and_the_others_go_on(desk: Desk) -> None:
    await desk.adopt(calls=CALLS)
    await desk.enroll(BEN)
    (anna,) = await desk.enroll(ANNA, sequence="calls")
    await desk.enroll(CLEO, sequence="calls")
    async with desk.live.database.begin() as conn:  # her log is damaged: its next line is there already
        await conn.exec_driver_sql(
            "INSERT INTO events (enrollment_id, version, kind, at, definition, data) "
            f"SELECT enrollment_id, 2, kind, at, definition, data FROM events WHERE enrollment_id = {anna.id}"
        )
    result = await look(desk)
    assert names(result) == [BEN]
    assert sorted((happening.what, happening.enrollment == anna.id) for happening in result.happenings) == [
        ("set_aside", True),
        ("task", False),
    ]
    async with desk.live.database.read() as conn:
        (aside,) = await set_aside.listing(conn)
    assert (aside.mailbox, aside.what) == ("mark", f"enrollment {anna.id}")
    assert "IntegrityError" in aside.error
    assert (await hold(desk, ANNA, "calls")).startswith("set aside: IntegrityError")
    async with desk.live.database.read() as conn:
        assert len(await tasks.to_dos(conn, desk.live)) == 1  # hers was withdrawn with its event
    assert (await look(desk)).happenings == []
    # Somebody repairs it; a day later it is looked at again.
    async with desk.live.database.begin() as conn:
        await conn.exec_driver_sql(f"DELETE FROM events WHERE enrollment_id = {anna.id} AND version = 2")
    desk.now += DAY
    assert [happening.what for happening in (await look(desk)).happenings] == ["task"]


async def test_a_plan_that_goes_round_in_circles_is_set_aside(desk: Desk) -> None:
    """The checker refuses such a file; one from elsewhere must not hang the daemon."""
    await desk.adopt(other=PLAN)
    await desk.enroll(ANNA)
    await desk.enroll(BEN, sequence="other")
    ours = desk.live.workspace
    plan = ours.sequences["plan"]
    circle = replace(plan, lines={"steps": (Step("first", GoTo("first"), plan.steps[0].when),)})
    desk.live.replace_workspace(replace(ours, sequences={**ours.sequences, "plan": circle}))
    result = await look(desk)
    assert names(result) == [BEN]
    assert [happening.what for happening in result.happenings] == ["set_aside"]
    assert await hold(desk, ANNA) == (
        "set aside: RuntimeError: 50 actions in a row without a wait, the last at step first"
    )


async def test_who_was_changed_in_between_is_left_to_the_next_look(desk: Desk) -> None:
    await desk.adopt(calls=CALLS)
    (anna,) = await desk.enroll(ANNA, sequence="calls")
    async with desk.live.database.read() as conn:
        (seen,) = (await agenda.due(conn, "mark", desk.now, 10)).standings
    await change(desk.live, anna.id, desk.now, lambda _: (e.Paused(at=desk.now, reason="by hand"),))
    stale = Change(seen.enrollment, replace(seen.enrollment, version=2), (e.Resumed(at=desk.now),), "", desk.now)
    async with desk.live.database.begin() as conn:
        assert await enrollments.append_many(conn, [stale]) == {anna.id}
    assert await look(desk) == Advance()
    async with desk.live.database.read() as conn:
        assert await tasks.to_dos(conn, desk.live) == []


# Definitions -----------------------------------------------------------------------------------------


async def test_the_log_names_the_live_version_and_the_enrollment_the_one_that_placed_it(desk: Desk) -> None:
    await desk.adopt(calls=CALLS)
    await desk.enroll(ANNA, sequence="calls")
    old = desk.live.workspace.sequences["calls"].version
    await look(desk)
    await desk.adopt(calls=CALLS.replace("1 hour later", "2 hours later"))
    new = desk.live.workspace.sequences["calls"].version
    anna = await desk.enrollment(ANNA, "calls")
    await change(desk.live, anna.id, desk.now, lambda _: (e.Paused(at=desk.now, reason="by hand"),))
    assert (await desk.enrollment(ANNA, "calls")).definition == old
    async with desk.live.database.read() as conn:
        log = await enrollments.events_of(conn, anna.id)
    assert [line.definition for line in log] == [old, old, new]


@pytest.mark.parametrize("outcome", ["accepted", "put off"])
async def test_an_attempt_places_somebody_in_the_live_file(desk: Desk, outcome: str) -> None:
    await desk.enroll(ANNA)
    await desk.adopt(plan=PLAN.replace("3 days later", "4 days later"))
    desk.now += DAY  # what an edit makes due is spread
    if outcome == "put off":
        desk.peer.once("end", Say("451 4.3.0 Later"))
    await desk.turn()
    assert (await desk.enrollment(ANNA)).definition == desk.live.workspace.sequences["plan"].version


async def test_a_row_that_cannot_be_understood_is_set_aside_and_the_others_go_on(desk: Desk) -> None:
    await desk.enroll(ANNA, BEN)
    anna = await desk.enrollment(ANNA)
    async with desk.live.database.begin() as conn:
        ours = tables.enrollments.c
        await conn.execute(update(tables.enrollments).where(ours.id == anna.id).values(state={"status": 7}))
    sent = await desk.turn()
    assert sent.count == len(desk.received(BEN)) == 1
    async with desk.live.database.read() as conn:
        (aside,) = await set_aside.listing(conn)
    assert aside.what == f"enrollment {anna.id}"
    assert (await desk.turn()).count == 0
    async with desk.live.database.read() as conn:
        assert len(await set_aside.listing(conn)) == 1
