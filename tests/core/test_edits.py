"""Files that are edited while people are in them: nothing twice, nothing lost, nobody mailed at a bad hour."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from sequencer.core import events as e
from sequencer.core.decide import decide, fold, next_position
from sequencer.core.decisions import CreateTask, Decision, Facts, Held, SendEmail, Skip, Wait, event_of
from sequencer.core.due import EDIT_SPREAD
from sequencer.core.lines import start_of
from sequencer.core.model import (
    MAIN_LINE,
    Enrollment,
    GoTo,
    Pause,
    Position,
    Reaction,
    Sequence,
    Snooze,
    Span,
    Status,
    Unit,
)
from sequencer.core.react import Heard, react, returned
from sequencer.core.timing import Calendar, Due, next_allowed
from sequencer.core.when import parse_when
from tests.core.plans import ANY_TIME, CARLA, MONDAY, OFFICE, QUOTE, THREAD, email, enrolled, started, task

DAY = timedelta(days=1)
IDS = [f"s{number}" for number in range(8)]
PAUSE_AND_BRANCH: dict[str, Reaction] = {
    "question": GoTo("b"),
    "reply": Pause(),
    "not_now": Snooze(False, Span(9, Unit.DAYS), ""),
}


@st.composite
def versions(draw: st.DrawFn, *, reordered: bool = False) -> list[Sequence]:
    """Up to four versions of one file: steps come, go, change their kind, and where `reordered` their order."""
    made = []
    for number in range(draw(st.integers(1, 4))):
        ids = draw(st.lists(st.sampled_from(IDS), min_size=1, max_size=6, unique=True))
        ids = ids if reordered else sorted(ids)
        make = {step: task if draw(st.integers(0, 4)) == 0 else email for step in ids}
        waits = st.sampled_from(["1 day later", "2 hours later"])
        lines = {MAIN_LINE: tuple(make[step](step, draw(waits)) for step in ids), "b": (email("b0", "1 hour later"),)}
        made.append(Sequence("q", f"v{number}", ("mark",), lines, on_reply=PAUSE_AND_BRANCH))
    return made


@dataclass
class Story:
    """One person's way through a file that changes under them."""

    files: list[Sequence]
    calendar: Calendar
    now: datetime = MONDAY
    at: int = 0
    edited: datetime | None = None
    taken: list[str] = field(default_factory=list)
    number: int = 0
    ended_in: Sequence | None = None
    en: Enrollment = field(init=False)

    def __post_init__(self) -> None:
        self.en = enrolled(self.live)

    @property
    def live(self) -> Sequence:
        return self.files[self.at]

    def edit(self) -> None:
        if self.at + 1 < len(self.files):
            self.at, self.edited = self.at + 1, self.now

    def ask(self) -> Decision:
        earlier = None
        if self.en.definition != self.live.version:
            earlier = next(file for file in self.files if file.version == self.en.definition)
        edited = self.edited if earlier else None
        facts = Facts(CARLA, self.calendar, inbox_read_at=self.now, earlier=earlier, edited_at=edited)
        return decide(self.live, self.en, facts, self.now)

    def record(self, *events: e.Event) -> None:
        self.en = fold(self.en, events, self.live.version)
        if self.en.status.ended and self.ended_in is None:
            self.ended_in = self.live

    def hear(self, kind: str) -> None:
        heard = e.Replied(at=self.now, message=self.number, kind=kind, sender="c@example.com", matched_by="")
        self.record(heard)
        self.record(*react(self.live, self.en, Heard(kind), self.calendar, self.now))

    def take(self, step: str) -> None:
        assert step.startswith("b") or step not in self.taken, f"{step} twice: {self.taken}"
        self.taken.append(step)

    def perform(self, action: Decision, midair: str) -> None:
        self.number += 1
        match action:
            case SendEmail():
                slot = next_allowed(self.now, self.calendar)
                assert isinstance(slot, Due)
                assert slot.at == self.now, f"{action.step} leaves at a bad hour"
                self.record(replace(started(action.step, self.now, self.number), position=action.position))
                if midair:
                    self.hear(midair)
                self.take(action.step)
                message_id = f"<{self.number}@example.com>"
                self.record(
                    e.Accepted(at=self.now, step=action.step, message_id=message_id, next=action.then, thread=THREAD)
                )
            case CreateTask():
                created = e.TaskCreated(
                    at=self.now, step=action.step, task=self.number, kind="x", note="", position=action.position
                )
                self.record(created)
                self.take(action.step)
                onwards = next_position(self.live, self.en)
                done = e.TaskDone(at=self.now, step=action.step, task=self.number, outcome="", next=onwards)
                self.record(done)
            case Wait() | Held():
                raise AssertionError(action)
            case _:
                self.record(event_of(action, self.now))

    def live_through(self, script: list[tuple[int, bool, str, bool]]) -> None:
        for hours, edit, midair, interrupted in script:
            if edit:
                self.edit()
            for _ in range(40):
                action = self.ask()
                if isinstance(action, (Wait, Held)):
                    break
                self.perform(action, midair)
            else:
                raise AssertionError("the plan never comes to rest")
            if interrupted and not self.en.status.ended:
                self.hear("reply")
                self.record(e.Resumed(at=self.now))
            if self.en.status is Status.PAUSED:
                self.record(e.Resumed(at=self.now))
            self.now += timedelta(hours=hours)


