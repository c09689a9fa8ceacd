"""People, plans and moments for the store's tests."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from sequencer.core.decide import fold
from sequencer.core.events import Accepted, AttemptStarted, Enrolled, Event, Finished, Paused, Replied, Stopped
from sequencer.core.model import Enrollment, FieldValue, Position, Thread
from sequencer.store import contacts, enrollments, mailboxes
from sequencer.store.attempts import NewAttempt
from sequencer.store.enrollments import Change, Occupied

NOW = datetime(2026, 11, 2, 15, 30, 0, 123456, tzinfo=UTC)
MAILBOX = "mark"
OPENING = Position(step="thanks")


def later(**span: float) -> datetime:
    return NOW + timedelta(**span)


async def person(
    conn: AsyncConnection, email: str = "anna@example.com", fields: Mapping[str, FieldValue] | None = None
) -> int:
    return (await contacts.upsert(conn, email, fields or {}, None, None, None, NOW)).id


def enrolled(contact_id: int, *, sequence: str = "quote", mailbox: str = MAILBOX, at: datetime = NOW) -> Enrolled:
    return Enrolled(at=at, contact_id=contact_id, sequence=sequence, mailbox=mailbox, position=OPENING)


async def enter(
    conn: AsyncConnection,
    contact_id: int,
    *,
    sequence: str = "quote",
    mailbox: str = MAILBOX,
    wake_at: datetime | None = NOW,
    alone: bool = True,
) -> Enrollment:
    event = enrolled(contact_id, sequence=sequence, mailbox=mailbox)
    entered = await enrollments.create(conn, event, "v1", wake_at=wake_at, alone=alone)
    assert not isinstance(entered, Occupied)
    return entered


async def somebody(conn: AsyncConnection, email: str = "anna@example.com", **how: Any) -> Enrollment:
    return await enter(conn, await person(conn, email), **how)


def change(before: Enrollment, *events: Event, wake_at: datetime | None = None, wakes: int | None = None) -> Change:
    return Change(before, fold(before, events), events, "v1", wake_at, wakes)


async def happen(
    conn: AsyncConnection, before: Enrollment, *events: Event, wake_at: datetime | None = None
) -> Enrollment:
    made = change(before, *events, wake_at=wake_at)
    assert await enrollments.append_many(conn, [made]) == set()
    return made.after


def stopped(at: datetime = NOW) -> Stopped:
    return Stopped(at=at, reason="enough")


def finished(at: datetime = NOW) -> Finished:
    return Finished(at=at, reason="used up")


def paused(at: datetime = NOW) -> Paused:
    return Paused(at=at, reason="replied")


def replied(message: int, at: datetime = NOW) -> Replied:
    return Replied(at=at, message=message, kind="question", sender="anna@example.com", matched_by="in-reply-to")


def started(attempt: int, message_id: str, step: str = "thanks", at: datetime = NOW) -> AttemptStarted:
    return AttemptStarted(
        at=at, step=step, attempt=attempt, message_id=message_id, variant="thanks", subject="Thanks", due_at=at
    )


def accepted(message_id: str, step: str = "thanks", at: datetime = NOW) -> Accepted:
    thread = Thread(message_id, "Thanks", message_id, (message_id,))
    return Accepted(at=at, step=step, message_id=message_id, next=Position(step="article", after=step), thread=thread)


async def leased(conn: AsyncConnection, name: str = MAILBOX, owner: str = "worker") -> int:
    await mailboxes.register(conn, [name], NOW)
    number = await mailboxes.take(conn, name, owner, 60)
    assert number is not None
    return number


def letter(enrollment_id: int, message_id: str = "<1.thanks.a.b@example.org>", **other: Any) -> NewAttempt:
    given: dict[str, Any] = {
        "step": "thanks",
        "recipient": "anna@example.com",
        "subject": "Thanks",
        "data": b"Subject: Thanks\r\n\r\nThank you.\r\n",
        "started_at": NOW,
    }
    return NewAttempt(enrollment_id=enrollment_id, message_id=message_id, **{**given, **other})
