"""Certificates for servers of tests: real ones, of an authority that nobody trusts unless told to."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from pathlib import Path

import trustme

EXPIRED = datetime(2020, 1, 1, tzinfo=UTC)


def write_certificate(
    certificate: Path, key: Path, authority: Path, *names: str, not_after: datetime | None = None
) -> None:
    """Write a certificate (by default for localhost and 127.0.0.1), its key, and the authority's certificate."""
    ca = trustme.CA()
    issued = ca.issue_cert(*(names or ("localhost", "127.0.0.1")), not_after=not_after)
    certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    key.touch(mode=0o600)
    issued.private_key_pem.write_to_path(str(key))
    ca.cert_pem.write_to_path(str(authority))


def server_context(folder: Path, *names: str, not_after: datetime | None = None) -> tuple[ssl.SSLContext, str]:
    """A server's TLS context, and the path of the authority to trust."""
    certificate, key, authority = (folder / name for name in ("cert.pem", "key.pem", "ca.pem"))
    write_certificate(certificate, key, authority, *names, not_after=not_after)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context, str(authority)
