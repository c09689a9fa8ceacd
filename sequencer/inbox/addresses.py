"""Addresses and message ids as they occur in headers and in prose, found tolerantly and in linear time."""

from __future__ import annotations

import re
from typing import Final

from sequencer.inbox.charsets import decode_words

MOST_ADDRESSES: Final = 64
MOST_IDS: Final = 100

# Letters up to U+1FFF (Latin, Greek, Cyrillic …) may be part of an address; Chinese and Japanese, which are written
# without spaces, are taken for the words around it.
_FOREIGN = r"\u00c0-\u1fff"
_ATOM = rf"[!#$%&'*+/0-9=?A-Z^_a-z~.{_FOREIGN}-]"
_BEFORE = rf"[!#$%&*+/0-9?A-Z^_a-z~.{_FOREIGN}-]"
_LOCAL = rf"(?:\"[^\"\s@]{{1,64}}\"|(?!'){_ATOM}{{1,100}})"
_LABEL = rf"[A-Za-z0-9_{_FOREIGN}][A-Za-z0-9_{_FOREIGN}-]{{0,62}}"
ADDRESS: Final = re.compile(rf"(?<!{_BEFORE}){_LOCAL}@(?:{_LABEL}\.){{0,10}}{_LABEL}")
"""An addr-spec in running text (RFC 5321 §4.1.2, without comments and address literals)."""

MESSAGE_ID: Final = re.compile(r"<([^<>\s@]{1,250}@[^<>\s@]{1,250})>")
_BARE_ID = re.compile(r"[^<>\s@,;()]{1,250}@[^<>\s@,;()]{1,250}")
_IN_ANGLES = re.compile(r"<\s{0,5}([^<>]{1,320}?)\s{0,5}>")
_ANGLES = re.compile(r"<[^<>]{0,320}>")
_COMMENT = re.compile(r"\(([^()]{0,200})\)")


def find_addresses(text: str, most: int = MOST_ADDRESSES) -> tuple[str, ...]:
    """Every different address in running text, in order, as written."""
    found: dict[str, None] = {}
    if "@" not in text:
        return ()
    for match in ADDRESS.finditer(text):
        found.setdefault(tidy(match[0]), None)
        if len(found) >= most:
            break
    return tuple(found)


def tidy(address: str) -> str:
    """An address as found in prose without what clings to it; needless quotes around the local part go too."""
    address = address.strip("'.*")
    if address.startswith('"'):
        local, _, domain = address[1:].rpartition('"@')
        return f"{local}@{domain}" if re.fullmatch(r"[\w.+-]+", local) else address
    return address


def split_mailbox(value: str) -> tuple[str, str]:
    """Address and display name of a From, Sender or the like; ("", "") parts when there are none.

    The raw header value comes in: encoded words are decoded after the address was cut out, since they may hold `<`.
    """
    value = value[:2000]
    angles = [match for match in _IN_ANGLES.finditer(value) if "@" in match[1]]
    if angles:
        last = angles[-1]
        address = (find_addresses(last[1], 1) or (last[1].strip().strip("\"'"),))[0]
        return address, _name(value[: last.start()] or value[last.end() :])
    addresses = find_addresses(value, 1)
    if addresses:
        comment = _COMMENT.search(value)
        return addresses[0], _name(comment[1]) if comment else ""
    return "", _name(_ANGLES.sub("", value))


def _name(value: str) -> str:
    name = decode_words(value).strip().strip(",;").strip()
    if len(name) > 1 and name[0] == name[-1] == '"':
        name = name[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    return " ".join(name.split())


def find_ids(value: str, most: int = MOST_IDS) -> tuple[str, ...]:
    """The message ids of an In-Reply-To or References value, in order, with angle brackets (RFC 5322 §3.6.4)."""
    value = value[:32_000]
    found = dict.fromkeys(match[0] for match in MESSAGE_ID.finditer(value))
    if not found:
        found = dict.fromkeys(f"<{match[0]}>" for match in _BARE_ID.finditer(value[:2000]))
    return tuple(found)[-most:]
