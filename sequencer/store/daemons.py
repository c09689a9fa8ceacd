"""The daemons that share one database: each says that it is alive, and which mailboxes it could serve.

All instants are by the database's clock. A daemon that is no longer heard of counts as dead from `alive_until` on,
which is when its leases end too.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from hashlib import blake2b

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from sequencer.store import tables
from sequencer.store.statements import among, database_clock, upsert

_t = tables.daemons.c


@dataclass(frozen=True, slots=True)
class Daemon:
    """One process. `name` is unique and is what the leases name as their owner: `host:pid:token`."""

    name: str

    @property
    def host(self) -> str:
        return self.name.rsplit(":", 2)[0]

    @property
    def pid(self) -> int:
        number = self.name.rsplit(":", 2)[1]
        return int(number) if number.isdecimal() else 0


@dataclass(frozen=True, slots=True)
class Known:
    """A daemon as the database knows it. Two with one `roster` could serve the same mailboxes."""

    name: str
    roster: str
    alive: bool


def daemon_named(owner: str) -> Daemon | None:
    """Who an owner of a lease is, or None when that is nobody or no daemon."""
    return Daemon(owner) if owner.count(":") >= 2 else None


def roster_of(mailboxes: Collection[str]) -> str:
    """What is equal for two daemons that could serve the same mailboxes."""
    return blake2b("\n".join(sorted(mailboxes)).encode(), digest_size=16).hexdigest()


async def beat(conn: AsyncConnection, me: Daemon, serves: Collection[str], seconds: float) -> bool:
    """Say that this daemon is alive, and will be for so many seconds. Whether it is new, or serves others than before:
    `serves` is written only then."""
    roster, alive_until = roster_of(serves), database_clock(conn, seconds)
    known = update(tables.daemons).where(_t.name == me.name, _t.roster == roster).values(alive_until=alive_until)
    if (await conn.execute(known)).rowcount == 1:
        return False
    row = upsert(conn, tables.daemons).values(
        name=me.name,
        host=me.host,
        pid=me.pid,
        alive_until=alive_until,
        started_at=database_clock(conn),
        serves=sorted(serves),
        roster=roster,
    )
    anew = {"alive_until": row.excluded.alive_until, "serves": row.excluded.serves, "roster": row.excluded.roster}
    await conn.execute(row.on_conflict_do_update(index_elements=["name"], set_=anew))
    return True


async def known(conn: AsyncConnection) -> list[Known]:
    """All daemons that have not left, the longest running first."""
    alive = (_t.alive_until > database_clock(conn)).label("alive")
    found = await conn.execute(select(_t.name, _t.roster, alive).order_by(_t.started_at, _t.name))
    return [Known(row.name, row.roster, bool(row.alive)) for row in found]


async def serves(conn: AsyncConnection, rosters: Collection[str]) -> dict[str, frozenset[str]]:
    """The mailboxes behind these rosters."""
    if not rosters:
        return {}
    found = await conn.execute(select(_t.roster, _t.serves).where(among(conn, _t.roster, rosters)))
    return {row.roster: frozenset(row.serves) for row in found}


async def leave(conn: AsyncConnection, me: Daemon) -> None:
    """This daemon is about to end."""
    await conn.execute(delete(tables.daemons).where(_t.name == me.name))


async def bury(conn: AsyncConnection) -> None:
    """Forget the daemons that are dead. One that was only cut off says anew that it is alive."""
    dead = select(_t.name).where(_t.alive_until <= database_clock(conn))
    if conn.dialect.name != "sqlite":
        dead = dead.with_for_update(skip_locked=True)  # two that bury at once must not wait for each other
    await conn.execute(delete(tables.daemons).where(_t.name.in_(dead)))
