"""People who answer as chance has it, to see how a split of variants learns from them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

from sequencer.core.variants import Figures, Prospect, Shares, deal, equal, prospects


@dataclass(frozen=True, slots=True)
class Truth:
    """How a variant really does: the share of people who become interested, and of those who unsubscribe."""

    good: float
    bad: float = 0.01

    @property
    def worth(self) -> float:
        return self.good - self.bad


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who was sent a variant; `worth` is 1, -1 or 0, known from `answers` on. In days."""

    variant: str
    sent: float
    worth: int
    answers: float


@dataclass(slots=True)
class Campaign:
    """A step that is sent to so many people a day, and the split as it was looked at each morning."""

    truths: Mapping[str, Truth]
    seed: int
    adapts: bool = True
    patience: float = 3.0
    draws: int = 400
    people: list[Person] = field(default_factory=list)
    latest: list[Prospect] = field(default_factory=list)

    def run(self, people: int, per_day: int) -> None:
        """Send to so many people; half of those who answer do so within a day, some only after a week."""
        chance, day = Random(self.seed), 0
        while len(self.people) < people:
            shares = self._look(day)
            for _ in range(min(per_day, people - len(self.people))):
                variant = deal(shares, f"{self.seed}:{len(self.people)}")
                truth, luck = self.truths[variant], chance.random()
                worth = 1 if luck < truth.good else -1 if luck < truth.good + truth.bad else 0
                sent = day + chance.random() / 3
                self.people.append(Person(variant, sent, worth, sent + chance.lognormvariate(0, 1)))
            day += 1

    def _look(self, day: int) -> Shares:
        if not self.adapts:
            return equal(list(self.truths))
        figures = self.figures(day)
        self.latest = prospects(figures, Random(self.seed * 1000 + day).gammavariate, self.draws)
        return {one.figures.template: one.share for one in self.latest}

    def figures(self, day: float) -> Sequence[Figures]:
        """What is known on that day."""
        had: Counter[str] = Counter()
        said: Counter[tuple[str, int]] = Counter()
        for each in self.people:
            if each.sent <= day - self.patience:
                had[each.variant] += 1
                said[each.variant, each.worth if each.answers <= day else 0] += 1
        return [Figures(name, had[name], said[name, 1], said[name, -1]) for name in self.truths]

    @property
    def net(self) -> int:
        """Good minus bad, once everybody has answered who does."""
        return sum(each.worth for each in self.people)

    def share(self, variant: str) -> float:
        """How many of all people had it."""
        return sum(each.variant == variant for each in self.people) / len(self.people)
