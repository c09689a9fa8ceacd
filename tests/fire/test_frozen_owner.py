"""An owner that is stopped (SIGSTOP) for longer than its lease, at every phase of a send, and wakes up again.

One mailbox a phase: at the moment of the stop each of them stands somewhere else in the sending of its first message.
Another daemon takes over and works until nothing is left to do; then the first one wakes up, with its connections
still open, and would go on where it stood.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final, Literal

import pytest

from tests.clock import PATIENCE
from tests.databases import Server, fresh_postgresql
from tests.fire.conftest import Count
from tests.fire.fleet import Box, Running, arrivals, enroll, furnish, judge, people_of, status
from tests.fire.proxy import Gate, Hold, Proxy, port, unix
from tests.fire.scale import sized
from tests.operations.shop import MONDAY
from tests.pymap_server import PymapServer
from tests.smtp_peer import Say, SmtpPeer

LEASE: Final = 2.0
"""Seconds."""

HOUR: Final = timedelta(hours=1, minutes=1)
PATIENT: Final = f"idle_in_transaction_session_timeout={LEASE * 1000:.0f}"
PEOPLE: Final = sized(2, 5)


@dataclass(frozen=True, slots=True)
class Phase:
    """Where a mailbox is stopped: the wire, what the client says there, and which side of it is held."""

    name: str
    wire: Literal["smtp", "imap", "database"]
    words: tuple[bytes, ...]
    hold: Hold
    doubtful: bool = False  # whether the next owner has to call the first message in doubt


PHASES: Final = (
    Phase("connect", "smtp", (), "answer"),
    Phase("mail", "smtp", (b"MAIL FROM",), "answer"),
    Phase("rcpt", "smtp", (b"RCPT TO",), "answer"),
    Phase("before-commit", "database", (b"To: p0@before-commit-0.example", b"COMMIT"), "request"),
    Phase("after-commit", "database", (b"To: p0@after-commit-0.example", b"COMMIT"), "answer", doubtful=True),
    Phase("data", "smtp", (b"DATA\r\n",), "answer", doubtful=True),
    Phase("body", "smtp", (b"\r\n.\r\n",), "half", doubtful=True),
    Phase("dot", "smtp", (b"\r\n.\r\n",), "answer", doubtful=True),
    Phase("before-outcome", "database", (b"taken by before-outcome", b"COMMIT"), "request", doubtful=True),
    Phase("after-outcome", "database", (b"taken by after-outcome", b"COMMIT"), "answer"),
    Phase("before-copy", "imap", (b"APPEND",), "request"),
    Phase("after-copy", "imap", (b"APPEND", b"\r\n\r\n"), "answer"),
)


@dataclass
class Yard:
    """The servers of all mailboxes, and the gates at which they will stand."""

    imap: PymapServer
    database: Proxy
    peers: dict[str, SmtpPeer] = field(default_factory=dict)
    gates: dict[str, Gate] = field(default_factory=dict)
    first: list[Box] = field(default_factory=list)  # as the first daemon reaches them, through the gates
    second: list[Box] = field(default_factory=list)

    @property
    def people(self) -> list[str]:
        return [who for box in self.first for who in people_of(box, PEOPLE)]

    def open_gates(self) -> None:
        for gate in self.gates.values():
            gate.open()

    def got(self) -> list[tuple[str, str]]:
        return sorted(arrivals(mail for peer in self.peers.values() for mail in peer.accepted).elements())


@asynccontextmanager
async def a_yard(phases: tuple[Phase, ...], database: Path) -> AsyncIterator[Yard]:
    async with AsyncExitStack() as stack:
        imap = await stack.enter_async_context(PymapServer({phase.name: "pw" for phase in phases}))
        yard = Yard(imap, await stack.enter_async_context(Proxy(unix(database))))
        for phase in phases:
            peer = await stack.enter_async_context(SmtpPeer(logins={phase.name: "pw"}))
            peer.always("end", Say(f"250 2.0.0 Ok: taken by {phase.name}"))
            wires = {"smtp": await stack.enter_async_context(Proxy(port(peer.port))), "database": yard.database}
            wires["imap"] = await stack.enter_async_context(Proxy(port(imap.port)))
            yard.gates[phase.name] = wires[phase.wire].gate(*phase.words, hold=phase.hold)
            yard.peers[phase.name] = peer
            yard.first.append(Box(phase.name, wires["smtp"].port, wires["imap"].port))
            yard.second.append(Box(phase.name, peer.port, imap.port))
        try:
            yield yard
        finally:
            yard.open_gates()


async def stopped_everywhere(yard: Yard, owner: Running) -> None:
    """Wait until every mailbox stands at its gate, then stop the process."""
    try:
        async with asyncio.timeout(2 * PATIENCE):
            for gate in yard.gates.values():
                await gate.reached()
    except TimeoutError:
        missing = [name for name, gate in yard.gates.items() if not gate.is_reached]
        raise AssertionError(f"not at their gates: {missing}; it said {owner.said}") from None
    owner.hears(signal.SIGSTOP)


@pytest.mark.postgresql
async def test_an_owner_that_sleeps_through_its_lease_and_wakes_up(
    tmp_path: Path, postgresql_server: Server, counts: Count
) -> None:
    url, drop = fresh_postgresql(postgresql_server)
    name = url.rpartition("@/")[2].partition("?")[0]
    try:
        async with a_yard(PHASES, postgresql_server.socket_folder / ".s.PGSQL.5432") as yard:
            through = f"postgresql://postgres@127.0.0.1:{yard.database.port}/{name}?sslmode=disable&{PATIENT}"
            furnish(tmp_path / "first", yard.first, through)
            furnish(tmp_path / "second", yard.second, url)
            for box in yard.second:
                await enroll(tmp_path / "second", box, PEOPLE, MONDAY)
            await _overtaken(yard, tmp_path, counts)
    finally:
        drop()


async def _overtaken(yard: Yard, tmp_path: Path, counts: Count) -> None:
    first = await Running.start(tmp_path / "first", MONDAY, LEASE)
    try:
        await stopped_everywhere(yard, first)
        second = await Running.start(tmp_path / "second", MONDAY, LEASE)
        try:
            await second.says("nothing to do before", len(PHASES))
            second.advance(HOUR)
            await second.says("nothing is planned", len(PHASES))
            shown = await status(tmp_path / "second")
            doubts = {box["name"]: box["in_doubt"] for box in shown["mailboxes"] if box["in_doubt"]}
            yard.open_gates()
            first.hears(signal.SIGCONT)
            await first.says("another sequencer has taken over", len(PHASES))
            first.advance(HOUR)
            assert await first.ends(signal.SIGTERM) == 0
            assert await second.ends(signal.SIGTERM) == 0
        finally:
            await second.gone()
    finally:
        await first.gone()
    mails = [mail for peer in yard.peers.values() for mail in peer.accepted]
    verdict = await judge(tmp_path / "second", yard.people, mails, yard.second)
    counts(
        "SIGSTOP of an owner beyond its lease (PostgreSQL)",
        phases=len(PHASES),
        twice=len(verdict.twice),
        lost=len(verdict.lost),
        shown_in_doubt=sum(doubts.values()),
        in_doubt_in_the_end=len(verdict.doubtful),
    )
    assert verdict.twice == []
    assert verdict.lost == []
    assert verdict.open == []
    assert doubts.keys() == {phase.name for phase in PHASES if phase.doubtful}
    assert verdict.doubtful == []  # the first owner lived to hear what became of them
