"""What comes while a message is in the air, after it, too late, or in another order than it happened."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from sequencer.core import events as e
from sequencer.core.decide import decide, evolve, fold
from sequencer.core.decisions import Decision, Held, MoveOn, SendEmail, Skip, Wait
from sequencer.core.model import BACK_OFF, MAIN_LINE, Away, Enrollment, InFlight, Position
from sequencer.core.react import Heard, react, returned
from tests.core.plans import ANY_TIME, MONDAY, QUOTE, THREAD, enrolled, facts, sent_by, started

DAY = timedelta(days=1)
THANKS, ARTICLE = Position(MAIN_LINE, "thanks"), Position(MAIN_LINE, "article", "thanks")
NOW = MONDAY + DAY


def ask(en: Enrollment, now: timedelta | None = None) -> Decision:
    at = NOW if now is None else NOW + now
    return decide(QUOTE, en, facts(at), at)


def flying() -> Enrollment:
    return evolve(enrolled(), replace(started("thanks", NOW), position=THANKS))


def replied(en: Enrollment, kind: str, label: str = "") -> Enrollment:
    heard = e.Replied(at=NOW, message=1, kind=kind, sender="c@example.com", matched_by="")
    return fold(en, (heard, *react(QUOTE, en, Heard(kind, label), ANY_TIME, NOW)))


def used_up() -> Enrollment:
    """Carla with every step taken, on the day of the last one."""
    en = replace(sent_by(QUOTE, enrolled(), NOW), position=Position(MAIN_LINE, "last", "call"))
    return sent_by(QUOTE, en, NOW + 5 * DAY)


ACCEPTED = e.Accepted(at=NOW, step="thanks", message_id="<1@example.com>", next=ARTICLE, thread=THREAD)
IN_DOUBT = e.InDoubt(at=NOW, step="thanks", message_id="<1@example.com>", next=ARTICLE, thread=THREAD, reason="lost")
DEFERRED = e.Deferred(at=NOW, step="thanks", code=451, answer="", retry_at=NOW + 9 * DAY)
NOT_DELIVERED = e.NotDelivered(
    at=NOW, step="thanks", message_id="<1@example.com>", position=THANKS, reason="", retry_at=NOW + 9 * DAY
)


@pytest.mark.parametrize("outcome", [ACCEPTED, IN_DOUBT])
def test_a_branch_in_mid_air_returns_behind_the_message(outcome: e.Event) -> None:
    en = replied(flying(), "reply", "cost")
    assert en.returns == (THANKS,)
    en = evolve(en, outcome)
    assert (en.position, en.returns) == (Position("price", "price-answer"), (ARTICLE,))
    assert en.taken == {"thanks": MAIN_LINE}


@pytest.mark.parametrize("outcome", [DEFERRED, NOT_DELIVERED])
def test_what_a_branch_answers_need_not_wait_for_a_server_that_put_another_message_off(outcome: e.Event) -> None:
    en = evolve(replied(flying(), "reply", "cost"), outcome)
    assert (en.returns, en.retry_at, en.tries) == ((THANKS,), None, 0)
    assert isinstance(ask(en, timedelta(hours=2)), SendEmail)


def test_a_server_that_defers_puts_the_message_itself_off() -> None:
    en = evolve(flying(), DEFERRED)
    assert (en.retry_at, en.tries) == (NOW + 9 * DAY, 1)
    refused_early = evolve(enrolled(), DEFERRED)  # before anything was committed
    assert (refused_early.retry_at, refused_early.tries) == (NOW + 9 * DAY, 1)


def test_a_snooze_in_mid_air_names_another_step_and_stays_there() -> None:
    en = evolve(replied(flying(), "not_now"), ACCEPTED)
    assert en.position == Position(MAIN_LINE, "last")
    assert en.last_touch_at == NOW


def test_a_go_to_back_in_mid_air_does_not_send_the_same_again() -> None:
    branched = e.Branched(at=NOW, to=THANKS, returns=(), reason="", again=("thanks", "article", "call", "last"))
    en = fold(flying(), (branched, ACCEPTED))
    assert en.position == ARTICLE
    assert isinstance(ask(en), Wait)


def test_an_outcome_of_another_message_changes_nothing() -> None:
    assert evolve(flying(), replace(ACCEPTED, message_id="<9@example.com>")).in_flight is not None


# What is done or evident later --------------------------------------------------------------------

CALL = Position(MAIN_LINE, "call", "article")
ASKED = e.TaskCreated(at=NOW, step="call", task=3, kind="call", note="", position=CALL)
DONE = e.TaskDone(at=NOW + DAY, step="call", task=3, outcome="", next=Position(MAIN_LINE, "last", "call"))
AWAY_INTO_A_BRANCH = e.Branched(at=NOW, to=Position("price", "price-answer"), returns=(CALL,), reason="")


def test_a_task_done_after_a_branch_is_a_touch_and_skips_nothing() -> None:
    en = fold(enrolled(), (ASKED, AWAY_INTO_A_BRANCH, DONE))
    assert (en.position, en.returns) == (Position("price", "price-answer"), (CALL,))
    assert en.last_touch_at == NOW + DAY


def test_another_task_is_not_taken_for_the_one_that_the_plan_waits_for() -> None:
    en = fold(enrolled(), (ASKED, replace(DONE, task=2)))
    assert en.task is not None
    assert en.position == CALL
    not_needed = evolve(en, replace(DONE, touched=False))
    assert (not_needed.task, not_needed.position.step, not_needed.last_touch_at) == (None, "last", NOW + DAY)


def test_a_message_that_never_left_is_taken_again_only_while_nothing_came_after_it() -> None:
    first = sent_by(QUOTE, enrolled(), NOW)
    back = evolve(first, NOT_DELIVERED)
    assert (back.position, back.emails_sent, back.thread, back.taken) == (THANKS, 0, None, {})
    assert ask(back) == Wait(NOW + 9 * DAY, "waiting for thanks", "thanks", ())
    second = sent_by(QUOTE, first, NOW + 5 * DAY)
    late = evolve(second, NOT_DELIVERED)
    assert late == replace(second, version=second.version + 1, returned=1)
    on_its_way = evolve(first, replace(started("article", NOW + 5 * DAY, 2), position=ARTICLE))
    assert evolve(on_its_way, NOT_DELIVERED).position == ARTICLE


def test_a_step_of_another_line_is_not_gone_back_to() -> None:
    en = replace(enrolled(), position=Position("price", "price-call", "price-answer"), returns=(CALL,))
    elsewhere = replace(NOT_DELIVERED, step="price-answer", position=Position(MAIN_LINE, "price-answer"))
    assert evolve(en, elsewhere).position == en.position


def test_nothing_comes_back_where_nothing_was_taken() -> None:
    assert returned(enrolled(), "", THANKS, "4.2.2", ANY_TIME, NOW) is None
    assert returned(flying(), "thanks", THANKS, "4.2.2", ANY_TIME, NOW) is None


# The back-off message -----------------------------------------------------------------------------


def backed_off(en: Enrollment) -> Enrollment:
    return sent_by(QUOTE, en, NOW + 15 * DAY)


def test_a_soft_bounce_of_the_back_off_message_is_tried_again() -> None:
    en = backed_off(used_up())
    again = returned(en, BACK_OFF, en.position, "4.2.2", ANY_TIME, NOW + 16 * DAY)
    assert isinstance(again, e.NotDelivered)
    en = evolve(en, again)
    assert (en.backed_off, en.position) == (False, Position(MAIN_LINE, "", "last"))
    assert isinstance(ask(en, 16 * DAY), Wait)
    action = ask(en, 17 * DAY)
    assert isinstance(action, SendEmail)
    assert action.step == BACK_OFF
    assert evolve(en, again).emails_sent == en.emails_sent  # told twice, taken back once


@pytest.mark.parametrize("by_hand", [False, True])
def test_an_answer_to_the_back_off_ends_otherwise_than_silence(by_hand: bool) -> None:
    answered = NOW + 16 * DAY
    heard = e.Replied(at=answered, message=1, kind="reply", sender="c@example.com", matched_by="")
    rep = (e.HandWritten(at=answered + DAY, message=2),) if by_hand else ()
    en = fold(backed_off(used_up()), (heard, e.Paused(at=answered, reason=""), *rep, e.Resumed(at=answered + DAY)))
    assert ask(en, 17 * DAY) == MoveOn("keep-in-touch", "the steps are used up")


def test_an_answer_from_before_the_back_off_does_not_count_as_one_to_it() -> None:
    early = e.Replied(at=NOW + 6 * DAY, message=1, kind="reply", sender="c@example.com", matched_by="")
    en = fold(used_up(), (early, e.Paused(at=NOW + 6 * DAY, reason=""), e.Resumed(at=NOW + 6 * DAY)))
    en = sent_by(QUOTE, en, NOW + 16 * DAY)
    assert ask(en, 16 * DAY) == MoveOn("keep-in-touch", "no answer to the back-off message")


# Absences, and mail that is read late -------------------------------------------------------------


def test_a_reply_ends_an_absence() -> None:
    away = e.NoticeReceived(at=NOW, message=1, kind="out_of_office", away_until=NOW + 60 * DAY)
    en = evolve(sent_by(QUOTE, enrolled(), NOW), away)
    assert isinstance(ask(en, 6 * DAY), Wait)
    heard = e.Replied(at=NOW + DAY, message=2, kind="reply", sender="c@example.com", matched_by="")
    assert isinstance(ask(evolve(en, heard), 6 * DAY), SendEmail)


def test_a_reply_does_not_end_an_absence_that_began_after_it() -> None:
    away = e.NoticeReceived(at=NOW, message=1, kind="out_of_office", away_until=NOW + 60 * DAY)
    heard = e.Replied(at=NOW - DAY, message=2, kind="reply", sender="c@example.com", matched_by="")
    assert fold(enrolled(), (away, heard)).away == (Away(NOW, NOW + 60 * DAY),)


def test_mail_that_is_read_late_does_not_turn_the_clock_back() -> None:
    newer = e.Replied(at=NOW, message=1, kind="reply", sender="c@example.com", matched_by="")
    older = replace(newer, at=NOW - DAY, message=2)
    en = fold(enrolled(), (newer, older))
    assert en.last_sign_at == NOW
    by_hand = (e.HandWritten(at=NOW, message=3), e.HandWritten(at=NOW - DAY, message=4))
    assert fold(en, by_hand).last_touch_at == NOW


# Going somewhere on purpose -----------------------------------------------------------------------


def test_a_snooze_may_end_with_a_step_that_was_taken_before() -> None:
    en = used_up()
    assert "last" in en.taken
    (snoozed,) = react(QUOTE, en, Heard("not_now"), ANY_TIME, NOW + 6 * DAY)
    assert isinstance(snoozed, e.Snoozed)
    assert snoozed.again == ("last",)
    en = fold(en, (snoozed, e.Resumed(at=snoozed.until)))
    action = ask(en, snoozed.until - NOW)
    assert isinstance(action, SendEmail)
    assert action.step == "last"


def test_a_branch_is_gone_through_again_by_who_comes_into_it_again() -> None:
    taken = {"thanks": MAIN_LINE, "price-answer": "price"}
    en = replace(enrolled(), taken=taken, position=ARTICLE)
    assert replied(en, "reply", "cost").taken == {"thanks": MAIN_LINE}
    of_an_old_log = e.Branched(at=NOW, to=Position("price", "price-answer"), returns=(ARTICLE,), reason="")
    assert evolve(en, of_an_old_log).taken == {"thanks": MAIN_LINE}
    back = e.Branched(at=NOW, to=ARTICLE, returns=(), reason="price is used up", again=())
    assert evolve(replace(en, position=Position("price", "", "price-call")), back).taken == taken


def test_an_edited_file_leaves_who_is_in_a_branch_due_when_they_were() -> None:
    en = replace(enrolled(), position=Position("price", "price-answer"), ready_at=NOW, returns=(ARTICLE,))
    moved = e.Branched(at=NOW, to=en.position, returns=(CALL,), reason="the file was edited", again=())
    assert evolve(en, moved) == replace(en, version=2, returns=(CALL,))


def test_a_message_in_the_air_holds_and_hides_nothing() -> None:
    en = flying()
    assert en.in_flight == InFlight("thanks", "<1@example.com>", 1, "x", THANKS)
    assert isinstance(ask(en, 100 * DAY), Held)
    assert not isinstance(ask(evolve(en, ACCEPTED)), (Held, Skip))
