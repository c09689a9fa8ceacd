"""Receiving, as one pipeline: raw mail → our own? the rep's? → reading → match → events → reaction.

One transaction a message; the folder's cursor moves in the same one, so no effect is lost or doubled.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from sequencer.core import events as e
from sequencer.core.model import Contact, Enrollment, Status, Suppress
from sequencer.core.model import Sequence as Plan
from sequencer.core.react import FINAL_KINDS, Heard, away_until, caused_by, noticed, react, reaction_to
from sequencer.core.timing import Calendar
from sequencer.inbox.match import Clues
from sequencer.inbox.parse import Mail, parse_mail
from sequencer.inbox.reading import Kind, Reading
from sequencer.mail.ids import read_message_id
from sequencer.operations.advance import happening_of
from sequencer.operations.doubt import settle_by_answer, settle_by_copy
from sequencer.operations.enrollments import move_on
from sequencer.operations.hand_written import Found, take_note
from sequencer.operations.happenings import Happening
from sequencer.operations.live import Live
from sequencer.operations.matching import (
    THREAD_ALIAS,
    Match,
    answers_us,
    contact_of,
    content_of,
    is_alert,
    is_ours,
    without_tag,
)
from sequencer.operations.opinion import Opinion
from sequencer.operations.record import Refusal, change_in
from sequencer.operations.recovered import copy_of, take_in, take_in_late
from sequencer.operations.suppression import first_words, reason_to_suppress
from sequencer.operations.understanding import understand
from sequencer.operations.weighing import weigh
from sequencer.store import aliases, attempts, contacts, enrollments, mailboxes, messages, strikes, suppressions, tasks
from sequencer.store.aliases import Alias
from sequencer.store.messages import Direction, Known, NewMessage
from sequencer.store.strikes import Strike
from sequencer.workspace.calendars import calendar_for
from sequencer.workspace.config import Mailbox

ANSWERED_FROM: Final = "a reply came from {sender}"
UNREAD: Final = "a mail that may be their answer could not be read and was set aside"


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message as it stands in a folder. `raw` may be cut at 256 KiB; `received_at` is the server's."""

    mailbox: Mailbox
    folder: str
    uid: int
    received_at: datetime
    raw: bytes
    in_sent: bool = False
    gmail_thread: str = ""
    mixed: bool = False  # a folder where drafts and copies lie too: what the rep wrote counts in Sent only
    opinion: Opinion | None = None  # what a second opinion says of it, asked before


@dataclass(slots=True)
class Receipt:
    """What a message led to. `refusal` is set when a provider says that it refuses us, not the contact."""

    happenings: list[Happening] = field(default_factory=list)
    refusal: str = ""


async def receive(conn: AsyncConnection, live: Live, arrival: Arrival, now: datetime) -> Receipt:
    """Take one message in. What concerns none of our contacts leaves no trace."""
    mail = parse_mail(arrival.raw)
    if is_alert(live, mail):
        return Receipt()
    if is_ours(live, mail.message_id):
        if not arrival.in_sent:
            return Receipt()  # a copy to ourselves, or one that came back round a forwarder
        return Receipt(await _copy_in_sent(conn, live, arrival, mail, now))
    if arrival.in_sent or await _by_a_rep(conn, live, arrival, mail):
        if arrival.mixed and not arrival.in_sent:
            return Receipt()
        found = Found(arrival.mailbox.name, arrival.folder, arrival.uid, arrival.received_at, arrival.raw)
        return Receipt(await take_note(conn, live, found, mail, now))
    return await _receive_from_outside(conn, live, arrival, mail, now)


async def _copy_in_sent(
    conn: AsyncConnection, live: Live, arrival: Arrival, mail: Mail, now: datetime
) -> list[Happening]:
    """Our own message in Sent: it settles a doubt, or tells of a message that the database has forgotten."""
    thread = THREAD_ALIAS + arrival.gmail_thread if arrival.gmail_thread else ""
    if await attempts.by_message_id(conn, mail.message_id) is not None:
        return await settle_by_copy(conn, live, mail.message_id, thread, now)
    copy = copy_of(live, arrival.mailbox.name, mail, arrival.raw, arrival.received_at)
    if copy is None:
        return []
    known = await attempts.not_delivered(conn, mail.message_id)
    if known is not None:
        found = await take_in_late(conn, live, copy, known, now)
    elif await attempts.exists(conn, mail.message_id):
        return []  # the server has put it off or refused it
    else:
        found = await take_in(conn, live, copy, content_of(mail, arrival.raw), now)
    if found is None:
        return []
    if thread:
        alias = Alias(thread, found.enrollment.id, "gmail thread", found.event.attempt)
        await aliases.add_many(conn, [alias])
    return [happening_of(found.event, found.enrollment, found.contact)]


