"""Promise 1, phase by phase: whatever the server does, nobody receives a step twice, and nothing is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from sequencer.core import events as e
from sequencer.core.model import Status
from sequencer.operations.advance import advance
from sequencer.operations.lines import Lines
from sequencer.operations.record import change
from sequencer.operations.send import send
from sequencer.store import agenda, contacts, mailboxes, set_aside, suppressions
from sequencer.store.attempts import AttemptState
from sequencer.store.database import Database
from tests.operations.desk import ANNA, BEN, DAY, HOUR, MONDAY, Desk, a_desk
from tests.smtp_peer import Action, Drop, Phase, Say, Stall


@pytest.fixture
async def desk(database: Database, tmp_path: Path) -> AsyncIterator[Desk]:
    async with a_desk(database, tmp_path) as desk:
        yield desk
        await accept_writing(database)


@dataclass(frozen=True)
class Result:
    """What a fault comes to. `received`: right after it, and in the end; `events`: those that follow `Enrolled`."""

    events: tuple[str, ...]
    states: tuple[AttemptState, ...]
    trouble: bool
    received: tuple[int, int]
    status: Status = Status.ACTIVE
    suppressed: bool = False


STARTED = "AttemptStarted"
# It never happened: the contact's address was not even spoken of. The mailbox waits.
UNTOUCHED = Result((), (), True, (0, 1))
# Put off before anything was committed; with the mailbox, or without.
PUT_OFF = Result(("Deferred",), (), False, (0, 1))
PUT_OFF_AND_HELD = Result(("Deferred",), (), True, (0, 1))
DEFERRED = Result((STARTED, "Deferred"), (AttemptState.DEFERRED,), True, (0, 1))
DEFERRED_ALONE = Result((STARTED, "Deferred"), (AttemptState.DEFERRED,), False, (0, 1))
DOUBT = Result((STARTED, "InDoubt"), (AttemptState.IN_DOUBT,), True, (0, 0))
DOUBT_THOUGH_THERE = Result((STARTED, "InDoubt"), (AttemptState.IN_DOUBT,), True, (1, 1))
REFUSED = Result(("Rejected", "Paused"), (), False, (0, 0), Status.PAUSED)
GONE = Result(("Rejected", "Stopped"), (), False, (0, 0), Status.STOPPED, suppressed=True)
REJECTED = Result((STARTED, "Rejected", "Paused"), (AttemptState.REJECTED,), False, (0, 0), Status.PAUSED)
GONE_LATE = Result(
    (STARTED, "Rejected", "Stopped"), (AttemptState.REJECTED,), False, (0, 0), Status.STOPPED, suppressed=True
)
SENT = Result((STARTED, "Accepted"), (AttemptState.ACCEPTED,), False, (1, 1))

FAULTS: list[tuple[Phase, Action, Result]] = [
    ("greeting", Say("421 4.3.2 Later", then_drop=True), UNTOUCHED),
    ("greeting", Say("450 4.3.2 Later", then_drop=True), UNTOUCHED),
    ("greeting", Say("554 5.3.2 No service", then_drop=True), UNTOUCHED),
    ("greeting", Drop(), UNTOUCHED),
    ("greeting", Stall(), UNTOUCHED),
    ("ehlo", Say("421 4.3.2 Later", then_drop=True), UNTOUCHED),
    ("ehlo", Drop(), UNTOUCHED),
    ("auth", Say("454 4.7.0 Later"), UNTOUCHED),
    ("auth", Say("535 5.7.8 Wrong password"), UNTOUCHED),
    ("auth", Say("421 4.3.2 Later", then_drop=True), UNTOUCHED),
    ("auth", Drop(), UNTOUCHED),
    ("auth", Stall(), UNTOUCHED),
    ("mail", Say("451 4.3.0 Later"), UNTOUCHED),
    ("mail", Say("550 5.7.1 You are blocked"), UNTOUCHED),
    ("mail", Say("421 4.3.2 Too many messages on this connection", then_drop=True), SENT),
    ("mail", Drop(), SENT),
    ("mail", Stall(), SENT),
    ("rcpt", Say("450 4.2.1 Mailbox busy"), PUT_OFF),
    ("rcpt", Say("451 4.3.0 Later"), PUT_OFF_AND_HELD),
    ("rcpt", Say("550 5.1.1 No such user"), GONE),
    ("rcpt", Say("550 5.7.23 SPF fails"), PUT_OFF_AND_HELD),
    ("rcpt", Say("421 4.3.2 Later", then_drop=True), PUT_OFF_AND_HELD),
    ("rcpt", Drop(), PUT_OFF_AND_HELD),
    ("rcpt", Stall(), PUT_OFF_AND_HELD),
    ("data", Say("451 4.3.0 Later"), DEFERRED),
    ("data", Say("554 5.6.0 Not this one"), REJECTED),
    ("data", Say("421 4.3.2 Later", then_drop=True), DEFERRED),
    ("data", Drop(), DEFERRED),
    ("data", Stall(), DEFERRED),
    ("body", Say("452 4.2.2 Mailbox full", then_drop=True), DEFERRED_ALONE),
    ("body", Say("552 5.3.4 Too big", then_drop=True), REJECTED),
    ("body", Say("421 4.3.2 Later", then_drop=True), DEFERRED),
    ("body", Drop(), DOUBT),
    ("body", Stall(), DOUBT),
    ("end", Say("451 4.3.0 Later"), DEFERRED),
    ("end", Say("452 4.2.2 Mailbox full"), DEFERRED_ALONE),
    ("end", Say("550 5.1.1 No such user"), GONE_LATE),
    ("end", Say("550 5.7.515 You are not authenticated"), DEFERRED),
    ("end", Say("554 5.6.0 Not this one"), REJECTED),
    ("end", Say("421 4.3.2 Later", then_drop=True), DEFERRED),
    ("end", Say("354 What?"), DOUBT),
    ("end", Drop(), DOUBT),
    ("end", Drop(accepting=True), DOUBT_THOUGH_THERE),
    ("end", Stall(), DOUBT),
    ("end", Stall(accepting=True), DOUBT_THOUGH_THERE),
    ("accepted", Drop(), SENT),
    ("accepted", Say("421 4.3.2 Bye", then_drop=True), SENT),
]


@pytest.mark.parametrize(
    ("phase", "action", "expected"), FAULTS, ids=[f"{phase}-{action}" for phase, action, _ in FAULTS]
)
async def test_whatever_the_server_does(desk: Desk, phase: Phase, action: Action, expected: Result) -> None:
    await desk.enroll(ANNA)
    desk.peer.once(phase, action)
    sent = await desk.turn()
    assert desk.peer.reached[phase].is_set()
    assert (await desk.log(ANNA))[1:] == list(expected.events)
    assert await desk.states(ANNA) == list(expected.states)
    assert (sent.trouble is not None) is expected.trouble
    assert len(desk.received(ANNA)) == expected.received[0]
    enrollment = await desk.enrollment(ANNA)
    assert enrollment.status is expected.status
    assert enrollment.in_flight is None
    assert bool(await desk.suppressed(ANNA)) is expected.suppressed
    # The server is well again: within a day the step has been taken exactly as often as it should.
    await desk.turns(timedelta(minutes=20), HOUR, DAY)
    assert len(desk.received(ANNA)) == expected.received[1]
    taken = expected.received[1] == 1 or AttemptState.IN_DOUBT in expected.states
    assert (await desk.enrollment(ANNA)).position.step == ("second" if taken else "first")


async def test_a_server_that_is_not_there(desk: Desk) -> None:
    await desk.enroll(ANNA)
    port = desk.peer.port
    await desk.peer.stop()
    sent = await desk.turn()
    assert sent.trouble is not None
    assert sent.trouble.temporary
    assert (await desk.log(ANNA), await desk.states(ANNA)) == (["Enrolled"], [])
    await desk.peer.start(port)
    await desk.turn(HOUR)
    assert len(desk.received(ANNA)) == 1


async def test_a_message_in_doubt_counts_as_delivered_and_the_plan_goes_on(desk: Desk) -> None:
    await desk.enroll(ANNA)
    desk.peer.once("end", Drop(accepting=True))
    await desk.turn()
    assert desk.words == ["in_doubt"]
    for _ in range(4):
        await desk.turn(HOUR)
    assert len(desk.received(ANNA)) == 1
    await desk.turn(3 * DAY)
    first, second = desk.received(ANNA)
    assert second["In-Reply-To"] == first["Message-ID"]
    assert await desk.states(ANNA) == [AttemptState.IN_DOUBT, AttemptState.ACCEPTED]


async def test_one_persons_fault_is_not_the_others(desk: Desk) -> None:
    await desk.enroll(BEN, ANNA)
    desk.peer.once("rcpt", Say("550 5.1.1 No such user"))
    sent = await desk.turn()
    assert (sent.trouble, sent.count) == (None, 1)
    stopped, active = sorted([BEN, ANNA], key=lambda email: len(desk.received(email)))
    assert (await desk.enrollment(stopped)).status is Status.STOPPED
    assert (await desk.enrollment(active)).position.step == "second"


# Between the moments ---------------------------------------------------------------------------------


async def test_the_lease_lost_between_the_offer_and_the_commit(desk: Desk) -> None:
    await desk.enroll(ANNA, BEN)

    async def another_takes_over() -> None:
        async with desk.live.database.begin() as conn:
            await mailboxes.take(conn, "mark", "another", 60, evict=True)

    desk.hook().offered = another_takes_over
    sent = await desk.turn()
    assert sent.lost is not None
    assert desk.peer.accepted == []
    assert "DATA" not in desk.peer.commands
    assert desk.peer.commands.count("RSET") == 2
    assert (await desk.log(ANNA), await desk.states(ANNA)) == (["Enrolled"], [])
    # The new owner sends both, once.
    await desk.retake()
    await desk.turns(HOUR, HOUR)
    assert [len(desk.received(email)) for email in (ANNA, BEN)] == [1, 1]


async def test_a_frozen_worker_that_wakes_up_after_another_has_sent(desk: Desk) -> None:
    await desk.enroll(ANNA)
    zombie = replace(desk.office, lines=Lines(desk.office.lines.account))
    async with desk.live.database.begin() as conn:
        await mailboxes.set_inbox_read(conn, "mark", desk.now)
    frozen = (await advance(desk.live, "mark", desk.now, 200)).ready
    await desk.retake()
    await desk.turn()
    sent = await send(desk.live, zombie, frozen, desk.now)
    await zombie.lines.close()
    assert (sent.lost is not None, sent.count) == (True, 0)
    assert len(desk.received(ANNA)) == 1


async def test_a_rep_pauses_between_the_decision_and_the_commit(desk: Desk) -> None:
    await desk.enroll(ANNA, BEN)
    desk.hook().offered = partial(_pause, desk, ANNA)
    sent = await desk.turn()
    assert (sent.count, sent.trouble) == (1, None)
    assert (desk.received(ANNA), len(desk.received(BEN))) == ([], 1)
    assert await desk.states(ANNA) == []
    assert (await desk.enrollment(ANNA)).status is Status.PAUSED
    assert "RSET" in desk.peer.commands


@pytest.mark.parametrize("target", [ANNA, ANNA.upper(), "@example.com"])
async def test_suppressed_between_the_decision_and_the_commit(desk: Desk, target: str) -> None:
    await desk.enroll(ANNA, BEN)

    async def suppress() -> None:
        async with desk.live.database.begin() as conn:
            await suppressions.add(conn, target, "they asked", "a test", desk.now)

    desk.hook().offered = suppress
    await desk.turns(timedelta(), timedelta())
    assert (desk.received(ANNA), len(desk.received(BEN))) == ([], 1)
    enrollment = await desk.enrollment(ANNA)
    assert (enrollment.status, enrollment.reason) == (Status.STOPPED, "suppressed: they asked")


async def test_a_pause_while_the_message_is_in_the_air(desk: Desk) -> None:
    await desk.enroll(ANNA, BEN)
    desk.hook().before = partial(_pause, desk, ANNA)
    sent = await desk.turn()
    assert sent.count == 2
    assert await desk.log(ANNA) == ["Enrolled", "AttemptStarted", "Paused", "Accepted"]
    paused = await desk.enrollment(ANNA)
    assert (paused.status, paused.position.step, paused.emails_sent) == (Status.PAUSED, "second", 1)
    await desk.turns(3 * DAY, 3 * DAY)
    assert [len(desk.received(email)) for email in (ANNA, BEN)] == [1, 3]


async def test_a_stop_and_a_refusal_while_the_message_is_in_the_air(desk: Desk) -> None:
    await desk.enroll(ANNA)
    desk.hook().before = partial(_change, desk, ANNA, e.Stopped(at=MONDAY, reason="enough"))
    desk.peer.once("end", Say("554 5.6.0 Not this one"))
    await desk.turn()
    stopped = await desk.enrollment(ANNA)
    assert (stopped.status, stopped.reason, stopped.in_flight) == (Status.STOPPED, "enough", None)
    assert await desk.states(ANNA) == [AttemptState.REJECTED]


async def test_an_erasure_while_the_message_is_in_the_air(desk: Desk) -> None:
    await desk.enroll(ANNA, BEN)
    anna = await desk.contact(ANNA)

    async def erase() -> None:
        async with desk.live.database.begin() as conn:
            await contacts.erase(conn, anna.id)

    desk.hook().before = erase
    assert (await desk.turn()).count == 2
    assert (await desk.enrollment(BEN)).position.step == "second"


async def _pause(desk: Desk, email: str) -> None:
    await _change(desk, email, e.Paused(at=desk.now, reason="by hand"))


async def _change(desk: Desk, email: str, event: e.Event) -> None:
    """Once, however often the moment comes."""
    enrollment = await desk.enrollment(email)
    before = enrollment.status
    await change(
        desk.live, enrollment.id, desk.now, lambda now: (event,) if now.status is before is Status.ACTIVE else ()
    )


# Crashes ---------------------------------------------------------------------------------------------


class Crash(BaseException):
    """The process ends here."""


async def crash() -> None:
    raise Crash


@pytest.mark.parametrize(("moment", "received"), [("before", 0), ("after", 1)])
async def test_a_crash_before_data_or_before_the_outcome_is_committed(desk: Desk, moment: str, received: int) -> None:
    await desk.enroll(ANNA)
    setattr(desk.hook(), moment, crash)
    with pytest.raises(Crash):
        await desk.turn()
    assert await desk.states(ANNA) == [AttemptState.STARTED]
    # While nobody knows, nothing moves, whatever wakes it.
    await _wake(desk)
    await desk.turn(HOUR)
    assert len(desk.received(ANNA)) == received
    told = await desk.retake()
    assert [(happening.what, happening.contact) for happening in told] == [("in_doubt", ANNA)]
    assert await desk.states(ANNA) == [AttemptState.IN_DOUBT]
    assert await desk.log(ANNA) == ["Enrolled", "AttemptStarted", "InDoubt"]
    assert await desk.retake() == []
    await desk.turns(HOUR, DAY)
    assert len(desk.received(ANNA)) == received
    assert (await desk.enrollment(ANNA)).position.step == "second"
    await desk.turn(3 * DAY)
    assert len(desk.received(ANNA)) == received + 1
    assert desk.received(ANNA)[-1]["Subject"] == "Re: Your quote"


@pytest.mark.parametrize("phase", ["data", "body", "end"])
@pytest.mark.parametrize("accepting", [False, True])
async def test_cancelled_while_the_message_is_in_the_air(desk: Desk, phase: Phase, accepting: bool) -> None:
    await desk.enroll(ANNA, BEN)
    desk.hook(patience=30)
    desk.peer.once(phase, Stall(accepting))
    task = asyncio.create_task(desk.turn())
    async with asyncio.timeout(10):
        await desk.peer.reached[phase].wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    before = [len(desk.received(email)) for email in (ANNA, BEN)]
    assert {*await desk.states(ANNA), *await desk.states(BEN)} == {AttemptState.STARTED}
    await desk.retake()
    await desk.turns(HOUR, HOUR)
    assert [len(desk.received(email)) for email in (ANNA, BEN)] == before
    assert {*await desk.states(ANNA), *await desk.states(BEN)} == {AttemptState.IN_DOUBT}


async def test_the_outcome_cannot_be_committed(desk: Desk) -> None:
    await desk.enroll(ANNA)
    desk.hook().after = partial(refuse_writing, desk.live.database, "UPDATE ON attempts")
    with pytest.raises(ExceptionGroup):
        await desk.turn()
    await accept_writing(desk.live.database)
    await desk.retake()
    await desk.turns(HOUR, DAY)
    assert len(desk.received(ANNA)) == 1
    assert await desk.states(ANNA) == [AttemptState.IN_DOUBT]


async def test_one_outcome_that_cannot_be_committed_does_not_take_the_others_along(desk: Desk) -> None:
    anna, _ = await desk.enroll(ANNA, BEN)
    condition = f"INSERT ON events WHEN (NEW.enrollment_id = {anna.id} AND NEW.kind = 'Accepted')"
    desk.hook().before = partial(refuse_writing, desk.live.database, condition)
    with pytest.raises(ExceptionGroup):
        await desk.turn()
    assert (await desk.states(ANNA), await desk.states(BEN)) == ([AttemptState.STARTED], [AttemptState.ACCEPTED])
    await desk.retake()
    await desk.turns(HOUR, DAY)
    assert [len(desk.received(email)) for email in (ANNA, BEN)] == [1, 1]
    assert await desk.states(ANNA) == [AttemptState.IN_DOUBT]


async def test_an_attempt_that_cannot_be_committed_is_set_aside_and_the_others_go(desk: Desk) -> None:
    anna, _ = await desk.enroll(ANNA, BEN)
    await refuse_writing(desk.live.database, f"INSERT ON attempts WHEN (NEW.enrollment_id = {anna.id})")
    sent = await desk.turn()
    assert (sent.count, sent.trouble) == (1, None)
    assert (desk.received(ANNA), len(desk.received(BEN))) == ([], 1)
    assert sorted(desk.words) == ["sent", "set_aside"]
    async with desk.live.database.read() as conn:
        (aside,) = await set_aside.listing(conn)
    assert (aside.mailbox, aside.what) == ("mark", f"enrollment {anna.id}")
    hold = (await desk.standing(ANNA)).hold
    assert hold is not None
    assert hold.reason.startswith("set aside: IntegrityError")
    await accept_writing(desk.live.database)
    await desk.turn(25 * HOUR)
    assert len(desk.received(ANNA)) == 1


async def refuse_writing(database: Database, what: str) -> None:
    """The database itself refuses these statements from now on."""
    verb, _, rest = what.partition(" ON ")
    table, _, condition = rest.partition(" ")
    async with database.begin() as conn:
        if database.dialect == "sqlite":
            await conn.exec_driver_sql(
                f"CREATE TRIGGER IF NOT EXISTS refuses BEFORE {verb} ON {table} {condition} "
                "BEGIN SELECT RAISE(ABORT, 'no'); END"
            )
            return
        await conn.exec_driver_sql("SELECT pg_advisory_xact_lock(1)")  # several deliveries may ask for it at once
        await conn.exec_driver_sql(
            "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger AS "
            "$$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = 'check_violation'; END $$ LANGUAGE plpgsql"
        )
        await conn.exec_driver_sql(
            f"CREATE OR REPLACE TRIGGER refuses BEFORE {verb} ON {table} FOR EACH ROW {condition} "
            "EXECUTE FUNCTION refuse()"
        )


async def accept_writing(database: Database) -> None:
    async with database.begin() as conn:
        if database.dialect == "sqlite":
            await conn.exec_driver_sql("DROP TRIGGER IF EXISTS refuses")
            return
        for table in ("attempts", "events"):
            await conn.exec_driver_sql(f"DROP TRIGGER IF EXISTS refuses ON {table}")


async def _wake(desk: Desk) -> None:
    async with desk.live.database.begin() as conn:
        await agenda.wake_sequence(conn, "plan", desk.now)
