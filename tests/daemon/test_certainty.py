"""A worker begins nothing under a lease that may have run out, by the machine's own clock."""

from __future__ import annotations

import asyncio
import math
from pathlib import Path

import pytest

from sequencer.daemon import mailbox_worker
from sequencer.daemon.clock import boot_ticks
from sequencer.daemon.mailbox_worker import work, work_once
from sequencer.daemon.sharing import LET_GO_WITHIN
from sequencer.daemon.station import lose
from tests.daemon.test_worker_pace import a_shop, people


async def test_nothing_is_begun_until_the_lease_is_certain_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mailbox_worker, "UNCERTAIN", 0.01)
    async with a_shop(tmp_path, "off") as shop:
        await shop.enroll(*people(3))
        shop.station.certain_until = boot_ticks() - 1
        await work_once(shop.station)
        assert shop.smtp.accepted == []
        working = asyncio.create_task(work(shop.station))
        looks = 0
        while looks < 20:  # it looks again and again, and does nothing
            shop.station.wake.set()
            await asyncio.wait([working], timeout=0.01)
            looks += 1
        assert not working.done()
        assert shop.station.inbox is None
        assert shop.smtp.accepted == []
        shop.station.certain_until = math.inf
        shop.station.wake.set()
        await shop.ear.happens("sent", 3)
        shop.station.leaving = True
        shop.station.wake.set()
        await working
        assert len(shop.smtp.accepted) == 3


async def test_a_lease_that_ends_between_two_messages_ends_the_turn(tmp_path: Path) -> None:
    async with a_shop(tmp_path, "off") as shop:
        await shop.enroll(*people(3))
        shop.station.certain_until = math.inf
        assert not shop.station.stopping()
        shop.station.certain_until = boot_ticks() - 1
        assert shop.station.stopping()
        turn = await mailbox_worker.take_turn(shop.station)
        assert turn.again  # there is more to do, for whoever owns it then
        assert shop.smtp.accepted == []


async def test_a_worker_that_finds_its_lease_lost_by_itself_has_its_time_to_end(tmp_path: Path) -> None:
    async with a_shop(tmp_path, "off") as shop:
        lose(shop.station)
        assert shop.station.over()
        assert boot_ticks() - shop.station.lost_at < LET_GO_WITHIN
