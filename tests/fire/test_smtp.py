"""Promises 1 and 2 against whatever a server says: every reply code in every phase, stalls, refusals, TLS failures.

The whole engine takes its turns: the mailbox's worker, the database, the next looks, the mailbox's state. Each trial
says something once, looks what became of it, and lets a day pass with a server that is well again: nobody may be lost,
nobody may have it twice.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, Final

import pytest

from sequencer.core.model import Enrollment, Status
from sequencer.daemon import mailbox_worker
from sequencer.mail.accounts import SmtpAccount, Tls
from sequencer.mail.smtp import SmtpLine
from sequencer.operations.accounts import smtp_account
from sequencer.operations.adopt import Unusable
from sequencer.store import attempts, enrollments, mailboxes, suppressions
from sequencer.store.attempts import AttemptState
from sequencer.store.mailboxes import MailboxState
from sequencer.workspace.config import Mailbox
from tests.certificates import EXPIRED, server_context
from tests.clock import Ear
from tests.daemon.test_worker_pace import ENVIRON, ONE, LeapingClock, Shop, a_station, close, config_for
from tests.fire.conftest import Count
from tests.fire.scale import LONG
from tests.fire.smtp_replies import Class, Row, all_rows
from tests.in_force import open_live
from tests.operations.desk import MONDAY, TEMPLATES, write
from tests.pymap_server import PymapServer
from tests.smtp_peer import Action, Drop, Phase, Say, SmtpPeer, Stall

DAY: Final = timedelta(days=1)
EVERY: Final = 1 if LONG else 8
"""The short form takes every eighth row, others on each database."""

PATIENCE: Final = 0.4
"""Seconds for which a server that stalls is waited for; without a stall it is `CALM`."""

CALM: Final = 20.0


@dataclass(frozen=True)
class _Seen:
    """Where one person and the mailbox stand. `held`: as the worker knows it; None when the mailbox is well."""

    enrollment: Enrollment
    events: tuple[str, ...]
    states: tuple[AttemptState, ...]
    wake_at: datetime | None
    suppressed: bool
    received: int
    held: bool | None  # whether it passes by itself
    mailbox: MailboxState

    def is_now(self) -> Class | str:
        """The class of what happened; a text when it is none."""
        events = tuple(event for event in self.events if event != "AttemptStarted")
        match events, self.held:
            case ("Accepted", *_), None:
                return Class.SENT
            case (), True:
                return Class.HELD
            case (), False:
                return Class.REFUSED_US
            case ("Deferred",), None:
                return Class.LATER
            case ("Deferred",), bool():
                return Class.LATER_HELD
            case ("Rejected", "Stopped"), None if self.suppressed:
                return Class.GONE
            case ("Rejected", "Paused"), None:
                return Class.MESSAGE
            case ("InDoubt", *_), True:
                return Class.DOUBT
            case _:
                return f"{events}, held: {self.held}"


@dataclass
class _Engine:
    shop: Shop
    numbers: Any
    patience: float = CALM
    changes: dict[str, Any] = field(default_factory=dict)  # to the account

    async def look(self, email: str, enrollment: int) -> _Seen:
        station = self.shop.station
        async with self.shop.live.database.read() as conn:
            standing = await enrollments.standing_by_id(conn, enrollment)
            log = await enrollments.events_of(conn, enrollment)
            tried = await attempts.of_enrollment(conn, enrollment)
            suppressed = await suppressions.reason_for(conn, email)
            mailbox = await mailboxes.get(conn, "mark")
        assert standing is not None
        assert mailbox is not None
        assert (mailbox.state is MailboxState.OK) is (not station.troubles)
        return _Seen(
            standing.enrollment,
            tuple(type(line.event).__name__ for line in log[1:]),
            tuple(attempt.state for attempt in tried),
            standing.wake_at,
            suppressed is not None,
            sum(1 for mail in self.shop.smtp.accepted if mail.recipients == (email,)),
            all(trouble.temporary for trouble in station.troubles.values()) if station.troubles else None,
            mailbox.state,
        )

    async def meets(self, phase: Phase, action: Action) -> tuple[_Seen, _Seen]:
        """Somebody new, whose message meets this: how they stand right after it, and a day later."""
        await self.hang_up()
        email = f"p{next(self.numbers)}@example.com"
        (enrollment,) = await self.shop.enroll(email)
        self.shop.smtp.once(phase, action)
        await self.shop.settle()
        assert self.shop.smtp.reached[phase].is_set(), "it was not said"
        seen = await self.look(email, enrollment.id)
        await self.a_day_later()
        return seen, await self.look(email, enrollment.id)

    async def a_day_later(self) -> None:
        """The server is well again."""
        self.shop.smtp.forget()
        self.patience = CALM
        self.shop.clock.instant += DAY
        await self.shop.settle()

    async def hang_up(self) -> None:
        if self.shop.station.lines is not None:
            await self.shop.station.lines.close()
        self.shop.station.opened_for = None  # so that the account is asked for anew
        self.shop.smtp.forget()
        self.shop.smtp.reached.clear()


@asynccontextmanager
async def _engine(folder: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[_Engine]:
    """A worker on a real database and real servers, whose breakers are off."""
    monkeypatch.setattr(logging.getLogger("mail.log"), "disabled", True)
    async with PymapServer({"mark": "pw"}) as imap, SmtpPeer(logins={"mark": "pw"}) as smtp:
        config = config_for(smtp, imap, "off").replace("sqlite:///data/sequencer.db", f'"{url}"') + "breakers: off\n"
        write(folder, {"config": config, "plan": ONE, **{f"{name}_md": text for name, text in TEMPLATES.items()}})
        clock, ear = LeapingClock(MONDAY), Ear()
        live = await open_live(folder, ENVIRON, MONDAY)
        assert not isinstance(live, Unusable), live
        shop = Shop(folder, smtp, imap, live, clock, await a_station(live, clock, ear), ear)
        engine = _Engine(shop, count(1))

        def account(mailbox: Mailbox) -> SmtpAccount:
            return replace(
                smtp_account(mailbox), timeout=engine.patience, final_timeout=engine.patience, **engine.changes
            )

        monkeypatch.setattr(mailbox_worker, "smtp_account", account)
        try:
            yield engine
        finally:
            await close(shop.station)
            await live.database.close()


@pytest.fixture
async def engine(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[_Engine]:
    async with _engine(tmp_path, database_url, monkeypatch) as engine:
        yield engine


def _problem(expected: Class, seen: _Seen, after: _Seen) -> str:
    """What is wrong with how it went; empty when all is well."""
    if seen.is_now() is not expected:
        found = seen.is_now()
        return f"is {found.name if isinstance(found, Class) else found}, not {expected.name}"
    if seen.enrollment.in_flight is not None or AttemptState.STARTED in seen.states:
        return "it was left in the air"
    lost = _lost(expected, seen, after)
    if lost:
        return lost
    if after.mailbox is not MailboxState.OK:
        return "the mailbox did not recover"
    return ""


def _lost(expected: Class, seen: _Seen, after: _Seen) -> str:
    """Whether somebody ended without the message and without a recorded reason, or with two."""
    match expected:
        case Class.SENT:
            right = seen.received == after.received == 1
        case Class.HELD | Class.REFUSED_US | Class.LATER | Class.LATER_HELD:
            right = seen.received == 0 and after.received == 1 and seen.wake_at is not None
        case Class.GONE:
            right = after.received == 0 and after.enrollment.status is Status.STOPPED and bool(after.enrollment.reason)
        case Class.MESSAGE:
            right = after.received == 0 and after.enrollment.status is Status.PAUSED and bool(after.enrollment.reason)
        case Class.DOUBT:
            right = seen.received == after.received <= 1 and after.states == (AttemptState.IN_DOUBT,)
    return "" if right else f"received {seen.received}, then {after.received}; {after}"


async def test_every_answer_in_every_phase(engine: _Engine, database_url: str, counts: Count) -> None:
    dialect = database_url.partition(":")[0]
    rows = all_rows()[0 if dialect == "sqlite" else EVERY // 2 :: EVERY]
    wrong = [f"{row.name}: {problem}" async for row, problem in _tried(engine, rows)]
    received = Counter(mail.recipients for mail in engine.shop.smtp.accepted)
    twice = [who for who, times in received.items() if times > 1]
    classes = Counter(row.expected.name.lower() for row in rows)
    counts(f"answers of SMTP servers, {dialect}", answers=len(rows), wrong=len(wrong), twice=len(twice), **classes)
    assert not wrong, "\n".join(wrong)
    assert twice == []


async def _tried(engine: _Engine, rows: Iterable[Row]) -> AsyncIterator[tuple[Row, str]]:
    for row in rows:
        unreadable = row.expected is Class.DOUBT or row.reply[:3] == "421"
        seen, after = await engine.meets(row.phase, Say(row.reply, then_drop=unreadable))
        problem = _problem(row.expected, seen, after)
        if problem:
            yield row, problem


# Silence -----------------------------------------------------------------------------------------------

STALLED: Final[dict[Phase, Class]] = {
    "greeting": Class.HELD,
    "ehlo": Class.HELD,
    "auth": Class.HELD,
    "mail": Class.SENT,  # over a new connection
    "rcpt": Class.LATER_HELD,
    "data": Class.LATER_HELD,
    "body": Class.DOUBT,
    "end": Class.DOUBT,
}


@pytest.mark.parametrize("phase", STALLED)
async def test_a_server_that_falls_silent_or_hangs_up(engine: _Engine, phase: Phase) -> None:
    actions: list[Action] = [Stall(), Drop()]
    if phase == "end":
        actions += [Stall(accepting=True), Drop(accepting=True)]
    for action in actions:
        engine.patience = PATIENCE if isinstance(action, Stall) else CALM
        seen, after = await engine.meets(phase, action)
        assert _problem(STALLED[phase], seen, after) == "", action


@pytest.mark.parametrize(
    "action",
    [Say("250 2.0.0 Ok"), Say("421 4.3.2 Bye", then_drop=True), Say("502 5.5.1 No"), Say("?"), Drop(), Stall()],
)
@pytest.mark.parametrize("phase", ["rset", "noop", "quit", "accepted"])
async def test_what_a_server_says_between_messages_is_nobodys_loss(
    engine: _Engine, phase: Phase, action: Action
) -> None:
    """One is put off, and the connection is used again for the next, after a while, then closed."""
    shop = engine.shop
    if phase == "accepted" and isinstance(action, Stall | Say):
        action = Say("421 4.3.2 Too long on this connection", then_drop=True)
    engine.patience = PATIENCE if isinstance(action, Stall) else CALM
    await engine.hang_up()
    first, second = (f"{phase}{next(engine.numbers)}@example.com" for _ in range(2))
    shop.smtp.once(phase, action)
    if phase != "accepted":
        shop.smtp.once("rcpt", Say("450 4.2.1 Busy"))
    (one,) = await shop.enroll(first)
    await shop.settle()
    _grow_old(shop, by=60 if phase == "noop" else 0)
    (two,) = await shop.enroll(second)
    await shop.settle()
    if phase == "quit":
        assert shop.station.lines is not None
        await shop.station.lines.close()
    assert shop.smtp.reached[phase].is_set()
    expected = Class.SENT if phase == "accepted" else Class.LATER
    assert (await engine.look(first, one.id)).is_now() is expected
    assert (await engine.look(second, two.id)).is_now() is Class.SENT
    await engine.a_day_later()
    received = Counter(mail.recipients for mail in shop.smtp.accepted)
    assert received == {(first,): 1, (second,): 1}


def _grow_old(shop: Shop, by: float) -> None:
    """As if the open connections had been idle for so many seconds."""
    assert shop.station.lines is not None
    for line in shop.station.lines._open:
        assert isinstance(line, SmtpLine)
        line._used_at -= by


# Many at once ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("goodbye", ["421 4.3.2 Service shutting down", "221 2.0.0 Bye", ""])
async def test_a_goodbye_on_every_connection_between_two_batches(engine: _Engine, goodbye: str) -> None:
    shop = engine.shop
    for number in range(3):
        await shop.enroll(*(f"b{number}-{person}@example.com" for person in range(20)))
        await shop.settle()
        assert not shop.station.troubles
        shop.smtp.goodbye(goodbye) if goodbye else shop.smtp.hang_up()
    assert len(shop.smtp.accepted) == 60
    assert set(Counter(mail.recipients for mail in shop.smtp.accepted).values()) == {1}


PARTIAL: Final[tuple[tuple[Phase, str, Class, int], ...]] = (
    ("rcpt", "550 5.1.1 No such user", Class.GONE, 3),
    ("rcpt", "450 4.2.1 Busy", Class.LATER, 3),
    ("rcpt", "552 5.2.2 Mailbox full", Class.LATER, 2),
    ("rcpt", "550 5.7.1 Not permitted by local policy", Class.MESSAGE, 2),
    ("end", "550 5.1.1 No such user", Class.GONE, 2),
    ("end", "452 4.2.2 Over quota", Class.LATER, 2),
    ("end", "554 5.6.0 Not this one", Class.MESSAGE, 2),
)


@pytest.mark.parametrize("trouble", [False, True], ids=["people", "and-the-server"])
async def test_some_are_refused_some_put_off_and_the_others_have_their_message(
    engine: _Engine, trouble: bool, counts: Count
) -> None:
    """In batches: each person gets what was said of them, whatever the others got. With `trouble`, the server
    also has a moment of weakness in the middle: then the rest wait for it."""
    shop = engine.shop
    emails = [f"m{number}@example.com" for number in range(48)]
    for phase in ("rcpt", "end"):
        sayings = [Say(reply) for where, reply, _, times in PARTIAL if where == phase for _ in range(times)]
        shop.smtp.once(phase, *sayings)
    if trouble:
        shop.smtp.once("end", Say("451 4.3.0 Queue file write error"), Drop(), Drop(accepting=True))
    enrolled = dict(zip(emails, await shop.enroll(*emails), strict=True))
    await shop.settle()
    seen = {email: await engine.look(email, enrollment.id) for email, enrollment in enrolled.items()}
    found = Counter(one.is_now() if not trouble else _of_person(one) for one in seen.values())
    wanted = Counter(dict.fromkeys((Class.GONE, Class.LATER, Class.MESSAGE), 0))
    for _, _, kind, times in PARTIAL:
        wanted[kind] += times
    assert {kind: found[kind] for kind in wanted} == {**wanted, Class.LATER: wanted[Class.LATER] + trouble}
    assert found[Class.DOUBT] == (2 if trouble else 0)
    await engine.a_day_later()
    await engine.a_day_later()
    after = {email: await engine.look(email, enrollment.id) for email, enrollment in enrolled.items()}
    never = wanted[Class.GONE] + wanted[Class.MESSAGE] + (1 if trouble else 0)
    assert Counter(one.received for one in after.values()) == {1: 48 - never, 0: never}
    assert all(one.received or one.enrollment.reason or AttemptState.IN_DOUBT in one.states for one in after.values())
    counts(f"partial refusals{', and trouble' if trouble else ''}, {shop.live.database.dialect}", people=48, lost=0)


def _of_person(seen: _Seen) -> Class | str:
    """The class as far as it concerns the person, while the mailbox is in trouble for another's sake."""
    if "InDoubt" in seen.events:
        return Class.DOUBT
    return replace(seen, held=None).is_now()


