"""A thousand people at once: the same rules as for one, and limits that hold."""

from __future__ import annotations

from collections.abc import Sequence as Many
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from sequencer.core.hours import parse_hours
from sequencer.core.model import MAIN_LINE, Contact, Sequence, Span, Status, Unit
from sequencer.core.pace import DAY, HOUR, Limits, day_cap
from sequencer.core.react import Heard
from sequencer.core.shifts import Cause
from sequencer.core.timing import Calendar, Due, next_allowed
from sequencer.workspace.crowd import Entrant, Journey, play_crowd
from sequencer.workspace.simulate import Assumptions, Row, Said, ScriptedReply, simulate
from tests.core.plans import CARLA, MONDAY, OFFICE, QUOTE, email

NO_LIMITS = {"mark": Limits()}
TAKEN = Assumptions(min_gap=Span(2, Unit.DAYS), spread=timedelta(minutes=30))
ZONES = ("America/Denver", "Europe/Berlin", "Asia/Tokyo", "Australia/Lord_Howe")
EMAILS = ("email", "back_off")


def entrant(number: int = 7, zone: str = "America/Denver", enters: datetime = MONDAY, answer: str = "") -> Entrant:
    contact = Contact(number, f"p{number}@example.com", CARLA.fields, zone)
    calendar = Calendar(ZoneInfo(zone), OFFICE.hours)
    replies = (ScriptedReply("article", Span(1, Unit.DAYS), Said(Heard(answer))),) if answer else ()
    return Entrant(contact, enters, "mark", calendar, replies=replies)


def sent(journeys: Many[Journey]) -> list[tuple[datetime, Journey, Row]]:
    found = [(row.at, each, row) for each in journeys for row in each.rows if row.action in EMAILS]
    return sorted(found, key=lambda one: one[0])


entrants = st.lists(
    st.builds(
        entrant,
        st.integers(1, 10_000),
        st.sampled_from(ZONES),
        st.builds(lambda minutes: MONDAY + timedelta(minutes=minutes), st.integers(0, 60 * 24 * 20)),
        st.sampled_from(["", "", "", "not_now", "interested", "unsubscribe", "question"]),
    ),
    min_size=1,
    max_size=25,
)


@given(one=entrants.map(lambda several: several[0]), takes=st.none() | st.integers(0, 5))
@settings(max_examples=60, deadline=None)
def test_a_crowd_of_one_without_limits_is_the_plain_simulation(one: Entrant, takes: int | None) -> None:
    taken = replace(TAKEN, task_takes=None if takes is None else Span(takes, Unit.DAYS))
    rows, enrollment = simulate(QUOTE, one.contact, one.calendar, one.enters, replies=one.replies, assumptions=taken)
    (journey,) = play_crowd(QUOTE, [one], NO_LIMITS, assumptions=taken)
    assert (journey.rows, journey.enrollment) == (rows, enrollment)


@given(
    crowd=entrants,
    limits=st.builds(
        Limits,
        st.none() | st.integers(1, 3),
        st.none() | st.integers(1, 6),
        st.none() | st.tuples(st.integers(0, 900), st.integers(900, 4000)),
        st.none() | st.integers(1, 4),
    ),
    established=st.booleans(),
)
@settings(max_examples=60, deadline=None, phases=(Phase.generate,))
def test_limits_and_hours_hold_for_everybody_and_each_ends_with_a_reason(
    crowd: list[Entrant], limits: Limits, established: bool
) -> None:
    began = {"mark": MONDAY - 100 * DAY} if established else {}
    journeys = play_crowd(QUOTE, crowd, {"mark": limits}, assumptions=TAKEN, began=began)
    assert [journey.entrant for journey in journeys] == crowd
    leaving = sent(journeys)
    times = [at for at, _, _ in leaving]
    first = began.get("mark") or min(times, default=MONDAY)
    for at, journey, row in leaving:
        assert next_allowed(at, journey.entrant.calendar) == Due(at), "outside the hours"
        day = sum(at - DAY < other <= at for other in times)
        cap = day_cap(limits, first, at)
        assert cap is None or day <= cap
        assert limits.per_hour is None or sum(at - HOUR < other <= at for other in times) <= limits.per_hour
        assert row.due_at is not None
        if row.shifts:
            assert (row.shifts[0].since, row.shifts[-1].until) == (row.due_at, at)
            assert [s.until for s in row.shifts[:-1]] == [s.since for s in row.shifts[1:]], "a gap in the reasons"
        else:
            assert row.due_at == at
    if limits.gap is not None:
        assert all(later - at >= timedelta(seconds=limits.gap[0]) for at, later in pairwise(times))
    for journey in journeys:
        assert journey.enrollment.status.ended or journey.enrollment.status is Status.PAUSED
        assert journey.ended
        touched = [row.step for row in journey.rows if row.action in (*EMAILS, "task")]
        assert len(touched) == len(set(touched)), "the same step twice"


