"""The owner decides about what is in doubt; evidence that comes first, or at the same moment, is not overruled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from sequencer.core import events as e
from sequencer.core.model import BACK_OFF, Status
from sequencer.operations import doubt
from sequencer.operations.doubt import Resolved, settle_by_copy
from sequencer.operations.explain import Explanation, why, why_json
from sequencer.operations.health import status, status_json
from sequencer.operations.record import Refusal, change
from sequencer.store import attempts, contacts, sent_copies
from sequencer.store.attempts import AttemptState
from sequencer.store.database import Database
from tests.operations.desk import ANNA, BEN, CONFIG, DAY, HOUR, Desk, a_desk
from tests.smtp_peer import Drop


@pytest.fixture
async def desk(database: Database, tmp_path: Path) -> AsyncIterator[Desk]:
    async with a_desk(database, tmp_path) as desk:
        yield desk


async def in_doubt(desk: Desk, email: str = ANNA, *, accepting: bool = False) -> int:
    """One message whose outcome is not known; its attempt's number."""
    await desk.enroll(email)
    desk.peer.once("end", Drop(accepting=accepting))
    await desk.turn()
    (attempt,) = await desk.attempts(email)
    assert attempt.state is AttemptState.IN_DOUBT
    return attempt.id


async def resolve(desk: Desk, attempt: int, *, delivered: bool) -> Resolved | Refusal:
    async with desk.live.database.begin() as conn:
        return await doubt.resolve(conn, desk.live, attempt, desk.now, delivered=delivered)


async def words(desk: Desk, answer: Resolved | Refusal) -> str:
    assert isinstance(answer, Resolved), answer
    async with desk.live.database.read() as conn:
        return await doubt.in_words(conn, desk.live, answer, desk.now)


async def explained(desk: Desk) -> Explanation:
    async with desk.live.database.read() as conn:
        found = await why(conn, desk.live, ANNA, desk.now)
    assert isinstance(found, Explanation)
    return found


async def test_status_and_why_show_what_is_in_doubt_and_the_command(desk: Desk) -> None:
    number = await in_doubt(desk)
    async with desk.live.database.read() as conn:
        (shown,) = status_json(await status(conn, desk.live, desk.now))["doubts"]
    assert (shown["attempt"], shown["contact"], shown["sequence"], shown["step"]) == (number, ANNA, "plan", "first")
    assert shown["reason"]
    assert shown["command"] == f"sequencer resolve {number} --delivered|--not-delivered"
    (way,) = why_json(await explained(desk))["enrollments"]
    assert [one["attempt"] for one in way["in_doubt"]] == [number]
    await resolve(desk, number, delivered=True)
    (way,) = why_json(await explained(desk))["enrollments"]
    assert way["in_doubt"] == []


async def test_delivered_is_the_owners_evidence(desk: Desk) -> None:
    number = await in_doubt(desk, accepting=True)
    before = await desk.enrollment(ANNA)
    answer = await resolve(desk, number, delivered=True)
    assert await words(desk, answer) == f"{ANNA}: “first” of plan arrived, as you say."
    assert await desk.states(ANNA) == [AttemptState.ACCEPTED]
    after = await desk.enrollment(ANNA)
    assert (after.position, after.thread, after.emails_sent) == (before.position, before.thread, 1)
    (way,) = (await explained(desk)).ways
    assert way.history[-1].detail == "it arrived, as the owner says"
    async with desk.live.database.read() as conn:  # the rep's Sent folder is to show it
        assert len(await sent_copies.pending(conn, "mark")) == 1
    await desk.turns(HOUR, 3 * DAY)
    assert [mail["Subject"] for mail in desk.received(ANNA)] == ["Your quote", "Re: Your quote"]


async def test_not_delivered_takes_the_step_again(desk: Desk) -> None:
    number = await in_doubt(desk)
    answer = await resolve(desk, number, delivered=False)
    assert isinstance(answer, Resolved)
    assert answer.again
    standing = await desk.standing(ANNA)
    assert standing.wake_at is not None
    assert standing.wake_at <= desk.now, "the mailbox's worker is woken"
    (way,) = (await explained(desk)).ways
    assert way.history[-1].detail.startswith("it never arrived (the owner says so); it is taken again ")
    await desk.turn(HOUR)
    (mail,) = desk.received(ANNA)
    assert mail["Subject"] == "Your quote"
    assert await desk.states(ANNA) == [AttemptState.NOT_DELIVERED, AttemptState.ACCEPTED]


async def test_the_next_touch_keeps_no_distance_from_what_never_left(database: Database, tmp_path: Path) -> None:
    config = CONFIG.replace("min_gap: off", "min_gap: 2 days")
    async with a_desk(database, tmp_path, config=config) as desk:
        number = await in_doubt(desk)
        assert isinstance(await resolve(desk, number, delivered=False), Resolved)
        await desk.turn(HOUR)
        assert len(desk.received(ANNA)) == 1
        async with database.read() as conn:
            contact = await desk.contact(ANNA)
            assert await contacts.last_touch_of(conn, [contact.id]) == {contact.id: desk.now}


