"""What a rehearsal with many people foretells, against what the worker then does with the same people."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest

from sequencer.core.model import Status
from sequencer.daemon.mailbox_worker import work
from sequencer.operations.crowds import Crowd, Wanted, listed
from sequencer.operations.enrollments import enroll
from sequencer.store import attempts, contacts, enrollments
from sequencer.store.contacts import Incoming
from sequencer.workspace.crowd import Entrant, play_crowd
from sequencer.workspace.simulate import Assumptions
from tests.clock import PATIENCE
from tests.daemon.test_worker_pace import MINUTE, Shop, a_shop, config_for
from tests.operations.desk import DAY, MONDAY

PLAN = """\
from: mark
hours: Mon-Fri 08:30-17:00
steps:
  - {step: first, email: first, when: 2 hours later}
  - {step: second, email: second, when: 2 business days later}
  - {step: third, email: third, when: 3 days later on Tuesday, expires: 3 days}
back_off: {after: 6 days of silence, email: fresh}
"""
ZONES = ("America/Denver", "America/New_York", "Europe/Berlin", "Asia/Tokyo")
END = MONDAY + 32 * DAY  # Christmas and New Year's Day are behind it

Mails = list[tuple[str, str, str]]
"""When (ISO 8601), to whom, which step; in order."""


def the_config(shop: Shop, limits: str) -> str:
    text = config_for(shop.smtp, shop.imap, limits).replace("spread: off", "spread: 45 minutes")
    return text.replace("min_gap: off", "min_gap: 1 day, holidays: US")


def a_crowd(shop: Shop, chance: Random, number: int) -> Crowd:
    """People of several zones, who come in at all hours of six days."""
    path = shop.folder / "people.csv"
    lines = [f"p{n:02}@example.com,X,{chance.choice(ZONES)}" for n in range(number)]
    path.write_text("\n".join(["email,first_name,timezone", *lines, ""]), "utf-8")
    crowd = listed(shop.live.workspace, shop.live.workspace.sequences["plan"], path, Wanted(MONDAY))
    assert isinstance(crowd, Crowd)
    enter = sorted(chance.randrange(6 * 24 * 60) for _ in range(number))
    return replace(
        crowd,
        people=tuple(
            replace(person, enters=MONDAY + at * MINUTE) for person, at in zip(crowd.people, enter, strict=True)
        ),
    )


def foretold(shop: Shop, crowd: Crowd) -> Mails:
    config = shop.live.workspace.config
    taken = Assumptions(min_gap=config.contacts.min_gap, spread=config.spread, until=END)
    return sorted(
        (row.at.isoformat(), each.entrant.contact.email, row.step)
        for each in play_crowd(crowd.plan, crowd.people, crowd.limits, assumptions=taken)
        for row in each.rows
        if row.action in ("email", "back_off")
    )


async def lived(shop: Shop, people: Sequence[Entrant]) -> Mails:
    """One worker from the first to the last: who comes in later is due later."""
    for person in people:
        incoming = Incoming(person.contact.email, dict(person.contact.fields), timezone=person.contact.timezone)
        async with shop.live.database.begin() as conn:
            await contacts.upsert_many(conn, [incoming], person.enters)
        entered = await enroll(shop.live, "plan", [person.contact.email], person.enters)
        assert isinstance(entered, list)
    shop.clock.end = END
    async with asyncio.timeout(3 * PATIENCE):
        await work(shop.station)
    found: Mails = []
    async with shop.live.database.read() as conn:
        for standing in await enrollments.of_sequence(conn, "plan", tuple(Status), limit=1000):
            sent = await attempts.of_enrollment(conn, standing.enrollment.id)
            found += [(each.started_at.isoformat(), each.recipient, each.step) for each in sent]
    return sorted(found)


@pytest.mark.parametrize(
    "limits", ["{per_hour: 4, per_day: 9, gap: 20s-60s, ramp_up: 2/day}", "{per_hour: off, per_day: 5, gap: 90s-900s}"]
)
async def test_a_crowd_goes_as_it_was_foretold(tmp_path: Path, limits: str) -> None:
    async with a_shop(tmp_path, limits, plan=PLAN) as shop:
        await shop.adopt(config=the_config(shop, limits))
        shop.station.poll = timedelta(days=30)
        crowd = a_crowd(shop, Random(limits), 16)
        expected = foretold(shop, crowd)
        assert len(expected) > 50
        assert await lived(shop, crowd.people) == expected
