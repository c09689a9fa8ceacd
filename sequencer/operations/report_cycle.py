"""How long people take to decide, as `decision_cycle` in a sequence's file should have it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sequencer.core.estimates import Quartiles, quartiles
from sequencer.core.model import Sequence as Plan
from sequencer.core.model import Span, Unit

ENOUGH_WON: Final = 10
"""From ten on, the median lies between the second and the ninth, and one odd case cannot move it far."""

NEAR: Final = 0.1
"""A file that is off by less than this part is left alone, however many were won."""

DAYS: Final = {
    Unit.MINUTES: 1 / 1440,
    Unit.HOURS: 1 / 24,
    Unit.DAYS: 1.0,
    Unit.WEEKS: 7.0,
    Unit.MONTHS: 365.2425 / 12,
    Unit.BUSINESS_DAYS: 7 / 5,
}


class Fit(StrEnum):
    """How the file compares with what happened."""

    TOO_FEW = "too_few"
    MISSING = "missing"  # the file has none
    FITS = "fits"
    DIFFERS = "differs"


@dataclass(frozen=True, slots=True)
class Cycle:
    """Days from entering the sequence to won, of those who were won: that is what the file's `decision_cycle` counts.
    `suggested` is their median in whole days, None of too few; `in_file` is the phrase of the file, empty if none."""

    won: int
    days: Quartiles | None
    suggested: int | None
    in_file: str
    fit: Fit


def suggested_cycle(days: Sequence[float], plan: Plan | None) -> Cycle:
    """What these times suggest, against the file."""
    known = quartiles(days)
    span = plan.decision_cycle if plan is not None else None
    in_file = str(span) if span is not None else ""
    if known is None or len(days) < ENOUGH_WON or known.low is None or known.high is None:
        return Cycle(len(days), known, None, in_file, Fit.TOO_FEW)
    suggested = max(1, round(known.median))
    if span is None:
        return Cycle(len(days), known, suggested, "", Fit.MISSING)
    fits = known.low <= in_days(span) <= known.high or abs(in_days(span) - known.median) <= NEAR * known.median
    return Cycle(len(days), known, suggested, in_file, Fit.FITS if fits else Fit.DIFFERS)


def in_days(span: Span) -> float:
    """About how many days a length of time is; holidays aside."""
    return span.amount * DAYS[span.unit]
