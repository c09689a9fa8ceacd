"""Addresses as they may stand on the wire: ASCII, one mailbox, nothing that could end a command or a header."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

import idna

_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}")  # RFC 5322 §3.2.3, and the stray dots that exist
_QUOTED_LOCAL = re.compile(r'"(?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\[\x20-\x7e]){0,62}"')
_HOST = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(?:\.(?!-)[a-z0-9_-]{1,63}(?<!-))*\.?")
_LITERAL = re.compile(r"\[[0-9a-fA-F:.IPv]{2,45}\]")


@dataclass(frozen=True, slots=True)
class BadAddress:
    """An address that cannot be written to. With `needs_smtputf8` it may exist, but not in ASCII (RFC 6531)."""

    address: str
    reason: str
    needs_smtputf8: bool = False


@functools.lru_cache(maxsize=4096)
def wire_address(address: str) -> str | BadAddress:
    """A bare address in ASCII: an internationalised domain becomes punycode (RFC 5891), the local part stays."""
    local, at, domain = address.strip().rpartition("@")
    if not at or not local or not domain:
        return BadAddress(address, "not an e-mail address")
    if not (_LOCAL.fullmatch(local) or _QUOTED_LOCAL.fullmatch(local)):
        if not local.isascii() and local.isprintable():
            return BadAddress(address, "the part before the @ is not ASCII: this needs SMTPUTF8", needs_smtputf8=True)
        return BadAddress(address, "the part before the @ holds characters that no address has")
    host = wire_domain(domain)
    if host is None:
        return BadAddress(address, "the part after the @ is not a domain")
    return f"{local}@{host}"


@functools.lru_cache(maxsize=4096)
def wire_domain(domain: str) -> str | None:
    """A domain in lower-case ASCII, or None when it is none."""
    if _LITERAL.fullmatch(domain):
        return domain
    if domain.isascii():
        lower = domain.lower()
        return lower if len(lower) <= 253 and _HOST.fullmatch(lower) else None
    try:
        encoded = idna.encode(domain, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        return None
    return encoded if len(encoded) <= 253 else None
