"""The mailbox's worker at its pace: how many leave when, in which order, and what the others are told meanwhile."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest

from sequencer.core.events import Paused
from sequencer.core.model import Enrollment, Status
from sequencer.daemon.mailbox_worker import take_turn, work, work_once
from sequencer.daemon.station import Station
from sequencer.operations import tasks
from sequencer.operations.adopt import Unusable, adopt
from sequencer.operations.enrollments import Entered, enroll
from sequencer.operations.explain import Explanation, why
from sequencer.operations.lines import MOST_LINES
from sequencer.operations.live import Live
from sequencer.operations.record import Refusal, change
from sequencer.store import attempts, contacts, enrollments, mailboxes
from sequencer.store.contacts import Incoming
from sequencer.store.mailboxes import MailboxState
from sequencer.workspace.workspace import load
from tests.clock import PATIENCE, Ear
from tests.in_force import open_live
from tests.operations.desk import CONFIG, DAY, HOUR, MONDAY, TEMPLATES, write
from tests.pymap_server import PymapServer
from tests.smtp_peer import Drop, Say, SmtpPeer

ENVIRON = {"MARK_PASSWORD": "pw"}
MINUTE = timedelta(minutes=1)
ONE = "from: mark\nsteps:\n  - {step: first, email: first, when: immediately}\n"
CALL = "from: mark\nsteps:\n  - {step: call, task: call, when: immediately}\n"


class LeapingClock:
    """A clock that leaps to whatever is waited for and sets `stop` at its end; `waits` are the waits it leapt over."""

    def __init__(self, start: datetime) -> None:
        self.instant = start
        self.end: datetime | None = None
        self.stop = asyncio.Event()
        self.waits: list[timedelta] = []

    def now(self) -> datetime:
        return self.instant

    async def wait(self, event: asyncio.Event, until: datetime | None) -> bool:
        if not event.is_set() and until is not None and until > self.instant:
            self.waits.append(until - self.instant)
            self.instant = until
        if self.end is not None and self.instant >= self.end:
            self.instant = self.end
            self.stop.set()
        return event.is_set()


@dataclass
class Shop:
    """A workspace on real servers, and the worker of one mailbox."""

    folder: Path
    smtp: SmtpPeer
    imap: PymapServer
    live: Live
    clock: LeapingClock
    station: Station
    ear: Ear = field(default_factory=Ear)

    async def settle(self) -> None:
        """Turns until there is nothing more to do at once."""
        for _ in range(200):
            if not (await take_turn(self.station)).again:
                return
        raise AssertionError("there is no end to it")

    async def run_for(self, span: timedelta) -> None:
        """The worker's own loop, for so long; every sleep is slept to its end."""
        self.clock.end = self.clock.instant + span
        self.clock.stop.clear()
        async with asyncio.timeout(PATIENCE):
            await work(self.station)
        self.clock.end = None
        self.clock.stop.clear()

    async def enroll(self, *emails: str, sequence: str = "plan", at: datetime | None = None) -> list[Enrollment]:
        now = at or self.clock.instant
        async with self.live.database.begin() as conn:
            await contacts.upsert_many(conn, [Incoming(email, {"first_name": "X"}) for email in emails], now)
        answers = await enroll(self.live, sequence, emails, now)
        assert not isinstance(answers, Refusal)
        return [answer.enrollment for answer in answers if isinstance(answer, Entered)]

    async def adopt(self, **files: str) -> None:
        write(self.folder, files)
        loaded = load(self.folder, ENVIRON)
        assert loaded.workspace is not None, loaded.problems
        await adopt(self.live, loaded.workspace, self.clock.instant)

    async def restart(self) -> None:
        """Another worker, which knows nothing but what is in the database."""
        await close(self.station)
        self.station = await a_station(self.live, self.clock, self.ear)

    async def sent(self) -> list[tuple[str, datetime]]:
        """Who was written to, and when, in the order in which the server took it."""
        when: dict[str, datetime] = {}
        async with self.live.database.read() as conn:
            everybody = await enrollments.of_sequence(conn, "plan", tuple(Status), limit=10_000)
            for standing in everybody:
                for attempt in await attempts.of_enrollment(conn, standing.enrollment.id):
                    when[attempt.recipient] = attempt.started_at
        return [(mail.recipients[0], when[mail.recipients[0]]) for mail in self.smtp.accepted]

    async def order(self) -> list[str]:
        return [email for email, _ in await self.sent()]

    async def hold(self, enrollment: Enrollment) -> tuple[str, datetime | None]:
        async with self.live.database.read() as conn:
            standing = await enrollments.standing_by_id(conn, enrollment.id)
        assert standing is not None
        assert standing.hold is not None
        return standing.hold.reason, standing.hold.until


