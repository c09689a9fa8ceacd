"""Any sequence at all, as values: what the checker would let through, and a little more."""

from __future__ import annotations

from hypothesis import strategies as st

from sequencer.core.condition import parse_condition
from sequencer.core.model import (
    MAIN_LINE,
    BackOff,
    Continue,
    Email,
    GoTo,
    MoveTo,
    Pause,
    Sequence,
    Snooze,
    Span,
    Step,
    Stop,
    Task,
    Unit,
)
from sequencer.core.when import parse_when

WORDS = st.text(max_size=60) | st.sampled_from(
    [
        "",
        "a" * 300,
        "Ask. " * 60,
        "旅行拖车" * 30,
        "<b>&\"'`#;",
        "عربة التخييم",
        "e\u0301" * 50,
        "a\nb\r\n\x00c",
        "]]>--><!--",
    ]
)
WHEN = st.sampled_from(
    ["immediately", "5 days later", "1 business day later at 09:20", "2 weeks before quote_date on Tuesday"]
).map(parse_when)


@st.composite
def plans(draw: st.DrawFn) -> Sequence:
    """Up to four branches, up to six steps a line, ways in every direction, texts of every kind."""
    sizes = draw(st.lists(st.integers(1, 6), min_size=1, max_size=5))
    names = [
        MAIN_LINE,
        *(
            draw(WORDS.filter(lambda text: text not in ("", MAIN_LINE))) + f"-{number}"
            for number in range(1, len(sizes))
        ),
    ]
    ids = [
        [f"{draw(st.sampled_from(['s', 'step-', 'шаг', '<i>']))}{line}-{number}" for number in range(size)]
        for line, size in enumerate(sizes)
    ]
    targets = [step for line in ids for step in line] + names[1:]
    deeds = (
        st.builds(Email, st.lists(WORDS, min_size=1, max_size=3).map(tuple), st.sampled_from(["reply", "new"]))
        | st.builds(Task, WORDS, WORDS)
        | st.builds(GoTo, st.sampled_from(targets))
        | st.builds(MoveTo, WORDS)
        | st.builds(Stop, WORDS)
    )
    condition = st.none() | st.just(parse_condition("contact.phone"))
    expires = st.none() | st.just(Span(5, Unit.DAYS))
    lines = {
        name: tuple(Step(step, draw(deeds), draw(WHEN), draw(condition), draw(expires)) for step in line)
        for name, line in zip(names, ids, strict=True)
    }
    endings = st.none() | st.builds(MoveTo, WORDS) | st.builds(Stop, WORDS)
    back_off = st.none() | st.builds(
        BackOff, st.just(parse_when("10 days of silence")), st.builds(Email, st.just(("b",))), endings
    )
    reactions = (
        st.builds(Pause)
        | st.builds(Continue)
        | st.builds(GoTo, st.sampled_from(targets))
        | st.builds(Snooze, st.booleans(), st.just(Span(60, Unit.DAYS)), st.sampled_from(["", *targets]))
        | endings.filter(bool).map(lambda ending: ending or Pause())
    )
    return Sequence(
        name=draw(WORDS),
        version="v1",
        mailboxes=("mark",),
        lines=lines,
        about=draw(WORDS),
        back_off=draw(back_off),
        on_reply=draw(st.dictionaries(st.sampled_from(["any", "interested", "not_now", "price", "x" * 80]), reactions)),
        finally_=draw(endings),
    )
