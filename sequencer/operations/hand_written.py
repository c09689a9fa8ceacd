"""The rep wrote by hand: a touch of its own, and the plan pauses while the two talk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from sequencer.core import events as e
from sequencer.core.model import Contact, Enrollment, Status
from sequencer.inbox.addresses import find_addresses
from sequencer.inbox.fresh_text import fresh_text
from sequencer.inbox.match import bare_subject, company_domain
from sequencer.inbox.parse import Mail, parse_mail
from sequencer.operations.advance import happening_of
from sequencer.operations.doubt import settle_by_copy
from sequencer.operations.happenings import Happening
from sequencer.operations.live import Live
from sequencer.operations.matching import contact_of, content_of, meant_by
from sequencer.operations.record import change_in
from sequencer.store import aliases, attempts, contacts, enrollments, messages
from sequencer.store.aliases import Alias
from sequencer.store.attempts import Attempt
from sequencer.store.messages import Direction, Known, NewMessage

REWRITTEN_WITHIN: Final = timedelta(minutes=10)
"""Some providers give our message an id of their own. Its copy in Sent has the same recipient and subject and
stands there within this time of the attempt."""

MOST_ADDRESSEES: Final = 200
MOST_IDS: Final = 100

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
    concerned, copies = await _written_to(conn, live, found, mail)
    told: list[Happening] = []
    for attempt in copies:
        await aliases.add_many(conn, [Alias(mail.message_id, attempt.enrollment_id, "sent folder", attempt.id)])
        told += await settle_by_copy(conn, live, attempt.message_id, "", now)
    if not concerned and not copies:
        concerned = await _same_thread(conn, live, mail)
    if not concerned:
        return told
    newest = concerned[0][0]
    await contacts.last_touch_of(conn, {contact.id for _, contact in concerned}, lock=True)
    if await messages.in_thread(conn, newest.id, mail.message_id, content_of(mail, found.raw)):
        return told  # in another folder, or a copy to another of our reps
    message = await messages.record(conn, _message(found, mail, newest), now)
    if isinstance(message, Known):
        return told
    for enrollment, contact in concerned:
        if not enrollment.status.ended:
            told += await _pause(conn, live, enrollment, contact, message, mail.message_id, found, now)
    return told


_Concerned = list[tuple[Enrollment, Contact]]


async def _written_to(conn: AsyncConnection, live: Live, found: Found, mail: Mail) -> tuple[_Concerned, list[Attempt]]:
    """What the addressees are or were in, each one's newest first; and our own messages of which this is a copy."""
    people = {
        contact.id: contact for address in _addressees(mail) if (contact := await contact_of(conn, live, address))
    }
    concerned: _Concerned = []
    copies: list[Attempt] = []
    for contact in people.values():
        standings = await enrollments.by_contact(conn, contact.id)
        theirs = meant_by([standing.enrollment for standing in standings], found.received_at)
        ours = await _rewritten(conn, theirs, mail, found.received_at)
        if ours is not None:
            copies.append(ours)
        else:
            concerned += [(enrollment, contact) for enrollment in theirs]
    return concerned, copies


async def _same_thread(conn: AsyncConnection, live: Live, mail: Mail) -> _Concerned:
    """An answer in one of our threads, to an address that we do not know (theirs at home). What stays in our own
    house, such as a thread forwarded to a colleague, says nothing to the contact and pauses nobody."""
    if all(_of_ours(live, address) for address in _addressees(mail)):
        return []
    ids = [*mail.in_reply_to, *reversed(mail.references)][:MOST_IDS]
    known = await aliases.by_message_ids(conn, ids)
    enrollment_id = next((known[i] for i in ids if i in known), None)
    enrollment = await enrollments.get(conn, enrollment_id) if enrollment_id is not None else None
    contact = await contacts.by_id(conn, enrollment.contact_id, live.defaults) if enrollment is not None else None
    return [(enrollment, contact)] if enrollment is not None and contact is not None else []


def _addressees(mail: Mail) -> list[str]:
    """To, Cc and, in the rep's own copy, Bcc."""
    hidden = find_addresses(" ".join(mail.headers.raw("bcc")[:10])[:32_000])
    return list(dict.fromkeys(address.lower() for address in (*mail.to, *hidden)))[:MOST_ADDRESSEES]


def _of_ours(live: Live, address: str) -> bool:
    boxes = live.workspace.config.mailboxes.values()
    ours = {box.from_address.lower() for box in boxes}
    return address in ours or company_domain(address) in {company_domain(mine) for mine in ours} - {""}


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


async def _rewritten(
    conn: AsyncConnection, theirs: Sequence[Enrollment], mail: Mail, received_at: datetime
) -> Attempt | None:
    """The message of ours of which this is a copy to which the provider gave another id.

    The rep may answer in the same thread within minutes, so the words have to be ours as well, from the first one on.
    """
    for enrollment in theirs:
        for attempt in await attempts.of_enrollment(conn, enrollment.id):
            near = abs(attempt.started_at - received_at) <= REWRITTEN_WITHIN
            if near and bare_subject(attempt.subject) == bare_subject(mail.subject):
                ours = await attempts.bytes_of(conn, attempt.id)
                if ours is not None and _squeezed(mail.words).startswith(_squeezed(parse_mail(ours).words)):
                    return attempt
    return None


def _squeezed(text: str) -> str:
    return "".join(text.split())


def _message(found: Found, mail: Mail, enrollment: Enrollment) -> NewMessage:
    return NewMessage(
        mailbox=found.mailbox,
        direction=Direction.HAND_WRITTEN,
        content=content_of(mail, found.raw),
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
