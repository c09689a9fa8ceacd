"""What a received mail sets in motion: once, in order, and for everybody whom it concerns."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sequencer.core.model import Status
from sequencer.operations import steering, tasks
from sequencer.operations.steering import Who
from sequencer.store import attempts, strikes, suppressions
from sequencer.store.database import Database
from sequencer.store.strikes import Strike
from tests.operations.desk import ANNA, BEN, CLEO, DAY, HOUR, PLAN
from tests.operations.letterbox import Letterbox, a_letterbox, bounce, mail
from tests.smtp_peer import Drop

ACTIVE, PAUSED, STOPPED, FINISHED = Status.ACTIVE, Status.PAUSED, Status.STOPPED, Status.FINISHED
DAVE = "dave@customer.example"

REACTIONS = """\
branches:
  price:
    - {step: price-answer, email: fresh, when: 2 hours later, thread: new}
labels:
  price: [budget]
on_reply:
  price: {go_to: price}
  not_interested: {move_to: keep}
"""
KEEP = "from: mark\nsteps:\n  - {step: hello, email: fresh, when: 6 weeks later, thread: new}\n"
OTHER = "from: mark\nalongside: yes\nsteps:\n  - {step: other, email: fresh, when: 5 days later}\n"
NO = "We are not interested, please do not follow up."
BUDGET = "Hm, what about our budget?"
UNSUBSCRIBE = "Please unsubscribe me."


@asynccontextmanager
async def a_plan(database: Database, folder: Path, *emails: str) -> AsyncIterator[Letterbox]:
    async with a_letterbox(database, folder, *emails, plan=PLAN + REACTIONS, keep=KEEP, other=OTHER) as box:
        yield box


@pytest.fixture
async def box(database: Database, tmp_path: Path) -> AsyncIterator[Letterbox]:
    async with a_plan(database, tmp_path, ANNA, BEN, CLEO) as box:
        yield box


# Once -------------------------------------------------------------------------------------------------


async def test_the_same_reply_in_several_folders_reacts_once(box: Letterbox) -> None:
    raw = box.answer(ANNA, NO)
    assert await box.arrives(raw) == ["replied", "moved"]
    for folder in ("Archive", "INBOX", "Junk"):
        delivered = b"Received: from mx.example; now\r\nX-Spam: yes\r\n" + raw
        assert await box.arrives(delivered, folder=folder) == []
    assert await box.sequences(ANNA) == {"plan": FINISHED, "keep": ACTIVE}


async def test_the_same_reply_to_two_of_our_reps_reacts_once(box: Letterbox) -> None:
    raw = box.answer(ANNA, NO, Cc="susan@flatheadrv.example")
    assert await box.arrives(raw, mailbox="susan") == ["replied", "moved"]
    assert await box.arrives(raw) == []
    assert await box.sequences(ANNA) == {"plan": FINISHED, "keep": ACTIVE}


async def test_two_short_answers_without_an_id_are_two(box: Letterbox) -> None:
    def short(day: int) -> bytes:
        return mail(ANNA, "Re: Your quote", "ok", message_id="", at=box.desk.now + day * DAY)

    assert await box.arrives(short(0)) == ["replied", "paused"]
    assert await box.arrives(short(0), folder="Archive") == []
    await steering.resume(box.desk.live, Who((ANNA,)), box.desk.now)
    assert await box.arrives(short(1)) == ["replied", "paused"]


async def test_a_machine_that_uses_one_id_again_and_again(box: Letterbox) -> None:
    assert "paused" in await box.arrives(box.answer(ANNA, "First.", message_id="<same@example.com>"))
    await steering.resume(box.desk.live, Who((ANNA,)), box.desk.now)
    assert "paused" in await box.arrives(box.answer(ANNA, "Second.", message_id="<same@example.com>"))


# In order ---------------------------------------------------------------------------------------------


async def test_two_replies_react_one_after_the_other(box: Letterbox) -> None:
    assert await box.arrives(box.answer(ANNA, BUDGET)) == ["replied", "branched"]
    assert (await box.desk.enrollment(ANNA)).position.line == "price"
    assert await box.arrives(box.answer(ANNA, NO)) == ["replied", "moved"]
    assert await box.sequences(ANNA) == {"plan": FINISHED, "keep": ACTIVE}
    assert await box.arrives(box.answer(ANNA, "Or do call me.")) == ["replied", "paused", "paused"]
    assert await box.sequences(ANNA) == {"plan": PAUSED, "keep": PAUSED}  # nothing goes on before somebody looks


@pytest.mark.parametrize("bounce_first", [True, False])
async def test_a_reply_and_a_bounce(box: Letterbox, bounce_first: bool) -> None:
    reply = box.answer(ANNA, "Write to my new address.", sender="anna@home.example")
    both = [bounce(ANNA, box.sent_id(ANNA)), reply]
    for raw in both if bounce_first else reversed(both):
        await box.arrives(raw)
    assert await box.desk.suppressed(ANNA)
    assert await box.status(ANNA) is (PAUSED if bounce_first else STOPPED)
    assert len(await box.messages(ANNA)) == 2
    await box.desk.turn(9 * DAY)
    assert len(box.desk.received(ANNA)) == 1


async def test_they_go_into_the_next_sequence_once_and_with_their_mailbox(box: Letterbox) -> None:
    await box.arrives(box.answer(ANNA, NO))
    await box.arrives(box.answer(ANNA, NO + " Really."))
    contact = await box.desk.contact(ANNA)
    async with box.desk.live.database.read() as conn:
        from sequencer.store import enrollments

        found = [s.enrollment for s in await enrollments.by_contact(conn, contact.id)]
    assert [en.sequence for en in found] == ["plan", "keep"]
    assert found[1].mailbox == "mark"


# In mid-air -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "line", "status"), [(BUDGET, "price", ACTIVE), ("Hello!", "steps", PAUSED)])
async def test_a_reply_while_the_next_message_is_in_the_air(
    database: Database, tmp_path: Path, text: str, line: str, status: Status
) -> None:
    async with a_plan(database, tmp_path, ANNA) as box:
        answer = box.answer(ANNA, text)
        hooks = box.desk.hook(patience=30)

        async def arrives() -> None:  # in the mailbox of another rep, whose worker is another one
            hooks.before = None
            await box.arrives(answer, mailbox="susan")

        hooks.before = arrives
        await box.desk.turn(3 * DAY)
        anna = await box.desk.enrollment(ANNA)
        assert (anna.status, anna.position.line, anna.in_flight, anna.emails_sent) == (status, line, None, 2)
        await box.desk.turns(3 * HOUR, 3 * DAY, 3 * DAY)
        subjects = [str(m["Subject"]) for m in box.desk.received(ANNA)]
        if status is PAUSED:
            assert subjects == ["Your quote", "Re: Your quote"]
        else:  # the branch, and then what comes behind the step that was in the air: nothing twice
            assert subjects == ["Your quote", "Re: Your quote", "Something new", "Re: Something new"]


async def test_a_reply_between_rcpt_and_the_commit_keeps_the_message_back(database: Database, tmp_path: Path) -> None:
    async with a_plan(database, tmp_path, ANNA) as box:
        answer = box.answer(ANNA, "Hello!")
        hooks = box.desk.hook(patience=30)

        async def arrives() -> None:
            hooks.offered = None
            await box.arrives(answer, mailbox="susan")

        hooks.offered = arrives
        await box.desk.turn(3 * DAY)
        assert len(box.desk.received(ANNA)) == 1
        assert await box.status(ANNA) is PAUSED


async def test_a_reply_settles_a_doubt(database: Database, tmp_path: Path) -> None:
    async with a_plan(database, tmp_path, ANNA) as box:
        box.desk.peer.once("end", Drop(accepting=True))
        await box.desk.turn(3 * DAY)
        assert (await box.desk.attempts(ANNA))[-1].state is attempts.AttemptState.IN_DOUBT
        await box.arrives(box.answer(ANNA, "Hello!"))
        assert (await box.desk.attempts(ANNA))[-1].state is attempts.AttemptState.ACCEPTED
        assert await box.status(ANNA) is PAUSED


# Everybody whom it concerns ---------------------------------------------------------------------------


async def test_unsubscribing_stops_everything_and_drops_the_tasks(box: Letterbox) -> None:
    plan = PLAN.replace("email: second\n", "task: call\n")
    await box.desk.adopt(plan=plan)
    await box.desk.enroll(ANNA, sequence="other")
    await box.desk.turn(3 * DAY)
    async with box.desk.live.database.read() as conn:
        assert {to_do.contact.email for to_do in await tasks.to_dos(conn, box.desk.live)} == {ANNA, BEN, CLEO}
    await box.arrives(box.answer(ANNA, UNSUBSCRIBE))
    assert await box.sequences(ANNA) == {"plan": STOPPED, "other": STOPPED}
    async with box.desk.live.database.read() as conn:
        assert {to_do.contact.email for to_do in await tasks.to_dos(conn, box.desk.live)} == {BEN, CLEO}
        assert await suppressions.reason_for(conn, ANNA)
    await box.desk.turn(9 * DAY)
    assert len(box.desk.received(ANNA)) == 1


async def test_a_bounce_stops_everything(box: Letterbox) -> None:
    await box.desk.enroll(ANNA, sequence="other")
    await box.arrives(bounce(ANNA, box.sent_id(ANNA)))
    assert await box.sequences(ANNA) == {"plan": STOPPED, "other": STOPPED}


async def test_a_reply_pauses_what_runs_alongside(box: Letterbox) -> None:
    await box.desk.enroll(ANNA, sequence="other")
    await box.arrives(box.answer(ANNA, "Let me think."))
    assert await box.sequences(ANNA) == {"plan": PAUSED, "other": PAUSED}


async def test_a_contact_who_answers_in_the_thread_of_another_is_heard_too(box: Letterbox) -> None:
    await box.arrives(box.answer(ANNA, "Anna showed me this.", sender=BEN))
    assert [await box.status(email) for email in (ANNA, BEN, CLEO)] == [PAUSED, PAUSED, ACTIVE]
    assert await box.reason(BEN) == f"they replied in the thread of {ANNA}"


async def test_a_contact_who_unsubscribes_in_the_thread_of_another(box: Letterbox) -> None:
    await box.arrives(box.answer(ANNA, UNSUBSCRIBE, sender=BEN))
    assert await box.desk.suppressed(BEN)
    assert await box.status(BEN) is STOPPED


async def test_a_colleagues_answer_pauses_the_company(database: Database, tmp_path: Path) -> None:
    async with a_plan(database, tmp_path, CLEO, DAVE, ANNA) as box:
        await box.arrives(box.answer(CLEO, NO, sender="boss@customer.example"))
        assert await box.sequences(CLEO) == {"plan": PAUSED}  # the author's reactions are for their own words
        assert [await box.status(email) for email in (CLEO, DAVE, ANNA)] == [PAUSED, PAUSED, ACTIVE]
        assert await box.reason(DAVE) == "boss@customer.example, of the same company, replied"


async def test_an_opt_out_of_a_contact_whom_no_thread_waits_for(box: Letterbox) -> None:
    from tests.operations.shop import add

    await add(box.desk.live, "zoe@elsewhere.example")
    await box.arrives(mail("Zoe@Elsewhere.example", "hello", UNSUBSCRIBE))
    assert await box.desk.suppressed("zoe@elsewhere.example")


async def test_the_sequences_file_is_gone(box: Letterbox) -> None:
    (box.desk.folder / "sequences" / "plan.yaml").unlink()
    await box.desk.adopt()
    await box.arrives(box.answer(ANNA, "Hello?"))
    assert await box.reason(ANNA) == "they replied, and the sequence's file is gone"


async def test_a_notice_when_the_sequences_file_is_gone_is_kept_and_changes_nothing(box: Letterbox) -> None:
    (box.desk.folder / "sequences" / "plan.yaml").unlink()
    await box.desk.adopt()
    away = box.answer(ANNA, "I am out of the office until Friday.", Auto_Submitted="auto-replied")
    assert await box.arrives(away) == ["notice"]
    assert await box.status(ANNA) is ACTIVE
    assert [message.kind for message in await box.messages(ANNA)] == ["out_of_office"]


async def test_two_workers_take_in_the_same_reply_at_once(box: Letterbox) -> None:
    raw = box.answer(ANNA, NO, Cc="susan@flatheadrv.example")
    told = await asyncio.gather(box.arrives(raw), box.arrives(raw, mailbox="susan"))
    assert sorted(what for each in told for what in each) == ["moved", "replied"]
    assert await box.sequences(ANNA) == {"plan": FINISHED, "keep": ACTIVE}


async def test_what_blames_us_counts_on_the_day_on_which_it_came(box: Letterbox) -> None:
    """A mailbox that is read after days, or anew after a restore, must not take it all for today's."""
    desk, came = box.desk, box.desk.now
    desk.now += 4 * DAY
    for number, email in enumerate((ANNA, BEN, CLEO)):
        raw = bounce(email, box.sent_id(email)).replace(b"Status: 5.1.1", b"Status: 5.7.1")
        raw = raw.replace(b"550 5.1.1 no such user", b"550 5.7.1 client host blocked using Spamhaus")
        assert await box.arrives(raw, at=came + (number + 1) * DAY) == ["notice"]
    async with desk.live.database.read() as conn:
        assert await strikes.count(conn, "mark", Strike.REFUSAL, None) == 3
        assert await strikes.count(conn, "mark", Strike.REFUSAL, desk.now - 36 * HOUR) == 1
