"""The `hours:` that people write, as values: on which weekdays, from when to when, in local wall-clock time."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import time, timedelta
from functools import lru_cache
from typing import Final

from sequencer.core.model import Hours, Window
from sequencer.core.when import WEEKDAY_NAMES, PhraseError, closest, read_time, read_weekday

END_OF_DAY: Final = time.max
"""A Window that ends at this ends at 24:00, the first instant of the next day."""

OpenTimes = tuple[tuple[timedelta, timedelta], ...]
"""Allowed times of one day as distances from local midnight: [start, end), in order, never touching."""

_WHOLE_DAY: Final = timedelta(days=1)
_EXAMPLES: Final = "write for example `Mon-Fri 08:30-17:00` or `Mon-Thu 9:00-12:00 13:00-17:00, Sat 10:00-12:00`"
_LONGEST_TEXT: Final = 500
_DAY_WORDS: Final = {
    "daily": frozenset(range(7)),
    "everyday": frozenset(range(7)),
    "weekdays": frozenset(range(5)),
    "weekends": frozenset({5, 6}),
}
_VOCABULARY: Final = (
    *_DAY_WORDS,
    *(name.lower() for name in WEEKDAY_NAMES),
    *(name[:3].lower() for name in WEEKDAY_NAMES),
)


def parse_hours(text: str) -> Hours:
    """The value of `hours:`: weekdays and then times, as often as needed, in any case and spacing.

    Weekdays are names, ranges (`Fri-Mon` goes round the weekend), `daily`, `weekdays` or `weekends`; `24:00`, or
    `00:00` as an end, is the end of the day. Raises PhraseError.
    """
    phrase = " ".join(text[: _LONGEST_TEXT + 1].split())
    if not phrase:
        raise PhraseError("the hours are empty", _EXAMPLES)
    if len(phrase) > _LONGEST_TEXT:
        raise PhraseError(f"hours of more than {_LONGEST_TEXT} characters are too long", _EXAMPLES)
    windows: list[Window] = []
    days: frozenset[int] = frozenset()
    timed = True
    for token in _tokens(phrase):
        if token[0].isdigit():
            if not days:
                raise PhraseError(f"`{phrase}` names no weekday", f"did you mean `Mon-Fri {token}`?")
            windows.append(Window(days, *_times(token)))
            timed = True
        else:
            days = _days(token) if timed else days | _days(token)
            timed = False
    if not timed or not windows:
        raise PhraseError(f"`{phrase}` names no time of day", f"did you mean `{phrase} 08:30-17:00`?")
    return Hours(text.strip(), tuple(windows))


@lru_cache(maxsize=1024)
def open_times(hours: Hours, weekday: int) -> OpenTimes:
    """When these hours allow on a weekday (0 is Monday)."""
    spans = sorted((_offset(w.start), _end(w.end)) for w in hours.windows if weekday in w.weekdays)
    joined: list[tuple[timedelta, timedelta]] = []
    for start, end in spans:
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return tuple(joined)


@lru_cache(maxsize=1024)
def common_times(several: tuple[Hours, ...], weekday: int) -> OpenTimes:
    """When every one of these hours allows on a weekday; the whole day when there are none."""
    common: OpenTimes = ((timedelta(0), _WHOLE_DAY),)
    for hours in several:
        common = tuple(
            (max(start, s), min(end, e))
            for start, end in common
            for s, e in open_times(hours, weekday)
            if max(start, s) < min(end, e)
        )
    return common


def _tokens(phrase: str) -> Iterator[str]:
    """`Mon-Thu`, `Sat`, `9:00-12:00` …: every range without spaces, no commas."""
    dashed = re.sub(r"\s*[‐‑‒–—-]\s*|\s+(?:to|till|until)\s+", "-", phrase)
    joined = re.sub(r"\b(every|each)\s+day\b", "daily", dashed, flags=re.IGNORECASE)
    halves = re.sub(r"([0-9])\s+([ap]\.?m\b\.?)", r"\1\2", joined, flags=re.IGNORECASE)
    for token in re.split(r"[\s,;&:]*(?:[\s,;&]|:(?=\s))[\s,;&:]*", halves):
        word = token.strip(":")
        if word and word.lower() != "and":
            yield word


def _days(token: str) -> frozenset[int]:
    if token.lower() in _DAY_WORDS:
        return _DAY_WORDS[token.lower()]
    first, dash, last = token.partition("-")
    start, end = read_weekday(first), read_weekday(last if dash else first)
    if start is None or end is None:
        wrong = first if start is None else last
        better = closest(wrong, _VOCABULARY)
        hint = f"did you mean `{better if better in _DAY_WORDS else better.capitalize()}`?" if better else _EXAMPLES
        raise PhraseError(f"`{wrong or token}` is not a weekday", hint)
    return frozenset((start + step) % 7 for step in range((end - start) % 7 + 1))


def _times(token: str) -> tuple[time, time]:
    first, dash, last = token.partition("-")
    if not dash:
        raise PhraseError(f"`{token}` has a start and no end", "write both, like `08:30-17:00`")
    start = _clock(first)
    end = END_OF_DAY if last in ("24:00", "24", "00:00", "0:00") else _clock(last)
    if start is None or end is None:
        raise PhraseError(
            f"`{first if start is None else last}` is not a time of day", "write it as `08:30`, up to `24:00`"
        )
    if (start, last) == (time(0), "00:00") or end <= start:
        raise PhraseError(f"`{token}` ends before it starts", _turned_hint(start, end))
    return start, end


def _turned_hint(start: time, end: time) -> str:
    if end is END_OF_DAY:
        return "did you mean `00:00-24:00`?"
    if start.hour < 12 and end.hour < 12 and end.hour + 12 > start.hour:
        return f"did you mean `{start:%H:%M}-{end.replace(hour=end.hour + 12):%H:%M}`?"
    return f"for hours past midnight write `{start:%H:%M}-24:00` on one day and `00:00-{end:%H:%M}` on the next"


def _clock(text: str) -> time | None:
    return read_time(f"{text}:00" if re.fullmatch(r"[0-9]{1,2}", text) else text)


def _offset(clock: time) -> timedelta:
    return timedelta(hours=clock.hour, minutes=clock.minute, seconds=clock.second, microseconds=clock.microsecond)


def _end(clock: time) -> timedelta:
    return _WHOLE_DAY if clock == END_OF_DAY else _offset(clock)
