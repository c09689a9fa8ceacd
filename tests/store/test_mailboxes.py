"""One owner a mailbox, under a number that only grows; and how far its folders were read."""

from __future__ import annotations

import asyncio

from sequencer.store import mailboxes
from sequencer.store.database import Database
from sequencer.store.mailboxes import Cursor, MailboxState
from tests.clock import PATIENCE
from tests.store.people import MAILBOX, NOW, later


async def _registered(database: Database) -> None:
    async with database.begin() as conn:
        await mailboxes.register(conn, [MAILBOX, "jane"], NOW)


async def _take(database: Database, owner: str, seconds: float = 60, *, evict: bool = False) -> int | None:
    async with database.begin() as conn:
        return await mailboxes.take(conn, MAILBOX, owner, seconds, evict=evict)


async def _renew(database: Database, number: int, seconds: float = 60, owner: str = "one") -> bool:
    async with database.begin() as conn:
        return MAILBOX in await mailboxes.renew_many(conn, {MAILBOX: number}, owner, seconds)


async def _held(database: Database, number: int) -> bool:
    async with database.begin() as conn:
        return await mailboxes.hold_lease(conn, MAILBOX, number)


async def test_registering_again_changes_nothing(database: Database) -> None:
    await _registered(database)
    async with database.begin() as conn:
        assert await mailboxes.set_state(conn, MAILBOX, MailboxState.HELD, "IMAP is down", NOW)
        await mailboxes.register(conn, [MAILBOX], later(days=1))
        await mailboxes.register(conn, [], NOW)
        listed = await mailboxes.listing(conn)
        unknown = await mailboxes.get(conn, "nobody")
    assert [(row.name, row.state, row.reason) for row in listed] == [
        ("jane", MailboxState.OK, ""),
        (MAILBOX, MailboxState.HELD, "IMAP is down"),
    ]
    assert unknown is None


async def test_since_moves_only_with_the_state_or_the_reason(database: Database) -> None:
    await _registered(database)
    async with database.begin() as conn:
        assert not await mailboxes.set_state(conn, MAILBOX, MailboxState.OK, "", later(hours=1))
        assert await mailboxes.set_state(conn, MAILBOX, MailboxState.HELD, "password", later(hours=2))
        assert not await mailboxes.set_state(conn, MAILBOX, MailboxState.HELD, "password", later(hours=3))
        row = await mailboxes.get(conn, MAILBOX)
        assert row is not None
        assert row.since == later(hours=2)
        assert await mailboxes.set_state(conn, MAILBOX, MailboxState.HELD, "certificate", later(hours=4))
        assert not await mailboxes.set_state(conn, "nobody", MailboxState.OK, "x", NOW)


async def test_a_mailbox_that_has_stopped_itself_stays_so_until_it_is_reopened(database: Database) -> None:
    await _registered(database)
    async with database.begin() as conn:
        await mailboxes.halt(conn, MAILBOX, {"bounces": "too many"}, "", NOW)
        await mailboxes.halt(conn, MAILBOX, {"bounces": "too many", "login": "refused"}, "seal", later(hours=1))
        assert not await mailboxes.set_state(conn, MAILBOX, MailboxState.OK, "", later(hours=2))
        row = await mailboxes.get(conn, MAILBOX)
        assert row is not None
        assert (row.state, row.reason, row.since) == (MailboxState.HALTED, "too many; refused", NOW)
        assert (row.halts, row.halted_with) == ({"bounces": "too many", "login": "refused"}, "seal")
        await mailboxes.reopen(conn, MAILBOX, later(hours=3))
        row = await mailboxes.get(conn, MAILBOX)
    assert row is not None
    assert (row.state, row.reason, row.since) == (MailboxState.OK, "", later(hours=3))
    assert (row.halts, row.halted_with, row.reopened_at) == ({}, "", later(hours=3))


async def test_the_inbox_was_read_never_moves_back(database: Database) -> None:
    await _registered(database)
    async with database.begin() as conn:
        await mailboxes.set_inbox_read(conn, MAILBOX, later(hours=1))
        await mailboxes.set_inbox_read(conn, MAILBOX, NOW)
        row = await mailboxes.get(conn, MAILBOX)
    assert row is not None
    assert row.inbox_read_at == later(hours=1)


