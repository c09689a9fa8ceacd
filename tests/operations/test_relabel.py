"""A person corrects the reader: it is kept, it acts at once, and what a person decided since stands."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import AsyncIterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from sequencer.core import events as e
from sequencer.core.decide import begin, fold
from sequencer.core.model import Enrollment, Status
from sequencer.inbox.kinds import Kind
from sequencer.operations import relabel as corrections
from sequencer.operations import steering, suppression
from sequencer.operations.record import Refusal, change
from sequencer.operations.relabel import Corrected, UnknownKind
from sequencer.operations.steering import Who
from sequencer.store import enrollments, messages
from sequencer.store.database import Database
from sequencer.store.messages import Direction, Message
from tests.operations.desk import ANNA, BEN, CLEO, DAY, HOUR, MONDAY, PLAN
from tests.operations.letterbox import MARK, Letterbox, a_letterbox, bounce, mail

ACTIVE, PAUSED, SNOOZED, STOPPED, FINISHED = (
    Status.ACTIVE,
    Status.PAUSED,
    Status.SNOOZED,
    Status.STOPPED,
    Status.FINISHED,
)
DAVE = "dave@customer.example"

REACTIONS = """\
branches:
  price:
    - {step: price-answer, email: fresh, when: 2 hours later, thread: new}
labels:
  price: [budget]
on_reply:
  price: {go_to: price}
  not_now: {snooze: until they say, otherwise: 60 days, then: third}
  not_interested: {move_to: keep}
  wrong_person: {stop: somebody else decides}
  any: pause
