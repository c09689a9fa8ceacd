"""Entering sequences, and what a rep can do with the people in them."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pytest

from sequencer.core import events as e
from sequencer.core.model import Span, Status, Unit
from sequencer.operations import steering
from sequencer.operations.enrollments import Entered, Kept, Terms, enroll, move_on
from sequencer.operations.live import Live
from sequencer.operations.record import Refusal
from sequencer.operations.steering import Turned, Who
from sequencer.store import agenda, contacts, definitions, enrollments, suppressions, tasks
from tests.operations.shop import MONDAY, add, answered, entered, happen, mailed, of_contact

ANNA, BEN = "anna@example.com", "ben@example.org"
HAND = "hand"


def who(*emails: str, sequence: str = "") -> Who:
    return Who(emails, sequence, HAND)


async def only(answers: list[Turned | Kept]) -> Turned:
    assert len(answers) == 1
    assert isinstance(answers[0], Turned), answers[0]
    return answers[0]


def reason(answers: list[Turned | Kept]) -> str:
    assert len(answers) == 1
    assert isinstance(answers[0], Kept), answers[0]
    return answers[0].reason


# Entering -----------------------------------------------------------------------------------------


async def test_enrolling_starts_at_the_first_step_and_keeps_the_definition(live: Live) -> None:
    await add(live, ANNA)
    answers = await enroll(live, "quote", [ANNA], MONDAY, Terms(fields={"product": "a van"}, by=HAND))
    assert isinstance(answers, list)
    one = answers[0]
    assert isinstance(one, Entered)
    assert not one.created
    assert one.enrollment.position.step == "thanks"
    assert one.enrollment.fields == {"product": "a van"}
    plan = live.sequence("quote")
    assert plan is not None
    async with live.database.read() as conn:
        assert await definitions.text_of(conn, "quote", plan.version) == live.workspace.sources["quote"]
        log = await enrollments.events_of(conn, one.enrollment.id)
    assert [type(line.event).__name__ for line in log] == ["Enrolled"]


async def test_who_is_enrolled_is_scheduled_and_not_due(live: Live) -> None:
    (anna,) = await entered(live, "quote", ANNA)
    async with live.database.read() as conn:
        standing = await enrollments.standing_by_id(conn, anna.id)
        assert standing is not None
        assert standing.wake_at == datetime(2026, 12, 1, 16, 30, tzinfo=UTC)  # one business day later at 09:30
        assert await agenda.load(conn, MONDAY) == {}


async def test_an_unknown_address_becomes_a_contact_with_nothing_but_the_address(live: Live) -> None:
    answers = await enroll(live, "quote", ["New Person <New.Person@EXAMPLE.com>"], MONDAY)
    assert isinstance(answers, list)
    assert isinstance(answers[0], Entered)
    assert answers[0].created
    async with live.database.read() as conn:
        contact = await contacts.by_email(conn, "new.person@example.com")
    assert contact is not None
    assert (contact.email, dict(contact.fields)) == ("New.Person@example.com", {})


async def test_a_sequence_or_mailbox_that_is_not_there_is_refused_with_the_nearest(live: Live) -> None:
    missing = await enroll(live, "quot", [ANNA], MONDAY)
    assert isinstance(missing, Refusal)
    assert "quot" in missing.reason
    assert "did you mean `quote`?" in missing.reason
    no_mailbox = await enroll(live, "quote", [ANNA], MONDAY, Terms(mailbox="marc"))
    assert isinstance(no_mailbox, Refusal)
    assert "did you mean `mark`?" in no_mailbox.reason


async def test_one_bad_address_does_not_stop_the_others(live: Live) -> None:
    answers = await enroll(live, "quote", ["no address", BEN], MONDAY)
    assert isinstance(answers, list)
    assert isinstance(answers[0], Kept)
    assert isinstance(answers[1], Entered)


async def test_one_sequence_at_a_time_unless_it_says_otherwise(live: Live) -> None:
    await entered(live, "quote", ANNA)
    again = await enroll(live, "quote", [ANNA], MONDAY)
    other = await enroll(live, "keep", [ANNA], MONDAY)
    beside = await enroll(live, "birthday", [ANNA], MONDAY)
    twice = await enroll(live, "birthday", [ANNA], MONDAY)
    assert isinstance(again, list) and isinstance(other, list)  # noqa: PT018
    assert isinstance(beside, list) and isinstance(twice, list)  # noqa: PT018
    assert again == [Kept(ANNA, "they are in quote already")]
    assert isinstance(other[0], Kept)
    assert other[0].reason.startswith("they are in quote (active)")
    assert isinstance(beside[0], Entered)
    assert twice == [Kept(ANNA, "they are in birthday already")]


async def test_the_same_address_twice_in_one_call_enters_once(live: Live) -> None:
    answers = await enroll(live, "quote", [ANNA, ANNA.upper()], MONDAY)
    assert isinstance(answers, list)
    assert isinstance(answers[0], Entered)
    assert isinstance(answers[1], Kept)
    assert len(await of_contact(live, ANNA)) == 1


async def test_who_is_suppressed_is_refused_with_the_reason(live: Live) -> None:
    async with live.database.begin() as conn:
        await suppressions.add(conn, "@example.org", "they asked us to leave them alone", HAND, MONDAY)
    answers = await enroll(live, "quote", [BEN], MONDAY)
    assert answers == [Kept(BEN, "they are suppressed: they asked us to leave them alone")]


async def test_the_mailbox_is_chosen_once_and_kept(live: Live) -> None:
    people = [f"person{number}@example.com" for number in range(60)]
    spread = Counter(enrollment.mailbox for enrollment in await entered(live, "quote", *people))
    assert set(spread) == {"mark", "susan"}
    assert min(spread.values()) >= 15
    first = (await of_contact(live, people[0]))[0]
    other = "susan" if first.mailbox == "mark" else "mark"
    await steering.stop(live, who(people[0]), MONDAY)
    (second,) = await entered(live, "quote", people[0], terms=Terms(mailbox=other))
    assert second.mailbox == other  # asked for
    await mailed(live, second, "thanks", "call")
    await steering.stop(live, who(people[0]), MONDAY)
    (third,) = await entered(live, "quote", people[0])
    assert third.mailbox == other  # the one they had mail from


# Pausing and going on -----------------------------------------------------------------------------


async def test_pause_and_resume(live: Live) -> None:
    (anna,) = await entered(live, "quote", ANNA)
    paused = await only(await steering.pause(live, who(ANNA), MONDAY, "on holiday"))
    assert (paused.enrollment.status, paused.enrollment.reason) == (Status.PAUSED, "on holiday")
    assert reason(await steering.pause(live, who(ANNA), MONDAY)) == "quote is paused already: on holiday"
    later = MONDAY + timedelta(days=9)
    resumed = await only(await steering.resume(live, who(ANNA), later))
    assert resumed.enrollment.status is Status.ACTIVE
    async with live.database.read() as conn:
        standing = await enrollments.standing_by_id(conn, anna.id)
    assert standing is not None
    assert standing.wake_at == later  # long overdue: the daemon looks at once
    assert "neither paused nor snoozed" in reason(await steering.resume(live, who(ANNA), later))


async def test_a_reply_that_paused_two_sequences_is_resumed_in_both_or_in_one(live: Live) -> None:
    for sequence in ("quote", "birthday"):
        (enrollment,) = await entered(live, sequence, ANNA)
        await happen(live, enrollment.id, e.Paused(at=MONDAY, reason="they replied"))
    one = await steering.resume(live, who(ANNA, sequence="birthday"), MONDAY)
    assert [turned.enrollment.sequence for turned in one if isinstance(turned, Turned)] == ["birthday"]
    await steering.pause(live, who(ANNA, sequence="birthday"), MONDAY)
    both = await steering.resume(live, who(ANNA), MONDAY)
    assert [turned.enrollment.sequence for turned in both if isinstance(turned, Turned)] == ["quote", "birthday"]


async def test_nobody_known_and_nothing_open_are_told_apart(live: Live) -> None:
    assert "no contact with this address" in reason(await steering.pause(live, who("nobody@example.com"), MONDAY))
    await add(live, ANNA)
    assert reason(await steering.pause(live, who(ANNA), MONDAY)) == "they were never in a sequence"
    await entered(live, "quote", ANNA)
    await steering.stop(live, who(ANNA), MONDAY, "wrong number")
    assert reason(await steering.pause(live, who(ANNA), MONDAY)) == (
        "nothing of theirs is open; quote is stopped: wrong number"
    )
    assert reason(await steering.pause(live, who(ANNA, sequence="keep"), MONDAY)) == "they were never in keep"


# Snoozing -----------------------------------------------------------------------------------------


async def test_snooze_until_a_day_begins_where_they_live(live: Live) -> None:
    await entered(live, "quote", ANNA)
    turned = await only(await steering.snooze(live, who(ANNA), MONDAY, date(2027, 1, 15), to="last"))
    assert turned.enrollment.status is Status.SNOOZED
    assert turned.enrollment.snoozed_until == datetime(2027, 1, 15, 7, 0, tzinfo=UTC)
    assert turned.enrollment.position.step == "last"


async def test_snooze_for_a_while_keeps_the_time_of_day(live: Live) -> None:
    await entered(live, "quote", ANNA)
    turned = await only(await steering.snooze(live, who(ANNA), MONDAY, Span(3, Unit.WEEKS)))
    assert turned.enrollment.snoozed_until == MONDAY + timedelta(weeks=3)
    assert turned.enrollment.position.step == "thanks"


@pytest.mark.parametrize(
    ("until", "to", "words"),
    [
        (date(2026, 11, 1), "", "lies in the past"),
        (Span(0, Unit.DAYS), "", "lies in the past"),
        (date(2100, 1, 1), "", "more than ten years"),
        (Span(1, Unit.DAYS), "lst", "did you mean `last`?"),
    ],
)
async def test_a_snooze_that_makes_no_sense_is_refused(live: Live, until: date | Span, to: str, words: str) -> None:
    await entered(live, "quote", ANNA)
    assert words in reason(await steering.snooze(live, who(ANNA), MONDAY, until, to=to))
    assert (await of_contact(live, ANNA))[0].version == 1


async def test_the_end_of_a_snooze_is_a_date_or_a_length(live: Live) -> None:
    assert steering.parse_until("2027-01-15", live) == date(2027, 1, 15)
    assert steering.parse_until("1/15/2027", live) == date(2027, 1, 15)  # a workspace with US holidays
    assert steering.parse_until("3 weeks", live) == Span(3, Unit.WEEKS)
    assert isinstance(steering.parse_until("soon", live), Refusal)


# Branching, moving, ending ------------------------------------------------------------------------


async def test_branch_leads_away_and_back(live: Live) -> None:
    (anna,) = await entered(live, "quote", ANNA)
    await mailed(live, anna, "thanks", "call")
    turned = await only(await steering.branch(live, who(ANNA), MONDAY, "price"))
    assert turned.enrollment.position.step == "price-answer"
    assert [back.step for back in turned.enrollment.returns] == ["call"]
    assert "did you mean `price`?" in reason(await steering.branch(live, who(ANNA), MONDAY, "prize"))


async def test_a_branch_that_two_sequences_could_mean_asks_which(live: Live) -> None:
    await entered(live, "quote", ANNA)
    await entered(live, "birthday", ANNA)
    turned = await only(await steering.branch(live, who(ANNA), MONDAY, "price"))  # only quote has it
    assert turned.enrollment.sequence == "quote"
    assert "say which with --sequence" in reason(await steering.branch(live, who(ANNA), MONDAY, "nowhere"))


async def test_what_the_plan_no_longer_waits_for_leaves_the_list_of_tasks(live: Live) -> None:
    (anna,) = await entered(live, "quote", ANNA)
    async with live.database.begin() as conn:
        task = await tasks.create(conn, anna.id, "call", "call", "", MONDAY, MONDAY)
    await happen(live, anna.id, e.TaskCreated(at=MONDAY, step="call", task=task, kind="call", note=""))
    await steering.pause(live, who(ANNA), MONDAY)
    async with live.database.read() as conn:
        assert [one.id for one in await tasks.listing(conn)] == [task]
    await steering.branch(live, who(ANNA), MONDAY, "price")
    async with live.database.read() as conn:
        assert await tasks.listing(conn) == []


async def test_move_finishes_here_and_goes_on_there_from_the_same_mailbox(live: Live) -> None:
    (anna,) = await entered(live, "quote", ANNA, terms=Terms(mailbox="mark", fields={"product": "a van"}))
    turned = await only(await steering.move(live, who(ANNA), MONDAY, "keep"))
    assert (turned.enrollment.id, turned.enrollment.status) == (anna.id, Status.FINISHED)
    assert turned.onto is not None
    assert (turned.onto.sequence, turned.onto.mailbox) == ("keep", "mark")
    assert turned.onto.fields == {"product": "a van"}
    assert reason(await steering.move(live, who(ANNA), MONDAY, "keep")) == "they are in keep already"


async def test_a_move_that_cannot_be_finished_changes_nothing(live: Live) -> None:
    await entered(live, "quote", ANNA)
    async with live.database.begin() as conn:
        await suppressions.add(conn, ANNA, "unsubscribed", HAND, MONDAY)
    assert reason(await steering.move(live, who(ANNA), MONDAY, "keep")) == "they are suppressed: unsubscribed"
    assert [enrollment.status for enrollment in await of_contact(live, ANNA)] == [Status.ACTIVE]


async def test_a_move_by_the_plan_into_a_sequence_that_is_gone_leaves_them_with_the_rep(live: Live) -> None:
    (anna,) = await entered(live, "quote", ANNA)
    moved = await happen(live, anna.id, e.Moved(at=MONDAY, to="gone", reason="the steps are used up"))
    async with live.database.begin() as conn:
        answer = await move_on(conn, live, moved, "gone", MONDAY)
    assert isinstance(answer, Refusal)
    (left,) = await of_contact(live, ANNA)
    assert left.status is Status.PAUSED
    assert left.reason.startswith("could not move to gone: there is no sequence “gone”")


async def test_a_move_by_the_plan_of_somebody_suppressed_ends_there(live: Live) -> None:
    (anna,) = await entered(live, "quote", ANNA)
    moved = await happen(live, anna.id, e.Moved(at=MONDAY, to="keep", reason="not interested"))
    async with live.database.begin() as conn:
        await suppressions.add(conn, ANNA, "unsubscribed", HAND, MONDAY)
        assert isinstance(await move_on(conn, live, moved, "keep", MONDAY), Refusal)
    (left,) = await of_contact(live, ANNA)
    assert left.status is Status.FINISHED


async def test_won_and_lost_may_be_learned_after_the_end(live: Live) -> None:
    await entered(live, "quote", ANNA)
    stopped = await only(await steering.stop(live, who(ANNA), MONDAY, "no budget"))
    assert (stopped.enrollment.status, stopped.enrollment.reason) == (Status.STOPPED, "no budget")
    won = await only(await steering.close(live, who(ANNA), MONDAY, "won", "bought in the shop"))
    assert (won.enrollment.status, won.enrollment.reason) == (Status.FINISHED, "won")


async def test_a_pause_meets_a_message_in_the_air(live: Live) -> None:
    (anna,) = await entered(live, "quote", ANNA)
    started = e.AttemptStarted(
        at=MONDAY, step="thanks", attempt=1, message_id="<1@x.example>", variant="thanks", subject="S", due_at=MONDAY
    )
    await happen(live, anna.id, started)
    turned = await only(await steering.pause(live, who(ANNA), MONDAY))
    assert turned.enrollment.in_flight is not None  # its outcome is still to come


async def test_after_a_reply_the_rep_resumes_and_the_log_tells_both(live: Live) -> None:
    (anna,) = await entered(live, "quote", ANNA)
    await mailed(live, anna, "thanks", "call")
    await answered(live, anna, "What does it cost?")
    await steering.resume(live, who(ANNA), MONDAY + timedelta(hours=1))
    async with live.database.read() as conn:
        log = await enrollments.events_of(conn, anna.id)
    assert [type(line.event).__name__ for line in log] == [
        "Enrolled",
        "AttemptStarted",
        "Accepted",
        "Replied",
        "Paused",
        "Resumed",
    ]
