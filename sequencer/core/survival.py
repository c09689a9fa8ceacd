"""How many have answered after so many days, when some of those who are waited for have not been waited for that long.

E. L. Kaplan, P. Meier, *Nonparametric estimation from incomplete observations*, JASA 53, 1958. Whoever has not
answered counts for as long as they have been waited for, and no longer: leaving them out would flatter, and counting
them as silent for ever would do them wrong.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sequencer.core.estimates import Z


@dataclass(frozen=True, slots=True)
class Point:
    """After `after` (in whatever unit was asked), this share has answered; `waiting` had not, just before."""

    after: float
    share: float
    low: float
    high: float
    waiting: int


@dataclass(frozen=True, slots=True)
class Curve:
    """The share of those who have answered, as it rises: one point for each instant at which somebody did. `longest` is
    how long anybody has been waited for: nothing is known beyond."""

    people: int
    answered: int
    points: tuple[Point, ...]
    longest: float

    def at(self, after: float) -> Point | None:
        """What is known for `after`; None where nobody has been waited for so long."""
        if after > self.longest:
            return None
        index = bisect_right(self.points, after, key=lambda point: point.after)
        return self.points[index - 1] if index else Point(0.0, 0.0, 0.0, 0.0, self.people)


def rise(answered: Sequence[float], waiting: Iterable[float]) -> Curve:
    """The curve from the times after which people answered, and the times for which the others have been waited for.

    The intervals are Greenwood's, on the scale of log(−log) (J. D. Kalbfleisch, R. L. Prentice, *The Statistical
    Analysis of Failure Time Data*, 2nd ed. 2002, §1.4), so that they stay between 0 and 1.
    """
    marks = sorted([(time, 0) for time in answered] + [(time, 1) for time in waiting])
    left, silent, variance = len(marks), 1.0, 0.0
    points: list[Point] = []
    index = 0
    while index < len(marks):
        after, begun, hits = marks[index][0], index, 0
        while index < len(marks) and marks[index][0] == after:
            hits += marks[index][1] == 0
            index += 1
        if hits:
            silent *= 1 - hits / left
            variance += hits / (left * (left - hits)) if left > hits else math.inf
            points.append(Point(after, 1 - silent, *_interval(silent, variance), left))
        left -= index - begun
    return Curve(len(marks), len(answered), tuple(points), marks[-1][0] if marks else 0.0)


def _interval(silent: float, variance: float) -> tuple[float, float]:
    if silent <= 0:
        return 0.0, 1.0
    width = Z * math.sqrt(variance) / abs(math.log(silent))
    return 1 - silent ** math.exp(-width), 1 - silent ** math.exp(width)
