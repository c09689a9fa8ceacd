"""Contacts: one row a person, found by address in any spelling of case."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple

from sqlalchemy import Row, bindparam, delete, func, or_, select, true, update
from sqlalchemy.ext.asyncio import AsyncConnection

from sequencer.core.events import from_json, to_json
from sequencer.core.model import Contact, Fields
from sequencer.store import statements, tables
from sequencer.store.addresses import domain_of, normal
from sequencer.store.columns import Instant
from sequencer.store.statements import among, execute_many, fetch, listed

Outcome = Literal["created", "updated", "unchanged"]

_t = tables.contacts.c
_COLUMNS: Final = (_t.id, _t.email, _t.fields, _t.timezone, _t.holidays, _t.language)

_BY_IDS: Final = select(*_COLUMNS).where(listed(_t.id, "ids"))
_LAST_TOUCH: Final = select(_t.id, _t.last_touch_at).where(listed(_t.id, "ids"))
_LAST_TOUCH_LOCKED: Final = _LAST_TOUCH.order_by(_t.id).with_for_update(key_share=True)
_TOUCH: Final = (
    update(tables.contacts)
    .where(
        _t.id == bindparam("key"),
        or_(_t.last_touch_at.is_(None), _t.last_touch_at < bindparam("touch", type_=Instant())),
    )
    .values(last_touch_at=bindparam("touch", type_=Instant()))
)


@dataclass(frozen=True, slots=True)
class Defaults:
    """What a contact has who names none of their own: `contacts:` of config.yaml."""

    timezone: str = "UTC"
    holidays: str = ""
    language: str = "en"


PLAIN: Final = Defaults()


@dataclass(frozen=True, slots=True)
class Incoming:
    """A contact as it comes in. None for timezone, holidays or language: not said, so what is known stays."""

    email: str
    fields: Fields = field(default_factory=dict)  # laid over those that are known; a None value removes the field
    timezone: str | None = None
    holidays: str | None = None
    language: str | None = None


class Upserted(NamedTuple):
    """What became of an incoming contact."""

    id: int
    outcome: Outcome


async def upsert(
    conn: AsyncConnection,
    email: str,
    fields: Fields,
    timezone: str | None,
    language: str | None,
    holidays: str | None,
    now: datetime,
) -> Upserted:
    """Create or update one contact, see `upsert_many`."""
    return (await upsert_many(conn, [Incoming(email, fields, timezone, holidays, language)], now))[0]


async def upsert_many(conn: AsyncConnection, rows: Sequence[Incoming], now: datetime) -> list[Upserted]:
    """Create or update contacts, in order, a few statements for all; one answer a row.

    An address that comes twice is created by its first row and updated by the next. The spelling of an address that
    is known stays as it was.
    """
    places: dict[str, list[int]] = {}
    for index, row in enumerate(rows):
        places.setdefault(normal(row.email), []).append(index)
    answers: dict[int, Upserted] = {}
    pending = sorted(places)
    while pending:  # a second round only for those whom another transaction created in this very moment
        known = await _lock(conn, pending)
        folded = {address: _fold(known.get(address), [rows[i] for i in places[address]]) for address in pending}
        ids = {address: person.id for address, person in known.items()}
        ids |= await _create(conn, {a: f.person for a, f in folded.items() if a not in known}, now)
        await _update(conn, [f.person for a, f in folded.items() if a in known and "updated" in f.outcomes], now)
        for address in ids:
            for index, outcome in zip(places[address], folded[address].outcomes, strict=True):
                answers[index] = Upserted(ids[address], outcome)
        pending = [address for address in pending if address not in ids]
    return [answers[index] for index in range(len(rows))]


@dataclass(frozen=True, slots=True)
class _Person:
    id: int
    email: str
    fields: Fields
    timezone: str | None
    holidays: str | None
    language: str | None

    def merged(self, row: Incoming) -> _Person:
        fields = {name: value for name, value in {**self.fields, **row.fields}.items() if value is not None}
        return _Person(
            self.id,
            self.email,
            fields,
            self.timezone if row.timezone is None else row.timezone,
            self.holidays if row.holidays is None else row.holidays,
            self.language if row.language is None else row.language,
        )


@dataclass(frozen=True, slots=True)
class _Folded:
    person: _Person
    outcomes: list[Outcome]


def _fold(known: _Person | None, rows: Sequence[Incoming]) -> _Folded:
    person = known or _Person(0, rows[0].email.strip(), {}, None, None, None).merged(rows[0])
    outcomes: list[Outcome] = [] if known else ["created"]
    for row in rows[len(outcomes) :]:
        after = person.merged(row)
        outcomes.append("unchanged" if after == person else "updated")
        person = after
    return _Folded(person, outcomes)


async def _lock(conn: AsyncConnection, addresses: Collection[str]) -> dict[str, _Person]:
    """The contacts of these addresses, locked in one order, so that two imports cannot wait for each other."""
    found = await conn.execute(
        select(*_COLUMNS, _t.address)
        .where(among(conn, _t.address, addresses))
        .order_by(_t.id)
        .with_for_update(key_share=True)
    )
    return {
        row.address: _Person(row.id, row.email, fields_from_json(row.fields), row.timezone, row.holidays, row.language)
        for row in found
    }


async def _create(conn: AsyncConnection, people: Mapping[str, _Person], now: datetime) -> dict[str, int]:
    if not people:
        return {}
    rows = [
        {"address": address, "domain": domain_of(address), "created_at": now, "changed_at": now, **_values(person)}
        for address, person in people.items()
    ]
    statement = statements.upsert(conn, tables.contacts).on_conflict_do_nothing().returning(_t.id, _t.address)
    return {row.address: row.id for row in await conn.execute(statement, rows)}


async def _update(conn: AsyncConnection, people: Sequence[_Person], now: datetime) -> None:
    if people:
        await conn.execute(
            update(tables.contacts).where(_t.id == bindparam("key")).values(changed_at=now),
            [{"key": person.id, **_values(person)} for person in sorted(people, key=lambda person: person.id)],
        )


def _values(person: _Person) -> dict[str, Any]:
    return {
        "email": person.email,
        "fields": to_json(person.fields),
        "timezone": person.timezone,
        "holidays": person.holidays,
        "language": person.language,
    }


# Reading ------------------------------------------------------------------------------------------


async def by_id(conn: AsyncConnection, contact_id: int, defaults: Defaults = PLAIN) -> Contact | None:
    """The contact, or None."""
    return (await by_ids(conn, [contact_id], defaults)).get(contact_id)


async def by_ids(conn: AsyncConnection, ids: Collection[int], defaults: Defaults = PLAIN) -> dict[int, Contact]:
    """The contacts of these ids, those that exist."""
    found = await conn.execute(_BY_IDS, {"ids": ids})
    return {row.id: _contact(row, defaults) for row in found}


async def by_email(conn: AsyncConnection, email: str, defaults: Defaults = PLAIN) -> Contact | None:
    """The contact with this address in any spelling, or None."""
    return (await by_emails(conn, [email], defaults)).get(email)


async def by_emails(conn: AsyncConnection, emails: Collection[str], defaults: Defaults = PLAIN) -> dict[str, Contact]:
    """The contacts with these addresses, by the address as it was asked for."""
    keys = {email: normal(email) for email in emails}
    found = await conn.execute(select(*_COLUMNS, _t.address).where(among(conn, _t.address, set(keys.values()))))
    known = {row.address: _contact(row, defaults) for row in found}
    return {email: known[key] for email, key in keys.items() if key in known}


async def listing(
    conn: AsyncConnection, *, after: int = 0, limit: int = 1000, defaults: Defaults = PLAIN
) -> list[Contact]:
    """Contacts in the order of their ids, those beyond `after`: call again with the last id for the next ones."""
    found = await conn.execute(select(*_COLUMNS).where(_t.id > after).order_by(_t.id).limit(limit))
    return [_contact(row, defaults) for row in found]


async def count(conn: AsyncConnection) -> int:
    """How many contacts there are."""
    return int(await conn.scalar(select(func.count()).select_from(tables.contacts)) or 0)


async def field_names(conn: AsyncConnection) -> frozenset[str]:
    """The names of all fields that any contact has. Reads every contact: for `check`, not for the daemon."""
    each = func.json_each if conn.dialect.name == "sqlite" else func.jsonb_each
    names = each(_t.fields).table_valued("key")
    found = await conn.scalars(select(names.c.key).select_from(tables.contacts).join(names, true()).distinct())
    return frozenset(found)


# Touches ------------------------------------------------------------------------------------------


async def touched(conn: AsyncConnection, touches: Mapping[int, datetime]) -> None:
    """Something reached these people at these instants, whatever sequence it came from. Never moves back."""
    if touches:
        rows = [{"key": contact_id, "touch": at} for contact_id, at in sorted(touches.items())]
        await execute_many(conn, _TOUCH, rows)


async def set_touch(conn: AsyncConnection, contact_id: int, at: datetime | None) -> None:
    """What was taken for a touch never happened: this was the last one."""
    await conn.execute(update(tables.contacts).where(_t.id == contact_id).values(last_touch_at=at))


async def last_touch_of(conn: AsyncConnection, ids: Collection[int], *, lock: bool = False) -> dict[int, datetime]:
    """When each of these people was last touched, across sequences; who never was is not in the answer.

    With `lock`, nobody else can touch them, or lock them, before this transaction ends.
    """
    found = await fetch(conn, _LAST_TOUCH_LOCKED if lock else _LAST_TOUCH, {"ids": ids})
    return {row.id: row.last_touch_at for row in found if row.last_touch_at is not None}


async def erase(conn: AsyncConnection, contact_id: int) -> bool:
    """Delete the person and all that hangs on them: enrollments, events, attempts, messages, tasks.

    A suppression stays, see `suppressions.forget`. False when there is no such contact.
    """
    return (await conn.execute(delete(tables.contacts).where(_t.id == contact_id))).rowcount == 1


def fields_from_json(data: Mapping[str, Any]) -> Fields:
    """The fields that `core.events.to_json` wrote: bare JSON values, and dates in their wrapping."""
    revived: Contact = from_json(Contact, {"id": 0, "email": "", "fields": data})
    return revived.fields


def _contact(row: Row[*tuple[Any, ...]], defaults: Defaults) -> Contact:
    return Contact(
        id=row.id,
        email=row.email,
        fields=fields_from_json(row.fields),
        timezone=defaults.timezone if row.timezone is None else row.timezone,
        holidays=defaults.holidays if row.holidays is None else row.holidays,
        language=defaults.language if row.language is None else row.language,
    )