def config_for(smtp: SmtpPeer, imap: PymapServer, limits: str) -> str:
    ports = CONFIG.replace("port: 2525", f"port: {smtp.port}").replace("port: 1143", f"port: {imap.port}")
    return ports.replace("limits: off", f"limits: {limits}", 1)


async def a_station(live: Live, clock: LeapingClock, ear: Ear) -> Station:
    async with live.database.begin() as conn:
        lease = await mailboxes.take(conn, "mark", "a test", 600, evict=True)
    assert lease is not None
    return Station(live, "mark", lease, clock, ear, clock.stop, HOUR)


async def close(station: Station) -> None:
    if station.inbox is not None:
        await station.inbox.close()
    if station.lines is not None:
        await station.lines.close()


@asynccontextmanager
async def a_shop(folder: Path, limits: str, **files: str) -> AsyncIterator[Shop]:
    async with PymapServer({"mark": "pw"}) as imap, SmtpPeer(logins={"mark": "pw"}) as smtp:
        texts = {f"{name}_md": text for name, text in TEMPLATES.items()}
        write(folder, {"config": config_for(smtp, imap, limits), "plan": ONE, "call": CALL, **texts, **files})
        clock, ear = LeapingClock(MONDAY), Ear()
        live = await open_live(folder, ENVIRON, MONDAY)
        assert not isinstance(live, Unusable), live
        shop = Shop(folder, smtp, imap, live, clock, await a_station(live, clock, ear), ear)
        try:
            yield shop
        finally:
            await close(shop.station)
            await live.database.close()


def people(number: int) -> list[str]:
    return [f"p{n:03}@example.com" for n in range(number)]


# Limits ----------------------------------------------------------------------------------------------


async def test_without_limits_everybody_leaves_at_once(tmp_path: Path) -> None:
    async with a_shop(tmp_path, "off") as shop:
        await shop.enroll(*people(150))
        await shop.settle()
        assert sorted(await shop.order()) == people(150)


async def test_so_many_an_hour_the_oldest_first_and_the_others_are_told(tmp_path: Path) -> None:
    async with a_shop(tmp_path, "{per_hour: 3, per_day: off, gap: off}") as shop:
        entered = [(await shop.enroll(email, at=MONDAY - n * MINUTE))[0] for n, email in enumerate(people(8))]
        waiting = list(reversed(people(8)))
        await shop.settle()
        assert sorted(await shop.order()) == sorted(waiting[:3])
        reason, until = await shop.hold(entered[0])
        assert reason == "the mailbox sends at most 3 an hour"
        assert until is not None
        assert until - MONDAY == timedelta(hours=2, microseconds=1)  # the last of the second three after this one
        async with shop.live.database.read() as conn:
            explained = await why(conn, shop.live, people(8)[0], MONDAY)
        assert isinstance(explained, Explanation)
        assert explained.ways[0].held is not None
        assert explained.ways[0].held.reason == reason
        await shop.run_for(2 * HOUR + MINUTE)
        sent = await shop.sent()
        assert [at for _, at in sent] == [MONDAY] * 3 + [MONDAY + HOUR] * 3 + [MONDAY + 2 * HOUR] * 2
        for start in (0, 3, 6):
            assert sorted(email for email, _ in sent[start : start + 3]) == sorted(waiting[start : start + 3])


async def test_so_many_a_day(tmp_path: Path) -> None:
    async with a_shop(tmp_path, "{per_hour: off, per_day: 4, gap: off}") as shop:
        await shop.enroll(*people(10))
        await shop.run_for(2 * DAY + MINUTE)
        assert [at for _, at in await shop.sent()] == [MONDAY] * 4 + [MONDAY + DAY] * 4 + [MONDAY + 2 * DAY] * 2


async def test_a_gap_between_any_two_and_never_the_same(tmp_path: Path) -> None:
    async with a_shop(tmp_path, "{per_hour: off, per_day: off, gap: 90s-240s}") as shop:
        for n, email in enumerate(people(12)):
            await shop.enroll(email, at=MONDAY - (12 - n) * MINUTE)
        await shop.run_for(2 * HOUR)
        assert await shop.order() == people(12)
        gaps = [(later - earlier).total_seconds() for (_, earlier), (_, later) in pairwise(await shop.sent())]
        assert all(90 <= gap <= 240 for gap in gaps)
        assert len(set(gaps)) == 11
        assert max(gaps) - min(gaps) > 20


