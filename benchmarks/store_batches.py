"""How many messages a second the store can make durable, without any SMTP: python benchmarks/store_batches.py

Each message costs what a real one costs: read what is due, the contacts and last touches; one transaction with the
suppression check, the lease, the attempt and its event; one with the outcome, its event, the touch and the next wake.
Options: --messages N (default 2,000), --postgresql URL (an empty database) to measure that one instead of SQLite.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sequencer.core.decide import evolve
from sequencer.core.events import Accepted, AttemptStarted, Enrolled
from sequencer.core.model import Enrollment, Position, Thread
from sequencer.store import agenda, attempts, contacts, enrollments, mailboxes, migrate, suppressions
from sequencer.store.attempts import AttemptState, NewAttempt, Outcome
from sequencer.store.database import Database
from sequencer.store.enrollments import Change, NewEnrollment
from sequencer.store.mailboxes import LeaseLost

NOW = datetime(2026, 11, 2, 15, 30, tzinfo=UTC)
MAILBOX = "mark"
LETTER = b"Subject: Thanks\r\n\r\n" + b"Thank you for your time today.\r\n" * 120  # 3.9 KB


@dataclass(frozen=True, slots=True)
class Work:
    database: Database
    lease: int


async def enroll(database: Database, first: int, count: int, wake_at: datetime) -> None:
    """New contacts, each in a sequence of its own mailbox."""
    for start in range(first, first + count, 1000):
        people = [contacts.Incoming(f"p{n}@d{n % 500}.example") for n in range(start, min(start + 1000, first + count))]
        async with database.begin() as conn:
            known = await contacts.upsert_many(conn, people, NOW)
            entries = [
                NewEnrollment(
                    Enrolled(at=NOW, contact_id=one.id, sequence="quote", mailbox=MAILBOX, position=Position(step="a")),
                    "v1",
                    wake_at,
                )
                for one in known
            ]
            await enrollments.create_many(conn, entries)


async def one_batch(work: Work, size: int) -> int:
    """What the sending pipeline asks of the store for up to `size` messages; returns how many there were."""
    async with work.database.read() as conn:
        due = (await agenda.due(conn, MAILBOX, NOW, size)).standings
        people = await contacts.by_ids(conn, [seen.enrollment.contact_id for seen in due])
        await contacts.last_touch_of(conn, people)
    async with work.database.begin() as conn:
        gone = await enrollments.outrun(conn, {seen.enrollment.id: seen.enrollment.version for seen in due})
        refused = await suppressions.reasons_for(conn, [person.email for person in people.values()])
        assert not gone
        assert not refused
        letters = [_letter(seen.enrollment, people[seen.enrollment.contact_id].email) for seen in due]
        ids = await attempts.start_many(conn, MAILBOX, work.lease, letters)
        assert not isinstance(ids, LeaseLost)
        started = [_started(seen.enrollment, i) for seen, i in zip(due, ids, strict=True)]
        assert not await enrollments.append_many(conn, started)
    async with work.database.begin() as conn:
        await attempts.finish_many(
            conn, [Outcome(i, AttemptState.ACCEPTED, "250 2.0.0 Ok: queued", NOW, copy=True) for i in ids]
        )
        assert not await enrollments.append_many(conn, [_accepted(change.after) for change in started])
        await contacts.touched(conn, {change.after.contact_id: NOW for change in started})
    return len(due)


def _message_id(enrollment: Enrollment) -> str:
    return f"<{enrollment.id}.{enrollment.position.step}.5f3a9c01d2e4.7c6b5a4938271605@example.org>"


def _letter(enrollment: Enrollment, recipient: str) -> NewAttempt:
    return NewAttempt(
        enrollment_id=enrollment.id,
        step=enrollment.position.step,
        message_id=_message_id(enrollment),
        recipient=recipient,
        subject="Thanks",
        data=LETTER,
        started_at=NOW,
    )


def _started(enrollment: Enrollment, attempt: int) -> Change:
    event = AttemptStarted(
        at=NOW,
        step=enrollment.position.step,
        attempt=attempt,
        message_id=_message_id(enrollment),
        variant="thanks",
        subject="Thanks",
        due_at=NOW,
    )
    return Change(enrollment, evolve(enrollment, event, "v1"), (event,), "v1", None)


def _accepted(enrollment: Enrollment) -> Change:
    message_id = _message_id(enrollment)
    event = Accepted(
        at=NOW,
        step=enrollment.position.step,
        message_id=message_id,
        next=Position(step="b", after=enrollment.position.step),
        thread=Thread(message_id, "Thanks", message_id, (message_id,)),
        answer="250 2.0.0 Ok: queued",
    )
    return Change(enrollment, evolve(enrollment, event, "v1"), (event,), "v1", NOW + timedelta(days=5))


async def measure_batches(database: Database, messages: int) -> None:
    async with database.begin() as conn:
        await mailboxes.register(conn, [MAILBOX], NOW)
        lease = await mailboxes.take(conn, MAILBOX, "benchmark", 3600)
    assert lease is not None
    work, first = Work(database, lease), 0
    for size in (1, 16, 32, 64):
        count = max(size, messages // 10 if size == 1 else messages // size * size)
        await enroll(database, first, count, NOW)
        first += count
        begun, done = time.perf_counter(), 0
        while done < count:
            done += await one_batch(work, size)
        seconds = time.perf_counter() - begun
        print(
            f"  {size:3} at a time: {done / seconds:7,.0f} messages/s ({seconds / (done / size) * 1e3:.1f} ms a batch)"
        )


async def measure(url: str, messages: int) -> None:
    await migrate.upgrade(url)
    database = await Database.open(url)
    print(f"{database.dialect}:")
    await measure_batches(database, messages)
    await database.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=2000)
    parser.add_argument("--postgresql", default="")
    options = parser.parse_args()
    if options.postgresql:
        asyncio.run(measure(options.postgresql, options.messages))
        return
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(f"sqlite:///{Path(folder) / 'sequencer.db'}", options.messages))


if __name__ == "__main__":
    main()
