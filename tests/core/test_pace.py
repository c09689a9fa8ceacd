"""A mailbox's pace: what may leave now, when the next one may, and the places in the queue of those who wait."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sequencer.core.pace import DAY, HOUR, Limits, Pace, pace, places

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def ago(*minutes: float) -> list[datetime]:
    return sorted(NOON - timedelta(minutes=m) for m in minutes)


@pytest.mark.parametrize(
    ("limits", "sent", "expected"),
    [
        (Limits(), ago(1, 2, 3), Pace(None)),
        (Limits(per_hour=3), [], Pace(3)),
        (Limits(per_hour=3), ago(10, 59.9, 60, 61), Pace(1)),
        (Limits(per_hour=2), ago(10, 20), Pace(0, NOON + 40 * MINUTE, "the mailbox sends at most 2 an hour")),
        (Limits(per_hour=9, per_day=2), ago(120, 180), Pace(0, NOON + 21 * HOUR, "the mailbox sends at most 2 a day")),
        (Limits(per_hour=2, per_day=5), ago(10, 200), Pace(1)),
        (Limits(gap=(60, 60)), [], Pace(1)),
        (Limits(gap=(60, 60)), ago(2), Pace(1)),
        (Limits(gap=(180, 180)), ago(2), Pace(0, NOON + MINUTE, "the gap between two messages")),
        (Limits(ramp_up=5), [], Pace(5)),
        (
            Limits(per_hour=1, gap=(180, 180)),
            ago(2),
            Pace(0, NOON + 58 * MINUTE, "the mailbox sends at most 1 an hour"),
        ),
    ],
)
def test_what_may_leave_now(limits: Limits, sent: list[datetime], expected: Pace) -> None:
    assert pace(limits, sent, None, NOON) == expected


def test_a_young_mailbox_may_send_more_each_day() -> None:
    limits = Limits(ramp_up=10, per_day=25)
    assert [pace(limits, [], NOON - day * DAY, NOON).count for day in (0, 1, 2, 9)] == [10, 20, 25, 25]


def test_the_ramp_up_opens_when_it_grows_not_only_when_a_message_drops_out() -> None:
    began = NOON - 23 * HOUR
    closed = pace(Limits(ramp_up=2), ago(30, 20), began, NOON)
    assert (closed.count, closed.next_at) == (0, began + DAY)
    assert closed.reason == "the mailbox sends at most 2 a day (ramp-up)"
    assert pace(Limits(ramp_up=2), ago(30, 20), began, began + DAY).count == 2


def test_the_gap_differs_from_message_to_message_and_stays_the_same_when_asked_again() -> None:
    limits = Limits(gap=(90, 240))
    asked = [pace(limits, [NOON - n * MINUTE / 60], None, NOON).next_at for n in range(50)]
    gaps = [at - (NOON - n * MINUTE / 60) for n, at in enumerate(asked) if at is not None]
    assert asked == [pace(limits, [NOON - n * MINUTE / 60], None, NOON).next_at for n in range(50)]
    assert len(set(gaps)) > 40
    assert all(timedelta(seconds=90) <= gap <= timedelta(seconds=240) for gap in gaps)


def test_places_in_the_queue() -> None:
    sent = ago(50, 10)
    opens = NOON + 10 * MINUTE
    assert list(islice(places(Limits(per_hour=2), sent, None, opens), 4)) == [
        NOON + 10 * MINUTE,
        NOON + 50 * MINUTE,
        NOON + 70 * MINUTE,
        NOON + 110 * MINUTE,
    ]
    assert list(islice(places(Limits(gap=(60, 120)), [NOON], NOON, NOON), 3)) == [
        NOON + MINUTE,
        NOON + 2 * MINUTE,
        NOON + 3 * MINUTE,
    ]


some_limits = st.builds(
    Limits,
    per_hour=st.none() | st.integers(1, 5),
    per_day=st.none() | st.integers(1, 8),
    gap=st.none() | st.tuples(st.floats(0, 300), st.floats(300, 4000)),
    ramp_up=st.none() | st.integers(1, 4),
)


@settings(max_examples=150, deadline=None)
@given(some_limits, st.lists(st.integers(0, 1500), max_size=8))
def test_a_queue_gets_through_in_order_within_the_limits_and_nobody_sleeps_through_a_turn(
    limits: Limits, before: list[int]
) -> None:
    """Everybody who waits wakes at the place that was told; whoever wakes while the pace is closed waits for it."""
    sent = ago(*(float(m) for m in before))
    began = sent[0] if sent else None
    now = NOON
    queue = list(islice(places(limits, sent, began, now), 12))
    assert queue == sorted(queue)
    for place in queue:
        now = max(now, place)
        while (open_ := pace(limits, [at for at in sent if at > now - DAY], began, now)).count == 0:
            assert open_.next_at is not None
            assert open_.next_at > now
            now = open_.next_at
        if now == place and now > max([NOON, *sent[-1:]]):  # the place was not told too late
            assert pace(limits, sent, began, now - timedelta(microseconds=1)).count == 0
        sent.append(now)
        began = began or now


@settings(max_examples=100, deadline=None)
@given(some_limits, st.lists(st.integers(0, 1500), max_size=8))
def test_a_closed_pace_opens_when_it_says(limits: Limits, before: list[int]) -> None:
    sent = ago(*(float(m) for m in before))
    began = sent[0] if sent else None
    now = NOON
    for _ in range(5):  # a limit may hide behind another one
        closed = pace(limits, sent, began, now)
        if closed.count != 0:
            return
        assert closed.next_at is not None
        assert closed.next_at > now
        now = closed.next_at
    raise AssertionError("it never opens")
