"""Strikes: what speaks against a mailbox and is written down nowhere else.

Bounces and complaints that arrive as mail are counted where they are kept, in `messages`; here stand the recipients
that were refused while sending, the refusals that blame the sender, and the logins that were refused.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from sqlalchemy import delete, func, insert, literal, literal_column, select
from sqlalchemy.ext.asyncio import AsyncConnection

from sequencer.store import attempts, tables

KEEP: Final = timedelta(days=40)
"""Older ones count nowhere: no window is longer."""

_t = tables.strikes.c


class Strike(StrEnum):
    """What happened."""

    BOUNCE = "bounce"  # a recipient was refused for good while sending
    REFUSAL = "refusal"  # a server refused a message and blamed the sender
    SMTP_LOGIN = "smtp_login"
    IMAP_LOGIN = "imap_login"


LOGINS: Final = (Strike.SMTP_LOGIN, Strike.IMAP_LOGIN)


async def add(conn: AsyncConnection, mailbox: str, kinds: Sequence[Strike], at: datetime) -> None:
    """Record strikes; those that are too old to count go."""
    if not kinds:
        return
    await conn.execute(insert(tables.strikes), [{"mailbox": mailbox, "kind": kind, "at": at} for kind in kinds])
    for kind in sorted(set(kinds)):
        await conn.execute(delete(tables.strikes).where(_t.mailbox == mailbox, _t.kind == kind, _t.at < at - KEEP))


async def count(conn: AsyncConnection, mailbox: str, kind: Strike, since: datetime | None) -> int:
    """How many there are after `since`, or at all."""
    where = [_t.mailbox == mailbox, _t.kind == kind, *([] if since is None else [_t.at > since])]
    return int(await conn.scalar(select(func.count()).where(*where)) or 0)


async def clear(conn: AsyncConnection, mailbox: str, kinds: Collection[Strike]) -> None:
    """A login was taken: what was refused before is forgotten."""
    await conn.execute(delete(tables.strikes).where(_t.mailbox == mailbox, _t.kind.in_(list(kinds))))


async def came_back(conn: AsyncConnection, mailbox: str, since: datetime) -> dict[str, int]:
    """How many bounces and complaints have arrived after `since`, by kind, as they are read now."""
    m = tables.messages.c
    found = await conn.execute(
        select(m.kind, func.count())
        .where(m.mailbox == mailbox, m.received_at > since, literal_column(tables.CAME_BACK))
        .group_by(m.kind)
    )
    return {row[0]: int(row[1]) for row in found}


async def sent(conn: AsyncConnection, mailbox: str, since: datetime, at_most: int) -> int:
    """How many messages have left, or may have left, after `since`; counted no further than `at_most`."""
    a = tables.attempts.c
    some = (
        select(literal(1).label("one"))
        .where(a.mailbox == mailbox, a.started_at > since, a.state.in_(attempts.LIVE))
        .limit(at_most)
        .subquery()
    )
    return int(await conn.scalar(select(func.count()).select_from(some)) or 0)
