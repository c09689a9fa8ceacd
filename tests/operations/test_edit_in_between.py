"""Files that are put in force while messages are on their way: decided, written, offered or in the air."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Connection
from sqlalchemy.exc import OperationalError
from sqlalchemy.util import await_only

from sequencer.operations.adopt import adopt
from sequencer.operations.advance import advance
from sequencer.operations.send import send
from sequencer.store import definitions, mailboxes, set_aside
from sequencer.store.database import Database
from tests.operations.desk import ANNA, BEN, DAY, HOUR, PLAN, Desk, a_desk, loaded

ONLY_THIRD = """\
from: mark
steps:
  - step: third
    email: third
    when: 3 days later
"""
SOONER = PLAN.replace("3 days later", "1 day later")


@pytest.fixture
async def desk(database: Database, tmp_path: Path) -> AsyncIterator[Desk]:
    async with a_desk(database, tmp_path) as desk:
        yield desk


async def decided_then(desk: Desk, **files: str) -> None:
    """Somebody decides who is due; then other files are put in force; then the messages are to leave."""
    async with desk.live.database.begin() as conn:
        await mailboxes.set_inbox_read(conn, "mark", desk.now)
    step = await advance(desk.live, "mark", desk.now, 200)
    assert step.ready
    await desk.adopt(**files)
    desk.told += (await send(desk.live, desk.office, step.ready, desk.now)).happenings


async def test_what_was_decided_by_the_file_before_is_decided_anew(desk: Desk) -> None:
    await desk.enroll(ANNA)
    await decided_then(desk, plan=ONLY_THIRD)
    assert desk.received(ANNA) == []
    await desk.turns(DAY, 3 * DAY, DAY)
    assert [attempt.step for attempt in await desk.attempts(ANNA)] == ["third"]
    assert await desk.log(ANNA) == ["Enrolled", "AttemptStarted", "Accepted", "Finished"]


async def test_what_was_offered_already_is_withdrawn(desk: Desk) -> None:
    await desk.enroll(ANNA)
    first = iter([ONLY_THIRD])

    async def edited() -> None:
        for text in first:
            await desk.adopt(plan=text)

    desk.hook().offered = edited
    await desk.turn()
    assert desk.received(ANNA) == []
    await desk.turns(DAY, 3 * DAY, DAY)
    assert [attempt.step for attempt in await desk.attempts(ANNA)] == ["third"]


async def test_words_that_are_no_longer_in_force_are_written_anew(desk: Desk) -> None:
    await desk.enroll(ANNA)
    first = iter(["---\nsubject: Your quote\n---\nHello {{ first_name }}, the price has changed.\n"])

    async def edited() -> None:
        for text in first:
            await desk.adopt(first_md=text)

    desk.hook().offered = edited
    await desk.turns(HOUR, HOUR)
    (mail,) = desk.received(ANNA)
    assert "the price has changed" in str(mail)


async def test_a_template_that_is_gone_sets_nobody_aside(desk: Desk) -> None:
    await desk.enroll(ANNA)
    (desk.folder / "templates" / "first.md").unlink()
    await decided_then(desk, plan=PLAN.replace("email: first", "email: fresh"))
    async with desk.live.database.read() as conn:
        assert await set_aside.listing(conn) == []
    await desk.turn(HOUR)
    (mail,) = desk.received(ANNA)
    assert mail["Subject"] == "Something new"


async def test_a_message_in_the_air_goes_on_from_where_its_own_file_had_it(desk: Desk) -> None:
    await desk.enroll(ANNA)
    first = iter([ONLY_THIRD])

    async def edited() -> None:
        for text in first:
            await desk.adopt(plan=text)

    desk.hook().before = edited
    await desk.turns(HOUR, 4 * DAY, 4 * DAY)
    assert [attempt.step for attempt in await desk.attempts(ANNA)] == ["first", "third"]


async def test_an_edit_that_could_not_be_committed_is_not_in_force_and_can_be_tried_again(desk: Desk) -> None:
    await desk.enroll(ANNA)
    await desk.turn()
    before, release = desk.live.workspace, desk.live.release
    engine = desk.live.database.writer.sync_engine

    def lost(conn: Connection) -> None:
        raise OperationalError("COMMIT", {}, Exception("the connection is gone"))

    desk.write(plan=SOONER)
    event.listen(engine, "commit", lost)
    with pytest.raises(OperationalError):
        await adopt(desk.live, loaded(desk.folder), desk.now)
    event.remove(engine, "commit", lost)
    assert (desk.live.workspace, desk.live.release) == (before, release)
    desk.now += HOUR
    assert await adopt(desk.live, loaded(desk.folder), desk.now) == ("plan",)
    async with desk.live.database.read() as conn:
        assert (await definitions.live(conn))["plan"] == desk.live.workspace.sequences["plan"].version


async def test_going_back_to_an_earlier_file_spreads_what_it_makes_due_also_while_it_is_committed(desk: Desk) -> None:
    await desk.adopt(plan=SOONER)
    await desk.adopt(plan=PLAN)
    await desk.enroll(ANNA, BEN)
    await desk.turns(HOUR, 2 * DAY)
    engine = desk.live.database.writer.sync_engine
    asked: list[datetime | None] = []

    def decided_right_now(_: Connection) -> None:
        async def ask() -> None:
            async with desk.live.database.read() as conn:
                asked.append(await desk.live.applied_at(conn, desk.live.workspace.sequences["plan"]))

        if not asked:
            asked.append(None)
            await_only(ask())

    event.listen(engine, "commit", decided_right_now)
    await desk.adopt(plan=SOONER)
    event.remove(engine, "commit", decided_right_now)
    assert asked == [None, desk.now]
    await desk.turn()
    assert len(desk.received(ANNA)) == len(desk.received(BEN)) == 1
