"""The state table and the rules: tables of single questions, and properties over whole lives."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from sequencer.core import events as e
from sequencer.core.decide import Impossible, decide, evolve, fold, next_position
from sequencer.core.decisions import (
    Continue,
    CreateTask,
    Decision,
    End,
    Facts,
    Held,
    MoveOn,
    SendEmail,
    Skip,
    Wait,
    Wake,
    event_of,
)
from sequencer.core.model import (
    BACK_OFF,
    MAIN_LINE,
    Away,
    Enrollment,
    GoTo,
    Position,
    Sequence,
    Span,
    Status,
    Step,
    Unit,
)
from sequencer.core.react import Heard, away_until, react, reaction_to, returned
from sequencer.core.when import parse_when
from tests.core.plans import ANY_TIME, CARLA, MONDAY, QUOTE, THREAD, email, enrolled, facts, started, task

DAY = timedelta(days=1)


def ask(enrollment: Enrollment, now: datetime, sequence: Sequence = QUOTE, **more: object) -> Decision:
    return decide(sequence, enrollment, facts(now, **more), now)


def sent(enrollment: Enrollment, at: datetime, sequence: Sequence = QUOTE) -> Enrollment:
    """The enrollment after whatever e-mail is due at `at` was accepted."""
    action = ask(enrollment, at, sequence)
    assert isinstance(action, SendEmail), action
    number = enrollment.emails_sent + 1
    accepted = e.Accepted(
        at=at, step=action.step, message_id=f"<{number}@example.com>", next=action.then, thread=THREAD
    )
    return fold(enrollment, (started(action.step, at, number), accepted))


def at_the_call() -> tuple[Enrollment, datetime]:
    """Carla after two e-mails, the day before her call is due."""
    one = sent(enrolled(), MONDAY + DAY)
    return sent(one, MONDAY + 6 * DAY), MONDAY + 8 * DAY


def used_up() -> tuple[Enrollment, datetime]:
    """Carla with every step taken, and the instant of the last one."""
    en, now = at_the_call()
    now += DAY
    en = evolve(en, e.TaskCreated(at=now, step="call", task=3, kind="call", note=""))
    en = evolve(en, e.TaskDone(at=now, step="call", task=3, outcome="", next=next_position(QUOTE, en)))
    now += 4 * DAY
    return sent(en, now), now


def test_waits_until_the_first_step_is_due_and_then_sends_it() -> None:
    en = enrolled()
    assert ask(en, MONDAY) == Wait(MONDAY + DAY, "waiting for thanks", "thanks", ())
    action = ask(en, MONDAY + DAY)
    assert isinstance(action, SendEmail)
    assert (action.step, action.then) == ("thanks", Position(MAIN_LINE, "article", "thanks"))


def test_the_same_question_has_the_same_answer() -> None:
    en, now = at_the_call()
    assert ask(en, now) == ask(en, now)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"hold": "SMTP refused the login"}, "SMTP refused the login"),
        ({"open_elsewhere": "in conversation in nine-word"}, "in conversation in nine-word"),
        ({"inbox_read_at": None}, "the inbox was not read to its end since this fell due"),
        (
            {"inbox_read_at": MONDAY + DAY - timedelta(seconds=1)},
            "the inbox was not read to its end since this fell due",
        ),
    ],
)
def test_what_is_due_may_be_held(changes: dict[str, object], reason: str) -> None:
    now = MONDAY + DAY
    decision = decide(QUOTE, enrolled(), replace(facts(now), **changes), now)  # type: ignore[arg-type]
    assert isinstance(decision, Held)
    assert (decision.reason, decision.due_at) == (reason, now)


def test_a_message_in_flight_holds_everything_else() -> None:
    now = MONDAY + DAY
    flying = evolve(enrolled(), started("thanks", now))
    assert isinstance(ask(flying, now + 100 * DAY), Held)
    with pytest.raises(Impossible):
        evolve(replace(flying, status=Status.PAUSED), started("thanks", now, 2))


def test_suppression_stops_whatever_the_status() -> None:
    paused = evolve(enrolled(), e.Paused(at=MONDAY, reason="asked"))
    for en in (enrolled(), paused):
        assert ask(en, MONDAY, suppressed="they asked") == End("suppressed: they asked", stopped=True)


def test_a_task_is_created_once_and_waited_for() -> None:
    en, now = at_the_call()
    action = ask(en, now + DAY)
    assert isinstance(action, CreateTask)
    en = evolve(en, e.TaskCreated(at=now + DAY, step="call", task=5, kind="call", note=""))
    assert ask(en, now + 50 * DAY) == Wait(None, "waiting for the rep: call", "call")


def test_a_task_without_what_it_needs_is_skipped() -> None:
    from sequencer.core.condition import parse_condition

    plan = replace(QUOTE, lines={MAIN_LINE: (task("call", "immediately", only_if=parse_condition("contact.fax")),)})
    decision = ask(enrolled(plan), MONDAY, plan)
    assert decision == Skip("call", "only if contact.fax", Position(MAIN_LINE, "", "call"))


def test_what_comes_too_late_is_skipped() -> None:
    en, now = at_the_call()
    en = evolve(en, e.TaskCreated(at=now, step="call", task=3, kind="call", note=""))
    en = evolve(en, e.TaskDone(at=now, step="call", task=3, outcome="", next=next_position(QUOTE, en)))
    due = now + 4 * DAY
    assert isinstance(ask(en, due + 5 * DAY), SendEmail)
    assert isinstance(ask(en, due + 5 * DAY + timedelta(seconds=1)), Skip)


def test_the_back_off_goes_out_once_after_silence_and_then_the_plan_ends() -> None:
    en, now = used_up()
    assert ask(en, now) == Wait(now + 10 * DAY, "waiting for silence before the back-off message", BACK_OFF, ())
    en = sent(en, now + 10 * DAY)
    assert en.backed_off
    assert ask(en, now + 10 * DAY) == MoveOn("keep-in-touch", "no answer to the back-off message")


def test_no_back_off_after_an_interested_reply() -> None:
    en, now = used_up()
    en = fold(
        en,
        (
            e.Replied(at=now, message=1, kind="interested", sender="carla@example.com", matched_by="reply"),
            e.Paused(at=now, reason="they replied"),
            e.Resumed(at=now + DAY, by="mark"),
        ),
    )
    assert ask(en, now + 90 * DAY) == MoveOn("keep-in-touch", "the steps are used up")


def test_silence_counts_from_the_last_sign_of_life() -> None:
    en, now = used_up()
    en = fold(
        en,
        (
            e.Replied(at=now + 3 * DAY, message=1, kind="reply", sender="carla@example.com", matched_by="reply"),
            e.Paused(at=now + 3 * DAY, reason="they replied"),
            e.Resumed(at=now + 4 * DAY),
        ),
    )
    assert isinstance(ask(en, now + 12 * DAY), Wait)
    assert isinstance(ask(en, now + 13 * DAY), SendEmail)


def test_paused_waits_for_somebody_and_never_backs_off() -> None:
    en, now = used_up()
    en = evolve(en, e.Paused(at=now, reason="they replied"))
    assert ask(en, now + 400 * DAY) == Wait(None, "paused: they replied", "")


def test_a_branch_returns_to_where_the_plan_stood() -> None:
    en, now = at_the_call()
    events = react(QUOTE, en, Heard("reply", "cost"), ANY_TIME, now)
    en = fold(en, (e.Replied(at=now, message=1, kind="reply", sender="c@example.com", matched_by="reply"), *events))
    assert en.position == Position("price", "price-answer")
    en = sent(en, now + timedelta(hours=2))
    en = evolve(en, e.TaskCreated(at=now + 3 * DAY, step="price-call", task=9, kind="call", note=""))
    en = evolve(en, e.TaskDone(at=now + 3 * DAY, step="price-call", task=9, outcome="", next=next_position(QUOTE, en)))
    back = ask(en, now + 3 * DAY)
    assert back == Continue(Position(MAIN_LINE, "call", "article"), (), "price is used up")
    en = evolve(en, event_of(back, now + 3 * DAY))
    assert ask(en, now + 3 * DAY).step == "call"  # type: ignore[union-attr]


def test_a_snooze_ends_with_the_step_it_names() -> None:
    en, now = at_the_call()
    until = now + 30 * DAY
    (snoozed,) = react(QUOTE, en, Heard("not_now", date=until.date(), date_words="in April"), ANY_TIME, now)
    en = evolve(en, snoozed)
    assert isinstance(snoozed, e.Snoozed)
    assert "in April" in snoozed.reason
    assert ask(en, now) == Wait(snoozed.until, "snoozed: they wrote “in April”", "last")
    assert ask(en, snoozed.until) == Wake()
    en = evolve(en, e.Resumed(at=snoozed.until))
    action = ask(en, snoozed.until)
    assert isinstance(action, SendEmail)
    assert action.step == "last"


def test_resuming_early_does_not_wait_for_the_snooze() -> None:
    en, now = at_the_call()
    en = evolve(en, e.Snoozed(at=now, until=now + 60 * DAY, reason="by hand"))
    en = evolve(en, e.Resumed(at=now + 2 * DAY, by="mark"))
    assert isinstance(ask(en, now + 2 * DAY), CreateTask)


def test_a_step_does_not_expire_while_its_enrollment_sleeps() -> None:
    plan = replace(QUOTE, lines={MAIN_LINE: (email("only", "immediately", expires=Span(1, Unit.DAYS)),)})
    en = evolve(enrolled(plan), e.Snoozed(at=MONDAY, until=MONDAY + 90 * DAY, reason="by hand"))
    en = evolve(en, event_of(Wake(), MONDAY + 90 * DAY))
    assert isinstance(ask(en, MONDAY + 90 * DAY, plan), SendEmail)


def test_away_days_hold_the_plan_and_use_up_no_step() -> None:
    en, now = at_the_call()
    back = away_until((now + 10 * DAY).date(), ANY_TIME, now)
    en = evolve(en, e.NoticeReceived(at=now, message=2, kind="out_of_office", away_until=back))
    decision = ask(en, now + 2 * DAY)
    assert isinstance(decision, Wait)
    assert decision.until is not None
    assert decision.until >= back
    assert decision.step == "call"


def test_the_gap_between_touches_counts_across_sequences() -> None:
    now = MONDAY + DAY
    gap = Span(2, Unit.DAYS)
    decision = ask(enrolled(), now, last_touch_to_contact=now - timedelta(hours=1), min_gap=gap)
    assert decision == Wait(
        now + 2 * DAY - timedelta(hours=1), "waiting for thanks", "thanks", ("2 days between two touches",)
    )


def test_a_deferred_message_is_tried_again_when_the_server_said_so() -> None:
    now = MONDAY + DAY
    en = fold(
        enrolled(), (started("thanks", now), e.Deferred(at=now, step="thanks", code=451, answer="", retry_at=now + DAY))
    )
    assert (en.in_flight, en.tries) == (None, 1)
    assert isinstance(ask(en, now), Wait)
    assert isinstance(ask(en, now + DAY), SendEmail)


def test_a_soft_bounce_takes_the_step_again_later_and_not_for_ever() -> None:
    now = MONDAY + DAY
    en = sent(enrolled(), now)
    again = returned(en, "thanks", Position(MAIN_LINE, "thanks"), "4.2.2 mailbox full", ANY_TIME, now + DAY)
    assert isinstance(again, e.NotDelivered)
    en = evolve(en, again)
    assert isinstance(ask(en, now + DAY), Wait)
    action = ask(en, now + 4 * DAY)
    assert isinstance(action, SendEmail)
    assert action.step == "thanks"
    for _ in range(2):
        en = sent(en, now + 4 * DAY)
        again = returned(en, "thanks", Position(MAIN_LINE, "thanks"), "4.2.2", ANY_TIME, now + 4 * DAY)
        assert isinstance(again, e.NotDelivered)
        en = evolve(en, replace(again, retry_at=now + 4 * DAY))
    en = sent(en, now + 4 * DAY)
    assert isinstance(returned(en, "thanks", Position(MAIN_LINE, "thanks"), "4.2.2", ANY_TIME, now), e.Paused)


def test_a_soft_bounce_of_an_older_step_changes_nothing() -> None:
    en, now = at_the_call()
    assert returned(en, "thanks", Position(MAIN_LINE, "thanks"), "4.2.2", ANY_TIME, now) is None


def test_doubt_counts_as_delivered_and_the_evidence_changes_nothing() -> None:
    now = MONDAY + DAY
    action = ask(enrolled(), now)
    assert isinstance(action, SendEmail)
    message_id = "<1@example.com>"
    doubt = e.InDoubt(at=now, step="thanks", message_id=message_id, next=action.then, thread=THREAD, reason="lost")
    en = fold(enrolled(), (started("thanks", now), doubt))
    assert en.position.step == "article"
    proof = e.Accepted(at=now + DAY, step="thanks", message_id=message_id, next=action.then, thread=THREAD)
    assert evolve(en, proof).position == en.position
    assert evolve(en, proof).emails_sent == 1


# Live edits ------------------------------------------------------------------------------------------


def edited(*steps: Step) -> Sequence:
    return replace(QUOTE, version="v2", lines={**QUOTE.lines, MAIN_LINE: steps})


def step_of(decision: Decision) -> str:
    return getattr(decision, "step", "")


def test_everyone_continues_at_their_step() -> None:
    en, now = at_the_call()
    thanks, article, call, last = QUOTE.steps
    plan = edited(email("hello", "1 day later"), thanks, article, email("new", "1 day later"), call, last)
    assert step_of(ask(en, now, plan, earlier=QUOTE)) == "call"


def test_a_removed_step_hands_over_to_the_next() -> None:
    en, now = at_the_call()
    thanks, article, _, last = QUOTE.steps
    assert step_of(ask(en, now, edited(thanks, article, last), earlier=QUOTE)) == "last"
    assert step_of(ask(en, now, edited(thanks, article), earlier=QUOTE)) == BACK_OFF


def test_appended_steps_are_taken_by_those_who_used_up_the_line() -> None:
    en, now = used_up()
    plan = edited(*QUOTE.steps, email("more", "2 days later"))
    assert step_of(ask(en, now, plan, earlier=QUOTE)) == "more"
    en = sent(en, now + 10 * DAY)
    assert isinstance(ask(en, now + 20 * DAY, plan, earlier=QUOTE), MoveOn)


def test_what_an_edit_makes_due_does_not_leave_at_once() -> None:
    thanks, article, call, last = QUOTE.steps
    plan = edited(thanks, replace(article, when=parse_when("1 hour later")), call, last)
    en = sent(enrolled(), MONDAY + DAY)
    now = MONDAY + 3 * DAY
    instants = set()
    for number in range(1, 200):
        decision = ask(replace(en, id=number), now, plan, earlier=QUOTE, edited_at=now)
        assert isinstance(decision, Wait)
        assert decision.until is not None
        assert now <= decision.until <= now + DAY
        instants.add(decision.until)
    assert len(instants) > 150


# Reactions -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("heard", "kind"),
    [
        (Heard("interested"), e.Paused),
        (Heard("reply"), e.Paused),
        (Heard("question"), e.Paused),
        (Heard("not_now"), e.Snoozed),
        (Heard("not_interested"), e.Moved),
        (Heard("reply", "cost"), e.Branched),
        (Heard("unsubscribe", "cost"), e.Stopped),
        (Heard("bounce"), e.Stopped),
        (Heard("complaint"), e.Stopped),
        (Heard("left_company"), e.Paused),
    ],
)
def test_the_table_of_reactions(heard: Heard, kind: type) -> None:
    (event,) = react(QUOTE, enrolled(), heard, ANY_TIME, MONDAY)
    assert isinstance(event, kind)


@pytest.mark.parametrize("kind", ["auto_reply", "out_of_office", "receipt", "delayed", "soft_bounce"])
def test_notices_that_change_nothing_by_themselves(kind: str) -> None:
    assert react(QUOTE, enrolled(), Heard(kind), ANY_TIME, MONDAY) == ()


def test_without_a_word_in_the_file_every_human_reply_pauses() -> None:
    silent = replace(QUOTE, on_reply={}, labels={})
    for kind in ("interested", "question", "not_now", "not_interested", "wrong_person", "reply"):
        (event,) = react(silent, enrolled(), Heard(kind), ANY_TIME, MONDAY)
        assert isinstance(event, e.Paused)


def test_nobody_can_soften_a_wish_to_be_left_alone() -> None:
    soft = replace(QUOTE, on_reply={"unsubscribe": GoTo("price"), "any": GoTo("price")})
    assert type(reaction_to(soft, Heard("unsubscribe"))).__name__ == "Suppress"


def test_a_late_reply_reopens_as_paused() -> None:
    ended = evolve(enrolled(), e.Finished(at=MONDAY, reason="used up"))
    (event,) = react(QUOTE, ended, Heard("not_now"), ANY_TIME, MONDAY + DAY)
    assert evolve(ended, event).status is Status.PAUSED
    assert react(QUOTE, ended, Heard("out_of_office"), ANY_TIME, MONDAY + DAY) == ()


@pytest.mark.parametrize("heard", [Heard("not_now"), Heard("not_interested"), Heard("reply", "cost")])
def test_what_is_paused_stays_so_until_a_person_decides(heard: Heard) -> None:
    paused = evolve(enrolled(), e.Paused(at=MONDAY, reason="by hand"))
    (event,) = react(QUOTE, paused, heard, ANY_TIME, MONDAY + DAY)
    assert isinstance(event, e.Paused)
    (corrected,) = react(QUOTE, paused, heard, ANY_TIME, MONDAY + DAY, corrected=True)
    assert not isinstance(corrected, e.Paused)
    (unwanted,) = react(QUOTE, paused, Heard("unsubscribe"), ANY_TIME, MONDAY + DAY)
    assert isinstance(unwanted, e.Stopped)


def test_a_day_already_past_does_not_snooze_into_the_past() -> None:
    (event,) = react(QUOTE, enrolled(), Heard("not_now", date=(MONDAY - 9 * DAY).date()), ANY_TIME, MONDAY)
    assert isinstance(event, e.Snoozed)
    assert event.until == MONDAY


def test_an_enrollment_survives_its_json() -> None:
    en, now = used_up()
    en = replace(en, away=(Away(now, now + DAY),), fields={"quote_date": now.date(), "n": 3, "x": None})
    assert e.from_json(Enrollment, e.to_json(en)) == en


def test_facts_do_not_change() -> None:
    with pytest.raises(AttributeError):
        Facts(CARLA, ANY_TIME, None).hold = "x"  # type: ignore[misc]
