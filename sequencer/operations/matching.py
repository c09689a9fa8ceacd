"""Whose thread a received mail belongs to: the ladder, from a signed id down to a colleague's subject.

A false stop is cheap, a wrong send is not: the lower rungs match on little. Only what cannot be tied to anybody is
left alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from sequencer.core.model import Contact, Enrollment
from sequencer.inbox.match import Clues, bare_subject, company_domain
from sequencer.inbox.parse import Mail
from sequencer.mail.ids import ALERT_HEADER, is_alert_token, read_message_id, read_unsubscribe_token
from sequencer.operations.live import Live
from sequencer.store import aliases, contacts, enrollments
from sequencer.store.messages import content_hash

THREAD_ALIAS = "x-gm-thrid-"
"""A Gmail thread is remembered among the ids of its thread under this prefix."""

CLOCKS_DIFFER: Final = timedelta(minutes=5)
"""By so much the mail server's clock may be behind ours; its instants have whole seconds besides."""


@dataclass(frozen=True, slots=True)
class Match:
    """The enrollment a mail belongs to, and the rung of the ladder that said so, for people."""

    enrollment: Enrollment
    by: str
    certain: bool  # it names a message of ours


async def match(
    conn: AsyncConnection, live: Live, clues: Clues, received_at: datetime, *, notice: bool
) -> Match | None:
    """The enrollment that a mail belongs to. `notice`: a machine wrote, so its recipient may be our contact."""
    named = await _by_token(conn, live, clues, received_at)
    if named is None:
        named = await _by_message_id(conn, clues)
    if named is None and clues.thread_id:
        known = await aliases.by_message_ids(conn, [THREAD_ALIAS + clues.thread_id])
        named = next(((i, "the thread") for i in known.values()), None)
    if named is not None:
        enrollment = await enrollments.get(conn, named[0])
        if enrollment is not None:
            return Match(enrollment, named[1], certain=True)
    people = [clues.recipient, clues.sender] if notice else [clues.sender]
    for address in people:
        found = await _by_contact(conn, live, address, clues.subject, received_at)
        if found is not None:
            return found
    return None if notice else await _by_company(conn, clues, received_at)


async def _by_token(conn: AsyncConnection, live: Live, clues: Clues, received_at: datetime) -> tuple[int, str] | None:
    for candidate in clues.tokens:
        signed = _signed(live, candidate)
        if signed is not None and await _believable(conn, live, candidate, signed[0], clues, received_at):
            return signed
    return None


def _signed(live: Live, candidate: str) -> tuple[int, str] | None:
    enrollment_id = read_unsubscribe_token(live.key, candidate)
    if enrollment_id is not None:
        return enrollment_id, "our signed token"
    ours = read_message_id(live.key, candidate)
    return (ours.enrollment, "our Message-ID") if ours is not None else None


def answers_us(live: Live, clues: Clues) -> bool:
    """Whether a mail names something that only we can have signed, be its enrollment known or not."""
    return any(_signed(live, candidate) is not None for candidate in clues.tokens)


async def _believable(
    conn: AsyncConnection, live: Live, candidate: str, enrollment_id: int, clues: Clues, received_at: datetime
) -> bool:
    """A database that was restored may have given a number again that stands in older mails for somebody else."""
    if candidate in await aliases.by_message_ids(conn, [candidate]):
        return True
    enrollment = await enrollments.get(conn, enrollment_id)
    if enrollment is None or not was_enrolled(enrollment, received_at):
        return False
    contact = await contacts.by_id(conn, enrollment.contact_id, live.defaults)
    theirs = without_tag(contact.email.lower()) if contact is not None else ""
    people = [address.lower() for address in (clues.sender, clues.recipient) if address]
    if not theirs or theirs in {without_tag(address) for address in people}:
        return True
    others = [other for address in people if (other := await contact_of(conn, live, address)) is not None]
    return not others or company_domain(theirs) in {company_domain(other.email) for other in others} - {""}


