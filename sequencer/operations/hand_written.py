"""The rep wrote by hand: a touch of its own, and the plan pauses while the two talk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from sequencer.core import events as e
from sequencer.core.model import Contact, Enrollment, Status
from sequencer.inbox.fresh_text import fresh_text
from sequencer.inbox.match import bare_subject
from sequencer.inbox.parse import Mail
from sequencer.operations.advance import happening_of
from sequencer.operations.happenings import Happening
from sequencer.operations.live import Live
from sequencer.operations.record import change_in
from sequencer.store import aliases, attempts, contacts, enrollments, messages
from sequencer.store.aliases import Alias
from sequencer.store.messages import Direction, Known, NewMessage, content_hash

REWRITTEN_WITHIN: Final = timedelta(minutes=10)
"""Some providers give our message an id of their own. Its copy in Sent has the same recipient and subject and
stands there within this time of the attempt."""

REASON: Final = "you wrote to them by hand"


@dataclass(frozen=True, slots=True)
class Found:
    """Where a message of the rep's stands, and when the server says it came there."""

    mailbox: str
    folder: str
    uid: int
    received_at: datetime
    raw: bytes


async def take_note(conn: AsyncConnection, live: Live, found: Found, mail: Mail, now: datetime) -> list[Happening]:
    """Pause everything planned for the contacts that the rep has written to. Our own, rewritten copies are known."""
    told: list[Happening] = []
    people = await contacts.by_emails(conn, list(dict.fromkeys(mail.to)), live.defaults)
    for contact in {contact.id: contact for contact in people.values()}.values():
        theirs = [standing.enrollment for standing in await enrollments.by_contact(conn, contact.id)]
        theirs = [enrollment for enrollment in theirs if enrollment.enrolled_at <= found.received_at]
        if not theirs or await _is_rewritten_copy(conn, theirs, mail, found.received_at):
            continue
        message = await messages.record(conn, _message(found, mail, theirs[-1]), now)
        if isinstance(message, Known):
            continue
        for enrollment in theirs:
            if not enrollment.status.ended:
                told += await _pause(conn, live, enrollment, contact, message, mail.message_id, found, now)
    return told


async def _pause(
    conn: AsyncConnection,
    live: Live,
    enrollment: Enrollment,
    contact: Contact,
    message: int,
    message_id: str,
    found: Found,
    now: datetime,
) -> list[Happening]:
    made: list[e.Event] = []

    def make(present: Enrollment) -> Sequence[e.Event]:
        at = min(now, max(found.received_at, present.enrolled_at))
        made[:] = [e.HandWritten(at=at, message=message, message_id=message_id)]
        if present.status in (Status.ACTIVE, Status.SNOOZED):
            made.append(e.Paused(at=now, reason=REASON))
        return tuple(made)

    after = await change_in(conn, live, enrollment.id, now, make)
    if not isinstance(after, Enrollment):
        return []
    return [happening_of(event, after, contact.email) for event in made]


async def _is_rewritten_copy(
    conn: AsyncConnection, theirs: Sequence[Enrollment], mail: Mail, received_at: datetime
) -> bool:
    """Whether this is a message of ours to which the provider gave another id; that id is remembered."""
    for enrollment in theirs:
        for attempt in await attempts.of_enrollment(conn, enrollment.id):
            near = abs(attempt.started_at - received_at) <= REWRITTEN_WITHIN
            if near and bare_subject(attempt.subject) == bare_subject(mail.subject):
                await aliases.add_many(conn, [Alias(mail.message_id, enrollment.id, "sent folder", attempt.id)])
                return True
    return False


def _message(found: Found, mail: Mail, enrollment: Enrollment) -> NewMessage:
    return NewMessage(
        mailbox=found.mailbox,
        direction=Direction.HAND_WRITTEN,
        content=content_hash(mail.from_address, mail.subject, found.raw),
        received_at=found.received_at,
        raw=found.raw,
        folder=found.folder,
        uid=found.uid,
        enrollment_id=enrollment.id,
        sender=mail.from_address,
        recipient=", ".join(mail.to[:5]),
        subject=mail.subject,
        message_id=mail.message_id,
        in_reply_to=mail.in_reply_to[0] if mail.in_reply_to else "",
        text=fresh_text(mail),
    )
