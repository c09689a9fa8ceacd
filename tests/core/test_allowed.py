"""When a touch may leave, and its spread: tables written out by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from sequencer.core.shifts import Cause, Shift, in_words
from sequencer.core.timing import Calendar, Due, NeverAllowed, next_allowed, spread_over
from tests.core.walls import DENVER, OFFICE, at, calendar, denver


def shifted(when: datetime, where: Calendar) -> tuple[str, tuple[str, ...]]:
    found = next_allowed(when, where)
    assert isinstance(found, Due)
    return f"{found.at.astimezone(where.zone):%a %Y-%m-%d %H:%M}", found.reasons


@pytest.mark.parametrize(
    ("start", "end", "reasons"),
    [
        ("2026-10-05 10:00", "Mon 2026-10-05 10:00", ()),
        ("2026-10-05 08:30", "Mon 2026-10-05 08:30", ()),
        ("2026-10-05 16:59", "Mon 2026-10-05 16:59", ()),
        ("2026-10-05 17:00", "Tue 2026-10-06 08:30", (f"outside {OFFICE}",)),
        ("2026-10-05 00:00", "Mon 2026-10-05 08:30", (f"outside {OFFICE}",)),
        ("2026-10-02 18:00", "Mon 2026-10-05 08:30", (f"outside {OFFICE}", "Saturday", "Sunday")),
        ("2026-10-03 10:00", "Mon 2026-10-05 08:30", ("Saturday", "Sunday")),
        ("2026-11-26 10:00", "Fri 2026-11-27 08:30", ("holiday: Thanksgiving",)),
        ("2026-11-25 18:00", "Fri 2026-11-27 08:30", (f"outside {OFFICE}", "holiday: Thanksgiving")),
        (
            "2026-12-23 17:30",
            "Tue 2027-01-05 08:30",
            (
                f"outside {OFFICE}",
                "mailbox away until 2026-12-30",
                "mailbox away until 2027-01-02",
                "Sunday",
                "holiday: 2027-01-04",
            ),
        ),
    ],
)
def test_next_allowed(start: str, end: str, reasons: tuple[str, ...]) -> None:
    where = calendar(
        "America/Denver",
        OFFICE,
        holidays={date(2026, 11, 26): "Thanksgiving", date(2026, 12, 25): "Christmas", date(2027, 1, 4): ""},
        closed=(("2026-12-24", "2026-12-30"), ("2026-12-28", "2027-01-02"), ("2027-02-02", "2027-02-01")),
    )
    assert shifted(denver(start), where) == (end, reasons)


def test_the_shifts_make_an_unbroken_chain() -> None:
    where = calendar("America/Denver", OFFICE, holidays={date(2026, 12, 25): "Christmas Day"})
    start = denver("2026-12-24 18:00")
    found = next_allowed(start, where)
    assert isinstance(found, Due)
    told = [(shift.cause, f"{shift.since.astimezone(where.zone):%a %H:%M}") for shift in found.shifts]
    assert told == [
        (Cause.HOURS, "Thu 18:00"),
        (Cause.HOLIDAY, "Fri 00:00"),
        (Cause.WEEKDAY, "Sat 00:00"),
        (Cause.WEEKDAY, "Sun 00:00"),
    ]
    assert found.shifts[0].since == start
    assert [shift.until for shift in found.shifts] == [*(shift.since for shift in found.shifts[1:]), found.at]
    assert in_words(found.shifts) == f"outside {OFFICE}, then Christmas Day, then weekend"


def test_every_one_of_the_hours_must_allow() -> None:
    where = calendar("UTC", OFFICE, "Tue-Thu 10:00-12:00 13:00-18:00")
    assert shifted(at("2026-10-05 10:00"), where) == ("Tue 2026-10-06 10:00", ("Monday",))
    assert shifted(at("2026-10-06 12:30"), where) == (
        "Tue 2026-10-06 13:00",
        ("outside Tue-Thu 10:00-12:00 13:00-18:00",),
    )
    assert shifted(at("2026-10-06 17:30"), where) == ("Wed 2026-10-07 10:00", (f"outside {OFFICE}",))
    assert shifted(at("2026-10-08 19:00"), where)[1] == (
        f"outside {OFFICE} and Tue-Thu 10:00-12:00 13:00-18:00",
        "Friday",
        "Saturday",
        "Sunday",
        "Monday",
    )


def test_without_hours_any_time_of_an_open_day_will_do() -> None:
    where = calendar("UTC", holidays={date(2026, 10, 5): "Harvest"}, closed=(("2026-10-06", "2026-10-06"),))
    assert shifted(at("2026-10-04 03:14"), where) == ("Sun 2026-10-04 03:14", ())
    assert shifted(at("2026-10-05 03:14"), where) == (
        "Wed 2026-10-07 00:00",
        ("holiday: Harvest", "mailbox away until 2026-10-06"),
    )


def test_the_whole_day_has_no_gap_at_midnight() -> None:
    where = calendar("UTC", "daily 00:00-24:00")
    last = at("2026-10-04 23:59:59.999999")
    assert next_allowed(last, where) == Due(last)
    assert next_allowed(last + timedelta(microseconds=1), where) == Due(last + timedelta(microseconds=1))


@pytest.mark.parametrize(
    ("zone", "hours", "start", "end"),
    [
        # spring in Denver: there is no 02:00-03:00
        ("America/Denver", "daily 02:15-02:45", "2026-03-08 00:00", "2026-03-09 02:15"),
        ("America/Denver", "daily 02:30-05:00", "2026-03-08 00:00", "2026-03-08 03:00"),
        ("America/Denver", "daily 01:00-02:30", "2026-03-08 01:59", "2026-03-08 01:59"),
        ("America/Denver", "daily 01:00-02:30", "2026-03-08 03:00", "2026-03-09 01:00"),
        ("America/Denver", "daily 08:30-17:00", "2026-03-08 00:00", "2026-03-08 08:30"),
        ("America/Denver", "daily 08:30-17:00", "2026-03-07 17:00", "2026-03-08 08:30"),
        # autumn in Denver: 01:00-02:00 comes twice
        ("America/Denver", "daily 01:00-01:30", "2026-11-01 00:00", "2026-11-01 01:00-06:00"),
        ("America/Denver", "daily 01:00-01:30", "2026-11-01 01:30-06:00", "2026-11-01 01:00-07:00"),
        ("America/Denver", "daily 01:00-01:30", "2026-11-01 01:30-07:00", "2026-11-02 01:00"),
        ("America/Denver", "daily 01:30-03:00", "2026-11-01 01:10-07:00", "2026-11-01 01:30-07:00"),
        ("America/Denver", "daily 08:30-17:00", "2026-10-31 17:00", "2026-11-01 08:30"),
        # Lord Howe, half an hour
        ("Australia/Lord_Howe", "daily 02:15-04:00", "2026-10-04 00:00", "2026-10-04 02:30"),
        ("Australia/Lord_Howe", "daily 01:30-01:40", "2026-04-05 01:40+11:00", "2026-04-05 01:30+10:30"),
        # the day that Apia skipped
        ("Pacific/Apia", "daily 09:00-17:00", "2011-12-29 17:00", "2011-12-31 09:00"),
        # midnight comes again in Havana (1 November 2026, 01:00 → 00:00) and St John's (2010, 00:01 → 23:01)
        ("America/Havana", "Sat 00:00-24:00", "2026-11-01 00:30-04:00", "2026-11-07 00:00"),
        ("America/St_Johns", "Sat 00:00-24:00", "2010-11-07 00:00-02:30", "2010-11-06 23:01-03:30"),
        ("America/St_Johns", "Sun 00:00-24:00", "2010-11-06 23:30-03:30", "2010-11-07 00:00-03:30"),
        # a whole day that lasts 25 hours
        ("Asia/Beirut", "Sat 00:00-24:00", "2026-10-24 23:30+02:00", "2026-10-24 23:30+02:00"),
    ],
)
def test_windows_across_clock_changes(zone: str, hours: str, start: str, end: str) -> None:
    found = next_allowed(at(start, zone), calendar(zone, hours))
    assert isinstance(found, Due)
    assert found.at == at(end, zone)


@pytest.mark.parametrize(
    ("where", "reason"),
    [
        (
            calendar("UTC", "Mon-Fri 08:00-12:00", "Mon-Fri 13:00-17:00"),
            "Mon-Fri 08:00-12:00 and Mon-Fri 13:00-17:00 have no time in common",
        ),
        (
            calendar("UTC", closed=(("2026-01-01", "2030-12-31"),)),
            "no allowed time within 400 days: mailbox away until 2030-12-31",
        ),
        (
            calendar(
                "UTC", "Mon 9:00-10:00", holidays={date(2026, 10, 5) + timedelta(weeks=n): f"{n}" for n in range(60)}
            ),
            "no allowed time within 400 days: holiday: 0, Tuesday, Wednesday, Thursday, Friday, …",
        ),
    ],
)
def test_never_allowed(where: Calendar, reason: str) -> None:
    assert next_allowed(at("2026-10-05 09:00"), where) == NeverAllowed(reason)


def test_the_end_of_time_is_too_far_ahead() -> None:
    assert next_allowed(datetime.max.replace(tzinfo=UTC), DENVER) == NeverAllowed("9999 is too far ahead")


def test_four_hundred_days_are_looked_at() -> None:
    start = at("2026-01-01 00:00")
    last = date(2026, 1, 1) + timedelta(days=399)
    where = calendar("UTC", closed=(("2026-01-01", last.isoformat()),))
    away = Shift(Cause.MAILBOX_AWAY, f"mailbox away until {last}", start, start + timedelta(days=400))
    assert next_allowed(start, where) == Due(start + timedelta(days=400), (away,))
    assert isinstance(
        next_allowed(start - timedelta(seconds=1), calendar("UTC", closed=(("2025-12-31", last.isoformat()),))),
        NeverAllowed,
    )


# The spread -----------------------------------------------------------------------------------------

HALF_AN_HOUR = timedelta(minutes=30)


def test_the_spread_is_the_same_for_the_same_key() -> None:
    saturday = Shift(Cause.WEEKDAY, "Saturday", denver("2026-10-03 10:00"), denver("2026-10-05 10:00"))
    start = Due(denver("2026-10-05 10:00"), (saturday,))
    first = spread_over(start, DENVER, HALF_AN_HOUR, "7.thanks")
    assert first == spread_over(start, DENVER, HALF_AN_HOUR, "7.thanks")
    assert first == Due(denver("2026-10-05 10:28:50"), (saturday,))  # written down: it must not change between versions
    assert first != spread_over(start, DENVER, HALF_AN_HOUR, "8.thanks")


def test_the_spread_uses_all_the_room_evenly() -> None:
    start = Due(denver("2026-10-05 10:00"))
    minutes = [
        (spread_over(start, DENVER, HALF_AN_HOUR, f"{n}").at - start.at) // timedelta(minutes=5) for n in range(1200)
    ]
    assert {n: minutes.count(n) > 150 for n in range(6)} == dict.fromkeys(range(6), True)
    assert set(minutes) == set(range(6))


@pytest.mark.parametrize("spread", [None, timedelta(0), timedelta(minutes=-5)])
def test_no_spread(spread: timedelta | None) -> None:
    start = Due(denver("2026-10-05 10:00"))
    assert spread_over(start, DENVER, spread, "x") == start


@pytest.mark.parametrize(
    ("zone", "hours", "start", "last"),
    [
        ("America/Denver", (OFFICE,), "2026-10-05 16:50", "2026-10-05 17:00"),
        ("America/Denver", (OFFICE,), "2026-10-05 16:59:59", "2026-10-05 17:00"),
        ("America/Denver", (OFFICE, "daily 9:00-12:00"), "2026-10-05 11:45", "2026-10-05 12:00"),
        ("America/Denver", ("daily 01:00-02:30",), "2026-03-08 01:45", "2026-03-08 03:00"),
        ("America/Denver", ("daily 01:00-03:15",), "2026-03-08 01:45", "2026-03-08 03:15"),
        ("America/Denver", ("daily 01:15-02:00",), "2026-11-01 01:45-06:00", "2026-11-01 01:00-07:00"),
        ("America/Denver", ("daily 01:00-02:00",), "2026-11-01 01:45-06:00", "2026-11-01 01:15-07:00"),
        ("America/Denver", ("Mon 00:00-24:00",), "2026-10-05 23:45", "2026-10-06 00:00"),
        ("America/Denver", ("daily 00:00-24:00",), "2026-10-05 23:45", "2026-10-06 00:15"),
        ("America/Denver", (), "2026-10-05 23:45", "2026-10-06 00:15"),
        ("America/Denver", (), "2026-12-24 23:45", "2026-12-25 00:00"),
    ],
)
def test_the_spread_ends_with_the_hours(zone: str, hours: tuple[str, ...], start: str, last: str) -> None:
    where = calendar(zone, *hours, holidays={date(2026, 12, 25): "Christmas"})
    begin, end = at(start, zone), at(last, zone)
    spreads = [spread_over(Due(begin), where, HALF_AN_HOUR, f"{n}").at for n in range(300)]
    assert begin <= min(spreads)
    assert max(spreads) < end
    assert max(spreads) - begin >= (end - begin) * 0.9 - timedelta(seconds=1)
