"""The log and its fold: appended by compare-and-set, whole or not at all."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import date

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from sequencer.core.decide import begin, fold
from sequencer.core.events import Enrolled, HandWritten, NoticeReceived, Resumed, Snoozed
from sequencer.core.model import Enrollment, Position, Status
from sequencer.store import contacts, enrollments, tables
from sequencer.store.database import Database
from sequencer.store.enrollments import NewEnrollment
from tests.store.people import (
    NOW,
    accepted,
    change,
    enrolled,
    enter,
    finished,
    happen,
    later,
    paused,
    person,
    replied,
    somebody,
    started,
    stopped,
)


async def test_an_enrollment_comes_back_as_it_was_created(database: Database) -> None:
    async with database.begin() as conn:
        event = replace(enrolled(await person(conn)), fields={"quote_date": date(2026, 12, 1), "größe": "38 ft"})
        made = await enrollments.create(conn, event, "v1", wake_at=later(days=1))
        assert isinstance(made, Enrollment)
        standing = await enrollments.standing_by_id(conn, made.id)
        log = await enrollments.events_of(conn, made.id)
        assert await enrollments.get(conn, made.id + 1) is None
    assert made == begin(event, made.id, "v1")
    assert standing is not None
    assert standing.enrollment == made
    assert (standing.wake_at, standing.hold, standing.exclusive) == (later(days=1), None, True)
    assert log == [(1, "v1", event)]


async def test_an_unknown_contact_is_refused(database: Database) -> None:
    with pytest.raises(IntegrityError):
        await _enter_nobody(database)


async def _enter_nobody(database: Database) -> None:
    async with database.begin() as conn:
        await enter(conn, 999)


async def test_a_batch_of_enrollments_keeps_its_order(database: Database) -> None:
    async with database.begin() as conn:
        rows = [contacts.Incoming(f"p{number}@example.com") for number in range(1200)]
        people = [answer.id for answer in await contacts.upsert_many(conn, rows, NOW)]
        entries = [NewEnrollment(enrolled(contact_id), "v1", NOW) for contact_id in reversed(people)]
        made = await enrollments.create_many(conn, entries)
        kept = await enrollments.by_ids(conn, [one.id for one in made if isinstance(one, Enrollment)])
    assert [one.contact_id for one in made if isinstance(one, Enrollment)] == people[::-1]
    assert {i: standing.enrollment for i, standing in kept.items()} == {
        one.id: one for one in made if isinstance(one, Enrollment)
    }


async def test_the_state_is_the_fold_of_the_log(database: Database) -> None:
    async with database.begin() as conn:
        en = await somebody(conn)
        en = await happen(conn, en, started(1, "<1@example.org>"))
        en = await happen(conn, en, accepted("<1@example.org>", at=later(seconds=2)), wake_at=later(days=5))
        en = await happen(conn, en, replied(7, later(days=1)), paused(later(days=1)))
        en = await happen(conn, en, Snoozed(at=later(days=2), until=later(days=30), reason="not now", to=Position()))
        log = await enrollments.events_of(conn, en.id)
        kept = await enrollments.get(conn, en.id)
    assert [recorded.version for recorded in log] == [1, 2, 3, 4, 5, 6]
    first = log[0].event
    assert isinstance(first, Enrolled)
    assert fold(begin(first, en.id, "v1"), tuple(recorded.event for recorded in log[1:])) == kept == en


async def test_whoever_comes_second_is_told_and_has_written_nothing(database: Database) -> None:
    async with database.begin() as conn:
        seen = await somebody(conn)
        first = fold(seen, (stopped(),))
        assert await enrollments.append(conn, seen, first, [stopped()], "v1", None)
    async with database.begin() as conn:
        late = fold(seen, (paused(), Resumed(at=NOW)))
        assert not await enrollments.append(conn, seen, late, [paused(), Resumed(at=NOW)], "v2", NOW)
    async with database.read() as conn:
        assert await enrollments.get(conn, seen.id) == first
        assert len(await enrollments.events_of(conn, seen.id)) == 2


async def test_in_a_batch_the_losers_are_named_and_the_others_written(database: Database) -> None:
    async with database.begin() as conn:
        people = [await somebody(conn, f"p{number}@example.com") for number in range(64)]
        gone = people[10]
        for one in people[::4]:
            await happen(conn, one, paused())
        await contacts.erase(conn, gone.contact_id)
        lost = await enrollments.append_many(conn, [change(one, stopped()) for one in reversed(people)])
        kept = await enrollments.by_ids(conn, [one.id for one in people])
    assert lost == {one.id for one in people[::4]} | {gone.id}
    assert {i for i, standing in kept.items() if standing.enrollment.status is Status.STOPPED} == {
        one.id for one in people if one.id not in lost
    }
    assert {standing.enrollment.version for standing in kept.values()} == {2}


async def test_of_two_at_once_one_is_first(database: Database, database_url: str) -> None:
    async with database.begin() as conn:
        people = [await somebody(conn, f"p{number}@example.com") for number in range(20)]
    other = await Database.open(database_url)

    async def append(through: Database, batch: list[Enrollment]) -> set[int]:
        async with through.begin() as conn:
            return await enrollments.append_many(conn, [change(one, paused(), stopped()) for one in batch])

    batches = [people, people[::-1], people[5:], people[:15]]
    lost = await asyncio.gather(
        *(append(through, b) for through, b in zip([database, other] * 2, batches, strict=True))
    )
    await other.close()
    won = [one.id for batch, losers in zip(batches, lost, strict=True) for one in batch if one.id not in losers]
    async with database.read() as conn:
        logs = [await enrollments.events_of(conn, one.id) for one in people]
    assert sorted(won) == [one.id for one in people]
    assert {len(log) for log in logs} == {3}


async def test_a_rep_who_pauses_while_the_worker_commits_comes_second(database: Database, database_url: str) -> None:
    async with database.begin() as conn:
        seen = await somebody(conn)
    other = await Database.open(database_url)

    async def pause() -> bool:
        async with other.begin() as conn:
            return await enrollments.append(conn, seen, fold(seen, (paused(),)), [paused()], "v1", None)

    async with database.begin() as conn:
        assert await enrollments.outrun(conn, {seen.id: seen.version}) == set()
        pausing = asyncio.create_task(pause())
        done, _ = await asyncio.wait([pausing], timeout=0.2)
        assert not done
        assert await enrollments.append_many(conn, [change(seen, started(1, "<1@example.org>"))]) == set()
    assert not await pausing
    await other.close()


async def test_who_has_moved_on_is_outrun(database: Database) -> None:
    async with database.begin() as conn:
        one, two = await somebody(conn), await somebody(conn, "ben@example.com")
        await happen(conn, two, paused())
        assert await enrollments.outrun(conn, {one.id: 1, two.id: 1, 999: 1}) == {two.id, 999}
        assert await enrollments.outrun(conn, {}) == set()


async def test_nothing_of_a_failing_transaction_stays(database: Database) -> None:
    async with database.begin() as conn:
        seen = await somebody(conn)
    with pytest.raises(LookupError):
        await _append_and_fail(database, seen)
    async with database.read() as conn:
        assert await enrollments.get(conn, seen.id) == seen
        assert len(await enrollments.events_of(conn, seen.id)) == 1


async def _append_and_fail(database: Database, seen: Enrollment) -> None:
    async with database.begin() as conn:
        await happen(conn, seen, stopped())
        raise LookupError


async def test_a_batch_that_cannot_be_right_is_an_error(database: Database) -> None:
    async with database.begin() as conn:
        seen = await somebody(conn)
        with pytest.raises(ValueError, match="two changes"):
            await enrollments.append_many(conn, [change(seen, stopped()), change(seen, paused())])
        with pytest.raises(ValueError, match="count"):
            await enrollments.append_many(conn, [replace(change(seen, stopped()), after=seen)])
        assert await enrollments.append_many(conn, []) == set()


async def test_the_log_names_the_definition_of_each_decision_and_the_enrollment_the_one_that_placed_it(
    database: Database,
) -> None:
    async with database.begin() as conn:
        seen = await somebody(conn)
        await enrollments.append_many(conn, [replace(change(seen, paused()), definition="v2")])
        seen = (await enrollments.by_ids(conn, [seen.id]))[seen.id].enrollment
        assert seen.definition == "v1"
        placed = change(seen, Resumed(at=NOW))
        await enrollments.append_many(conn, [replace(placed, after=replace(placed.after, definition="v2"))])
        assert (await enrollments.by_ids(conn, [seen.id]))[seen.id].enrollment.definition == "v2"
        seen = (await enrollments.by_ids(conn, [seen.id]))[seen.id].enrollment
        await enrollments.append_many(conn, [replace(change(seen, paused()), definition="")])
        log = await enrollments.events_of(conn, seen.id)
    assert [recorded.definition for recorded in log] == ["v1", "v2", "v1", "v2"]


async def test_what_waits_for_the_rep_is_the_last_reply_or_the_notice_that_paused(database: Database) -> None:
    def notice(message: int) -> NoticeReceived:
        return NoticeReceived(at=NOW, message=message, kind="left_company")

    async def waiting() -> int | None:
        async with database.read() as conn:
            found: int | None = await conn.scalar(select(tables.enrollments.c.last_message))
            return found

    async with database.begin() as conn:
        en = await happen(conn, await somebody(conn), notice(1))
    assert await waiting() is None
    async with database.begin() as conn:
        en = await happen(conn, en, notice(2), paused())
    assert await waiting() == 2
    async with database.begin() as conn:
        en = await happen(conn, en, replied(3))
        en = await happen(conn, en, notice(4))
        en = await happen(conn, en, HandWritten(at=NOW, message=5))
    assert await waiting() == 3
    async with database.read() as conn:
        assert await enrollments.concerned_by(conn, 4) == [en.id]
        assert await enrollments.concerned_by(conn, 99) == []


async def test_finding_enrollments(database: Database) -> None:
    async with database.begin() as conn:
        anna = await person(conn, "anna@firm.example")
        ended = await happen(conn, await enter(conn, anna), finished())
        open_one = await enter(conn, anna, sequence="other")
        ben = await happen(conn, await somebody(conn, "ben@Firm.example"), paused())
        carl = await somebody(conn, "carl@else.example")
        assert [s.enrollment for s in await enrollments.by_contact(conn, anna)] == [ended, open_one]
        assert await enrollments.active_of(conn, anna) == [open_one]
        assert await enrollments.open_at_domain(conn, "FIRM.example") == [open_one, ben]
        assert [s.enrollment for s in await enrollments.of_sequence(conn, "quote")] == [ben, carl]
        assert [s.enrollment for s in await enrollments.of_sequence(conn, "quote", after=ben.id)] == [carl]
        assert [s.enrollment for s in await enrollments.of_sequence(conn, "quote", limit=1)] == [ben]
        everybody = await enrollments.of_sequence(conn, "quote", tuple(Status))
        assert [s.enrollment for s in everybody] == [ended, ben, carl]
        counts = await enrollments.counts(conn)
    assert counts == {
        Status.ACTIVE: 2,
        Status.PAUSED: 1,
        Status.SNOOZED: 0,
        Status.STOPPED: 0,
        Status.FINISHED: 1,
    }
