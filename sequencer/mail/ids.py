"""Ids that only we can have made: Message-IDs and unsubscribe tokens, signed with the installation's key.

All of them are lower case and compared so: some systems fold the case of ids and of plus-addresses.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass

from sequencer.mail.addresses import wire_domain

ALERT_HEADER = "X-Sequencer-Alert"
MAX_LENGTH = 70  # without the angle brackets; longer ids get folded or cut on their way
_MAC_BYTES = 8
_MAC_LENGTH = 13  # base32 of 8 bytes
_UNSUBSCRIBE_MAC_BYTES = 10
_NONCE_LENGTH = 12
_LEAST_STEP = 8

_OURS = re.compile(
    r"<?\s*(?P<signed>(?P<enrollment>\d{1,19})\.(?P<step>[a-z0-9_-]*)\.[a-z0-9]*)\.(?P<mac>[a-z2-7]{13})@"
)
_ALERT = re.compile(r"<?\s*alert\.(?P<number>\d{1,19})\.(?P<mac>[a-z2-7]{13})(@|$)")
_UNSUBSCRIBE = re.compile(r"(?P<enrollment>\d{1,19})-(?P<mac>[a-z2-7]{16})")


@dataclass(frozen=True, slots=True)
class Token:
    """What one of our Message-IDs says.

    `step` is the step's id in lower case, everything but letters, digits, `-` and `_` replaced by `-`, and cut to
    what the length of an id leaves room for: a hint for people, not a key. The enrollment is exact.
    """

    enrollment: int
    step: str


def make_message_id(key: bytes, enrollment: int, step: str, nonce: str, domain: str) -> str:
    """`<{enrollment}.{step}.{nonce}.{signature}@{domain}>`, at most 70 characters between the brackets.

    `nonce` makes two messages of one step differ (12 characters of it are used). A domain too long for the
    rest is shortened from the left: the right side of an id only has to be a name space (RFC 5322 §3.6.4).
    """
    nonce = re.sub(r"[^a-z0-9]", "", nonce.lower())[:_NONCE_LENGTH]
    fixed = len(f"{enrollment}...{nonce}@") + _MAC_LENGTH
    host = _shorten(domain.lower(), MAX_LENGTH - fixed - _LEAST_STEP)
    room = MAX_LENGTH - fixed - len(host)
    slug = re.sub(r"[^a-z0-9_-]", "-", step.lower())[:room]
    signed = f"{enrollment}.{slug}.{nonce}"
    return f"<{signed}.{_mac(key, 'message-id', signed, _MAC_BYTES)}@{host}>"


def read_message_id(key: bytes, message_id: str) -> Token | None:
    """What one of our own Message-IDs says, or None when it is not ours. The domain does not matter."""
    found = _OURS.match(message_id.strip().lower())
    if found is None or not hmac.compare_digest(found["mac"], _mac(key, "message-id", found["signed"], _MAC_BYTES)):
        return None
    return Token(int(found["enrollment"]), found["step"])


def alert_token(key: bytes, number: int) -> str:
    """`alert.{number}.{signature}`: stands in a header of our own, and as the left part of the Message-ID, in a mail
    by which the sequencer tells the rep something."""
    return f"alert.{number}.{_mac(key, 'alert', str(number), _MAC_BYTES)}"


def is_alert_token(key: bytes, text: str) -> bool:
    """Whether a token, or a Message-ID that begins with one, is ours."""
    found = _ALERT.match(text.strip().lower())
    return found is not None and hmac.compare_digest(found["mac"], _mac(key, "alert", found["number"], _MAC_BYTES))


def ids_in_answer(answer: str, host: str) -> tuple[str, ...]:
    """The Message-IDs that a server's answer to a message names: some put theirs in the place of ours.

    Microsoft writes the whole id, Amazon SES only its left part; the right one follows from the host's region.
    """
    found = re.findall(r"<[\x21-\x3b\x3d\x3f-\x7e]{1,400}@[A-Za-z0-9.-]{1,253}>", answer)
    ses = re.search(r"\bOk ([0-9a-f-]{40,80})\s*$", answer, re.IGNORECASE)
    region = re.search(r"^email-smtp(?:-fips)?\.([a-z0-9-]+)\.amazonaws\.com$", host.lower())
    if ses and region:
        domain = "email" if region[1] == "us-east-1" else region[1]
        found.append(f"<{ses[1]}@{domain}.amazonses.com>")
    return tuple(found)


def unsubscribe_token(key: bytes, enrollment: int) -> str:
    """`{enrollment}-{signature}`: nothing but letters, digits and a hyphen, to fit a URL, a subject, a plus-address."""
    return f"{enrollment}-{_mac(key, 'unsubscribe', str(enrollment), _UNSUBSCRIBE_MAC_BYTES)}"


def read_unsubscribe_token(key: bytes, token: str) -> int | None:
    """The enrollment that an unsubscribe token names, or None when it is not ours."""
    found = _UNSUBSCRIBE.fullmatch(token.strip().lower())
    if found is None:
        return None
    enrollment = int(found["enrollment"])
    return enrollment if hmac.compare_digest(unsubscribe_token(key, enrollment), found[0]) else None


def _mac(key: bytes, purpose: str, text: str, size: int) -> str:
    digest = hmac.digest(key, f"{purpose}\0{text}".encode("ascii"), "sha256")[:size]
    return base64.b32encode(digest).decode("ascii").rstrip("=").lower()


def _shorten(domain: str, room: int) -> str:
    ascii_domain = wire_domain(domain) or ""
    while len(ascii_domain) > room and ascii_domain.count(".") > 1:
        ascii_domain = ascii_domain.partition(".")[2]
    if 0 < len(ascii_domain) <= room:
        return ascii_domain
    return hashlib.blake2b(domain.encode("utf-8"), digest_size=4).hexdigest() + ".invalid"
