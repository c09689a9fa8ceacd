"""Once unsubscribed, for ever: matched by hash, in any spelling, for addresses and domains."""

from __future__ import annotations

from sqlalchemy import select

from sequencer.store import suppressions, tables
from sequencer.store.database import Database
from tests.store.people import NOW, later


async def test_an_address_is_matched_in_any_spelling_and_nothing_else_is(database: Database) -> None:
    async with database.begin() as conn:
        assert await suppressions.add(conn, " Anna@Example.com ", "unsubscribed", "reply", NOW)
        assert not await suppressions.add(conn, "anna@example.com", "other", "cli", NOW)
        reasons = await suppressions.reasons_for(
            conn, ["ANNA@EXAMPLE.COM", "anna@example.com", "hanna@example.com", "anna@sub.example.com", "example.com"]
        )
    assert reasons == {"ANNA@EXAMPLE.COM": "unsubscribed", "anna@example.com": "unsubscribed"}


async def test_a_domain_stops_everybody_there_and_nobody_elsewhere(database: Database) -> None:
    async with database.begin() as conn:
        await suppressions.add(conn, "@Firm.example", "competitor", "cli", NOW)
        reasons = await suppressions.reasons_for(
            conn, ["a@firm.example", "B@FIRM.EXAMPLE", "c@sub.firm.example", "d@affirm.example"]
        )
    assert reasons == {"a@firm.example": "competitor", "B@FIRM.EXAMPLE": "competitor"}


async def test_the_reason_of_the_address_goes_before_that_of_the_domain(database: Database) -> None:
    async with database.begin() as conn:
        await suppressions.add(conn, "@firm.example", "competitor", "cli", NOW)
        await suppressions.add(conn, "a@firm.example", "complaint", "notice", NOW)
        assert await suppressions.reason_for(conn, "a@firm.example") == "complaint"


async def test_without_a_reason_it_is_still_suppressed(database: Database) -> None:
    async with database.begin() as conn:
        await suppressions.add(conn, "a@example.com", "", "", NOW)
        assert await suppressions.reason_for(conn, "a@example.com") == "suppressed"


async def test_lifting_and_listing(database: Database) -> None:
    async with database.begin() as conn:
        await suppressions.add(conn, "a@example.com", "one", "cli", NOW)
        await suppressions.add(conn, "@b.example", "two", "reply", later(days=1))
        listed = [(item.target, item.reason, item.source, item.created_at) for item in await suppressions.listing(conn)]
        assert await suppressions.remove(conn, "A@example.com")
        assert not await suppressions.remove(conn, "a@example.com")
        assert await suppressions.reason_for(conn, "a@example.com") is None
    assert listed == [("@b.example", "two", "reply", later(days=1)), ("a@example.com", "one", "cli", NOW)]


async def test_an_erased_address_is_gone_and_still_matches_also_after_it_comes_back(database: Database) -> None:
    async with database.begin() as conn:
        await suppressions.add(conn, "Anna@example.com", "unsubscribed", "reply", NOW)
        await suppressions.forget(conn, "anna@example.com")
        await suppressions.add(conn, "anna@example.com", "import", "cli", NOW)
        assert await suppressions.reason_for(conn, "anna@example.com") == "unsubscribed"
        rows = (await conn.execute(select(tables.suppressions))).all()
    assert len(rows) == 1
    assert "anna" not in str(rows[0]).lower()


async def test_the_hash_is_keyed(database: Database) -> None:
    async with database.begin() as conn:
        await suppressions.add(conn, "anna@example.com", "x", "y", NOW)
        first = await conn.scalar(select(tables.suppressions.c.hash))
        await conn.execute(tables.secrets.update().values(value=b"k" * 32))
        await conn.commit()
    await database.writer.dispose()  # connections remember the key, which never changes in life
    async with database.begin() as conn:
        await suppressions.add(conn, "anna@example.com", "x", "y", NOW)
        hashes = set(await conn.scalars(select(tables.suppressions.c.hash)))
    assert len(hashes) == 2
    assert first in hashes


async def test_a_thousand_addresses_are_checked_at_once(database: Database) -> None:
    addresses = [f"p{number}@d{number}.example" for number in range(1000)]
    async with database.begin() as conn:
        await suppressions.add(conn, addresses[7], "a", "", NOW)
        await suppressions.add(conn, "@d9.example", "d", "", NOW)
        assert await suppressions.reasons_for(conn, addresses) == {addresses[7]: "a", addresses[9]: "d"}
        assert await suppressions.reasons_for(conn, []) == {}
