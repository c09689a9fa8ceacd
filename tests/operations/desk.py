"""A mailbox's worker taken apart: a workspace on a real database and a real, scriptable SMTP server, turn by turn."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from functools import partial
from pathlib import Path
from typing import Final

from sequencer.core.model import Contact, Enrollment
from sequencer.mail.accounts import SmtpAccount
from sequencer.mail.smtp import Offered, Outcome, Refused, SmtpLine
from sequencer.operations.adopt import adopt
from sequencer.operations.advance import advance
from sequencer.operations.doubt import take_stock
from sequencer.operations.enrollments import Entered, Terms, enroll
from sequencer.operations.happenings import Happening
from sequencer.operations.lines import Lines
from sequencer.operations.live import Live
from sequencer.operations.record import Refusal
from sequencer.operations.send import Office, Sent, send
from sequencer.store import attempts, contacts, enrollments, mailboxes, suppressions
from sequencer.store.attempts import Attempt, AttemptState
from sequencer.store.contacts import Incoming
from sequencer.store.database import Database
from sequencer.store.enrollments import Standing
from sequencer.store.secrets import signing_key
from sequencer.workspace.workspace import Workspace, load
from tests.smtp_peer import SmtpPeer

MONDAY: Final = datetime(2026, 11, 30, 16, 0, tzinfo=UTC)
"""Nine in the morning in Denver."""

ANNA, BEN, CLEO = "anna@example.com", "ben@example.org", "cleo@customer.example"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SHORT = 1.5
"""Seconds that a test waits for a server that will not answer."""

CONFIG: Final = """\
database: sqlite:///data/sequencer.db
company: {name: Flathead RV, address: "12 Main St, Kalispell MT 59901"}
contacts: {timezone: America/Denver, language: en, min_gap: off}
mailboxes:
  mark:
    from: Mark Holloway <mark@flatheadrv.example>
    smtp: {host: 127.0.0.1, port: 2525, tls: none, username: mark, password: "${MARK_PASSWORD}"}
    imap: {host: 127.0.0.1, port: 1143, tls: none, username: mark, password: "${MARK_PASSWORD}"}
    limits: off
  susan:
    from: Susan Reyes <susan@flatheadrv.example>
    smtp: {host: 127.0.0.1, port: 2525, tls: none, username: susan, password: "${MARK_PASSWORD}"}
    imap: {host: 127.0.0.1, port: 1143, tls: none, username: susan, password: "${MARK_PASSWORD}"}
    limits: off
spread: off
"""

PLAN: Final = """\
from: mark
steps:
  - step: first
    email: first
    when: immediately
  - step: second
    email: second
    when: 3 days later
  - step: third
    email: third
    when: 3 days later
