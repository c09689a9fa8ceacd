"""After an outage nobody is flooded and nobody forgotten: what waited leaves at the mailbox's pace, oldest first.

Three outages: the SMTP server is away for a day, the daemon was off for a day, and the recipients' servers say "later"
for hours. The worker is the real one, on a real IMAP and a real SMTP server; its clock leaps over what it waits for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Final

import pytest

from sequencer.core import events as e
from sequencer.core.model import Status
from sequencer.store import attempts, contacts, enrollments
from tests.daemon.test_worker_pace import Shop, a_shop
from tests.fire.conftest import Count
from tests.fire.scale import sized
from tests.operations.desk import HOUR
from tests.smtp_peer import Say

DUE: Final = sized(80, 200)
OUTAGE: Final = sized(12, 24) * HOUR
PER_HOUR: Final = 20
EXPIRES: Final = timedelta(hours=sized(7, 16))
PACED: Final = f"{{per_hour: {PER_HOUR}, per_day: off, gap: off}}"
BAD_HOURS: Final = sized(6, 12) * HOUR
PUT_OFF: Final = sized(40, 200)

PLAN: Final = "from: mark\nsteps:\n  - {step: first, email: first, when: immediately}\n"
URGENT: Final = PLAN.replace("immediately}", f"immediately, expires: {EXPIRES // HOUR} hours}}")


@dataclass
class Ledger:
    """What became of everybody, from the log and from the server."""

    due: dict[str, datetime] = field(default_factory=dict)
    sent: dict[str, datetime] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    retries: dict[str, list[datetime]] = field(default_factory=dict)
    arrived: list[str] = field(default_factory=list)


async def ledger_of(shop: Shop, names: Sequence[str]) -> Ledger:
    ledger = Ledger(arrived=[mail.recipients[0] for mail in shop.smtp.accepted])
    async with shop.live.database.read() as conn:
        for name in names:
            for standing in await enrollments.of_sequence(conn, name, tuple(Status), limit=10_000):
                enrollment = standing.enrollment
                log = [line.event for line in await enrollments.events_of(conn, enrollment.id)]
                started = [one for one in await attempts.of_enrollment(conn, enrollment.id) if one.state == "accepted"]
                contact = await contacts.by_id(conn, enrollment.contact_id, shop.live.defaults)
                assert contact is not None
                ledger.due[contact.email] = enrollment.enrolled_at
                ledger.retries[contact.email] = [event.retry_at for event in log if isinstance(event, e.Deferred)]
                for event in log:
                    if isinstance(event, e.Skipped):
                        ledger.skipped[contact.email] = event.reason
                for one in started:
                    assert one.recipient not in ledger.sent, "twice"
                    ledger.sent[one.recipient] = one.started_at
    return ledger


async def fall_due(shop: Shop, over: timedelta, *, working: bool) -> None:
    """Everybody falls due, one after the other, while nothing can leave; every fourth of them for a limited time."""
    started, step = shop.clock.instant, over / DUE
    for number in range(DUE):
        at = started + number * step
        if working and number % 10 == 0:
            await shop.run_for(at - shop.clock.instant)
        shop.clock.instant = max(shop.clock.instant, at)
        email = f"p{(number * 37) % DUE:03}@example.com"  # so that neither names nor numbers are in the order of time
        await shop.enroll(email, sequence="urgent" if number % 4 == 0 else "plan", at=at)
    if working:
        await shop.run_for(started + over - shop.clock.instant)
    shop.clock.instant = started + over


async def in_pieces(shop: Shop, span: timedelta, piece: timedelta = HOUR) -> None:
    """A long time in pieces, so that none takes longer than a test has patience for."""
    for _ in range(span // piece):
        await shop.run_for(piece)


def judge(ledger: Ledger, ended: datetime) -> None:
    """Nobody twice, nobody lost, in order, at the pace, and what was too late is recorded."""
    assert len(ledger.arrived) == len(set(ledger.arrived))
    assert set(ledger.arrived) == set(ledger.sent)
    assert set(ledger.sent) | set(ledger.skipped) == set(ledger.due)
    assert not set(ledger.sent) & set(ledger.skipped)
    order = [ledger.due[email] for email in ledger.arrived]
    assert order == sorted(order)
    times = sorted(ledger.sent.values())
    assert times[0] >= ended
    for first, after in zip(times, times[PER_HOUR:], strict=False):
        assert after - first >= HOUR, "more than the mailbox sends in an hour"
    assert times[-1] - times[0] <= (len(times) / PER_HOUR + 1) * HOUR, "slower than its pace"
    assert all(reason.startswith("could not leave within") for reason in ledger.skipped.values())
    for email in ledger.skipped:
        assert ledger.due[email] + EXPIRES <= ended + (len(times) / PER_HOUR + 1) * HOUR


@pytest.mark.parametrize("what", ["the SMTP server was away", "the daemon was off"])
async def test_what_waited_leaves_at_the_pace_the_longest_due_first(tmp_path: Path, counts: Count, what: str) -> None:
    async with a_shop(tmp_path, PACED, plan=PLAN, urgent=URGENT) as shop:
        working = what != "the daemon was off"
        if working:
            await shop.smtp.stop()
        connections = shop.smtp.connections
        port = shop.smtp.port
        await fall_due(shop, OUTAGE, working=working)
        ended = shop.clock.instant
        assert shop.smtp.accepted == []
        assert shop.smtp.connections == connections
        if working:
            await shop.smtp.start(port)
        await in_pieces(shop, (DUE // PER_HOUR + 2) * HOUR)
        ledger = await ledger_of(shop, ("plan", "urgent"))
        judge(ledger, ended)
        assert len(ledger.skipped) >= DUE // 16, "nothing has expired, so that the trial shows nothing"
        times = sorted(ledger.sent.values())
        counts(
            f"outage of {OUTAGE // HOUR} hours ({what})",
            due=len(ledger.due),
            sent=len(ledger.sent),
            skipped_and_recorded=len(ledger.skipped),
            twice=len(ledger.arrived) - len(set(ledger.arrived)),
            lost=len(set(ledger.due) - set(ledger.sent) - set(ledger.skipped)),
            out_of_order=sum(1 for a, b in pairwise([ledger.due[x] for x in ledger.arrived]) if a > b),
            most_in_an_hour=max(sum(1 for t in times if at <= t < at + HOUR) for at in times),
        )


async def test_what_servers_put_off_backs_off_with_jitter_and_is_not_lost(tmp_path: Path, counts: Count) -> None:
    async with a_shop(tmp_path, "off", plan=PLAN) as shop:
        shop.smtp.always("rcpt", Say("452 4.2.2 The mailbox is full"))
        await shop.enroll(*(f"p{number:03}@example.com" for number in range(PUT_OFF)))
        await in_pieces(shop, BAD_HOURS, HOUR / 6)
        assert shop.smtp.accepted == []
        tried = Counter(line.upper() for line in shop.smtp.commands if line.startswith("RCPT"))
        shop.smtp.always("rcpt", None)
        await in_pieces(shop, 8 * HOUR, HOUR / 6)
        ledger = await ledger_of(shop, ("plan",))
        assert len(ledger.arrived) == len(set(ledger.arrived)) == PUT_OFF
        crowds = []
        for rank in range(min(len(times) for times in ledger.retries.values())):
            crowd = Counter(times[rank].replace(second=0, microsecond=0) for times in ledger.retries.values())
            crowds.append(max(crowd.values()))
        for times in ledger.retries.values():
            gaps = [after - before for before, after in pairwise(times)]
            assert all(after > before for before, after in pairwise(gaps) if before < 6 * HOUR), "it does not back off"
        assert crowds[-1] <= max(4, PUT_OFF // 6), "they all come back at one moment"
        assert max(tried.values()) <= 8
        counts(
            f"“452 mailbox full” to everybody for {BAD_HOURS // HOUR} hours",
            put_off=PUT_OFF,
            tries_each=max(tried.values()),
            most_in_one_minute_of_each_round="/".join(map(str, crowds)),
            delivered=len(ledger.arrived),
            twice=len(ledger.arrived) - len(set(ledger.arrived)),
            lost=PUT_OFF - len(set(ledger.arrived)),
        )
