"""Several at once: one person in two sequences, many people over many connections, servers that count or complain."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest

from sequencer.core.events import Event, Paused, Resumed
from sequencer.core.model import Enrollment, Status
from sequencer.operations.lines import MOST_LINES, Lines
from sequencer.operations.record import change
from sequencer.store import agenda, aliases, contacts
from sequencer.store.attempts import AttemptState
from sequencer.store.contacts import Incoming
from sequencer.store.database import Database
from tests.operations.desk import (
    ANNA,
    BEN,
    CONFIG,
    DAY,
    HOUR,
    PLAN,
    Desk,
    a_desk,
    account_of,
    take_office,
)
from tests.smtp_peer import Action, Drop, Say, Stall


@pytest.fixture
async def desk(database: Database, tmp_path: Path) -> AsyncIterator[Desk]:
    async with a_desk(database, tmp_path) as desk:
        yield desk


# Two sequences, two mailboxes, one person ------------------------------------------------------------

BESIDE = "alongside: yes\n" + PLAN


async def test_one_person_gets_one_message_at_a_time(desk: Desk) -> None:
    await desk.adopt(beside=BESIDE)
    await desk.enroll(ANNA)
    await desk.enroll(ANNA, sequence="beside")
    await desk.turn()
    assert len(desk.received(ANNA)) == 1
    await desk.turn(timedelta(minutes=1))
    assert len(desk.received(ANNA)) == 2


async def test_min_gap_holds_across_sequences_and_mailboxes(desk: Desk) -> None:
    await desk.adopt(beside=BESIDE.replace("from: mark", "from: susan"), config=CONFIG.replace("off}", "2 days}", 1))
    await desk.enroll(ANNA)
    await desk.enroll(ANNA, sequence="beside")
    susan = await take_office(desk.live, "susan", desk.office.lines.account)
    other = Desk(desk.live, desk.peer, susan, desk.folder)
    # Both have decided to write to her before either has.
    arrived = asyncio.Event()

    async def susan_is_faster() -> None:
        if not arrived.is_set():
            arrived.set()
            await other.turn()

    desk.hook().offered = susan_is_faster
    await desk.turn()
    assert [mail["From"] for mail in desk.received(ANNA)] == ["Susan Reyes <susan@flatheadrv.example>"]
    for _ in range(8):
        await desk.turn(12 * HOUR)
        other.now = desk.now
        await other.turn()
    await other.office.lines.close()
    times = sorted([attempt.started_at for name in ("plan", "beside") for attempt in await desk.attempts(ANNA, name)])
    assert len(times) == 3
    assert all(later - earlier >= 2 * DAY for earlier, later in pairwise(times))


async def test_another_message_in_the_air_to_the_same_person_is_waited_for(desk: Desk) -> None:
    await desk.adopt(beside=BESIDE.replace("from: mark", "from: susan"))
    await desk.enroll(ANNA)
    await desk.enroll(ANNA, sequence="beside")
    susan = await take_office(desk.live, "susan", desk.office.lines.account)
    other = Desk(desk.live, desk.peer, susan, desk.folder)
    desk.hook().before = other.turn
    await desk.turn()
    assert len(desk.received(ANNA)) == 1
    hold = (await desk.standing(ANNA, "beside")).hold
    assert hold is not None
    assert hold.reason == "another message to them is on its way"
    await other.turn(timedelta(minutes=1))
    await other.office.lines.close()
    assert len(desk.received(ANNA)) == 2


# The connections -------------------------------------------------------------------------------------


async def test_a_connection_that_went_away_unnoticed_is_made_anew(desk: Desk) -> None:
    account = replace(account_of(desk.peer), probe_after=0.0)
    desk.office = replace(desk.office, lines=Lines(account))
    await desk.enroll(ANNA)
    await desk.turn()
    await desk.enroll(BEN)
    desk.peer.once("noop", Drop())
    sent = await desk.turn(HOUR)
    assert (sent.trouble, sent.count) == (None, 1)
    assert desk.peer.connections == 2


@pytest.mark.parametrize("action", [Say("421 4.3.2 Later", then_drop=True), Drop(), Stall()])
async def test_a_server_that_hangs_up_on_new_connections_too_is_left_alone(desk: Desk, action: Action) -> None:
    await desk.enroll(ANNA)
    desk.peer.always("mail", action)
    sent = await desk.turn()
    assert sent.trouble is not None
    assert desk.peer.connections == 2
    assert (await desk.log(ANNA), await desk.states(ANNA)) == (["Enrolled"], [])


async def test_a_refused_login_is_tried_once_not_on_every_connection(desk: Desk) -> None:
    await desk.enroll(*(f"p{n}@example.com" for n in range(20)))
    desk.peer.always("auth", Say("535 5.7.8 Wrong password"))
    sent = await desk.turn()
    assert sent.trouble is not None
    assert not sent.trouble.temporary
    assert desk.peer.connections == 1


async def test_many_go_over_as_many_connections_as_we_take_and_each_gets_one(desk: Desk) -> None:
    people = [f"p{n}@example.com" for n in range(40)]
    await desk.enroll(*people)
    sent = await desk.turn()
    assert (sent.count, sent.delivered, sent.trouble) == (40, 40, None)
    assert sorted(mail.recipients[0] for mail in desk.peer.accepted) == sorted(people)
    assert desk.peer.connections == MOST_LINES


async def test_a_server_that_counts_connections_is_not_pestered(desk: Desk) -> None:
    await desk.enroll(ANNA, BEN)
    await desk.turn()
    people = [f"p{n}@example.com" for n in range(20)]
    await desk.enroll(*people)
    desk.peer.always("greeting", Say("421 4.7.0 Too many connections", then_drop=True))
    sent = await desk.turn()
    assert (sent.count, sent.trouble) == (20, None)
    assert desk.peer.connections == 2 + 1


async def test_trouble_in_one_batch_stops_the_next(desk: Desk) -> None:
    await desk.enroll(*(f"p{n}@example.com" for n in range(40)))
    desk.peer.always("end", Drop())
    sent = await desk.turn()
    assert sent.trouble is not None
    assert sent.count == MOST_LINES  # in doubt, and no more than these
    assert sent.delivered == 0


async def test_told_to_stop_the_batch_in_hand_is_finished_and_no_other_begun(desk: Desk) -> None:
    await desk.enroll(*(f"p{n}@example.com" for n in range(40)))
    stop = asyncio.Event()
    hooks = desk.hook()
    desk.office = replace(desk.office, stopping=stop.is_set)

    async def told_to_stop() -> None:
        stop.set()

    hooks.before = told_to_stop
    sent = await desk.turn()
    assert sent.count == sent.delivered == len(desk.peer.accepted) == MOST_LINES


async def test_the_id_that_the_server_gives_instead_of_ours_is_kept(desk: Desk) -> None:
    await desk.enroll(ANNA)
    desk.peer.once("end", Say("250 2.0.0 OK <rewritten@prod.example> [Hostname=x]"))
    await desk.turn()
    anna = await desk.enrollment(ANNA)
    async with desk.live.database.read() as conn:
        assert await aliases.by_message_ids(conn, ["<rewritten@prod.example>"]) == {"<rewritten@prod.example>": anna.id}


@pytest.mark.parametrize("refusal", ["451 4.3.0 Later", "550 5.7.23 SPF fails"])
async def test_one_address_that_upsets_the_server_does_not_stand_in_everybodys_way(desk: Desk, refusal: str) -> None:
    await desk.enroll(ANNA)
    desk.peer.once("rcpt", Say(refusal))
    assert (await desk.turn()).trouble is not None
    await desk.enroll(BEN)
    sent = await desk.turn(timedelta(minutes=1))
    assert (sent.trouble, len(desk.received(BEN))) == (None, 1)


async def test_a_message_that_is_put_off_for_days_pauses_with_what_the_server_says(desk: Desk) -> None:
    await desk.enroll(ANNA)
    desk.peer.always("end", Say("452 4.2.2 Mailbox full"))
    for _ in range(60):
        await desk.turn(HOUR)
    paused = await desk.enrollment(ANNA)
    assert paused.status is Status.PAUSED
    assert paused.reason == "the server put it off 12 times: 452 4.2.2 Mailbox full"
    assert await desk.states(ANNA) == [AttemptState.DEFERRED] * 11 + [AttemptState.REJECTED]
    assert desk.received(ANNA) == []


async def test_a_sender_that_is_refused_for_days_costs_nobody_their_place(desk: Desk) -> None:
    await desk.enroll(ANNA)
    desk.peer.always("end", Say("550 5.7.515 You are not authenticated"))
    for _ in range(100):
        await desk.turn(HOUR)
    assert (await desk.enrollment(ANNA)).status is Status.ACTIVE
    desk.peer.always("end", None)
    await desk.turn(6 * HOUR)
    await desk.turn(6 * HOUR)
    assert len(desk.received(ANNA)) == 1


async def test_two_mailboxes_an_import_and_a_rep_at_once(desk: Desk) -> None:
    """Nobody waits for somebody who waits for them, and nobody gets a step twice."""
    plan = PLAN.replace("3 days later", "1 minute later")
    await desk.adopt(plan=plan, beside="alongside: yes\n" + plan.replace("from: mark", "from: susan"))
    people = [f"p{n:02}@example.com" for n in range(30)]
    mine = await desk.enroll(*people)
    await desk.enroll(*people, sequence="beside")
    susan = await take_office(desk.live, "susan", desk.office.lines.account)
    other = Desk(desk.live, desk.peer, susan, desk.folder)

    async def work(of: Desk) -> None:
        for _ in range(14):
            await of.turn(timedelta(minutes=2))

    async def imports() -> None:
        for n in range(30):
            rows = [Incoming(email, {"visits": n}) for email in reversed(people)]
            async with desk.live.database.begin() as conn:
                made = await contacts.upsert_many(conn, rows, desk.now)
                await agenda.wake_contacts(conn, [one.id for one in made], desk.now)

    async def a_rep() -> None:
        for enrollment in reversed(mine):
            for event in (Paused(at=desk.now, reason="by hand"), Resumed(at=desk.now)):
                await change(desk.live, enrollment.id, desk.now, partial(_only, event))

    async with asyncio.timeout(60):
        await asyncio.gather(work(desk), work(other), imports(), a_rep())
    await other.office.lines.close()
    received = Counter((mail.sender, mail.recipients[0]) for mail in desk.peer.accepted)
    assert received == {(f"{name}@flatheadrv.example", email): 3 for name in ("mark", "susan") for email in people}
    for email in people:
        assert await desk.states(email) == [AttemptState.ACCEPTED] * 3


def _only(event: Event, _: Enrollment) -> tuple[Event]:
    return (event,)