"""

TEMPLATES: Final[Mapping[str, str]] = {
    "first": "---\nsubject: Your quote\n---\nHello {{ first_name }}, here it is.\n",
    "second": "---\nsubject: unused\n---\nHave you had a look?\n",
    "third": "---\nsubject: unused\n---\nStill looking?\n",
    "fresh": "---\nsubject: Something new\n---\nSomething else.\n",
    "needy": "---\nsubject: About the {{ product }}\n---\nHello {{ first_name }}.\n",
    "footer": "{{ company.name }}, {{ company.address }}. Answer “unsubscribe” and I stop.\n",
}


Hook = Callable[[], Awaitable[object]]


@dataclass
class Hooks:
    """What happens in between: after RCPT was accepted, before DATA, after the answer to the message."""

    offered: Hook | None = None
    before: Hook | None = None
    after: Hook | None = None


class HookedLine(SmtpLine):
    """A real connection; what happens in between is up to the test."""

    def __init__(self, hooks: Hooks, account: SmtpAccount) -> None:
        super().__init__(account)
        self._hooks = hooks

    async def offer(self, sender: str, recipient: str, size: int) -> Offered | Refused:
        answer = await super().offer(sender, recipient, size)
        if self._hooks.offered is not None:
            await self._hooks.offered()
        return answer

    async def deliver(self, data: bytes) -> Outcome:
        if self._hooks.before is not None:
            await self._hooks.before()
        outcome = await super().deliver(data)
        if self._hooks.after is not None:
            await self._hooks.after()
        return outcome


@dataclass
class Desk:
    """One mailbox under its lease."""

    live: Live
    peer: SmtpPeer
    office: Office
    folder: Path
    now: datetime = MONDAY
    told: list[Happening] = field(default_factory=list)

    @property
    def words(self) -> list[str]:
        return [happening.what for happening in self.told]

    def write(self, **files: str) -> None:
        """Write sequences (`plan="…"`) or templates (`plan_md="…"`) as files."""
        write(self.folder, files)

    async def adopt(self, **files: str) -> Workspace:
        """Write files, and put the workspace in force."""
        self.write(**files)
        workspace = loaded(self.folder)
        await adopt(self.live, workspace, self.now)
        self.office = replace(self.office, mailbox=workspace.config.mailboxes[self.office.mailbox.name])
        return workspace

    async def enroll(self, *emails: str, sequence: str = "plan", mailbox: str = "", **fields: str) -> list[Enrollment]:
        rows = [Incoming(email, {"first_name": email.partition("@")[0].title(), **fields}) for email in emails]
        async with self.live.database.begin() as conn:
            await contacts.upsert_many(conn, rows, self.now)
        answers = await enroll(self.live, sequence, emails, self.now, Terms(mailbox=mailbox))
        assert not isinstance(answers, Refusal), answers
        assert all(isinstance(answer, Entered) for answer in answers), answers
        return [answer.enrollment for answer in answers if isinstance(answer, Entered)]

    async def turn(self, after: timedelta = timedelta()) -> Sent:
        """Some time later: the inbox is read to its end, everybody who is due goes a step further, mail leaves."""
        self.now += after
        name = self.office.mailbox.name
        async with self.live.database.begin() as conn:
            await mailboxes.set_inbox_read(conn, name, self.now)
        step = await advance(self.live, name, self.now, 200)
        self.told += step.happenings
        sent = await send(self.live, self.office, step.ready, self.now)
        self.told += sent.happenings
        return sent

    async def turns(self, *after: timedelta) -> None:
        for each in after:
            await self.turn(each)

    async def retake(self) -> list[Happening]:
        """Another worker takes the mailbox over, with connections of its own, and looks what was left in the air."""
        await self.office.lines.close()
        name = self.office.mailbox.name
        self.office = await take_office(self.live, name, account_of(self.peer))
        return await take_stock(self.live, name, self.office.lease, self.now)

    def hook(self, patience: float = SHORT) -> Hooks:
        """Let something happen at the moments between which a message is committed."""
        hooks = Hooks()
        self.office = replace(self.office, lines=Lines(account_of(self.peer, patience), partial(HookedLine, hooks)))
        return hooks

    # What came of it

    async def contact(self, email: str) -> Contact:
        async with self.live.database.read() as conn:
            contact = await contacts.by_email(conn, email)
        assert contact is not None
        return contact

    async def standing(self, email: str, sequence: str = "plan") -> Standing:
        contact = await self.contact(email)
        async with self.live.database.read() as conn:
            found = await enrollments.by_contact(conn, contact.id)
        return next(standing for standing in found if standing.enrollment.sequence == sequence)

    async def enrollment(self, email: str, sequence: str = "plan") -> Enrollment:
        return (await self.standing(email, sequence)).enrollment

    async def attempts(self, email: str, sequence: str = "plan") -> list[Attempt]:
        enrollment = await self.enrollment(email, sequence)
        async with self.live.database.read() as conn:
            return await attempts.of_enrollment(conn, enrollment.id)

    async def states(self, email: str) -> list[AttemptState]:
        return [attempt.state for attempt in await self.attempts(email)]

    async def log(self, email: str, sequence: str = "plan") -> list[str]:
        enrollment = await self.enrollment(email, sequence)
        async with self.live.database.read() as conn:
            recorded = await enrollments.events_of(conn, enrollment.id)
        return [type(line.event).__name__ for line in recorded]

    async def suppressed(self, email: str) -> str | None:
        async with self.live.database.read() as conn:
            return await suppressions.reason_for(conn, email)

    def received(self, email: str) -> list[EmailMessage]:
        """What this person has in their mailbox."""
        return [parsed(mail.data) for mail in self.peer.accepted if mail.recipients == (email,)]


def parsed(raw: bytes) -> EmailMessage:
    message = message_from_bytes(raw, policy=default)
    assert isinstance(message, EmailMessage)
    return message


def write(folder: Path, files: Mapping[str, str]) -> None:
    (folder / "sequences").mkdir(parents=True, exist_ok=True)
    (folder / "templates").mkdir(exist_ok=True)
    for name, text in files.items():
        if name == "config":
            path = folder / "config.yaml"
        elif name.endswith("_md"):
            path = folder / "templates" / f"{name.removesuffix('_md')}.md"
        else:
            path = folder / "sequences" / f"{name}.yaml"
        path.write_text(text, "utf-8")


def loaded(folder: Path) -> Workspace:
    result = load(folder, {}, secrets_required=False)
    assert result.workspace is not None, result.problems
    return result.workspace


def account_of(peer: SmtpPeer, patience: float = SHORT) -> SmtpAccount:
    return SmtpAccount(
        peer.host, peer.port, tls="none", username="mark", password="pw", timeout=patience, final_timeout=patience
    )


async def take_office(live: Live, mailbox: str, account: SmtpAccount) -> Office:
    async with live.database.begin() as conn:
        lease = await mailboxes.take(conn, mailbox, f"a test, {mailbox}", 600, evict=True)
    assert lease is not None
    ours = live.mailbox(mailbox)
    assert ours is not None
    return Office(ours, lease, Lines(account))


@asynccontextmanager
async def open_desk(
    database: Database, folder: Path, peer: SmtpPeer, mailbox: str = "mark", **files: str
) -> AsyncIterator[Desk]:
    """The desk of a mailbox whose mail goes to `peer`; `files` replace or add sequences and templates."""
    texts = {"config": CONFIG, "plan": PLAN, **{f"{name}_md": text for name, text in TEMPLATES.items()}, **files}
    write(folder, texts)
    workspace = loaded(folder)
    async with database.begin() as conn:
        live = Live(database, workspace, await signing_key(conn))
    await adopt(live, workspace, MONDAY)
    desk = Desk(live, peer, await take_office(live, mailbox, account_of(peer)), folder)
    try:
        yield desk
    finally:
        await desk.office.lines.close()


@asynccontextmanager
async def a_desk(database: Database, folder: Path, **files: str) -> AsyncIterator[Desk]:
    """The same with a server of its own."""
    async with SmtpPeer(logins={"mark": "pw"}) as peer, open_desk(database, folder, peer, **files) as desk:
        yield desk
