"""Quoting their words back: `{{ they_said }}` in a template is the fresh text of their latest reply."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from sequencer.core.model import Contact, Email, Enrollment
from sequencer.operations.advance import Ready
from sequencer.operations.live import Live
from sequencer.operations.matching import without_tag
from sequencer.store import messages
from sequencer.store.messages import Direction
from sequencer.workspace.templates import THEY_SAID, Templates

MOST_QUOTED: Final = 1_000
"""Characters of an answer that are quoted; it ends with an ellipsis where it was longer."""


async def words_of(live: Live, ready: Sequence[Ready]) -> dict[int, Mapping[str, object]]:
    """The variables that come from the thread, by enrollment, for those whose template asks for them."""
    templates = live.workspace.templates
    asking = [
        item for item in ready if item.enrollment.last_sign_at is not None and quotes(templates, item.action.email)
    ]
    if not asking:
        return {}
    async with live.database.read() as conn:
        said = {item.enrollment.id: await said_by(conn, item.contact, item.enrollment) for item in asking}
    return {i: {THEY_SAID: words} for i, words in said.items() if words}


def quotes(templates: Templates, email: Email) -> bool:
    """Whether a variant of an e-mail quotes their words."""
    found = (templates.get(name) for name in email.variants)
    return any(read.name == THEY_SAID for template in found if template is not None for read in template.reads)


async def said_by(conn: AsyncConnection, contact: Contact, enrollment: Enrollment) -> str:
    """What the contact wrote last in this thread, shortened; empty when nothing.

    Only their own words are quoted to them, never a colleague's who answered in their thread.
    """
    own = without_tag(contact.email.lower())
    said = [
        message.text
        for message in await messages.of_enrollment(conn, enrollment.id)
        if message.enrollment_id == enrollment.id
        and message.direction is Direction.RECEIVED
        and without_tag(message.sender.lower()) == own
        and message.text.strip()
    ]
    return shortened(said[-1]) if said else ""


def shortened(text: str) -> str:
    """The beginning of a text, cut between two words."""
    plain = text.strip()
    if len(plain) <= MOST_QUOTED:
        return plain
    head = plain[: MOST_QUOTED - 1]
    return (head.rpartition(" ")[0] or head).rstrip() + "…"
