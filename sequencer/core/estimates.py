"""How much a few numbers say: shares with their intervals, comparisons, quartiles.

An interval holds the true value in 95 of 100 cases. Small numbers have wide ones: that is the point of showing them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import NormalDist
from typing import Final

CONFIDENCE: Final = 0.95
Z: Final = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2)
NARROW: Final = 0.2
"""An interval that is wider than this says next to nothing: between one in twenty and one in four, for example."""


class Verdict(StrEnum):
    """How a share compares with that of the others of its kind, in plain words."""

    MORE = "more than the others"
    LESS = "less than the others"
    ALIKE = "no clear difference"
    UNKNOWN = "too little is known"
    ALONE = ""  # there are no others


@dataclass(frozen=True, slots=True)
class Share:
    """`hits` of `of`, and between which shares the true one lies (0 to 1)."""

    hits: int
    of: int
    low: float
    high: float

    @property
    def rate(self) -> float | None:
        """The share as it was seen, 0 to 1; None of nothing."""
        return self.hits / self.of if self.of else None

    @property
    def known(self) -> bool:
        """Whether so many say anything yet."""
        return self.high - self.low <= NARROW


def share(hits: int, of: int, z: float = Z) -> Share:
    """The share with its score interval (E. B. Wilson, *Probable inference, the law of succession, and statistical
    inference*, JASA 22, 1927): it stays between 0 and 1, and tells something even of 0 of 20. Raises ValueError for
    more hits than trials."""
    if not 0 <= hits <= of:
        raise ValueError(f"{hits} of {of}")
    if of == 0:
        return Share(0, 0, 0.0, 1.0)
    rate, spread = hits / of, z * z / of
    middle = rate + spread / 2
    half = z * math.sqrt(rate * (1 - rate) / of + spread / (4 * of))
    low, high = (middle - half) / (1 + spread), (middle + half) / (1 + spread)
    return Share(hits, of, 0.0 if hits == 0 else max(0.0, low), 1.0 if hits == of else min(1.0, high))


def compare(parts: Sequence[Share]) -> tuple[Verdict, ...]:
    """Each part against all the others together, by the score interval of the difference of two shares (R. G. Newcombe,
    *Interval estimation for the difference between independent proportions*, Statistics in Medicine 17, 1998, method
    10). Whoever looks at 24 hours finds one that stands out by chance: so each is asked the more sharply the more there
    are (O. J. Dunn, *Multiple comparisons among means*, JASA 56, 1961)."""
    hits, of = sum(part.hits for part in parts), sum(part.of for part in parts)
    asked = sum(1 for part in parts if part.of)
    z = NormalDist().inv_cdf(1 - (1 - CONFIDENCE) / (2 * max(1, asked)))
    return tuple(_verdict(part, hits - part.hits, of - part.of, z) for part in parts)


def _verdict(part: Share, hits: int, of: int, z: float) -> Verdict:
    if of == 0:
        return Verdict.ALONE
    if part.of == 0:
        return Verdict.UNKNOWN
    mine, rest = share(part.hits, part.of, z), share(hits, of, z)
    p, q = part.hits / part.of, hits / of
    low = p - q - math.hypot(p - mine.low, rest.high - q)
    high = p - q + math.hypot(mine.high - p, q - rest.low)
    if low > 0:
        return Verdict.MORE
    if high < 0:
        return Verdict.LESS
    return Verdict.ALIKE if part.known and share(hits, of).known else Verdict.UNKNOWN


@dataclass(frozen=True, slots=True)
class Quartiles:
    """A quarter, half and three quarters of `count` values are no greater than these; the true median lies between
    `low` and `high`, which are None where too few values are known to say so."""

    count: int
    first: float
    median: float
    third: float
    low: float | None
    high: float | None


def quartiles(values: Sequence[float]) -> Quartiles | None:
    """Of values in any order; None of nothing. The interval needs no assumption about them (W. J. Conover, *Practical
    Nonparametric Statistics*, 3rd ed. 1999, §3.2), and six values at least."""
    if not values:
        return None
    ordered = sorted(values)
    rank = _rank(len(ordered))
    low, high = (ordered[rank - 1], ordered[-rank]) if rank else (None, None)
    first, median, third = (_quantile(ordered, part) for part in (0.25, 0.5, 0.75))
    return Quartiles(len(ordered), first, median, third, low, high)


def _quantile(ordered: Sequence[float], part: float) -> float:
    place = part * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def _rank(count: int) -> int:
    """The greatest r so that the median lies between the r-th smallest and the r-th greatest with the confidence."""
    if count > 1000:
        return math.floor((count - Z * math.sqrt(count)) / 2)
    most = (1 - CONFIDENCE) / 2 * 2**count
    rank, below = 0, 1
    while below <= most:
        rank += 1
        below += math.comb(count, rank)
    return rank
