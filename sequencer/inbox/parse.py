"""Raw bytes to a `Mail`: everything the reader looks at, bounded, decoded, and without a way to fail."""

from __future__ import annotations

import email.utils
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Final

from sequencer.inbox.addresses import find_addresses, find_ids, split_mailbox
from sequencer.inbox.html_text import html_lines
from sequencer.inbox.mime import MOST_BYTES, Headers, Part, read_headers, walk

MOST_TEXT: Final = 131_072
"""Characters of plain or HTML text that are read."""

_RECIPIENTS = (
    "to",
    "cc",
    "delivered-to",
    "x-original-to",
    "envelope-to",
    "x-envelope-to",
    "resent-to",
    "apparently-to",
)


@dataclass(frozen=True)
class Mail:
    """A received mail as the reader sees it. Addresses keep their case; ids keep their angle brackets.

    `text` joins the plain-text parts and `html` the HTML parts that are to be read in place: no attachments, nothing
    from inside an attached message (those are in `parts`, marked `enclosed`). `to` has every address it was sent or
    delivered to. `date` is UTC. `size` is in bytes; `truncated` says that something lay beyond the limits of `mime`.
    """

    headers: Headers
    parts: tuple[Part, ...]
    from_address: str
    from_name: str
    reply_to: str
    to: tuple[str, ...]
    subject: str
    message_id: str
    in_reply_to: tuple[str, ...]
    references: tuple[str, ...]
    date: datetime | None
    text: str
    html: str
    size: int
    truncated: bool
    content_type: str
    raw: bytes = field(repr=False)

    @cached_property
    def html_text(self) -> str:
        """The HTML part as plain lines."""
        return html_lines(self.html) if self.html else ""

    @property
    def words(self) -> str:
        """What a person would read: the plain text, or the HTML as text when there is no plain text."""
        return self.text if self.text.strip() else self.html_text


def parse_mail(raw: bytes) -> Mail:
    """The bounded view of a mail. Never raises; what lies beyond the limits of `mime` is not looked at."""
    block = raw[:MOST_BYTES].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    start = len(block) - len(block.lstrip(b"\n"))
    headers, body = read_headers(block, start, len(block))
    parts = walk(block, headers, body)
    from_address, from_name = _mailbox(headers, "from")
    return Mail(
        headers=headers,
        parts=parts,
        from_address=from_address,
        from_name=from_name,
        reply_to=_mailbox(headers, "reply-to")[0],
        to=_recipients(headers),
        subject=" ".join(headers.get("subject")[:1000].split()),
        message_id=(_ids(headers, "message-id") or ("",))[0],
        in_reply_to=_ids(headers, "in-reply-to"),
        references=_ids(headers, "references"),
        date=read_date(headers.get("date")),
        text=_joined(parts, "text/plain"),
        html=_joined(parts, "text/html"),
        size=len(raw),
        truncated=len(raw) > MOST_BYTES,
        content_type=headers.get("content-type").split(";", 1)[0].strip().lower(),
        raw=raw[:MOST_BYTES],
    )


def read_date(value: str) -> datetime | None:
    """A Date header (RFC 5322 §3.3) in UTC, or None when it is none."""
    try:
        date = email.utils.parsedate_to_datetime(value[:100])
        return date.replace(tzinfo=UTC) if date.tzinfo is None else date.astimezone(UTC)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def _mailbox(headers: Headers, name: str) -> tuple[str, str]:
    values = headers.raw(name)
    return split_mailbox(values[0]) if values else ("", "")


def _recipients(headers: Headers) -> tuple[str, ...]:
    values = " ".join(value for name in _RECIPIENTS for value in headers.raw(name)[:10])
    return find_addresses(values[:32_000])


def _ids(headers: Headers, name: str) -> tuple[str, ...]:
    return find_ids(" ".join(headers.raw(name)[:5]))


def _joined(parts: tuple[Part, ...], kind: str) -> str:
    texts = [part.text for part in parts if part.content_type == kind and not part.enclosed and not part.attached]
    return "\n".join(texts)[:MOST_TEXT]
