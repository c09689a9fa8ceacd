"""Cost follows what is due, not who is enrolled: the planners of both databases answer by index.

The statements are those that the functions really run, caught on the way to the driver and explained there.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from sqlalchemy import event, func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from sequencer.core.model import Status
from sequencer.operations.figures import take_figures
from sequencer.store import (
    agenda,
    aliases,
    attempts,
    contacts,
    enrollments,
    figures,
    histories,
    mailboxes,
    messages,
    sent_copies,
    suppressions,
    tables,
    tasks,
    trials,
)
from sequencer.store.attempts import AttemptState
from sequencer.store.conversations import in_conversation
from sequencer.store.database import Database
from tests.store.people import MAILBOX, NOW, enrolled, later

CROWD = 20_000
Query = Callable[[AsyncConnection], Awaitable[Any]]


async def _crowd(conn: AsyncConnection) -> None:
    """Many enrollments: most ended, some far ahead, a few due, held, paused; each with an attempt and a message."""
    await mailboxes.register(conn, [MAILBOX, "jane"], NOW)
    numbers = range(1, CROWD + 1)
    await conn.execute(
        insert(tables.contacts),
        [
            {
                "id": n,
                "email": f"p{n}@d{n % 5000}.example",
                "address": f"p{n}@d{n % 5000}.example",
                "domain": f"d{n % 5000}.example",
                "fields": {},
                "created_at": NOW,
                "changed_at": NOW,
            }
            for n in numbers
        ],
    )
    await conn.execute(insert(tables.enrollments), [_enrollment(n) for n in numbers])
    await conn.execute(insert(tables.attempts), [_attempt(n) for n in numbers])
    await conn.execute(insert(tables.messages), [_message(n) for n in numbers])
    await conn.execute(insert(tables.events), [_event(n) for n in numbers])
    await conn.execute(insert(tables.tasks), [_task(n) for n in numbers])
    await conn.execute(text("ANALYZE"))


def _enrollment(n: int) -> dict[str, Any]:
    status = Status.PAUSED if n % 400 == 0 else Status.ACTIVE if n % 4 == 0 else Status.FINISHED
    return {
        "id": n,
        "contact_id": n,
        "sequence": f"s{n % 3}",
        "mailbox": MAILBOX if n % 2 else "jane",
        "status": status,
        "version": 1,
        "alone": True,
        "exclusive": True,
        "wake_at": later(minutes=n - 40) if status is Status.ACTIVE else None,
        "held_reason": "held" if n % 4000 == 0 else "",
        "last_message": n,
        "created_at": NOW,
        "changed_at": NOW,
        "state": {},
    }


def _attempt(n: int) -> dict[str, Any]:
    state = AttemptState.IN_DOUBT if n % 2000 == 0 else AttemptState.STARTED if n % 2000 == 1 else AttemptState.ACCEPTED
    return {
        "id": n,
        "enrollment_id": n,
        "mailbox": MAILBOX if n % 2 else "jane",
        "step": "thanks",
        "trial": "s1/thanks" if n % 100 == 1 else "",
        "message_id": f"{n}@example.org",
        "recipient": "x",
        "lease_number": 1,
        "state": state,
        "started_at": later(minutes=n),
        "copy_state": "pending" if n % 2000 == 3 else "done",
        "bytes": b"x",
    }


def _message(n: int) -> dict[str, Any]:
    return {
        "id": n,
        "mailbox": MAILBOX,
        "enrollment_id": None if n % 1000 == 0 else n,
        "direction": "received",
        "message_id": f"{n}@example.com",
        "content_hash": str(n),
        "received_at": later(minutes=n),
        "recorded_at": NOW,
        "raw": b"",
    }


def _event(n: int) -> dict[str, Any]:
    return {"enrollment_id": n, "version": 1, "kind": "Enrolled", "at": NOW, "message": n, "data": {}}


def _task(n: int) -> dict[str, Any]:
    return {
        "enrollment_id": n,
        "step": "call",
        "kind": "call",
        "status": "open" if n % 500 == 0 else "done",
        "due_at": later(minutes=n),
        "created_at": NOW,
    }


QUERIES: dict[str, Query] = {
    "due": lambda conn: agenda.due(conn, MAILBOX, NOW, 100),
    "next wake": lambda conn: agenda.next_wake(conn, MAILBOX),
    "next wakes": lambda conn: agenda.next_wakes(conn, [MAILBOX, "jane"]),
    "wake": lambda conn: agenda.wake(conn, [1, 2, 3], NOW),
    "wake held": lambda conn: agenda.wake_held(conn, MAILBOX, NOW, reason="held"),
    "wake sequence": lambda conn: agenda.wake_sequence(conn, "nothing", NOW),
    "load": lambda conn: agenda.load(conn, NOW),
    "figures, due": lambda conn: figures.waiting(conn, [MAILBOX, "jane"], NOW),
    "figures, held": lambda conn: figures.held(conn, [MAILBOX, "jane"]),
    "figures, taken": lambda conn: take_figures(conn, [MAILBOX, "jane"], "me", NOW),
    "outrun": lambda conn: enrollments.outrun(conn, {1: 1, 2: 1}),
    "enter": lambda conn: enrollments.create(conn, enrolled(4), "v1", wake_at=NOW),
    "by contact": lambda conn: enrollments.by_contact(conn, 999_999),
    "open at a domain": lambda conn: enrollments.open_at_domain(conn, "nowhere.example"),
    "log": lambda conn: enrollments.events_of(conn, 999_999),
    "concerned": lambda conn: enrollments.concerned_by(conn, 999_999),
    "contacts by address": lambda conn: contacts.by_emails(conn, ["a@example.com", "b@example.com"]),
    "contacts by id": lambda conn: contacts.by_ids(conn, [1, 2, 3]),
    "last touch": lambda conn: contacts.last_touch_of(conn, [1, 2, 3]),
    "suppressed": lambda conn: suppressions.reasons_for(conn, ["a@example.com", "b@example.com"]),
    "touches, locked": lambda conn: contacts.last_touch_of(conn, [1, 2, 3], lock=True),
    "histories": lambda conn: histories.by_contacts(conn, [999_997, 999_998]),
    "conversations": lambda conn: in_conversation(conn, [1, 2, 3]),
    "in flight": lambda conn: attempts.in_flight_to(conn, [1, 2, 3]),
    "orphans": lambda conn: attempts.orphans(conn, MAILBOX, before=9),
    "in doubt": lambda conn: attempts.in_doubt(conn, MAILBOX),
    "in doubt, counted": attempts.in_doubt_counts,
    "pace": lambda conn: attempts.sent_since(conn, MAILBOX, later(minutes=CROWD - 50)),
    "first sent": lambda conn: attempts.first_sent(conn, MAILBOX),
    "copies": lambda conn: sent_copies.pending(conn, MAILBOX),
    "copies given up": lambda conn: sent_copies.given_up(conn, MAILBOX),
    "ids": lambda conn: aliases.by_message_ids(conn, ["<a@example.com>", "<b@example.com>"]),
    "attempt by id": lambda conn: attempts.by_message_id(conn, "<a@example.com>"),
    "known": lambda conn: messages.known(conn, MAILBOX, "<a@example.com>", "x"),
    "thread": lambda conn: messages.thread_of(conn, 999_999),
    "unmatched": messages.unmatched,
    "open tasks": tasks.listing,
    "trial": lambda conn: trials.tally(conn, "s1/thanks", later(minutes=CROWD)),
    "trial of nobody": lambda conn: trials.tally(conn, "s2/thanks", later(minutes=CROWD)),
}

PARTIAL = {"ix_attempts_open", "uq_attempts_in_flight", "ix_enrollments_held", "ix_messages_unmatched", "ix_tasks_open"}
"""Indexes that hold only the few rows that matter, so that reading them whole is no scan."""

BIG = {"contacts", "enrollments", "attempts", "messages", "events", "tasks"}


async def _plans(conn: AsyncConnection, query: Query) -> list[str]:
    """What the database says of each statement that the query runs."""
    caught: list[tuple[str, Any]] = []

    def catch(_conn: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, many: bool) -> None:
        caught.append((statement, parameters[0] if many else parameters))

    engine = conn.sync_connection
    assert engine is not None
    event.listen(engine, "before_cursor_execute", catch)
    try:
        await query(conn)
    finally:
        event.remove(engine, "before_cursor_execute", catch)
    explain = "EXPLAIN QUERY PLAN " if conn.dialect.name == "sqlite" else "EXPLAIN "
    plans = []
    for statement, parameters in caught:
        if statement.split()[0] in ("SELECT", "UPDATE", "DELETE", "WITH"):
            rows = await conn.exec_driver_sql(explain + statement, parameters)
            plans.append("\n".join(str(row[-1]) for row in rows))
    assert plans
    return plans


def _scanned(plan: str) -> set[str]:
    """The big tables of which a plan reads every row."""
    scanned = set()
    for line in plan.splitlines():
        words = line.replace("->", " ").split()
        if words[:1] == ["SCAN"] and not PARTIAL & set(words):  # SQLite
            scanned.add(words[1])
        if words[:3] == ["Seq", "Scan", "on"] or words[:4] == ["Parallel", "Seq", "Scan", "on"]:
            scanned.add(words[words.index("on") + 1])
    return scanned & BIG


async def _scan(conn: AsyncConnection) -> object:
    t = tables.enrollments
    return await conn.scalar(select(func.count()).select_from(t).where(t.c.reason == "never indexed"))


async def test_every_query_of_the_daemon_and_the_desk_goes_by_index(database: Database) -> None:
    async with database.begin() as conn:
        await _crowd(conn)
        scans = {}
        for name, query in QUERIES.items():
            plans = await _plans(conn, query)
            scans[name] = {table for plan in plans for table in _scanned(plan)}
        (of_due,) = await _plans(conn, QUERIES["due"])
        (of_scan,) = await _plans(conn, _scan)
    assert {name: found for name, found in scans.items() if found} == {}
    assert _scanned(of_scan) == {"enrollments"}  # one would be found
    assert "ix_enrollments_wake" in of_due
    in_order = "(mailbox=? AND wake_at>? AND wake_at<?)" if database.dialect == "sqlite" else "Index Cond: ((mailbox = "
    assert in_order in of_due
