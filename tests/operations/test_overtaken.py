"""An owner that was frozen or cut off in the middle of a send, was overtaken by another one, and goes on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from sequencer.operations.doubt import take_stock
from sequencer.operations.send import OVERSLEPT
from sequencer.store.attempts import AttemptState
from sequencer.store.database import Database
from tests.operations.desk import ANNA, BEN, DAY, HOUR, Desk, a_desk, account_of, take_office
from tests.operations.test_doubt import QUARTER, Post, filling
from tests.smtp_peer import Say

__all__ = ["filling"]

CARLA = "carla@third.example"


@pytest.fixture
async def desk(database: Database, tmp_path: Path) -> AsyncIterator[Desk]:
    async with a_desk(database, tmp_path) as desk:
        yield desk


async def overtake(desk: Desk) -> Desk:
    """Another daemon becomes the owner, and looks what was left in the air; its desk."""
    office = await take_office(desk.live, "mark", account_of(desk.peer))
    later = replace(desk, office=office, told=[])
    later.told += await take_stock(later.live, "mark", office.lease, later.now)
    return later


async def test_who_was_frozen_before_data_keeps_the_message_back(desk: Desk) -> None:
    await desk.enroll(ANNA)
    desk.office = replace(desk.office, holds=iter([True, False]).__next__)
    await desk.turn()
    assert desk.received(ANNA) == []
    assert await desk.states(ANNA) == [AttemptState.DEFERRED]
    assert desk.told[-1].detail == OVERSLEPT
    desk.office = replace(desk.office, holds=lambda: True)
    await desk.turns(HOUR, HOUR)
    assert len(desk.received(ANNA)) == 1
    assert "RSET" in desk.peer.commands


async def test_who_is_not_certain_of_the_lease_commits_nothing(desk: Desk) -> None:
    await desk.enroll(ANNA)
    desk.office = replace(desk.office, holds=lambda: False)
    await desk.turn()
    assert await desk.attempts(ANNA) == []
    assert desk.received(ANNA) == []
    desk.office = replace(desk.office, holds=lambda: True)
    await desk.turn()
    assert len(desk.received(ANNA)) == 1


async def test_what_was_kept_back_comes_from_the_next_owner(desk: Desk) -> None:
    await desk.enroll(ANNA, BEN)
    overtaken: list[Desk] = []

    async def wakes_up() -> None:
        overtaken.append(await overtake(desk))

    desk.hook().before = wakes_up
    desk.office = replace(desk.office, holds=iter([True, False, True]).__next__)  # Anna's is kept back, Ben's leaves
    await desk.turn()
    (later,) = overtaken
    assert later.words == ["in_doubt", "in_doubt"]
    assert (await desk.states(ANNA), await desk.states(BEN)) == ([AttemptState.NOT_DELIVERED], [AttemptState.ACCEPTED])
    await later.turns(HOUR, HOUR)
    assert [len(desk.received(who)) for who in (ANNA, BEN)] == [1, 1]
    assert await desk.log(BEN) == ["Enrolled", "AttemptStarted", "InDoubt", "Accepted"]


async def test_a_late_refusal_does_not_disturb_the_message_that_is_in_the_air_now(desk: Desk) -> None:
    await desk.enroll(ANNA)
    arrived, go = asyncio.Event(), asyncio.Event()
    running: list[tuple[Desk, asyncio.Task[object]]] = []

    async def stands_before_data() -> None:
        arrived.set()
        await go.wait()

    async def wakes_up() -> None:
        later = await overtake(desk)
        later.now += 3 * DAY
        later.hook().before = stands_before_data
        running.append((later, asyncio.create_task(later.turn())))
        await arrived.wait()
        desk.peer.once("end", Say("451 4.3.0 not now"))

    desk.hook().before = wakes_up
    await desk.turn()
    ((later, turn),) = running
    assert desk.words[-1] == "never_left"  # merely told: the plan has gone on since
    go.set()
    await turn
    await later.turns(HOUR, DAY)
    assert await desk.states(ANNA) == [AttemptState.NOT_DELIVERED, AttemptState.ACCEPTED]
    assert [mail["Subject"] for mail in desk.received(ANNA)] == ["Re: Your quote"]
    assert (await desk.enrollment(ANNA)).position.step == "third"


async def test_an_outcome_that_evidence_has_settled_before_is_not_recorded_twice(filling: Post) -> None:
    desk = filling.desk
    await desk.enroll(ANNA)

    async def wakes_up() -> None:
        later = await overtake(desk)
        assert later.words == ["in_doubt"]
        await filling.provider_files(ANNA)
        await filling.read()

    desk.hook().after = wakes_up
    await desk.turn()
    assert await desk.log(ANNA) == ["Enrolled", "AttemptStarted", "InDoubt", "Accepted"]
    assert await desk.states(ANNA) == [AttemptState.ACCEPTED]


async def test_what_the_next_owner_found_absent_and_sent_again_is_not_sent_by_the_first(filling: Post) -> None:
    desk = filling.desk
    await desk.enroll(ANNA)
    await desk.turn()
    await filling.provider_files(ANNA)
    await desk.enroll(BEN, CARLA)

    async def wakes_up() -> None:
        later = await overtake(desk)
        filling.desk = later
        later.now += QUARTER
        assert "retried" in await filling.look_for_absence()
        await later.turn()
        assert len(desk.received(BEN)) == 1

    desk.hook().before = wakes_up
    desk.office = replace(desk.office, holds=iter([True, False, True]).__next__)
    await desk.turn(HOUR)
    assert len(desk.received(BEN)) == 1
    assert await desk.states(BEN) == [AttemptState.NOT_DELIVERED, AttemptState.ACCEPTED]
    assert (await desk.enrollment(BEN)).position.step == "second"