def test_who_is_due_the_longest_goes_first() -> None:
    plan = replace(QUOTE, lines={MAIN_LINE: (email("hello", "1 hour later"),)}, back_off=None)
    late = [entrant(number, enters=MONDAY + timedelta(minutes=number)) for number in (3, 1, 2)]
    journeys = play_crowd(plan, late, {"mark": Limits(per_day=1)}, began={"mark": MONDAY - DAY})
    assert [journey.entrant.contact.id for _, journey, _ in sent(journeys)] == [1, 2, 3]
    waits = [row.shifts[-1] for _, _, row in sent(journeys)[1:]]
    assert {(wait.cause, wait.reason) for wait in waits} == {(Cause.LIMIT, "the mailbox sends at most 1 a day")}


def test_what_a_limit_makes_too_late_is_skipped() -> None:
    hello = email("hello", "1 hour later", expires=Span(1, Unit.DAYS))
    plan = replace(QUOTE, lines={MAIN_LINE: (hello,)}, back_off=None)
    crowd = [entrant(number) for number in range(1, 6)]
    journeys = play_crowd(plan, crowd, {"mark": Limits(per_day=1)}, began={"mark": MONDAY - DAY})
    steps = sorted(row.action for journey in journeys for row in journey.rows if row.step)
    assert steps == ["email", "email", "skip", "skip", "skip"]
    assert {journey.ended for journey in journeys} == {"moved to keep-in-touch"}


def test_each_mailbox_has_limits_of_its_own() -> None:
    crowd = [replace(entrant(number), mailbox=("mark", "anna")[number % 2]) for number in range(1, 9)]
    limits = {"mark": Limits(per_day=1), "anna": Limits()}
    journeys = play_crowd(QUOTE, crowd, limits)
    first = [journey.rows[0].at - MONDAY for journey in journeys]
    assert sorted(at.days for at in first[::2]) == [1, 1, 1, 1]  # anna's
    assert len({at.days for at in first[1::2]}) == 4
    assert all(journey.enrollment.mailbox == journey.entrant.mailbox for journey in journeys)


def test_a_reply_while_waiting_for_the_mailbox_takes_the_message_out_of_the_queue() -> None:
    crowd = [entrant(number, answer="interested") for number in range(1, 8)]
    one_a_week = {"mark": Limits(per_day=2)}
    journeys = play_crowd(QUOTE, crowd, one_a_week, assumptions=TAKEN)
    assert {journey.ended for journey in journeys} == {"paused: they replied (interested)"}
    for journey in journeys:
        replied = next(row.at for row in journey.rows if row.action == "pause")
        assert all(row.at <= replied for row in journey.rows)


def test_it_stops_where_it_is_told_to() -> None:
    until = MONDAY + 8 * DAY
    crowd = [entrant(number) for number in range(1, 31)]
    told: list[int] = []
    journeys = play_crowd(
        QUOTE, crowd, {"mark": Limits(per_day=5)}, assumptions=replace(TAKEN, until=until), tell=told.append
    )
    assert all(row.at <= until for journey in journeys for row in journey.rows)
    assert {journey.ended for journey in journeys} == {
        "waiting for the mailbox when the time was up",
        "on their way when the time was up",
    }
    told.clear()
    play_crowd(QUOTE, crowd, NO_LIMITS, tell=told.append)
    assert told == list(range(1, 31))


def test_a_plan_without_an_end_is_cut_and_says_so() -> None:
    loop: Sequence = replace(QUOTE, lines={MAIN_LINE: (email("renewal", "2 weeks before renewal_date"),)})
    (journey,) = play_crowd(loop, [entrant()], NO_LIMITS)
    assert journey.ended == "held: the contact has no date “renewal_date”"
    closed = replace(entrant(), calendar=Calendar(ZoneInfo("UTC"), (parse_hours("Mon 9-10"), parse_hours("Tue 9-10"))))
    (journey,) = play_crowd(QUOTE, [closed], NO_LIMITS)
    assert journey.ended.startswith("held: ")
    assert "no time in common" in journey.ended
