"""Every version of a sequence that was ever live, by the hash of what its file means."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from sequencer.store import tables
from sequencer.store.statements import upsert

_t = tables.definitions.c


@dataclass(frozen=True, slots=True)
class Kept:
    """One version: when it was first kept, and when it last became live."""

    sequence: str
    version: str
    kept_at: datetime
    applied_at: datetime


async def keep(conn: AsyncConnection, sequence: str, version: str, text: str, now: datetime) -> None:
    """Remember the YAML of a version that is live from now on. Keeping it again only notes that it is live again."""
    await conn.execute(
        upsert(conn, tables.definitions)
        .values(sequence=sequence, version=version, text=text, kept_at=now, applied_at=now)
        .on_conflict_do_update(index_elements=["sequence", "version"], set_={"applied_at": now})
    )


async def text_of(conn: AsyncConnection, sequence: str, version: str) -> str | None:
    """The YAML of a version, or None when it was never kept."""
    text: str | None = await conn.scalar(select(_t.text).where(_t.sequence == sequence, _t.version == version))
    return text


async def history(conn: AsyncConnection, sequence: str) -> list[Kept]:
    """The versions of a sequence, the one that became live last first."""
    found = await conn.execute(
        select(_t.sequence, _t.version, _t.kept_at, _t.applied_at)
        .where(_t.sequence == sequence)
        .order_by(_t.applied_at.desc(), _t.kept_at.desc(), _t.version)
    )
    return [Kept(*row) for row in found]


async def live(conn: AsyncConnection) -> dict[str, str]:
    """The version that each sequence was last live with, by the sequence's name."""
    found = await conn.execute(select(_t.sequence, _t.version).order_by(_t.applied_at, _t.kept_at, _t.version.desc()))
    return {row.sequence: row.version for row in found}
