"""Messages in Sent that the database has forgotten: it was restored, and they must not leave again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from sequencer.core import events as e
from sequencer.core.model import BACK_OFF, Position, Status
from sequencer.mail.ids import make_message_id
from sequencer.operations.doubt import Resolved, resolve
from sequencer.operations.record import change
from sequencer.operations.tasks import to_dos
from sequencer.store import attempts, contacts, mailboxes, messages
from sequencer.store.attempts import RECOVERED, AttemptState
from sequencer.store.database import Database
from sequencer.store.messages import Direction, NewMessage
from tests.operations.desk import ANNA, BEN, DAY, HOUR, PLAN, Desk
from tests.operations.letterbox import MARK, Letterbox, a_letterbox, mail
from tests.smtp_peer import Drop


@pytest.fixture
async def box(database: Database, tmp_path: Path) -> AsyncIterator[Letterbox]:
    async with a_letterbox(database, tmp_path) as box:
        yield box


def id_of(desk: Desk, enrollment: int, step: str) -> str:
    return make_message_id(desk.live.key, enrollment, step, f"{step}000000000000", "flatheadrv.example")


async def in_sent(box: Letterbox, to: str, step: str, *, number: int = 0, at: datetime | None = None, **h: str) -> str:
    """A copy of a message of ours that the database does not know stands in Sent; its id."""
    desk = box.desk
    enrollment = number or (await desk.enrollment(to)).id
    message_id = id_of(desk, enrollment, step)
    subject = h.pop("subject", "Your quote" if step == "first" else "Re: Your quote")
    await box.arrives(mail(MARK, subject, to=to, message_id=message_id, **h), folder="Sent", at=at)
    return message_id


async def test_a_forgotten_message_counts_and_the_plan_goes_on_behind_it(box: Letterbox) -> None:
    desk = box.desk
    await desk.enroll(ANNA)
    left_at = desk.now + timedelta(minutes=5)
    desk.now += 2 * HOUR
    message_id = await in_sent(box, ANNA, "first", at=left_at)
    assert box.told == ["recovered"]
    anna = await desk.enrollment(ANNA)
    assert (anna.position, anna.emails_sent, anna.last_touch_at) == (Position("steps", "second", "first"), 1, left_at)
    (attempt,) = await desk.attempts(ANNA)
    assert (attempt.state, attempt.started_at, attempt.lease_number) == (AttemptState.ACCEPTED, left_at, RECOVERED)
    assert (attempt.step, attempt.variant, attempt.recipient, attempt.mailbox) == ("first", "first", ANNA, "mark")
    async with desk.live.database.read() as conn:
        assert await contacts.last_touch_of(conn, [anna.contact_id]) == {anna.contact_id: left_at}
    assert await desk.log(ANNA) == ["Enrolled", "Recovered"]
    await desk.turns(HOUR, DAY)
    assert desk.received(ANNA) == []
    await desk.turn(2 * DAY)
    (second,) = desk.received(ANNA)
    assert (second["Subject"], second["In-Reply-To"]) == ("Re: Your quote", message_id)
    assert await box.arrives(mail(MARK, "Your quote", to=ANNA, message_id=message_id), folder="Sent") == []


async def test_later_steps_are_found_likewise(box: Letterbox) -> None:
    desk = box.desk
    await desk.enroll(ANNA)
    first = await in_sent(box, ANNA, "first")
    await in_sent(box, ANNA, "second", In_Reply_To=first, References=first)
    anna = await desk.enrollment(ANNA)
    assert (anna.position.step, anna.emails_sent, dict(anna.taken)) == (
        "third",
        2,
        {"first": "steps", "second": "steps"},
    )
    assert anna.thread is not None
    assert anna.thread.references == (first, id_of(desk, anna.id, "second"))


async def test_only_the_last_one_is_still_in_sent(box: Letterbox) -> None:
    desk = box.desk
    await desk.enroll(ANNA)
    await in_sent(box, ANNA, "second", References="<root@flatheadrv.example>")
    anna = await desk.enrollment(ANNA)
    assert (anna.position.step, anna.emails_sent) == ("third", 1)
    assert anna.thread is not None
    assert (anna.thread.root_message_id, anna.thread.subject) == ("<root@flatheadrv.example>", "Your quote")
    await desk.turn(3 * DAY)
    (third,) = desk.received(ANNA)
    assert third["Subject"] == "Re: Your quote"


async def test_a_number_that_belongs_to_somebody_else_now_is_not_believed(box: Letterbox) -> None:
    desk = box.desk
    await desk.enroll(ANNA)
    anna = await desk.enrollment(ANNA)
    await in_sent(box, BEN, "first", number=anna.id)
    assert box.told == []
    assert await desk.log(ANNA) == ["Enrolled"]
    await desk.turn()
    assert len(desk.received(ANNA)) == 1


async def test_who_is_paused_stays_so(box: Letterbox) -> None:
    desk = box.desk
    await desk.enroll(ANNA)
    anna = await desk.enrollment(ANNA)
    await change(desk.live, anna.id, desk.now, lambda _: (e.Paused(at=desk.now, reason="by hand"),))
    await in_sent(box, ANNA, "first")
    paused = await desk.enrollment(ANNA)
    assert (paused.status, paused.position.step) == (Status.PAUSED, "second")


async def test_a_task_that_was_done_meanwhile_is_not_asked_for_again(box: Letterbox) -> None:
    desk = box.desk
    plan = "from: mark\nsteps:\n  - {step: ring, task: call}\n  - {step: second, email: first, when: immediately}\n"
    await desk.adopt(plan=plan + "  - {step: third, email: third, when: 3 days later}\n")
    await desk.enroll(ANNA)
    await desk.turn()
    assert (await desk.enrollment(ANNA)).task is not None
    await in_sent(box, ANNA, "second", subject="Your quote")
    anna = await desk.enrollment(ANNA)
    assert (anna.task, anna.position.step) == (None, "third")
    async with desk.live.database.read() as conn:
        assert await to_dos(conn, desk.live) == []


async def test_in_a_branch_the_plan_returns_to_where_it_stood(box: Letterbox) -> None:
    desk = box.desk
    branch = (
        "branches:\n  price:\n    - {step: answer, email: fresh}\n    - {step: more, email: third, when: 1 day later}\n"
    )
    await desk.adopt(plan=PLAN + branch)
    await desk.enroll(ANNA)
    first = await in_sent(box, ANNA, "first")
    await in_sent(box, ANNA, "answer", References=first)
    anna = await desk.enrollment(ANNA)
    assert (anna.position.line, anna.position.step) == ("price", "more")
    assert [back.step for back in anna.returns] == ["second"]


async def test_the_back_off_message_is_asked_once(box: Letterbox) -> None:
    desk = box.desk
    await desk.adopt(
        plan="from: mark\nsteps:\n  - {step: first, email: first}\nback_off: {after: 3 days of silence, email: third}\n"
    )
    await desk.enroll(ANNA)
    first = await in_sent(box, ANNA, "first")
    await in_sent(box, ANNA, BACK_OFF, References=first, at=desk.now + 3 * DAY)
    await desk.turns(4 * DAY, 10 * DAY)
    anna = await desk.enrollment(ANNA)
    assert (anna.status, anna.backed_off, desk.received(ANNA)) == (Status.FINISHED, True, [])


async def test_a_step_that_the_file_no_longer_has_is_a_touch_all_the_same(box: Letterbox) -> None:
    desk = box.desk
    await desk.enroll(ANNA)
    await in_sent(box, ANNA, "gone")
    anna = await desk.enrollment(ANNA)
    assert (anna.position.step, anna.emails_sent, anna.last_touch_at) == ("first", 1, desk.now)


async def test_what_the_owner_took_for_lost_turns_up_in_sent(box: Letterbox) -> None:
    desk = box.desk
    await desk.enroll(ANNA)
    desk.peer.once("end", Drop(accepting=True))
    await desk.turn()
    (attempt,) = await desk.attempts(ANNA)
    async with desk.live.database.begin() as conn:
        await resolve(conn, desk.live, attempt.id, desk.now, delivered=False)
    (sent,) = desk.peer.accepted
    assert await box.arrives(sent.data, folder="Sent") == ["recovered"]
    assert await desk.states(ANNA) == [AttemptState.ACCEPTED]
    await desk.turns(HOUR, DAY)
    assert len(desk.received(ANNA)) == 1


async def test_what_was_in_doubt_when_copied_and_left_again_since_is_not_taken_back(box: Letterbox) -> None:
    """The copy knows the first try only; after it was made, that was settled and the step was taken once more."""
    desk = box.desk
    await desk.enroll(ANNA)
    desk.peer.once("end", Drop())
    await desk.turn()
    (doubtful,) = await desk.attempts(ANNA)
    assert doubtful.state is AttemptState.IN_DOUBT
    desk.now += HOUR
    assert await in_sent(box, ANNA, "first")
    async with desk.live.database.begin() as conn:
        answer = await resolve(conn, desk.live, doubtful.id, desk.now, delivered=False)
    assert isinstance(answer, Resolved), answer
    assert not answer.again
    await desk.turns(HOUR, DAY)
    assert desk.received(ANNA) == []
    assert await desk.states(ANNA) == [AttemptState.NOT_DELIVERED, AttemptState.ACCEPTED]


# Whoever entered after the copy was made ------------------------------------------------------------


async def copied(desk: Desk) -> None:
    async with desk.live.database.begin() as conn:
        await mailboxes.mark_copied(conn, desk.now)
        lease = await mailboxes.take(conn, "mark", "a daemon on the copy", 600)
    assert lease is not None
    desk.office = replace(desk.office, lease=lease)


async def test_who_is_enrolled_again_does_not_get_it_again(box: Letterbox) -> None:
    desk = box.desk
    await copied(desk)
    first = await in_sent(box, ANNA, "first", number=7001)
    await in_sent(box, ANNA, "second", number=7001, References=first, at=desk.now + HOUR)
    await desk.enroll(ANNA, BEN)
    anna = await desk.enrollment(ANNA)
    assert (anna.position.step, anna.emails_sent, anna.status) == ("third", 2, Status.ACTIVE)
    await desk.turns(HOUR, HOUR)
    assert (len(desk.received(ANNA)), len(desk.received(BEN))) == (0, 1)
    async with desk.live.database.read() as conn:
        assert await messages.forgotten(conn, [ANNA]) == []
        assert [one.lease_number for one in await attempts.of_enrollment(conn, anna.id)] == [RECOVERED] * 2


async def test_who_has_answered_is_paused_when_enrolled_again(box: Letterbox) -> None:
    desk = box.desk
    await copied(desk)
    first = await in_sent(box, ANNA, "first", number=7001)
    await box.arrives(mail(ANNA, "Re: Your quote", "Sounds good, call me.", In_Reply_To=first))
    await desk.enroll(ANNA)
    anna = await desk.enrollment(ANNA)
    assert (anna.status, anna.position.step) == (Status.PAUSED, "second")
    async with desk.live.database.read() as conn:
        (answer,) = await messages.of_enrollment(conn, anna.id)
    assert answer.sender == ANNA


async def test_whoever_else_has_answered_since(box: Letterbox) -> None:
    desk = box.desk
    await copied(desk)
    first = await in_sent(box, ANNA, "first", number=7001)
    await box.arrives(mail(ANNA, "Re: Your quote", "Sounds good, call me.", In_Reply_To=first))
    async with desk.live.database.begin() as conn:
        for number in range(1000):
            later = desk.now + HOUR
            other = NewMessage(
                mailbox="mark",
                direction=Direction.RECEIVED,
                content=f"m{number}",
                received_at=later,
                raw=b"",
                sender=BEN,
            )
            assert await messages.record(conn, other, desk.now)
    await desk.enroll(ANNA)
    assert (await desk.enrollment(ANNA)).status is Status.PAUSED


async def test_who_has_unsubscribed_stays_so_though_nobody_knows_them(box: Letterbox) -> None:
    desk = box.desk
    await copied(desk)
    first = await in_sent(box, ANNA, "first", number=7001)
    await box.arrives(mail(ANNA, "Re: Your quote", "unsubscribe", In_Reply_To=first))
    assert await desk.suppressed(ANNA) is not None


async def test_nothing_is_kept_of_strangers_once_it_is_known_what_has_left(box: Letterbox) -> None:
    await box.leaves_no_trace(
        mail(MARK, "Your quote", to=ANNA, message_id=id_of(box.desk, 7001, "first")), folder="Sent"
    )
