"""Timing against slow and simple reckonings of the same thing, in zones with every kind of clock change."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hypothesis import assume, example, given
from hypothesis import strategies as st

from sequencer.core.model import Away, Base, Enrollment, Hours, Position, Span, Unit, When, Window
from sequencer.core.timing import Calendar, Due, NeverAllowed, add_span, due_at, next_allowed, spread_over

ZONES = [
    ZoneInfo(name)
    for name in (
        *("UTC", "America/Denver", "Europe/Berlin", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Apia"),
        *(
            "America/Havana",
            "Asia/Beirut",
            "America/Santiago",
            "Africa/Casablanca",
            "Pacific/Chatham",
            "America/St_Johns",
        ),
    )
]
QUARTER = timedelta(minutes=15)
DAY = timedelta(days=1)


def clock(minutes: int) -> time:
    return time.max if minutes == 1440 else time(minutes // 60, minutes % 60)


windows = st.builds(
    lambda days, ends: Window(days, clock(min(ends) * 15), clock(max(ends) * 15)),
    st.frozensets(st.integers(0, 6), min_size=1),
    st.sets(st.integers(0, 96), min_size=2, max_size=2),
)
hours = st.lists(windows, min_size=1, max_size=3).map(lambda some: Hours("hours", tuple(some)))
days = st.dates(date(2000, 1, 1), date(2037, 12, 31))
instants = st.datetimes(datetime(2000, 1, 1), datetime(2037, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001
near_changes = st.builds(
    lambda year, day, minute: datetime(year, 1, 1, tzinfo=UTC) + timedelta(days=day, minutes=minute * 15),
    st.integers(2008, 2030),
    st.sampled_from([66, 67, 84, 85, 86, 94, 95, 96, 246, 247, 270, 276, 299, 300, 304, 305, 310, 311, 362, 363, 364]),
    st.integers(0, 95),
)
moments = near_changes | instants


@st.composite
def calendars(draw: st.DrawFn, around: datetime) -> Calendar:
    offsets = draw(st.sets(st.integers(-2, 12), max_size=4))
    start, length = draw(st.integers(-2, 10)), draw(st.integers(0, 20))
    first = around.date() + timedelta(days=start)
    return Calendar(
        draw(st.sampled_from(ZONES)),
        tuple(draw(st.lists(hours, max_size=2))),
        {around.date() + timedelta(days=offset): f"holiday {offset}" for offset in offsets},
        ((first, first + timedelta(days=length)),) if draw(st.booleans()) else (),
    )


@st.composite
def situations(draw: st.DrawFn) -> tuple[datetime, Calendar]:
    moment = draw(moments)
    return moment, draw(calendars(moment))


def is_allowed(moment: datetime, calendar: Calendar) -> bool:
    """Looks at the wall, and at nothing else."""
    wall = moment.astimezone(calendar.zone)
    if wall.date() in calendar.holidays or any(first <= wall.date() <= last for first, last in calendar.closed):
        return False
    return all(
        any(
            wall.weekday() in window.weekdays
            and window.start <= wall.time()
            and (wall.time() < window.end or window.end == time.max)
            for window in one.windows
        )
        for one in calendar.hours
    )


def following(moment: datetime) -> datetime:
    """The next quarter of an hour: all hours here, and all modern clock changes, lie on one."""
    floor = moment.replace(minute=moment.minute // 15 * 15, second=0, microsecond=0)
    return floor + QUARTER


@given(situations())
def test_the_next_allowed_instant_is_the_first_one(situation: tuple[datetime, Calendar]) -> None:
    moment, calendar = situation
    if calendar.zone.key == "America/St_Johns":
        assume(moment.year > 2012)  # until 2011 its clocks changed at a minute past midnight
    found = next_allowed(moment, calendar)
    step, steps = moment, 0
    while not is_allowed(step, calendar) and steps < 96 * 40:
        step, steps = following(step), steps + 1
    if isinstance(found, NeverAllowed):
        assert not is_allowed(step, calendar)
        assert found.reason
    elif is_allowed(step, calendar):
        assert found.at == step
        assert bool(found.reasons) is (step != moment)
        assert len(set(found.reasons)) == len(found.reasons)
    else:
        assert found.at > step


@given(situations())
def test_an_allowed_instant_stays(situation: tuple[datetime, Calendar]) -> None:
    moment, calendar = situation
    found = next_allowed(moment, calendar)
    if isinstance(found, Due):
        assert found.at >= moment
        assert found.at.tzinfo is UTC
        assert is_allowed(found.at, calendar)
        assert next_allowed(found.at, calendar) == Due(found.at)


@given(situations(), st.integers(0, 50_000))
def test_what_is_due_later_is_allowed_no_earlier(situation: tuple[datetime, Calendar], minutes: int) -> None:
    moment, calendar = situation
    first, second = next_allowed(moment, calendar), next_allowed(moment + timedelta(minutes=minutes), calendar)
    if isinstance(first, Due) and isinstance(second, Due):
        assert first.at <= second.at


@given(situations(), st.integers(1, 300), st.text(max_size=8))
def test_the_spread_never_leaves_the_allowed_time(situation: tuple[datetime, Calendar], minutes: int, key: str) -> None:
    moment, calendar = situation
    found = next_allowed(moment, calendar)
    assume(isinstance(found, Due))
    assert isinstance(found, Due)
    spread = spread_over(found, calendar, timedelta(minutes=minutes), key)
    assert found.at <= spread.at < found.at + timedelta(minutes=minutes)
    assert is_allowed(spread.at, calendar)
    step = found.at
    while step < spread.at:
        assert is_allowed(step, calendar)
        step = following(step)


spans = st.builds(Span, st.integers(0, 60), st.sampled_from(Unit))
absences = st.lists(
    st.tuples(st.integers(-200, 900), st.integers(0, 400)).map(
        lambda hours: (timedelta(hours=hours[0]), timedelta(hours=hours[1]))
    ),
    max_size=3,
)
clocks = st.none() | st.times().map(lambda moment: moment.replace(second=0, microsecond=0))
weekdays = st.none() | st.integers(0, 6)


def enrolled(moment: datetime, away: list[tuple[timedelta, timedelta]]) -> Enrollment:
    absent = tuple(Away(moment + start, moment + start + length) for start, length in away)
    return Enrollment(1, 1, "quote", "mark", moment, Position(), away=absent)


def waited(
    moment: datetime,
    span: Span,
    calendar: Calendar,
    who: Enrollment,
    at: time | None = None,
    weekday: int | None = None,
) -> datetime:
    found = due_at(When("x", Base.TOUCH, span, at=at, weekday=weekday), who, {}, None, calendar)
    assert isinstance(found, datetime)
    assert found.tzinfo is UTC
    return found


def is_away(moment: datetime, who: Enrollment) -> bool:
    return any(one.since <= moment < one.until for one in who.away)


@given(situations(), spans, st.integers(0, 40), absences, clocks, weekdays)
def test_a_longer_wait_is_due_no_earlier(
    situation: tuple[datetime, Calendar],
    span: Span,
    more: int,
    away: list[tuple[timedelta, timedelta]],
    at: time | None,
    weekday: int | None,
) -> None:
    moment, calendar = situation
    who = enrolled(moment, away)
    first = waited(moment, span, calendar, who, at, weekday)
    second = waited(moment, Span(span.amount + more, span.unit), calendar, who, at, weekday)
    assert first <= second


@given(situations(), spans, absences, clocks, weekdays)
def test_nothing_is_due_while_away_and_suffixes_are_kept(
    situation: tuple[datetime, Calendar],
    span: Span,
    away: list[tuple[timedelta, timedelta]],
    at: time | None,
    weekday: int | None,
) -> None:
    moment, calendar = situation
    who = enrolled(moment, away)
    found = waited(moment, span, calendar, who, at, weekday)
    assert not is_away(found, who)
    wall = found.astimezone(calendar.zone)
    exists = at is None or wall.time() == at or not _exists(datetime.combine(wall.date(), at), calendar.zone)
    assert exists or wall.time() == time(0)  # a whole day that does not exist
    if weekday is not None and calendar.zone.key != "Pacific/Apia" and not is_away(found - DAY, who):
        assert wall.weekday() == weekday


def _exists(wall: datetime, zone: ZoneInfo) -> bool:
    return wall.replace(tzinfo=zone).astimezone(UTC).astimezone(zone).replace(tzinfo=None) == wall


@given(moments, st.integers(0, 2000), absences)
@example(datetime(2026, 10, 5, tzinfo=UTC), 60, [(timedelta(hours=1), timedelta(hours=5))])
def test_elapsed_time_stands_still_while_away(
    moment: datetime, quarters: int, away: list[tuple[timedelta, timedelta]]
) -> None:
    who = enrolled(moment, away)
    step, left = moment, quarters
    while left or is_away(step, who):
        left -= not is_away(step, who)
        step += QUARTER
    assert waited(moment, Span(quarters * 15, Unit.MINUTES), Calendar(ZONES[0]), who) == step


@given(situations(), st.integers(1, 60), st.sampled_from([Unit.DAYS, Unit.BUSINESS_DAYS]), absences)
def test_days_are_counted_one_by_one(
    situation: tuple[datetime, Calendar], count: int, unit: Unit, away: list[tuple[timedelta, timedelta]]
) -> None:
    moment, calendar = situation
    who = enrolled(moment, away)
    wall = moment.astimezone(calendar.zone)
    day, left = wall.date(), count
    while left:
        day += DAY
        counts = unit is Unit.DAYS or (day.weekday() < 5 and day not in calendar.holidays)
        left -= counts and not is_away(_first(datetime.combine(day, wall.time()), calendar.zone), who)
    assert waited(moment, Span(count, unit), calendar, who) == _first(datetime.combine(day, wall.time()), calendar.zone)


def _first(wall: datetime, zone: ZoneInfo) -> datetime:
    """The first instant whose wall is this one or, when there is none, later; minute by minute where it matters."""
    early, late = (wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if _exists(wall, zone):
        return early
    step = late.replace(second=0, microsecond=0)
    while step.astimezone(zone).replace(tzinfo=None) < wall:
        step += timedelta(minutes=1)
    return step


@given(moments, spans, st.sampled_from(ZONES))
def test_spans_go_forward_and_keep_the_time_of_day(moment: datetime, span: Span, zone: ZoneInfo) -> None:
    end = add_span(moment, span, Calendar(zone))
    assert end >= moment
    before, after = moment.astimezone(zone), end.astimezone(zone)
    if span.unit is Unit.MINUTES:
        assert end - moment == timedelta(minutes=span.amount)
    elif span.unit is Unit.HOURS:
        assert end - moment == timedelta(hours=span.amount)
    elif after.time() != before.time():
        assert not _exists(datetime.combine(after.date(), before.time()), zone) or after.time() == time(0)
