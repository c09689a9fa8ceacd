"""When something is due: tables written out by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from sequencer.core.model import Away, Enrollment, Fields, Position, Span
from sequencer.core.timing import Calendar, MissingDate, add_span, anchor_of, due_at
from sequencer.core.when import parse_span, parse_when
from tests.core.walls import DENVER, at, calendar, denver


def enrollment(
    enrolled: datetime,
    touch: datetime | None = None,
    sign: datetime | None = None,
    away: tuple[tuple[datetime, datetime], ...] = (),
) -> Enrollment:
    return Enrollment(
        id=1,
        contact_id=1,
        sequence="quote",
        mailbox="mark",
        enrolled_at=enrolled,
        position=Position(),
        last_touch_at=touch,
        last_sign_at=sign,
        away=tuple(Away(since, until) for since, until in away),
    )


# Spans ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "start", "span", "end"),
    [
        # months end on their last day
        ("UTC", "2026-01-31 10:00", "1 month", "2026-02-28 10:00"),
        ("UTC", "2028-01-31 10:00", "1 month", "2028-02-29 10:00"),
        ("UTC", "2026-03-31 10:00", "1 month", "2026-04-30 10:00"),
        ("UTC", "2026-12-31 10:00", "2 months", "2027-02-28 10:00"),
        ("UTC", "2026-12-15 10:00", "1 month", "2027-01-15 10:00"),
        ("UTC", "2026-01-31 10:00", "11 months", "2026-12-31 10:00"),
        ("UTC", "2028-02-29 10:00", "12 months", "2029-02-28 10:00"),
        ("UTC", "2028-02-29 10:00", "48 months", "2032-02-29 10:00"),
        # leap days
        ("UTC", "2028-02-28 10:00", "1 day", "2028-02-29 10:00"),
        ("UTC", "2026-02-28 10:00", "1 day", "2026-03-01 10:00"),
        ("UTC", "2028-02-22 10:00", "1 week", "2028-02-29 10:00"),
        # business days: 2 October 2026 is a Friday
        ("UTC", "2026-10-02 10:00", "1 business day", "2026-10-05 10:00"),
        ("UTC", "2026-10-03 10:00", "1 business day", "2026-10-05 10:00"),
        ("UTC", "2026-10-04 23:59", "1 business day", "2026-10-05 23:59"),
        ("UTC", "2026-10-01 10:00", "2 business days", "2026-10-05 10:00"),
        ("UTC", "2026-10-01 10:00", "11 business days", "2026-10-16 10:00"),
        ("UTC", "2026-10-03 10:00", "0 business days", "2026-10-03 10:00"),
        # the day is the one on the contact's wall: Friday evening in Denver is Saturday in UTC
        ("America/Denver", "2026-10-02 20:00", "1 business day", "2026-10-05 20:00"),
        ("Asia/Kathmandu", "2026-10-05 01:00", "1 business day", "2026-10-06 01:00"),
        # spring in Denver: 8 March 2026, 02:00 becomes 03:00
        ("America/Denver", "2026-03-07 09:30", "1 day", "2026-03-08 09:30"),
        ("America/Denver", "2026-03-07 02:30", "1 day", "2026-03-08 03:00"),
        ("America/Denver", "2026-03-07 01:59", "1 day", "2026-03-08 01:59"),
        ("America/Denver", "2026-03-07 02:30", "2 days", "2026-03-09 02:30"),
        ("America/Denver", "2026-03-01 02:59", "1 week", "2026-03-08 03:00"),
        ("America/Denver", "2026-03-08 01:30", "1 hour", "2026-03-08 03:30"),
        ("America/Denver", "2026-03-07 09:30", "24 hours", "2026-03-08 10:30"),
        # autumn in Denver: 1 November 2026, 02:00 becomes 01:00
        ("America/Denver", "2026-10-31 09:30", "1 day", "2026-11-01 09:30"),
        ("America/Denver", "2026-10-31 01:30", "1 day", "2026-11-01 01:30-06:00"),
        ("America/Denver", "2026-10-31 09:30", "24 hours", "2026-11-01 08:30"),
        ("America/Denver", "2026-11-01 01:30-06:00", "60 minutes", "2026-11-01 01:30-07:00"),
        ("America/Denver", "2026-11-01 01:30-07:00", "0 days", "2026-11-01 01:30-07:00"),
        ("America/Denver", "2026-11-01 01:30-07:00", "1 day", "2026-11-02 01:30"),
        # half an hour on Lord Howe: 4 October 2026 02:00 → 02:30, 5 April 2026 02:00 → 01:30
        ("Australia/Lord_Howe", "2026-10-03 02:10", "1 day", "2026-10-04 02:30"),
        ("Australia/Lord_Howe", "2026-04-04 01:45", "1 day", "2026-04-05 01:45+11:00"),
        # Apia had no 30 December 2011
        ("Pacific/Apia", "2011-12-29 10:00", "1 day", "2011-12-31 00:00"),
        ("Pacific/Apia", "2011-12-29 10:00", "2 days", "2011-12-31 10:00"),
        # Beirut and Santiago skip midnight: 00:00 becomes 01:00
        ("Asia/Beirut", "2026-03-28 00:00", "1 day", "2026-03-29 01:00"),
        ("America/Santiago", "2026-09-05 00:15", "1 day", "2026-09-06 01:00"),
    ],
)
def test_add_span(zone: str, start: str, span: str, end: str) -> None:
    assert add_span(at(start, zone), parse_span(span), calendar(zone)) == at(end, zone)


def test_business_days_pass_over_holidays() -> None:
    thanksgiving = calendar("America/Denver", holidays={date(2026, 11, 26): "Thanksgiving"})
    wednesday = at("2026-11-25 15:00", "America/Denver")
    assert add_span(wednesday, parse_span("1 business day"), thanksgiving) == at("2026-11-27 15:00", "America/Denver")
    assert add_span(wednesday, parse_span("1 day"), thanksgiving) == at("2026-11-26 15:00", "America/Denver")


class Always(dict[date, str]):
    """A calendar on which every day is a holiday, computed when asked."""

    def __contains__(self, day: object) -> bool:
        return isinstance(day, date)


def test_a_year_of_holidays_does_not_hang() -> None:
    end = add_span(at("2026-01-01 10:00"), parse_span("2 business days"), calendar(holidays=Always()))
    assert end > at("2027-01-01 10:00")


# What is due ----------------------------------------------------------------------------------------

MONDAY = at("2026-10-05 10:00", "America/Denver")


def due(
    phrase: str, who: Enrollment, fields: Fields | None = None, cycle: Span | None = None, where: Calendar = DENVER
) -> str:
    """The wall in Denver, or the field that is missing."""
    instant = due_at(parse_when(phrase), who, fields or {}, cycle, where)
    if isinstance(instant, MissingDate):
        return f"missing {instant.field}"
    assert instant.tzinfo is UTC
    return f"{instant.astimezone(where.zone):%a %Y-%m-%d %H:%M}"


def test_waits_count_from_the_last_touch_or_sign_of_life() -> None:
    enrolled, touch, sign = MONDAY, MONDAY + timedelta(days=2), MONDAY + timedelta(days=3)
    assert anchor_of(enrollment(enrolled)) == enrolled
    assert anchor_of(enrollment(enrolled, touch)) == touch
    assert anchor_of(enrollment(enrolled, None, sign)) == sign
    assert anchor_of(enrollment(enrolled, touch, sign)) == sign
    assert anchor_of(enrollment(enrolled, sign, touch)) == sign
    assert due("5 days later", enrollment(enrolled, touch, sign)) == "Tue 2026-10-13 10:00"
    assert due("immediately", enrollment(enrolled, touch)) == "Wed 2026-10-07 10:00"


@pytest.mark.parametrize(
    ("phrase", "expected"),
    [
        ("immediately", "Mon 2026-10-05 10:00"),
        ("45 minutes later", "Mon 2026-10-05 10:45"),
        ("30 hours later", "Tue 2026-10-06 16:00"),
        ("5 days later", "Sat 2026-10-10 10:00"),
        ("5 days later at 09:30", "Sat 2026-10-10 09:30"),
        ("5 days later at 16:00", "Sat 2026-10-10 16:00"),
        ("2 weeks later", "Mon 2026-10-19 10:00"),
        ("1 month later", "Thu 2026-11-05 10:00"),
        ("5 business days later", "Mon 2026-10-12 10:00"),
        ("10 days of silence", "Thu 2026-10-15 10:00"),
        # on a weekday: that day or the next one
        ("5 days later on Saturday", "Sat 2026-10-10 10:00"),
        ("5 days later on Tuesday", "Tue 2026-10-13 10:00"),
        ("5 days later on Friday at 09:30", "Fri 2026-10-16 09:30"),
        ("0 days later on Monday at 09:30", "Mon 2026-10-05 09:30"),
        # minutes, hours and `immediately`: the next such time at or after
        ("immediately at 10:00", "Mon 2026-10-05 10:00"),
        ("immediately at 09:30", "Tue 2026-10-06 09:30"),
        ("at 14:00", "Mon 2026-10-05 14:00"),
        ("2 hours later at 11:00", "Tue 2026-10-06 11:00"),
        ("2 hours later at 12:00", "Mon 2026-10-05 12:00"),
        ("on Monday at 09:30", "Mon 2026-10-12 09:30"),
        ("on Tuesday at 09:30", "Tue 2026-10-06 09:30"),
        ("on Monday", "Mon 2026-10-05 10:00"),
        ("on Tuesday", "Tue 2026-10-06 00:00"),
        # later than the hours of that weekday: else the hours would shift it to the day after
        ("9 hours later on Monday", "Mon 2026-10-12 00:00"),
        ("9 hours later on Tuesday", "Tue 2026-10-06 00:00"),
        ("15 hours later on Tuesday", "Tue 2026-10-06 01:00"),
        ("15 hours later on Wednesday", "Wed 2026-10-07 00:00"),
        # days of the enrollment
        ("day 1", "Mon 2026-10-05 10:00"),
        ("day 1 at 09:30", "Mon 2026-10-05 09:30"),
        ("day 3", "Wed 2026-10-07 10:00"),
        ("day 3 at 14:00 on Friday", "Fri 2026-10-09 14:00"),
        ("day 28", "Sun 2026-11-01 10:00"),
    ],
)
def test_phrases(phrase: str, expected: str) -> None:
    assert due(phrase, enrollment(MONDAY)) == expected


def test_days_that_end_after_hours_keep_their_weekday() -> None:
    late = enrollment(at("2026-10-05 18:00", "America/Denver"))
    assert due("7 days later on Monday", late) == "Mon 2026-10-12 00:00"
    assert due("5 days later on Monday", late) == "Mon 2026-10-12 00:00"
    assert due("5 days later on Sunday", late) == "Sun 2026-10-11 18:00"  # no hours on Sundays: the calendar shifts it
    assert due("7 days later on Monday", late, where=calendar("America/Denver")) == "Mon 2026-10-12 18:00"


def test_day_n_counts_from_the_enrollment_whatever_happened_since() -> None:
    touched = enrollment(MONDAY, touch=MONDAY + timedelta(days=9))
    assert due("day 3", touched) == "Wed 2026-10-07 10:00"
    evening = enrollment(at("2026-10-05 23:30", "America/Denver"))  # Tuesday in UTC
    assert due("day 2", evening) == "Tue 2026-10-06 23:30"


@pytest.mark.parametrize(
    ("phrase", "value", "expected"),
    [
        ("3 days before decision", date(2026, 12, 10), "Mon 2026-12-07 00:00"),
        ("3 days before decision at 09:30", date(2026, 12, 10), "Mon 2026-12-07 09:30"),
        ("3 days after decision", date(2026, 12, 10), "Sun 2026-12-13 00:00"),
        ("2 business days before decision", date(2026, 12, 14), "Thu 2026-12-10 00:00"),
        ("3 days before decision", " 2026-12-10 ", "Mon 2026-12-07 00:00"),
        ("3 days before decision", "2026-12-10T15:00", "Mon 2026-12-07 15:00"),
        ("3 days before decision", "2026-12-10T15:00:00+00:00", "Mon 2026-12-07 08:00"),
        ("90 minutes before decision", at("2026-12-10 15:00", "America/Denver"), "Thu 2026-12-10 13:30"),
        ("1 month before decision", date(2026, 3, 31), "Sat 2026-02-28 00:00"),
        ("1 month after decision", date(2026, 1, 31), "Sat 2026-02-28 00:00"),
        ("3 days before decision", None, "Tue 2026-11-03 10:00"),
        ("3 days before decision at 09:30", None, "Tue 2026-11-03 09:30"),
        ("3 days after decision", "", "Mon 2026-11-09 10:00"),
        ("3 days before decision", "soon", "missing decision_date"),
        ("3 days before decision", 20261210, "missing decision_date"),
        ("3 days before decision", True, "missing decision_date"),
        ("3 days before decision", date(1, 1, 1), "missing decision_date"),
        ("3 days before decision", "9999-12-31", "missing decision_date"),
    ],
)
def test_decisions(phrase: str, value: str | date | int | None, expected: str) -> None:
    assert due(phrase, enrollment(MONDAY), {"decision_date": value}, parse_span("32 days")) == expected
    if value:  # the contact's own date needs no decision cycle
        assert due(phrase, enrollment(MONDAY), {"decision_date": value}) == expected


def test_a_decision_without_any_date_is_missing() -> None:
    assert due("3 days before decision", enrollment(MONDAY)) == "missing decision_date"


@pytest.mark.parametrize(
    ("phrase", "expected"),
    [
        ("2 weeks before renewal_date", "Thu 2026-11-26 00:00"),
        ("2 weeks before Renewal_Date at 09:30", "Thu 2026-11-26 09:30"),
        ("1 month after renewal_date on Monday", "Mon 2027-01-11 00:00"),
        ("0 days after renewal_date", "Thu 2026-12-10 00:00"),
        ("2 hours after renewal_date", "Thu 2026-12-10 02:00"),
        ("2 hours after renewal_date at 01:00", "Fri 2026-12-11 01:00"),
        ("2 weeks before other_date", "missing other_date"),
    ],
)
def test_dates_on_the_contact(phrase: str, expected: str) -> None:
    assert due(phrase, enrollment(MONDAY), {"renewal_date": date(2026, 12, 10)}) == expected


def test_a_date_whose_midnight_does_not_exist() -> None:
    santiago = calendar("America/Santiago")
    fields: Fields = {"renewal_date": date(2026, 9, 6)}
    assert due("0 days after renewal_date", enrollment(MONDAY), fields, where=santiago) == "Sun 2026-09-06 01:00"
    assert due("1 week before renewal_date", enrollment(MONDAY), fields, where=santiago) == "Sun 2026-08-30 00:00"


# Days away ------------------------------------------------------------------------------------------


WEDNESDAY_TO_MONDAY = ((denver("2026-10-07 00:00"), denver("2026-10-12 00:00")),)


@pytest.mark.parametrize(
    ("phrase", "away", "expected"),
    [
        # Tue counts, Wed to Sun do not, Mon to Thu are the other four
        ("5 days later", WEDNESDAY_TO_MONDAY, "Thu 2026-10-15 10:00"),
        ("1 day later", WEDNESDAY_TO_MONDAY, "Tue 2026-10-06 10:00"),
        ("2 days later", WEDNESDAY_TO_MONDAY, "Mon 2026-10-12 10:00"),
        ("2 days later at 09:30", WEDNESDAY_TO_MONDAY, "Mon 2026-10-12 09:30"),
        ("5 days of silence", WEDNESDAY_TO_MONDAY, "Thu 2026-10-15 10:00"),
        ("1 week later", WEDNESDAY_TO_MONDAY, "Sat 2026-10-17 10:00"),
        ("1 month later", WEDNESDAY_TO_MONDAY, "Tue 2026-11-10 10:00"),
        # Wed, Thu and Fri would have been business days
        ("2 business days later", WEDNESDAY_TO_MONDAY, "Mon 2026-10-12 10:00"),
        ("3 business days later", WEDNESDAY_TO_MONDAY, "Tue 2026-10-13 10:00"),
        # 38 hours pass before they leave
        ("30 hours later", WEDNESDAY_TO_MONDAY, "Tue 2026-10-06 16:00"),
        ("38 hours later", WEDNESDAY_TO_MONDAY, "Mon 2026-10-12 00:00"),
        ("39 hours later", WEDNESDAY_TO_MONDAY, "Mon 2026-10-12 01:00"),
        # nothing is due while they are away, whatever it counts from
        ("day 4", WEDNESDAY_TO_MONDAY, "Mon 2026-10-12 00:00"),
        ("day 4 at 09:30", WEDNESDAY_TO_MONDAY, "Mon 2026-10-12 09:30"),
        ("day 4 on Friday at 09:30", WEDNESDAY_TO_MONDAY, "Fri 2026-10-16 09:30"),
        ("day 2 on Friday", WEDNESDAY_TO_MONDAY, "Fri 2026-10-16 00:00"),
        ("1 day after meeting", WEDNESDAY_TO_MONDAY, "Mon 2026-10-12 00:00"),
        ("3 days after decision", WEDNESDAY_TO_MONDAY, "Tue 2026-10-13 00:00"),
        ("day 9", WEDNESDAY_TO_MONDAY, "Tue 2026-10-13 10:00"),
        # away already
        ("immediately", ((denver("2026-10-05 09:00"), denver("2026-10-08 14:00")),), "Thu 2026-10-08 14:00"),
        ("at 09:30", ((denver("2026-10-05 09:00"), denver("2026-10-08 14:00")),), "Fri 2026-10-09 09:30"),
        ("2 hours later", ((denver("2026-10-05 09:00"), denver("2026-10-08 14:00")),), "Thu 2026-10-08 16:00"),
        ("1 day later", ((denver("2026-10-05 09:00"), denver("2026-10-08 14:00")),), "Fri 2026-10-09 10:00"),
        ("0 days later", ((denver("2026-10-05 09:00"), denver("2026-10-08 14:00")),), "Thu 2026-10-08 14:00"),
        # over before, only after, none at all, an absence of no length
        ("5 days later", ((denver("2026-10-01 09:00"), denver("2026-10-05 09:00")),), "Sat 2026-10-10 10:00"),
        ("5 days later", ((denver("2026-10-20 09:00"), denver("2026-10-25 09:00")),), "Sat 2026-10-10 10:00"),
        ("2 hours later", ((denver("2026-10-20 09:00"), denver("2026-10-25 09:00")),), "Mon 2026-10-05 12:00"),
        ("5 days later", ((denver("2026-10-07 09:00"), denver("2026-10-07 09:00")),), "Sat 2026-10-10 10:00"),
        # twice, overlapping, and in any order
        (
            "5 days later",
            (
                (denver("2026-10-13 00:00"), denver("2026-10-15 00:00")),
                (denver("2026-10-08 00:00"), denver("2026-10-12 00:00")),
                (denver("2026-10-07 00:00"), denver("2026-10-10 00:00")),
            ),
            "Sat 2026-10-17 10:00",
        ),
        (
            "40 hours later",
            (
                (denver("2026-10-12 01:00"), denver("2026-10-13 00:00")),
                (denver("2026-10-07 00:00"), denver("2026-10-12 00:00")),
            ),
            "Tue 2026-10-13 01:00",
        ),
        (
            "on Wednesday at 09:30",
            (
                (denver("2026-10-14 00:00"), denver("2026-10-15 00:00")),
                (denver("2026-10-07 00:00"), denver("2026-10-12 00:00")),
            ),
            "Wed 2026-10-21 09:30",
        ),
    ],
)
def test_days_away_do_not_count(phrase: str, away: tuple[tuple[datetime, datetime], ...], expected: str) -> None:
    fields: Fields = {"meeting": date(2026, 10, 7), "decision_date": date(2026, 10, 10)}
    assert due(phrase, enrollment(MONDAY, away=away), fields) == expected