async def test_a_young_mailbox_grows(tmp_path: Path) -> None:
    async with a_shop(tmp_path, "{per_hour: off, per_day: off, gap: off, ramp_up: 2/day}") as shop:
        await shop.enroll(*people(14))
        await shop.run_for(4 * DAY)
        days = [(at - MONDAY) // DAY for _, at in await shop.sent()]
        assert [days.count(day) for day in range(4)] == [2, 4, 6, 2]


async def test_all_limits_together(tmp_path: Path) -> None:
    async with a_shop(tmp_path, "{per_hour: 5, per_day: 8, gap: 60s-120s, ramp_up: 6/day}") as shop:
        for n, email in enumerate(people(20)):
            await shop.enroll(email, at=MONDAY - (20 - n) * MINUTE)
        await shop.run_for(3 * DAY)
        sent = await shop.sent()
        assert [email for email, _ in sent] == people(20)
        times = [at for _, at in sent]
        for at in times:
            assert sum(at - HOUR < other <= at for other in times) <= 5
            assert sum(at - DAY < other <= at for other in times) <= 8
        assert all(later - earlier >= MINUTE for earlier, later in pairwise(times))
        assert sum(at < MONDAY + DAY for at in times) == 6


# Order -----------------------------------------------------------------------------------------------


async def test_a_backlog_larger_than_one_look_leaves_in_order(tmp_path: Path) -> None:
    async with a_shop(tmp_path, "{per_hour: 100, per_day: off, gap: off}") as shop:
        emails = people(450)
        due = dict(zip(emails, random.Random(7).sample(range(1, 900), 450), strict=True))
        for email in emails:  # in an order that has nothing to do with how long they wait
            await shop.enroll(email, at=MONDAY - due[email] * MINUTE)
        await shop.run_for(5 * HOUR)
        expected = sorted(emails, key=lambda email: -due[email])
        order = await shop.order()
        for start in range(0, 450, 100):
            assert sorted(order[start : start + 100]) == sorted(expected[start : start + 100])


async def test_who_becomes_due_later_does_not_overtake(tmp_path: Path) -> None:
    async with a_shop(tmp_path, "{per_hour: off, per_day: off, gap: 60s-300s}") as shop:
        for n, email in enumerate(people(10)):
            await shop.enroll(email, at=MONDAY - (10 - n) * MINUTE)
        late = [f"late{n}@example.com" for n in range(10)]
        for email in late:
            await shop.run_for(2 * MINUTE)
            await shop.enroll(email)
        await shop.run_for(2 * HOUR)
        assert await shop.order() == people(10) + late


async def test_the_order_survives_a_weekend(tmp_path: Path) -> None:
    """Who waits for room over a weekend does not fall behind those who are due later, whatever their spread."""
    plan = ONE + "hours: Mon-Fri 09:00-17:00\n"
    async with a_shop(tmp_path, "{per_hour: off, per_day: 1, gap: off}", plan=plan) as shop:
        config = config_for(shop.smtp, shop.imap, "{per_hour: off, per_day: 1, gap: off}")
        await shop.adopt(config=config.replace("spread: off", "spread: 30 minutes"))
        for n, email in enumerate(people(12)):
            await shop.enroll(email, at=MONDAY - 3 * DAY + n * 40 * MINUTE)
        await shop.run_for(20 * DAY)
        assert await shop.order() == people(12)


async def test_the_order_survives_a_restart(tmp_path: Path) -> None:
    async with a_shop(tmp_path, "{per_hour: 2, per_day: off, gap: off}") as shop:
        for n, email in enumerate(people(9)):
            await shop.enroll(email, at=MONDAY - (9 - n) * MINUTE)
        for _ in range(5):
            await shop.run_for(HOUR)
            await shop.restart()
        order = await shop.order()
        assert [sorted(order[start : start + 2]) for start in range(0, 9, 2)] == [
            people(9)[start : start + 2] for start in range(0, 9, 2)
        ]


async def test_who_drops_out_before_a_restart_leaves_their_place_to_the_next(tmp_path: Path) -> None:
    """The next owner of the mailbox knows nothing of the line in which they stood."""
    async with a_shop(tmp_path, "{per_hour: 1, per_day: off, gap: off}") as shop:
        entered = [(await shop.enroll(email, at=MONDAY - (6 - n) * MINUTE))[0] for n, email in enumerate(people(6))]
        await shop.settle()
        for dropped in entered[1:3]:
            await change(shop.live, dropped.id, MONDAY, partial(_only, Paused(at=MONDAY, reason="by hand")))
        await shop.restart()
        await shop.run_for(3 * HOUR + MINUTE)
        left = [people(6)[0], *people(6)[3:]]
        assert await shop.sent() == [(email, MONDAY + n * HOUR) for n, email in enumerate(left)]


async def test_a_start_with_a_large_backlog_keeps_the_order(tmp_path: Path) -> None:
    async with a_shop(tmp_path, "{per_hour: 50, per_day: off, gap: off}") as shop:
        emails = people(260)
        due = dict(zip(emails, random.Random(8).sample(range(1, 900), 260), strict=True))
        for email in emails:
            await shop.enroll(email, at=MONDAY - due[email] * MINUTE)
        await shop.settle()
        await shop.restart()
        await adopt(shop.live, shop.live.workspace, shop.clock.instant)  # everybody is looked at again
        await shop.run_for(6 * HOUR)
        expected = sorted(emails, key=lambda email: -due[email])
        order = await shop.order()
        assert [sorted(order[n : n + 50]) for n in range(0, 260, 50)] == [
            sorted(expected[n : n + 50]) for n in range(0, 260, 50)
        ]


async def test_who_drops_out_of_the_queue_leaves_their_place_to_the_next(tmp_path: Path) -> None:
    async with a_shop(tmp_path, "{per_hour: 1, per_day: off, gap: off}") as shop:
        entered = [(await shop.enroll(email, at=MONDAY - (6 - n) * MINUTE))[0] for n, email in enumerate(people(6))]
        await shop.settle()
        for dropped in entered[1:3]:
            paused = Paused(at=MONDAY, reason="by hand")
            await change(shop.live, dropped.id, MONDAY, partial(_only, paused))
        await shop.run_for(3 * HOUR + MINUTE)
        left = [people(6)[0], *people(6)[3:]]
        assert await shop.sent() == [(email, MONDAY + n * HOUR) for n, email in enumerate(left)]


def _only(event: Paused, _: Enrollment) -> tuple[Paused]:
    return (event,)


async def test_a_backlog_of_e_mails_does_not_starve_tasks(tmp_path: Path) -> None:
    async with a_shop(tmp_path, "{per_hour: 1, per_day: off, gap: off}") as shop:
        await shop.enroll(*people(500), at=MONDAY - DAY)
        await shop.enroll("busy@example.com", sequence="call")
        await shop.settle()
        assert len(shop.smtp.accepted) == 1
        async with shop.live.database.read() as conn:
            assert len(await tasks.to_dos(conn, shop.live)) == 1


async def test_waiting_costs_little(tmp_path: Path) -> None:
    """Of those who wait, only the next few are looked at when one more may leave."""
    async with a_shop(tmp_path, "{per_hour: off, per_day: off, gap: 90s-240s}") as shop:
        await shop.enroll(*people(300), at=MONDAY - DAY)
        await shop.settle()
        async with shop.live.database.read() as conn:
            everybody = await enrollments.of_sequence(conn, "plan", limit=1000)
        places = sorted(standing.wake_at for standing in everybody if standing.wake_at is not None)
        assert sum(place <= MONDAY + 4 * MINUTE for place in places) <= 4
        assert places[-1] > MONDAY + 298 * timedelta(seconds=90)


async def test_a_limit_that_is_lifted_lets_everybody_go(tmp_path: Path) -> None:
    async with a_shop(tmp_path, "{per_hour: 1, per_day: 2, gap: off}") as shop:
        await shop.enroll(*people(30))
        await shop.settle()
        assert len(shop.smtp.accepted) == 1
        await shop.adopt(config=config_for(shop.smtp, shop.imap, "off"))
        await shop.settle()
        assert len(shop.smtp.accepted) == 30


# run --once ------------------------------------------------------------------------------------------


async def test_once_waits_out_short_gaps_and_not_after_the_last(tmp_path: Path) -> None:
    async with a_shop(tmp_path, "{per_hour: off, per_day: off, gap: 20s-50s}") as shop:
        for n, email in enumerate(people(5)):
            await shop.enroll(email, at=MONDAY - (5 - n) * MINUTE)
        await work_once(shop.station)
        sent = await shop.sent()
        assert [email for email, _ in sent] == people(5)
        assert shop.clock.instant == sent[-1][1]
        gaps = [(later - earlier).total_seconds() for (_, earlier), (_, later) in pairwise(sent)]
        assert all(20 <= gap <= 50 for gap in gaps)


@pytest.mark.parametrize("limits", ["{per_hour: 1, per_day: off, gap: off}", "{gap: 90s-240s}"])
async def test_once_does_not_wait_for_hours_or_long_gaps(tmp_path: Path, limits: str) -> None:
    async with a_shop(tmp_path, limits) as shop:
        await shop.enroll(*people(3))
        await work_once(shop.station)
        assert len(shop.smtp.accepted) == 1
        assert shop.clock.waits == []


async def test_once_without_anybody_due_does_not_wait(tmp_path: Path) -> None:
    async with a_shop(tmp_path, "{gap: 20s-50s}") as shop:
        await shop.enroll(*people(1))
        await work_once(shop.station)
        await shop.restart()
        await work_once(shop.station)
        assert (len(shop.smtp.accepted), shop.clock.waits) == (1, [])


# Trouble ---------------------------------------------------------------------------------------------


async def state_of(shop: Shop) -> tuple[MailboxState, str]:
    async with shop.live.database.read() as conn:
        row = await mailboxes.get(conn, "mark")
    assert row is not None
    return row.state, row.reason


async def test_a_server_that_hangs_up_on_every_message_costs_one_message_a_try(tmp_path: Path) -> None:
    async with a_shop(tmp_path, "off") as shop:
        await shop.enroll(*people(60))
        shop.smtp.always("end", Drop())
        await shop.settle()
        assert (await state_of(shop))[0] is MailboxState.HELD
        first = shop.smtp.commands.count("DATA")
        assert first <= MOST_LINES
        await shop.run_for(2 * HOUR)
        # Tries after one, two, four … minutes, then every half hour.
        assert shop.smtp.commands.count("DATA") - first <= 8
        shop.smtp.always("end", None)
        await shop.run_for(HOUR)
        doubtful = shop.smtp.commands.count("DATA") - len(shop.smtp.accepted)
        assert len(shop.smtp.accepted) == 60 - doubtful
        assert (await state_of(shop))[0] is MailboxState.OK


async def test_a_refused_sender_holds_the_mailbox_and_nobody_loses_their_place(tmp_path: Path) -> None:
    async with a_shop(tmp_path, "{per_hour: off, per_day: off, gap: 20s-50s}") as shop:
        for n, email in enumerate(people(4)):
            await shop.enroll(email, at=MONDAY - (4 - n) * MINUTE)
        shop.smtp.always("mail", Say("550 5.7.1 You are blocked"))
        await shop.run_for(2 * HOUR)
        assert await state_of(shop) == (MailboxState.HELD, "the server refuses us: 550 5.7.1 You are blocked")
        assert "DATA" not in shop.smtp.commands
        assert shop.smtp.commands.count("MAIL FROM:<mark@flatheadrv.example>") <= 4
        shop.smtp.always("mail", None)
        await shop.run_for(2 * HOUR)
        assert await shop.order() == people(4)
        assert (await state_of(shop))[0] is MailboxState.OK


async def test_one_message_that_is_put_off_does_not_hold_up_the_others(tmp_path: Path) -> None:
    async with a_shop(tmp_path, "{per_hour: off, per_day: off, gap: 20s-50s}") as shop:
        for n, email in enumerate(people(5)):
            await shop.enroll(email, at=MONDAY - (5 - n) * MINUTE)
        shop.smtp.once("rcpt", Say("450 4.2.1 Mailbox busy"))
        await shop.run_for(10 * MINUTE)
        assert await shop.order() == people(5)[1:]
        await shop.run_for(10 * MINUTE)
        assert await shop.order() == [*people(5)[1:], people(5)[0]]


async def test_connections_are_closed_when_nothing_more_is_to_be_sent(tmp_path: Path) -> None:
    async with a_shop(tmp_path, "off") as shop:
        await shop.enroll(*people(3))
        await shop.run_for(timedelta())
        assert len(shop.smtp.accepted) == 3
        assert [line for line in shop.smtp.commands if line == "QUIT"] == ["QUIT"] * 3
