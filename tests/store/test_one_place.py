"""One active sequence a contact, without a race, and without ever standing in the way of a late reply."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy.exc import IntegrityError

from sequencer.core.model import Enrollment, Status
from sequencer.store import enrollments, tables
from sequencer.store.database import Database
from sequencer.store.enrollments import NewEnrollment, Occupied
from tests.store.people import NOW, change, enrolled, enter, finished, happen, paused, person, somebody, stopped


async def _places(database: Database, *ids: int) -> list[bool]:
    async with database.read() as conn:
        found = await enrollments.by_ids(conn, ids)
    return [found[i].exclusive for i in ids]


async def test_a_second_sequence_is_refused_until_the_first_ends(database: Database) -> None:
    async with database.begin() as conn:
        anna = await person(conn)
        first = await enter(conn, anna)
        other = enrolled(anna, sequence="other")
        assert await enrollments.create(conn, other, "v1", wake_at=NOW) == Occupied(first.id)
        first = await happen(conn, first, paused())
        assert await enrollments.create(conn, other, "v1", wake_at=NOW) == Occupied(first.id)
        await happen(conn, first, stopped())
        second = await enter(conn, anna, sequence="other")
        assert await enrollments.active_of(conn, anna) == [second]


async def test_a_sequence_that_runs_alongside_neither_waits_nor_keeps_others_out(database: Database) -> None:
    async with database.begin() as conn:
        anna = await person(conn)
        beside = await enter(conn, anna, sequence="birthday", alone=False)
        alone = await enter(conn, anna)
        again = await enter(conn, anna, sequence="season", alone=False)
    assert await _places(database, beside.id, alone.id, again.id) == [False, True, False]


async def test_the_same_contact_twice_in_a_batch_enters_once(database: Database) -> None:
    async with database.begin() as conn:
        anna, ben = await person(conn), await person(conn, "ben@example.com")
        first, refused, other, beside = await enrollments.create_many(
            conn,
            [
                NewEnrollment(enrolled(anna), "v1", NOW),
                NewEnrollment(enrolled(anna, sequence="other"), "v1", NOW),
                NewEnrollment(enrolled(ben), "v1", NOW),
                NewEnrollment(enrolled(anna, sequence="birthday"), "v1", NOW, alone=False),
            ],
        )
    assert isinstance(first, Enrollment)
    assert isinstance(other, Enrollment)
    assert isinstance(beside, Enrollment)
    assert refused == Occupied(first.id)


async def test_of_many_at_once_one_enters(database: Database, database_url: str) -> None:
    async with database.begin() as conn:
        people = [await person(conn, f"p{number}@example.com") for number in range(10)]
    others = [await Database.open(database_url) for _ in range(3)]

    async def enter_all(through: Database, order: list[int]) -> list[Enrollment | Occupied]:
        async with through.begin() as conn:
            return await enrollments.create_many(conn, [NewEnrollment(enrolled(i), "v1", NOW) for i in order])

    answers = await asyncio.gather(*(enter_all(o, people[::step]) for o in others for step in (1, -1)))
    for other in others:
        await other.close()
    entered = [one.contact_id for batch in answers for one in batch if isinstance(one, Enrollment)]
    assert sorted(entered) == people
    assert sum(isinstance(one, Occupied) for batch in answers for one in batch) == 50


async def test_a_late_reply_reopens_an_ended_one_which_takes_the_free_place(database: Database) -> None:
    async with database.begin() as conn:
        anna = await person(conn)
        en = await happen(conn, await enter(conn, anna), finished())
        en = await happen(conn, en, paused())
        refused = await enrollments.create(conn, enrolled(anna, sequence="other"), "v1", wake_at=NOW)
    assert refused == Occupied(en.id)
    assert await _places(database, en.id) == [True]


async def test_reopening_never_fails_while_a_newer_one_holds_the_place(database: Database) -> None:
    async with database.begin() as conn:
        anna = await person(conn)
        old = await happen(conn, await enter(conn, anna), finished())
        new = await enter(conn, anna, sequence="other")
        old = await happen(conn, old, paused())
    assert await _places(database, old.id, new.id) == [False, True]
    async with database.begin() as conn:
        await happen(conn, new, stopped())
        refused = await enrollments.create(conn, enrolled(anna, sequence="third"), "v1", wake_at=NOW)
        assert refused == Occupied(old.id)  # somebody is still talking to them
        old = await happen(conn, old, stopped())
        third = await enter(conn, anna, sequence="third")
        old = await happen(conn, old, paused())
    assert await _places(database, old.id, third.id) == [False, True]


async def test_two_old_ones_of_one_contact_may_come_back_in_one_batch(database: Database) -> None:
    async with database.begin() as conn:
        anna = await person(conn)
        one = await happen(conn, await enter(conn, anna), finished())
        two = await happen(conn, await enter(conn, anna, sequence="other"), finished())
        assert await enrollments.append_many(conn, [change(one, paused()), change(two, paused())]) == set()
    assert sorted(await _places(database, one.id, two.id)) == [False, True]


async def test_one_that_runs_alongside_comes_back_without_asking(database: Database) -> None:
    async with database.begin() as conn:
        anna = await person(conn)
        beside = await happen(conn, await enter(conn, anna, alone=False), finished())
        alone = await enter(conn, anna, sequence="other")
        beside = await happen(conn, beside, paused())
    assert beside.status is Status.PAUSED
    assert await _places(database, beside.id, alone.id) == [False, True]


async def test_reopening_and_entering_at_once_end_with_one_place_taken(database: Database, database_url: str) -> None:
    async with database.begin() as conn:
        ended = [await happen(conn, await somebody(conn, f"p{n}@example.com"), finished()) for n in range(12)]
    other = await Database.open(database_url)

    async def reopen(through: Database) -> None:
        for one in ended:
            async with through.begin() as conn:
                assert await enrollments.append_many(conn, [change(one, paused())]) == set()

    async def enter_again(through: Database) -> list[Enrollment | Occupied]:
        answers = []
        for one in reversed(ended):
            async with through.begin() as conn:
                event = enrolled(one.contact_id, sequence="other")
                answers.append(await enrollments.create(conn, event, "v1", wake_at=NOW))
        return answers

    _, answers = await asyncio.gather(reopen(database), enter_again(other))
    await other.close()
    async with database.read() as conn:
        for one, answer in zip(reversed(ended), answers, strict=True):
            standings = await enrollments.by_contact(conn, one.contact_id)
            assert sum(standing.exclusive for standing in standings) == 1
            assert len(standings) == (1 if isinstance(answer, Occupied) else 2)


async def test_the_index_is_the_second_line_of_defence(database: Database) -> None:
    async with database.begin() as conn:
        anna = await person(conn)
        await enter(conn, anna)
        beside = await enter(conn, anna, sequence="other", alone=False)
    with pytest.raises(IntegrityError):
        await _force(database, beside.id)


async def _force(database: Database, enrollment_id: int) -> None:
    async with database.begin() as conn:
        t = tables.enrollments
        await conn.execute(t.update().where(t.c.id == enrollment_id).values(exclusive=True))
