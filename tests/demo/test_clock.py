"""The accelerated clock: time passes only while everybody rests, and in order."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sequencer.daemon.clock import Clock
from sequencer.demo.clock import AcceleratedClock

START = datetime(2027, 3, 1, 15, 0, tzinfo=UTC)
DAY = timedelta(days=1)


@dataclass
class _World:
    in_motion: int = 0
    traffic: int = 0
    deliveries: int = 0


async def _drive(clock: AcceleratedClock, days: int = 100) -> None:
    async with asyncio.timeout(20):
        await clock.drive(START + days * DAY)


async def test_it_is_a_clock_of_the_daemon_and_jumps_to_each_wait_in_turn() -> None:
    clock = AcceleratedClock(START, _World())
    seen: list[tuple[str, timedelta]] = []

    async def sleeper(which: Clock, name: str, days: int) -> None:
        for _ in range(3):
            assert not await which.wait(asyncio.Event(), which.now() + days * DAY)
            seen.append((name, which.now() - START))

    sleepers = [asyncio.create_task(sleeper(clock, "daily", 1)), asyncio.create_task(sleeper(clock, "slow", 2))]
    await _drive(clock)
    await asyncio.gather(*sleepers)
    assert [days for _, days in seen] == [1 * DAY, 2 * DAY, 2 * DAY, 3 * DAY, 4 * DAY, 6 * DAY]
    assert clock.now() - START == 6 * DAY
    assert clock.jumps == 5


async def test_time_stands_still_while_somebody_works() -> None:
    clock = AcceleratedClock(START, _World())
    worked_until: list[datetime] = []

    async def worker() -> None:
        for _ in range(4):
            await clock.wait(asyncio.Event(), clock.now() + DAY)
            before = clock.now()
            await asyncio.to_thread(sum, range(4_000_000))  # takes far longer than the grace, and makes no noise
            assert clock.now() == before
            worked_until.append(clock.now())

    async def impatient() -> None:
        for _ in range(40):
            await clock.wait(asyncio.Event(), clock.now() + timedelta(hours=1))

    parties = [asyncio.create_task(worker()), asyncio.create_task(impatient())]
    await _drive(clock)
    await asyncio.gather(*parties)
    assert worked_until == [START + DAY, START + 2 * DAY, START + 3 * DAY, START + 4 * DAY]


async def test_time_stands_still_while_a_message_is_in_motion() -> None:
    world = _World(in_motion=1)
    clock = AcceleratedClock(START, world)
    waiting = asyncio.create_task(clock.wait(asyncio.Event(), START + DAY))
    driving = asyncio.create_task(_drive(clock))
    landed = asyncio.Event()
    asyncio.get_running_loop().call_later(0.1, landed.set)
    await landed.wait()
    assert clock.now() == START
    assert clock.impatient == 0
    world.in_motion = 0
    assert await waiting is False
    await driving
    assert clock.now() == START + DAY


async def test_a_delivery_holds_time_until_it_woke_somebody() -> None:
    world = _World()
    clock = AcceleratedClock(START, world)
    push = asyncio.Event()
    noticed_at: list[datetime] = []

    async def watcher() -> None:
        assert await clock.wait(push, START + 10 * DAY)
        noticed_at.append(clock.now())

    def arrives() -> None:
        world.deliveries += 1
        asyncio.get_running_loop().call_later(0.05, push.set)

    clock.at(START + DAY, arrives)
    watching = asyncio.create_task(watcher())
    await _drive(clock)
    await watching
    assert noticed_at == [START + DAY]


async def test_a_party_that_never_rests_again_costs_patience_not_the_run() -> None:
    clock = AcceleratedClock(START, _World())

    async def leaves() -> None:
        await clock.wait(asyncio.Event(), START + DAY)

    async def stays() -> None:
        for day in range(2, 6):
            await clock.wait(asyncio.Event(), START + day * DAY)

    parties = [asyncio.create_task(leaves()), asyncio.create_task(stays())]
    await _drive(clock)
    await asyncio.gather(*parties)
    assert clock.now() == START + 5 * DAY
    assert 1 <= clock.impatient <= 2


async def test_alarms_ring_in_order_and_a_past_one_at_once() -> None:
    clock = AcceleratedClock(START, _World())
    rung: list[tuple[str, datetime]] = []
    clock.at(START + 2 * DAY, lambda: rung.append(("second", clock.now())))
    clock.at(START + DAY, lambda: clock.at(START, lambda: rung.append(("past", clock.now()))))
    clock.at(START + 2 * DAY, lambda: rung.append(("third", clock.now())))
    await _drive(clock)
    assert rung == [("past", START + DAY), ("second", START + 2 * DAY), ("third", START + 2 * DAY)]


async def test_it_stops_at_the_end_or_when_the_story_is_over() -> None:
    clock = AcceleratedClock(START, _World())
    waiting = asyncio.create_task(clock.wait(asyncio.Event(), START + 200 * DAY))
    await _drive(clock, days=100)
    assert clock.now() == START
    clock.at(START + DAY, lambda: None)
    clock.at(START + 2 * DAY, lambda: None)
    await clock.drive(START + 100 * DAY, lambda: clock.now() >= START + DAY)
    assert clock.now() == START + DAY
    waiting.cancel()


async def test_an_event_ends_a_wait_without_a_jump() -> None:
    clock = AcceleratedClock(START, _World())
    event = asyncio.Event()
    waiting = asyncio.create_task(clock.wait(event, None))
    asyncio.get_running_loop().call_soon(event.set)
    assert await waiting is True
    assert await clock.wait(event, START + DAY) is True
    assert await clock.wait(asyncio.Event(), START) is False
    assert clock.now() == START
