"""What `simulate` foretells of one person, against what the real store, rules and reader then do with them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

import pytest

from sequencer.core.model import Span, Unit
from sequencer.core.timing import add_span
from sequencer.operations import tasks
from sequencer.operations.foresight import Subject, real, time_line
from sequencer.store import contacts
from sequencer.store.contacts import Incoming
from sequencer.store.database import Database
from sequencer.workspace.calendars import calendar_for
from sequencer.workspace.rehearsals import Answer
from tests.operations.desk import ANNA, CONFIG, MONDAY, a_desk
from tests.operations.letterbox import Letterbox

HOURS = (
    "Mon-Fri 08:30-17:00",
    "Tue-Thu 10:00-16:00",
    "Mon-Sat 07:00-20:00",
    "Mon-Fri 09:00-12:00, Mon-Fri 13:30-18:00",
)
WHENS = (
    "1 day later",
    "3 hours later",
    "4 business days later",
    "6 days later at 09:30",
    "2 days later at 23:30",
    "5 days later on Tuesday",
    "day 20",
    "12 days of silence",
)
WORDS = (
    "Not now, maybe in March.",
    "Please try again in three weeks.",
    "We have no budget right now. Call me on 2027-02-03.",
    "Yes, this sounds great, let us talk!",
    "Not interested, thanks.",
    "How much does it cost?",
    "That is over our budget.",
    "Unsubscribe",
)
Touch = tuple[datetime, str]
"""When it left or was asked for, and its step."""


def a_step(step: str, template: str, chance: Random) -> str:
    does = f"email: {template}" if chance.random() < 0.85 or step == "s0" else "task: call"
    late = f", expires: {chance.choice(('6 days', '1 day', '4 hours'))}" if chance.random() < 0.2 else ""
    return f"{{step: {step}, {does}, when: {chance.choice(WHENS)}{late}}}\n"


def a_plan(chance: Random) -> str:
    """A sequence such as somebody might write, with a branch and reactions to answers."""
    templates = ("first", "second", "third", "second", "third")
    steps = [a_step(f"s{n}", templates[n], chance) for n in range(chance.randint(2, 5))]
    branch = [a_step(f"b{n}", "third", chance) for n in range(chance.randint(1, 2))]
    return (
        f"from: mark\nhours: {chance.choice(HOURS)}\n"
        + "".join(["steps:\n", *(f"  - {step}" for step in steps)])
        + "".join(["branches:\n  haggle:\n", *(f"    - {step}" for step in branch)])
        + ("back_off: {after: 10 days of silence, email: fresh}\n" if chance.random() < 0.6 else "")
        + "labels:\n  cost: [over our budget]\n"
        + "on_reply:\n  cost: {go_to: haggle}\n  not_now: {snooze: until they say, otherwise: 30 days}\n"
        + ("  not_interested: {go_to: haggle}\n" if chance.random() < 0.5 else "")
        + ("  question: continue\n" if chance.random() < 0.5 else "")
        + "  any: pause\n"
    )


def some_answers(plan: str, chance: Random) -> list[Answer]:
    steps = [step for step in ("s0", "s1", "s2", "s3", "b0") if f"step: {step}," in plan]
    units = (Unit.HOURS, Unit.DAYS, Unit.BUSINESS_DAYS)
    return [
        Answer(chance.choice(steps), Span(chance.randint(1, 5), chance.choice(units)), words=chance.choice(WORDS))
        for _ in range(chance.randint(0, 2))
    ]


@dataclass
class Life:
    """Anna as she really fares: `coming` are the answers that she is about to write."""

    box: Letterbox
    subject: Subject
    answers: list[Answer]
    coming: list[tuple[datetime, Answer]] = field(default_factory=list)
    touches: list[Touch] = field(default_factory=list)

    async def live(self) -> list[Touch]:
        """From one thing that happens to the next, until nothing more would."""
        desk = self.box.desk
        for _ in range(200):
            while self.coming and self.coming[0][0] <= desk.now:
                _, answer = self.coming.pop(0)
                if desk.received(ANNA):
                    await self.box.arrives(self.box.answer(ANNA, answer.words))
            await self._work()
            standing = await desk.standing(ANNA)
            ahead = [standing.wake_at, *(at for at, _ in self.coming[:1])]
            moments = [at for at in ahead if at is not None and at > desk.now]
            if not moments:
                return self.touches
            desk.now = min(moments)
        raise AssertionError("there is no end to it")

    async def _work(self) -> None:
        """The worker's turns at this instant; the rep does each task at once."""
        desk, before = self.box.desk, -1
        while before != (before := len(await desk.log(ANNA))):
            await desk.turn()
            sent = [(each.started_at, each.step) for each in await desk.attempts(ANNA)]
            for touch in sent:
                if touch not in self.touches:
                    self._touched(touch)
            async with desk.live.database.read() as conn:
                to_dos = await tasks.to_dos(conn, desk.live)
            for to_do in to_dos:
                await tasks.done(desk.live, to_do.task.id, "done", desk.now)
                self._touched((desk.now, to_do.task.step))

    def _touched(self, touch: Touch) -> None:
        self.touches.append(touch)
        desk = self.box.desk
        plan = desk.live.workspace.sequences["plan"]
        calendar = calendar_for(self.subject.contact, plan, self.subject.mailbox)
        for answer in [each for each in self.answers if each.step == touch[1]]:
            self.answers.remove(answer)
            self.coming.append((add_span(desk.now, answer.delay, calendar), answer))
        self.coming.sort(key=lambda each: each[0])


@pytest.mark.parametrize("seed", range(8))
async def test_somebody_fares_as_it_was_foretold(database: Database, tmp_path: Path, seed: int) -> None:
    chance = Random(seed)
    plan = a_plan(chance)
    answers = some_answers(plan, chance)
    config = CONFIG.replace("spread: off", "spread: 40 minutes") if seed % 2 else CONFIG
    config = config.replace("min_gap: off", "min_gap: 2 days, holidays: US") if seed % 3 else config
    async with a_desk(database, tmp_path, config=config, plan=plan) as desk:
        desk.now = start = MONDAY + chance.randrange(40 * 24 * 60) * timedelta(minutes=1)
        zone = chance.choice(("America/Denver", "Asia/Tokyo", "Europe/Berlin", "Australia/Lord_Howe"))
        async with database.begin() as conn:
            await contacts.upsert_many(conn, [Incoming(ANNA, timezone=zone)], start)
        await desk.enroll(ANNA)
        async with database.read() as conn:
            subject = await real(conn, desk.live, desk.live.workspace.sequences["plan"], ANNA)
        assert isinstance(subject, Subject)
        assert subject.contact.timezone == zone
        foretold = time_line(desk.live.workspace, desk.live.workspace.sequences["plan"], subject, start, answers)
        life = Life(Letterbox(desk), subject, list(answers))
        expected = [(row.at, row.step) for row in foretold if row.action in ("email", "task", "back_off")]
        assert await life.live() == expected, plan
