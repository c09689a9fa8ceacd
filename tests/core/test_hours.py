"""Hours in the ways people write them, and what they allow."""

from __future__ import annotations

from datetime import time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sequencer.core.hours import END_OF_DAY, common_times, open_times, parse_hours
from sequencer.core.model import Hours, Window
from sequencer.core.when import PhraseError

WEEK = frozenset(range(5))
ALL = frozenset(range(7))


def outcome(text: str) -> Hours | PhraseError:
    try:
        return parse_hours(text)
    except PhraseError as error:
        return error


@pytest.mark.parametrize(
    ("text", "windows"),
    [
        ("Mon-Fri 08:30-17:00", [(WEEK, time(8, 30), time(17))]),
        ("mon-fri 8:30-17:00", [(WEEK, time(8, 30), time(17))]),
        ("Monday - Friday   08:30 – 17:00", [(WEEK, time(8, 30), time(17))]),
        ("Monday to Friday 8:30 am to 5 pm", [(WEEK, time(8, 30), time(17))]),
        ("weekdays: 9-17", [(WEEK, time(9), time(17))]),
        (
            "Mon-Thu 9:00-12:00 13:00-17:00, Sat 10:00-12:00",
            [
                (frozenset(range(4)), time(9), time(12)),
                (frozenset(range(4)), time(13), time(17)),
                (frozenset({5}), time(10), time(12)),
            ],
        ),
        ("Mon-Thu 9:00-12:00, 13:00-17:00; weekends 10:00-11:00", [
            (frozenset(range(4)), time(9), time(12)),
            (frozenset(range(4)), time(13), time(17)),
            (frozenset({5, 6}), time(10), time(11)),
        ]),
        ("Mon, Wed and Fri 10:00-11:00", [(frozenset({0, 2, 4}), time(10), time(11))]),
        ("Fri-Mon 10:00-11:00", [(frozenset({4, 5, 6, 0}), time(10), time(11))]),
        ("daily 00:00-24:00", [(ALL, time(0), END_OF_DAY)]),
        ("every day 20:00-00:00", [(ALL, time(20), END_OF_DAY)]),
        ("Sunday 12:00-12:01", [(frozenset({6}), time(12), time(12, 1))]),
    ],
)  # fmt: skip
def test_forms(text: str, windows: list[tuple[frozenset[int], time, time]]) -> None:
    assert parse_hours(f" {text} ") == Hours(text, tuple(Window(*window) for window in windows))


@pytest.mark.parametrize(
    ("wrong", "message", "hint"),
    [
        ("", "the hours are empty", "write for example `Mon-Fri 08:30-17:00`"),
        ("Mon-Fri", "`Mon-Fri` names no time of day", "did you mean `Mon-Fri 08:30-17:00`?"),
        ("08:30-17:00", "`08:30-17:00` names no weekday", "did you mean `Mon-Fri 08:30-17:00`?"),
        ("Mon 9:00-17:00 Sat", "names no time of day", "did you mean `Mon 9:00-17:00 Sat 08:30-17:00`?"),
        ("Mondy-Fri 9:00-17:00", "`Mondy` is not a weekday", "did you mean `Monday`?"),
        ("dayly 9:00-17:00", "`dayly` is not a weekday", "did you mean `daily`?"),
        ("Mo-Fr 9:00-17:00", "`Mo` is not a weekday", "did you mean `Mon`?"),
        ("xyz 9:00-17:00", "`xyz` is not a weekday", "write for example `Mon-Fri 08:30-17:00`"),
        ("Mon-Fri 9:00", "`9:00` has a start and no end", "write both, like `08:30-17:00`"),
        ("Mon-Fri 9-5", "`9-5` ends before it starts", "did you mean `09:00-17:00`?"),
        ("Mon-Fri 9:00-9:00", "`9:00-9:00` ends before it starts", "did you mean `09:00-21:00`?"),
        ("Mon-Fri 22:00-02:00", "ends before it starts", "`22:00-24:00` on one day and `00:00-02:00` on the next"),
        ("daily 00:00-00:00", "ends before it starts", "did you mean `00:00-24:00`?"),
        ("Mon-Fri 8:30-25:00", "`25:00` is not a time of day", "`08:30`, up to `24:00`"),
        ("Mon-Fri 24:00-25:00", "`24:00` is not a time of day", "`08:30`, up to `24:00`"),
        ("Mon-Fri 9:00-12:00-13:00", "`12:00-13:00` is not a time of day", "`08:30`, up to `24:00`"),
        ("Mon " * 5000, "500 characters", "write for example"),
    ],
)
def test_wrong_hours(wrong: str, message: str, hint: str) -> None:
    with pytest.raises(PhraseError) as caught:
        parse_hours(wrong)
    assert message in caught.value.message
    assert hint in caught.value.hint


PIECES = ["Mon", "Mon-Fri", "-", ",", ":", "9", "9:00-12:00", "24:00", "daily", "and", "to", "9am"]


@given(st.text() | st.lists(st.sampled_from(PIECES)).map(" ".join))
def test_any_text_is_read_or_explained(text: str) -> None:
    read = outcome(text)
    if isinstance(read, PhraseError):
        assert read.message
        assert read.hint
    else:
        assert read.windows
        assert all(window.weekdays and window.start < window.end for window in read.windows)


def hour(start: float, end: float) -> tuple[timedelta, timedelta]:
    return timedelta(hours=start), timedelta(hours=end)


def test_windows_that_touch_or_overlap_are_one() -> None:
    hours = parse_hours("Mon 13:00-15:00 9:00-12:00 12:00-13:00 14:00-16:30, Mon 20:00-24:00, Tue 8:00-9:00")
    assert open_times(hours, 0) == (hour(9, 16.5), hour(20, 24))
    assert open_times(hours, 1) == (hour(8, 9),)
    assert open_times(hours, 2) == ()


def test_common_times_are_inside_every_hours() -> None:
    lunch = parse_hours("daily 9:00-12:00 13:00-24:00")
    office = parse_hours("Mon-Fri 8:30-17:00")
    assert common_times((lunch, office), 0) == (hour(9, 12), hour(13, 17))
    assert common_times((office, lunch), 0) == (hour(9, 12), hour(13, 17))
    assert common_times((lunch, office), 5) == ()
    assert common_times((), 5) == (hour(0, 24),)
    assert common_times((parse_hours("Mon 8:00-9:00"), parse_hours("Mon 9:00-10:00")), 0) == ()
