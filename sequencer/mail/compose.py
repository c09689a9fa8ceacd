"""The exact bytes of a letter: built once, committed, sent, and put into Sent unchanged.

Written out by hand instead of with `email.message`: its new policy encodes long id headers, which Outlook then
ignores (cpython#100991), its old one takes display names apart, and both are slower. The result is 7-bit ASCII
with CRLF line ends and no line over 998 bytes (RFC 5322 §2.1.1), so no server has a reason to rewrite it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime

from sequencer.mail.addresses import BadAddress, wire_address
from sequencer.mail.threads import bounded_references, is_message_id

_MAX_LINE = 998
_FOLD_AT = 76
_MAX_NAME = 200
_WORD_BYTES = 42  # a base64 encoded-word of so many bytes stays within 75 characters (RFC 2047 §2)
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_BODY_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_PLAIN_PHRASE = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]*")
_URI = re.compile(r"(?:mailto|https?):[\x21-\x3b\x3d\x3f-\x7e]+")


@dataclass(frozen=True, slots=True)
class Letter:
    """One message to one person, ready to be written out.

    Ids come with their angle brackets, `list_unsubscribe` are bare URIs, `date` is aware and keeps its offset.
    `one_click` announces RFC 8058, which takes an https URI among them.
    """

    from_name: str
    from_address: str
    to: str
    subject: str
    text: str
    message_id: str
    date: datetime
    html: str | None = None
    in_reply_to: str = ""
    references: tuple[str, ...] = ()
    list_unsubscribe: tuple[str, ...] = ()
    one_click: bool = False
    thread_topic: str = ""
    thread_index: str = ""


@dataclass(frozen=True, slots=True)
class Unwritable:
    """A letter that cannot be put into bytes: the field that stands in the way, and why, for people."""

    field: str
    reason: str
    needs_smtputf8: bool = False


def compose(letter: Letter) -> bytes | Unwritable:
    """The letter as RFC 5322 bytes. Line breaks and control characters inside header values become spaces.

    Unwritable: an address or one of our own ids and URIs that cannot stand in a header, a naive date. Ids that
    others sent (References, In-Reply-To) are left out instead, when they are unfit.
    """
    sender = wire_address(letter.from_address)
    if isinstance(sender, BadAddress):
        return Unwritable("from_address", sender.reason, sender.needs_smtputf8)
    recipient = wire_address(letter.to)
    if isinstance(recipient, BadAddress):
        return Unwritable("to", recipient.reason, recipient.needs_smtputf8)
    problem = _unfit(letter)
    if problem is not None:
        return problem
    head = [
        f"Date: {format_datetime(letter.date)}",
        f"From: {_mailbox(letter.from_name, sender)}",
        f"To: {recipient}",
        f"Message-ID: {letter.message_id}",
        _text_header("Subject", letter.subject),
        *_thread_headers(letter),
        *_unsubscribe_headers(letter),
        "MIME-Version: 1.0",
    ]
    return "\r\n".join((*head, _content(letter))).encode("ascii")


def _unfit(letter: Letter) -> Unwritable | None:
    if not is_message_id(letter.message_id):
        return Unwritable("message_id", "not a Message-ID")
    if letter.date.tzinfo is None:
        return Unwritable("date", "a date without an offset")
    for uri in letter.list_unsubscribe:
        if not _URI.fullmatch(uri) or len(uri) > _MAX_LINE - 4:
            return Unwritable("list_unsubscribe", f"not a mailto or https URI: {uri[:80]!r}")
    return None


def _thread_headers(letter: Letter) -> list[str]:
    headers: list[str] = []
    if is_message_id(letter.in_reply_to):
        headers.append(f"In-Reply-To: {letter.in_reply_to}")
    if letter.references:
        references = bounded_references(letter.references[0], letter.references[1:])
        if references:
            headers.append("References: " + "\r\n ".join(references))
    if letter.thread_topic:
        headers.append(_text_header("Thread-Topic", letter.thread_topic))
    if letter.thread_index and letter.thread_index.isascii() and letter.thread_index.isprintable():
        headers.append(f"Thread-Index: {letter.thread_index[: _MAX_LINE - 14]}")
    return headers


def _unsubscribe_headers(letter: Letter) -> list[str]:
    if not letter.list_unsubscribe:
        return []
    headers = ["List-Unsubscribe: " + ",\r\n ".join(f"<{uri}>" for uri in letter.list_unsubscribe)]
    if letter.one_click and any(uri.startswith("https:") for uri in letter.list_unsubscribe):
        headers.append("List-Unsubscribe-Post: List-Unsubscribe=One-Click")
    return headers


def _content(letter: Letter) -> str:
    if letter.html is None:
        return _part("text/plain", letter.text)
    # `=_` cannot occur in quoted-printable, and nobody knows the hash beforehand (RFC 2046 §5.1.1, RFC 2045 §6.7).
    boundary = "=_" + hashlib.blake2b(letter.message_id.encode("ascii"), digest_size=15).hexdigest()
    return (
        f'Content-Type: multipart/alternative; boundary="{boundary}"\r\n\r\n'
        f"--{boundary}\r\n{_part('text/plain', letter.text)}\r\n"
        f"--{boundary}\r\n{_part('text/html', letter.html)}\r\n"
        f"--{boundary}--\r\n"
    )


def _part(media_type: str, text: str) -> str:
    text = _BODY_CONTROLS.sub("", text).replace("\r\n", "\n").replace("\r", "\n")
    body = text.rstrip("\n").replace("\n", "\r\n") + "\r\n"
    if body.isascii() and _fits_seven_bit(body):
        encoding = "7bit"
    else:
        encoding, body = "quoted-printable", _quoted_printable(body)
    return f"Content-Type: {media_type}; charset=utf-8\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n{body}"


def _fits_seven_bit(body: str) -> bool:
    # mbox writers put a ">" before a line that begins with "From ", and space at a line's end gets lost.
    if " \r\n" in body or "\nFrom " in body or body.startswith("From "):
        return False
    return max(map(len, body.split("\r\n"))) <= _MAX_LINE


def _quoted_printable(body: str) -> str:
    encoded = binascii.b2a_qp(body.encode("utf-8", "replace"), quotetabs=False, istext=True).decode("ascii")
    return re.sub(r"(?m)^From ", "=46rom ", encoded)


def _mailbox(name: str, address: str) -> str:
    name = _clean(name)[:_MAX_NAME]
    if not name:
        return address
    if not name.isascii() or "=?" in name:
        return f"{_encoded_words(name, len('From: '))}\r\n <{address}>"
    if not _PLAIN_PHRASE.fullmatch(name):
        name = '"' + re.sub(r'(["\\])', r"\\\1", name) + '"'
    line = f"{name} <{address}>"
    return line if len(line) <= _FOLD_AT else f"{name}\r\n <{address}>"


def _text_header(name: str, value: str) -> str:
    value = _clean(value)
    start = len(name) + 2
    if value.isascii() and "=?" not in value:
        folded = _fold(value, start)
        if folded is not None:
            return f"{name}: {folded}"
    return f"{name}: {_encoded_words(value, start)}"


def _clean(value: str) -> str:
    return _CONTROLS.sub(" ", value).strip()


def _fold(value: str, start: int) -> str | None:
    """The value with a CRLF before some of its spaces, which unfolds to exactly the same; None: a word is too long."""
    if start + len(value) <= _FOLD_AT:
        return value
    lines: list[str] = []
    line, room = "", _FOLD_AT - start
    for word in re.findall(r" *[^ ]+", value):
        if line and len(line) + len(word) > room:
            lines.append(line)
            line, room = "", _FOLD_AT
        line += word
    lines.append(line)
    return "\r\n".join(lines) if max(map(len, lines)) <= _MAX_LINE - start else None


def _encoded_words(value: str, start: int) -> str:
    """RFC 2047 words in UTF-8 and base64, each of whole characters, one a line."""
    words: list[str] = []
    chunk, room = bytearray(), max(12, _WORD_BYTES - start)
    for character in value:
        encoded = character.encode("utf-8", "replace")
        if len(chunk) + len(encoded) > room:
            words.append(base64.b64encode(chunk).decode("ascii"))
            chunk, room = bytearray(), _WORD_BYTES
        chunk += encoded
    words.append(base64.b64encode(chunk).decode("ascii"))
    return "\r\n ".join(f"=?utf-8?b?{word}?=" for word in words)
