"""Every form of a `when:` phrase, in the ways people write it, and what the others are told."""

from __future__ import annotations

from collections.abc import Callable
from datetime import time
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sequencer.core.model import Base, Span, Unit, When
from sequencer.core.when import PhraseError, parse_span, parse_when, read_time, read_weekday

NONE = Span(0, Unit.DAYS)


def outcome(parse: Callable[[str], Span | When], text: str) -> Span | When | PhraseError:
    try:
        return parse(text)
    except PhraseError as error:
        return error


@pytest.mark.parametrize(
    ("text", "base", "span", "before", "field"),
    [
        ("immediately", Base.NOW, NONE, False, ""),
        ("30 minutes later", Base.TOUCH, Span(30, Unit.MINUTES), False, ""),
        ("1 minute later", Base.TOUCH, Span(1, Unit.MINUTES), False, ""),
        ("2 hours later", Base.TOUCH, Span(2, Unit.HOURS), False, ""),
        ("an hour later", Base.TOUCH, Span(1, Unit.HOURS), False, ""),
        ("5 days later", Base.TOUCH, Span(5, Unit.DAYS), False, ""),
        ("1 day later", Base.TOUCH, Span(1, Unit.DAYS), False, ""),
        ("1 days later", Base.TOUCH, Span(1, Unit.DAYS), False, ""),
        ("5days later", Base.TOUCH, Span(5, Unit.DAYS), False, ""),
        ("005 days later", Base.TOUCH, Span(5, Unit.DAYS), False, ""),
        ("two weeks later", Base.TOUCH, Span(2, Unit.WEEKS), False, ""),
        ("3 months later", Base.TOUCH, Span(3, Unit.MONTHS), False, ""),
        ("1 business day later", Base.TOUCH, Span(1, Unit.BUSINESS_DAYS), False, ""),
        ("2 business days later", Base.TOUCH, Span(2, Unit.BUSINESS_DAYS), False, ""),
        ("2 working days later", Base.TOUCH, Span(2, Unit.BUSINESS_DAYS), False, ""),
        ("2 business-days later", Base.TOUCH, Span(2, Unit.BUSINESS_DAYS), False, ""),
        ("0 days later", Base.TOUCH, NONE, False, ""),
        ("10 days of silence", Base.TOUCH, Span(10, Unit.DAYS), False, ""),
        ("10 days silence", Base.TOUCH, Span(10, Unit.DAYS), False, ""),
        ("1 month of silence", Base.TOUCH, Span(1, Unit.MONTHS), False, ""),
        ("day 1", Base.ENROLLMENT, Span(0, Unit.DAYS), False, ""),
        ("day 14", Base.ENROLLMENT, Span(13, Unit.DAYS), False, ""),
        ("3 days before decision", Base.DECISION, Span(3, Unit.DAYS), True, ""),
        ("3 days after the decision", Base.DECISION, Span(3, Unit.DAYS), False, ""),
        ("2 business days before decision", Base.DECISION, Span(2, Unit.BUSINESS_DAYS), True, ""),
        ("2 weeks before renewal_date", Base.FIELD, Span(2, Unit.WEEKS), True, "renewal_date"),
        ("2 weeks after contact.renewal_date", Base.FIELD, Span(2, Unit.WEEKS), False, "renewal_date"),
        ("0 days after Birthday", Base.FIELD, NONE, False, "Birthday"),
        ("3 days before decision_date", Base.FIELD, Span(3, Unit.DAYS), True, "decision_date"),
        ("1 day after the fair2026", Base.FIELD, Span(1, Unit.DAYS), False, "fair2026"),
    ],
)
@pytest.mark.parametrize("dress", [str, str.upper, str.title, lambda text: f"  {text.replace(' ', '   ')}.\n"])
def test_every_form(text: str, base: Base, span: Span, before: bool, field: str, dress: object) -> None:
    assert callable(dress)
    written = dress(text)
    read = parse_when(written)
    assert (read.base, read.span, read.before, read.at, read.weekday) == (base, span, before, None, None)
    assert read.field.lower() == field.lower()
    assert read.field in written
    assert read.text == written.strip()


