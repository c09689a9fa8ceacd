"""Releases: which versions of sequences, templates and phrases were in force together, and the text of each.

The last row counts. It is written when a workspace is put in force or approved, and marked when a daemon first works
with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Select, insert, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from sequencer.store import tables
from sequencer.store.statements import upsert

_t = tables.texts.c
_r = tables.releases.c

_RELEASES: Final[Select[Any]] = select(_r.id, _r.at, _r.adopted_at, _r.hash, _r.config, _r.by, _r.contents)

AT_ONCE: Final = 200
"""Texts read by one statement: each is three parameters of it."""

Contents = Mapping[str, Mapping[str, str]]
"""By kind (sequence, template, phrases) and name: the version."""

TextRow = tuple[str, str, str, str]
"""Kind, name, version, text."""


@dataclass(frozen=True, slots=True)
class Release:
    """A set of versions. `at`: when it was put in force or approved; `adopted_at`: when a daemon first worked with it,
    None while none has. `config` is the hash of the config.yaml that it was checked with."""

    id: int
    at: datetime
    adopted_at: datetime | None
    hash: str
    config: str
    by: str
    contents: Contents


async def latest(conn: AsyncConnection) -> Release | None:
    """The release that counts, None before the first."""
    row = (await conn.execute(_RELEASES.order_by(_r.id.desc()).limit(1))).one_or_none()
    return None if row is None else Release(*row)


async def latest_id(conn: AsyncConnection) -> int:
    """Its number, 0 before the first."""
    return int(await conn.scalar(select(_r.id).order_by(_r.id.desc()).limit(1)) or 0)


async def lock_latest(conn: AsyncConnection) -> int:
    """The same, and nobody else makes a new one so before this transaction ends."""
    newest = select(_r.id).order_by(_r.id.desc()).limit(1)
    if conn.dialect.name != "sqlite":
        await conn.execute(newest.with_for_update())  # who waited here reads below what came in between
    return await latest_id(conn)


async def last_adopted(conn: AsyncConnection) -> Release | None:
    """The last release that a daemon has worked with."""
    row = (
        await conn.execute(_RELEASES.where(_r.adopted_at.is_not(None)).order_by(_r.id.desc()).limit(1))
    ).one_or_none()
    return None if row is None else Release(*row)


async def listing(conn: AsyncConnection) -> list[Release]:
    """All releases, the oldest first."""
    return [Release(*row) for row in await conn.execute(_RELEASES.order_by(_r.id))]


async def add(
    conn: AsyncConnection,
    at: datetime,
    hash_: str,
    config: str,
    contents: Contents,
    texts: Iterable[TextRow],
    *,
    by: str,
    adopted_at: datetime | None = None,
) -> int:
    """Make these versions the ones that count, and keep their texts; the number of the release."""
    for text in texts:
        await _keep(conn, text, at)
    values = {"at": at, "adopted_at": adopted_at, "hash": hash_, "config": config, "by": by, "contents": contents}
    made = await conn.execute(insert(tables.releases).values(values).returning(_r.id))
    return int(made.scalar_one())


async def adopted(conn: AsyncConnection, release: int, now: datetime) -> None:
    """A daemon works with this release."""
    await conn.execute(update(tables.releases).where(_r.id == release, _r.adopted_at.is_(None)).values(adopted_at=now))


async def set_config(conn: AsyncConnection, release: Release, config: str, contents: Contents, text: TextRow) -> None:
    """A daemon works with this release under another config than it was checked with."""
    await _keep(conn, text, release.at)
    new = update(tables.releases).where(_r.id == release.id).values(config=config, contents=contents)
    await conn.execute(new)


async def _keep(conn: AsyncConnection, text: TextRow, at: datetime) -> None:
    row = {"kind": text[0], "name": text[1], "version": text[2], "text": text[3], "kept_at": at}
    await conn.execute(upsert(conn, tables.texts).values(row).on_conflict_do_nothing())


async def adopted_at(conn: AsyncConnection, release: int) -> datetime | None:
    """When a daemon first worked with it; None while none has."""
    at: datetime | None = await conn.scalar(select(_r.adopted_at).where(_r.id == release))
    return at


async def texts_of(conn: AsyncConnection, contents: Contents) -> dict[str, dict[str, str]]:
    """The texts of a release, by kind and name."""
    wanted = [(kind, name, version) for kind, names in contents.items() for name, version in names.items()]
    texts: dict[str, dict[str, str]] = {kind: {} for kind in contents}
    for start in range(0, len(wanted), AT_ONCE):
        some = wanted[start : start + AT_ONCE]
        found = await conn.execute(
            select(_t.kind, _t.name, _t.text).where(tuple_(_t.kind, _t.name, _t.version).in_(some))
        )
        for kind, name, text in found:
            texts[kind][name] = text
    return texts


async def text_of(conn: AsyncConnection, kind: str, name: str, version: str) -> str | None:
    """One text, None when it was never kept."""
    text: str | None = await conn.scalar(select(_t.text).where(_t.kind == kind, _t.name == name, _t.version == version))
    return text


async def names(conn: AsyncConnection, kind: str) -> list[str]:
    """The names of this kind of which any text was kept."""
    return list(await conn.scalars(select(_t.name).where(_t.kind == kind).distinct().order_by(_t.name)))
