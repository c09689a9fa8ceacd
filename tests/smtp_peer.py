"""A real SMTP server (aiosmtpd) that misbehaves on demand, at any point of the conversation, in this event loop.

    async with SmtpPeer() as peer:
        peer.once("rcpt", Say("550 5.1.1 No such user"))     # the next RCPT only; several queue up
        peer.always("end", Drop())                           # every final dot: gone without an answer
        ...
        assert peer.accepted[0].recipients == ("bob@example.org",)

Phases: `greeting ehlo starttls auth mail rcpt rset noop quit`; `data` is the answer to DATA (354), `body` is while the
body is read, `end` is the answer to the final dot, `accepted` comes after that answer.
"""

from __future__ import annotations

import asyncio
import base64
import collections
import contextlib
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Literal, Self

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from sequencer.daemon.clock import pulse
from sequencer.mail.accounts import cut

Phase = Literal[
    "greeting",
    "ehlo",
    "starttls",
    "auth",
    "mail",
    "rcpt",
    "data",
    "body",
    "end",
    "accepted",
    "rset",
    "noop",
    "quit",
]


@dataclass(frozen=True)
class Say:
    """Answer this instead (without CRLF; several lines are separated by CRLF). `then_drop`: and hang up."""

    reply: str
    then_drop: bool = False


@dataclass(frozen=True)
class Drop:
    """Hang up instead of answering. At `end`, `accepting` says whether the message counts as accepted."""

    accepting: bool = False


@dataclass(frozen=True)
class Stall:
    """Never answer. At `end`, `accepting` says whether the message counts as accepted."""

    accepting: bool = False


@dataclass(frozen=True)
class Late:
    """Answer as always, so many seconds late. At `end`, `accepting` says whether the message counts as accepted before
    the wait, so that a client that goes away meanwhile has sent it all the same, or after it."""

    seconds: float
    accepting: bool = True


@dataclass(frozen=True)
class Until:
    """Answer as always, but not before something has happened. At `end` the message is accepted before the wait."""

    event: asyncio.Event


Action = Say | Drop | Stall | Late | Until


@dataclass(frozen=True)
class AcceptedMail:
    """One message that this server took responsibility for."""

    sender: str
    recipients: tuple[str, ...]
    data: bytes
    login: str
    began: float = 0.0  # when DATA was said, on the loop's clock


