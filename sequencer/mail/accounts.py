"""Where mail goes out and where it comes in: accounts as plain values, and what an attempt to log in comes to."""

from __future__ import annotations

import asyncio
import base64
import functools
import ipaddress
import os
import re
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal

Tls = Literal["implicit", "starttls", "none"]
Token = Callable[[], Awaitable[str]]
_CONTROLS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")
Why = Literal["network", "tls", "auth", "greeting", "config"]


@dataclass(frozen=True, slots=True)
class SmtpAccount:
    """A submission server and the login there. All waits are in seconds.

    `token` yields an OAuth2 access token and takes precedence over the password. An empty username means no login
    (a server on this machine). `ca_file` is a PEM file of authorities trusted beside the system's.
    """

    host: str
    port: int
    tls: Tls = "implicit"
    username: str = ""
    password: str = field(default="", repr=False)
    token: Token | None = field(default=None, repr=False)
    ca_file: str = ""
    helo_name: str = "[127.0.0.1]"  # RFC 5321 §4.1.3: an address literal is right for a host without a name
    timeout: float = 60.0  # for each reply
    final_timeout: float = 600.0  # for the reply to the final dot (RFC 5321 §4.5.3.2.6)
    probe_after: float = 10.0  # a connection idle for longer is asked (NOOP) before it is used again


@dataclass(frozen=True, slots=True)
class ImapAccount:
    """An IMAP server and the login there. All waits are in seconds; see SmtpAccount for `token` and `ca_file`."""

    host: str
    port: int
    tls: Tls = "implicit"
    username: str = ""
    password: str = field(default="", repr=False)
    token: Token | None = field(default=None, repr=False)
    ca_file: str = ""
    timeout: float = 60.0  # for each command
    done_timeout: float = 15.0  # for the end of IDLE


@dataclass(frozen=True, slots=True)
class Ready:
    """Connected and logged in. `capabilities` are the server's words, upper case."""

    capabilities: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Unreachable:
    """No session came about. `why` is what to look at, `message` is for people and never holds a secret.

    `temporary`: trying again later without changing anything may help.
    """

    why: Why
    message: str
    temporary: bool
    code: int = 0  # the SMTP reply code, where there was one


class BadAuthority(Exception):
    """The `ca_file` of an account cannot be read; the text says why."""


def is_loopback(host: str) -> bool:
    """Whether a host name can only mean this machine (RFC 6761 §6.3 for `localhost`)."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def misconfigured(account: SmtpAccount | ImapAccount) -> Unreachable | None:
    """What makes it pointless, or unsafe, to connect at all."""
    if not account.host:
        return Unreachable("config", "no host is given", temporary=False)
    if account.tls == "none" and not is_loopback(account.host):
        message = (
            f"{account.host} would be used without encryption, which is only allowed towards this machine; "
            "set tls: implicit or tls: starttls"
        )
        return Unreachable("config", message, temporary=False)
    return None


async def tls_context(ca_file: str) -> ssl.SSLContext:
    """A context that verifies the server's name and certificate. Raises BadAuthority."""
    # Loading the system's authorities takes tens of milliseconds: not on the event loop, and once.
    return await asyncio.to_thread(_tls_context, ca_file)


@functools.lru_cache(maxsize=32)
def _tls_context(ca_file: str) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH)
    # RFC 8996: TLS 1.0 and 1.1 must not be used. Some distributions leave the decision to OpenSSL's configuration.
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca_file:
        try:
            context.load_verify_locations(cafile=ca_file)
        except (OSError, ssl.SSLError) as error:
            raise BadAuthority(f"ca_file {ca_file}: {error.strerror or error}") from error
    return context


def cut(transport: asyncio.WriteTransport) -> None:
    """End a connection at once: `close` would still flush what is buffered, to a peer that may never read it."""
    # The first releases of Python 3.11 raise it for a TLS transport whose peer has gone.
    with suppress(AttributeError):
        transport.abort()


def connect_failure(error: BaseException, host: str, port: int) -> Unreachable:
    """What an error of connecting or of the TLS handshake means to a person."""
    where = f"{host}:{port}"
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return Unreachable("tls", f"the certificate of {where} was refused: {cause.verify_message}", False)
        if isinstance(cause, ssl.SSLError):
            if cause.reason == "WRONG_VERSION_NUMBER":
                message = f"{where} does not begin with TLS; is it a starttls port?"
                return Unreachable("tls", message, temporary=False)
            reason = (cause.reason or str(cause)).replace("_", " ").lower()
            return Unreachable("tls", f"no TLS with {where}: {reason}", temporary=True)
    for cause in _causes(error):
        if isinstance(cause, TimeoutError):
            return Unreachable("network", f"{where} did not answer in time", temporary=True)
        if isinstance(cause, OSError) and cause.strerror:
            return Unreachable("network", f"cannot connect to {where}: {_in_words(cause)}", temporary=True)
    return Unreachable("network", f"cannot connect to {where}: {error or type(error).__name__}", temporary=True)


def _in_words(error: OSError) -> str:
    """asyncio puts an address where the operating system says why."""
    if error.errno and "Connect call failed" in str(error):
        return os.strerror(error.errno)
    return error.strerror or str(error)


def _causes(error: BaseException) -> list[BaseException]:
    chain: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in chain:
        chain.append(cause)
        cause = cause.__cause__ or cause.__context__
    return chain


def shown(text: str) -> str:
    """What a server said, fit for people and for databases: no control characters, no broken characters, and not
    more than a thousand of them."""
    whole = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return _CONTROLS.sub("", whole)[:1000].strip()


def without_secrets(text: str, *secrets: str) -> str:
    """The text with every secret, plain or in base64, replaced by asterisks: servers do echo what they were sent."""
    for secret in sorted(secrets, key=len, reverse=True):  # one may hold another
        if len(secret) >= 4:
            encoded = base64.b64encode(secret.encode()).decode().rstrip("=")
            text = re.sub(f"{re.escape(secret)}|{re.escape(encoded)}=*", "***", text)
    return text
