"""What a split that adapts gains and costs: python benchmarks/variants.py [--runs N] [--people N] [--plans] [--gain]

1. The gain. Campaigns of 2,000 people, 100 a day, who answer after a day in the middle (half of them later, some after
   a week), 200 times each: net good (interested minus unsubscribed) against an equal split and against the better
   variant alone, and how often equal variants are wrongly called different. The real figures, posterior and hash of
   `core/variants.py`; only the people are invented.
2. The cost. One trial of 100,000 messages among 1,000,000 enrollments, each of them answered, 9 in 100 in a way that
   counts, on SQLite and on a PostgreSQL that comes from its wheel (filled in by SQL): one look at how the variants are
   doing, the posterior, and one dealing.

Bars: at rates of 6 % and 3 %, at least two fifths of what the better variant alone would gain; equal variants called
different at the end hardly more often than chance alone makes it, one in ten; one look takes at most a second (it
happens every five minutes). About five minutes. With --plans, how both planners find the rows; with --gain only the
first part, where `--patience 0` counts people at once instead of after three days.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from crowd import MAILBOX, NAMES, NOW, SERIES, crowded, explain, new_databases
from fleet import postgresql
from sqlalchemy import bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection
from verdict import tell

from sequencer.core.variants import CERTAIN, Figures, deal, prospects
from sequencer.store import trials
from sequencer.store.columns import Instant
from sequencer.store.database import Database
from tests.core.audience import Campaign, Truth

PER_DAY: Final = 100
WORLDS: Final = {
    "6 % and 3 % interested": {"a": Truth(0.06), "b": Truth(0.03)},
    "6 %, 3 % and 3 %": {"a": Truth(0.06), "b": Truth(0.03), "c": Truth(0.03)},
    "4 % and 3 %": {"a": Truth(0.04), "b": Truth(0.03)},
    "as many interested, more unsubscribe (1 % and 3 %)": {"a": Truth(0.04, 0.01), "b": Truth(0.04, 0.03)},
    "4 % and 4 %": {"a": Truth(0.04), "b": Truth(0.04)},
}

BEFORE: Final = {
    "sqlite": "strftime('%Y-%m-%d %H:%M:%f', :at, '-' || n || ' seconds') || '000'",
    "postgresql": ":at - n * interval '1 second'",
}
ATTEMPTS: Final = """
    INSERT INTO attempts (enrollment_id, mailbox, step, variant, template, trial, message_id, recipient, lease_number,
                          state, started_at, copy_state, bytes)
    SELECT n, :mailbox, 'story', CASE WHEN n % 2 = 0 THEN 'a' ELSE 'b' END, 'a', 'quote/story', n || '@one.example',
           'x', 1, 'accepted', {before}, 'done', :bytes
    FROM {series} AS s"""
MESSAGES: Final = """
    INSERT INTO messages (mailbox, enrollment_id, direction, kind, in_reply_to, content_hash, received_at, recorded_at,
                          raw)
    SELECT :mailbox, n, 'received',
           CASE WHEN n % 100 = 0 THEN 'unsubscribe' WHEN n % 25 < 2 THEN 'interested' ELSE 'reply' END,
           n || '@one.example', n || '', :at, :at, :bytes
    FROM {series} AS s"""


# The gain -----------------------------------------------------------------------------------------


def gain(name: str, runs: int, people: int, patience: float) -> bool:
    """Play one world; print what came of it. `patience` are the days after which somebody counts."""
    truths = WORLDS[name]
    played = [Campaign(truths, seed, patience=patience) for seed in range(runs)]
    for one in played:
        one.run(people, PER_DAY)
    net = statistics.mean(one.net for one in played)
    error = statistics.stdev(one.net for one in played) / runs**0.5
    equal = people * statistics.mean(truth.worth for truth in truths.values())
    alone = people * max(truth.worth for truth in truths.values())
    certain = [max(one.latest, key=lambda each: each.best) for one in played]
    right = sum(one.best >= CERTAIN and one.figures.template == "a" for one in certain) / runs
    wrong = sum(one.best >= CERTAIN and one.figures.template != "a" for one in certain) / runs
    had = statistics.mean(one.share("a") for one in played)
    print(
        f"{name}: net good {net:.1f} ± {1.96 * error:.1f} of {people:,} people; equally often {equal:.0f}, "
        f"the best alone {alone:.0f}; a was sent to {had:.0%}, called the best for certain in {right:.0%}, "
        f"another one in {wrong:.0%}",
        flush=True,
    )
    if name == "6 % and 3 % interested":
        gained = (net - equal) / (alone - equal)
        return tell(f"adapting split, {name}", f"{gained:.0%} of the gain", "≥ 40 %", gained >= 0.4)
    if name == "4 % and 4 %":
        called = right + wrong
        return tell("equal variants called different", f"{called:.1%}", "≤ 15 %; chance alone 10 %", called <= 0.15)
    return True


# The cost -----------------------------------------------------------------------------------------


async def fill(database: Database, count: int) -> None:
    """So many messages of one trial, sent over the days before, and the answers to some of them."""
    series, at = SERIES[database.dialect], bindparam("at", NOW - timedelta(days=9), Instant())
    values: dict[str, Any] = {"first": 1, "last": count, "mailbox": MAILBOX, "bytes": b"x" * 3000}
    async with database.begin() as conn:
        sent = ATTEMPTS.format(series=series, before=BEFORE[database.dialect])
        await conn.execute(text(sent).bindparams(at), values)
        await conn.execute(text(MESSAGES.format(series=series)).bindparams(at), values)
    async with database.begin() as conn:
        await conn.execute(text("ANALYZE"))


async def look(database: Database) -> dict[str, trials.Tally]:
    async with database.read() as conn:
        return await tally(conn)


async def tally(conn: AsyncConnection) -> dict[str, trials.Tally]:
    return await trials.tally(conn, "quote/story", NOW)


async def cost(url: str, enrolled: int, messages: int, plans: bool) -> bool:
    database = await crowded(url, enrolled)
    await fill(database, messages)
    taken = []
    for _ in range(7):
        begun = time.perf_counter()
        found = await look(database)
        taken.append(time.perf_counter() - begun)
    name, middle = NAMES[database.dialect], statistics.median(taken)
    print(f"{name}: {found}")
    if plans:
        await explain(database, tally)
    await database.close()
    what = f"a look at a trial of {messages:,} messages among {enrolled:,} enrolled, {name}"
    return tell(what, f"{1000 * middle:.0f} ms", "≤ 1 s", middle <= 1)


def small_costs() -> None:
    figures = [Figures("a", 9_900, 150, 50), Figures("b", 9_900, 140, 50)]
    begun = time.perf_counter()
    prospects(figures, Random(1).gammavariate)
    drawn = time.perf_counter() - begun
    begun = time.perf_counter()
    for person in range(100_000):
        deal({"a": 0.7, "b": 0.3}, f"{person}:quote:story")
    dealt = time.perf_counter() - begun
    tell("the posterior of two variants", f"{1000 * drawn:.0f} ms, in a thread, where the figures have changed")
    tell("dealing a variant", f"{10 * dealt:.1f} µs a message that has several")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--people", type=int, default=2000)
    parser.add_argument("--enrolled", type=int, default=1_000_000)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--plans", action="store_true")
    parser.add_argument("--gain", action="store_true")
    parser.add_argument("--patience", type=float, default=3.0)
    options = parser.parse_args()
    gained = [gain(name, options.runs, options.people, options.patience) for name in WORLDS]
    if options.gain:
        return 0 if all(gained) else 1
    small_costs()
    sizes = (options.enrolled, options.messages, options.plans)
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".crowd-") as folder:
        met = all(gained) & asyncio.run(cost(f"sqlite:///{folder}/sequencer.db", *sizes))
    with postgresql() as url:
        (new,) = asyncio.run(new_databases(url, ["variants"]))
        met &= asyncio.run(cost(new, *sizes))
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
