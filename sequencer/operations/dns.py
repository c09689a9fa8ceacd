"""What the DNS says about who may send mail for a domain: SPF (RFC 7208) and DMARC (RFC 7489)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import dns.asyncresolver
import dns.exception
import dns.resolver

from sequencer.mail.addresses import wire_domain

TIMEOUT: Final = 3.0
"""Seconds for each question."""


@dataclass(frozen=True, slots=True)
class Records:
    """The records of a domain, empty where there are none. `unknown`: there is no such domain; `failure`: why the DNS
    could not be asked."""

    spf: str = ""
    dmarc: str = ""
    unknown: bool = False
    failure: str = ""


async def records_of(domain: str, resolver: dns.asyncresolver.Resolver | None = None) -> Records:
    """Ask for the SPF record of a domain and for the DMARC record of it, or of the domain above it."""
    name = wire_domain(domain)
    if name is None:
        return Records(failure="that is no domain")
    try:
        resolver = resolver or dns.asyncresolver.Resolver()
        resolver.lifetime = TIMEOUT
        spf = await _text(resolver, name, "v=spf1")
        if spf is None:
            return Records(unknown=True)
        dmarc = await _text(resolver, f"_dmarc.{name}", "v=DMARC1")
        parts = name.split(".")
        if not dmarc and len(parts) > 2:
            dmarc = await _text(resolver, f"_dmarc.{'.'.join(parts[-2:])}", "v=DMARC1")
        return Records(spf, dmarc or "")
    except dns.exception.Timeout:
        return Records(failure=f"no answer within {TIMEOUT:g} s")
    except (dns.exception.DNSException, OSError) as error:
        return Records(failure=str(error).partition("\n")[0] or type(error).__name__)


async def _text(resolver: dns.asyncresolver.Resolver, name: str, begins: str) -> str | None:
    """The TXT record that begins so; empty when there is none, None when there is no such name."""
    try:
        answer = await resolver.resolve(name, "TXT", search=False)
    except dns.resolver.NXDOMAIN:
        return None
    except dns.resolver.NoAnswer:
        return ""
    for record in answer:
        text: str = b"".join(record.strings).decode("utf-8", "replace")
        if text.lower().startswith(begins.lower()):
            return text
    return ""
