"""Whole lives, with live edits in the midst of them: the promises of the core, whatever happens in whatever order."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from sequencer.core import events as e
from sequencer.core.model import (
    BACK_OFF,
    MAIN_LINE,
    GoTo,
    MoveTo,
    Reaction,
    Sequence,
    Snooze,
    Span,
    Step,
    Stop,
    Unit,
)
from sequencer.core.when import parse_when
from tests.core.lives import HUMAN, Life, Turn
from tests.core.plans import ANY_TIME, OFFICE, QUOTE, email, task

WHENS = ("1 day later", "2 hours later", "immediately", "3 business days later", "day 9", "5 days later at 09:30")
ENDINGS = (None, MoveTo("keep-in-touch"), Stop("enough"))
REACTIONS: dict[str, Reaction] = {"question": GoTo("b"), "not_now": Snooze(False, Span(9, Unit.DAYS), "")}


def step_of(draw: st.DrawFn, step_id: str) -> Step:
    make = task if draw(st.integers(0, 3)) == 0 else email
    expires = Span(2, Unit.DAYS) if draw(st.integers(0, 5)) == 0 else None
    return make(step_id, draw(st.sampled_from(WHENS)), expires=expires)


def changed(draw: st.DrawFn, steps: tuple[Step, ...], fresh: str, *, sorted_ids: bool) -> tuple[Step, ...]:
    """One edit of a line: insert, append, remove, reorder, or another wait, kind or expiry."""
    kinds = ["insert", "append", "remove", "rewrite"] + ([] if sorted_ids else ["reorder"])
    kind, at = draw(st.sampled_from(kinds)), draw(st.integers(0, max(0, len(steps) - 1)))
    match kind:
        case "insert" if not sorted_ids:
            return (*steps[:at], step_of(draw, fresh), *steps[at:])
        case "insert":
            between = sorted([*steps, step_of(draw, f"s{draw(st.integers(0, 9))}x{fresh}")], key=lambda step: step.id)
            return tuple(between)
        case "append":
            return (*steps, step_of(draw, f"t{fresh}" if sorted_ids else fresh))
        case "remove" if len(steps) > 1:
            return (*steps[:at], *steps[at + 1 :])
        case "reorder":
            return tuple(draw(st.permutations(steps)))
        case _:
            if not steps or isinstance(steps[at].do, GoTo):
                return steps
            return (*steps[:at], step_of(draw, steps[at].id), *steps[at + 1 :])


@st.composite
def histories(draw: st.DrawFn, *, sorted_ids: bool = False) -> list[Sequence]:
    """The versions of one file, in the order in which they go live; a version may be taken back."""
    main = tuple(step_of(draw, f"s{number}") for number in range(draw(st.integers(1, 5))))
    branch = tuple(step_of(draw, f"b{number}") for number in range(draw(st.integers(1, 2))))
    back_off = draw(st.sampled_from([None, QUOTE.back_off]))
    finally_ = draw(st.sampled_from(ENDINGS))
    if not sorted_ids and draw(st.booleans()):
        main = (*main, Step("jump", GoTo("b"), parse_when("1 day later")))
    base = Sequence("q", "v0", ("mark",), {MAIN_LINE: main, "b": branch}, on_reply=dict(REACTIONS))
    files = [replace(base, back_off=back_off, finally_=finally_)]
    for number in range(1, draw(st.integers(1, 5))):
        if number > 1 and draw(st.integers(0, 4)) == 0:
            files.append(files[draw(st.integers(0, len(files) - 1))])
            continue
        lines = dict(files[-1].lines)
        for again in range(draw(st.integers(1, 3))):
            lines[MAIN_LINE] = changed(draw, lines[MAIN_LINE], f"v{number}{again}", sorted_ids=sorted_ids)
        match draw(st.integers(0, 5)):
            case 0:
                lines.pop("b", None)
                lines[MAIN_LINE] = tuple(step for step in lines[MAIN_LINE] if not isinstance(step.do, GoTo))
            case 1:
                lines["b"] = (step_of(draw, f"b{number}"),)
            case _:
                pass
        reactions = {kind: reaction for kind, reaction in REACTIONS.items() if reaction != GoTo("b") or "b" in lines}
        files.append(replace(files[-1], version=f"v{number}", lines=lines, on_reply=reactions))
    return files


WHAT = ("", "", "", *HUMAN, "away", "pause", "resume", "resume", "snooze", "branch", "soft bounce", "absent")


def scripts(what: tuple[str, ...] = WHAT) -> st.SearchStrategy[list[Turn]]:
    turn = st.builds(
        Turn,
        hours=st.integers(1, 90),
        edit=st.booleans(),
        what=st.sampled_from(what),
        midair=st.sampled_from(("", "", "", *HUMAN)),
        outcome=st.sampled_from(("accepted", "accepted", "deferred", "doubt")),
        lazy_rep=st.booleans(),
    )
    return st.lists(turn, min_size=3, max_size=40)


@settings(max_examples=400, deadline=None)
@given(histories(), scripts((*WHAT, "unsubscribe")))
def test_no_step_is_taken_twice_and_the_order_of_the_file_is_kept(files: list[Sequence], script: list[Turn]) -> None:
    life = Life(files, ANY_TIME)
    life.live_through(script)
    life.ends()
    asked = [event for event, _ in life.log if isinstance(event, (e.Accepted, e.InDoubt)) and event.step == BACK_OFF]
    assert len(asked) <= 1 + life.en.returned


@settings(max_examples=300, deadline=None)
@given(histories(sorted_ids=True), scripts())
def test_an_edit_loses_nobody_a_step(files: list[Sequence], script: list[Turn]) -> None:
    """In files whose steps stand in the order of their ids, whoever ends has come past every step behind their last."""
    life = Life(files, ANY_TIME)
    life.live_through(script)
    life.ends()
    assert life.taken == sorted(life.taken)
    assert life.ended_in is not None
    ids = [step.id for step in life.ended_in.steps]
    passed = {event.step for event, _ in life.log if isinstance(event, e.Skipped)} | set(life.taken)
    if passed.isdisjoint(ids):
        return  # of a file that was written anew from the ground up nobody can say how far they have come
    last = max(passed)
    assert not [step for step in ids if step > last and step not in passed], f"ended before the end: {life.taken}"


@settings(max_examples=200, deadline=None)
@given(histories(), scripts((*WHAT, "jump")))
def test_jumps_on_purpose_repeat_what_they_name_and_nothing_else(files: list[Sequence], script: list[Turn]) -> None:
    life = Life(files, ANY_TIME)
    life.live_through(script)
    life.ends()


@settings(max_examples=150, deadline=None)
@given(histories(), scripts())
def test_nothing_leaves_at_a_bad_hour_however_late(files: list[Sequence], script: list[Turn]) -> None:
    life = Life(files, OFFICE)
    life.live_through(script)
    life.ends()
