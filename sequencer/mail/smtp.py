"""Handing messages to a submission server, one connection, one message at a time (RFC 5321).

The three phases are separate calls, because the attempt is committed between them: `offer` (MAIL, RCPT) may be
repeated at will, `deliver` (DATA and the body) may end in doubt. Commands go through aiosmtplib's `execute_command`
instead of its `mail`, `rcpt` and `data`: answers are values that way, and its `data` does not tell a refusal or a
lost connection before the body, when nothing was sent, from one after it.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from aiosmtplib import SMTP
from aiosmtplib.errors import (
    SMTPAuthenticationError,
    SMTPConnectResponseError,
    SMTPException,
    SMTPHeloError,
    SMTPResponseException,
    SMTPServerDisconnected,
)
from aiosmtplib.protocol import normalize_message_line_endings
from aiosmtplib.response import SMTPResponse

from sequencer.mail.accounts import (
    BadAuthority,
    Ready,
    SmtpAccount,
    Unreachable,
    connect_failure,
    cut,
    misconfigured,
    shown,
    tls_context,
    without_secrets,
)
from sequencer.mail.addresses import BadAddress, wire_address
from sequencer.mail.answers import Blame, Phase, classify

_T = TypeVar("_T")
_QUIT_TIMEOUT = 5.0
_TAKEN = (250, 251, 252)  # what says yes to MAIL, RCPT and the message (RFC 5321 §4.3.2); any other 2yz is out of step
_LEADING_DOT = re.compile(rb"(?m)^\.")


@dataclass(frozen=True, slots=True)
class Offered:
    """The server takes mail for this recipient; `deliver` or `withdraw` comes next."""

    answer: str


@dataclass(frozen=True, slots=True)
class Refused:
    """Certainly not sent. `code` is 0 when there was no reply (the connection was lost, an address is unfit)."""

    phase: Phase
    code: int
    answer: str
    temporary: bool
    blame: Blame


@dataclass(frozen=True, slots=True)
class Delivered:
    """The server took responsibility for the message; `answer` may name the id it gave it."""

    code: int
    answer: str


@dataclass(frozen=True, slots=True)
class Doubtful:
    """The body went out and no verdict came back: the message may have been accepted (RFC 5321 §6.1, RFC 1047)."""

    reason: str


Outcome = Delivered | Refused | Doubtful


class Outgoing(Protocol):
    """What a mailbox sends through."""

    @property
    def is_open(self) -> bool: ...

    async def open(self) -> Ready | Unreachable: ...
    async def offer(self, sender: str, recipient: str, size: int) -> Offered | Refused: ...
    async def deliver(self, data: bytes) -> Outcome: ...
    async def withdraw(self) -> None: ...
    async def close(self) -> None: ...


class SmtpLine:
    """One connection to a submission server, used for many messages in turn by one task.

    Nothing here raises for what a server or a network does. Any cancellation or timeout closes the connection: a
    late answer would be taken for the answer to the next command.
    """

    def __init__(self, account: SmtpAccount) -> None:
        self._account = account
        self._client: SMTP | None = None
        self._used_at = 0.0
        self._stale = False
        self._secrets = [account.password, f"\0{account.username}\0{account.password}"]
        self.outcome: Outcome | None = None
        """How the last `deliver` ended; if it was cancelled, what is known of it."""

    @property
    def is_open(self) -> bool:
        """Whether the next `offer` has a connection to go through. The server may have left without a word yet."""
        return self._client is not None and self._client.is_connected

    async def open(self) -> Ready | Unreachable:
        """Connect, TLS, EHLO, log in; whatever was open before is dropped."""
        self._abort()
        account = self._account
        problem = misconfigured(account)
        if problem is not None:
            return problem
        try:
            context = None if account.tls == "none" else await tls_context(account.ca_file)
            self._client = client = SMTP(
                hostname=account.host,
                port=account.port,
                use_tls=account.tls == "implicit",
                start_tls=False,
                tls_context=context,
                local_hostname=account.helo_name,
                timeout=None,  # see _in_time
            )
            problem = await self._begin(client)
        except BadAuthority as error:
            return Unreachable("config", str(error), temporary=False)
        except (SMTPException, OSError, ValueError) as error:
            problem = self._why_unreachable(error)
        except BaseException:
            self._abort()
            raise
        if problem is not None:
            self._abort()
            return problem
        self._touched()
        self._stale = False
        return Ready(frozenset(name.upper() for name in client.esmtp_extensions))

    async def offer(self, sender: str, recipient: str, size: int) -> Offered | Refused:
        """MAIL and RCPT for a message of `size` bytes. After Refused the connection is ready for the next offer,
        or no longer open (`is_open`)."""
        self.outcome = None
        wire_sender, wire_recipient = wire_address(sender), wire_address(recipient)
        if isinstance(wire_sender, BadAddress):
            return Refused("mail", 0, wire_sender.reason, temporary=False, blame="sender")
        if isinstance(wire_recipient, BadAddress):
            return Refused("rcpt", 0, wire_recipient.reason, temporary=False, blame="recipient")
        client = self._client
        if client is None or not client.is_connected:
            return self._lost("connect", "not connected")
        phase: Phase = "connect"
        try:
            if not await self._freshen(client):
                return self._lost("connect", "the server no longer answers on this connection")
            phase = "mail"
            limit = client.esmtp_extensions.get("size", "")
            if limit.isdecimal() and 0 < int(limit) < size:
                answer = f"the message has {size} bytes, the server takes {limit} at most"
                return Refused("mail", 552, answer, temporary=False, blame="message")
            options = [b"SIZE=%d" % size] if "size" in client.esmtp_extensions else []
            reply = await self._command(client, b"MAIL", b"FROM:<%s>" % wire_sender.encode("ascii"), *options)
            if reply.code in _TAKEN:
                phase = "rcpt"
                reply = await self._command(client, b"RCPT", b"TO:<%s>" % wire_recipient.encode("ascii"))
        except (SMTPException, OSError) as error:
            return self._lost(phase, _describe(error))
        except BaseException:
            self._abort()
            raise
        self._touched()
        self._stale = True
        if reply.code in _TAKEN:
            return Offered(shown(reply.message))
        return self._refused(phase, reply.code, reply.message)

    async def deliver(self, data: bytes) -> Outcome:
        """DATA and the exact bytes, after an Offered.

        To learn the outcome in spite of a cancellation (SIGTERM finishes the message in hand), run it as a task of
        its own: `task = create_task(line.deliver(data))`, `await shield(task)`, and on CancelledError await `task`
        once more, for as long as there is time, before going down. When the call itself is cancelled, the
        connection is cut and `line.outcome` says what is known: Refused before the body went out, else Doubtful.
        """
        client = self._client
        if client is None or not client.is_connected:
            self.outcome = lost = self._lost("data", "not connected")
            return lost
        try:
            self.outcome = outcome = await self._deliver(client, _dotted(data))
        except BaseException:
            self._abort()
            raise
        return outcome

    async def withdraw(self) -> None:
        """Take back an offer (RSET). If that fails, the connection is closed, which does the same."""
        client = self._client
        if client is None or not client.is_connected:
            return
        try:
            reply = await self._command(client, b"RSET")
        except (SMTPException, OSError):
            self._abort()
            return
        except BaseException:
            self._abort()
            raise
        self._touched()
        self._stale = False
        if reply.code != 250:
            self._abort()

    async def close(self) -> None:
        """Say QUIT if there is somebody to say it to, and close in any case; never raises for what the server does."""
        client = self._client
        if client is None:
            return
        try:
            if client.is_connected:
                await _in_time(client.execute_command(b"QUIT", timeout=None), _QUIT_TIMEOUT)
        except (SMTPException, OSError):
            pass
        finally:
            self._abort()

    async def _begin(self, client: SMTP) -> Unreachable | None:
        timeout = self._account.timeout
        await _in_time(client.connect(), timeout)
        await _in_time(client.ehlo(), timeout)
        if self._account.tls == "starttls":
            if not client.supports_extension("starttls"):
                message = f"{self._account.host}:{self._account.port} does not offer STARTTLS"
                return Unreachable("tls", message, temporary=False)
            await _in_time(client.starttls(), timeout)
            await _in_time(client.ehlo(), timeout)
        return await _in_time(self._log_in(client), timeout)

    async def _log_in(self, client: SMTP) -> Unreachable | None:
        account = self._account
        offered = client.server_auth_methods
        if account.token is not None:
            if "xoauth2" not in offered:
                return Unreachable("config", f"{account.host} does not take XOAUTH2 logins", temporary=False)
            try:
                token = await account.token()
            except Exception as error:  # whatever the token's source raises: no token
                return Unreachable("auth", f"no access token: {type(error).__name__}", temporary=True)
            self._secrets[2:] = [token]
            await client.auth_xoauth2(account.username, token)
        elif account.username:
            for name, method in (("plain", client.auth_plain), ("login", client.auth_login)):
                if name in offered:
                    await method(account.username, account.password)
                    return None
            if "cram-md5" not in offered:
                message = f"{account.host} offers no login that takes a password ({' '.join(offered) or 'none at all'})"
                return Unreachable("config", message, temporary=False)
            await client.auth_crammd5(account.username, account.password)
        return None

    def _why_unreachable(self, error: Exception) -> Unreachable:
        account = self._account
        match error:
            case SMTPAuthenticationError():
                answer = shown(without_secrets(error.message, *self._secrets))
                message = f"{account.host} refused the login of {account.username}: {error.code} {answer}"
                return Unreachable("auth", message, temporary=error.code < 500, code=error.code)
            case SMTPConnectResponseError() | SMTPHeloError():
                message = f"{account.host} turned us away: {error.code} {shown(error.message)}"
                return Unreachable("greeting", message, temporary=error.code < 500, code=error.code)
            case SMTPResponseException(code=code) if code > 0:
                message = f"{account.host} does not begin with TLS: {code} {shown(error.message)}"
                return Unreachable("tls", message, temporary=code < 500, code=code)
            case SMTPResponseException():
                message = f"{account.host}:{account.port} does not speak SMTP: {shown(error.message[:200])}"
                return Unreachable("greeting", message, temporary=True)
            case ValueError() if not isinstance(error, OSError):  # a refused certificate is both
                return Unreachable("config", str(error), temporary=False)
            case _:
                return connect_failure(error, account.host, account.port)

    async def _freshen(self, client: SMTP) -> bool:
        if asyncio.get_running_loop().time() - self._used_at > self._account.probe_after:
            reply = await self._command(client, b"NOOP")
            if reply.code != 250:
                return False
        if self._stale:
            reply = await self._command(client, b"RSET")
            if reply.code != 250:
                return False
            self._stale = False
        return True

    async def _deliver(self, client: SMTP, body: bytes) -> Outcome:
        protocol = client.protocol
        self.outcome = Refused("data", 0, "cancelled before the message went out", temporary=True, blame="server")
        try:
            reply = await self._command(client, b"DATA")
            if reply.code != 354 or protocol is None:
                return self._refused("data", reply.code, reply.message)
            protocol.write(body)
        except (SMTPException, OSError) as error:
            return self._lost("data", _describe(error))
        self.outcome = Doubtful("cancelled while waiting for the answer to the message")
        try:
            reply = await _in_time(protocol.read_response(timeout=None), self._account.final_timeout)
        except (SMTPException, OSError) as error:
            self._abort()
            return Doubtful(f"the message went out, then: {_describe(error)}")
        self._touched()
        if reply.code in _TAKEN:
            self._stale = False
            return Delivered(reply.code, shown(reply.message))
        if reply.code < 400:
            self._abort()
            return Doubtful(
                f"the message went out, and the answer says neither yes nor no: {reply.code} {shown(reply.message)}"
            )
        return self._refused("end", reply.code, reply.message)

    async def _command(self, client: SMTP, *words: bytes) -> SMTPResponse:
        return await _in_time(client.execute_command(*words, timeout=None), self._account.timeout)

    def _refused(self, phase: Phase, code: int, answer: str) -> Refused:
        if code == 421 or code < 400:  # closing, or an answer to something else: this session is over
            self._abort()
        verdict = classify(phase, code, answer)
        words = shown(without_secrets(answer, *self._secrets))
        return Refused(phase, code, words, verdict.temporary, verdict.blame)

    def _lost(self, phase: Phase, reason: str) -> Refused:
        self._abort()
        return Refused(phase, 0, reason, temporary=True, blame="server")

    def _touched(self) -> None:
        self._used_at = asyncio.get_running_loop().time()

    def _abort(self) -> None:
        client, self._client = self._client, None
        if client is None:
            return
        transport = client.transport
        if isinstance(transport, asyncio.WriteTransport):
            cut(transport)
        client.close()


async def _in_time(doing: Awaitable[_T], seconds: float) -> _T:
    """Await with a limit; TimeoutError. aiosmtplib's own limits are `asyncio.wait_for`, which up to Python 3.11
    swallows a cancellation that coincides with the answer: a daemon told to stop would go on."""
    async with asyncio.timeout(seconds):
        return await doing


def _dotted(data: bytes) -> bytes:
    """Dot-stuffed and ended (RFC 5321 §4.5.2); line ends other than CRLF do not get through."""
    lines = data.count(b"\r\n")
    if data.count(b"\n") != lines or data.count(b"\r") != lines or not data.endswith(b"\r\n"):
        data = normalize_message_line_endings(data)
    if data.startswith(b".") or b"\n." in data:
        data = _LEADING_DOT.sub(b"..", data)
    return data + b".\r\n"


def _describe(error: Exception) -> str:
    match error:
        case TimeoutError():
            return "no reply in time"
        case SMTPServerDisconnected():
            return "the connection was lost"
        case SMTPResponseException():
            return f"an unintelligible reply: {shown(error.message[:200])}"
        case ssl.SSLError():
            return f"TLS failed: {error.reason or error}"
        case _:
            return str(error) or type(error).__name__
