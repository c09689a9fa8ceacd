"""What a mail from outside means and whose thread it belongs to: the reader's rules, then the ladder of matching."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from sqlalchemy.ext.asyncio import AsyncConnection

from sequencer.core.model import Contact
from sequencer.core.model import Sequence as Plan
from sequencer.inbox.match import Clues, clues_of
from sequencer.inbox.parse import Mail
from sequencer.inbox.reading import Reading, read_mail
from sequencer.operations.live import Live
from sequencer.operations.matching import Match, match
from sequencer.store import contacts


@dataclass(frozen=True, slots=True)
class Understood:
    """A mail with its reading, and the thread and contact it belongs to; None where it belongs to nobody."""

    mail: Mail
    reading: Reading
    clues: Clues
    found: Match | None
    contact: Contact | None
    plan: Plan | None


async def understand(
    conn: AsyncConnection, live: Live, mail: Mail, received_at: datetime, gmail_thread: str = ""
) -> Understood:
    """Read a mail, find its thread, and read it once more as one of this contact and this sequence."""
    defaults = live.defaults
    read = partial(read_mail, mail, today=received_at.date(), extra_phrases=live.extra_phrases)
    reading = read(timezone=defaults.timezone, language=defaults.language)
    clues = replace(clues_of(mail, reading), thread_id=gmail_thread)  # the server's word, not a header's
    found = await match(conn, live, clues, received_at, notice=not reading.kind.human)
    contact = await contacts.by_id(conn, found.enrollment.contact_id, defaults) if found is not None else None
    plan = live.sequence(found.enrollment.sequence) if found is not None else None
    if contact is not None:
        labels = plan.labels if plan is not None else {}
        theirs = (contact.timezone, contact.language)
        if labels or theirs != (defaults.timezone, defaults.language):
            reading = read(labels=labels, timezone=contact.timezone, language=contact.language)
    return Understood(mail, replace(reading, evidence=_with_name(reading)), clues, found, contact, plan)


def _with_name(reading: Reading) -> str:
    """The evidence, with the address or person that they point to."""
    if not reading.refers_to or reading.refers_to in reading.evidence:
        return reading.evidence
    return f"{reading.evidence}; they name {reading.refers_to}"