# TLS ---------------------------------------------------------------------------------------------------

TLS_FAILURES: Final = (
    ("expired", "certificate", False),
    ("another name", "certificate", False),
    ("nobody knows its authority", "certificate", False),
    ("plain text", "TLS", False),
    ("cut", "", True),
    ("silent", "in time", True),
)


@pytest.mark.parametrize("how", ["implicit", "starttls"])
@pytest.mark.parametrize(("fault", "words", "passes"), TLS_FAILURES, ids=[fault for fault, _, _ in TLS_FAILURES])
async def test_tls_that_fails(engine: _Engine, tmp_path: Path, how: Tls, fault: str, words: str, passes: bool) -> None:
    """Nothing is said over such a connection, and nobody is lost."""
    shop = engine.shop
    names = ("other.example",) if fault == "another name" else ()
    context, authority = server_context(tmp_path, *names, not_after=EXPIRED if fault == "expired" else None)
    trusted = "" if fault == "nobody knows its authority" else authority
    async with _bad_door(fault, how, context) as (port, said):
        await engine.hang_up()
        engine.changes = {"port": port, "tls": how, "ca_file": trusted}
        engine.patience = PATIENCE if fault == "silent" else CALM
        (enrollment,) = await shop.enroll("tls@example.com")
        await shop.settle()
        seen = await engine.look("tls@example.com", enrollment.id)
        (trouble,) = shop.station.troubles.values()
        assert words in trouble.reason
        assert seen.is_now() is (Class.HELD if passes else Class.REFUSED_US), trouble
        assert {command.split()[0] for command in said} <= {"EHLO", "STARTTLS"}
    await _well_again(engine, "tls@example.com", enrollment.id)


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("454 4.7.0 TLS not available due to temporary reason", Class.HELD),
        ("421 4.3.2 Later", Class.HELD),
        ("501 Syntax error (no parameters allowed)", Class.REFUSED_US),
        ("502 5.5.1 Command not implemented", Class.REFUSED_US),
        ("250 2.0.0 Fine", Class.HELD),
        ("?", Class.HELD),
    ],
)
async def test_a_server_that_will_not_start_tls(engine: _Engine, tmp_path: Path, reply: str, expected: Class) -> None:
    context, authority = server_context(tmp_path)
    async with SmtpPeer(tls=context, logins={"mark": "pw"}) as peer:
        peer.once("starttls", Say(reply))
        await engine.hang_up()
        engine.changes = {"port": peer.port, "tls": "starttls", "ca_file": authority}
        (enrollment,) = await engine.shop.enroll("tls@example.com")
        await engine.shop.settle()
        seen = await engine.look("tls@example.com", enrollment.id)
        assert seen.is_now() is expected, engine.shop.station.troubles
        assert [command.split()[0] for command in peer.commands] in (["EHLO", "STARTTLS"], ["EHLO", "STARTTLS", "QUIT"])
    await _well_again(engine, "tls@example.com", enrollment.id)


