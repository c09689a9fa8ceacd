"""An embedded post office: a real SMTP server (aiosmtpd) and a real IMAP server (pymap), in this process.

Mail handed to it for one of its own users lands in that user's INBOX; mail for anybody else has "arrived at a
prospect" and is shown to whoever listens. Both servers take a free port of the loopback address and forget
everything when they stop.
"""

from __future__ import annotations

import asyncio
import logging
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default as default_policy
from typing import Any, Final, cast

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from proxyprotocol.sock import SocketInfo
from pymap.backend.dict import Config, Identity, Login
from pymap.concurrent import Subsystem
from pymap.imap import IMAPServer
from pymap.parsing.message import AppendMessage
from pymap.parsing.specials.flag import Flag, Seen
from pymap.user import UserMetadata
from pysasl.hashing import Cleartext

HOST: Final = "127.0.0.1"
FOLDERS: Final = ("Sent", "Junk", "Archive")
"""What every user has beside the INBOX."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A mail that has reached a prospect: envelope, exact bytes, and the same bytes parsed."""

    at: datetime
    sender: str
    recipient: str
    raw: bytes
    message: EmailMessage


@dataclass(frozen=True, slots=True)
class Refusal:
    """What the post office answers to RCPT for an address that it does not want."""

    code: int
    text: str


