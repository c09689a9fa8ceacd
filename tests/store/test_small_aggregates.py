"""Definitions, tasks and what was set aside."""

from __future__ import annotations

import asyncio

from sequencer.store import definitions, set_aside, tasks
from sequencer.store.database import Database
from sequencer.store.tasks import TaskStatus
from tests.store.people import NOW, later, somebody

# Definitions --------------------------------------------------------------------------------------


async def test_every_version_is_kept_and_the_last_applied_one_is_live(database: Database) -> None:
    async with database.begin() as conn:
        await definitions.keep(conn, "quote", "v1", "about: ä\n", NOW)
        await definitions.keep(conn, "quote", "v2", "about: b\n", later(days=1))
        await definitions.keep(conn, "other", "v1", "about: c\n", NOW)
        assert await definitions.live(conn) == {"quote": "v2", "other": "v1"}
        await definitions.keep(conn, "quote", "v1", "ignored", later(days=2))  # the file was changed back
        assert await definitions.live(conn) == {"quote": "v1", "other": "v1"}
        assert await definitions.text_of(conn, "quote", "v1") == "about: ä\n"
        assert await definitions.text_of(conn, "quote", "v2") == "about: b\n"
        assert await definitions.text_of(conn, "quote", "v3") is None
        history = await definitions.history(conn, "quote")
    assert [(kept.version, kept.kept_at, kept.applied_at) for kept in history] == [
        ("v1", NOW, later(days=2)),
        ("v2", later(days=1), later(days=1)),
    ]


# Tasks --------------------------------------------------------------------------------------------


async def test_a_task_is_open_until_it_is_done_once(database: Database) -> None:
    async with database.begin() as conn:
        enrollment = await somebody(conn)
        first = await tasks.create(conn, enrollment.id, "call", "call", "Mention the ☎", later(days=1), NOW)
        second = await tasks.create(conn, enrollment.id, "card", "card", "", NOW, NOW)
        assert [task.id for task in await tasks.listing(conn)] == [second, first]
        assert await tasks.done(conn, first, "spoke", "mark", later(days=2))
        assert not await tasks.done(conn, first, "again", "anna", later(days=3))
        assert not await tasks.done(conn, 999, "", "", NOW)
        done = await tasks.get(conn, first)
        everything = await tasks.listing(conn, everything=True)
    assert done == tasks.Task(
        id=first,
        enrollment_id=enrollment.id,
        contact_id=enrollment.contact_id,
        sequence="quote",
        mailbox="mark",
        step="call",
        kind="call",
        note="Mention the ☎",
        status=TaskStatus.DONE,
        outcome="spoke",
        done_by="mark",
        due_at=later(days=1),
        created_at=NOW,
        done_at=later(days=2),
    )
    assert [task.id for task in everything] == [second, first]


async def test_a_plan_that_ends_drops_its_open_tasks(database: Database) -> None:
    async with database.begin() as conn:
        enrollment, other = await somebody(conn), await somebody(conn, "ben@example.com")
        done = await tasks.create(conn, enrollment.id, "a", "call", "", NOW, NOW)
        dropped = await tasks.create(conn, enrollment.id, "b", "call", "", NOW, NOW)
        kept = await tasks.create(conn, other.id, "b", "call", "", NOW, NOW)
        await tasks.done(conn, done, "spoke", "mark", NOW)
        assert await tasks.drop(conn, enrollment.id, "unsubscribed", NOW) == 1
        statuses = {task.id: task.status for task in await tasks.listing(conn, everything=True)}
    assert statuses == {done: TaskStatus.DONE, dropped: TaskStatus.DROPPED, kept: TaskStatus.OPEN}


async def test_of_two_who_finish_a_task_at_once_one_is_first(database: Database, database_url: str) -> None:
    async with database.begin() as conn:
        task_id = await tasks.create(conn, (await somebody(conn)).id, "a", "call", "", NOW, NOW)
    other = await Database.open(database_url)

    async def finish(through: Database, by: str) -> bool:
        async with through.begin() as conn:
            return await tasks.done(conn, task_id, "spoke", by, NOW)

    answers = await asyncio.gather(finish(database, "mark"), finish(other, "anna"))
    await other.close()
    assert sorted(answers) == [False, True]


# Set aside ----------------------------------------------------------------------------------------


async def test_what_was_set_aside_stays_until_it_is_cleared(database: Database) -> None:
    raw = bytes(range(256)) * 100
    async with database.begin() as conn:
        first = await set_aside.add(conn, "mark", "INBOX 7", "not a mail", NOW, raw)
        second = await set_aside.add(conn, "mark", "INBOX 8", "nor this", later(hours=1))
        assert await set_aside.raw_of(conn, first) == raw
        assert await set_aside.raw_of(conn, second) == b""
        assert await set_aside.raw_of(conn, 999) is None
        assert [item.id for item in await set_aside.listing(conn)] == [second, first]
        assert await set_aside.clear(conn, second, NOW)
        assert not await set_aside.clear(conn, second, NOW)
        (item,) = await set_aside.listing(conn)
    assert (item.mailbox, item.what, item.error, item.created_at) == ("mark", "INBOX 7", "not a mail", NOW)
