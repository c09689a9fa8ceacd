"""A small workspace with its database, for tests of the operations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest

from sequencer.core import events as e
from sequencer.core.model import Enrollment, Position, Thread
from sequencer.operations.enrollments import Entered, Terms, enroll
from sequencer.operations.live import Live
from sequencer.operations.record import Refusal, change
from sequencer.store import contacts, enrollments, messages
from sequencer.store.contacts import Incoming
from sequencer.store.database import Database
from sequencer.store.messages import Direction, NewMessage
from sequencer.store.secrets import signing_key
from sequencer.workspace.workspace import load

MONDAY: Final = datetime(2026, 11, 30, 16, 0, tzinfo=UTC)
"""Nine in the morning in Denver."""

CONFIG: Final = """\
database: sqlite:///data/sequencer.db
company: {name: Flathead RV, address: "12 Main St, Kalispell MT 59901"}
contacts: {timezone: America/Denver, holidays: US, language: en}
mailboxes:
  mark:
    from: Mark Holloway <mark@flatheadrv.example>
    smtp: {host: localhost, port: 2525, tls: none, username: mark, password: "${MARK_PASSWORD}"}
    imap: {host: localhost, port: 1143, tls: none, username: mark, password: "${MARK_PASSWORD}"}
  susan:
    from: Susan Reyes <susan@flatheadrv.example>
    smtp: {host: localhost, port: 2525, tls: none, username: susan, password: "${MARK_PASSWORD}"}
    imap: {host: localhost, port: 1143, tls: none, username: susan, password: "${MARK_PASSWORD}"}
spread: off
"""

SEQUENCES: Final[Mapping[str, str]] = {
    "quote": """\
from: [mark, susan]
hours: Mon-Fri 08:30-17:00
decision_cycle: 32 days
steps:
  - step: thanks
    email: thanks
    when: 1 business day later at 09:30
  - step: call
    task: call
    note: Ask {{ full_name }} about {{ product }}.
    when: 4 days later
  - step: last
    email: last
    when: 5 days later
branches:
  price:
    - step: price-answer
      email: last
      when: 2 hours later
back_off:
  after: 10 days of silence
  email: back-off
  then: {move_to: keep}
on_reply:
  not_interested: {move_to: keep}
  any: pause
""",
    "keep": """\
from: mark
steps:
  - step: hello
    email: last
    when: 6 weeks later
    thread: new
""",
    "birthday": """\
from: susan
alongside: yes
steps:
  - step: card
    email: thanks
    when: 1 day before birthday
""",
}

TEMPLATES: Final[Mapping[str, str]] = {
    "thanks": "---\nsubject: Your quote\n---\n{{ first_name }}, thank you.\n",
    "last": "---\nsubject: Still looking?\n---\nAre you still looking?\n",
    "back-off": "---\nsubject: Should I back off?\n---\nShould I back off?\n",
    "footer": "{{ company.name }}, {{ company.address }}. Answer “unsubscribe” and I stop.\n",
}


def write_shop(folder: Path, database: str = "sqlite:///data/sequencer.db") -> Path:
    """The workspace as files."""
    (folder / "sequences").mkdir(parents=True, exist_ok=True)
    (folder / "templates").mkdir(exist_ok=True)
    (folder / "config.yaml").write_text(CONFIG.replace("sqlite:///data/sequencer.db", database), "utf-8")
    for name, text in SEQUENCES.items():
        (folder / "sequences" / f"{name}.yaml").write_text(text, "utf-8")
    for name, text in TEMPLATES.items():
        (folder / "templates" / f"{name}.md").write_text(text, "utf-8")
    return folder


@pytest.fixture
async def live(database: Database, tmp_path: Path) -> Live:
    """The shop, on SQLite and on PostgreSQL."""
    return await open_shop(database, tmp_path / "shop")


async def open_shop(database: Database, folder: Path) -> Live:
    """The shop on an open database."""
    loaded = load(write_shop(folder), {}, secrets_required=False)
    assert loaded.workspace is not None, loaded.problems
    async with database.begin() as conn:
        return Live(database, loaded.workspace, await signing_key(conn))


async def add(live: Live, *emails: str, **fields: str) -> None:
    """Contacts who have a first name, and these fields."""
    rows = [Incoming(email, {"first_name": email.partition("@")[0].title(), **fields}) for email in emails]
    async with live.database.begin() as conn:
        await contacts.upsert_many(conn, rows, MONDAY)


async def entered(live: Live, sequence: str, *emails: str, terms: Terms | None = None) -> list[Enrollment]:
    """People who are in a sequence now."""
    await add(live, *emails)
    answers = await enroll(live, sequence, emails, MONDAY, terms)
    assert not isinstance(answers, Refusal)
    found = []
    for answer in answers:
        assert isinstance(answer, Entered), answer
        found.append(answer.enrollment)
    return found


async def happen(live: Live, enrollment_id: int, *events: e.Event, now: datetime = MONDAY) -> Enrollment:
    """Something that the daemon recorded."""
    after = await change(live, enrollment_id, now, lambda _: events)
    assert isinstance(after, Enrollment), after
    return after


async def mailed(live: Live, enrollment: Enrollment, step: str, then: str, at: datetime = MONDAY) -> Enrollment:
    """An e-mail of a step left, and the plan stands at the next one."""
    message_id = f"<{enrollment.id}.{step}@flatheadrv.example>"
    started = e.AttemptStarted(
        at=at, step=step, attempt=1, message_id=message_id, variant=step, subject="Your quote", due_at=at
    )
    thread = Thread(message_id, "Your quote", message_id, (message_id,))
    accepted = e.Accepted(
        at=at, step=step, message_id=message_id, next=Position("steps", then, step), thread=thread, answer="250 ok"
    )
    return await happen(live, enrollment.id, started, accepted, now=at)


async def answered(live: Live, enrollment: Enrollment, text: str, kind: str = "interested") -> Enrollment:
    """They wrote, and that paused the plan."""
    async with live.database.begin() as conn:
        message = await messages.record(
            conn,
            NewMessage(
                mailbox=enrollment.mailbox,
                direction=Direction.RECEIVED,
                content=text,
                received_at=MONDAY,
                raw=text.encode(),
                enrollment_id=enrollment.id,
                kind=kind,
                confidence=0.9,
                sender="anna@example.com",
                subject="Re: Your quote",
                text=text,
                evidence="they ask for a price",
            ),
            MONDAY,
        )
    assert isinstance(message, int)
    replied = e.Replied(at=MONDAY, message=message, kind=kind, sender="anna@example.com", matched_by="in-reply-to")
    return await happen(live, enrollment.id, replied, e.Paused(at=MONDAY, reason=f"they replied ({kind})"))


async def of_contact(live: Live, email: str) -> Sequence[Enrollment]:
    """What somebody is or was in, the oldest first."""
    async with live.database.read() as conn:
        contact = await contacts.by_email(conn, email)
        assert contact is not None
        return [standing.enrollment for standing in await enrollments.by_contact(conn, contact.id)]
