"""Files that are edited while people are in them: everybody keeps their place, and nothing is done twice."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from sequencer.core import events as e
from sequencer.core.decide import fold, next_position
from sequencer.core.decisions import Continue, CreateTask, SendEmail
from sequencer.core.due import EDIT_SPREAD
from sequencer.core.lines import after_step, destination, locate, repeated_from
from sequencer.core.model import MAIN_LINE, Enrollment, GoTo, Position, Sequence, Step
from sequencer.core.react import Heard, react
from sequencer.core.when import parse_when
from tests.core.lives import Life, Turn
from tests.core.plans import ANY_TIME, MONDAY, email, enrolled, started, task

DAY = timedelta(days=1)


def plan(version: str, *steps: str | Step, **branches: tuple[str, ...]) -> Sequence:
    """A file of steps that wait a day each; a name in capitals is a task."""

    def made(step: str | Step) -> Step:
        if isinstance(step, Step):
            return step
        return task(step, "1 day later") if step.isupper() else email(step, "1 day later")

    lines = {MAIN_LINE: tuple(map(made, steps)), **{name: tuple(map(made, ids)) for name, ids in branches.items()}}
    return Sequence("q", version, ("mark",), lines, on_reply={"question": GoTo("b")} if "b" in branches else {})


def lived(*files: Sequence, days: int, edit_on: tuple[int, ...] = ()) -> Life:
    """A quiet life of so many days, in which the next version goes live on some of them."""
    life = Life(list(files), ANY_TIME)
    life.live_through([Turn(hours=24, edit=day in edit_on) for day in range(days)])
    return life


@pytest.mark.parametrize(
    ("before", "after", "taken"),
    [
        (("a", "b", "c", "d"), ("a", "c", "d"), ["a", "c", "d"]),
        (("a", "b", "c", "d"), ("a", task("c", "1 day later"), "d"), ["a", "c", "d"]),
        (("a", "b", "c"), ("a",), ["a"]),
        (("a", "b", "c"), ("x", "a", "b", "c"), ["a", "b", "c"]),
        (("a", "b", "c"), ("a", "b", "c", "d", "E"), ["a", "b", "c", "d", "E"]),
        (("a", "b", "c"), ("b", "c", "a"), ["a", "b", "c"]),
        (("a", "b", "c"), ("c", "b", "a"), ["a", "b"]),
        (("a", "b", "c"), ("c", "x", "y"), ["a", "c", "x", "y"]),
        (("a", "b"), ("a", "x", "y"), ["a", "x", "y"]),
        (("A", "b", "c"), ("a", "b", "c"), ["A", "b", "c"]),
    ],
)
def test_who_has_had_the_first_step_goes_on_behind_it(
    before: tuple[str, ...], after: tuple[str | Step, ...], taken: list[str]
) -> None:
    life = lived(plan("v1", *before), plan("v2", *after), days=9, edit_on=(2,))
    assert life.taken == taken
    assert life.en.status.ended


def test_steps_that_are_appended_behind_the_last_one_are_taken_once() -> None:
    life = lived(plan("v1", "a"), plan("v2", "a", "b", "C"), days=0)
    life.goes_on(Turn())
    life.now += DAY
    life.goes_on(Turn(midair="reply"))  # it pauses them, else a used up plan would end at once
    life.edit()
    life.record(e.Resumed(at=life.now))
    life.ends()
    assert life.taken == ["a", "b", "C"]


def test_what_only_happens_to_somebody_keeps_the_file_that_knows_their_place() -> None:
    life = lived(plan("v1", "a", "b", "c"), plan("v2", "a", "x", "c"), days=2)
    life.edit()
    stands = life.en.position
    life.record(
        e.Replied(at=life.now, message=1, kind="reply", sender="c@example.com", matched_by=""),
        e.HandWritten(at=life.now, message=2),
        e.NoticeReceived(at=life.now, message=3, kind="receipt"),
        e.Paused(at=life.now, reason="they replied"),
        e.Snoozed(at=life.now, until=life.now + DAY, reason="by hand"),
        e.NotDelivered(at=life.now, step="z", message_id="<9@example.com>", position=stands, reason="late evidence"),
        e.Resumed(at=life.now),
    )
    assert (life.en.definition, life.en.position) == ("v1", stands)
    life.ends()
    assert life.taken == ["a", "c"]


def test_what_places_somebody_makes_the_live_file_theirs() -> None:
    here = Position(MAIN_LINE, "b", "a")
    attempt = replace(started("b", MONDAY), position=here)
    asked = e.TaskCreated(at=MONDAY, step="b", task=1, kind="call", note="", position=here)
    skipped = e.Skipped(at=MONDAY, step="a", reason="too late", next=here)
    branched = e.Branched(at=MONDAY, to=here, returns=(), reason="")
    snoozed = e.Snoozed(at=MONDAY, until=MONDAY + DAY, reason="", to=here)
    for event in (attempt, asked, skipped, branched, snoozed):
        after = fold(enrolled(), (event,), "v2")
        assert (after.definition, after.position) == ("v2", here), event
    there = replace(enrolled(), position=here)
    for event in (branched, snoozed):
        assert fold(there, (event,), "v2").definition == "v2", event
    assert fold(enrolled(), (started("thanks", MONDAY),), "v2").definition == "v1"


def test_a_step_that_moves_into_a_branch_hands_over_to_the_next() -> None:
    life = lived(plan("v1", "a", "x", "c", b=("b1",)), plan("v2", "a", "c", b=("b1", "x")), days=9, edit_on=(2,))
    assert life.taken == ["a", "c"]


# Branches -----------------------------------------------------------------------------------------


def in_the_branch(file: Sequence) -> Life:
    """Carla has had the first step of two, asked a question, and is led into the branch."""
    life = lived(file, days=2)
    life.hear("question")
    assert life.en.position.line == "b"
    return life


def test_a_branch_that_goes_while_people_are_in_it_hands_them_back() -> None:
    life = in_the_branch(plan("v1", "a", "c", b=("b1", "b2")))
    life.files.append(plan("v2", "a", "c"))
    life.edit()
    handed_back = life.ask()
    assert isinstance(handed_back, Continue)
    assert replace(handed_back, not_before=None) == Continue(Position(MAIN_LINE, "c", "a"), (), "b is used up")
    assert handed_back.not_before is not None
    assert life.now <= handed_back.not_before <= life.now + EDIT_SPREAD  # not all of them at once
    life.ends()
    assert life.taken == ["a", "c"]


def test_a_branch_that_is_renamed_goes_on() -> None:
    life = in_the_branch(plan("v1", "a", "c", b=("b1", "b2")))
    life.now += DAY
    life.goes_on(Turn())
    assert life.en.position.step == "b2"
    life.files.append(plan("v2", "a", "c", other=("b1", "b2")))
    life.edit()
    life.now += DAY
    decision = life.ask()
    assert isinstance(decision, SendEmail)
    assert decision.position == Position("other", "b2", "b1")
    life.ends()
    assert life.taken == ["a", "c"]


def test_where_a_branch_returns_to_is_found_in_the_file_as_it_is_then() -> None:
    life = in_the_branch(plan("v1", "a", "c", "d", b=("b1",)))
    life.files.append(plan("v2", "d", "e", b=("b1",)))
    life.edit()
    moved = life.ask()
    assert isinstance(moved, Continue)
    assert (moved.to, moved.returns) == (Position("b", "b1"), (Position(MAIN_LINE, "d", "a"),))
    life.ends()
    assert life.taken == ["a", "d", "e"]


def test_branches_nest_and_come_back_one_by_one() -> None:
    inner = Step("more", GoTo("c"), parse_when("immediately"))
    file = plan("v1", "m1", "m2", b=("b1", "b2"), c=("c1",))
    file = replace(file, lines={**file.lines, "b": (file.lines["b"][0], inner, file.lines["b"][1])})
    life = in_the_branch(file)
    order = []
    while not life.en.status.ended:
        life.now += timedelta(hours=12)
        sent = life.en.emails_sent
        action = life.ask()
        life.goes_on(Turn())
        if life.en.emails_sent > sent and isinstance(action, SendEmail):
            order.append(action.step)
    assert order == ["b1", "c1", "b2", "m2"]


def test_a_branch_that_leads_to_itself_returns_to_where_the_plan_stood_all_the_same() -> None:
    life = in_the_branch(plan("v1", "a", "c", b=("b1", "b2")))
    life.now += DAY
    life.goes_on(Turn())
    life.hear("question")
    assert (life.en.position, life.en.returns) == (Position("b", "b1"), (Position(MAIN_LINE, "c", "a"),))
    life.ends()
    assert life.taken == ["a", "c"]
    assert [event.step for event, _ in life.log if isinstance(event, e.Accepted)] == ["a", "b1", "b1", "b2", "c"]


def test_a_loop_takes_its_steps_again_and_comes_to_rest_each_time() -> None:
    life = lived(plan("v1", "hello", "bye", Step("again", GoTo("hello"), parse_when("immediately"))), days=60)
    steps = [event.step for event, _ in life.log if isinstance(event, e.Accepted)]
    assert steps == ["hello", "bye"] * 29 + ["hello"]
    assert not [event for event, _ in life.log if isinstance(event, e.Skipped)]


# A step that changes what it is -------------------------------------------------------------------


def test_a_step_becomes_a_task_while_its_message_is_in_the_air() -> None:
    letter, call = plan("v1", "a", "b"), plan("v2", task("a", "1 day later"), "b")
    life = Life([letter, call], ANY_TIME)
    life.now += DAY
    life.goes_on(Turn(edit=True))
    assert (life.en.task, life.en.position.step) == (None, "b")
    deferred = Life([letter, call], ANY_TIME)
    deferred.now += DAY
    deferred.goes_on(Turn(edit=True, outcome="deferred"))
    deferred.now += DAY
    assert isinstance(deferred.ask(), CreateTask)  # it certainly did not leave


def test_a_task_becomes_a_message_while_the_rep_is_at_it() -> None:
    life = Life([plan("v1", task("a", "1 day later"), "b"), plan("v2", "a", "b")], ANY_TIME)
    life.now += DAY
    life.goes_on(Turn(lazy_rep=True))
    assert life.en.task is not None
    life.edit()
    life.now += DAY
    life.work()
    life.ends()
    assert life.taken == ["a", "b"]


def test_a_task_whose_step_is_gone_hands_over_to_the_next_once_it_is_done() -> None:
    here = Position(MAIN_LINE, "B", "a")
    asked = e.TaskCreated(at=MONDAY, step="B", task=3, kind="call", note="", position=here)
    en = fold(replace(enrolled(), position=here), (asked,), "v1")
    old, new = plan("v1", "a", "B", "c", "d"), plan("v2", "a", "c", "d")
    assert next_position(old, en) == Position(MAIN_LINE, "c", "B")
    assert next_position(new, en, old) == Position(MAIN_LINE, "c", "a")
    elsewhere = replace(en, position=Position("b", "b1"))
    assert next_position(old, elsewhere) == Position(MAIN_LINE, "c", "B")


# Finding one's place ------------------------------------------------------------------------------

FOUR = plan("v1", "a", "b", "c", "d")


@pytest.mark.parametrize(
    ("live", "stand", "earlier", "taken", "found"),
    [
        ("a b c d", "c", None, "", "c"),
        ("a b d", "c", FOUR, "", "d"),
        ("a b d", "c", None, "", "d"),  # nobody knows what followed: behind the step before
        ("a d", "c", None, "a b", "d"),  # the step before is gone too: behind the last that was taken
        ("a b", "c", FOUR, "", ""),
        ("x y", "c", FOUR, "a b", ""),  # a file written anew from the ground up
        ("x a y", "c", FOUR, "a b", "y"),
    ],
)
def test_a_place_is_found(live: str, stand: str, earlier: Sequence | None, taken: str, found: str) -> None:
    position, step = locate(plan("v9", *live.split()), Position(MAIN_LINE, stand, "b"), earlier, taken.split())
    assert position.step == found
    assert (step.id if step is not None else "") == found


def test_who_stood_at_the_first_step_begins_with_the_one_that_took_its_place() -> None:
    assert locate(plan("v9", "x", "y"), Position(MAIN_LINE, "a"), FOUR)[0] == Position(MAIN_LINE, "x")


def test_who_was_sent_to_a_step_that_goes_does_not_fall_back_to_the_beginning() -> None:
    assert locate(plan("v9", "a", "b", "c"), Position(MAIN_LINE, "d"), FOUR, ["a"])[0].step == ""
    assert locate(plan("v9", "x", "y"), Position(MAIN_LINE, "d"), FOUR)[0].step == ""


def test_a_go_to_names_what_is_taken_once_more() -> None:
    to, returns = destination(FOUR, "c", Position(MAIN_LINE, "d", "c"), ())
    assert (to, returns) == (Position(MAIN_LINE, "c"), ())
    assert repeated_from(FOUR, to) == ("c", "d")
    assert repeated_from(FOUR, Position("nowhere", "c")) == ()
    assert after_step(FOUR, Position(MAIN_LINE, "d")) == Position(MAIN_LINE, "", "d")
    with pytest.raises(KeyError):
        destination(FOUR, "nowhere", to, ())


def test_a_jump_back_and_a_new_order_repeat_only_what_the_jump_named() -> None:
    life = lived(plan("v1", "a", "b", "c", "d"), plan("v2", "b", "c", "d", "a"), days=4)
    assert life.taken == ["a", "b", "c"]
    life.steer("b")
    life.edit()
    life.ends()
    assert [event.step for event, _ in life.log if isinstance(event, e.Accepted)] == ["a", "b", "c", "b", "c", "d"]


def test_a_reaction_by_a_file_that_was_edited_since_knows_the_place() -> None:
    old, new = plan("v1", "a", "x", "c", b=("b1",)), plan("v2", "c", "d", b=("b1",))
    en: Enrollment = replace(enrolled(old), position=Position(MAIN_LINE, "x", "a"), taken={"a": MAIN_LINE})
    (branched,) = react(new, en, Heard("question"), ANY_TIME, MONDAY, old)
    assert isinstance(branched, e.Branched)
    assert branched.returns == (Position(MAIN_LINE, "c", "a"),)


def test_a_step_that_was_taken_is_passed_over_in_a_new_order() -> None:
    life = lived(plan("v1", "a", "b", "c"), plan("v2", "b", "a", "c"), days=9, edit_on=(2,))
    assert life.taken == ["a", "b", "c"]
    (skipped,) = [event for event, _ in life.log if isinstance(event, e.Skipped)]
    assert skipped.step == "a"
    assert skipped.reason.startswith("taken before")