async def _well_again(engine: _Engine, email: str, enrollment: int) -> None:
    engine.changes = {}
    engine.shop.station.opened_for = None
    await engine.a_day_later()
    after = await engine.look(email, enrollment)
    assert (after.received, after.mailbox) == (1, MailboxState.OK)


@asynccontextmanager
async def _bad_door(fault: str, how: Tls, context: ssl.SSLContext) -> AsyncIterator[tuple[int, list[str]]]:
    """A server whose TLS fails in this way; its port, and what was said to it in the clear or over TLS."""
    if how == "implicit" and fault in ("cut", "silent"):

        async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(1)
            if fault == "silent":
                await reader.read()
            writer.close()

        async with await asyncio.start_server(meet, "127.0.0.1", 0) as server:
            yield server.sockets[0].getsockname()[1], []
        return
    plain = fault == "plain text" and how == "implicit"
    async with SmtpPeer(tls=None if plain else context, implicit=how == "implicit", logins={"mark": "pw"}) as peer:
        if how == "starttls" and fault == "plain text":
            peer.once("starttls", Say("220 2.0.0 Go ahead"))
        elif how == "starttls" and fault == "cut":
            peer.once("starttls", Say("220 2.0.0 Go ahead", then_drop=True))
        elif how == "starttls" and fault == "silent":
            peer.once("starttls", Stall())
        yield peer.port, peer.commands