async def test_the_owner_keeps_others_out_until_it_lets_go(database: Database) -> None:
    await _registered(database)
    first = await _take(database, "one")
    assert first == 1
    assert await _take(database, "two") is None
    assert await _held(database, 1)
    assert await _renew(database, 1)
    async with database.begin() as conn:
        await mailboxes.release_many(conn, {MAILBOX: 1}, "one")
    assert not await _renew(database, 1)
    assert not await _held(database, 1)
    assert await _take(database, "two") == 2
    async with database.begin() as conn:
        # the former owner cannot release it for the new one, nor the new one by the old number
        await mailboxes.release_many(conn, {MAILBOX: 1}, "one")
    assert await _held(database, 2)


async def test_an_expired_lease_can_be_taken_and_the_former_owner_is_told(database: Database) -> None:
    await _registered(database)
    first = await _take(database, "one", seconds=-1)
    assert first == 1
    assert await _held(database, 1)  # expired, but nobody else is there
    assert await _take(database, "two") == 2
    assert not await _held(database, 1)
    assert not await _renew(database, 1)


async def test_an_expired_lease_that_nobody_took_can_be_renewed(database: Database) -> None:
    await _registered(database)
    await _take(database, "one", seconds=-1)
    assert await _renew(database, 1)
    assert await _take(database, "two") is None


async def test_the_same_owner_and_whoever_holds_the_file_take_it_at_once(database: Database) -> None:
    await _registered(database)
    assert await _take(database, "one") == 1
    assert await _take(database, "one") == 2
    assert await _take(database, "two", evict=True) == 3
    assert await _take(database, "one") is None
    async with database.begin() as conn:
        assert await mailboxes.take(conn, "nobody", "one", 60) is None


async def test_the_lease_ends_by_the_clock_of_the_database(database: Database) -> None:
    await _registered(database)
    await _take(database, "one", seconds=3600)
    await _take(database, "one", seconds=60)
    async with database.begin() as conn:
        early = await mailboxes.get(conn, MAILBOX)
        await mailboxes.renew_many(conn, {MAILBOX: 2}, "one", 3660)
        late = await mailboxes.get(conn, MAILBOX)
    assert early is not None
    assert late is not None
    assert early.lease_until is not None
    assert late.lease_until is not None
    assert 3600 <= (late.lease_until - early.lease_until).total_seconds() < 3630


async def test_of_many_that_want_a_mailbox_one_gets_it(database: Database, database_url: str) -> None:
    await _registered(database)
    others = [await Database.open(database_url) for _ in range(4)]
    numbers = await asyncio.gather(*(_take(other, f"daemon {index}") for index, other in enumerate(others * 3)))
    for other in others:
        await other.close()
    assert sorted(number for number in numbers if number is not None) == [1]


async def test_while_a_commit_holds_the_lease_nobody_takes_it(database: Database, database_url: str) -> None:
    await _registered(database)
    await _take(database, "one", seconds=-1)
    other = await Database.open(database_url)
    async with database.begin() as conn:
        assert await mailboxes.hold_lease(conn, MAILBOX, 1)
        taking = asyncio.create_task(_take(other, "two"))
        done, _ = await asyncio.wait([taking], timeout=0.2)
        assert not done
    assert await taking == 2
    await other.close()


async def test_many_are_taken_kept_and_given_back_in_one_statement(database: Database) -> None:
    names = [f"box{number}" for number in range(6)]
    async with database.begin() as conn:
        await mailboxes.register(conn, names, NOW)
        assert await mailboxes.take_many(conn, names, "one", 60, 0) == {}
        assert await mailboxes.take_many(conn, [], "one", 60, 9) == {}
        first = await mailboxes.take_many(conn, names, "one", 60, 4)
        rest = await mailboxes.take_many(conn, names, "two", 60, 4)
        assert len(first) == 4
        assert first.keys() | rest.keys() == set(names)
        assert set(first.values()) == set(rest.values()) == {1}
        assert await mailboxes.take_many(conn, names, "three", 60, 9) == {}
        assert await mailboxes.renew_many(conn, first | rest, "one", 60) == first.keys()
        stale = dict.fromkeys(first, 0)
        assert await mailboxes.renew_many(conn, stale, "one", 60) == set()
        await mailboxes.release_many(conn, first | rest, "one")
        assert (await mailboxes.take_many(conn, names, "three", 60, 9)).keys() == first.keys()
        assert await mailboxes.owners(conn) == {name: "three" if name in first else "two" for name in names}