async def test_who_is_paused_gets_it_once_resumed(desk: Desk) -> None:
    number = await in_doubt(desk)
    anna = await desk.enrollment(ANNA)
    await change(desk.live, anna.id, desk.now, lambda _: (e.Paused(at=desk.now, reason="by hand"),))
    said = await words(desk, await resolve(desk, number, delivered=False))
    assert said.endswith("never left, as you say; it is taken again once you resume it.")
    await desk.turn(HOUR)
    assert desk.received(ANNA) == []
    await change(desk.live, anna.id, desk.now, lambda _: (e.Resumed(at=desk.now),))
    await desk.turn(HOUR)
    assert len(desk.received(ANNA)) == 1


async def test_a_back_off_message_that_never_left_is_asked_again(desk: Desk) -> None:
    plan = "from: mark\nsteps:\n  - {step: first, email: first}\nback_off: {after: 3 days of silence, email: second}\n"
    await desk.adopt(plan=plan)
    await desk.enroll(ANNA)
    await desk.turn()
    desk.peer.once("end", Drop())
    await desk.turn(3 * DAY)
    asked = (await desk.attempts(ANNA))[-1]
    assert (asked.step, asked.state) == (BACK_OFF, AttemptState.IN_DOUBT)
    answer = await resolve(desk, asked.id, delivered=False)
    assert isinstance(answer, Resolved)
    assert answer.again
    await desk.turn(HOUR)
    assert len(desk.received(ANNA)) == 2


@pytest.mark.parametrize("how", ["gone on", "ended"])
async def test_what_the_plan_has_left_behind_is_merely_noted(desk: Desk, how: str) -> None:
    number = await in_doubt(desk)
    if how == "gone on":
        await desk.turn(3 * DAY)
    else:
        anna = await desk.enrollment(ANNA)
        await change(desk.live, anna.id, desk.now, lambda _: (e.Stopped(at=desk.now, reason="by hand"),))
    received, stood = len(desk.received(ANNA)), (await desk.enrollment(ANNA)).position
    said = await words(desk, await resolve(desk, number, delivered=False))
    why_not = "the plan has gone on since" if how == "gone on" else "the plan has ended"
    assert said.endswith(f"{why_not}, so that is noted and nothing is sent again.")
    assert (await desk.states(ANNA))[0] is AttemptState.NOT_DELIVERED
    assert (await desk.enrollment(ANNA)).position == stood
    (way,) = (await explained(desk)).ways
    assert way.history[-1].detail == "it never arrived (the owner says so); the plan had gone on by then"
    await desk.turn(HOUR)
    assert len(desk.received(ANNA)) == received


async def test_what_is_not_in_doubt_is_refused_with_what_it_is(desk: Desk) -> None:
    await desk.enroll(BEN)
    await desk.turn()
    (certain,) = await desk.attempts(BEN)
    answer = await resolve(desk, certain.id, delivered=False)
    assert isinstance(answer, Refusal)
    assert answer.reason.startswith(f"attempt {certain.id} is not in doubt; it is known to have left: 250")
    unknown = await resolve(desk, certain.id + 7, delivered=True)
    assert isinstance(unknown, Refusal)
    assert unknown.reason.startswith(f"there is no attempt {certain.id + 7}; ")


async def test_once_resolved_is_resolved(desk: Desk) -> None:
    number = await in_doubt(desk)
    assert isinstance(await resolve(desk, number, delivered=False), Resolved)
    for delivered in (True, False):
        again = await resolve(desk, number, delivered=delivered)
        assert isinstance(again, Refusal)
        assert again.reason == f"attempt {number} is not in doubt; it is known never to have left: the owner says so"
    assert (await desk.log(ANNA)).count("NotDelivered") == 1


async def test_evidence_and_the_owner_at_the_same_moment(desk: Desk) -> None:
    """Whoever is first decides, the other one is told; a step that left is not taken again."""
    people = [f"p{number}@example.com" for number in range(12)]
    await desk.enroll(*people)
    desk.peer.always("end", Drop(accepting=True))
    await desk.turn()
    for number, email in enumerate(people):
        (flown,) = await desk.attempts(email)
        assert flown.state is AttemptState.IN_DOUBT

        async def evidence(message_id: str = flown.message_id) -> int:
            async with desk.live.database.begin() as conn:
                return len(await settle_by_copy(conn, desk.live, message_id, "", desk.now))

        async def owner(attempt: int = flown.id) -> int:
            return int(isinstance(await resolve(desk, attempt, delivered=False), Resolved))

        both = (evidence(), owner()) if number % 2 else (owner(), evidence())
        assert sum(await asyncio.gather(*both)) == 1
        enrollment, (state,) = await desk.enrollment(email), await desk.states(email)
        log = await desk.log(email)
        if state is AttemptState.ACCEPTED:
            assert (log[-1], enrollment.position.step) == ("Accepted", "second")
        else:
            assert (state, log[-1], enrollment.position.step) == (AttemptState.NOT_DELIVERED, "NotDelivered", "first")
        assert log.count("Accepted") + log.count("NotDelivered") == 1


async def test_a_hold_for_want_of_a_reading_names_the_mailbox_and_the_age(desk: Desk) -> None:
    await desk.enroll(ANNA)
    (way,) = (await explained(desk)).ways
    assert way.held is not None
    assert way.held.reason == "the inbox of mark was never read to its end"
    await desk.turn()
    desk.now += 3 * DAY + timedelta(minutes=1)
    (way,) = (await explained(desk)).ways
    assert way.enrollment.status is Status.ACTIVE
    assert way.held is not None
    assert way.held.reason == "the inbox of mark was last read to its end 3 days ago"
    async with desk.live.database.read() as conn:
        assert await attempts.doubts(conn) == []
