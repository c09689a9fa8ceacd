"""The mails that prospects and their servers send, as exact bytes: replies, automatic answers, bounces.

They look as mail programs write them: quoted text below the answer, threading headers, a signature from a phone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage, Message
from email.mime.base import MIMEBase
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.policy import SMTP
from email.utils import format_datetime, formataddr, parseaddr
from zoneinfo import ZoneInfo

from sequencer.demo.post_office import Arrival, header_of

_BYTES = SMTP.clone(max_line_length=998)


@dataclass(frozen=True, slots=True)
class Writer:
    """Who writes: a display name, an address, the time zone of their mail program."""

    name: str
    address: str
    zone: str = "UTC"

    @property
    def mailbox(self) -> str:
        """`Name <address>`."""
        return formataddr((self.name, self.address))


def reply(
    arrival: Arrival, writer: Writer, text: str, at: datetime, *, threaded: bool = True, prefix: str = "Re"
) -> bytes:
    """A human answer to a mail, with that mail quoted below.

    `threaded=False` leaves out In-Reply-To and References, as a mail does that somebody writes afresh after
    reading a forwarded copy. `at` is UTC.
    """
    message = _letter(writer, header_of(arrival.message, "From"), at)
    subject = header_of(arrival.message, "Subject")
    message["Subject"] = subject if subject.lower().startswith(f"{prefix.lower()}:") else f"{prefix}: {subject}"
    original = header_of(arrival.message, "Message-ID")
    if threaded:
        message["In-Reply-To"] = original
        message["References"] = f"{header_of(arrival.message, 'References')} {original}".strip()
    message.set_content(f"{text}\n\n{_quoted(arrival, writer)}", charset="utf-8", cte="8bit")
    return message.as_bytes(policy=_BYTES)


def automatic_reply(arrival: Arrival, writer: Writer, text: str, at: datetime) -> bytes:
    """An out-of-office answer as a server makes it (RFC 3834)."""
    message = _letter(writer, arrival.sender, at)
    message["Subject"] = f"Automatic reply: {header_of(arrival.message, 'Subject')}"
    message["In-Reply-To"] = header_of(arrival.message, "Message-ID")
    message["Auto-Submitted"] = "auto-replied"
    message["X-Auto-Response-Suppress"] = "All"
    message.set_content(text, charset="utf-8", cte="8bit")
    return message.as_bytes(policy=_BYTES)


def bounce(arrival: Arrival, status: str, diagnosis: str, at: datetime) -> bytes:
    """A delivery status notification: the mail was taken and could not be delivered (RFC 3464).

    `status` is the enhanced code, e.g. `5.1.1`; `diagnosis` what the last server said, e.g. `550 5.1.1 No such user`.
    """
    domain = arrival.recipient.rpartition("@")[2]
    report = MIMEMultipart("report")
    report.set_param("report-type", "delivery-status")
    report["From"] = f"Mail Delivery Subsystem <mailer-daemon@{domain}>"
    report["To"] = arrival.sender
    report["Subject"] = "Undelivered Mail Returned to Sender"
    report["Date"] = format_datetime(at)
    report["Message-ID"] = f"<{at:%Y%m%d%H%M%S}.{arrival.recipient.partition('@')[0]}.dsn@{domain}>"
    report["Auto-Submitted"] = "auto-replied"
    report.attach(
        MIMEText(
            f"This is the mail system at host mx.{domain}.\n\n"
            f"I'm sorry to have to inform you that your message could not\nbe delivered.\n\n"
            f"<{arrival.recipient}>: {diagnosis}\n"
        )
    )
    report.attach(_delivery_status(arrival, status, diagnosis, at, domain))
    original = MIMEBase("message", "rfc822")
    original.attach(arrival.message)
    report.attach(original)
    return report.as_bytes(policy=_BYTES)


def letter(writer: Writer, to: str, subject: str, text: str, at: datetime) -> bytes:
    """A mail that somebody writes by hand, answering nothing."""
    message = _letter(writer, to, at)
    message["Subject"] = subject
    message.set_content(text, charset="utf-8", cte="8bit")
    return message.as_bytes(policy=_BYTES)


def _letter(writer: Writer, to: str, at: datetime) -> EmailMessage:
    user, _, domain = writer.address.partition("@")
    message = EmailMessage(policy=_BYTES)
    message["From"] = writer.mailbox
    message["To"] = to
    message["Date"] = format_datetime(at.astimezone(ZoneInfo(writer.zone)))
    message["Message-ID"] = f"<{at:%Y%m%d%H%M%S%f}.{user}@{domain}>"
    return message


def _delivery_status(arrival: Arrival, status: str, diagnosis: str, at: datetime, domain: str) -> Message:
    """The machine-readable part (RFC 3464 §2): fields of the message, then fields of the recipient."""
    part = MIMEBase("message", "delivery-status")
    whole, recipient = Message(), Message()
    whole["Reporting-MTA"] = f"dns; mx.{domain}"
    whole["Arrival-Date"] = format_datetime(at)
    recipient["Final-Recipient"] = f"rfc822; {arrival.recipient}"
    recipient["Action"] = "failed"
    recipient["Status"] = status
    recipient["Diagnostic-Code"] = f"smtp; {diagnosis}"
    part.attach(whole)
    part.attach(recipient)
    return part


def _quoted(arrival: Arrival, writer: Writer) -> str:
    """The original below the answer, as the widespread mail programs put it."""
    name, address = parseaddr(header_of(arrival.message, "From"))
    local = arrival.at.astimezone(ZoneInfo(writer.zone))
    when = f"{local:%a, %b} {local.day}, {local:%Y} at {local:%I:%M %p}"
    lines = text_of(arrival).rstrip().splitlines()
    return "\n".join([f"On {when} {name} <{address}> wrote:", "", *(f"> {line}".rstrip() for line in lines), ""])


def question_of(arrival: Arrival) -> str:
    """The last question that a mail asks, on one line; empty when it asks nothing."""
    text = re.split(r"^--\s*$", text_of(arrival), maxsplit=1, flags=re.MULTILINE)[0]
    questions = re.findall(r"[^.!?:\n]*[^.!?\n]*\?", re.sub(r"[ \t]*\n(?!\s*(?:\n|-|\d\.))", " ", text))
    return " ".join(questions[-1].split()) if questions else ""


def text_of(arrival: Arrival) -> str:
    """The plain text of a mail that arrived."""
    body = arrival.message.get_body(("plain", "html"))
    return str(body.get_content()) if body is not None else ""
