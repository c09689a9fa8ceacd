"""Promise 3 under a race: people answer at random moments around the instant at which their follow-up falls due.

The running daemon, a real IMAP server, a clock that is moved in random steps while it works, an SMTP server that takes
its time. No follow-up may leave after a reply that stood in the mailbox when the last reading before it began. What
remains is the time between that reading and DATA: it is measured, and so is how many replies fall into it.
"""

from __future__ import annotations

import asyncio
import random
import re
import statistics
from bisect import bisect_left
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import select

from sequencer.core.events import AttemptStarted, from_json
from sequencer.daemon import mailbox_worker
from sequencer.daemon.clock import pulse
from sequencer.daemon.mailbox_worker import Turn
from sequencer.daemon.station import Station
from sequencer.operations.happenings import Happening
from sequencer.operations.inbox import InboxRead, read_inbox
from sequencer.store import tables
from tests.clock import PATIENCE
from tests.daemon.house import House, answer_to, furnish
from tests.fire.conftest import Count
from tests.fire.scale import sized
from tests.pymap_server import PymapServer
from tests.smtp_peer import AcceptedMail, Late, SmtpPeer

PEOPLE: Final = sized(200, 1_000)
ROUNDS: Final = sized(1, 10)
ANSWERING: Final = 0.7
AROUND: Final = 90.0
"""Seconds: the deviation of the instants of the replies from those at which the follow-ups fall due."""

FOLDERS: Final = ("INBOX", "INBOX", "Junk", "Archive")
SPREAD: Final = timedelta(hours=1)
STEPS: Final = (timedelta(seconds=45), timedelta(seconds=45), timedelta(minutes=10))
"""How far the clock moves at most at once: mostly a few follow-ups fall due together, in some rounds very many."""

PLAN: Final = """\
from: mark
steps:
  - {step: one, email: thanks}
  - {step: two, email: article, when: 2 hours later}
"""


@dataclass(frozen=True)
class _Reading:
    """The inbox was read to its end: when, on the loop's clock, and at which instant of the plan."""

    began: float
    ended: float
    at: datetime


@dataclass
class _Race:
    house: House
    imap: PymapServer
    chance: random.Random
    turns: int = 0
    busy: bool = False
    readings: list[_Reading] = field(default_factory=list)
    firsts: dict[str, bytes] = field(default_factory=dict)
    stood: dict[str, float] = field(default_factory=dict)  # since when the reply stood in the mailbox
    left: dict[str, float] = field(default_factory=dict)  # when DATA was said for the follow-up
    followed: list[str] = field(default_factory=list)

    def forward(self, mail: AcceptedMail) -> None:
        """Called in a thread, while the worker waits for the answer."""
        (email,) = mail.recipients
        if email in self.firsts:
            self.followed.append(email)
            self.left[email] = mail.began
        else:
            self.firsts[email] = mail.data

    async def answers(self, email: str) -> None:
        now, chance = self.house.clock.now(), self.chance
        sender = email.title() if chance.random() < 0.3 else email
        raw = answer_to(self.firsts[email], sender, "Let me think.", now, threaded=chance.random() < 0.5)
        await self.imap.append("mark", chance.choice(FOLDERS), raw, now)
        self.stood[email] = asyncio.get_running_loop().time()


@dataclass(frozen=True)
class _Verdict:
    after: list[str]  # left though a later reading must have found the reply
    unread: list[str]  # left though the inbox had not been read since the follow-up fell due
    windows: list[float]  # seconds from the reply to DATA, of those that met within one reading
    ages: list[float]  # seconds from the beginning of the last reading to DATA, of all
    unheard: list[str]  # their reply did not pause them