async def _by_message_id(conn: AsyncConnection, clues: Clues) -> tuple[int, str] | None:
    known = await aliases.by_message_ids(conn, clues.message_ids)
    return next(((known[i], "the message it answers") for i in clues.message_ids if i in known), None)


def content_of(mail: Mail, raw: bytes) -> str:
    """What makes a mail the same one in another folder. Without a Message-ID its date tells two short answers apart."""
    told_apart = mail.subject if mail.message_id else f"{mail.subject}\n{mail.date}"
    return content_hash(mail.from_address, told_apart, raw)


def is_ours(live: Live, message_id: str) -> bool:
    """Whether a Message-ID is one that this installation signed."""
    return bool(message_id) and read_message_id(live.key, message_id) is not None


def is_alert(live: Live, mail: Mail) -> bool:
    """Whether the sequencer itself wrote it to the rep. Some providers put another Message-ID in the place of ours."""
    return any(is_alert_token(live.key, text) for text in (mail.message_id, *mail.headers.raw(ALERT_HEADER)[:1]))


async def contact_of(conn: AsyncConnection, live: Live, address: str) -> Contact | None:
    """The contact who writes from this address, be it with a +tag of their own."""
    if not address:
        return None
    known = await contacts.by_email(conn, address, live.defaults)
    plain = without_tag(address)
    return known if known is not None or plain == address else await contacts.by_email(conn, plain, live.defaults)


def without_tag(address: str) -> str:
    """`anna+news@example.com` is read by `anna@example.com` (RFC 5233), wherever a + is taken for anything at all."""
    local, at, domain = address.rpartition("@")
    return f"{local.partition('+')[0] or local}{at}{domain}"


def was_enrolled(enrollment: Enrollment, received_at: datetime) -> bool:
    """Whether a mail came after the enrollment, by the mail server's clock."""
    return enrollment.enrolled_at <= received_at + CLOCKS_DIFFER


def meant_by(known: Iterable[Enrollment], received_at: datetime) -> list[Enrollment]:
    """Those of one contact's enrollments that a mail concerns which we read only now, the newest first: those that it
    came after, and those that such a one has moved on to since."""
    found: list[Enrollment] = []
    for each in sorted(known, key=lambda enrollment: (enrollment.enrolled_at, enrollment.id)):
        moved_here = any(before.reason == f"moved to {each.sequence}" for before in found)
        if was_enrolled(each, received_at) or moved_here:
            found.append(each)
    return found[::-1]


async def _by_contact(
    conn: AsyncConnection, live: Live, address: str, subject: str, received_at: datetime
) -> Match | None:
    contact = await contact_of(conn, live, address)
    if contact is None:
        return None
    standings = await enrollments.by_contact(conn, contact.id)
    theirs = [s.enrollment for s in reversed(standings) if was_enrolled(s.enrollment, received_at)]
    for enrollment in theirs:
        if subject and _same_subject(enrollment, subject):
            return Match(enrollment, "sender and subject", certain=False)
    still_open = [enrollment for enrollment in theirs if not enrollment.status.ended]
    written_to = [en for en in theirs if en.emails_sent and en.reason not in ("won", "lost")]
    for enrollment in (*still_open, *written_to):
        return Match(enrollment, "sender", certain=False)
    return None


async def _by_company(conn: AsyncConnection, clues: Clues, received_at: datetime) -> Match | None:
    if not clues.domain or not clues.subject:
        return None
    for enrollment in await enrollments.open_at_domain(conn, clues.domain):
        if was_enrolled(enrollment, received_at) and _same_subject(enrollment, clues.subject):
            return Match(enrollment, "company and subject", certain=False)
    return None


def _same_subject(enrollment: Enrollment, subject: str) -> bool:
    thread = enrollment.thread
    return thread is not None and bare_subject(thread.subject).casefold() == subject.casefold()
