"""A whole business in a test: the real store, the real operations and the real worker's turns on a clock that jumps
from one due time to the next, a real SMTP server, and an oracle that is asked about every message.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from random import Random
from typing import Final

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from sequencer.core.decide import begin, evolve
from sequencer.core.events import Enrolled, Replied
from sequencer.core.model import Status
from sequencer.daemon import mailbox_worker
from sequencer.daemon.clock import pulse
from sequencer.daemon.station import Station
from sequencer.daemon.telling import Told
from sequencer.mail.accounts import SmtpAccount
from sequencer.mail.ids import read_message_id
from sequencer.mail.smtp import Delivered, Doubtful, Offered, Outcome, Refused, SmtpLine
from sequencer.operations.adopt import adopt
from sequencer.operations.doubt import take_stock
from sequencer.operations.explain import Explanation, why, why_json
from sequencer.operations.happenings import Happening
from sequencer.operations.health import status, status_json
from sequencer.operations.lines import Lines
from sequencer.operations.live import Live
from sequencer.store import agenda, enrollments, mailboxes, tables
from sequencer.store.database import Database
from sequencer.store.secrets import signing_key
from sequencer.workspace.workspace import Workspace, load
from tests.clock import ManualClock
from tests.fire import files
from tests.fire.files import Plan
from tests.fire.ledger import Course, Ledger
from tests.fire.shelf import Shelf
from tests.smtp_peer import SmtpPeer

START: Final = datetime(2026, 11, 2, 15, 0, tzinfo=UTC)
"""A Monday, the first day after the clocks in Denver were put back."""

POLL: Final = timedelta(hours=25)
LAG: Final = timedelta(minutes=20)
LONGEST_LAG: Final = timedelta(hours=3)
"""Where nothing left in a turn, the daemon is that late for the next, and later and later: what is held is looked at
again every quarter of an hour, and 72 weeks have 48,000 of these."""

MOST_TURNS: Final = 3000
"""Turns at one instant: more is a loop."""


class CrashError(Exception):
    """The process dies here."""


@dataclass
class Flight:
    """How the next messages fare beside what the server says: the process may die around DATA; and something may
    happen to the recipient when the server has taken the address and nothing is committed yet."""

    dies: str = ""  # before or after
    meanwhile: Callable[[str], Awaitable[None]] | None = None
    on_the_way: int = 0
    down: asyncio.Event = field(default_factory=asyncio.Event)


class WatchedLine(SmtpLine):
    """A real connection that says what goes through it."""

    def __init__(self, world: World, account: SmtpAccount) -> None:
        super().__init__(account)
        self._world, self._mailbox = world, account.username

    async def offer(self, sender: str, recipient: str, size: int) -> Offered | Refused:
        answer = await super().offer(sender, recipient, size)
        if isinstance(answer, Refused) and answer.phase == "rcpt":
            self._world.refused(recipient, answer)
        flight = self._world.flight
        meanwhile, flight.meanwhile = flight.meanwhile, None
        if meanwhile is not None:
            await meanwhile(recipient)
        return answer

    async def deliver(self, data: bytes) -> Outcome:
        world = self._world
        handed = world.handed(self._mailbox, data)
        world.flight.on_the_way += 1
        try:
            dies, world.flight.dies = world.flight.dies, ""
            if dies == "before":
                world.landed(handed, Doubtful("the process died"))
                raise CrashError
            outcome = await super().deliver(data)
            if dies == "after":
                world.landed(handed, Doubtful("the process died"))
                raise CrashError
            world.landed(handed, outcome)
            return outcome
        finally:
            world.flight.on_the_way -= 1
            world.flight.down.set()


@dataclass(frozen=True, slots=True)
class Handed:
    """A message whose bytes are on their way."""

    mailbox: str
    course: Course
    step: str
    at: datetime
    raw: bytes


@dataclass(frozen=True, slots=True)
class Reading:
    """A mail that stands in a mailbox unread. `counts` is called with the instant at which the product has read it."""

    mailbox: str
    kind: str
    counts: Callable[[datetime], None]


@dataclass
class World:
    """The business. Everything that happens in it goes through `deeds.py`; `pass_time` lets the daemon work."""

    folder: Path
    url: str
    plans: dict[str, Plan]
    limits: str = files.LIMITS
    clock: ManualClock = field(default_factory=lambda: ManualClock(START))
    peer: SmtpPeer = field(default_factory=lambda: SmtpPeer(logins={"mark": "pw", "susan": "pw"}))
    shelves: dict[str, Shelf] = field(default_factory=lambda: {"mark": Shelf(), "susan": Shelf()})
    flight: Flight = field(default_factory=Flight)
    broken: list[str] = field(default_factory=list)
    told: list[Happening] = field(default_factory=list)
    mails: dict[int, list[Handed]] = field(default_factory=dict)  # what was accepted or may have been, by course
    standing: dict[bytes, Reading] = field(default_factory=dict)
    seen: dict[int, int] = field(default_factory=dict)  # the version of each enrollment that was looked at
    turns: int = 0
    takeovers: int = 0
    late: dict[str, tuple[datetime, timedelta]] = field(default_factory=dict)  # until when at least, and by how much
    _patch: pytest.MonkeyPatch = field(default_factory=pytest.MonkeyPatch)

    # Beginning and end ------------------------------------------------------------------------------

    async def open(self) -> None:
        await self.peer.start()
        self.port = self.peer.port
        self.ledger = Ledger(self.plans)
        shelves = self.shelves
        self._patch.setattr(mailbox_worker, "ImapLine", lambda account: shelves[account.username].line())
        self._patch.setattr(mailbox_worker, "Lines", lambda account: Lines(account, partial(WatchedLine, self)))
        files.write_templates(self.folder, list(self.plans))
        self.write()
        database = await Database.open(self.url)
        async with database.begin() as conn:
            self.live = Live(database, self.loaded(), await signing_key(conn))
        await adopt(self.live, self.live.workspace, self.now)
        self.stations: dict[str, Station] = {}
        for name in self.shelves:
            await self.takes_over(name)

    async def close(self) -> None:
        for station in self.stations.values():
            await _hang_up(station)
        await self.live.database.close()
        await self.peer.stop()
        self._patch.undo()

    @property
    def now(self) -> datetime:
        return self.clock.now()

    def write(self) -> None:
        text = files.CONFIG.format(database=self.url, port=self.port, limits=self.limits)
        (self.folder / "config.yaml").write_text(text, "utf-8")
        for plan in self.plans.values():
            files.write_plan(self.folder, plan)

    def loaded(self) -> Workspace:
        result = load(self.folder, files.ENVIRON)
        assert result.workspace is not None, [problem.message for problem in result.problems]
        return result.workspace

    async def takes_over(self, name: str) -> None:
        """A new process for a mailbox: what the former one left in the air is in doubt."""
        old = self.stations.pop(name, None)
        if old is not None:
            await _hang_up(old)
        self.takeovers += 1
        async with self.live.database.begin() as conn:
            lease = await mailboxes.take(conn, name, f"worker {self.takeovers}", 3600, evict=True)
        assert lease is not None
        self.stations[name] = Station(self.live, name, lease, self.clock, self.tell, asyncio.Event(), POLL)
        for told in await take_stock(self.live, name, lease, self.now):
            self.tell(told)

    def tell(self, told: Told) -> None:
        if isinstance(told, Happening):
            self.told.append(told)

    # What goes through the wire ---------------------------------------------------------------------

    def handed(self, mailbox: str, raw: bytes) -> Handed:
        """Bytes are about to be handed to the server. A broken promise is kept until the turn is over: what is raised
        here would only be set aside."""
        self.read_by_now()
        head, _, _ = raw.partition(b"\r\n\r\n")
        line = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"message-id:"))
        token = read_message_id(self.live.key, line.partition(b":")[2].decode())
        assert token is not None
        course, step = self.ledger.courses[token.enrollment], token.step
        unread = sum(1 for reading in self.standing.values() if reading.mailbox == mailbox)
        try:
            step = self.ledger.hand_over(course, mailbox, raw, self.now, unread)
            assert not self.shelves[mailbox].unreadable, f"{step} to {course.address}: the inbox cannot be read"
        except AssertionError as error:
            self.broken.append(str(error))
        return Handed(mailbox, course, step, self.now, raw)

    def landed(self, handed: Handed, outcome: Outcome) -> None:
        """What the server said, as the product was told."""
        course = handed.course
        match outcome:
            case Delivered() | Doubtful():
                self.mails.setdefault(course.id, []).append(handed)
                self.ledger.may_have_landed(course, handed.step, self.now)
                if isinstance(outcome, Delivered):
                    if self.limits == "off":
                        return
                    try:
                        self.ledger.accepted(handed.mailbox, self.now)
                    except AssertionError as error:
                        self.broken.append(str(error))
                else:
                    self.ledger.kinds["in doubt"] += 1
            case Refused(temporary=False, blame="recipient"):
                self.ledger.suppress(course.address, "the server knows no such address")
            case Refused():
                course.disturbed = True
                if not outcome.temporary and outcome.blame not in ("sender", "server"):
                    course.forbid("the server refused the message")

    def refused(self, recipient: str, answer: Refused) -> None:
        self.ledger.kinds["refused"] += 1
        for course in self.ledger.of(recipient):
            course.disturbed = True
        if not answer.temporary and answer.blame == "recipient":
            self.ledger.suppress(recipient, "the server knows no such address")

    def read_by_now(self) -> None:
        """What the product has fetched counts from that moment."""
        for shelf in self.shelves.values():
            for raw in shelf.fetched:
                reading = self.standing.pop(raw, None)
                if reading is not None:
                    reading.counts(self.now)
                    self.ledger.kinds[reading.kind] += 1
            shelf.fetched.clear()

    # Time -------------------------------------------------------------------------------------------

    async def pass_time(self, by: timedelta) -> None:
        """Let the daemon work until then, from due time to due time."""
        end = self.now + by
        while True:
            await self.work()
            coming = min(self.comes_to(name) for name in self.stations)
            if coming >= end:
                break
            self.clock.advance(max(coming - self.now, timedelta(seconds=1)))
        if self.now < end:
            self.clock.advance(end - self.now)
            await self.work()

    def comes_to(self, name: str) -> datetime:
        """When the worker of a mailbox takes its next turn."""
        planned = self.stations[name].planned or self.now
        late = self.late.get(name)
        return planned if late is None or planned <= self.now else max(planned, late[0])

    async def work(self) -> None:
        """Every mailbox whose time has come takes its turns."""
        for name in self.shelves:
            if self.comes_to(name) > self.now:
                continue
            before = self.ledger.kinds["sent"]
            for turn in range(MOST_TURNS + 1):
                assert turn < MOST_TURNS, f"{name} never comes to rest at {self.now}"
                if not await self.turn(name):
                    break
            await self.nobody_is_overslept(name)
            if self.ledger.kinds["sent"] > before:
                self.late.pop(name, None)
            else:
                lag = min(2 * self.late[name][1], LONGEST_LAG) if name in self.late else LAG
                self.late[name] = (self.now + lag, lag)
        await self.learn_of_courses()
        self.promises_hold()

    async def turn(self, name: str) -> bool:
        """One turn of a worker; whether there is more to do at once."""
        station, began = self.stations[name], self.now
        await self.learn_of_courses()
        self.turns += 1
        try:
            turn = await mailbox_worker.take_turn(station)
        except CrashError:
            await self._wreck_settles()
            await self.takes_over(name)
            return True
        self.read_by_now()
        if not turn.again:
            station.planned = await mailbox_worker.next_turn(station, began)
        return turn.again

    async def _wreck_settles(self) -> None:
        """The messages that were in the air beside the one at which the process died come down somewhere."""
        while self.flight.on_the_way:
            self.flight.down.clear()
            await pulse(self.flight.down, 5)

    # What must hold ---------------------------------------------------------------------------------

    def promises_hold(self) -> None:
        assert not self.broken, "\n".join(self.broken)
        aside = [told for told in self.told if told.what == "set_aside"]
        assert not aside, aside

    async def learn_of_courses(self) -> None:
        """Enrollments that the plans themselves have made are new to the oracle as well."""
        known = max(self.ledger.courses, default=0)
        t, c = tables.enrollments.c, tables.contacts.c
        async with self.live.database.read() as conn:
            found = await conn.execute(
                select(t.id, c.email, t.sequence, t.mailbox)
                .join_from(tables.enrollments, tables.contacts, t.contact_id == c.id)
                .where(t.id > known)
                .order_by(t.id)
            )
            for row in found:
                self.ledger.courses[row.id] = Course(row.id, row.email, row.sequence, row.mailbox)

    async def nobody_is_overslept(self, name: str) -> None:
        """After a turn, whoever is due is being sent to, or is held for a reason."""
        async with self.live.database.read() as conn:
            waiting = await agenda.next_wake(conn, name)
        station = self.stations[name]
        if not station.troubles and station.inbox is not None:
            assert waiting is None or waiting > self.now, f"{name}: somebody is due since {waiting} and nothing happens"

    async def check(self, chance: Random) -> None:
        """Everything that must hold whatever has happened."""
        await self.learn_of_courses()
        self.promises_hold()
        t = tables.enrollments.c
        async with self.live.database.read() as conn:
            rows = (await conn.execute(select(t.id, t.version, t.status, t.reason, t.wake_at, t.held_reason))).all()
            changed = [row.id for row in rows if self.seen.get(row.id) != row.version]
            standings = await enrollments.by_ids(conn, changed) if changed else {}
            for row in rows:
                if row.id in standings:
                    await self._log_tells_it_all(conn, standings[row.id])
                    self._has_a_next_look(standings[row.id])
                self.seen[row.id] = row.version
            people = sorted(self.ledger.people)
            for address in chance.sample(people, min(3, len(people))):
                explained = await why(conn, self.live, address, self.now)
                assert isinstance(explained, Explanation), explained
                assert why_json(explained)["contact"] == address
                for way in explained.ways:
                    assert way.next, f"{address}: why says nothing about {way.enrollment.sequence}"
            status_json(await status(conn, self.live, self.now))

    async def _log_tells_it_all(self, conn: AsyncConnection, standing: enrollments.Standing) -> None:
        stored = standing.enrollment
        log = await enrollments.events_of(conn, stored.id)
        assert [line.version for line in log] == list(range(1, stored.version + 1))
        first = log[0].event
        assert isinstance(first, Enrolled)
        folded = begin(first, stored.id, log[0].definition)
        for line in log[1:]:
            folded = evolve(folded, line.event, line.definition)
        assert folded == stored, f"the log of {stored.id} tells of another enrollment than is stored"
        replies = [line.event.message for line in log if isinstance(line.event, Replied)]
        assert len(replies) == len(set(replies)), f"enrollment {stored.id} heard one message twice"

    def _has_a_next_look(self, standing: enrollments.Standing) -> None:
        """Nobody is left behind: a next look, or a recorded reason why not."""
        en = standing.enrollment
        match en.status:
            case Status.ACTIVE:
                looked_at = standing.wake_at is not None or en.task is not None or en.in_flight is not None
                assert looked_at, f"nobody will ever look at {en.id} again: {en}"
            case Status.SNOOZED:
                assert standing.wake_at is not None, f"{en.id} sleeps for ever"
            case Status.PAUSED | Status.STOPPED | Status.FINISHED:
                assert en.reason, f"{en.id} is {en.status}, and nobody knows why"


async def _hang_up(station: Station) -> None:
    if station.lines is not None:
        await station.lines.close()
    if station.inbox is not None:
        await station.inbox.close()
