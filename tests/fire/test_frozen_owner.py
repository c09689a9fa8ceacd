"""An owner that is stopped (SIGSTOP) for longer than its lease, at every phase of a send, and wakes up again.

One mailbox a phase: at the moment of the stop each of them stands somewhere else in the sending of its first message.
On PostgreSQL another daemon takes over and works until nothing is left to do; then the first one wakes up, with its
connections still open, and would go on where it stood. On SQLite nobody can take over before the first one has ended.
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

from sequencer.daemon.clock import pulse
from sequencer.operations.live import Live
from tests.clock import PATIENCE
from tests.daemon.running import Running, running
from tests.databases import Server, fresh_postgresql
from tests.fire.conftest import Count
from tests.fire.fleet import ENVIRON, Box, enroll, furnish, judge, people_of, quiet, status, workspace
from tests.fire.proxy import Gate, Hold, Proxy, port, unix
from tests.fire.scale import sized
from tests.operations.shop import MONDAY
from tests.pymap_server import PymapServer
from tests.smtp_peer import AcceptedMail, Say, SmtpPeer

LEASE: Final = 5.0
"""Seconds. So long must it take at most from when the first mailbox stands at its gate until the last one does."""

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
    lines: list[Proxy] = field(default_factory=list)  # to the SMTP servers
    first: list[Box] = field(default_factory=list)  # as the first daemon reaches them, through the gates
    second: list[Box] = field(default_factory=list)

    @property
    def people(self) -> list[str]:
        return [who for box in self.first for who in people_of(box, PEOPLE)]

    def open_gates(self) -> None:
        for gate in self.gates.values():
            gate.open()

    def mails(self) -> list[AcceptedMail]:
        return [mail for peer in self.peers.values() for mail in peer.accepted]


@asynccontextmanager
async def a_yard(phases: tuple[Phase, ...], database: Path) -> AsyncIterator[Yard]:
    async with AsyncExitStack() as stack:
        imap = await stack.enter_async_context(PymapServer({phase.name: "pw" for phase in phases}))
        yard = Yard(imap, await stack.enter_async_context(Proxy(unix(database))))
        for phase in phases:
            peer = await stack.enter_async_context(SmtpPeer(logins={phase.name: "pw"}))
            peer.always("end", Say(f"250 2.0.0 Ok: taken by {phase.name}", then_drop=True))
            wires = {"smtp": await stack.enter_async_context(Proxy(port(peer.port))), "database": yard.database}
            yard.lines.append(wires["smtp"])
            wires["imap"] = await stack.enter_async_context(Proxy(port(imap.port)))
            yard.gates[phase.name] = wires[phase.wire].gate(*phase.words, hold=phase.hold)
            yard.peers[phase.name] = peer
            yard.first.append(Box(phase.name, wires["smtp"].port, wires["imap"].port))
            yard.second.append(Box(phase.name, peer.port, imap.port))
            wires["smtp"].freeze()
        try:
            yield yard
        finally:
            yard.open_gates()


async def stopped_everywhere(yard: Yard, owner: Running) -> None:
    """Let all mailboxes begin to send at one moment, wait until each stands at its gate, then stop the process."""
    try:
        async with asyncio.timeout(2 * PATIENCE):
            while not all(line.connections for line in yard.lines):
                await pulse(asyncio.Event(), 0.02)
            for line in yard.lines:
                line.thaw()
            for gate in yard.gates.values():
                await gate.reached()
    except TimeoutError:
        missing = [name for name, gate in yard.gates.items() if not gate.is_reached]
        raise AssertionError(f"not at their gates: {missing}; it said {owner.said}") from None
    owner.hears(signal.SIGSTOP)


@pytest.mark.postgresql
@pytest.mark.parametrize("gone_on", [False, True], ids=["the next step is ahead", "the next step was taken"])
async def test_another_takes_over_and_the_first_wakes_up(
    tmp_path: Path, postgresql_server: Server, counts: Count, gone_on: bool
) -> None:
    url, drop = fresh_postgresql(postgresql_server)
    name = url.rpartition("@/")[2].partition("?")[0]
    try:
        async with a_yard(PHASES, postgresql_server.socket_folder / ".s.PGSQL.5432") as yard:
            through = f"postgresql://postgres@127.0.0.1:{yard.database.port}/{name}?sslmode=disable&{PATIENT}"
            furnish(tmp_path / "first", yard.first, through)
            furnish(tmp_path / "second", yard.second, url)
            async with workspace(tmp_path / "second") as live:
                for box in yard.second:
                    await enroll(live, tmp_path, box, PEOPLE, MONDAY)
                await _overtaken(yard, live, tmp_path, counts, gone_on)
    finally:
        drop()


async def _overtaken(yard: Yard, live: Live, tmp_path: Path, counts: Count, gone_on: bool) -> None:
    async with running(tmp_path / "first", MONDAY, ENVIRON, LEASE) as first:
        await stopped_everywhere(yard, first)
        async with running(tmp_path / "second", MONDAY, ENVIRON, LEASE) as second:
            await quiet(live, yard.second, MONDAY, first, second)
            if gone_on:
                second.advance(HOUR)
                await quiet(live, yard.second, MONDAY, first, second, ended=True)
                first.advance(HOUR)
            shown = await status(tmp_path / "second")
            yard.open_gates()
            first.hears(signal.SIGCONT)
            await first.says("another sequencer has taken over", len(PHASES))
            assert await first.ends(signal.SIGTERM) == 0
            if not gone_on:
                await quiet(live, yard.second, MONDAY, first, second)
                second.advance(HOUR)
            await quiet(live, yard.second, MONDAY, first, second, ended=True)
            assert await second.ends(signal.SIGTERM) == 0
    doubts = {box["name"] for box in shown["mailboxes"] if box["in_doubt"]}
    verdict = await judge(live, yard.people, yard.mails(), yard.second)
    counts(
        f"SIGSTOP beyond the lease, then SIGCONT, PostgreSQL, {'after' if gone_on else 'before'} the next step",
        phases=len(PHASES),
        twice=len(verdict.twice),
        lost=len(verdict.lost),
        phases_shown_in_doubt=len(doubts),
        in_doubt_in_the_end=len(verdict.doubtful),
        kept_back=len(verdict.kept_back),
    )
    assert verdict.twice == []
    assert verdict.lost == []
    assert doubts == {phase.name for phase in PHASES if phase.doubtful}
    assert verdict.doubtful == []  # the first owner lived to hear what became of them
    # It knows that what it had not handed over yet never left: the next owner sends that, unless the plan has gone on.
    late = [who for who in yard.people if "@after-commit" in who] if gone_on else []
    assert verdict.kept_back == sorted((who, "one") for who in late)


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGCONT])
async def test_on_sqlite_nobody_takes_over_while_the_first_is_stopped(
    tmp_path: Path, counts: Count, end: signal.Signals
) -> None:
    phases = tuple(phase for phase in PHASES if phase.wire != "database")
    async with a_yard(phases, Path("/nowhere")) as yard:
        database = f"sqlite:///{tmp_path}/s.db"
        furnish(tmp_path / "first", yard.first, database)
        furnish(tmp_path / "second", yard.second, database)
        async with workspace(tmp_path / "second") as live:
            for box in yard.second:
                await enroll(live, tmp_path, box, PEOPLE, MONDAY)
            await _refused(yard, live, tmp_path, end)
            verdict = await judge(live, yard.people, yard.mails(), yard.second)
        shown = await status(tmp_path / "second")
    doubts = {box["name"] for box in shown["mailboxes"] if box["in_doubt"]}
    counts(
        f"SIGSTOP of the owner, then {end.name}, SQLite",
        phases=len(phases),
        twice=len(verdict.twice),
        lost=len(verdict.lost),
        phases_shown_in_doubt=len(doubts),
    )
    assert verdict.twice == []
    assert verdict.lost == []
    killed = end is signal.SIGKILL
    assert doubts == {phase.name for phase in phases if phase.doubtful and killed}


async def _refused(yard: Yard, live: Live, tmp_path: Path, end: signal.Signals) -> None:
    async with running(tmp_path / "first", MONDAY, ENVIRON) as first:
        await stopped_everywhere(yard, first)
        async with running(tmp_path / "second", MONDAY, ENVIRON) as second:
            await second.says(f"another sequencer (process {first.process.pid}) is running on this database")
            assert await second.ends() == 1
        first.hears(end)
        if end is signal.SIGKILL:
            await first.ends()
        else:
            yard.open_gates()
            await quiet(live, yard.second, MONDAY, first)
            assert await first.ends(signal.SIGTERM) == 0
    async with running(tmp_path / "second", MONDAY, ENVIRON) as second:
        await quiet(live, yard.second, MONDAY, second)
        second.advance(HOUR)
        await quiet(live, yard.second, MONDAY, second, ended=True)
        yard.open_gates()  # what hung somewhere in the network gets through after all
        assert await second.ends(signal.SIGTERM) == 0
