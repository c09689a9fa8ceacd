"""Contacts: created once, updated after, found in any spelling."""

from __future__ import annotations

import asyncio
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sequencer.store import contacts, enrollments, suppressions
from sequencer.store.addresses import bare, normal
from sequencer.store.columns import clean
from sequencer.store.contacts import Defaults, Incoming
from sequencer.store.database import Database
from tests.store.people import NOW, enter, happen, later, person, stopped

HERE = Defaults("America/Denver", "US", "en")


async def test_a_contact_is_created_then_unchanged_then_updated(database: Database) -> None:
    async with database.begin() as conn:
        first = await contacts.upsert(conn, "Anna@Example.com", {"name": "Anna"}, "Europe/Paris", None, None, NOW)
        second = await contacts.upsert(conn, "anna@example.COM ", {"name": "Anna"}, None, None, None, NOW)
        third = await contacts.upsert(conn, "anna@example.com", {"phone": "1"}, None, "fr", "FR", NOW)
        found = await contacts.by_id(conn, first.id, HERE)
    assert [answer.outcome for answer in (first, second, third)] == ["created", "unchanged", "updated"]
    assert first.id == second.id == third.id
    assert found is not None
    assert found.email == "Anna@Example.com"
    assert found.fields == {"name": "Anna", "phone": "1"}
    assert (found.timezone, found.holidays, found.language) == ("Europe/Paris", "FR", "fr")


async def test_what_is_not_said_is_the_workspaces_default_and_empty_holidays_are_none_at_all(
    database: Database,
) -> None:
    async with database.begin() as conn:
        contact_id = await person(conn)
        silent = await contacts.by_id(conn, contact_id, HERE)
        await contacts.upsert(conn, "anna@example.com", {}, None, None, "", NOW)
        without = await contacts.by_id(conn, contact_id, HERE)
    assert silent is not None
    assert (silent.timezone, silent.holidays, silent.language) == ("America/Denver", "US", "en")
    assert without is not None
    assert without.holidays == ""


async def test_a_field_set_to_none_is_removed(database: Database) -> None:
    async with database.begin() as conn:
        contact_id = await person(conn, fields={"a": 1, "b": date(2026, 1, 2)})
        answer = await contacts.upsert(conn, "anna@example.com", {"a": None}, None, None, None, NOW)
        found = await contacts.by_id(conn, contact_id)
    assert answer.outcome == "updated"
    assert found is not None
    assert found.fields == {"b": date(2026, 1, 2)}


async def test_a_batch_answers_row_by_row_and_counts_an_address_once(database: Database) -> None:
    async with database.begin() as conn:
        known = await person(conn, "known@example.com", {"n": 1})
        answers = await contacts.upsert_many(
            conn,
            [
                Incoming("new@example.com", {"n": 1}),
                Incoming("known@example.com", {"n": 1}),
                Incoming("NEW@example.com", {"n": 2}),
                Incoming("Known@example.com", {"n": 2}),
                Incoming("new@example.com", {"n": 2}),
            ],
            NOW,
        )
        by_email = await contacts.by_emails(conn, ["new@example.com", "KNOWN@example.com", "none@example.com"])
        count = await contacts.count(conn)
    assert [answer.outcome for answer in answers] == ["created", "unchanged", "updated", "updated", "unchanged"]
    assert answers[0].id == answers[2].id == answers[4].id
    assert answers[1].id == answers[3].id == known
    assert {email: contact.fields for email, contact in by_email.items()} == {
        "new@example.com": {"n": 2},
        "KNOWN@example.com": {"n": 2},
    }
    assert count == 2


async def test_a_large_batch_is_taken_whole(database: Database) -> None:
    rows = [Incoming(f"p{number}@example.com", {"number": number}) for number in range(2500)]
    async with database.begin() as conn:
        first = await contacts.upsert_many(conn, rows, NOW)
        second = await contacts.upsert_many(conn, rows, NOW)
        found = await contacts.by_ids(conn, [answer.id for answer in first])
    assert {answer.outcome for answer in first} == {"created"}
    assert {answer.outcome for answer in second} == {"unchanged"}
    assert all(found[answer.id].fields["number"] == number for number, answer in enumerate(first))