async def worth_asking_about(conn: AsyncConnection, live: Live, arrival: Arrival) -> Reading | None:
    """The reading of a message that a person wrote in a thread of ours and that is not known yet, else None.

    Only such a message may be shown to a second opinion: the rep's other mail is nobody's business.
    """
    mail = parse_mail(arrival.raw)
    if (
        arrival.in_sent
        or is_ours(live, mail.message_id)
        or is_alert(live, mail)
        or await _by_a_rep(conn, live, arrival, mail)
    ):
        return None
    understood = await understand(conn, live, mail, arrival.received_at, arrival.gmail_thread)
    found, reading = understood.found, understood.reading
    if found is None or understood.contact is None or not reading.kind.human:
        return None
    known = await messages.in_thread(conn, found.enrollment.id, mail.message_id, content_of(mail, arrival.raw))
    return None if known else reading


async def _by_a_rep(conn: AsyncConnection, live: Live, arrival: Arrival, mail: Mail) -> bool:
    """Whether the rep wrote it, or another rep of ours; one who is a contact as well (a trial) answers as such."""
    sender = mail.from_address.lower()
    if sender == arrival.mailbox.from_address.lower():
        return True
    ours = {mailbox.from_address.lower() for mailbox in live.workspace.config.mailboxes.values()}
    return sender in ours and await contact_of(conn, live, sender) is None


async def _receive_from_outside(
    conn: AsyncConnection, live: Live, arrival: Arrival, mail: Mail, now: datetime
) -> Receipt:
    understood = await understand(conn, live, mail, arrival.received_at, arrival.gmail_thread)
    reading, clues = weigh(understood.reading, arrival.opinion), understood.clues
    found, contact, plan = understood.found, understood.contact, understood.plan
    if found is None or contact is None:
        return await _to_the_desk(conn, live, arrival, mail, reading, clues, now)
    await contacts.last_touch_of(conn, [contact.id], lock=True)  # two workers may have it at the same moment
    if await messages.in_thread(conn, found.enrollment.id, mail.message_id, content_of(mail, arrival.raw)):
        return Receipt()  # in another folder, or to two of our reps
    message = await messages.record(conn, _message(arrival, mail, reading, found), now)
    if isinstance(message, Known):
        return Receipt()
    receipt = Receipt(refusal=reading.evidence if reading.sender_side else "")
    if reading.sender_side:
        await strikes.add(conn, arrival.mailbox.name, [Strike.REFUSAL], min(now, arrival.received_at))
    if found.certain:
        receipt.happenings += await settle_by_answer(conn, live, clues.message_ids, now)
    earlier = await live.earlier(conn, found.enrollment)
    case = _Case(live, arrival, mail, reading, clues, found, plan, contact, message, now, earlier)
    if reading.kind.human:
        await _hear(conn, case, receipt)
    else:
        await _notice(conn, case, receipt)
    return receipt


@dataclass(frozen=True, slots=True)
class _Case:
    """One message that belongs to a thread."""

    live: Live
    arrival: Arrival
    mail: Mail
    reading: Reading
    clues: Clues
    found: Match
    plan: Plan | None
    contact: Contact
    message: int
    now: datetime
    earlier: Plan | None = None  # the file that the enrollment's place comes from, when that is not the live one

    @property
    def heard(self) -> Heard:
        reading = self.reading
        return Heard(str(reading.kind), reading.label, reading.date, reading.date_words)

    @property
    def from_contact(self) -> bool:
        return without_tag(self.mail.from_address.lower()) == without_tag(self.contact.email.lower())

    @property
    def at(self) -> datetime:
        """When they wrote: never before the enrollment or after the present instant."""
        return min(self.now, max(self.arrival.received_at, self.found.enrollment.enrolled_at))


# A human wrote ---------------------------------------------------------------------------------------


async def _hear(conn: AsyncConnection, case: _Case, receipt: Receipt) -> None:
    unwanted = case.reading.kind is Kind.UNSUBSCRIBE
    if unwanted:
        await _suppress(conn, case, case.contact)
    others = [other.id for other in await enrollments.active_of(conn, case.contact.id)]
    await _apply(conn, case, case.found.enrollment.id, lambda en: _reply_events(case, en), case.contact, receipt)
    elsewhere = f"they replied in {case.found.enrollment.sequence}"
    for other in others:
        if other != case.found.enrollment.id:
            make = _stop if unwanted else partial(_pause, reason=elsewhere)
            await _apply(conn, case, other, partial(make, case), case.contact, receipt)
    if not case.from_contact:
        await _hear_another(conn, case, receipt)
    if case.clues.domain:
        await _pause_colleagues(conn, case, receipt)


