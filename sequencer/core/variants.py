"""Which of several templates a person gets, and how the split follows what is known of them.

Thompson sampling: everybody gets a variant with the probability that it is the best one, by all that is known so far
(W. R. Thompson, *On the likelihood that one unknown probability exceeds another in view of the evidence of two
samples*, Biometrika 25, 1933; D. J. Russo, B. Van Roy, A. Kazerouni, I. Osband, Z. Wen, *A Tutorial on Thompson
Sampling*, Foundations and Trends in Machine Learning 11, 2018). Thompson's two samples had two outcomes each; here a
person is good (became interested), bad (unsubscribed, complained) or neither, so the posterior of one variant is a
Dirichlet distribution, with one of each before anything is known, and what a variant is worth is P(good) − P(bad).

The probabilities are worked out once for all people, and each person is dealt a variant by a hash. That is the same as
a draw for each person, costs one hash a message, and gives the same person the same variant every time it is asked.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

from sequencer.core.model import Email, Enrollment

FLOOR: Final = 0.05
"""The least share of a variant whose split adapts, so that one that was unlucky at first can come back."""

ENOUGH_PEOPLE: Final = 50
"""People who must have had a variant, and time to answer, before its share may leave the equal one."""

ENOUGH_ANSWERS: Final = 5
"""Good and bad ones, over all variants of a step, before any share leaves the equal one."""

CERTAIN: Final = 0.95
"""The probability of being the best from which a variant is called so."""

DRAWS: Final = 4000
"""From each posterior. A share is then right to about one in a hundred."""

CREDIBLE: Final = 0.95
"""What is worth between `low` and `high` with this probability."""

Gamma = Callable[[float, float], float]
"""Draws from a gamma distribution of this shape and scale, as `random.Random(seed).gammavariate` does."""

Shares = Mapping[str, float]
"""How probable each template is for somebody new: by name, adding up to one."""

Splits = Mapping[tuple[str, str], Shares]
"""How the variants of steps are split at present, by sequence and step; equally where it is not told."""

NO_SPLITS: Final[Splits] = {}


@dataclass(frozen=True, slots=True)
class Figures:
    """What is known of one variant: people who had it and time to answer, the good and the bad ones among them."""

    template: str
    people: int = 0
    good: int = 0
    bad: int = 0

    @property
    def neither(self) -> int:
        return max(0, self.people - self.good - self.bad)


@dataclass(frozen=True, slots=True)
class Prospect:
    """What follows for one variant. `best` is the probability that it is the best one, `share` how many of those who
    come now get it; `low` and `high` hold what it is worth (good minus bad per person) with the probability CREDIBLE.
    """

    figures: Figures
    share: float
    best: float
    low: float
    high: float


def deal(shares: Shares, person: str) -> str:
    """The template for this person: the same one whenever it is asked, each with the probability of its share.

    Every template has a lot of its own for each person, −ln(u) / share, and the smallest wins (A. Efraimidis,
    P. Spirakis, *Weighted random sampling with a reservoir*, 2006). So a share that changes moves nobody between the
    other templates, and the order of the templates does not matter. `shares` must have one that is above nothing.
    """
    if len(shares) == 1:
        return next(iter(shares))
    lots = {name: _lot(f"{person}:{name}") / share for name, share in shares.items() if share > 0}
    return min(lots, key=lots.__getitem__)


def _lot(text: str) -> float:
    number = int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")
    return -math.log((number + 0.5) / 2**64)


def equal(templates: Sequence[str]) -> Shares:
    """The same share for each."""
    return dict.fromkeys(templates, 1 / len(templates))


def shares_of(email: Email, adapted: Shares) -> Shares:
    """The split of an e-mail: fixed by hand, else as it has adapted, else equal."""
    if email.percent:
        return {name: percent / 100 for name, percent in zip(email.variants, email.percent, strict=True)}
    return adapted if adapted.keys() == set(email.variants) else equal(email.variants)


def choose_variant(email: Email, enrollment: Enrollment, step: str, splits: Splits = NO_SPLITS) -> str:
    """The template for this person. Who was sent one of the variants keeps it; else it follows from who they are and
    from the split, so that somebody who enters the sequence again mostly meets the same words."""
    if len(email.variants) == 1:
        return email.variants[0]
    earlier = enrollment.sent_variants.get(step)
    if earlier in email.variants:
        return earlier
    shares = shares_of(email, splits.get((enrollment.sequence, step), {}))
    return deal(shares, f"{enrollment.contact_id}:{enrollment.sequence}:{step}")


def too_little(figures: Sequence[Figures]) -> bool:
    """Whether nothing can be said yet about these variants, and all are sent equally often."""
    answers = sum(each.good + each.bad for each in figures)
    known = [each for each in figures if each.people >= ENOUGH_PEOPLE]
    return answers < ENOUGH_ANSWERS or len(known) < 2


def prospects(figures: Sequence[Figures], gamma: Gamma, draws: int = DRAWS) -> list[Prospect]:
    """What follows from these figures, in their order. The same figures and the same `gamma` give the same answer.

    While too little is known, all shares are equal; a variant of which too little is known, among others that are
    known, keeps an equal share, and the others divide the rest by the probability of being the best.
    """
    worth = [_draws(each, gamma, draws) for each in figures]
    best = _best(worth)
    known = [each.people >= ENOUGH_PEOPLE for each in figures]
    if too_little(figures):
        known = [False] * len(figures)
    among_known = _best([drawn for drawn, here in zip(worth, known, strict=True) if here]) if any(known) else []
    shares = _shares(known, iter(among_known).__next__)
    cut = int(draws * (1 - CREDIBLE) / 2)
    found = []
    for each, share, chance, drawn in zip(figures, shares, best, worth, strict=True):
        ordered = sorted(drawn)
        found.append(Prospect(each, share, chance, ordered[cut], ordered[-1 - cut]))
    return found


def _shares(known: Sequence[bool], next_best: Callable[[], float]) -> list[float]:
    fair = 1 / len(known)
    rest = fair * sum(known)
    floor = min(FLOOR, fair / 2)
    return [floor + (rest - floor * sum(known)) * next_best() if here else fair for here in known]


def _draws(figures: Figures, gamma: Gamma, draws: int) -> list[float]:
    """Of what the variant is worth. Three gamma variates divided by their sum are Dirichlet (L. Devroye, *Non-Uniform
    Random Variate Generation*, 1986, XI.4)."""
    good, bad, neither = figures.good + 1.0, figures.bad + 1.0, figures.neither + 1.0
    drawn = []
    for _ in range(draws):
        g, b = gamma(good, 1.0), gamma(bad, 1.0)
        drawn.append((g - b) / (g + b + gamma(neither, 1.0)))
    return drawn


def _best(worth: Sequence[Sequence[float]]) -> list[float]:
    """How often each was the best."""
    wins = [0] * len(worth)
    for drawn in zip(*worth, strict=True):
        wins[drawn.index(max(drawn))] += 1
    return [count / len(worth[0]) for count in wins]