"""
KEEP = "from: mark\nsteps:\n  - {step: hello, email: fresh, when: 6 weeks later, thread: new}\n"
OTHER = "from: mark\nalongside: yes\nsteps:\n  - {step: other, email: fresh, when: 5 days later}\n"

YES = "Yes, please send me an offer."
NO = "We are not interested, thanks."
UNSUBSCRIBE = "Please unsubscribe me."
VAGUE = "Thanks, let me ask my boss."
LATER = "Please ask me again on 15 February."


@pytest.fixture
async def box(database: Database, tmp_path: Path) -> AsyncIterator[Letterbox]:
    files = {"plan": PLAN + REACTIONS, "keep": KEEP, "other": OTHER}
    async with a_letterbox(database, tmp_path, ANNA, BEN, CLEO, DAVE, **files) as box:
        yield box


async def newest(box: Letterbox, email: str = ANNA) -> Message:
    return (await box.messages(email))[-1]


async def relabel(box: Letterbox, kind: str, email: str = ANNA, *, day: date | None = None) -> Corrected:
    message = await newest(box, email)
    found = await corrections.relabel(box.desk.live, message.id, kind, box.desk.now, day=day, by="hand")
    assert isinstance(found, Corrected), found
    await the_log_is_the_enrollment(box)
    return found


async def the_log_is_the_enrollment(box: Letterbox) -> None:
    """Whatever was corrected, everybody is still the fold of their events."""
    for email in (ANNA, BEN, CLEO, DAVE):
        present = await box.desk.enrollment(email)
        async with box.desk.live.database.read() as conn:
            first, *others = [line.event for line in await enrollments.events_of(conn, present.id)]
        assert isinstance(first, e.Enrolled)
        folded = fold(begin(first, present.id, present.definition), tuple(others))
        assert dataclasses.replace(folded, definition=present.definition) == present


async def events(box: Letterbox, email: str = ANNA) -> list[e.Event]:
    present = await box.desk.enrollment(email)
    async with box.desk.live.database.read() as conn:
        return [line.event for line in await enrollments.events_of(conn, present.id)]


async def anna(box: Letterbox) -> Enrollment:
    return await box.desk.enrollment(ANNA)


async def goes_on(box: Letterbox, email: str = ANNA) -> bool:
    """Whether a follow-up reaches this person within two weeks."""
    before = len(box.desk.received(email))
    for _ in range(14):
        await box.desk.turn(DAY)
    return len(box.desk.received(email)) > before


# Kept ------------------------------------------------------------------------------------------------


async def test_a_correction_is_kept_with_what_the_reader_had_said(box: Letterbox) -> None:
    await box.arrives(box.answer(ANNA, VAGUE))
    found = await relabel(box, "interested")
    assert (found.read_as, found.changed) == ("reply", True)
    message = await newest(box)
    assert (message.kind, message.kind_read) == ("interested", "reply")
    told = [event for event in await events(box) if isinstance(event, e.Relabelled)]
    assert [(event.message, event.kind, event.read_as, event.by) for event in told] == [
        (message.id, "interested", "reply", "hand")
    ]


async def test_the_same_correction_twice_does_nothing_the_second_time(box: Letterbox) -> None:
    await box.arrives(box.answer(ANNA, VAGUE))
    await relabel(box, "not_interested")
    before = await box.everything()
    again = await relabel(box, "not_interested")
    assert (again.changed, again.turned) == (False, [])
    assert await box.everything() == before


async def test_kinds_are_understood_as_people_write_them_and_others_are_refused(box: Letterbox) -> None:
    await box.arrives(box.answer(ANNA, VAGUE))
    message = await newest(box)
    live, now = box.desk.live, box.desk.now
    assert isinstance(await corrections.relabel(live, message.id, "Not Now", now), Corrected)
    refused = await corrections.relabel(live, message.id, "intersted", now)
    assert isinstance(refused, UnknownKind)
    assert "did you mean `interested`?" in refused.reason
    unknown = await corrections.relabel(live, 999, "reply", now)
    assert isinstance(unknown, Refusal)
    assert "no message 999" in unknown.reason
    await box.arrives(mail(f"Mark <{MARK}>", "One more thing", to=ANNA), folder="Sent")
    own = await corrections.relabel(live, (await newest(box)).id, "reply", now)
    assert isinstance(own, Refusal)


# To a wish to be left alone, and back ----------------------------------------------------------------


async def test_to_unsubscribe_suppresses_and_stops_everything(box: Letterbox) -> None:
    await box.desk.enroll(ANNA, sequence="other")
    await box.arrives(box.answer(ANNA, VAGUE))
    found = await relabel(box, "unsubscribe")
    assert found.suppressed == [ANNA]
    assert (await box.desk.suppressed(ANNA) or "").startswith("they asked on 2026-11-30: Thanks, let me ask")
    assert await box.sequences(ANNA) == {"plan": STOPPED, "other": STOPPED}
    assert not await goes_on(box)


async def test_an_unsubscribe_by_mistake_is_taken_back_and_waits_for_the_rep(box: Letterbox) -> None:
    await box.desk.enroll(ANNA, sequence="other")
    await box.arrives(box.answer(ANNA, UNSUBSCRIBE))
    assert await box.desk.suppressed(ANNA)
    found = await relabel(box, "question")
    assert (found.lifted, await box.desk.suppressed(ANNA)) == ([ANNA], None)
    assert await box.sequences(ANNA) == {"plan": PAUSED, "other": PAUSED}
    assert await box.reason(ANNA) == "the message was question, not unsubscribe"
    await steering.resume(box.desk.live, Who((ANNA,), "plan"), box.desk.now)
    assert await goes_on(box)


async def test_a_bounce_by_mistake_is_taken_back(box: Letterbox) -> None:
    await box.arrives(bounce(ANNA, box.sent_id(ANNA)))
    assert await box.status(ANNA) is STOPPED
    found = await relabel(box, "auto_reply")
    assert (found.lifted, await box.desk.suppressed(ANNA), await box.status(ANNA)) == ([ANNA], None, PAUSED)


async def test_a_suppression_made_otherwise_is_not_lifted(box: Letterbox) -> None:
    await suppression.suppress(box.desk.live, [ANNA], box.desk.now, reason="asked on the phone")
    await box.arrives(box.answer(ANNA, UNSUBSCRIBE))
    found = await relabel(box, "question")
    assert found.lifted == []
    assert await box.desk.suppressed(ANNA) == "asked on the phone"
    assert await box.status(ANNA) is STOPPED


async def test_two_who_asked_twice_stay_suppressed_when_one_was_a_mistake(box: Letterbox) -> None:
    await box.arrives(box.answer(ANNA, UNSUBSCRIBE))
    first = await newest(box)
    await box.desk.turn(HOUR)
    await box.arrives(box.answer(ANNA, "Stop mailing me, I said unsubscribe!"))
    live, now = box.desk.live, box.desk.now
    found = await corrections.relabel(live, first.id, "reply", now)
    assert isinstance(found, Corrected)
    assert found.lifted == []
    assert "I said unsubscribe" in (await box.desk.suppressed(ANNA) or "")
    assert await box.status(ANNA) is STOPPED
    second = await corrections.relabel(live, (await newest(box)).id, "reply", now)
    assert isinstance(second, Corrected)
    assert second.lifted == [ANNA]  # nobody asks for it any more


async def test_what_the_plan_ended_because_of_the_suppression_is_opened_too(box: Letterbox) -> None:
    """Between the suppression and the stop, the plan may have noticed by itself."""
    (other,) = await box.desk.enroll(ANNA, sequence="other")
    ended = e.Stopped(at=box.desk.now, reason=f"suppressed: they asked on 2026-11-30: {UNSUBSCRIBE}")
    await change(box.desk.live, other.id, box.desk.now, lambda _: (ended,))
    await box.arrives(box.answer(ANNA, UNSUBSCRIBE))
    await relabel(box, "reply")
    assert await box.sequences(ANNA) == {"plan": PAUSED, "other": PAUSED}


async def test_an_opt_out_in_no_thread(box: Letterbox) -> None:
    """A contact who was never in a sequence writes; the suppression is theirs all the same."""
    contact = "nobody@example.net"
    await box.desk.enroll(contact, sequence="other")
    await steering.close(box.desk.live, Who((contact,)), box.desk.now, "won")
    await box.arrives(mail(contact, "Hello", UNSUBSCRIBE))
    assert await box.desk.suppressed(contact)
    async with box.desk.live.database.read() as conn:
        (message,) = await messages.unmatched(conn)
    found = await corrections.relabel(box.desk.live, message.id, "question", box.desk.now)
    assert isinstance(found, Corrected)
    assert (found.lifted, await box.desk.suppressed(contact)) == ([contact], None)
    again = await corrections.relabel(box.desk.live, message.id, "unsubscribe", box.desk.now)
    assert isinstance(again, Corrected)
    assert again.suppressed == [contact]


# To another human kind -------------------------------------------------------------------------------


async def test_on_reply_decides_what_the_right_kind_does(box: Letterbox) -> None:
    await box.arrives(box.answer(ANNA, LATER))
    snoozed = await anna(box)
    assert snoozed.status is SNOOZED
    assert snoozed.position.step == "third"
    await relabel(box, "interested")
    assert (await box.status(ANNA), await box.reason(ANNA)) == (PAUSED, "they replied (interested)")
    assert (await anna(box)).interested
    await relabel(box, "not_now")
    present = await anna(box)
    assert (present.status, present.snoozed_until) == (SNOOZED, snoozed.snoozed_until)
    assert not present.interested


async def test_a_date_may_be_given_with_it(box: Letterbox) -> None:
    await box.arrives(box.answer(ANNA, VAGUE))
    found = await relabel(box, "not_now", day=date(2027, 3, 1))
    present = await anna(box)
    assert present.snoozed_until is not None
    assert f"{present.snoozed_until:%Y-%m-%d %H:%M}" == "2027-03-01 07:00"  # midnight in Denver
    assert (await newest(box)).named_date == date(2027, 3, 1)
    assert [turned.enrollment.id for turned in found.turned] == [present.id]
    later = await relabel(box, "not_now", day=date(2027, 4, 1))  # another day is another correction
    assert later.changed
    assert f"{(await anna(box)).snoozed_until:%Y-%m-%d}" == "2027-04-01"


async def test_a_move_by_mistake_opens_the_thread_and_pauses_the_other(box: Letterbox) -> None:
    await box.arrives(box.answer(ANNA, NO))
    assert await box.sequences(ANNA) == {"plan": FINISHED, "keep": ACTIVE}
    await relabel(box, "interested")
    assert await box.sequences(ANNA) == {"plan": PAUSED, "keep": PAUSED}


async def test_to_a_kind_that_moves(box: Letterbox) -> None:
    await box.arrives(box.answer(ANNA, VAGUE))
    found = await relabel(box, "not_interested")
    assert await box.sequences(ANNA) == {"plan": FINISHED, "keep": ACTIVE}
    assert [turned.onto is not None for turned in found.turned] == [True]


async def test_labels_of_the_author_are_kinds_too(box: Letterbox) -> None:
    await box.arrives(box.answer(ANNA, "Hm, what about our budget?"))
    assert (await anna(box)).position.line == "price"
    found = await relabel(box, "question")
    assert (found.read_as, (await newest(box)).label, await box.status(ANNA)) == ("price", "", PAUSED)
    await box.arrives(box.answer(BEN, VAGUE))
    await relabel(box, "price", BEN)
    message = await newest(box, BEN)
    assert (message.kind, message.label, message.kind_read) == ("reply", "price", "reply")
    assert (await box.desk.enrollment(BEN)).position.line == "price"


# To a machine's ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["auto_reply", "receipt", "delayed"])
async def test_what_was_no_reply_resumes_what_it_had_paused(box: Letterbox, kind: str) -> None:
    await box.desk.enroll(ANNA, sequence="other")
    await box.arrives(box.answer(ANNA, VAGUE))
    assert await box.sequences(ANNA) == {"plan": PAUSED, "other": PAUSED}
    before = await anna(box)
    found = await relabel(box, kind)
    assert await box.sequences(ANNA) == {"plan": ACTIVE, "other": ACTIVE}
    assert {turned.enrollment.status for turned in found.turned} == {ACTIVE}
    assert (await newest(box)).direction is Direction.NOTICE
    assert before.last_sign_at is not None
    assert (await anna(box)).last_sign_at is None  # nobody has shown a sign of life
    assert await goes_on(box)


async def test_a_colleague_who_was_a_machine(box: Letterbox) -> None:
    await box.arrives(box.answer(CLEO, VAGUE))
    assert await box.status(DAVE) is PAUSED
    await relabel(box, "auto_reply", CLEO)
    assert (await box.status(CLEO), await box.status(DAVE)) == (ACTIVE, ACTIVE)


async def test_somebody_else_has_written_since(box: Letterbox) -> None:
    """The second reply paused nobody, since all were paused by then; it holds them all the same."""
    await box.arrives(box.answer(CLEO, VAGUE))
    await box.desk.turn(HOUR)
    await box.arrives(box.answer(DAVE, "Who are you?"))
    await relabel(box, "auto_reply", CLEO)
    assert (await box.status(CLEO), await box.status(DAVE)) == (PAUSED, PAUSED)


async def test_what_a_person_decided_since_stands(box: Letterbox) -> None:
    live = box.desk.live
    await box.arrives(box.answer(ANNA, VAGUE))
    await steering.pause(live, Who((ANNA,)), box.desk.now, "x")  # refused: it is paused
    await steering.resume(live, Who((ANNA,), by="hand"), box.desk.now)
    await relabel(box, "question")
    assert await box.status(ANNA) is ACTIVE
    await box.arrives(box.answer(BEN, VAGUE))
    await steering.close(live, Who((BEN,), by="hand"), box.desk.now, "won")
    await relabel(box, "auto_reply", BEN)
    assert (await box.status(BEN), await box.reason(BEN)) == (FINISHED, "won")
    await relabel(box, "unsubscribe", BEN)
    assert await box.desk.suppressed(BEN)


async def test_the_rep_has_written_since(box: Letterbox) -> None:
    await box.arrives(box.answer(ANNA, VAGUE))
    await box.desk.turn(HOUR)
    await box.arrives(mail(f"Mark <{MARK}>", "Re: Your quote", "Do ask!", to=ANNA), folder="Sent")
    first = (await box.messages(ANNA))[0]
    found = await corrections.relabel(box.desk.live, first.id, "auto_reply", box.desk.now)
    assert isinstance(found, Corrected)
    assert await box.status(ANNA) is PAUSED


async def test_a_snooze_by_mistake_ends_where_the_plan_stood(box: Letterbox) -> None:
    before = await anna(box)
    await box.arrives(box.answer(ANNA, LATER))
    assert (await anna(box)).position.step == "third"
    await relabel(box, "auto_reply")
    present = await anna(box)
    assert (present.status, present.position, present.taken) == (ACTIVE, before.position, before.taken)
    await box.desk.turn(3 * DAY)
    assert len(box.desk.received(ANNA)) == 2


async def test_a_branch_by_mistake_is_left_where_the_plan_stood(box: Letterbox) -> None:
    before = await anna(box)
    await box.arrives(box.answer(ANNA, "What about our budget?"))
    await relabel(box, "auto_reply")
    present = await anna(box)
    assert (present.status, present.position, present.returns) == (ACTIVE, before.position, ())


async def test_a_late_answer_that_was_none_closes_the_thread_again(box: Letterbox) -> None:
    live = box.desk.live
    await steering.close(live, Who((ANNA,), by="hand"), box.desk.now, "lost")
    await box.desk.turn(HOUR)
    await box.arrives(box.answer(ANNA, VAGUE))
    assert await box.status(ANNA) is PAUSED
    await relabel(box, "auto_reply")
    assert (await box.status(ANNA), await box.reason(ANNA)) == (FINISHED, "lost")


async def test_out_of_office_with_a_date_waits_until_then(box: Letterbox) -> None:
    await box.arrives(box.answer(ANNA, "I am travelling, let us see."))
    await relabel(box, "out_of_office", day=date(2026, 12, 16))
    present = await anna(box)
    assert present.status is ACTIVE
    (away,) = present.away
    assert (away.since, f"{away.until:%Y-%m-%d %H}") == (MONDAY, "2026-12-17 07")
    await box.desk.turns(*[DAY] * 15)
    assert len(box.desk.received(ANNA)) == 1
    assert await goes_on(box)


async def test_an_absence_that_was_none_is_forgotten(box: Letterbox) -> None:
    raw = mail(
        ANNA, "Automatic reply: Your quote", "I am out of the office until 14 December.", Auto_Submitted="auto-replied"
    )
    await box.arrives(raw)
    assert (await newest(box)).kind == "out_of_office"
    assert (await anna(box)).away
    await relabel(box, "reply")
    present = await anna(box)
    assert (present.status, present.away, present.last_sign_at) == (PAUSED, (), MONDAY)
    async with box.desk.live.database.read() as conn:
        waiting = [one.message.id for one in await messages.awaiting(conn) if one.message is not None]
    assert (await newest(box)).id in waiting


async def test_a_reply_by_mistake_had_not_ended_an_absence(box: Letterbox) -> None:
    raw = mail(
        ANNA, "Automatic reply: Your quote", "I am out of the office until 14 December.", Auto_Submitted="auto-replied"
    )
    await box.arrives(raw)
    away = (await anna(box)).away
    await box.desk.turn(HOUR)
    await box.arrives(box.answer(ANNA, VAGUE))
    assert (await anna(box)).away != away
    await relabel(box, "auto_reply")
    assert ((await anna(box)).away, await box.status(ANNA)) == (away, ACTIVE)


async def test_a_machine_that_was_a_person_pauses_the_company(box: Letterbox) -> None:
    raw = mail(CLEO, "Automatic reply: Your quote", "Your message was received.", Auto_Submitted="auto-replied")
    await box.arrives(raw)
    assert (await box.status(CLEO), await box.status(DAVE)) == (ACTIVE, ACTIVE)
    await relabel(box, "question", CLEO)
    assert (await box.status(CLEO), await box.status(DAVE)) == (PAUSED, PAUSED)
    assert await box.reason(DAVE) == f"{CLEO}, of the same company, replied"
    await relabel(box, "auto_reply", CLEO)
    assert (await box.status(CLEO), await box.status(DAVE)) == (ACTIVE, ACTIVE)


# Nothing twice ----------------------------------------------------------------------------------------


async def test_no_step_is_sent_twice_however_often_it_is_corrected(box: Letterbox) -> None:
    await box.arrives(box.answer(ANNA, LATER))
    for kind in ("auto_reply", "not_now", "price", "auto_reply", "interested", "auto_reply", "unsubscribe", "reply"):
        await relabel(box, kind)
        await box.desk.turn(HOUR)
    await steering.resume(box.desk.live, Who((ANNA,)), box.desk.now)
    await box.desk.turns(*[DAY] * 20)
    steps = [attempt.step for attempt in await box.desk.attempts(ANNA)]
    assert len(steps) == len(set(steps)), steps


async def test_a_snooze_that_ended_meanwhile(box: Letterbox) -> None:
    """The plan has woken up and gone on; a correction does not send anybody back."""
    await box.arrives(box.answer(ANNA, "Please ask me again in two days."))
    assert await box.status(ANNA) is SNOOZED
    await box.desk.turns(DAY, DAY, DAY, timedelta(hours=2))
    assert (await box.status(ANNA), len(box.desk.received(ANNA))) == (FINISHED, 2)
    count = len(box.desk.received(ANNA))
    await relabel(box, "auto_reply")
    assert await box.status(ANNA) is FINISHED
    await relabel(box, "interested")
    assert await box.status(ANNA) is PAUSED
    assert len(box.desk.received(ANNA)) == count


# Whatever people say ----------------------------------------------------------------------------------

TEXTS = (YES, NO, UNSUBSCRIBE, VAGUE, LATER, "What about our budget?", "I am the wrong person for this.")
KINDS = (*(str(kind) for kind in Kind), "price")


@pytest.mark.parametrize("seed", range(8))
async def test_any_mix_of_mail_and_corrections_keeps_the_promises(box: Letterbox, seed: int) -> None:
    """Nothing twice, nothing to whom it is forbidden, and every log can be replayed."""
    chance = random.Random(seed)
    people = (ANNA, BEN, CLEO, DAVE)
    live = box.desk.live
    known: list[int] = []
    for _ in range(25):
        email = chance.choice(people)
        match chance.randrange(6):
            case 0 | 1:
                await box.arrives(box.answer(email, chance.choice(TEXTS)))
                known = sorted({*known, *(message.id for message in await box.messages(email))})
            case 2 | 3 if known:
                found = await corrections.relabel(
                    live, chance.choice(known), chance.choice(KINDS), box.desk.now, by="hand"
                )
                for turned in found.turned if isinstance(found, Corrected) else ():
                    if await box.desk.suppressed(turned.email):
                        assert turned.enrollment.status not in (ACTIVE, SNOOZED)
            case 4:
                await steering.resume(live, Who((email,), by="hand"), box.desk.now)
            case _:
                before = {person: len(box.desk.received(person)) for person in people}
                forbidden = [person for person in people if await box.desk.suppressed(person)]
                await box.desk.turn(chance.choice((HOUR, DAY, 3 * DAY)))
                for person in forbidden:
                    assert len(box.desk.received(person)) == before[person]
    await the_log_is_the_enrollment(box)
    for person in people:
        for sequence in await box.sequences(person):
            steps = [attempt.step for attempt in await box.desk.attempts(person, sequence)]
            branched = sequence == "plan" and "price-answer" in steps  # a branch may be entered again
            assert branched or len(steps) == len(set(steps)), (person, steps)
