"""Follow-ups against replies: people answer at random moments around the moment at which their follow-up is due.

The running daemon, a real IMAP server, a clock that is moved in random steps while it works. What counts is a
follow-up that was sent in a turn which began when the reply already stood in the mailbox.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final

from sequencer.daemon import mailbox_worker
from sequencer.daemon.clock import pulse
from sequencer.daemon.mailbox_worker import Station, Turn
from sequencer.operations.happenings import Happening
from tests.daemon.house import House, answer_to, furnish
from tests.pymap_server import PymapServer
from tests.smtp_peer import AcceptedMail, SmtpPeer

PLAN: Final = """\
from: mark
steps:
  - {step: one, email: thanks}
  - {step: two, email: article, when: 2 hours later}
"""
SPREAD: Final = timedelta(hours=1)
ANSWERING: Final = 0.7
FOLDERS: Final = ("INBOX", "INBOX", "Junk", "Archive")


@dataclass
class Result:
    """What came of it. `after` is what must never be; `crossed` met their reply within one turn."""

    people: int
    replied: int
    follow_ups: int
    after: int
    crossed: int
    turns: int
    unheard: list[str] = field(default_factory=list)  # their reply did not pause them


@dataclass
class _Race:
    house: House
    imap: PymapServer
    turn: int = 0
    busy: bool = False
    stood: dict[str, int] = field(default_factory=dict)  # the turn during which the reply came to stand there
    left: dict[str, int] = field(default_factory=dict)  # the turn in which the follow-up left
    firsts: dict[str, bytes] = field(default_factory=dict)

    def forward(self, mail: AcceptedMail) -> None:
        """Called in a thread, while the worker waits for the answer."""
        (email,) = mail.recipients
        if email in self.firsts:
            self.left[email] = self.turn
        else:
            self.firsts[email] = mail.data

    async def answers(self, email: str, chance: random.Random) -> None:
        now = self.house.clock.now()
        sender = email.title() if chance.random() < 0.3 else email
        raw = answer_to(self.firsts[email], sender, "Let me think.", now, threaded=chance.random() < 0.5)
        await self.imap.append("mark", chance.choice(FOLDERS), raw, now)
        self.stood[email] = self.turn  # from the next turn on it must be heard


async def race(folder: Path, people: int, seed: int) -> Result:
    """Let so many follow-ups fall due within an hour, and most of the people answer around that."""
    chance = random.Random(seed)
    emails = [f"p{number}@firm{number}.example" for number in range(people)]
    folders = ("Sent", "Junk", "Archive")
    async with PymapServer({"mark": "pw"}, folders) as imap, SmtpPeer(logins={"mark": "pw"}) as smtp:
        furnish(folder, smtp=smtp.port, imap=imap.port, user="mark", race=PLAN)
        config = folder / "config.yaml"
        config.write_text(config.read_text().replace("spread: off", "spread: 1 hour"))
        house = House(folder, smtp)
        running = _Race(house, imap)
        smtp.forward = running.forward
        await house.enroll(*emails, sequence="race")
        with _counted(running):
            async with house.running():
                await _race(running, emails, chance)
        heard = {told.contact for told in house.ear.heard if isinstance(told, Happening) and told.what == "paused"}
    after = [email for email, turn in running.left.items() if running.stood.get(email, turn) < turn]
    crossed = [email for email, turn in running.left.items() if running.stood.get(email) == turn]
    unheard = [email for email in running.stood if email not in heard]
    return Result(people, len(running.stood), len(running.left), len(after), len(crossed), running.turn, unheard)


async def _race(running: _Race, emails: list[str], chance: random.Random) -> None:
    house = running.house
    while len(running.firsts) < len(emails):  # the first ones leave within an hour as well
        house.clock.advance(timedelta(minutes=5))
        await pulse(asyncio.Event(), 0.05)
    begins = house.clock.now()
    ends = begins + timedelta(hours=2) + SPREAD
    span = (ends - begins) / timedelta(seconds=1)
    moments = sorted(
        (begins + timedelta(seconds=chance.uniform(0, span)), email) for email in emails if chance.random() < ANSWERING
    )
    waiting = iter(moments)
    upcoming = next(waiting, None)
    while house.clock.now() < ends or upcoming is not None:
        house.clock.advance(timedelta(seconds=chance.uniform(1, 45)))
        while upcoming is not None and upcoming[0] <= house.clock.now():
            await running.answers(upcoming[1], chance)
            upcoming = next(waiting, None)
            if chance.random() < 0.5:
                await pulse(asyncio.Event(), chance.uniform(0, 0.004))  # the worker is anywhere in its turn
        await pulse(asyncio.Event(), chance.uniform(0.001, 0.02))
        while running.busy and chance.random() < 0.8:  # time mostly stands still while a turn is taken, not always
            await pulse(asyncio.Event(), 0.005)
    await _settled(running)


async def _settled(running: _Race) -> None:
    """Until all that has come is read and all that is due has left."""
    for _ in range(3):
        before, turn = object(), running.turn
        running.house.clock.advance(timedelta(minutes=5))
        await running.house.reads_again(before)
        while running.turn <= turn:
            await pulse(asyncio.Event(), 0.01)
    while running.busy:
        await pulse(asyncio.Event(), 0.01)


@contextmanager
def _counted(running: _Race) -> Iterator[None]:
    """Number the worker's turns from their beginning."""
    real = mailbox_worker.take_turn

    async def take_turn(station: Station) -> Turn:
        running.turn += 1
        running.busy = True
        try:
            return await real(station)
        finally:
            running.busy = False

    mailbox_worker.take_turn = take_turn
    try:
        yield
    finally:
        mailbox_worker.take_turn = real
