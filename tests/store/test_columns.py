"""Instants, text and JSON come back from both databases as they went in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Dialect, make_url, select
from sqlalchemy.exc import StatementError

from sequencer.core.events import Enrolled, to_json
from sequencer.core.model import FieldValue, Position
from sequencer.store import contacts, set_aside, tables
from sequencer.store.columns import Instant, clean, dump_json
from sequencer.store.database import Database
from sequencer.store.statements import among, fetch, listed
from tests.store.people import NOW, person

DENVER = ZoneInfo("America/Denver")
SQLITE: Dialect = make_url("sqlite+aiosqlite://").get_dialect()()
POSTGRESQL: Dialect = make_url("postgresql+asyncpg://").get_dialect()()


async def _instants(database: Database, *given: datetime) -> list[datetime]:
    async with database.begin() as conn:
        for moment in given:
            await set_aside.add(conn, "mark", "x", "", moment)
        t = tables.set_aside.c
        return list(await conn.scalars(select(t.created_at).order_by(t.id)))


async def test_instants_are_utc_and_exact_to_the_microsecond(database: Database) -> None:
    given = [
        datetime(2026, 11, 1, 1, 30, tzinfo=DENVER, fold=0),
        datetime(2026, 11, 1, 1, 30, tzinfo=DENVER, fold=1),
        datetime(1, 1, 2, tzinfo=UTC),
        datetime(9999, 12, 30, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=5, minutes=45))),
    ]
    found = await _instants(database, *given)
    assert found == [moment.astimezone(UTC) for moment in given]
    assert {moment.tzinfo for moment in found} == {UTC}
    assert found[1] - found[0] == timedelta(hours=1)


async def test_a_naive_datetime_is_refused(database: Database) -> None:
    with pytest.raises(StatementError, match="without a time zone"):
        await _instants(database, datetime(2026, 1, 1))  # noqa: DTZ001


moments = st.datetimes(min_value=datetime(1000, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(moments, moments)
def test_on_sqlite_the_text_compares_as_the_instants_do(one: datetime, other: datetime) -> None:
    first, second = (Instant().process_bind_param(moment, SQLITE) for moment in (one, other))
    assert (first < second) == (one < other)
    assert (first == second) == (one == other)
    assert len(first) == 26


@given(moments)
def test_an_instant_survives_both_dialects(moment: datetime) -> None:
    for dialect in (SQLITE, POSTGRESQL):
        bound = Instant().process_bind_param(moment, dialect)
        assert Instant().process_result_value(bound, dialect) == moment


@pytest.mark.parametrize(
    "text",
    ["Grüße aus Zürich", "日本語", "😀" * 1000, 'it\'s "quoted" \\ %s :name ?', "\r\n\t\x01\x7f", "\u2028\ufeff", ""],
)
async def test_text_comes_back_as_it_went_in(database: Database, text: str) -> None:
    async with database.begin() as conn:
        contact_id = await person(conn, fields={"note": text, text: "name"})
        found = await contacts.by_id(conn, contact_id)
    assert found is not None
    assert found.fields == {"note": text, text: "name"}


async def test_what_utf_8_and_postgresql_refuse_is_replaced_on_both(database: Database) -> None:
    hostile = "a\0b\ud800c\udcffd"
    async with database.begin() as conn:
        await set_aside.add(conn, hostile, hostile, hostile, NOW)
        contact_id = await person(conn, fields={hostile: hostile, "plain": "\\u0000"})
        found = await contacts.by_id(conn, contact_id)
        (item,) = await set_aside.listing(conn)
    assert item.what == item.error == item.mailbox == "a\ufffdb\ufffdc\ufffdd"
    assert found is not None
    assert found.fields == {"a\ufffdb\ufffdc\ufffdd": "a\ufffdb\ufffdc\ufffdd", "plain": "\\u0000"}


@given(st.text(alphabet=st.characters(codec=None)))
def test_clean_text_can_always_be_stored_and_clean_is_stable(text: str) -> None:
    cleaned = clean(text)
    cleaned.encode()
    assert "\0" not in cleaned
    assert clean(cleaned) == cleaned


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.text(alphabet=st.characters(codec=None)), values))
def test_json_can_always_be_stored(value: Mapping[str, Any]) -> None:
    text = dump_json(value)
    text.encode()
    assert "\0" not in text


said: st.SearchStrategy[FieldValue] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.dates(),
    st.text(st.characters(blacklist_categories=())),
)


@given(st.dictionaries(st.text(st.characters(blacklist_categories=())), said), moments)
def test_an_event_is_stored_as_to_json_says_it(fields: dict[str, FieldValue], at: datetime) -> None:
    """By orjson where it can: numbers of any size, lone surrogates and NUL included, nothing differs."""
    event = Enrolled(at=at, contact_id=1, sequence="s", mailbox="mark", position=Position(), fields=fields)
    assert json.loads(dump_json(event)) == json.loads(dump_json(to_json(event)))


async def test_rows_come_back_alike_by_both_ways_of_asking(database: Database) -> None:
    t = tables.contacts.c
    kept = select(t.id, t.email, t.fields, t.timezone, t.last_touch_at).where(listed(t.email, "emails"), t.id > 0)
    async with database.begin() as conn:
        anna = await person(conn, "anna@example.com", {"when": date(2026, 12, 1)})
        await person(conn, "bo@example.com")
        await contacts.touched(conn, {anna: NOW})
        given_ = {"emails": ["anna@example.com", "bo@example.com", "nobody@example.com"]}
        usual = (await conn.execute(kept.order_by(t.id), given_)).all()
        found = await fetch(conn, kept.order_by(t.id), given_)
        assert [tuple(row) for row in found] == [tuple(row) for row in usual]
        assert [(row.email, row.last_touch_at) for row in found] == [(r.email, r.last_touch_at) for r in usual]
        assert len(found) == 2
        assert await fetch(conn, kept, {"emails": []}) == []


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_json_refuses_what_is_no_number(number: float) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        dump_json({"size": number})


async def test_fields_of_every_kind_survive(database: Database) -> None:
    fields: dict[str, FieldValue] = {
        "quote_date": date(2026, 12, 1),
        "phone": "+1 406 555 0100",
        "size": 3.5,
        "whole": 1.0,
        "visits": 10**15,
        "vip": True,
        "empty": "",
    }
    async with database.begin() as conn:
        contact_id = await person(conn, fields=fields)
        found = await contacts.by_id(conn, contact_id)
    assert found is not None
    assert found.fields == fields
    assert {name: type(value) for name, value in found.fields.items()} == {n: type(v) for n, v in fields.items()}


async def test_big_json_survives(database: Database) -> None:
    fields: dict[str, FieldValue] = {f"field {number}": "ü" * 500 for number in range(1000)}
    async with database.begin() as conn:
        contact_id = await person(conn, fields=fields)
        found = await contacts.by_id(conn, contact_id)
    assert found is not None
    assert found.fields == fields


async def test_any_number_of_keys_can_be_asked_for(database: Database) -> None:
    async with database.begin() as conn:
        first, second = await person(conn, "a@example.com"), await person(conn, "b'\"\\,{}@example.com")
        t = tables.contacts.c
        ids = set(await conn.scalars(select(t.id).where(among(conn, t.id, range(100_000)))))
        names = [f"x{number}@example.com" for number in range(100_000)]
        by_text = set(await conn.scalars(select(t.id).where(among(conn, t.address, [*names, "b'\"\\,{}@example.com"]))))
        none = set(await conn.scalars(select(t.id).where(among(conn, t.id, []))))
    assert (ids, by_text, none) == ({first, second}, {second}, set())
