"""What a notice says about the message that it is about: the header it encloses, quotes or names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sequencer.inbox.addresses import MESSAGE_ID, find_addresses, find_ids, split_mailbox
from sequencer.inbox.mime import Headers, read_headers
from sequencer.inbox.parse import Mail, read_date

MOST_NOTICE: Final = 20_000
"""Characters of a notice that are read for its own words; what it quotes of the original may be longer."""

_MOST_LINES: Final = 2000

# Fields that a server adds, or that only stand together in a copied header; From, To and Subject also occur in prose.
_TELLING = re.compile(
    r"^[ \t>]{0,8}(?:received|return-path|message-id|dkim-signature|x-received|mime-version|content-type|"
    r"x-mailer|delivered-to|authentication-results|arc-seal|x-originating-ip|x-gm-message-state|domainkey-signature"
    r")[ \t]{0,3}:",
    re.IGNORECASE,
)
_FIELD = re.compile(r"^[ \t>]{0,8}[A-Za-z][A-Za-z0-9-]{0,60}[ \t]{0,3}:")
_COPY_FOLLOWS = re.compile(
    r"^[\W_]{0,40}(?:"
    r"(?:below|above) this line is (?:a copy|the original)|.{0,30}\bis a copy of (?:the|your) (?:original )?message|"
    r"(?:a )?copy of (?:the|your) (?:original )?message|the header of the original message|"
    r"(?:included|enclosed|attached) is a copy|(?:the )?(?:original|unsent|returned|undelivered|old) message\b"
    r"(?! (?:was|is|has|that|you|to|sent|could)\b)|"
    r"(?:the )?(?:original )?message (?:headers?|text)?\s?(?:follows|below|attached)|"
    r"(?:original )?message headers?\b|the header and (?:top|first)|the first \d{1,3} lines of your|"
    r"original[- ]message[- ]headers?|(?:ursprüngliche|original[- ]?)\s?(?:nachricht|kopfzeilen)|message d['’]origine|"
    r"mensaje original|messaggio originale|mensagem original|oorspronkelijk bericht|исходное (?:письмо|сообщение)|"
    r"元のメッセージ|original mail"
    r").{0,80}$",
    re.IGNORECASE,
)
_MESSAGE_ID_LINE = re.compile(
    r"(?:^|[\s>])(?:x-)?(?:original-)?message[- ]?id[ \t]{0,3}[:=]\s{0,10}"
    r"(<[^<>\s]{1,300}>|[^\s<>]{1,200}@[^\s<>,;]{1,100})",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Original:
    """The message that a notice is about, as far as the notice shows it; empty where it does not."""

    message_id: str = ""
    sender: str = ""
    to: tuple[str, ...] = ()
    subject: str = ""
    date: datetime | None = None


def split_notice(text: str) -> tuple[str, str]:
    """The words of a notice, and the copy of the original message that follows them ("" when there is none).

    The copy begins at a line that announces it or at a block of header fields, whichever comes first, whatever the
    language.
    """
    lines = text.split("\n")
    size, begun = 0, False
    for index, line in enumerate(lines[:_MOST_LINES]):
        size += len(line) + 1
        if size > MOST_NOTICE:
            break
        if not line.strip():
            continue
        if begun and _COPY_FOLLOWS.match(line[:200]):
            return "\n".join(lines[:index]), "\n".join(lines[index + 1 :])
        if _is_header_block(lines, index):
            return "\n".join(lines[:index]), "\n".join(lines[index:])
        begun = True
    return text[:MOST_NOTICE], text[MOST_NOTICE:]


def _is_header_block(lines: list[str], start: int) -> bool:
    """Whether a copied header begins here: three fields in a row, one of which only servers and mailers write."""
    if not _FIELD.match(lines[start][:80]):
        return False
    fields = telling = 0
    for line in lines[start : start + 12]:
        if _FIELD.match(line[:80]):
            fields += 1
            telling += 1 if _TELLING.match(line[:40]) else 0
        elif not line.startswith((" ", "\t")):
            break
    return fields >= 3 and telling >= 1


def find_original(mail: Mail, copy: str) -> Original:
    """The original message: from an enclosed header, from a copy in the text, or from an id that is merely quoted.

    `copy` is what `split_notice` cut off. An In-Reply-To or References of the notice itself comes last.
    """
    enclosed = next((part.message for part in mail.parts if part.message and _has_sense(part.message)), None)
    headers = enclosed or _copied_header(mail, copy)
    if headers is None:
        return Original(message_id=_quoted_id(mail))
    ids = find_ids(headers.get("message-id"))
    sender = headers.raw("from") or headers.raw("sender") or headers.raw("return-path")
    return Original(
        message_id=ids[0] if ids else _quoted_id(mail),
        sender=split_mailbox(sender[0])[0] if sender else "",
        to=find_addresses(", ".join((*headers.raw("to")[:3], *headers.raw("cc")[:3]))[:8000], 50),
        subject=" ".join(headers.get("subject")[:1000].split()),
        date=read_date(headers.get("date")),
    )


def _has_sense(headers: Headers) -> bool:
    return any(name in headers for name in ("message-id", "from", "to", "subject", "received"))


def _copied_header(mail: Mail, copy: str) -> Headers | None:
    """A header block that stands in the text, or in a text file that comes along."""
    for text in (copy, *(part.text for part in mail.parts[1:8] if part.content_type.startswith("text/"))):
        lines = text[:40_000].split("\n")
        for index in range(min(len(lines), 60)):
            if _is_header_block(lines, index):
                block = "\n".join(_plain(line) for line in lines[index:]).encode("utf-8", "replace")
                return read_headers(block, 0, len(block))[0]
    return None


def _plain(line: str) -> str:
    """A quoted or indented field flush left again; continuation lines stay indented."""
    return line.lstrip(" \t>") if _FIELD.match(line[:80]) else line


def _quoted_id(mail: Mail) -> str:
    """A Message-ID that is named anywhere in the notice, else the one that the notice answers."""
    for part in mail.parts[:30]:
        if part.content_type.startswith(("text/", "message/")):
            for match in _MESSAGE_ID_LINE.finditer(part.text[:60_000]):
                found = match[1] if match[1].startswith("<") else f"<{match[1]}>"
                if MESSAGE_ID.fullmatch(found):
                    return found
    for name in ("x-original-message-id", "original-message-id", "x-failed-message-id"):
        if ids := find_ids(mail.headers.get(name)):
            return ids[0]
    return (mail.in_reply_to or mail.references[-1:] or ("",))[0]