@pytest.mark.parametrize(
    "base", ["", "immediately", "5 days later", "day 3", "3 days before decision", "1 day after x"]
)
@pytest.mark.parametrize(
    ("suffixes", "at", "weekday"),
    [
        (("at 9:30",), time(9, 30), None),
        (("at 09:30",), time(9, 30), None),
        (("at 4 pm",), time(16), None),
        (("on Tuesday",), None, 1),
        (("at 09:30", "on Tuesday"), time(9, 30), 1),
        (("on tue", "at 00:00"), time(0), 1),
        (("on Thurs", "at 23:59"), time(23, 59), 3),
        (("on Sundays", "at 12:15 am"), time(0, 15), 6),
    ],
)
def test_suffixes_in_any_order(base: str, suffixes: tuple[str, ...], at: time | None, weekday: int | None) -> None:
    plain = parse_when(base) if base else When("", Base.NOW)
    for order in permutations(suffixes):
        for text in (" ".join((base, *order)), ", ".join((base, *order)).strip(", ")):
            read = parse_when(text)
            assert (read.at, read.weekday) == (at, weekday)
            assert (read.base, read.span, read.before, read.field) == (
                plain.base,
                plain.span,
                plain.before,
                plain.field,
            )


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("5 days", "5 days later"),
        ("in 5 days", "5 days later"),
        ("after 5 days", "5 days later"),
        ("every 5 days", "5 days later"),
        ("+5 days", "5 days later"),
        ("5 days after", "5 days later"),
        ("5 days after that", "5 days later"),
        ("5 days from now", "5 days later"),
        ("5", "5 days later"),
        ("5 dayz later", "5 days later"),
        ("5 days latr", "5 days later"),
        ("3 bussiness days later", "3 business days later"),
        ("3 weekdays later", "3 business days later"),
        ("10 days of silense", "10 days of silence"),
        ("1.5 hours later", "90 minutes later"),
        ("half an hour later", "30 minutes later"),
        ("30 seconds later", "1 minute later"),
        ("1 year later", "12 months later"),
        ("a quarter later", "3 months later"),
        ("2 years before decision", "24 months before decision"),
        ("a fortnight later", "14 days later"),
        ("now", "immediately"),
        ("at once", "immediately"),
        ("imediately", "immediately"),
        ("tomorrow", "1 day later"),
        ("next week", "1 week later"),
        ("next Tuesday", "on Tuesday"),
        ("5 days later on Tusday", "5 days later on Tuesday"),
        ("5 days later Tuesday", "5 days later on Tuesday"),
        ("5 days later 9:30", "5 days later at 9:30"),
        ("5 days later at 9", "5 days later at 9:00"),
        ("5 days later at 17.30", "5 days later at 17:30"),
        ("5 days later at noon", "5 days later at 12:00"),
        ("on Tuesday 09:30", "on Tuesday at 09:30"),
        ("day 0", "day 1"),
        ("3rd day", "day 3"),
        ("on day 3", "day 3"),
        ("3 days befor decision", "3 days before decision"),
        ("3 days prior to decision", "3 days before decision"),
        ("3 days since decision", "3 days after decision"),
        ("2 weeks before renewal date", "2 weeks before renewal_date"),
    ],
)
def test_near_misses_are_told_what_was_probably_meant(wrong: str, meant: str) -> None:
    with pytest.raises(PhraseError) as caught:
        parse_when(wrong)
    assert caught.value.hint == f"did you mean `{meant}`?"
    assert parse_when(meant)


@pytest.mark.parametrize(
    ("wrong", "part"),
    [
        ("", "empty"),
        ("   ", "empty"),
        ("whenever", "`whenever` is not a time"),
        ("-3 days", "`-3 days` is not a time"),
        ("2-3 days later", "`2-3 days` is not a length of time"),
        ("2 weeks before", "`2 weeks before`"),
        ("2 weeks before 2026-12-01", "`2026-12-01` is neither `decision` nor the name of a date"),
        ("5 days later at 25:00", "`25:00` is not a time of day"),
        ("5 days later at 24:00", "`24:00` is not a time of day"),
        ("5 days later at 13 pm", "`13 pm` is not a time of day"),
        ("5 days later at 09:30 at 10:00", "two times of day"),
        ("5 days later on Monday on Tuesday", "two weekdays"),
        ("5 days later on Tuesday and Thursday", "`Tuesday and Thursday` is not a weekday"),
        ("4000 days later", "too long"),
        ("day 4000", "too far ahead"),
        ("121 months later", "too long"),
        ("9" * 150 + " days later", "too long"),
        ("9" * 5000 + " days later", "200 characters"),
        ("a b " * 5000, "200 characters"),
    ],
)
def test_the_rest_is_told_the_forms(wrong: str, part: str) -> None:
    with pytest.raises(PhraseError) as caught:
        parse_when(wrong)
    assert part in caught.value.message
    assert str(caught.value) == caught.value.message
    for form in ("immediately", "business days later", "days of silence", "day N", "before|after", "at HH:MM"):
        assert form in caught.value.hint


