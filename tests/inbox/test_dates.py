"""The day that somebody names, in fifteen languages; what is no day; and what must not take long."""

from __future__ import annotations

import time
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from sequencer.inbox import date_arithmetic as calendar
from sequencer.inbox.date_words import LANGUAGES, words_of
from sequencer.inbox.dates import HORIZON, find_date, find_days

TODAY = date(2026, 11, 24)  # a Tuesday
DATA: Any = yaml.safe_load((Path(__file__).parent / "named_dates.yaml").read_text(encoding="utf-8"))
CASES = [(language, text, day) for language, texts in DATA.items() for text, day in texts.items()]


@pytest.mark.parametrize(("language", "text", "day"), CASES)
def test_named_day(language: str, text: str, day: date | None) -> None:
    found = find_date(text, TODAY, language)
    assert (found.day if found else None) == day
    if found:
        assert found.words in text


@pytest.mark.parametrize(
    ("language", "text", "day"),
    [
        ("de", "Melden Sie sich bitte in zwei Wochen noch einmal bei mir.", date(2026, 12, 8)),
        ("fr", "Pourriez-vous me recontacter dans deux semaines ?", date(2026, 12, 8)),
        ("pl", "Proszę odezwać się za dwa tygodnie.", date(2026, 12, 8)),
        ("ja", "2週間後に改めてご連絡ください。", date(2026, 12, 8)),
        ("ru", "Свяжитесь со мной через две недели.", date(2026, 12, 8)),
    ],
)
def test_language_is_seen_when_the_hint_is_wrong(language: str, text: str, day: date) -> None:
    for hint in ("en", "", "xx", language):
        found = find_date(text, TODAY, hint)
        assert found is not None
        assert found.day == day


@pytest.mark.parametrize(
    ("text", "language", "order", "day"),
    [
        ("on 3/4/2027", "en", "MDY", date(2027, 3, 4)),
        ("on 3/4/2027", "en", "DMY", date(2027, 4, 3)),
        ("on 3/4/2027", "en", "", date(2027, 3, 4)),
        ("am 3.4.2027", "de", "MDY", date(2027, 4, 3)),  # a zone does not overrule a language
        ("on 23/12", "en", "MDY", date(2026, 12, 23)),  # only one of them is a month
        ("on Saturday 3/4/2027", "en", "MDY", date(2027, 4, 3)),  # the weekday tells
        ("until 05/07/2026 or 12/01/2026", "en", "MDY", date(2026, 12, 1)),  # May is over
    ],
)
def test_order_of_day_and_month(text: str, language: str, order: Any, day: date) -> None:
    found = find_date(text, TODAY, language, order)
    assert found is not None
    assert found.day == day


def test_year_rolls_over() -> None:
    for today, day in ((date(2026, 12, 30), date(2027, 1, 4)), (date(2026, 1, 4), date(2026, 1, 4))):
        found = find_date("back on January 4", today, "en")
        assert found is not None
        assert found.day == day


def test_day_near_the_telling_word_is_taken() -> None:
    text = "I met your colleague on Monday. We are moving on 3 December. Please call me in March, thanks!"
    found = find_date(text, TODAY, "en")
    assert found is not None
    assert (found.day, found.words) == (date(2027, 3, 1), "March")


def test_past_days_and_spans_are_found_for_those_who_want_them() -> None:
    days = find_days("I was away from 3 to 7 November and last week.", TODAY, "en")
    assert [(found.first, found.last) for found in days] == [
        (date(2027, 11, 3), date(2027, 11, 8)),
        (date(2026, 11, 16), date(2026, 11, 23)),
    ]


@pytest.mark.parametrize("text", ["29/2", "on February 29"])
def test_leap_day_beyond_the_horizon_is_not_believed(text: str) -> None:
    assert find_date(text, TODAY, "en") is None


@pytest.mark.parametrize("year", [1900, 1961, 2000, 2024, 2025, 2026, 2038])
def test_easter(year: int) -> None:
    known = {1900: (4, 15), 1961: (4, 2), 2000: (4, 23), 2024: (3, 31), 2025: (4, 20), 2026: (4, 5), 2038: (4, 25)}
    assert calendar.easter(year) == date(year, *known[year])


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_the_words_it_needs(language: str) -> None:
    marks = {mark for mark, _, _ in words_of(language).meanings.values()}
    assert set("WUNTXHLsh") <= marks
    with pytest.raises(KeyError):
        words_of("xx")


DAYS = st.dates(date(1990, 1, 1), date(2100, 1, 1))
WORDS = st.sampled_from(
    ["in", "2", "weeks", "next", "last", "Monday", "March", "3rd", "until", "from", "to", "the",
     "of", "3/4", "12.12.", "end",
     "early", "after", "before", "Q3", "KW 12", "2027", "nächste", "semaine", "下个月", "月曜日", "за", "неделю",
     "-", ",", ".", "29 Feb", "99999", "0", "31", "for", "years", "Easter", "holidays"]
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(st.lists(WORDS, max_size=14), DAYS, st.sampled_from(["", *LANGUAGES]))
def test_never_raises_and_stays_within_the_horizon(words: list[str], today: date, language: str) -> None:
    text = " ".join(words)
    found = find_date(text, today, language)
    if found:
        assert timedelta(0) <= found.day - today <= timedelta(days=HORIZON)
        assert found.words in " ".join(text.split())


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200), DAYS)
def test_never_raises_on_anything(text: str, today: date) -> None:
    find_date(text, today, "")
    find_days(text, today, "de")


@pytest.mark.parametrize(
    "piece", ["next ", "in 2 weeks and ", "3 january ", "1 ", "12/", "monday ", "下下个月", "月曜日", "a", "until the "]
)
def test_a_megabyte_takes_less_than_a_second(piece: str) -> None:
    text = piece * (1_000_000 // len(piece))
    for language in ("", "en", "zh"):
        started = time.process_time()
        find_date(text, TODAY, language)
        assert time.process_time() - started < 1
