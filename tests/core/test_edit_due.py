"""An edit makes nothing due at once: what it brings forward is spread over a working day, and nothing is sent twice."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sequencer.core.decide import decide, fold
from sequencer.core.decisions import CreateTask, Decision, Facts, Held, SendEmail, Wait, event_of
from sequencer.core.due import EDIT_SPREAD
from sequencer.core.model import MAIN_LINE, Enrollment, MoveTo, Position, Sequence
from tests.core.lives import Life, Turn
from tests.core.plans import ANY_TIME, CARLA, MONDAY, OFFICE, email, enrolled
from tests.core.test_lives import histories, scripts

DUE = (SendEmail, CreateTask)


def comes_to_rest(life: Life) -> tuple[Decision, Enrollment]:
    """What is decided once all that touches nobody is done; the life itself goes no further."""
    en, sequence = life.en, life.live
    for _ in range(60):
        kept, life.en = life.en, en
        decision = life.ask()
        life.en = kept
        if isinstance(decision, (SendEmail, CreateTask, Wait, Held)):
            return decision, en
        en = fold(en, (event_of(decision, life.now),), sequence.version)
    raise AssertionError("round in circles")


@dataclass
class Widened(Life):
    """The edit also takes the hours out of the file."""

    def ask(self, at: datetime | None = None) -> Decision:
        now, earlier = at or self.now, self.earlier
        facts = Facts(
            CARLA,
            ANY_TIME if self.at else OFFICE,
            now,
            earlier=earlier,
            edited_at=self.edited if earlier is not None else None,
            earlier_calendar=OFFICE if earlier is not None else None,
        )
        return decide(self.live, self.en, facts, now)


def edited(life: Life, script: list[Turn], later: int) -> tuple[Decision, Decision]:
    """What somebody waits for before and after an edit, when all that was due has been done."""
    life.live_through([replace(turn, edit=False) for turn in script])
    life.now += timedelta(hours=later)
    life.goes_on(Turn(lazy_rep=True))
    before, _ = comes_to_rest(life)
    assume(not isinstance(before, DUE))
    life.edit()
    return before, comes_to_rest(life)[0]


@settings(max_examples=400, deadline=None)
@given(histories(), scripts(), st.integers(0, 40))
def test_an_edit_makes_nothing_due_at_once(files: list[Sequence], script: list[Turn], later: int) -> None:
    assume(len(files) > 1)
    before, after = edited(Life(files, ANY_TIME), script, later)
    assert not isinstance(after, DUE), (before, after)


@settings(max_examples=300, deadline=None)
@given(histories(), scripts(), st.integers(0, 90))
def test_nor_does_one_that_takes_the_hours_away(files: list[Sequence], script: list[Turn], later: int) -> None:
    assume(len(files) > 1)
    before, after = edited(Widened(files, OFFICE), script, later)
    assume(not isinstance(before, Held))  # due in the hours before, and not sent then: it is no edit that makes it due
    assert not isinstance(after, DUE), (before, after)


def waiting(number: int, file: Sequence, **changes: object) -> Enrollment:
    """One of many who had the first step two days ago."""
    en = replace(enrolled(file), id=number, position=Position(MAIN_LINE, "b", "a"), last_touch_at=MONDAY)
    return replace(en, taken={"a": MAIN_LINE}, **changes)  # type: ignore[arg-type]


def when_due(before: Sequence, after: Sequence, now: datetime) -> list[datetime]:
    """When a thousand people are next looked at after an edit at `now`, played as the daemon does."""
    found = []
    for number in range(1, 1001):
        en = waiting(number, before)
        facts = Facts(CARLA, ANY_TIME, now, earlier=before, edited_at=now)
        decision = decide(after, en, facts, now)
        assert isinstance(decision, Wait), decision
        assert decision.until is not None
        found.append(decision.until)
    return sorted(found)


def plan(version: str, *steps: tuple[str, str], finally_: MoveTo | None = None) -> Sequence:
    line = tuple(email(step, when) for step, when in steps)
    return Sequence("q", version, ("mark",), {MAIN_LINE: line}, finally_=finally_)


AB = plan("v1", ("a", "1 day later"), ("b", "30 days later"))


@pytest.mark.parametrize(
    "after",
    [
        plan("v2", ("a", "1 day later"), ("b", "1 day later")),
        plan("v2", ("a", "1 day later"), ("c", "immediately")),
        plan("v2", ("b", "immediately"), ("a", "1 day later")),
        plan("v2", ("a", "1 day later"), finally_=MoveTo("keep-in-touch")),
    ],
    ids=["a shorter wait", "a step in its place", "another order", "the last step is gone"],
)
def test_what_an_edit_brings_forward_is_spread_over_a_day(after: Sequence) -> None:
    now = MONDAY + timedelta(days=2)
    moments = when_due(AB, after, now)
    assert now <= moments[0]
    assert moments[-1] <= now + EDIT_SPREAD
    busiest = max(
        sum(start <= at < start + timedelta(hours=1) for at in moments)
        for start in (now + timedelta(minutes=10) * number for number in range(48))
    )
    assert busiest < 200, "a thousand people in eight hours: an eighth of them in each"