PIECES = ["5", "a", "day", "days", "later", "at", "on", "9:30", "tuesday", "before", "decision", "of", "the"]


@given(st.text() | st.lists(st.sampled_from(PIECES)).map(" ".join))
def test_any_text_is_read_or_explained(text: str) -> None:
    read = outcome(parse_when, text)
    if isinstance(read, PhraseError):
        assert read.message
        assert read.hint
        if read.hint.startswith("did you mean `"):
            assert parse_when(read.hint.removeprefix("did you mean `").removesuffix("`?"))


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("5 days", Span(5, Unit.DAYS)),
        ("1 business day", Span(1, Unit.BUSINESS_DAYS)),
        ("90 minutes", Span(90, Unit.MINUTES)),
        ("90 mins", Span(90, Unit.MINUTES)),
        ("2d", Span(2, Unit.DAYS)),
        ("3h", Span(3, Unit.HOURS)),
        ("1 w", Span(1, Unit.WEEKS)),
        ("A Week", Span(1, Unit.WEEKS)),
        ("  60   DAYS ", Span(60, Unit.DAYS)),
        ("120 months", Span(120, Unit.MONTHS)),
    ],
)
def test_spans(text: str, span: Span) -> None:
    assert parse_span(text) == span


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ("5 dayz", "did you mean `5 days`?"),
        ("5", "did you mean `5 days`?"),
        ("5 days later", "did you mean `5 days`?"),
        ("in 2 weeks", "did you mean `2 weeks`?"),
        ("1.5 hours", "did you mean `90 minutes`?"),
        ("1 year", "did you mean `12 months`?"),
        ("90s", "did you mean `2 minutes`?"),
        ("2 m", "write for example 90 minutes, 2 hours, 5 days, 1 business day, 3 weeks, 2 months"),
        ("soon", "write for example 90 minutes, 2 hours, 5 days, 1 business day, 3 weeks, 2 months"),
        ("", "write for example 90 minutes, 2 hours, 5 days, 1 business day, 3 weeks, 2 months"),
        ("x" * 300, "write for example 90 minutes, 2 hours, 5 days, 1 business day, 3 weeks, 2 months"),
    ],
)
def test_wrong_spans(wrong: str, hint: str) -> None:
    with pytest.raises(PhraseError) as caught:
        parse_span(wrong)
    assert caught.value.hint == hint


@given(st.integers(0, 120), st.sampled_from(Unit))
def test_spans_survive_being_written_out(amount: int, unit: Unit) -> None:
    span = Span(amount, unit)
    assert parse_span(str(span)) == span
    assert parse_when(f"{span} later") == When(f"{span} later", Base.TOUCH, span)


@given(st.text())
def test_any_text_is_a_span_or_explained(text: str) -> None:
    read = outcome(parse_span, text)
    if isinstance(read, PhraseError):
        assert read.message
        assert read.hint


@pytest.mark.parametrize(
    ("text", "clock"),
    [
        ("9:30", time(9, 30)),
        ("00:00", time(0)),
        ("23:59", time(23, 59)),
        ("12 am", time(0)),
        ("12:30 p.m.", time(12, 30)),
        ("9", None),
        ("24:00", None),
        ("9:60", None),
        ("0 am", None),
        ("13pm", None),
        ("٩:٣٠", None),
    ],
)
def test_times_of_day(text: str, clock: time | None) -> None:
    assert read_time(text) == clock


def test_weekdays_in_full_and_short() -> None:
    assert [read_weekday(day) for day in ["Mon", "tue", "WED", "thurs", "Friday", "saturdays", "sun"]] == list(range(7))
    assert read_weekday("Someday") is None