async def _hear_another(conn: AsyncConnection, case: _Case, receipt: Receipt) -> None:
    """Who answers in somebody else's thread may be a contact as well: they have answered, too."""
    sender = await contact_of(conn, case.live, case.clues.sender)
    if sender is None or sender.id == case.contact.id:
        return
    unwanted = case.reading.kind is Kind.UNSUBSCRIBE
    if unwanted:
        await _suppress(conn, case, sender)
    reason = f"they replied in the thread of {case.contact.email}"
    for other in await enrollments.active_of(conn, sender.id):
        make = _stop if unwanted else partial(_pause, reason=reason)
        await _apply(conn, case, other.id, partial(make, case), sender, receipt)


def _reply_events(case: _Case, enrollment: Enrollment) -> Sequence[e.Event]:
    replied = _replied(case)
    if case.plan is None:
        return (replied, e.Paused(at=case.now, reason="they replied, and the sequence's file is gone"))
    if not case.from_contact and case.reading.kind is not Kind.UNSUBSCRIBE:
        return (replied, e.Paused(at=case.now, reason=ANSWERED_FROM.format(sender=case.mail.from_address)))
    return (replied, *react(case.plan, enrollment, case.heard, _calendar(case), case.now, case.earlier))


def _replied(case: _Case) -> e.Replied:
    return e.Replied(
        at=case.at,
        message=case.message,
        kind=case.reading.label or str(case.reading.kind),
        sender=case.mail.from_address,
        matched_by=case.found.by,
        evidence=case.reading.evidence,
        message_id=case.mail.message_id,
    )


def _pause(case: _Case, enrollment: Enrollment, reason: str) -> Sequence[e.Event]:
    if enrollment.status not in (Status.ACTIVE, Status.SNOOZED):
        return ()
    return (e.Paused(at=case.now, reason=reason),)


def _stop(case: _Case, enrollment: Enrollment) -> Sequence[e.Event]:
    if enrollment.status.ended:
        return ()
    return (e.Stopped(at=case.now, reason=f"suppressed: {str(case.reading.kind).replace('_', ' ')}"),)


async def _pause_colleagues(conn: AsyncConnection, case: _Case, receipt: Receipt) -> None:
    """One answer from a company speaks for all of it: nobody there is written to until the rep has looked."""
    reason = f"{case.mail.from_address}, of the same company, replied"
    domains = {case.clues.domain, case.clues.sender.rpartition("@")[2]}
    there = [other for domain in sorted(domains) for other in await enrollments.open_at_domain(conn, domain)]
    for other in there:
        if other.contact_id == case.contact.id:
            continue
        colleague = await contacts.by_id(conn, other.contact_id, case.live.defaults)
        if colleague is not None:
            await _apply(conn, case, other.id, lambda en: _pause(case, en, reason), colleague, receipt)


async def pause_unread(conn: AsyncConnection, live: Live, raw: bytes, now: datetime) -> list[Happening]:
    """A mail that could not be taken in may have been an answer: whoever it names is paused until somebody looks."""
    mail = parse_mail(raw)
    if is_ours(live, mail.message_id):
        return []
    signed = (read_message_id(live.key, i) for i in (*mail.in_reply_to, *mail.references))
    named = {token.enrollment for token in signed if token is not None}
    sender = await contact_of(conn, live, mail.from_address)
    if sender is not None:
        named |= {enrollment.id for enrollment in await enrollments.active_of(conn, sender.id)}
    told: list[Happening] = []
    for enrollment_id in sorted(named):
        made: list[e.Event] = []

        def pause(enrollment: Enrollment, made: list[e.Event] = made) -> Sequence[e.Event]:
            made[:] = [e.Paused(at=now, reason=UNREAD)] if enrollment.status in (Status.ACTIVE, Status.SNOOZED) else []
            return tuple(made)

        after = await change_in(conn, live, enrollment_id, now, pause)
        if isinstance(after, Enrollment) and made:
            contact = await contacts.by_id(conn, after.contact_id, live.defaults)
            told += [happening_of(event, after, contact.email if contact is not None else "") for event in made]
    return told


# A machine wrote -------------------------------------------------------------------------------------


async def _notice(conn: AsyncConnection, case: _Case, receipt: Receipt) -> None:
    if case.plan is not None and isinstance(reaction_to(case.plan, case.heard), Suppress):
        await _suppress(conn, case, case.contact)
        for other in await enrollments.active_of(conn, case.contact.id):
            if other.id != case.found.enrollment.id:
                await _apply(conn, case, other.id, partial(_stop, case), case.contact, receipt)
    await _apply(conn, case, case.found.enrollment.id, lambda en: _notice_events(case, en), case.contact, receipt)