class SmtpPeer:
    """A scriptable server on a free port of the loopback interface.

    `logins` (name -> password, or -> OAuth2 token) makes a login necessary. `forward` is called for each accepted mail
    in a thread, e.g. `lambda mail: dovecot.deliver(mail.recipients[0], mail.data)`; when it raises, the answer is 451.
    """

    host: Final = "127.0.0.1"

    def __init__(
        self,
        *,
        tls: ssl.SSLContext | None = None,
        implicit: bool = False,
        logins: dict[str, str] | None = None,
        mechanisms: tuple[str, ...] = ("PLAIN", "LOGIN", "XOAUTH2"),
        size_limit: int = 33_554_432,
        forward: Callable[[AcceptedMail], object] | None = None,
    ) -> None:
        self.tls = tls
        self.implicit = implicit
        self.logins = logins
        self.mechanisms = mechanisms
        self.size_limit = size_limit
        self.forward = forward
        self.port = 0
        self.accepted: list[AcceptedMail] = []
        self.commands: list[str] = []
        """Every command line received, in order, without the credentials of AUTH."""
        self.connections = 0
        """How many connections have been made so far."""
        self.reached: collections.defaultdict[Phase, asyncio.Event] = collections.defaultdict(asyncio.Event)
        """An event for each phase, set when a scripted action of that phase begins."""
        self._once: collections.defaultdict[Phase, collections.deque[Action]] = collections.defaultdict(
            collections.deque
        )
        self._always: dict[Phase, Action] = {}
        self._open: set[_Connection] = set()
        self._server: asyncio.Server | None = None

    def once(self, phase: Phase, *actions: Action) -> None:
        """Do this the next time the phase comes; several actions are used up one after the other."""
        self._once[phase].extend(actions)

    def always(self, phase: Phase, action: Action | None) -> None:
        """Do this every time the phase comes; None ends it."""
        if action is None:
            self._always.pop(phase, None)
        else:
            self._always[phase] = action

    def forget(self) -> None:
        """Behave well from now on: whatever was scripted and has not happened does not happen."""
        self._once.clear()
        self._always.clear()

    def goodbye(self, reply: str = "421 4.3.2 Service shutting down") -> None:
        """Say something unasked on every open connection, and hang up."""
        for connection in list(self._open):
            connection.farewell(reply)

    def hang_up(self) -> None:
        """Cut every open connection without a word."""
        for connection in list(self._open):
            connection.cut()

    def take(self, phase: Phase) -> Action | None:
        return self._once[phase].popleft() if self._once[phase] else self._always.get(phase)

    async def start(self, port: int = 0) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Connection(self), self.host, port, ssl=self.tls if self.implicit else None
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Refuse connections from now on, and cut those that exist."""
        if self._server is not None:
            self._server.close()
            for connection in list(self._open):
                connection.cut()
            await self._server.wait_closed()
            self._server = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()


class _Over(Exception):
    """A scripted action has taken the place of what would have come."""


class _Handler:
    """aiosmtpd's hooks."""

    def __init__(self, peer: SmtpPeer) -> None:
        self._peer = peer

    async def handle_MAIL(  # noqa: N802
        self, server: _Connection, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self._peer.logins is not None and not session.authenticated:
            return "530 5.7.0 Authentication required"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 Ok"

    async def handle_DATA(self, server: _Connection, session: Session, envelope: Envelope) -> str:  # noqa: N802
        content = envelope.content
        assert isinstance(content, bytes)
        login = session.auth_data.login.decode() if isinstance(session.auth_data, LoginPassword) else ""
        mail = AcceptedMail(envelope.mail_from or "", tuple(envelope.rcpt_tos), content, login, server.began)
        action = self._peer.take("end")
        if isinstance(action, Late | Until):
            self._peer.reached["end"].set()
        match action:
            case Say(reply) if not reply.startswith("2"):
                await server.perform("end", action)
            case Drop(accepting=False) | Stall(accepting=False):
                await server.perform("end", action)
            case Late(seconds, accepting=False):
                await pulse(asyncio.Event(), seconds)
        if self._peer.forward is not None:
            try:
                await asyncio.to_thread(self._peer.forward, mail)
            except Exception as error:  # whatever the forwarder raises is a temporary failure to the client
                return f"451 4.3.0 {type(error).__name__}"
        self._peer.accepted.append(mail)
        if isinstance(action, Late):
            await pulse(asyncio.Event(), action.seconds if action.accepting else 0)
        elif isinstance(action, Until):
            await action.event.wait()
        elif action is not None:
            await server.perform("end", action)
        server.phase = "accepted"
        return f"250 2.0.0 Ok: queued as {len(self._peer.accepted)}"

    async def auth_XOAUTH2(self, server: _Connection, args: list[str]) -> AuthResult:  # noqa: N802
        name, _, token = base64.b64decode(args[1]).decode().partition("\1auth=Bearer ")
        login = LoginPassword(name.removeprefix("user=").encode(), token.rstrip("\1").encode())
        result = server.check("XOAUTH2", login)
        if not result.success:
            await server.challenge_auth('{"status":"400"}')
        return result

    async def handle_exception(self, error: Exception) -> str:
        if isinstance(error, _Over):
            raise asyncio.CancelledError
        return f"500 {type(error).__name__}"


class _Connection(SMTP):
    phase: Phase
    began = 0.0

    def __init__(self, peer: SmtpPeer) -> None:
        self._peer = peer
        self.phase = "greeting"
        super().__init__(
            _Handler(peer),
            hostname="peer.example",
            ident="ESMTP",
            data_size_limit=peer.size_limit,
            tls_context=None if peer.implicit else peer.tls,
            auth_require_tls=False,
            auth_exclude_mechanism=[m for m in ("PLAIN", "LOGIN", "XOAUTH2") if m not in peer.mechanisms],
            authenticator=lambda server, session, envelope, mechanism, login: self.check(mechanism, login),
            loop=asyncio.get_running_loop(),
        )

    def check(self, mechanism: str, login: LoginPassword) -> AuthResult:
        logins = self._peer.logins or {}
        right = logins.get(login.login.decode()) == login.password.decode()
        return AuthResult(success=right, handled=False, auth_data=login)

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if self not in self._peer._open:
            self._peer._open.add(self)
            self._peer.connections += 1

    def connection_lost(self, error: Exception | None) -> None:
        self._peer._open.discard(self)
        super().connection_lost(error)

    def farewell(self, reply: str) -> None:
        self._writer.write(reply.encode() + b"\r\n")
        self._writer.close()

    def cut(self) -> None:
        if isinstance(self.transport, asyncio.WriteTransport):
            cut(self.transport)

    async def perform(self, phase: Phase, action: Action) -> None:
        """Do it, and leave the method of the command that this was about."""
        self._peer.reached[phase].set()
        match action:
            case Say(reply, then_drop):
                self._writer.write(reply.encode("utf-8", "surrogateescape") + b"\r\n")
                await self._writer.drain()
                if not then_drop:
                    raise _Over
                self._writer.close()
            case Drop():
                self.cut()
            case Stall() | Late() | Until():
                pass
        await asyncio.Event().wait()  # until the end of the connection cancels this

    async def push(self, status: Any) -> None:
        action = self._peer.take(self.phase) if self.phase not in ("end", "accepted") else None
        if isinstance(action, Late | Until):
            self._peer.reached[self.phase].set()
            await (pulse(asyncio.Event(), action.seconds) if isinstance(action, Late) else action.event.wait())
        elif action is not None:
            await self.perform(self.phase, action)
        await super().push(status)
        if self.phase == "data" and str(status).startswith("354"):
            self.phase = "end"
            action = self._peer.take("body")
            if action is not None:
                await self._reader.readuntil(b"\r\n\r\n")
                await self.perform("body", action)
        elif self.phase == "accepted":
            action = self._peer.take("accepted")
            if action is not None:
                await self.perform("accepted", action)

    async def _in(self, phase: Phase, name: str, method: Callable[[Any], Awaitable[None]], arg: Any) -> None:
        self.phase = phase
        shown = str(arg).split(" ")[0] if name == "AUTH" else arg
        self._peer.commands.append(f"{name} {shown}" if arg else name)
        with contextlib.suppress(_Over):
            await method(arg)

    async def smtp_EHLO(self, arg: Any) -> None:  # noqa: N802
        await self._in("ehlo", "EHLO", super().smtp_EHLO, arg)

    async def smtp_STARTTLS(self, arg: Any) -> None:  # noqa: N802
        await self._in("starttls", "STARTTLS", super().smtp_STARTTLS, arg)

    async def smtp_AUTH(self, arg: Any) -> None:  # noqa: N802
        await self._in("auth", "AUTH", super().smtp_AUTH, arg)

    async def smtp_MAIL(self, arg: Any) -> None:  # noqa: N802
        await self._in("mail", "MAIL", super().smtp_MAIL, arg)

    async def smtp_RCPT(self, arg: Any) -> None:  # noqa: N802
        await self._in("rcpt", "RCPT", super().smtp_RCPT, arg)

    async def smtp_DATA(self, arg: Any) -> None:  # noqa: N802
        self.began = asyncio.get_running_loop().time()
        await self._in("data", "DATA", super().smtp_DATA, arg)

    async def smtp_RSET(self, arg: Any) -> None:  # noqa: N802
        await self._in("rset", "RSET", super().smtp_RSET, arg)

    async def smtp_NOOP(self, arg: Any) -> None:  # noqa: N802
        await self._in("noop", "NOOP", super().smtp_NOOP, arg)

    async def smtp_QUIT(self, arg: Any) -> None:  # noqa: N802
        await self._in("quit", "QUIT", super().smtp_QUIT, arg)