def scripts(*, edits: bool, midair: bool) -> st.SearchStrategy[list[tuple[int, bool, str, bool]]]:
    between = st.sampled_from(["", "", "question", "reply", "not_now"]) if midair else st.just("")
    turn = st.tuples(st.integers(1, 60), st.booleans() if edits else st.just(False), between, st.booleans())
    return st.lists(turn, min_size=10, max_size=40)


@settings(max_examples=400, deadline=None)
@given(versions(), scripts(edits=True, midair=True))
def test_edits_neither_double_nor_lose_a_step(files: list[Sequence], script: list[tuple[int, bool, str, bool]]) -> None:
    story = Story(files, ANY_TIME)
    story.live_through(script)
    if story.ended_in is not None:
        steps = [step.id for step in story.ended_in.steps]
        done = [step for step in story.taken if step in steps]
        if done:
            assert not [step for step in steps if step > max(done)], f"ended before the end: {story.taken}"


@settings(max_examples=300, deadline=None)
@given(versions(reordered=True), scripts(edits=True, midair=True))
def test_any_reordering_takes_no_step_twice(files: list[Sequence], script: list[tuple[int, bool, str, bool]]) -> None:
    Story(files, ANY_TIME).live_through(script)


@settings(max_examples=200, deadline=None)
@given(versions(), scripts(edits=True, midair=True))
def test_nothing_leaves_at_a_bad_hour_however_late(
    files: list[Sequence], script: list[tuple[int, bool, str, bool]]
) -> None:
    Story(files, OFFICE).live_through(script)


def test_a_late_daemon_holds_until_the_hours() -> None:
    tuesday_night = MONDAY + DAY + timedelta(hours=13)  # ten in the evening in Denver
    facts = Facts(CARLA, OFFICE, inbox_read_at=tuesday_night)
    held = decide(QUOTE, enrolled(), facts, tuesday_night)
    assert isinstance(held, Held)
    assert held.until == datetime.fromisoformat("2026-03-04T15:30:00+00:00")
    assert "08:30" in held.reason


def test_an_old_reading_of_the_inbox_does_not_count() -> None:
    due = MONDAY + DAY
    facts = Facts(CARLA, ANY_TIME, inbox_read_at=due + timedelta(hours=1))
    assert isinstance(decide(QUOTE, enrolled(), facts, due + timedelta(hours=1, minutes=9)), SendEmail)
    assert isinstance(decide(QUOTE, enrolled(), facts, due + timedelta(days=4)), Held)


def test_what_an_edit_makes_due_is_spread_over_the_hours() -> None:
    thanks, article, call, last = QUOTE.steps
    soon = replace(article, when=parse_when("1 hour later"))
    plan = replace(QUOTE, version="v2", lines={**QUOTE.lines, MAIN_LINE: (thanks, soon, call, last)})
    sent = _after_thanks()
    edited = MONDAY + 2 * DAY + timedelta(hours=6)  # Wednesday, three in the afternoon
    hours: dict[tuple[int, int], int] = {}
    for number in range(1, 801):
        facts = Facts(CARLA, OFFICE, inbox_read_at=edited, earlier=QUOTE, edited_at=edited)
        decision = decide(plan, replace(sent, id=number), facts, edited)
        assert isinstance(decision, Wait)
        assert decision.until is not None
        local = decision.until.astimezone(OFFICE.zone)
        hours[local.day, local.hour] = hours.get((local.day, local.hour), 0) + 1
    fair = 800 / (EDIT_SPREAD / timedelta(hours=1))
    assert max(hours.values()) < 1.4 * fair
    assert {day for day, _ in hours} == {4, 5}


def test_what_was_due_before_the_edit_is_not_put_off_by_it() -> None:
    thanks, article, call, last = QUOTE.steps
    plan = replace(QUOTE, version="v2", lines={**QUOTE.lines, MAIN_LINE: (thanks, article, call, last)})
    edited = MONDAY + 30 * DAY
    facts = Facts(CARLA, ANY_TIME, inbox_read_at=edited, earlier=QUOTE, edited_at=edited)
    assert isinstance(decide(plan, _after_thanks(), facts, edited), SendEmail)


def _after_thanks() -> Enrollment:
    action = decide(QUOTE, enrolled(), Facts(CARLA, ANY_TIME, inbox_read_at=MONDAY + DAY), MONDAY + DAY)
    assert isinstance(action, SendEmail)
    attempt = replace(started("thanks", MONDAY + DAY), position=action.position)
    accepted = e.Accepted(at=MONDAY + DAY, step="thanks", message_id="<1@example.com>", next=action.then, thread=THREAD)
    return fold(enrolled(), (attempt, accepted), "v1")


