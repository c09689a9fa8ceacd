"""What people and machines write to a rep, as raw mails: the texts of the trials, each of a kind beyond doubt."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from datetime import date, datetime
from email import message_from_bytes, policy
from email.utils import format_datetime
from random import Random
from typing import Final

from tests.operations.letterbox import mail

_numbers = itertools.count(1)

REPLIES: Final[Mapping[str, tuple[str, ...]]] = {
    "reply": ("Thank you, got it.", "Thanks, this has reached me."),
    "interested": ("Sounds good, please send me a quote.", "Yes, we are interested. When can we meet?"),
    "question": ("Does it come with a tow bar?",),
    "not_now": ("Not now. Please get in touch again on {day}.",),
    "not_interested": ("No thanks, we are not interested.", "We have bought elsewhere, sorry."),
    "price": ("That is way over our budget.",),
    "unsubscribe": ("Please remove me from your list.", "unsubscribe"),
}


def answer(ours: bytes, sender: str, text: str, at: datetime, *, threaded: bool = True, **headers: str) -> bytes:
    """Somebody's answer to a message of ours."""
    original = message_from_bytes(ours, policy=policy.default)
    subject = headers.pop("Subject", f"Re: {str(original['Subject']).removeprefix('Re: ')}")
    if threaded:
        headers["In_Reply_To"] = headers["References"] = str(original["Message-ID"])
    return mail(sender, subject, text, to=str(original["From"]), at=at, **headers)


def reply(kind: str, ours: bytes, sender: str, at: datetime, day: date, chance: Random, *, threaded: bool) -> bytes:
    text = chance.choice(REPLIES[kind]).format(day=f"{day.day} {day:%B %Y}")
    return answer(ours, sender, text, at, threaded=threaded)


def out_of_office(ours: bytes, sender: str, at: datetime, back: date) -> bytes:
    text = f"I am out of the office and will be back on {back.day} {back:%B %Y}."
    return answer(ours, sender, text, at, Subject="Automatic reply: away", Auto_Submitted="auto-replied")


def ticket(ours: bytes, sender: str, at: datetime) -> bytes:
    text = "Your ticket 4711 has been opened. We will answer soon."
    return answer(ours, sender, text, at, Subject="Automatic reply: ticket 4711", Auto_Submitted="auto-replied")


def gone_for_good(ours: bytes, sender: str, at: datetime) -> bytes:
    text = "I no longer work for this company."
    return answer(ours, sender, text, at, Subject="Automatic reply", Auto_Submitted="auto-replied")


def by_hand(rep: str, recipient: str, at: datetime) -> bytes:
    """What a rep writes to a contact of their own accord."""
    return mail(rep, "By the way", "I was in your area this morning. Shall I come by?", to=recipient, at=at)


_REPORT: Final = """\
From: MAILER-DAEMON@mx.example
To: {rep}
Subject: {subject}
Date: {date}
Message-ID: <{id}@mx.example>
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type={kind}; boundary=b

--b
Content-Type: text/plain

{words}

--b
Content-Type: message/{part}

{about}

--b
Content-Type: text/rfc822-headers

Message-ID: {original}
Subject: {ours}
To: {recipient}

--b--
"""


def bounce(ours: bytes, recipient: str, at: datetime, *, soft: bool = False) -> bytes:
    """A delivery report (RFC 3464): no such user, or a full mailbox."""
    code, says = ("5.2.2", "552 5.2.2 mailbox full") if soft else ("5.1.1", "550 5.1.1 no such user")
    about = (
        f"Reporting-MTA: dns; mx.example\n\nFinal-Recipient: rfc822; {recipient}\nAction: failed\nStatus: {code}\n"
        f"Diagnostic-Code: smtp; {says}"
    )
    words = "Your message could not be delivered."
    return _report(
        ours, recipient, at, "Undelivered Mail Returned to Sender", "delivery-status", "delivery-status", words, about
    )


def complaint(ours: bytes, recipient: str, at: datetime) -> bytes:
    """An abuse report (RFC 5965)."""
    about = f"Feedback-Type: abuse\nUser-Agent: x/1\nVersion: 1\nOriginal-Rcpt-To: <{recipient}>"
    return _report(
        ours, recipient, at, "Abuse report", "feedback-report", "feedback-report", "This is an abuse report.", about
    )


def _report(
    ours: bytes, recipient: str, at: datetime, subject: str, kind: str, part: str, words: str, about: str
) -> bytes:
    original = message_from_bytes(ours, policy=policy.default)
    text = _REPORT.format(
        rep=original["From"],
        subject=subject,
        date=format_datetime(at),
        id=f"d{next(_numbers)}",
        kind=kind,
        words=words,
        part=part,
        about=about,
        original=original["Message-ID"],
        ours=original["Subject"],
        recipient=recipient,
    )
    return text.replace("\n", "\r\n").encode()


def unasked(sender: str, rep: str, at: datetime) -> bytes:
    """A contact writes before we have written to them."""
    return mail(sender, "A question", "Does it come with a tow bar?", to=rep, at=at)


def noise(rep: str, at: datetime) -> bytes:
    """A mail that is nobody's business here."""
    return mail(f"news{next(_numbers)}@letters.example", "This week", "All the news.", to=rep, at=at)
