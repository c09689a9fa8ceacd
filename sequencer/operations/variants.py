"""The variants of a sequence: how each is doing, how the split stands, and why, in plain words.

The worker keeps the split in `live.splits`, some minutes old at most; whoever wants to see it asks `splits`. Both come
from the same figures by the same seed, so what is shown is what is sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from random import Random
from typing import Final, Literal

from sqlalchemy.ext.asyncio import AsyncConnection

from sequencer.core.lines import emails_of
from sequencer.core.model import Email, Enrollment
from sequencer.core.model import Sequence as Plan
from sequencer.core.variants import (
    CERTAIN,
    ENOUGH_ANSWERS,
    ENOUGH_PEOPLE,
    Figures,
    Prospect,
    Shares,
    Splits,
    choose_variant,
    prospects,
    shares_of,
    too_little,
)
from sequencer.operations.counting import headcount
from sequencer.operations.live import Live
from sequencer.store import trials
from sequencer.store.trials import Tally

TIME_TO_ANSWER: Final = timedelta(days=3)
"""Nobody counts, as silent or otherwise, before they have had so long. Counting who has answered at once would favour
the variant that is sent most at the moment; counting who has not would punish it."""

KEPT_FOR: Final = timedelta(minutes=5)
"""How old the split may be that letters are dealt by."""


Kind = Literal["too little", "leaning", "certain", "fixed"]


@dataclass(frozen=True, slots=True)
class VariantFigures:
    """One variant of a step. `people` had it and time to answer (the latest 20,000 of the step), `good` of them became
    interested or were won, `bad` unsubscribed or complained; `fresh` had it too recently to say. `share` is how many of
    those who come now get it, `best` the probability that it is the best one, and `low` to `high` is what a person is
    worth (good minus bad) with a probability of 95 %. `listed` is false for one that the file no longer has."""

    template: str
    people: int
    good: int
    bad: int
    fresh: int
    share: float
    best: float
    low: float
    high: float
    listed: bool = True

    @property
    def net(self) -> float:
        """Good minus bad for each person; 0 before there are any."""
        return (self.good - self.bad) / self.people if self.people else 0.0


@dataclass(frozen=True, slots=True)
class Split:
    """A step with several variants. `words` says in plain English how the split stands, and why."""

    sequence: str
    step: str
    kind: Kind
    variants: tuple[VariantFigures, ...]
    words: str


def trials_of(plan: Plan) -> Iterator[tuple[str, Email]]:
    """The steps with several variants, in the order of the file, the back-off message last."""
    return ((step, email) for step, email in emails_of(plan) if len(email.variants) > 1)


async def splits(conn: AsyncConnection, plan: Plan, now: datetime) -> list[Split]:
    """How the variants of each step of a sequence are doing. Empty when no step has several."""
    found = []
    for step, email in trials_of(plan):
        tallies = await trials.tally(conn, trials.trial_of(plan.name, step), now - TIME_TO_ANSWER)
        foreseen = await asyncio.to_thread(_prospects, _figures(email, tallies))
        found.append(_split(plan.name, step, email, tallies, foreseen))
    return found


def _figures(email: Email, tallies: Mapping[str, Tally]) -> tuple[Figures, ...]:
    known = [(name, tallies.get(name, Tally())) for name in email.variants]
    return tuple(Figures(name, each.people, each.good, each.bad) for name, each in known)


@lru_cache(maxsize=256)
def _prospects(figures: tuple[Figures, ...]) -> tuple[Prospect, ...]:
    """Seeded by nothing but a number: the same figures give the same split in every process."""
    return tuple(prospects(figures, Random(1933).gammavariate))  # noqa: S311 (a posterior is drawn from, no secret)


def _split(sequence: str, step: str, email: Email, tallies: Mapping[str, Tally], foreseen: Sequence[Prospect]) -> Split:
    shares = shares_of(email, {one.figures.template: one.share for one in foreseen})
    present = [_variant(one, tallies, shares[one.figures.template]) for one in foreseen]
    gone = [
        VariantFigures(name, each.people, each.good, each.bad, each.fresh, 0.0, 0.0, 0.0, 0.0, listed=False)
        for name, each in sorted(tallies.items())
        if name not in email.variants
    ]
    leader = max(present, key=lambda one: one.best)
    if email.percent:
        return Split(sequence, step, "fixed", (*present, *gone), _fixed_words(present, leader))
    if too_little([one.figures for one in foreseen]):
        return Split(sequence, step, "too little", (*present, *gone), _little_words(present))
    kind: Kind = "certain" if leader.best >= CERTAIN else "leaning"
    return Split(sequence, step, kind, (*present, *gone), _leading_words(present, leader))


def _variant(one: Prospect, tallies: Mapping[str, Tally], share: float) -> VariantFigures:
    each, tally = one.figures, tallies.get(one.figures.template, Tally())
    return VariantFigures(
        each.template, each.people, each.good, each.bad, tally.fresh, share, one.best, one.low, one.high
    )


@dataclass(frozen=True, slots=True)
class Dealt:
    """The variant of a step that somebody gets, and how many others do, in words."""

    template: str
    words: str


def dealt(plan: Plan, enrollment: Enrollment, step: str, present: Splits) -> Dealt | None:
    """What somebody gets in a step with several variants; None for any other step."""
    email = dict(trials_of(plan)).get(step)
    if email is None:
        return None
    template = choose_variant(email, enrollment, step, present)
    if enrollment.sent_variants.get(step) == template:
        return Dealt(template, f"{template}, as before")
    share = shares_of(email, present.get((plan.name, step), {}))[template]
    return Dealt(template, f"{template}, which {100 * share:.0f} of 100 new people get at present")


# In words -----------------------------------------------------------------------------------------


def _little_words(present: Sequence[VariantFigures]) -> str:
    people, good, bad = (sum(values) for values in zip(*((v.people, v.good, v.bad) for v in present), strict=True))
    both = "both are" if len(present) == 2 else f"all {len(present)} are"
    known = f"{headcount(people)} had time to answer, {good} interested" if people else "nobody has had time to answer"
    if bad:
        known += f", {bad} unsubscribed or complained"
    waits = f"each has reached {ENOUGH_PEOPLE} people, and {ENOUGH_ANSWERS} in all are interested or unsubscribed"
    return f"too little is known yet: {known}; {both} sent equally often until {waits}"


def _leading_words(present: Sequence[VariantFigures], leader: VariantFigures) -> str:
    young = [v.template for v in present if v.people < ENOUGH_PEOPLE]
    known = sorted((v for v in present if v.template not in young), key=lambda v: -v.best)
    compared = ", ".join(f"{v.template} {100 * v.net:.1f}" for v in known)
    words = f"{_verdict(present, leader)}; net good of 100 people: {compared}"
    words += f"; {100 * leader.share:.0f} of 100 new people get it"
    if young:
        their = "its share stays" if len(young) == 1 else "their shares stay"
        words += f"; too little is known of {' and '.join(young)}, so {their} equal"
    return words


def _verdict(present: Sequence[VariantFigures], leader: VariantFigures) -> str:
    better = "better" if len(present) == 2 else "the best one"
    if leader.best >= CERTAIN:
        return f"{leader.template} is {better} ({_sure(leader)})"
    return f"{leader.template} seems {better}, which may be chance ({_sure(leader)})"


def _fixed_words(present: Sequence[VariantFigures], leader: VariantFigures) -> str:
    words = f"fixed by hand: {', '.join(f'{v.template} {v.share:.0%}' for v in present)}"
    if too_little([Figures(v.template, v.people, v.good, v.bad) for v in present]):
        return f"{words}; too little is known yet to say which one is better"
    return f"{words}; {_verdict(present, leader)}"


def _sure(leader: VariantFigures) -> str:
    return "more than 99% sure" if leader.best > 0.99 else f"{leader.best:.0%} sure"


# For whoever sends --------------------------------------------------------------------------------


async def keep_splits(live: Live, now: datetime) -> None:
    """See to it that `live.splits` is of the files in force, and no older than KEPT_FOR. Without variants that adapt,
    the database is not asked."""
    if _recent(live, now):
        return
    async with live.splitting:
        if _recent(live, now):  # another worker has just done it
            return
        workspace = live.workspace
        adapting = {
            (plan.name, step): email
            for plan in workspace.sequences.values()
            for step, email in trials_of(plan)
            if not email.percent
        }
        live.splits = await _look_up(live, adapting, now) if adapting else {}
        live.split_for, live.split_at = workspace, now


def leave_splits(live: Live, now: datetime) -> None:
    """Go on with the splits there are, for as long as new ones would be kept."""
    live.split_for, live.split_at = live.workspace, now


def _recent(live: Live, now: datetime) -> bool:
    at = live.split_at
    return live.split_for is live.workspace and at is not None and timedelta() <= now - at < KEPT_FOR


async def _look_up(live: Live, adapting: Mapping[tuple[str, str], Email], now: datetime) -> Splits:
    figures: dict[tuple[str, str], tuple[Figures, ...]] = {}
    for (sequence, step), email in adapting.items():
        async with live.database.read() as conn:
            tallies = await trials.tally(conn, trials.trial_of(sequence, step), now - TIME_TO_ANSWER)
        figures[sequence, step] = _figures(email, tallies)
    return {key: await asyncio.to_thread(_shares, each) for key, each in figures.items()}


def _shares(figures: tuple[Figures, ...]) -> Shares:
    return {one.figures.template: one.share for one in _prospects(figures)}
