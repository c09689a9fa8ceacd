"""Who was sent which words: the attempts by step, template and the version of its text; who was decided by which."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from sequencer.store import tables
from sequencer.store.attempts import LIVE

_a = tables.attempts.c
_en = tables.enrollments.c
_c = tables.contacts.c
_e = tables.events.c


@dataclass(frozen=True, slots=True)
class Sent:
    """One message that reached, or may have reached, somebody. `version` is empty for those before it was kept."""

    attempt: int
    contact: str
    sequence: str
    step: str
    template: str
    version: str
    subject: str
    state: str
    at: datetime


@dataclass(frozen=True, slots=True)
class SentTogether:
    """How many people were sent the same words at a step, and when first and last."""

    sequence: str
    step: str
    template: str
    version: str
    people: int
    first: datetime
    last: datetime


async def sent(
    conn: AsyncConnection, *, sequence: str = "", template: str = "", contact_id: int | None = None
) -> list[Sent]:
    """What was sent in a sequence, or by a template, to everybody or to one contact; the oldest first."""
    columns = (_a.id, _c.email, _en.sequence, _a.step, _a.template, _a.template_version, _a.subject, _a.state)
    wanted = _from(select(*columns, _a.started_at), sequence, template)
    if contact_id is not None:
        wanted = wanted.where(_en.contact_id == contact_id)
    found = await conn.execute(wanted.order_by(_a.started_at, _a.id))
    return [Sent(*row) for row in found]


async def sent_together(conn: AsyncConnection, *, sequence: str = "", template: str = "") -> list[SentTogether]:
    """The same, counted; those that began first come first."""
    keys: tuple[ColumnElement[Any], ...] = (_en.sequence, _a.step, _a.template, _a.template_version)
    first, last = func.min(_a.started_at), func.max(_a.started_at)
    people = func.count(_en.contact_id.distinct())
    wanted = _from(select(*keys, people, first, last), sequence, template)
    found = await conn.execute(wanted.group_by(*keys).order_by(first, _a.step, _a.template))
    return [SentTogether(*row) for row in found]


def _from(wanted: Select[Any], sequence: str, template: str) -> Select[Any]:
    chosen = (
        wanted.join_from(tables.attempts, tables.enrollments, _a.enrollment_id == _en.id)
        .join(tables.contacts, _en.contact_id == _c.id)
        .where(_a.state.in_(LIVE))
    )
    if sequence:
        chosen = chosen.where(_en.sequence == sequence)
    return chosen.where(_a.template == template) if template else chosen


async def decided_by(conn: AsyncConnection, sequence: str) -> dict[str, int]:
    """How many people something was decided about, by the version of the sequence that did it."""
    found = await conn.execute(
        select(_e.definition, func.count(_e.enrollment_id.distinct()))
        .join_from(tables.events, tables.enrollments, _e.enrollment_id == _en.id)
        .where(_en.sequence == sequence)
        .group_by(_e.definition)
    )
    return {row[0]: int(row[1]) for row in found if row[0]}
