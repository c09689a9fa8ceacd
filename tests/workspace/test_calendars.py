"""Calendars: the contact's zone, both hours, real holidays; and no price for those who have none."""

from __future__ import annotations

import subprocess
import sys
from datetime import date, datetime, timedelta, timezone

import pytest

from sequencer.core.hours import parse_hours
from sequencer.core.model import MAIN_LINE, Contact, Email, Sequence, Step
from sequencer.core.timing import Due, next_allowed
from sequencer.workspace.calendars import NO_HOLIDAYS, UnknownPlace, calendar_for, holidays_of, zone_of
from sequencer.workspace.config import ImapAccount, Mailbox, SmtpAccount
from sequencer.workspace.sequences import IMMEDIATELY

AWAY = ((date(2026, 12, 24), date(2027, 1, 2)),)
MARK = Mailbox(
    "mark",
    "Mark",
    "mark@a.example",
    SmtpAccount("h", 465),
    ImapAccount("h", 993),
    hours=parse_hours("Mon-Fri 08:30-17:00"),
    away=AWAY,
)
PLAN = Sequence(
    "plan",
    "v",
    ("mark",),
    {MAIN_LINE: (Step("a", Email(("t",)), IMMEDIATELY),)},
    hours=parse_hours("Mon-Sun 10:00-12:00"),
)


def test_the_calendar_of_a_contact() -> None:
    calendar = calendar_for(Contact(1, "a@b.example", timezone="America/Denver", holidays="US"), PLAN, MARK)
    assert (calendar.zone.key, calendar.closed) == ("America/Denver", AWAY)
    assert calendar.hours == (MARK.hours, PLAN.hours)
    # Wednesday evening before Thanksgiving, in Denver
    due = next_allowed(datetime(2026, 11, 26, 1, 0, tzinfo=timezone(timedelta(0))), calendar)
    assert isinstance(due, Due)
    assert due.at == datetime(2026, 11, 27, 17, 0, tzinfo=timezone(timedelta(0)))
    assert any("Thanksgiving" in reason for reason in due.reasons)


@pytest.mark.parametrize(
    ("code", "day", "holiday"),
    [
        ("US", date(2026, 11, 26), True),
        ("US", date(2026, 11, 25), False),
        ("DE-BY", date(2026, 11, 1), True),
        ("DE-BE", date(2026, 11, 1), False),
        ("GB", date(2026, 12, 25), True),
    ],
)
def test_holidays_are_those_of_the_place(code: str, day: date, holiday: bool) -> None:
    assert (day in holidays_of(code)) is holiday
    assert bool(holidays_of(code).get(day)) is holiday


def test_no_holidays_is_no_mapping_of_any_day() -> None:
    assert holidays_of("") is NO_HOLIDAYS
    assert date(2026, 12, 25) not in NO_HOLIDAYS


@pytest.mark.parametrize("code", ["XX", "us", "US-", "US-ZZ", "Germany", "U" * 5000, "__class__", "-", "US-MT-X"])
def test_an_unknown_holidays_code_has_a_way_out(code: str) -> None:
    with pytest.raises(UnknownPlace) as caught:
        holidays_of(code)
    assert caught.value.hint
    assert len(caught.value.message) < 200


@pytest.mark.parametrize(
    "name", ["", "Denver", "../x", "America", "a\0b", "Europe/Bärlin", "x" * 5000, "C:\\x", "America/ "]
)
def test_an_unknown_zone_has_a_way_out(name: str) -> None:
    with pytest.raises(UnknownPlace) as caught:
        zone_of(name)
    assert caught.value.hint


@pytest.mark.parametrize(
    "contact", [Contact(1, "a@b.example", timezone="Mars/Base"), Contact(1, "a@b.example", holidays="XX")]
)
def test_a_contact_from_nowhere_has_no_calendar(contact: Contact) -> None:
    with pytest.raises(UnknownPlace):
        calendar_for(contact, PLAN, MARK)


def test_the_holidays_package_is_only_loaded_for_holidays() -> None:
    code = (
        "import sys, sequencer.workspace.calendars as c; c.holidays_of(''); assert 'holidays' not in sys.modules; "
        "c.holidays_of('US'); assert 'holidays' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
