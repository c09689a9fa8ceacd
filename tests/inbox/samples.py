"""Received mails as bytes, written for the tests in the formats that servers and clients use."""

from __future__ import annotations

OURS = "<4711.nine-word.x7k2m9.abcdefghijklm@us.example>"
"""The Message-ID of the message that the samples are about."""

ORIGINAL = f"""\
Received: from desk.us.example (desk.us.example [192.0.2.10])
\tby mx.us.example (Postfix) with ESMTPSA id 1A2B3C
\tfor <carla@example.com>; Mon,  3 Mar 2025 09:30:00 +0000 (UTC)
Message-ID: {OURS}
Date: Mon, 03 Mar 2025 09:30:00 +0000
From: Mark Riffey <mark@us.example>
To: Carla Costa <carla@example.com>
Subject: Are you still looking?
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8

Carla,

Are you still looking for a motorhome?
"""


def mail(body: str, *, content_type: str = "text/plain; charset=utf-8", **headers: str) -> bytes:
    """A mail with the given body; header names are written with `_` for `-`. An empty value leaves a header out."""
    fields = {
        "Return-Path": "<carla@example.com>",
        "From": "Carla Costa <carla@example.com>",
        "To": "Mark Riffey <mark@us.example>",
        "Subject": "Re: Are you still looking?",
        "Date": "Tue, 04 Mar 2025 10:00:00 +0000",
        "Message-ID": "<answer-1@example.com>",
        "MIME-Version": "1.0",
        "Content-Type": content_type,
    } | {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\n" for name, value in fields.items() if value)
    return f"{head}\n{body}".replace("\n", "\r\n").encode("utf-8")


def multipart(*parts: str, kind: str = "mixed", boundary: str = "=_frontier", **headers: str) -> bytes:
    """A multipart mail; every part is its header block, an empty line, and its body."""
    body = "".join(f"--{boundary}\n{part}\n" for part in parts) + f"--{boundary}--\n"
    return mail(body, content_type=f'multipart/{kind}; boundary="{boundary}"', **headers)


def text(body: str, kind: str = "plain") -> str:
    """A text part."""
    return f"Content-Type: text/{kind}; charset=utf-8\n\n{body}"


def enclosed(original: str = ORIGINAL, kind: str = "message/rfc822") -> str:
    """The original message as a part."""
    return f"Content-Type: {kind}\n\n{original}"


def status(*recipients: str, mta: str = "dns; mx.us.example") -> str:
    """A message/delivery-status part; every recipient is its group of fields."""
    groups = "\n\n".join(recipients)
    return f"Content-Type: message/delivery-status\n\nReporting-MTA: {mta}\nArrival-Date: Mon, 3 Mar 2025\n\n{groups}\n"


def failed(
    address: str = "carla@example.com",
    code: str = "5.1.1",
    answer: str = "550 5.1.1 User unknown",
    action: str = "failed",
) -> str:
    """One recipient of a delivery report."""
    return (
        f"Final-Recipient: rfc822; {address}\nAction: {action}\nStatus: {code}\n"
        f"Remote-MTA: dns; mx.example.com\nDiagnostic-Code: smtp; {answer}"
    )


def daemon(body: str, subject: str = "Undelivered Mail Returned to Sender", **headers: str) -> bytes:
    """A plain notice of a mailer."""
    given = {
        "Return_Path": "<>",
        "From": "Mail Delivery System <MAILER-DAEMON@mx.us.example>",
        "Subject": subject,
        "Message_ID": "<notice-1@mx.us.example>",
    } | headers
    return mail(body, **given)


def report(*parts: str, subject: str = "Undelivered Mail Returned to Sender", **headers: str) -> bytes:
    """A multipart/report of a mailer (RFC 3462)."""
    given = {
        "Return_Path": "<>",
        "From": "Mail Delivery System <MAILER-DAEMON@mx.us.example>",
        "Subject": subject,
        "Message_ID": "<notice-1@mx.us.example>",
        "Auto_Submitted": "auto-replied",
    } | headers
    return multipart(*parts, kind="report; report-type=delivery-status", **given)


def postfix(code: str = "5.1.1", answer: str = "550 5.1.1 <carla@example.com>: User unknown", **headers: str) -> bytes:
    """The commonest bounce of all."""
    words = (
        "This is the mail system at host mx.us.example.\n\nI'm sorry to have to tell you that your message could not\n"
        "be delivered to one or more recipients.\n\n                   The mail system\n\n"
        f"<carla@example.com>: host mx.example.com[192.0.2.1] said: {answer} (in reply to\n    RCPT TO command)\n"
    )
    return report(text(words), status(failed(code=code, answer=answer)), enclosed(), **headers)