def test_a_branch_that_goes_while_people_are_in_it_hands_them_back() -> None:
    inside = fold(
        _after_thanks(),
        (
            e.Branched(
                at=MONDAY + 2 * DAY,
                to=Position("price", "price-answer"),
                returns=(Position(MAIN_LINE, "article", "thanks"),),
                reason="",
            ),
        ),
        "v1",
    )
    plan = replace(QUOTE, version="v2", lines={MAIN_LINE: QUOTE.steps})
    now = MONDAY + 2 * DAY
    facts = Facts(CARLA, ANY_TIME, inbox_read_at=now, earlier=QUOTE)
    back = decide(plan, inside, facts, now)
    assert event_of(back, now).to == Position(MAIN_LINE, "article", "thanks")  # type: ignore[arg-type,union-attr]


def test_a_loop_takes_its_steps_again_and_comes_to_rest_each_time() -> None:
    from sequencer.core.model import Step

    loop = replace(
        QUOTE,
        lines={MAIN_LINE: (email("hello", "7 days later"), Step("again", GoTo("hello"), parse_when("immediately")))},
    )
    story = Story([loop], ANY_TIME)
    sent = 0
    for _ in range(60):
        action = story.ask()
        if isinstance(action, Wait):
            assert action.until is not None
            story.now = action.until
            continue
        assert not isinstance(action, Skip), action
        if isinstance(action, SendEmail):
            sent += 1
            story.taken.clear()
        story.perform(action, "")
    assert sent >= 15


def test_a_soft_bounce_of_the_back_off_message_is_tried_again() -> None:
    en = replace(_after_thanks(), position=Position(MAIN_LINE, "", "last"), backed_off=True)
    again = returned(en, "back_off", en.position, "4.2.2", ANY_TIME, MONDAY + 20 * DAY)
    assert isinstance(again, e.NotDelivered)
    assert not fold(en, (again,)).backed_off


def test_an_answer_to_the_back_off_ends_otherwise_than_silence() -> None:
    en = replace(_after_thanks(), position=Position(MAIN_LINE, "", "last"), backed_off=True)
    replied = e.Replied(at=MONDAY + 9 * DAY, message=1, kind="reply", sender="c@example.com", matched_by="")
    en = fold(en, (replied, e.Paused(at=MONDAY + 9 * DAY, reason=""), e.Resumed(at=MONDAY + 10 * DAY)))
    now = MONDAY + 10 * DAY
    decision = decide(QUOTE, en, Facts(CARLA, ANY_TIME, inbox_read_at=now), now)
    assert getattr(decision, "reason", "") == "the steps are used up"


def test_a_reply_ends_an_absence() -> None:
    away = e.NoticeReceived(at=MONDAY + 2 * DAY, message=1, kind="out_of_office", away_until=MONDAY + 60 * DAY)
    replied = e.Replied(at=MONDAY + 3 * DAY, message=2, kind="reply", sender="c@example.com", matched_by="")
    en = fold(_after_thanks(), (away, replied))
    now = MONDAY + 8 * DAY
    assert isinstance(decide(QUOTE, en, Facts(CARLA, ANY_TIME, inbox_read_at=now), now), SendEmail)


def test_a_named_step_is_due_when_somebody_resumes_early() -> None:
    snoozed = e.Snoozed(
        at=MONDAY + 2 * DAY, until=MONDAY + 60 * DAY, reason="", to=Position(MAIN_LINE, "last"), returns=()
    )
    en = fold(_after_thanks(), (snoozed, e.Resumed(at=MONDAY + 3 * DAY, by="mark")))
    now = MONDAY + 3 * DAY
    decision = decide(QUOTE, en, Facts(CARLA, ANY_TIME, inbox_read_at=now), now)
    assert isinstance(decision, SendEmail)
    assert decision.step == "last"


def test_a_deferral_does_not_renew_the_time_of_a_step_that_expires() -> None:
    plan = replace(QUOTE, lines={MAIN_LINE: (email("only", "1 day later", expires=Span(2, Unit.DAYS)),)})
    en = replace(enrolled(plan), position=start_of(plan))
    deferred = e.Deferred(at=MONDAY + DAY, step="only", code=451, answer="", retry_at=MONDAY + 4 * DAY)
    en = fold(en, (started("only", MONDAY + DAY), deferred))
    now = MONDAY + 4 * DAY
    assert isinstance(decide(plan, en, Facts(CARLA, ANY_TIME, inbox_read_at=now), now), Skip)


def test_a_task_done_after_a_branch_is_a_touch_and_skips_nothing() -> None:
    asked = e.TaskCreated(
        at=MONDAY, step="call", task=3, kind="call", note="", position=Position(MAIN_LINE, "call", "article")
    )
    away = e.Branched(
        at=MONDAY + DAY,
        to=Position("price", "price-answer"),
        returns=(Position(MAIN_LINE, "call", "article"),),
        reason="",
    )
    done = e.TaskDone(at=MONDAY + 2 * DAY, step="call", task=3, outcome="", next=Position(MAIN_LINE, "last", "call"))
    en = fold(_after_thanks(), (asked, away, done))
    assert en.position == Position("price", "price-answer")
    assert en.last_touch_at == MONDAY + 2 * DAY