async def test_two_imports_of_the_same_people_at_once_create_each_once(database: Database, database_url: str) -> None:
    other = await Database.open(database_url)
    rows = [Incoming(f"p{number}@example.com", {"number": number}) for number in range(200)]

    async def bring_in(through: Database, batch: list[Incoming]) -> list[contacts.Upserted]:
        async with through.begin() as conn:
            return await contacts.upsert_many(conn, batch, NOW)

    one, two = await asyncio.gather(bring_in(database, rows), bring_in(other, rows[::-1]))
    await other.close()
    async with database.read() as conn:
        assert await contacts.count(conn) == 200
    assert sorted(answer.id for answer in one) == sorted(answer.id for answer in two)
    assert sorted(answer.outcome for answer in one + two) == ["created"] * 200 + ["unchanged"] * 200


async def test_everybody_in_pages(database: Database) -> None:
    async with database.begin() as conn:
        ids = [await person(conn, address) for address in ("a@Firm.example", "b@firm.example", "c@sub.firm.example")]
        pages = [await contacts.listing(conn, after=after, limit=2) for after in (0, ids[1], ids[2])]
    assert [[contact.id for contact in page] for page in pages] == [ids[:2], ids[2:], []]


async def test_the_names_of_all_fields(database: Database) -> None:
    async with database.begin() as conn:
        assert await contacts.field_names(conn) == frozenset()
        await person(conn, "a@example.com", {"name": "A", "größe": 1})
        await person(conn, "b@example.com", {"name": "B", "quote_date": date(2026, 1, 1)})
        await person(conn, "c@example.com")
        names = await contacts.field_names(conn)
    assert names == {"name", "größe", "quote_date"}


async def test_the_last_touch_only_moves_forward(database: Database) -> None:
    async with database.begin() as conn:
        anna, ben, carl = [await person(conn, f"{name}@example.com") for name in ("anna", "ben", "carl")]
        await contacts.touched(conn, {ben: later(hours=1), anna: NOW})
        await contacts.touched(conn, {anna: later(hours=2), ben: NOW})
        touches = await contacts.last_touch_of(conn, [anna, ben, carl, 999])
    assert touches == {anna: later(hours=2), ben: later(hours=1)}


async def test_erasing_takes_everything_along_but_the_suppression(database: Database) -> None:
    async with database.begin() as conn:
        contact_id = await person(conn)
        enrollment = await enter(conn, contact_id)
        await happen(conn, enrollment, stopped())
        await suppressions.add(conn, "anna@example.com", "asked", "reply", NOW)
        await suppressions.forget(conn, "anna@example.com")
        assert await contacts.erase(conn, contact_id)
        assert not await contacts.erase(conn, contact_id)
        assert await enrollments.get(conn, enrollment.id) is None
        assert await enrollments.events_of(conn, enrollment.id) == []
        assert await suppressions.reason_for(conn, "Anna@example.com") == "asked"
        again = await person(conn)
        assert (await enter(conn, again)).id > enrollment.id
    assert again > contact_id  # an id in an old token must not come to mean somebody else


@pytest.mark.parametrize("email", ["a\0b@example.com", "\udcff@example.com", "É@EXAMPLE.com", "i\u0307@x.example", ""])
async def test_the_strangest_address_is_one_contact(database: Database, email: str) -> None:
    async with database.begin() as conn:
        first = await contacts.upsert(conn, email, {}, None, None, None, NOW)
        second = await contacts.upsert(conn, email, {}, None, None, None, NOW)
        found = await contacts.by_email(conn, email)
    assert (first.id, first.outcome, second.outcome) == (second.id, "created", "unchanged")
    assert found is not None
    assert found.id == first.id


@given(st.text(alphabet=st.characters(codec=None)) | st.text(alphabet="<> ab@\n\u2003"))
def test_a_normal_address_and_a_bare_id_are_stable(text: str) -> None:
    assert normal(normal(text)) == normal(text) == clean(normal(text))
    assert bare(f"<{bare(text)}>") == bare(bare(text)) == clean(bare(text))
