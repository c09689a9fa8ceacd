"""What comes into a rep's mailbox, message by message: mails as people and machines write them, what became of them."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from email import policy
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path
from typing import Final

from sqlalchemy import select

from sequencer.core.model import Status
from sequencer.operations.receive import Arrival, receive
from sequencer.store import enrollments, messages, tables
from sequencer.store.database import Database
from sequencer.store.messages import Message
from tests.operations.desk import Desk, a_desk

MARK: Final = "mark@flatheadrv.example"
UNFOLDED: Final = policy.default.clone(max_line_length=998)
_numbers = itertools.count(1)


def mail(
    sender: str,
    subject: str,
    text: str = "Hello.",
    *,
    to: str = MARK,
    at: datetime | str | None = None,
    message_id: str | None = None,
    **headers: str,
) -> bytes:
    """A mail as a client writes it; `message_id=""` leaves the id out. Names of further headers have _ for -."""
    written = EmailMessage(UNFOLDED)  # a folded id would be written in another way (cpython#100991)
    written["From"], written["To"], written["Subject"] = sender, to, subject
    if at is not None:
        written["Date"] = at if isinstance(at, str) else format_datetime(at)
    if message_id is None:
        message_id = f"<m{next(_numbers)}@{sender.rpartition('@')[2].strip('>').lower()}>"
    if message_id:
        written["Message-ID"] = message_id
    for name, value in headers.items():
        written[name.replace("_", "-")] = value
    written.set_content(text)
    return written.as_bytes().replace(b"\n", b"\r\n")


DSN: Final = """\
From: MAILER-DAEMON@mx.example
To: mark@flatheadrv.example
Subject: Undelivered Mail Returned to Sender
Message-ID: <{number}@mx.example>
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary=b

--b
Content-Type: text/plain

Your message could not be delivered.

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example

Final-Recipient: rfc822; {recipient}
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 no such user

--b
Content-Type: text/rfc822-headers

Message-ID: {original}
Subject: Your quote
To: {recipient}

--b--
"""


def bounce(recipient: str, original: str) -> bytes:
    """The delivery report about a message with this Message-ID (RFC 3464)."""
    text = DSN.format(number=f"d{next(_numbers)}", recipient=recipient, original=original)
    return text.replace("\n", "\r\n").encode()


@dataclass
class Letterbox:
    """The desk of a mailbox, and what arrives there."""

    desk: Desk
    told: list[str] = field(default_factory=list)

    async def arrives(
        self,
        raw: bytes,
        *,
        mailbox: str = "mark",
        folder: str = "INBOX",
        at: datetime | None = None,
        thread: str = "",
        mixed: bool = False,
    ) -> list[str]:
        """Take a message in, as the worker does; what happened, in order."""
        desk = self.desk
        ours = desk.live.mailbox(mailbox)
        assert ours is not None
        arrival = Arrival(ours, folder, next(_numbers), at or desk.now, raw, folder == "Sent", thread, mixed)
        async with desk.live.database.begin() as conn:
            receipt = await receive(conn, desk.live, arrival, desk.now)
        told: list[str] = [happening.what for happening in receipt.happenings]
        self.told += told
        return told

    async def leaves_no_trace(
        self, raw: bytes, *, folder: str = "INBOX", thread: str = "", at: datetime | None = None
    ) -> None:
        before = await self.everything()
        assert await self.arrives(raw, folder=folder, thread=thread, at=at) == []
        assert await self.everything() == before

    async def everything(self) -> dict[str, list[str]]:
        """Every row of every table."""
        async with self.desk.live.database.read() as conn:
            return {
                table.name: sorted(repr(row) for row in await conn.execute(select(table)))
                for table in tables.metadata.sorted_tables
            }

    def sent(self, email: str, index: int = -1) -> EmailMessage:
        """A message that this person received, the newest if not said otherwise."""
        return self.desk.received(email)[index]

    def sent_id(self, email: str, index: int = -1) -> str:
        return str(self.sent(email, index)["Message-ID"])

    def answer(self, email: str, text: str = "Hello.", *, sender: str = "", **headers: str) -> bytes:
        """Their answer to the newest message, as a mail client writes it."""
        ours = self.sent(email)
        subject = headers.pop("subject", f"Re: {str(ours['Subject']).removeprefix('Re: ')}")
        return mail(sender or email, subject, text, In_Reply_To=str(ours["Message-ID"]), **headers)

    async def status(self, email: str, sequence: str = "plan") -> Status:
        return (await self.desk.enrollment(email, sequence)).status

    async def reason(self, email: str, sequence: str = "plan") -> str:
        return (await self.desk.enrollment(email, sequence)).reason

    async def messages(self, email: str, sequence: str = "plan") -> list[Message]:
        enrollment = await self.desk.enrollment(email, sequence)
        async with self.desk.live.database.read() as conn:
            return await messages.of_enrollment(conn, enrollment.id)

    async def matched_by(self, email: str, sequence: str = "plan") -> str:
        return (await self.messages(email, sequence))[-1].matched_by

    async def sequences(self, email: str) -> dict[str, Status]:
        contact = await self.desk.contact(email)
        async with self.desk.live.database.read() as conn:
            found = await enrollments.by_contact(conn, contact.id)
        return {standing.enrollment.sequence: standing.enrollment.status for standing in found}


@asynccontextmanager
async def a_letterbox(database: Database, folder: Path, *emails: str, **files: str) -> AsyncIterator[Letterbox]:
    """A desk whose first message these people have had."""
    async with a_desk(database, folder, **files) as desk:
        box = Letterbox(desk)
        if emails:
            await desk.enroll(*emails)
            await desk.turn()
            assert all(len(desk.received(email)) == 1 for email in emails)
        yield box
