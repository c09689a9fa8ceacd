"""Whose turn it is: oldest first, held with a reason, and never slept through."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncConnection

from sequencer.core.model import Enrollment
from sequencer.store import agenda, enrollments, set_aside, tables
from sequencer.store.agenda import Load, Sleep
from sequencer.store.database import Database
from sequencer.store.enrollments import Hold, Standing
from tests.store.people import MAILBOX, NOW, change, happen, later, paused, replied, somebody, stopped


async def _standing(conn: AsyncConnection, enrollment: Enrollment) -> Standing:
    standing = await enrollments.standing_by_id(conn, enrollment.id)
    assert standing is not None
    return standing


async def _due(conn: AsyncConnection, limit: int = 10) -> list[int]:
    return [standing.enrollment.id for standing in (await agenda.due(conn, MAILBOX, NOW, limit)).standings]


async def test_due_are_those_whose_time_has_come_the_longest_waiting_first(database: Database) -> None:
    async with database.begin() as conn:
        ahead = await somebody(conn, "a@example.com", wake_at=later(microseconds=1))
        now = await somebody(conn, "b@example.com", wake_at=NOW)
        old = await somebody(conn, "c@example.com", wake_at=later(days=-1))
        await somebody(conn, "d@example.com", wake_at=None)
        await somebody(conn, "e@example.com", mailbox="jane", wake_at=later(days=-2))
        assert await _due(conn) == [old.id, now.id]
        assert await _due(conn, limit=1) == [old.id]
        assert await agenda.next_wake(conn, MAILBOX) == later(days=-1)
        await happen(conn, old, paused(), wake_at=None)
        await happen(conn, now, stopped(), wake_at=NOW)  # who has ended sleeps, whatever the caller says
        assert await _due(conn) == []
        assert await agenda.next_wake(conn, MAILBOX) == later(microseconds=1)
        await happen(conn, ahead, stopped())
        assert await agenda.next_wake(conn, MAILBOX) is None


async def test_putting_to_sleep_until_a_time_or_until_an_event(database: Database) -> None:
    async with database.begin() as conn:
        one, two = await somebody(conn, "a@example.com"), await somebody(conn, "b@example.com")
        seen = (await agenda.due(conn, MAILBOX, NOW, 10)).standings
        assert [standing.enrollment for standing in seen] == [one, two]
        await agenda.sleep_many(conn, [Sleep(seen[1], None), Sleep(seen[0], later(days=1))])
        await agenda.sleep_many(conn, [])
        assert (await _standing(conn, one)).wake_at == later(days=1)
        assert (await _standing(conn, two)).wake_at is None


async def test_a_hold_has_a_reason_and_keeps_its_beginning_while_it_lasts(database: Database) -> None:
    async with database.begin() as conn:
        en = await somebody(conn)
        for hours, reason in ((0, "IMAP is down"), (1, "IMAP is down"), (2, "no phone"), (3, "IMAP is down")):
            seen = await _standing(conn, en)
            await agenda.sleep_many(
                conn, [Sleep(seen, later(hours=hours + 1), reason, later(hours=hours + 9), later(hours=hours))]
            )
        holds = await _standing(conn, en)
        assert holds.hold == Hold("IMAP is down", "thanks", later(hours=3), later(hours=12))
        again = Sleep(holds, later(hours=5), "IMAP is down", None, later(hours=4))
        await agenda.sleep_many(conn, [again])
        assert (await _standing(conn, en)).hold == Hold("IMAP is down", "thanks", later(hours=3), None)
        assert (await _standing(conn, en)).wake_at == later(hours=5)
        await agenda.sleep_many(conn, [Sleep(await _standing(conn, en), later(hours=6))])
        assert (await _standing(conn, en)).hold is None


async def test_any_event_ends_a_hold(database: Database) -> None:
    async with database.begin() as conn:
        en = await somebody(conn)
        await agenda.sleep_many(conn, [Sleep(await _standing(conn, en), NOW, "held", None, NOW)])
        await happen(conn, en, paused())
        assert (await _standing(conn, en)).hold is None


async def test_a_hold_without_a_beginning_is_an_error(database: Database) -> None:
    async with database.begin() as conn:
        seen = await _standing(conn, await somebody(conn))
        with pytest.raises(ValueError, match="began"):
            await agenda.sleep_many(conn, [Sleep(seen, NOW, "held")])


async def test_one_that_has_moved_on_is_not_put_to_sleep(database: Database) -> None:
    async with database.begin() as conn:
        en = await somebody(conn)
        seen = await _standing(conn, en)
        await happen(conn, en, paused(), wake_at=later(minutes=1))
        await agenda.sleep_many(conn, [Sleep(seen, None, "held", None, NOW)])
        found = await _standing(conn, en)
    assert (found.wake_at, found.hold) == (later(minutes=1), None)


@pytest.mark.parametrize("how", ["id", "contact", "sequence", "held"])
async def test_a_wake_call_between_seeing_and_sleeping_is_not_slept_through(database: Database, how: str) -> None:
    async with database.begin() as conn:
        en = await somebody(conn)
        if how == "held":
            await agenda.sleep_many(conn, [Sleep(await _standing(conn, en), NOW, "held", None, NOW)])
        seen = await _standing(conn, en)
        match how:
            case "id":
                woken = await agenda.wake(conn, [en.id], NOW)
            case "contact":
                woken = await agenda.wake_contacts(conn, [en.contact_id], NOW)
            case "sequence":
                woken = await agenda.wake_sequence(conn, en.sequence, NOW)
            case _:
                woken = await agenda.wake_held(conn, en.mailbox, NOW)
        assert woken == 1
        await agenda.sleep_many(conn, [Sleep(seen, later(days=9))])
        assert (await _standing(conn, en)).wake_at == NOW
        await enrollments.append_many(conn, [change(en, paused(), wake_at=later(days=9), wakes=seen.wakes)])
        assert (await _standing(conn, en)).wake_at == NOW


async def test_the_writer_who_has_seen_the_wake_call_decides(database: Database) -> None:
    async with database.begin() as conn:
        en = await somebody(conn)
        await agenda.wake(conn, [en.id], NOW)
        seen = await _standing(conn, en)
        await enrollments.append_many(conn, [change(en, paused(), wake_at=later(days=9), wakes=seen.wakes)])
        assert (await _standing(conn, en)).wake_at == later(days=9)


async def test_waking_makes_earlier_never_later_and_not_the_paused_or_ended(database: Database) -> None:
    async with database.begin() as conn:
        asleep = await somebody(conn, "a@example.com", wake_at=None)
        far = await somebody(conn, "b@example.com", wake_at=later(days=9))
        near = await somebody(conn, "c@example.com", wake_at=later(days=-9))
        resting = await happen(conn, await somebody(conn, "d@example.com"), paused())
        ended = await happen(conn, await somebody(conn, "e@example.com"), stopped())
        everybody = [asleep, far, near, resting, ended]
        assert await agenda.wake(conn, [en.id for en in everybody], NOW) == 3
        assert [(await _standing(conn, en)).wake_at for en in everybody] == [NOW, NOW, later(days=-9), None, None]
        assert await agenda.wake(conn, [], NOW) == 0


async def test_waking_those_held_for_one_reason(database: Database) -> None:
    async with database.begin() as conn:
        people = [await somebody(conn, f"{name}@example.com") for name in "abc"]
        for en, reason in zip(people, ("IMAP is down", "no phone", ""), strict=True):
            await agenda.sleep_many(
                conn, [Sleep(await _standing(conn, en), later(days=1), reason, None, NOW if reason else None)]
            )
        assert await agenda.wake_held(conn, MAILBOX, NOW, reason="IMAP is down") == 1
        assert await _due(conn) == [people[0].id]
        assert await agenda.wake_held(conn, "jane", NOW) == 0
        assert await agenda.wake_held(conn, MAILBOX, NOW) == 2
        assert await _due(conn) == [people[0].id, people[1].id]


async def test_how_much_is_due_and_held(database: Database) -> None:
    async with database.begin() as conn:
        assert await agenda.load(conn, NOW) == {}
        await somebody(conn, "a@example.com")
        await somebody(conn, "b@example.com", wake_at=later(days=1))
        held = await somebody(conn, "c@example.com")
        await agenda.sleep_many(conn, [Sleep(await _standing(conn, held), later(days=-1), "held", None, NOW)])
        await somebody(conn, "d@example.com", mailbox="jane")
        assert await agenda.load(conn, NOW) == {MAILBOX: Load(1, 1), "jane": Load(1, 0)}


async def test_a_wake_call_from_another_process_while_the_worker_decides(database: Database, database_url: str) -> None:
    """The worker has read and decides; the import changes the contact; the worker goes to bed with its old decision."""
    async with database.begin() as conn:
        people = [await somebody(conn, f"p{number}@example.com") for number in range(30)]
    other = await Database.open(database_url)
    async with database.read() as conn:
        seen = (await agenda.due(conn, MAILBOX, NOW, 100)).standings

    async def sleep(batch: list[Standing]) -> None:
        async with database.begin() as conn:
            await agenda.sleep_many(conn, [Sleep(standing, later(days=30)) for standing in batch])

    async def wake(batch: list[Enrollment]) -> None:
        async with other.begin() as conn:
            await agenda.wake_contacts(conn, [en.contact_id for en in batch], NOW)

    await asyncio.gather(*(sleep(seen[n::3]) for n in range(3)), *(wake(people[n::5]) for n in range(5)))
    await other.close()
    async with database.read() as conn:
        assert len((await agenda.due(conn, MAILBOX, NOW, 100)).standings) == 30


async def test_waking_many_and_appending_cannot_wait_for_each_other(database: Database, database_url: str) -> None:
    """A row that was updated lies behind the others, where PostgreSQL would come to it, and wait, last."""
    async with database.begin() as conn:
        first = await somebody(conn, "a@example.com", wake_at=later(days=1))
        second = await somebody(conn, "b@example.com", wake_at=later(days=1))
    async with database.begin() as conn:
        await agenda.wake(conn, [first.id], NOW)
    other = await Database.open(database_url)

    async def wake() -> int:
        async with other.begin() as conn:
            return await agenda.wake_sequence(conn, "quote", NOW)

    async with database.begin() as conn:
        assert await enrollments.outrun(conn, {first.id: 1}) == set()
        waking = asyncio.create_task(wake())
        done, _ = await asyncio.wait([waking], timeout=0.2)
        assert not done
        assert await enrollments.append_many(conn, [change(second, replied(1), wake_at=NOW)]) == set()
    assert await waking == 2
    await other.close()


async def test_a_row_that_cannot_be_read_is_set_aside_and_the_others_go_on(database: Database) -> None:
    async with database.begin() as conn:
        bad, good = await somebody(conn, "a@example.com"), await somebody(conn, "b@example.com")
        ours = tables.enrollments.c
        await conn.execute(update(tables.enrollments).where(ours.id == bad.id).values(state={"status": 7}))
    async with database.read() as conn:  # as the daemon looks
        standings, (unreadable,) = await agenda.due(conn, MAILBOX, NOW, 10)
    assert [standing.enrollment.id for standing in standings] == [good.id]
    assert unreadable.enrollment_id == bad.id
    async with database.begin() as conn:
        await agenda.lay_aside(conn, MAILBOX, unreadable, NOW)
        (aside,) = await set_aside.listing(conn)
        assert aside.what == f"enrollment {bad.id}"
        assert await _due(conn) == [good.id]
        assert (await agenda.due(conn, MAILBOX, NOW, 10)).unreadable == []