async def test_a_lease_that_is_being_committed_under_does_not_keep_the_others_from_being_renewed(
    database: Database, database_url: str
) -> None:
    await _registered(database)
    keeper = await Database.open(database_url)
    async with keeper.begin() as conn:
        leases = await mailboxes.take_many(conn, [MAILBOX, "jane"], "one", 60, 2)
        assert await mailboxes.renew_many(conn, leases, "one", 60) == {MAILBOX, "jane"}
    if database.dialect == "postgresql":  # on SQLite there is one writer at a time
        async with database.begin() as worker:
            assert await mailboxes.hold_lease(worker, MAILBOX, 1)
            async with asyncio.timeout(PATIENCE), keeper.begin() as conn:
                assert await mailboxes.renew_many(conn, leases, "one", 60) == {"jane"}
                assert await mailboxes.held(conn, leases, "one") == {MAILBOX, "jane"}
    async with keeper.begin() as conn:
        assert await mailboxes.held(conn, {MAILBOX: 1, "jane": 2}, "one") == {MAILBOX}
        assert await mailboxes.held(conn, leases, "two") == set()
    await keeper.close()


async def test_who_had_to_wait_longest_is_taken_first_and_an_own_lease_again(database: Database) -> None:
    async with database.begin() as conn:
        await mailboxes.register(conn, ["a", "b", "c"], NOW)
        await mailboxes.take_many(conn, ["a"], "dead", -10, 1)
        await mailboxes.take_many(conn, ["b"], "dead", -20, 1)
        assert await mailboxes.owners(conn) == {}
        assert list(await mailboxes.take_many(conn, ["a", "b", "c"], "one", 60, 1)) == ["c"]
        assert list(await mailboxes.take_many(conn, ["a", "b"], "one", 60, 1)) == ["b"]
        assert await mailboxes.take_many(conn, ["b"], "one", 60, 1) == {"b": 3}
        assert await mailboxes.take_many(conn, ["b"], "two", 60, 1, evict=True) == {"b": 4}


async def test_one_that_is_committed_under_is_left_alone_for_now(database: Database, database_url: str) -> None:
    """Whoever looks for free mailboxes does not wait for one whose former owner is just committing."""
    if database.dialect == "sqlite":
        return  # one writer
    await _registered(database)
    await _take(database, "one", seconds=-1)
    other = await Database.open(database_url)
    async with database.begin() as conn:
        assert await mailboxes.hold_lease(conn, MAILBOX, 1)
        async with other.begin() as beside:
            assert await mailboxes.take_many(beside, [MAILBOX, "jane"], "two", 60, 9) == {"jane": 1}
    async with other.begin() as beside:
        assert await mailboxes.take_many(beside, [MAILBOX, "jane"], "two", 60, 9) == {MAILBOX: 2, "jane": 2}
    await other.close()


async def test_how_far_a_folder_was_read(database: Database) -> None:
    await _registered(database)
    async with database.begin() as conn:
        assert await mailboxes.cursor(conn, MAILBOX, "INBOX") is None
        await mailboxes.set_cursor(conn, MAILBOX, "INBOX", Cursor(2**32 - 1, 2**32 - 1, NOW))
        await mailboxes.set_cursor(conn, MAILBOX, "Entwürfe & mehr", Cursor(1, 2))
        await mailboxes.set_cursor(conn, "jane", "INBOX", Cursor(5, 6, NOW))
        assert await mailboxes.cursor(conn, MAILBOX, "INBOX") == Cursor(2**32 - 1, 2**32 - 1, NOW)
        await mailboxes.set_cursor(conn, MAILBOX, "INBOX", Cursor(7, 0, later(hours=1)))
        assert await mailboxes.cursor(conn, MAILBOX, "INBOX") == Cursor(7, 0, later(hours=1))
        assert await mailboxes.cursor(conn, MAILBOX, "Entwürfe & mehr") == Cursor(1, 2, None)
        assert await mailboxes.cursor(conn, "jane", "INBOX") == Cursor(5, 6, NOW)