def _notice_events(case: _Case, enrollment: Enrollment) -> Sequence[e.Event]:
    reading = case.reading
    told = e.NoticeReceived(at=case.at, message=case.message, kind=str(reading.kind), evidence=reading.evidence)
    if case.plan is None:
        return (told,)
    calendar = _calendar(case)
    if reading.kind is Kind.OUT_OF_OFFICE:
        told = replace(told, away_until=away_until(reading.date, calendar, case.now))
    why, ours = reading.evidence, reading.sender_side
    follows = noticed(case.plan, enrollment, case.heard, calendar, case.now, case.earlier, evidence=why, ours=ours)
    return (told, *follows)


# Common ground ---------------------------------------------------------------------------------------


async def _apply(
    conn: AsyncConnection,
    case: _Case,
    enrollment_id: int,
    make: Callable[[Enrollment], Sequence[e.Event]],
    contact: Contact,
    receipt: Receipt,
) -> None:
    made: list[e.Event] = []
    asked: list[bool] = []

    def remember(enrollment: Enrollment) -> Sequence[e.Event]:
        made[:] = [caused_by(case.message, event) for event in make(enrollment)]
        asked[:] = [enrollment.task is not None]
        return tuple(made)

    after = await change_in(conn, case.live, enrollment_id, case.now, remember)
    if isinstance(after, Refusal):
        raise RuntimeError(f"enrollment {enrollment_id}: {after.reason}")
    if any(asked) and after.task is None:
        await tasks.drop(conn, after.id, after.reason or "the plan does not wait for it any more", case.now)
    receipt.happenings += [happening_of(event, after, contact.email) for event in made]
    for event in made:
        if isinstance(event, e.Moved):
            await move_on(conn, case.live, after, event.to, case.now)


async def _suppress(conn: AsyncConnection, case: _Case, contact: Contact) -> None:
    reading = case.reading
    reason = reason_to_suppress(str(reading.kind), case.at, reading.text, reading.evidence)
    await suppressions.add(conn, contact.email, reason, f"message {case.message}", case.now)


async def _to_the_desk(
    conn: AsyncConnection, live: Live, arrival: Arrival, mail: Mail, reading: Reading, clues: Clues, now: datetime
) -> Receipt:
    """A mail that belongs to no thread is kept only when a contact of ours wrote it; an opt-out holds all the same."""
    contact = await contacts.by_email(conn, clues.sender, live.defaults) if clues.sender else None
    if contact is None:
        return await _from_the_forgotten(conn, live, arrival, mail, reading, clues, now)
    message = await messages.record(conn, _message(arrival, mail, reading, None), now)
    if reading.kind is Kind.UNSUBSCRIBE and not isinstance(message, Known):
        await suppressions.add(conn, contact.email, first_words(reading.text), f"message {message}", now)
    return Receipt()


async def _from_the_forgotten(
    conn: AsyncConnection, live: Live, arrival: Arrival, mail: Mail, reading: Reading, clues: Clues, now: datetime
) -> Receipt:
    """They hold something that we have signed, so we have written to them, but nobody knows them (any more)."""
    if not answers_us(live, clues):
        return Receipt()
    address = clues.sender if reading.kind.human else clues.recipient
    if address and isinstance(FINAL_KINDS.get(str(reading.kind)), Suppress):
        reason = reason_to_suppress(str(reading.kind), now, reading.text, reading.evidence)
        await suppressions.add(conn, address, reason, f"a mail to {arrival.mailbox.name}", now)
    elif reading.kind.human and await mailboxes.is_copy(conn, arrival.mailbox.name):
        await messages.record(conn, _message(arrival, mail, reading, None), now)
    return Receipt()


def _message(arrival: Arrival, mail: Mail, reading: Reading, found: Match | None) -> NewMessage:
    return NewMessage(
        mailbox=arrival.mailbox.name,
        direction=Direction.RECEIVED if reading.kind.human else Direction.NOTICE,
        content=content_of(mail, arrival.raw),
        received_at=arrival.received_at,
        raw=arrival.raw,
        folder=arrival.folder,
        uid=arrival.uid,
        enrollment_id=found.enrollment.id if found is not None else None,
        kind=str(reading.kind),
        label=reading.label,
        confidence=reading.confidence,
        matched_by=found.by if found is not None else "",
        evidence=reading.evidence,
        sender=mail.from_address,
        recipient=", ".join(mail.to[:5]),
        subject=mail.subject,
        message_id=mail.message_id,
        in_reply_to=mail.in_reply_to[0] if mail.in_reply_to else "",
        text=reading.text,
        named_date=reading.date,
        date_words=reading.date_words,
    )


def _calendar(case: _Case) -> Calendar:
    assert case.plan is not None
    return calendar_for(case.contact, case.plan, case.arrival.mailbox)
