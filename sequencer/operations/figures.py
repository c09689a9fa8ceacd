"""How the mailboxes of one daemon stand, in numbers: for its metrics and its readiness. Nobody is named."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from sqlalchemy.ext.asyncio import AsyncConnection

from sequencer.store import attempts, figures, mailboxes
from sequencer.store.mailboxes import MailboxState

Hold = Literal[
    "hours", "pace", "inbox", "mailbox", "conversation", "on_its_way", "message", "contact", "workspace", "set_aside"
]
"""The kinds of holds: few and fixed, where the reasons themselves name templates, variables and people."""

_KINDS: Final[tuple[tuple[str, Hold], ...]] = (
    (r"set aside: ", "set_aside"),
    (r"they are in conversation in ", "conversation"),
    (r"a message is on its way|another message to them is on its way", "on_its_way"),
    (r"the inbox was ", "inbox"),
    (r"the template |the message cannot be written", "message"),
    (r"the contact (has no date|is gone)", "contact"),
    (r"sequences/|the mailbox \S+ is no longer|there (is|are) no (time zone|holidays)", "workspace"),
    (r"`.*` is no holidays code|\S+ has no state or province", "workspace"),
    (r"the mailbox sends at most|the gap between two messages|others have waited longer", "pace"),
    (r"outside |holiday: |mailbox away until |(Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day", "hours"),
    (r"no allowed time within |.* have no time in common", "hours"),
)


@dataclass(frozen=True, slots=True)
class MailboxFigures:
    """One mailbox. `owned`: under a lease of this daemon. `due_since`: since when the first of those due is so."""

    name: str
    owned: bool
    state: MailboxState
    inbox_read_at: datetime | None
    due: int
    due_since: datetime | None
    held: Mapping[Hold, int]
    in_doubt: int
    set_aside: int
    untold: int


async def take_figures(
    conn: AsyncConnection, names: Collection[str], owner: str, now: datetime
) -> tuple[MailboxFigures, ...]:
    """The figures of these mailboxes, by name; one that was never registered is left out."""
    rows = await mailboxes.some(conn, names)
    waiting = await figures.waiting(conn, names, now)
    held: dict[str, Counter[Hold]] = {}
    for name, reason, number in await figures.held(conn, names):
        held.setdefault(name, Counter())[kind_of_hold(reason)] += number
    doubt = await attempts.in_doubt_counts(conn)
    aside = await figures.set_aside(conn)
    untold = await figures.untold(conn, names)
    return tuple(
        MailboxFigures(
            name=row.name,
            owned=row.lease_owner == owner,
            state=row.state,
            inbox_read_at=row.inbox_read_at,
            due=waiting[row.name].due if row.name in waiting else 0,
            due_since=waiting[row.name].since if row.name in waiting else None,
            held=held.get(row.name, {}),
            in_doubt=doubt.get(row.name, 0),
            set_aside=aside.get(row.name, 0),
            untold=untold.get(row.name, 0),
        )
        for row in rows
    )


def kind_of_hold(reason: str) -> Hold:
    """What kind of hold a reason tells of. What is none of the others is the mailbox's own trouble, in any words."""
    return next((kind for pattern, kind in _KINDS if re.match(pattern, reason)), "mailbox")
