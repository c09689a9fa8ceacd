"""Addresses and whole domains that are never mailed again.

Matching goes by a keyed hash alone (HMAC-SHA-256 with the database's signing key), so a suppression outlives the
erasure of the address it was made for, without the address being kept.
"""

from __future__ import annotations

import hmac
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from sequencer.store import tables
from sequencer.store.addresses import domain_of, normal
from sequencer.store.secrets import signing_key
from sequencer.store.statements import fetch, listed, upsert

_t = tables.suppressions.c
_REASONS: Final = select(_t.hash, _t.reason).where(listed(_t.hash, "hashes"))


@dataclass(frozen=True, slots=True)
class Suppression:
    """`target` is an address or @domain; empty once it was erased."""

    target: str
    reason: str
    source: str
    created_at: datetime


async def add(conn: AsyncConnection, target: str, reason: str, source: str, now: datetime) -> bool:
    """Suppress an address or an @domain. True when it was not suppressed before; the first reason stays.

    An erased target that comes again stays erased: only its hash is kept.
    """
    key = await signing_key(conn)
    added = await conn.execute(
        upsert(conn, tables.suppressions)
        .values(hash=_hash(key, normal(target)), target=normal(target), reason=reason, source=source, created_at=now)
        .on_conflict_do_nothing()
    )
    return added.rowcount == 1


async def made_by(conn: AsyncConnection, source: str) -> list[Suppression]:
    """The suppressions that came from one source, such as `message 7`, those of erased targets left out."""
    found = await conn.execute(
        select(_t.target, _t.reason, _t.source, _t.created_at).where(_t.source == source, _t.target != "")
    )
    return [Suppression(*row) for row in found]


async def remove(conn: AsyncConnection, target: str) -> bool:
    """Lift the suppression of exactly this address or @domain. False when there was none."""
    key = await signing_key(conn)
    removed = await conn.execute(delete(tables.suppressions).where(_t.hash == _hash(key, normal(target))))
    return removed.rowcount == 1


async def forget(conn: AsyncConnection, target: str) -> None:
    """Erase the readable address; the hash stays and still matches."""
    key = await signing_key(conn)
    await conn.execute(update(tables.suppressions).where(_t.hash == _hash(key, normal(target))).values(target=""))


async def reason_for(conn: AsyncConnection, address: str) -> str | None:
    """Why this address may not be mailed (it, or its domain, is suppressed), or None when it may."""
    return (await reasons_for(conn, [address])).get(address)


async def reasons_for(conn: AsyncConnection, addresses: Collection[str]) -> dict[str, str]:
    """Why each of these may not be mailed; who may is not in the answer. One statement, however many."""
    key = await signing_key(conn)
    hashes = {address: (_hash(key, normal(address)), _hash(key, "@" + domain_of(address))) for address in addresses}
    found = await fetch(conn, _REASONS, {"hashes": {h for pair in hashes.values() for h in pair}})
    reasons = {row.hash: row.reason or "suppressed" for row in found}
    answers = {address: next((reasons[h] for h in pair if h in reasons), None) for address, pair in hashes.items()}
    return {address: reason for address, reason in answers.items() if reason is not None}


async def listing(conn: AsyncConnection) -> list[Suppression]:
    """All suppressions, the newest first."""
    found = await conn.execute(
        select(_t.target, _t.reason, _t.source, _t.created_at).order_by(_t.created_at.desc(), _t.id.desc())
    )
    return [Suppression(*row) for row in found]


@lru_cache(maxsize=4096)  # asked when somebody is decided on and again before their message leaves
def _hash(key: bytes, target: str) -> str:
    return hmac.digest(key, b"suppression:" + target.encode("utf-8", "surrogatepass"), "sha256").hex()
