"""Shares, medians and waiting times, against what was published of them."""

from __future__ import annotations

from itertools import pairwise
from statistics import NormalDist

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sequencer.core.estimates import Verdict, compare, quartiles, share
from sequencer.core.survival import rise


@pytest.mark.parametrize(  # R. G. Newcombe, Statistics in Medicine 17 (1998) 857–872, table I, method 3
    ("hits", "of", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_an_interval_as_published(hits: int, of: int, low: float, high: float) -> None:
    found = share(hits, of)
    assert found.low == pytest.approx(low, abs=5e-5)
    assert found.high == pytest.approx(high, abs=5e-5)


@given(st.integers(0, 300), st.integers(0, 300))
def test_an_interval_holds_what_was_seen_and_stays_within_bounds(hits: int, misses: int) -> None:
    found = share(hits, hits + misses)
    assert 0.0 <= found.low <= found.high <= 1.0
    if found.rate is not None:
        assert found.low <= found.rate <= found.high


def test_of_nothing_nothing_is_known() -> None:
    assert (share(0, 0).rate, share(0, 0).low, share(0, 0).high, share(0, 0).known) == (None, 0.0, 1.0, False)
    assert share(0, 20).known
    assert not share(1, 5).known
    with pytest.raises(ValueError, match="3 of 2"):
        share(3, 2)


def test_parts_are_compared_with_the_others() -> None:
    assert compare([share(30, 100), share(10, 100)]) == (Verdict.MORE, Verdict.LESS)
    assert compare([share(10, 100), share(11, 100)]) == (Verdict.ALIKE, Verdict.ALIKE)
    assert compare([share(1, 4), share(11, 100)])[0] is Verdict.UNKNOWN
    assert compare([share(3, 100)]) == (Verdict.ALONE,)
    assert compare([share(3, 100), share(0, 0)]) == (Verdict.ALONE, Verdict.UNKNOWN)
    assert compare([]) == ()


def test_among_many_a_chance_difference_is_none() -> None:
    """12 of 100 among 24 groups of 5 of 100 would stand out if it were the only one that is looked at."""
    alone = compare([share(12, 100), share(115, 2300)])
    among = compare([share(12, 100), *[share(5, 100)] * 23])
    assert (alone[0], among[0]) == (Verdict.MORE, Verdict.ALIKE)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=60))
def test_quartiles_stand_in_order(values: list[float]) -> None:
    found = quartiles(values)
    assert found is not None
    assert min(values) <= found.first <= found.median <= found.third <= max(values)
    assert (found.low is None) == (len(values) < 6)
    if found.low is not None and found.high is not None:
        assert found.low <= found.median <= found.high


@pytest.mark.parametrize(("count", "rank"), [(6, 1), (9, 2), (10, 2), (15, 4), (20, 6), (30, 10), (40, 14), (50, 18)])
def test_the_interval_of_a_median_as_published(count: int, rank: int) -> None:
    """The ranks of W. J. Conover, *Practical Nonparametric Statistics*, and of the sign test's tables."""
    found = quartiles(list(range(1, count + 1)))
    assert found is not None
    assert (found.low, found.high) == (rank, count + 1 - rank)


def test_many_values_are_ranked_without_huge_numbers() -> None:
    found = quartiles(list(range(1, 10_002)))
    assert found is not None
    z = NormalDist().inv_cdf(0.975)
    assert found.low == pytest.approx(5000.5 - z * 50.0, abs=1.0)
    assert found.median == 5001


def test_waiting_times_as_published() -> None:
    """6-MP against leukaemia (Freireich et al., Blood 21, 1963): the textbook example of the method, with its intervals
    (Kalbfleisch and Prentice, 2nd ed. 2002, table 1.2)."""
    found = rise([6, 6, 6, 7, 10, 13, 16, 22, 23], [6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35])
    assert [(p.after, round(1 - p.share, 3), p.waiting) for p in found.points] == [
        (6, 0.857, 21),
        (7, 0.807, 17),
        (10, 0.753, 15),
        (13, 0.690, 12),
        (16, 0.627, 11),
        (22, 0.538, 7),
        (23, 0.448, 6),
    ]
    assert (round(1 - found.points[0].high, 3), round(1 - found.points[0].low, 3)) == (0.620, 0.952)
    at = found.at(12)
    assert at is not None
    assert round(1 - at.share, 3) == 0.753
    before, beyond = found.at(1), found.at(36)
    assert before is not None
    assert (before.share, beyond) == (0.0, None)


@given(st.lists(st.integers(0, 40), max_size=40), st.lists(st.integers(0, 40), max_size=40))
def test_the_curve_only_rises_within_its_band(answered: list[int], waiting: list[int]) -> None:
    found = rise(answered, waiting)
    assert (found.people, found.answered) == (len(answered) + len(waiting), len(answered))
    for point in found.points:
        assert -1e-12 <= point.low <= point.share + 1e-12
        assert point.share - 1e-12 <= point.high <= 1.0 + 1e-12
    assert all(one.share < two.share and one.after < two.after for one, two in pairwise(found.points))
    if not waiting and answered:
        assert found.points[-1].share == pytest.approx(1.0)  # all have answered


def test_nobody_has_been_waited_for() -> None:
    assert rise([], []).at(1) is None