async def test_replies_around_the_moment_at_which_follow_ups_fall_due(
    tmp_path: Path, database_url: str, counts: Count, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = ("Sent", "Junk", "Archive")
    async with PymapServer({"mark": "pw"}, folders) as imap, SmtpPeer(logins={"mark": "pw"}) as smtp:
        url = f'"{database_url}"'
        furnish(tmp_path, smtp=smtp.port, imap=imap.port, user="mark", database=url, race=PLAN)
        config = tmp_path / "config.yaml"
        text = config.read_text().replace("spread: off", "spread: 1 hour")
        config.write_text(re.sub(r"(imap: .*)tls: none", r"\1sent: off, tls: none", text))  # copies prove nothing here
        race = _Race(House(tmp_path, smtp), imap, random.Random(7))
        smtp.forward = race.forward
        _watch(race, monkeypatch)
        for number in range(ROUNDS):
            await _round(race, [f"p{person}@firm{number}-{person}.example" for person in range(PEOPLE)])
    verdict = _judge(race, await _due(race))
    counts(
        f"replies around follow-ups, {database_url.partition(':')[0]}",
        follow_ups_due=PEOPLE * ROUNDS,
        replies=len(race.stood),
        sent=len(race.followed),
        turns=race.turns,
        readings=len(race.readings),
        sent_after_a_reply_that_a_reading_could_find=len(verdict.after),
        sent_without_a_reading_since_it_was_due=len(verdict.unread),
        sent_while_the_reply_came=len(verdict.windows),
        window_ms=_shown(verdict.windows),
        age_of_the_reading_ms=_shown(verdict.ages),
        replies_not_heard=len(verdict.unheard),
    )
    assert verdict.after == []
    assert verdict.unread == []
    assert verdict.unheard == []
    assert len(race.followed) == len(race.left), "somebody had the follow-up twice"
    assert len(race.stood) > PEOPLE * ROUNDS / 2
    assert PEOPLE * ROUNDS / 6 < len(race.left) < PEOPLE * ROUNDS, "it was no race"


async def _due(race: _Race) -> dict[str, datetime]:
    """When each follow-up that left fell due, as it was decided."""
    attempts, events = tables.attempts.c, tables.events.c
    async with race.house.live() as live, live.database.read() as conn:
        query = select(attempts.id, attempts.recipient).where(attempts.step == "two")
        recipients = {row.id: row.recipient for row in await conn.execute(query)}
        query = select(events.data).where(events.kind == AttemptStarted.__name__)
        started = [from_json(AttemptStarted, data) for data in await conn.scalars(query)]
    return {recipients[event.attempt]: event.due_at for event in started if event.attempt in recipients}


def _judge(race: _Race, due: dict[str, datetime]) -> _Verdict:
    ends = [reading.ended for reading in race.readings]
    verdict = _Verdict([], [], [], [], [])
    for email, left in race.left.items():
        last = bisect_left(ends, left) - 1
        assert last >= 0, "it left before the inbox was read"
        began = race.readings[last].began
        if race.readings[last].at < due[email]:
            verdict.unread.append(email)
        verdict.ages.append(left - began)
        stood = race.stood.get(email, left)
        if stood < began:
            verdict.after.append(email)
        elif stood < left:
            verdict.windows.append(left - stood)
    heard = {told.contact for told in race.house.ear.heard if isinstance(told, Happening) and told.what == "paused"}
    verdict.unheard.extend(race.stood.keys() - heard)
    return verdict


def _shown(seconds: list[float]) -> str:
    if not seconds:
        return "none"
    return f"{1000 * statistics.median(seconds):.0f} (median) to {1000 * max(seconds):.0f} (longest)"


# One round ---------------------------------------------------------------------------------------------


async def _round(race: _Race, emails: list[str]) -> None:
    house, step = race.house, race.chance.choice(STEPS)
    await house.enroll(*emails, sequence="race")
    async with house.running():
        async with asyncio.timeout(PATIENCE * 4):
            while not race.firsts.keys() >= set(emails):  # the first ones leave within an hour as well
                house.clock.advance(timedelta(minutes=5))
                await pulse(asyncio.Event(), 0.02)
                await _turn_over(race)
        await _answers(race, emails, step)
        await _settled(race)


async def _answers(race: _Race, emails: list[str], step: timedelta) -> None:
    house, chance = race.house, race.chance
    due = await _planned(race, emails)
    moments = sorted(
        (at + timedelta(seconds=chance.gauss(0, AROUND)), email)
        for email, at in due.items()
        if chance.random() < ANSWERING
    )
    ends = max(due.values()) + SPREAD / 4
    while house.clock.now() < ends or moments:
        _dawdle(race)
        house.clock.advance(chance.uniform(0.02, 1) * step)
        while moments and moments[0][0] <= house.clock.now():
            if chance.random() < 0.7:
                await pulse(asyncio.Event(), chance.uniform(0, 0.15))  # the worker is anywhere in its turn
            await race.answers(moments.pop(0)[1])
        await pulse(asyncio.Event(), chance.uniform(0.001, 0.02))
        if chance.random() < 0.7:  # time mostly stands still while a turn is taken, not always
            await _turn_over(race)


async def _planned(race: _Race, emails: list[str]) -> dict[str, datetime]:
    """When the follow-up of each of them falls due, as it is planned after the first message."""
    people, rows = tables.contacts.c, tables.enrollments.c
    query = select(people.email, rows.wake_at).where(people.id == rows.contact_id, rows.wake_at.is_not(None))
    async with race.house.live() as live, live.database.read() as conn:
        found: dict[str, datetime] = {row.email: row.wake_at for row in await conn.execute(query)}
    return {email: found[email] for email in emails if email in found}


async def _turn_over(race: _Race) -> None:
    """Until the turn that is being taken has ended."""
    turn = race.turns
    while race.busy and race.turns == turn:
        await pulse(asyncio.Event(), 0.005)


def _dawdle(race: _Race) -> None:
    """The server takes its time, before the message is committed and after it."""
    race.house.smtp.forget()
    for phase in ("rcpt", "end"):
        race.house.smtp.once(phase, *(Late(race.chance.uniform(0, 0.05)) for _ in range(race.chance.randrange(20))))


async def _settled(race: _Race) -> None:
    """Until all that has come is read and all that is due has left."""
    race.house.smtp.forget()
    async with asyncio.timeout(PATIENCE * 10):
        for _ in range(3):
            turn = race.turns
            race.house.clock.advance(timedelta(minutes=5))
            await race.house.reads_again(object())
            while race.turns <= turn or race.busy:
                await pulse(asyncio.Event(), 0.01)


def _watch(race: _Race, monkeypatch: pytest.MonkeyPatch) -> None:
    """Note when readings of the inbox begin and end, and when the worker takes a turn."""
    take, loop = mailbox_worker.take_turn, asyncio.get_running_loop()

    async def take_turn(station: Station) -> Turn:
        race.turns += 1
        race.busy = True
        try:
            return await take(station)
        finally:
            race.busy = False

    async def read(*arguments: Any) -> InboxRead:
        began, at = loop.time(), race.house.clock.now()
        result = await read_inbox(*arguments)
        race.readings.append(_Reading(began, loop.time(), at))
        return result

    monkeypatch.setattr(mailbox_worker, "take_turn", take_turn)
    monkeypatch.setattr(mailbox_worker, "read_inbox", read)
