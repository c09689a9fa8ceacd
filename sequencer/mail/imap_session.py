"""One logged-in IMAP connection: TLS, login, one command at a time, and a clean end in every case."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from sequencer.mail.accounts import (
    BadAuthority,
    ImapAccount,
    Unreachable,
    connect_failure,
    misconfigured,
    shown,
    tls_context,
    without_secrets,
)
from sequencer.mail.imap_names import quoted
from sequencer.mail.imap_parse import keyword, response_code
from sequencer.mail.imap_wire import ConnectionLost, Wire

PASSING = frozenset({"UNAVAILABLE", "INUSE", "LIMIT", "SERVERBUG"})
"""Response codes by which nothing is wrong with the command (RFC 5530)."""

_LOGOUT_TIMEOUT = 5.0
_BUSY = re.compile(r"too many|simultaneous|try again|temporar|unavailable|internal", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Reply:
    """What a command came to: OK, NO or BAD, the text of that, and the untagged responses before it."""

    result: str
    text: str
    responses: list[bytes] = field(repr=False)

    @property
    def ok(self) -> bool:
        return self.result == "OK"


class ImapSession:
    """The connection under an ImapLine. Any exception out of a command has cut it."""

    def __init__(self, account: ImapAccount) -> None:
        self.account = account
        self.capabilities: frozenset[str] = frozenset()
        self._wire: Wire | None = None
        self._secrets = [account.password, f"\0{account.username}\0{account.password}"]

    @property
    def is_open(self) -> bool:
        return self._wire is not None and self._wire.lost is None

    @property
    def wire(self) -> Wire:
        """The connection. Raises ConnectionLost when there is none."""
        if self._wire is None:
            raise ConnectionLost("not connected")
        return self._wire

    async def open(self) -> Unreachable | None:
        """Connect, TLS, log in; whatever was open before is dropped. None when all went well."""
        self.abort()
        account = self.account
        problem = misconfigured(account)
        if problem is not None:
            return problem
        try:
            problem = await self._connect() or await self._log_in()
        except BadAuthority as error:
            problem = Unreachable("config", str(error), temporary=False)
        except ConnectionLost as error:
            text = without_secrets(str(error), *self._secrets)
            problem = Unreachable("network", f"{account.host}:{account.port}: {text}", temporary=True)
        except OSError as error:
            problem = connect_failure(error, account.host, account.port)
        except BaseException:
            self.abort()
            raise
        if problem is not None:
            self.abort()
        return problem

    async def command(self, name: str, *args: str, prefix: str = "", answers: tuple[bytes, ...] = ()) -> Reply:
        """Send a command and await its end; `answers` go out as the server asks. Raises ConnectionLost."""
        async with self.guard(f"answer {name}") as wire:
            ask = wire.start(name, *args, prefix=prefix, answers=answers)
            async with asyncio.timeout(self.account.timeout):
                await ask.wait()
            text = shown(ask.response.lines[-1].decode("utf-8", "replace"))
            return Reply(ask.response.result, text, ask.responses)

    async def must(self, name: str, *args: str, prefix: str = "") -> Reply:
        """A command that has no business to fail. Raises ConnectionLost when it does."""
        reply = await self.command(name, *args, prefix=prefix)
        if not reply.ok:
            raise self.gone(f"the server refused {name}: {reply.text}")
        return reply

    @asynccontextmanager
    async def guard(self, duty: str) -> AsyncIterator[Wire]:
        """Whatever goes wrong inside cuts the connection; a timeout raises ConnectionLost."""
        wire = self.wire
        try:
            yield wire
        except TimeoutError:
            self.abort()
            raise ConnectionLost(f"{self.account.host} did not {duty} in time") from None
        except BaseException:
            self.abort()
            raise

    def gone(self, reason: str) -> ConnectionLost:
        """Cut the connection, and the exception to raise for it."""
        self.abort()
        return ConnectionLost(reason)

    def abort(self) -> None:
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.lose("closed")

    async def close(self) -> None:
        """Say LOGOUT if there is somebody to say it to, and close in any case."""
        wire = self._wire
        try:
            if wire is not None and wire.lost is None and wire.pending is None:
                async with asyncio.timeout(_LOGOUT_TIMEOUT):
                    await wire.start("LOGOUT").wait()
        except (ConnectionLost, TimeoutError):
            pass
        finally:
            self.abort()

    async def _connect(self) -> Unreachable | None:
        account = self.account
        context = None if account.tls == "none" else await tls_context(account.ca_file)
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(account.timeout):
            _, wire = await loop.create_connection(
                lambda: Wire(loop), account.host, account.port, ssl=context if account.tls == "implicit" else None
            )
            self._wire = wire
            await wire.until(None, lambda: bool(wire.greeting))
        greeting = wire.greeting.decode("utf-8", "replace")
        if not re.match(r"\* (OK|PREAUTH)\b", greeting, re.IGNORECASE):
            return Unreachable("greeting", f"{account.host} turned us away: {shown(greeting[:200])}", temporary=True)
        await self._learn()
        if context is not None and account.tls == "starttls":
            if "STARTTLS" not in self.capabilities:
                return Unreachable("tls", f"{account.host}:{account.port} does not offer STARTTLS", temporary=False)
            reply = await self.command("STARTTLS")
            if not reply.ok:
                return Unreachable("tls", f"{account.host} refused STARTTLS: {reply.text}", temporary=True)
            async with asyncio.timeout(account.timeout):
                await wire.start_tls(context, account.host)
            await self._learn()
        return None

    async def _learn(self) -> None:
        reply = await self.must("CAPABILITY")
        words: set[str] = set()
        for response in reply.responses:
            if keyword(response) == "CAPABILITY":
                words.update(response.decode("ascii", "replace").upper().split()[2:])
        self.capabilities = frozenset(words)

    async def _log_in(self) -> Unreachable | None:
        account = self.account
        if self._wire is not None and self._wire.greeting.upper().startswith(b"* PREAUTH"):
            return None
        if account.token is not None:
            if "AUTH=XOAUTH2" not in self.capabilities:
                return Unreachable("config", f"{account.host} does not take XOAUTH2 logins", temporary=False)
            try:
                self._secrets[2:] = [await account.token()]
            except Exception as error:  # whatever the token's source raises: no token
                return Unreachable("auth", f"no access token: {type(error).__name__}", temporary=True)
            reply = await self._xoauth2(self._secrets[-1])
        elif "LOGINDISABLED" in self.capabilities and "AUTH=PLAIN" not in self.capabilities:
            message = f"{account.host} takes no password on this connection (LOGINDISABLED); is tls right?"
            return Unreachable("config", message, temporary=False)
        else:
            reply = await self._password()
        if not reply.ok:
            code = response_code(reply.text).name
            passing = code in PASSING or (not code and _BUSY.search(reply.text) is not None)
            answer = without_secrets(reply.text, *self._secrets)
            return Unreachable("auth", f"{account.host} refused the login of {account.username}: {answer}", passing)
        await self._learn()
        if "ID" in self.capabilities:  # NetEase's servers refuse to open folders for clients without a name
            await self.command("ID", '("name" "follow-up-sequencer")')
        return None

    async def _password(self) -> Reply:
        account = self.account
        both = account.username + account.password
        if "LOGINDISABLED" not in self.capabilities and both.isascii() and not re.search(r"[\0\r\n]", both):
            return await self.command("LOGIN", quoted(account.username), quoted(account.password))
        username, password = account.username.encode("utf-8"), account.password.encode("utf-8")
        if "AUTH=PLAIN" in self.capabilities:
            return await self._authenticate("PLAIN", b"\0" + username + b"\0" + password)
        # Not ASCII and no SASL: literals carry any byte.
        return await self.command(
            "LOGIN", f"{{{len(username)}}}", answers=(username + b" {%d}" % len(password), password)
        )

    async def _xoauth2(self, token: str) -> Reply:
        initial = f"user={self.account.username}\1auth=Bearer {token}\1\1".encode()
        # A refusal is a challenge that an empty line ends; only then comes the NO.
        return await self._authenticate("XOAUTH2", initial, b"")

    async def _authenticate(self, mechanism: str, initial: bytes, *then: bytes) -> Reply:
        encoded = base64.b64encode(initial)
        if "SASL-IR" in self.capabilities:
            return await self.command("AUTHENTICATE", mechanism, encoded.decode("ascii"), answers=then)
        return await self.command("AUTHENTICATE", mechanism, answers=(encoded, *then))
