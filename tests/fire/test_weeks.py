"""72 weeks of a business in which everything happens to everybody, and every promise holds at every step.

Hypothesis chooses what happens in which order; the seeds within a deed say to whom. The store, the operations, the
worker's turns and the SMTP conversation are the real ones; `ledger.py` is the oracle that is asked about every message.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from tests.databases import copy_of, empty_postgresql
from tests.fire import deeds
from tests.fire.conftest import Count
from tests.fire.files import KEEP, LIMITS, STEADY, a_plan
from tests.fire.scale import LONG, sized
from tests.fire.world import START, World

PEOPLE = sized(16, 1000)
EXAMPLES = sized(2, 2)
STEPS = sized(20, 150)
WEEKS = sized(0, 72)
"""So many weeks each business lasts at least."""

SEEDS = st.integers(0, 65_535)
HOURS = st.integers(0, 100)
URL = Callable[[], tuple[Path, str]]


class Weeks(RuleBasedStateMachine):
    """One business. `place` gives a new folder and an empty database."""

    place: URL
    totals: Counter[str]

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.days = 0

    def run(self, what: Coroutine[Any, Any, object]) -> None:
        self.runner.run(what)

    @initialize(seed=SEEDS, paced=st.booleans())
    def opens(self, seed: int, paced: bool) -> None:
        chance = self.chance = Random(seed)
        folder, url = type(self).place()
        plans = [KEEP, STEADY, a_plan("a", chance), a_plan("b", chance), a_plan("side", chance, alongside=True)]
        self.world = World(folder, url, {plan.name: plan for plan in plans}, LIMITS if paced or WEEKS else "off")
        self.run(self._opens(chance))

    async def _opens(self, chance: Random) -> None:
        world = self.world
        await world.open()
        people, quiet = deeds.new_people(world, PEOPLE, chance), deeds.quiet_people(max(2, PEOPLE // 20))
        await deeds.import_people(world, [*people, *quiet])
        await deeds.enter(world, "steady", [each.address for each in quiet])
        for name in ("a", "b"):
            await deeds.enter(
                world, name, [each.address for each in people if hash_of(each.address) % 2 == (name == "a")]
            )
        await deeds.enter(world, "side", [each.address for each in people if hash_of(each.address) % 5 == 0])

    def deed(self, seed: int, hours: int, *does: Callable[[World, Random], Coroutine[Any, Any, object]]) -> None:
        """To a few people at once where there are many; then some time passes."""
        chance = Random(seed)

        async def do() -> None:
            for each in does:
                for _ in range(max(3, PEOPLE // 50)):
                    await each(self.world, chance)
            await self.world.pass_time(timedelta(hours=hours, minutes=chance.randrange(60)))

        self.run(do())

    @rule(seed=SEEDS, hours=st.integers(20, 120))
    def a_day_like_any_other(self, seed: int, hours: int) -> None:
        """The first rule by name: the simplest of all histories, with which Hypothesis begins, is made of these."""
        self.days += 1
        self.deed(seed + self.days, hours, deeds.anything, deeds.anything)

    @rule(days=st.integers(1, 20), seed=SEEDS)
    def time_passes(self, days: int, seed: int) -> None:
        self.deed(seed, 24 * days)

    @rule(seed=SEEDS, hours=HOURS)
    def people_reply(self, seed: int, hours: int) -> None:
        self.deed(seed, hours, deeds.reply)

    @rule(seed=SEEDS, hours=HOURS)
    def machines_answer(self, seed: int, hours: int) -> None:
        self.deed(seed, hours, deeds.notice, deeds.noise)

    @rule(seed=SEEDS, hours=HOURS)
    def the_rep_decides(self, seed: int, hours: int) -> None:
        self.deed(seed, hours, deeds.rep_decides, deeds.decided_at_the_last_moment)

    @rule(seed=SEEDS, hours=HOURS)
    def the_rep_works(self, seed: int, hours: int) -> None:
        self.deed(seed, hours, deeds.rep_works, deeds.writes_by_hand)

    @rule(seed=SEEDS, hours=HOURS)
    def a_file_is_edited(self, seed: int, hours: int) -> None:
        self.run(deeds.edit(self.world, Random(seed)))
        self.deed(seed, hours)

    @rule(seed=SEEDS, hours=HOURS)
    def contacts_change_and_new_ones_come(self, seed: int, hours: int) -> None:
        self.deed(seed, hours, deeds.somebody_changes, deeds.new_ones, deeds.enroll_again)

    @rule(seed=SEEDS, hours=HOURS)
    def some_are_suppressed(self, seed: int, hours: int) -> None:
        self.deed(seed, hours, deeds.suppresses, deeds.lifts_suppression)

    @rule(seed=SEEDS, hours=HOURS)
    def the_mail_server_has_trouble(self, seed: int, hours: int) -> None:
        self.deed(seed, hours, deeds.smtp_has_trouble)

    @rule(seed=SEEDS, hours=HOURS)
    def the_mailbox_has_trouble(self, seed: int, hours: int) -> None:
        self.deed(seed, hours, deeds.mailbox_has_trouble, deeds.reply)

    @rule(seed=SEEDS, hours=HOURS)
    def the_process_dies(self, seed: int, hours: int) -> None:
        self.deed(seed, hours, deeds.process_dies)

    @invariant()
    def every_promise_holds(self) -> None:
        if hasattr(self, "world"):
            self.run(self.world.check(self.chance))

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            self.runner.close()
            return
        try:
            self.run(self._ends())
        finally:
            self.run(self.world.close())
            self.runner.close()

    async def _ends(self) -> None:
        """The weeks that are left pass; then the rep looks after everybody, and all come to an end."""
        world = self.world
        if world.broken:
            return
        left = START + timedelta(weeks=WEEKS) - world.now
        if left > timedelta():
            await deeds.repair(world)
            await world.pass_time(left)
        await deeds.all_come_to_an_end(world)
        for what, number in {
            "people": len(world.ledger.people),
            "quiet": deeds.quiet_ones_got_everything(world, ended=True),
            "turns": world.turns,
            "weeks": (world.now - START).days // 7,
            **world.ledger.kinds,
        }.items():
            self.totals[what.replace(" ", "_")] += number


def hash_of(address: str) -> int:
    return sum(address.encode())


@contextmanager
def machine(place: URL) -> Iterator[type[Weeks]]:
    """A class of its own, so that nothing is left over from another run."""

    class OfThisRun(Weeks):
        pass

    OfThisRun.place = staticmethod(place)
    OfThisRun.totals = Counter()
    yield OfThisRun


def new_database(url: str, folder: Path, template: Path) -> str:
    """An empty database with all the tables."""
    if url.startswith("sqlite"):
        return copy_of(template, folder)
    empty_postgresql(url)
    return url


def test_every_promise_holds_through_all_that_happens(database_url: str, tmp_path: Path, counts: Count) -> None:
    numbers, template = itertools.count(1), tmp_path / "sequencer.db"
    sqlite = template.exists()

    def place() -> tuple[Path, str]:
        folder = tmp_path / f"business{next(numbers)}"
        folder.mkdir()
        return folder, new_database(database_url, folder, template)

    with machine(place) as weeks:
        run_state_machine_as_test(
            weeks,
            settings=settings(
                max_examples=EXAMPLES,
                stateful_step_count=STEPS if sqlite or LONG else STEPS // 2,
                derandomize=True,
                database=None,
                deadline=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            ),
        )
    counts(f"weeks on {'SQLite' if sqlite else 'PostgreSQL'}", **dict(sorted(weeks.totals.items())))
