"""E-mail addresses and message ids as they are compared; how they were written is kept beside."""

from __future__ import annotations

import hashlib
import unicodedata
from typing import Final

LONGEST_ID: Final = 998
"""Octets; a longer message id cannot stand on one line (RFC 5322 §2.1.1) and would not fit an index."""


def normal(address: str) -> str:
    """The address (or @domain) to match by: trimmed, Unicode NFC, lower case. The local part too: no provider that
    matters tells Anna@ from anna@, and mailing one person twice is the worse mistake."""
    return unicodedata.normalize("NFC", address.strip()).lower()


def domain_of(address: str) -> str:
    """The domain, lower case; empty when there is no @."""
    return normal(address).rpartition("@")[2] if "@" in address else ""


def bare(message_id: str) -> str:
    """A message id without white space and angle brackets; an overlong one is replaced by its hash, always the same."""
    text = message_id.strip().removeprefix("<").removesuffix(">").strip()
    octets = text.encode("utf-8", "surrogatepass")
    return text if len(octets) <= LONGEST_ID else "sha256:" + hashlib.sha256(octets).hexdigest()