class PostOffice:
    """SMTP and IMAP on loopback. Use as `async with PostOffice(now) as office`.

    `now` gives the instant that IMAP shows as the date of arrival. `on_arrival` is called once for every recipient
    outside, before the SMTP client is told that its message is accepted. `refusals` maps a lower-case address to
    what RCPT answers for it (RFC 5321 §3.3).
    """

    def __init__(self, now: Callable[[], datetime], on_arrival: Callable[[Arrival], None] | None = None) -> None:
        self.on_arrival: Callable[[Arrival], None] = on_arrival or (lambda _: None)
        self.refusals: dict[str, Refusal] = {}
        self.in_motion = 0
        """Messages that are being handed over right now, in either direction."""
        self.traffic = 0
        """Grows with every command that reaches one of the servers; nothing else is promised."""
        self.deliveries = 0
        """Mails put into the INBOX of a user so far."""
        self.smtp_port = 0
        self.imap_port = 0
        self._now = now
        self._passwords: dict[str, str] = {}
        self._accepted = 0
        self._login = Login(_imap_config())
        self._servers: list[asyncio.Server] = []
        self._transports: set[asyncio.Transport] = set()
        self._sessions: set[asyncio.Task[None]] = set()
        self._deliveries: set[asyncio.Task[int]] = set()

    async def __aenter__(self) -> PostOffice:
        logging.getLogger("mail.log").setLevel(logging.ERROR)  # aiosmtpd warns of its own habits
        loop = asyncio.get_running_loop()
        smtp = await loop.create_server(self._smtp_line, HOST, 0)
        imap = await asyncio.start_server(self._imap_line, HOST, 0)
        self._servers = [smtp, imap]
        self.smtp_port, self.imap_port = (server.sockets[0].getsockname()[1] for server in self._servers)
        return self

    async def __aexit__(self, *_: object) -> None:
        for server in self._servers:
            server.close()
        for transport in tuple(self._transports):
            transport.abort()
        if self._sessions or self._deliveries:
            await asyncio.wait((*self._sessions, *self._deliveries))
        for server in self._servers:
            await server.wait_closed()

    async def add_user(self, address: str, password: str) -> None:
        """Open an account: the address is the user name on both servers. Not for an address that has one."""
        user = UserMetadata(self._login.config, address, password=password)
        await Identity(address, self._login, None, frozenset()).set(user)
        self._passwords[address] = password
        folders = await self._folders(address)
        for folder in FOLDERS:
            await folders.add_mailbox(folder)

    async def deliver(self, address: str, raw: bytes, folder: str = "INBOX", *, seen: bool = False) -> int:
        """Put a mail into a folder of a user. Returns its UID; whoever idles on the folder is told at once.

        Raises KeyError when there is no such user or folder.
        """
        if address not in self._passwords:
            raise KeyError(address)
        with self.moving():
            target = await (await self._folders(address)).get_mailbox(folder)
            flags: frozenset[Flag] = frozenset([Seen] if seen else [])
            message = await target.append(AppendMessage(raw, self._now(), flags), recent=not seen)
            self.deliveries += folder == "INBOX"
            return int(message.uid)

    def post(self, address: str, raw: bytes, folder: str = "INBOX", *, seen: bool = False) -> None:
        """The same without waiting: the mail is in motion from now on until it lies in the folder."""
        self.in_motion += 1
        delivery = asyncio.ensure_future(self.deliver(address, raw, folder, seen=seen))
        self._deliveries.add(delivery)
        delivery.add_done_callback(self._posted)

    async def mails(self, address: str, folder: str = "INBOX") -> list[bytes]:
        """The exact bytes of what lies in a folder of a user, oldest first."""
        target = await (await self._folders(address)).get_mailbox(folder)
        return [bytes(message._content._raw) async for message in target.messages()]

    @contextmanager
    def moving(self) -> Iterator[None]:
        """While this lasts, a message counts as being in motion."""
        self.in_motion += 1
        try:
            yield
        finally:
            self.in_motion -= 1

    # what the SMTP side asks -----------------------------------------------------------------------

    def knows(self, user: str, password: str) -> bool:
        """Whether this is a user and the right password."""
        return self._passwords.get(user) == password

    async def take(self, sender: str, recipients: list[str], raw: bytes) -> str:
        """Pass a message on to everybody it is for; the queue id that SMTP answers with."""
        with self.moving():
            for recipient in recipients:
                if recipient.lower() in self._passwords:
                    await self.deliver(recipient.lower(), raw)
                else:
                    parsed = message_from_bytes(raw, policy=default_policy)
                    self.on_arrival(Arrival(self._now(), sender, recipient.lower(), raw, parsed))
        self._accepted += 1
        return f"{self._accepted:06d}"

    # the two servers --------------------------------------------------------------------------------

    def _smtp_line(self) -> asyncio.BaseProtocol:
        return _SmtpLine(self)

    async def _imap_line(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = asyncio.current_task()
        assert session is not None
        self._sessions.add(session)
        transport = cast("asyncio.Transport", writer.transport)
        self.opened(transport)
        try:
            listened = cast("asyncio.StreamReader", _Listened(reader, self.heard))
            server = IMAPServer(self._login, self._login.config)
            await server(listened, writer, SocketInfo.get(writer, None))
        finally:
            self.closed(transport)
            self._sessions.discard(session)

    def opened(self, transport: asyncio.Transport) -> None:
        """A client has connected."""
        self._transports.add(transport)
        self.heard()

    def closed(self, transport: asyncio.Transport) -> None:
        """A client has gone."""
        self._transports.discard(transport)
        self.heard()

    def heard(self) -> None:
        """Something reached one of the servers."""
        self.traffic += 1

    def _posted(self, delivery: asyncio.Task[int]) -> None:
        self._deliveries.discard(delivery)
        self.in_motion -= 1

    async def _folders(self, address: str) -> Any:
        async with Identity(address, self._login, None, frozenset()).new_session() as session:
            return session.mailbox_set


class _ImapConfig(Config):
    """pymap's in-memory backend, without asking DNS for the name of this machine."""

    @property
    def greeting(self) -> bytes:
        return b"The demo post office is open"


def _imap_config() -> Config:
    """No TLS (loopback), passwords compared as they are, everything on this event loop."""
    return _ImapConfig(
        Namespace(),
        demo_data=False,
        demo_user="",
        demo_password="",
        host=HOST,
        port=0,
        tls_enabled=False,
        hash_context=Cleartext(),
        cpu_subsystem=Subsystem.for_asyncio(),
        proxy_protocol=_NO_PROXY,
        invalid_user_sleep=0.0,
    )


_NO_PROXY: Final = cast("Any", object())
"""pymap wants to know a PROXY protocol; connections here are handed to it without one."""


class _Listened:
    """The two calls that pymap makes of a StreamReader, telling when something was heard."""

    def __init__(self, reader: asyncio.StreamReader, heard: Callable[[], None]) -> None:
        self._reader = reader
        self._heard = heard

    async def readline(self) -> bytes:
        line = await self._reader.readline()
        self._heard()
        return line

    async def readexactly(self, size: int) -> bytes:
        data = await self._reader.readexactly(size)
        self._heard()
        return data


class _SmtpLine(SMTP):
    """One SMTP connection."""

    def __init__(self, office: PostOffice) -> None:
        self._office = office
        super().__init__(
            _Counter(office),
            hostname="post-office.test",
            ident="demo post office",
            enable_SMTPUTF8=True,
            auth_require_tls=False,
            authenticator=self._authenticates,
            loop=asyncio.get_running_loop(),
        )

    def _authenticates(self, _server: SMTP, _session: Session, _envelope: Envelope, _how: str, data: Any) -> AuthResult:
        known = isinstance(data, LoginPassword) and self._office.knows(data.login.decode(), data.password.decode())
        return AuthResult(success=known, handled=False)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._mine = cast("asyncio.Transport", transport)
        self._office.opened(self._mine)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._office.closed(self._mine)
        super().connection_lost(error)


class _Counter:
    """The clerk at the SMTP counter (aiosmtpd calls these by name)."""

    def __init__(self, office: PostOffice) -> None:
        self._office = office

    async def handle_MAIL(  # noqa: N802
        self, _server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        self._office.heard()
        if not session.authenticated:
            return "530 5.7.0 Authentication required"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 OK"

    async def handle_RCPT(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        self._office.heard()
        refusal = self._office.refusals.get(address.lower())
        if refusal is not None:
            return f"{refusal.code} {refusal.text}"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        content = envelope.original_content
        assert content is not None
        queue_id = await self._office.take(envelope.mail_from or "", list(envelope.rcpt_tos), content)
        self._office.heard()
        return f"250 2.0.0 Ok: queued as {queue_id}"


def header_of(message: EmailMessage, name: str) -> str:
    """A header as one unfolded line, empty when it is missing."""
    return " ".join(str(message.get(name, "")).split())
