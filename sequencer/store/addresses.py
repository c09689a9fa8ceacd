"""E-mail addresses and message ids as they are compared; how they were written is kept beside.

What comes out is what a text column gives back, so it can be looked up in the rows that were found by it."""

from __future__ import annotations

import hashlib
import unicodedata
from typing import Final

from sequencer.store.columns import clean

_AROUND: Final = "<>" + "".join(filter(str.isspace, map(chr, range(0x3001))))  # what str.strip() takes, and brackets

LONGEST_ID: Final = 998
"""Octets; a longer message id cannot stand on one line (RFC 5322 §2.1.1) and would not fit an index."""


def normal(address: str) -> str:
    """The address (or @domain) to match by: trimmed, Unicode NFC, lower case. The local part too: no provider that
    matters tells Anna@ from anna@, and mailing one person twice is the worse mistake."""
    return unicodedata.normalize("NFC", clean(address).strip()).lower()


def domain_of(address: str) -> str:
    """The domain, lower case; empty when there is no @."""
    return normal(address).rpartition("@")[2] if "@" in address else ""


def bare(message_id: str) -> str:
    """A message id without white space and angle brackets; an overlong one is replaced by its hash, always the same."""
    text = clean(message_id).strip(_AROUND)
    octets = text.encode()
    return text if len(octets) <= LONGEST_ID else "sha256:" + hashlib.sha256(octets).hexdigest()
