"""Attempts: committed under the lease, finished once, found again by whoever takes over."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from sequencer.store import attempts, enrollments, mailboxes, sent_copies
from sequencer.store.attempts import Attempt, AttemptState, NewAttempt, Outcome
from sequencer.store.database import Database
from sequencer.store.mailboxes import LeaseLost
from tests.store.people import MAILBOX, NOW, change, later, leased, letter, somebody, started


async def _start(conn: AsyncConnection, number: int, *rows: NewAttempt) -> tuple[int, ...]:
    ids = await attempts.start_many(conn, MAILBOX, number, rows)
    assert not isinstance(ids, LeaseLost)
    return ids


async def _state(conn: AsyncConnection, attempt_id: int) -> AttemptState:
    attempt = await attempts.get(conn, attempt_id)
    assert attempt is not None
    return attempt.state


async def test_an_attempt_keeps_its_exact_bytes_and_its_outcome(database: Database) -> None:
    data = bytes(range(256)) * 40
    async with database.begin() as conn:
        number = await leased(conn)
        en = await somebody(conn)
        new = letter(en.id, "<1.thanks.a.b@example.org>", data=data, variant="b", template="thanks-b", subject="Grüße")
        (attempt_id,) = await _start(conn, number, new)
        assert await _state(conn, attempt_id) is AttemptState.STARTED
        await attempts.finish_many(
            conn, [Outcome(attempt_id, AttemptState.ACCEPTED, "250 2.0.0 Ok: queued", later(seconds=1))]
        )
        found = await attempts.get(conn, attempt_id)
        assert await attempts.bytes_of(conn, attempt_id) == data
        assert await attempts.bytes_of(conn, 999) is None
        assert await attempts.get(conn, 999) is None
        assert await attempts.of_enrollment(conn, en.id) == [found]
        assert await attempts.by_message_id(conn, "1.thanks.a.b@example.org") == found
    assert found == Attempt(
        id=attempt_id,
        enrollment_id=en.id,
        mailbox=MAILBOX,
        step="thanks",
        variant="b",
        template="thanks-b",
        message_id="1.thanks.a.b@example.org",
        recipient="anna@example.com",
        subject="Grüße",
        lease_number=number,
        state=AttemptState.ACCEPTED,
        answer="250 2.0.0 Ok: queued",
        started_at=NOW,
        finished_at=later(seconds=1),
    )


async def test_the_ids_come_in_the_order_of_the_rows(database: Database) -> None:
    async with database.begin() as conn:
        number = await leased(conn)
        people = [await somebody(conn, f"p{n}@example.com") for n in range(64)]
        rows = [letter(en.id, f"<{en.id}@example.org>") for en in reversed(people)]
        ids = await _start(conn, number, *rows)
        found = [await attempts.get(conn, attempt_id) for attempt_id in ids]
        assert await _start(conn, number) == ()
    assert [attempt.enrollment_id for attempt in found if attempt] == [en.id for en in reversed(people)]


async def test_under_a_lost_lease_nothing_is_written(database: Database) -> None:
    async with database.begin() as conn:
        number = await leased(conn)
        en = await somebody(conn)
        assert await mailboxes.take(conn, MAILBOX, "another", 60, evict=True) == number + 1
        assert await attempts.start_many(conn, MAILBOX, number, [letter(en.id)]) == LeaseLost(MAILBOX)
        assert await attempts.start_many(conn, "nobody", 0, [letter(en.id)]) == LeaseLost("nobody")
        assert await attempts.of_enrollment(conn, en.id) == []


async def test_a_frozen_worker_that_wakes_up_after_a_takeover_commits_nothing(
    database: Database, database_url: str
) -> None:
    """Its transaction began under its lease; the lease changes hands before it compares."""
    async with database.begin() as conn:
        number = await leased(conn)
        en = await somebody(conn)
    if database.dialect == "sqlite":
        await _take_over(database)
        async with database.begin() as conn:
            assert isinstance(await attempts.start_many(conn, MAILBOX, number, [letter(en.id)]), LeaseLost)
        return
    other = await Database.open(database_url)
    async with database.begin() as conn:
        assert await enrollments.outrun(conn, {en.id: 1}) == set()
        await _take_over(other)
        assert isinstance(await attempts.start_many(conn, MAILBOX, number, [letter(en.id)]), LeaseLost)
    await other.close()


async def _take_over(database: Database) -> None:
    async with database.begin() as conn:
        assert await mailboxes.take(conn, MAILBOX, "another", 60, evict=True) is not None


async def test_a_takeover_waits_for_the_commit_and_then_sees_the_attempt(database: Database, database_url: str) -> None:
    async with database.begin() as conn:
        number = await leased(conn)
        en = await somebody(conn)
    other = await Database.open(database_url)

    async def take_over() -> list[Attempt]:
        async with other.begin() as conn:
            mine = await mailboxes.take(conn, MAILBOX, "another", 60, evict=True)
            assert mine is not None
            return await attempts.orphans(conn, MAILBOX, before=mine)

    async with database.begin() as conn:
        (attempt_id,) = await _start(conn, number, letter(en.id))
        taking = asyncio.create_task(take_over())
        done, _ = await asyncio.wait([taking], timeout=0.2)
        assert not done
    assert [orphan.id for orphan in await taking] == [attempt_id]
    await other.close()


async def test_orphans_are_those_of_earlier_leases_without_an_outcome(database: Database) -> None:
    async with database.begin() as conn:
        number = await leased(conn)
        people = [await somebody(conn, f"p{n}@example.com") for n in range(3)]
        ids = await _start(conn, number, *(letter(en.id, f"<{en.id}@example.org>") for en in people[:2]))
        await attempts.finish_many(conn, [Outcome(ids[0], AttemptState.ACCEPTED, "", NOW)])
        assert await attempts.orphans(conn, MAILBOX, before=number) == []
        await mailboxes.take(conn, MAILBOX, "another", 60, evict=True)
        await _start(conn, number + 1, letter(people[2].id, "<3@example.org>"))
        orphans = await attempts.orphans(conn, MAILBOX, before=number + 1)
        assert await attempts.orphans(conn, "jane", before=99) == []
    assert [orphan.id for orphan in orphans] == [ids[1]]


async def test_doubt_is_listed_until_it_is_resolved_and_an_outcome_is_final(database: Database) -> None:
    async with database.begin() as conn:
        number = await leased(conn)
        people = [await somebody(conn, f"p{n}@example.com") for n in range(4)]
        a, b, c, d = await _start(conn, number, *(letter(en.id, f"<{en.id}@example.org>") for en in people))
        doubt = [Outcome(i, AttemptState.IN_DOUBT, "connection lost", NOW) for i in (d, c, b, a)]
        await attempts.finish_many(conn, doubt)
        assert [attempt.id for attempt in await attempts.in_doubt(conn, MAILBOX)] == [a, b, c, d]
        assert await attempts.in_doubt_counts(conn) == {MAILBOX: 4}
        await attempts.finish_many(
            conn,
            [
                Outcome(a, AttemptState.ACCEPTED, "found in Sent", NOW),
                Outcome(b, AttemptState.NOT_DELIVERED, "not in Sent", NOW),
                Outcome(c, AttemptState.REJECTED, "bounced", NOW),
            ],
        )
        assert await attempts.in_doubt_counts(conn) == {MAILBOX: 1}
        await attempts.finish_many(conn, doubt)  # a frozen process that wakes up cannot bring the doubt back
        states = [await _state(conn, i) for i in (a, b, c, d)]
        await attempts.finish_many(conn, [])
    assert states == [
        AttemptState.ACCEPTED,
        AttemptState.NOT_DELIVERED,
        AttemptState.REJECTED,
        AttemptState.IN_DOUBT,
    ]


@pytest.mark.parametrize("brief", [False, True])
async def test_one_enrollment_cannot_have_two_messages_in_flight(database: Database, brief: bool) -> None:
    async with database.begin(brief=brief) as conn:
        number = await leased(conn)
        en = await somebody(conn)
        await _start(conn, number, letter(en.id, "<1@example.org>"))
    with pytest.raises(IntegrityError):
        await _start_alone(database, number, letter(en.id, "<2@example.org>"), brief=brief)
    async with database.begin(brief=brief) as conn:
        assert len(await attempts.of_enrollment(conn, en.id)) == 1


async def test_a_message_id_can_be_tried_again_but_not_be_delivered_twice(database: Database) -> None:
    async with database.begin() as conn:
        number = await leased(conn)
        en, other = await somebody(conn), await somebody(conn, "ben@example.com")
        (first,) = await _start(conn, number, letter(en.id, "<1@example.org>"))
        await attempts.finish_many(conn, [Outcome(first, AttemptState.DEFERRED, "451 later", NOW)])
        (second,) = await _start(conn, number, letter(en.id, "<1@example.org>"))
        await attempts.finish_many(conn, [Outcome(second, AttemptState.ACCEPTED, "250 ok", NOW)])
        found = await attempts.by_message_id(conn, "<1@example.org>")
    assert found is not None
    assert found.id == second
    for enrollment_id in (en.id, other.id):
        with pytest.raises(IntegrityError):
            await _start_alone(database, number, letter(enrollment_id, "<1@example.org>"))


async def _start_alone(database: Database, number: int, row: NewAttempt, *, brief: bool = False) -> None:
    async with database.begin(brief=brief) as conn:
        await _start(conn, number, row)


async def test_the_pace_counts_what_may_have_left(database: Database) -> None:
    outcomes = [s for s in AttemptState if s is not AttemptState.STARTED]
    async with database.begin() as conn:
        number = await leased(conn)
        assert await attempts.first_sent(conn, MAILBOX) is None
        for minute, state in enumerate([*outcomes, AttemptState.STARTED]):
            en = await somebody(conn, f"p{minute}@example.com")
            (i,) = await _start(
                conn, number, letter(en.id, f"<{minute}@example.org>", started_at=later(minutes=minute))
            )
            if state is not AttemptState.STARTED:
                await attempts.finish_many(conn, [Outcome(i, state, "", NOW)])
        minutes = {state: later(minutes=minute) for minute, state in enumerate([*outcomes, AttemptState.STARTED])}
        counted = [minutes[AttemptState.ACCEPTED], minutes[AttemptState.IN_DOUBT], minutes[AttemptState.STARTED]]
        assert await attempts.sent_since(conn, MAILBOX, NOW) == counted
        assert await attempts.sent_since(conn, MAILBOX, counted[1]) == counted[1:]
        assert await attempts.sent_since(conn, "jane", NOW) == []
        assert await attempts.first_sent(conn, MAILBOX) == counted[0]


async def test_the_attempt_and_its_event_are_committed_together_or_not_at_all(database: Database) -> None:
    async with database.begin() as conn:
        number = await leased(conn)
        en = await somebody(conn)
    with pytest.raises(LookupError):
        await _start_and_fail(database, number, en.id)
    async with database.read() as conn:
        assert await attempts.of_enrollment(conn, en.id) == []
        assert len(await enrollments.events_of(conn, en.id)) == 1


async def _start_and_fail(database: Database, number: int, enrollment_id: int) -> None:
    async with database.begin() as conn:
        (attempt_id,) = await _start(conn, number, letter(enrollment_id))
        en = await enrollments.get(conn, enrollment_id)
        assert en is not None
        assert await enrollments.append_many(conn, [change(en, started(attempt_id, "<1@example.org>"))]) == set()
        raise LookupError


# Copies in Sent -----------------------------------------------------------------------------------


async def test_a_copy_waits_from_the_outcome_until_it_is_made(database: Database) -> None:
    async with database.begin() as conn:
        number = await leased(conn)
        people = [await somebody(conn, f"p{n}@example.com") for n in range(4)]
        a, b, c, d = await _start(
            conn, number, *(letter(en.id, f"<{en.id}@example.org>", data=b"%d" % en.id) for en in people)
        )
        assert await sent_copies.pending(conn, MAILBOX) == []
        await attempts.finish_many(
            conn,
            [
                Outcome(a, AttemptState.ACCEPTED, "", NOW, copy=True),
                Outcome(b, AttemptState.IN_DOUBT, "", NOW, copy=True),
                Outcome(c, AttemptState.ACCEPTED, "", NOW),
                Outcome(d, AttemptState.ACCEPTED, "", NOW, copy=True),
            ],
        )
        waiting = await sent_copies.pending(conn, MAILBOX)
        assert [(copy.attempt, copy.message_id, copy.data) for copy in waiting] == [
            (i, f"{en.id}@example.org", b"%d" % en.id) for i, en in ((a, people[0]), (b, people[1]), (d, people[3]))
        ]
        assert [copy.attempt for copy in await sent_copies.pending(conn, MAILBOX, limit=1)] == [a]
        await sent_copies.done(conn, [a, d])
        await sent_copies.failed(conn, b, "no Sent folder", give_up=False)
        (copy,) = await sent_copies.pending(conn, MAILBOX)
        assert (copy.attempt, copy.tries) == (b, 1)
        assert await sent_copies.given_up(conn, MAILBOX) == 0
        await sent_copies.failed(conn, b, "no Sent folder", give_up=True)
        assert await sent_copies.pending(conn, MAILBOX) == []
        assert await sent_copies.given_up(conn, MAILBOX) == 1
        assert await sent_copies.pending(conn, "jane") == []
