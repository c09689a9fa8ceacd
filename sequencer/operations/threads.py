"""The conversations: those that wait for the rep, and one of them from its first message to its last."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from sequencer.core.model import Contact, Enrollment
from sequencer.inbox.parse import parse_mail
from sequencer.operations.explain import iso
from sequencer.operations.live import Live
from sequencer.operations.record import Refusal
from sequencer.operations.weighing import dissent_in
from sequencer.store import attempts, contacts, enrollments, messages
from sequencer.store.attempts import Attempt
from sequencer.store.messages import Direction, Message

_PROPOSALS: Final = {
    "interested": "answer them yourself; then close --won, or resume",
    "question": "answer them yourself, then resume",
    "not_now": "snooze",
    "not_interested": "stop",
    "unsubscribe": "suppress",
    "wrong_person": "enroll whom they name, and stop here",
    "left_company": "find out who took over, and stop here",
    "challenge": "prove to their mailbox that you are human, then resume",
    "calendar": "look at the appointment, then resume or close",
}


@dataclass(frozen=True, slots=True)
class Waiting:
    """A paused thread with the message that paused it; none when it was paused by hand."""

    enrollment: Enrollment
    contact: Contact
    message: Message | None
    proposed: str


@dataclass(frozen=True, slots=True)
class Part:
    """One message of a conversation. `direction` is sent, received, hand_written or notice; `message` is the number of
    one that came, and `read_as` what the reader had made of it when somebody has corrected that."""

    at: datetime
    direction: str
    sender: str
    subject: str
    text: str
    kind: str = ""
    step: str = ""
    state: str = ""
    evidence: str = ""
    confidence: float | None = None
    message: int | None = None
    read_as: str = ""


@dataclass(frozen=True, slots=True)
class Conversation:
    """The conversation of one enrollment."""

    enrollment: Enrollment
    contact: Contact
    parts: tuple[Part, ...]


async def waiting(conn: AsyncConnection, live: Live, *, limit: int = 1000) -> list[Waiting]:
    """The threads that are paused, the latest change first."""
    found = await messages.awaiting(conn, limit=limit)
    people = await contacts.by_ids(conn, {one.standing.enrollment.contact_id for one in found}, live.defaults)
    return [
        Waiting(one.standing.enrollment, people[one.standing.enrollment.contact_id], one.message, propose(one.message))
        for one in found
    ]


def propose(message: Message | None) -> str:
    """What a rep would most likely do about a message."""
    if message is None:
        return "resume, when you are ready"
    other = dissent_in(message.evidence) if message.kind == "reply" and not message.label else ""
    if other and not message.kind_read:
        return f"a second opinion takes it for {other.replace('_', ' ')}: {_proposal(other, message.named_date)}"
    return _proposal(message.kind, message.named_date)


def _proposal(kind: str, named: date | None) -> str:
    if kind == "not_now" and named is not None:
        return f"snooze until {named}"
    return _PROPOSALS.get(kind, "read it, then resume, snooze or close")


async def conversation(conn: AsyncConnection, live: Live, enrollment_id: int) -> Conversation | Refusal:
    """What went out and what came back in one enrollment, in the order of time."""
    enrollment = await enrollments.get(conn, enrollment_id)
    contact = await contacts.by_id(conn, enrollment.contact_id, live.defaults) if enrollment is not None else None
    if enrollment is None or contact is None:
        return Refusal(f"there is no thread {enrollment_id}; `sequencer threads` lists those that wait for you")
    parts = []
    for item in await messages.thread_of(conn, enrollment_id):
        parts.append(await _sent(conn, live, item) if isinstance(item, Attempt) else _received(item))
    return Conversation(enrollment, contact, tuple(parts))


async def _sent(conn: AsyncConnection, live: Live, attempt: Attempt) -> Part:
    raw = await attempts.bytes_of(conn, attempt.id)
    mailbox = live.mailbox(attempt.mailbox)
    return Part(
        at=attempt.started_at,
        direction="sent",
        sender=mailbox.from_address if mailbox is not None else attempt.mailbox,
        subject=attempt.subject,
        text=parse_mail(raw or b"").text.strip(),
        step=attempt.step,
        state=str(attempt.state),
    )


def _received(message: Message) -> Part:
    return Part(
        at=message.received_at,
        direction="hand_written" if message.direction is Direction.HAND_WRITTEN else str(message.direction),
        sender=message.sender,
        subject=message.subject,
        text=message.text,
        kind=message.label or message.kind,
        evidence=message.evidence,
        confidence=message.confidence,
        message=message.id,
        read_as=message.kind_read,
    )


def waiting_json(found: list[Waiting]) -> list[dict[str, Any]]:
    """DESIGN §6, `threads`."""
    return [
        {
            "id": one.enrollment.id,
            "message": one.message.id if one.message is not None else None,
            "contact": one.contact.email,
            "sequence": one.enrollment.sequence,
            "reason": one.enrollment.reason,
            "kind": (one.message.label or one.message.kind) if one.message is not None else "",
            "confidence": one.message.confidence if one.message is not None else None,
            "evidence": one.message.evidence if one.message is not None else "",
            "text": one.message.text if one.message is not None else "",
            "proposed": one.proposed,
            "received_at": iso(one.message.received_at) if one.message is not None else None,
        }
        for one in found
    ]


def conversation_json(found: Conversation) -> dict[str, Any]:
    """One thread with its messages, oldest first."""
    enrollment = found.enrollment
    return {
        "id": enrollment.id,
        "contact": found.contact.email,
        "sequence": enrollment.sequence,
        "mailbox": enrollment.mailbox,
        "status": str(enrollment.status),
        "reason": enrollment.reason,
        "messages": [
            {
                "at": iso(part.at),
                "message": part.message,
                "direction": part.direction,
                "from": part.sender,
                "subject": part.subject,
                "text": part.text,
                "kind": part.kind,
                "read_as": part.read_as or part.kind,
                "step": part.step,
                "state": part.state,
                "evidence": part.evidence,
                "confidence": part.confidence,
            }
            for part in found.parts
        ],
    }
