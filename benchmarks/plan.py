"""What an edit does to everybody on the way: python benchmarks/plan.py [PEOPLE] [--days N]

So many people (10,000) at all stages of the starter's quote-follow-up, on SQLite; the edit moves one step, takes one
out and gives two others other words. Measured: the processor time of `plan` from the files to the last line, without
printing. Bar: 30 s.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from sqlalchemy import bindparam, update
from verdict import tell

from sequencer.core.events import Enrolled, to_json
from sequencer.core.lines import start_of
from sequencer.core.model import Enrollment
from sequencer.operations.adopt import put_in_force
from sequencer.operations.approval import Versions, both_versions
from sequencer.operations.facts import gather
from sequencer.operations.live import Live
from sequencer.operations.plan import Planned, grouped, plan
from sequencer.store import contacts, enrollments, tables
from sequencer.store.contacts import Incoming
from sequencer.store.enrollments import NewEnrollment
from sequencer.workspace.simulate import simulate_from
from sequencer.workspace.starter import write_starter
from sequencer.workspace.workspace import load

NOW: Final = datetime(2026, 11, 24, 16, tzinfo=UTC)
BAR: Final = 30.0
BATCH: Final = 500
FIELDS: Final = {"first_name": "Anna", "product": "a trailer", "phone": "+1 406 555 0100", "rating": "B"}


async def furnish(folder: Path, people: int) -> None:
    """The starter workspace in force, and the people at all stages."""
    write_starter(folder)
    loaded = load(folder, {}, secrets_required=False)
    assert loaded.workspace is not None, loaded.problems
    live = await put_in_force(loaded.workspace, NOW - timedelta(days=60))
    assert isinstance(live, Live), live
    for first in range(0, people, BATCH):
        await _bring_in(live, range(first, min(first + BATCH, people)))
    await live.database.close()


async def _bring_in(live: Live, numbers: range) -> None:
    plan_ = live.workspace.sequences["quote-follow-up"]
    async with live.database.begin() as conn:
        made = await contacts.upsert_many(conn, [Incoming(f"p{n}@one.example", FIELDS) for n in numbers], NOW)
        entries = [
            NewEnrollment(
                Enrolled(
                    at=NOW - timedelta(days=number % 29, minutes=number % 600),
                    contact_id=one.id,
                    sequence=plan_.name,
                    mailbox=plan_.mailboxes[0],
                    position=start_of(plan_),
                ),
                plan_.version,
                None,
            )
            for number, one in zip(numbers, made, strict=True)
        ]
        people = [one for one in await enrollments.create_many(conn, entries) if isinstance(one, Enrollment)]
        questions = await gather(conn, live, people, NOW)
        rows = []
        for one in people:
            facts = questions[one.id].facts
            assert facts is not None
            _, now = simulate_from(plan_, one, facts, one.enrolled_at, until=NOW)
            rows.append({"key": one.id, "now": to_json(now), "place": now.position.step, "how": str(now.status)})
        t = tables.enrollments.c
        await conn.execute(
            update(tables.enrollments)
            .where(t.id == bindparam("key"))
            .values(state=bindparam("now"), step=bindparam("place"), status=bindparam("how")),
            rows,
        )


def edit(folder: Path) -> None:
    """What the marketer changes."""
    path = folder / "sequences" / "quote-follow-up.yaml"
    text = path.read_text("utf-8").replace("when: 5 days later at 10:40", "when: 7 days later at 10:40")
    start = text.index("  - step: text\n")
    path.write_text(text[:start] + text[text.index("  - step: nine-word", start) :], "utf-8")
    for name in ("quote-story", "nine-word"):
        template = folder / "templates" / f"{name}.md"
        template.write_text(template.read_text("utf-8").replace("?", ", then?", 1), "utf-8")


async def measured(folder: Path, days: int) -> tuple[float, Planned]:
    """How many seconds of one core it takes, and what it found."""
    began = time.process_time()
    async with both_versions(folder, {}) as versions:
        assert isinstance(versions, Versions), versions
        found = await plan(versions.live, versions.after, NOW, days=days)
        assert isinstance(found, Planned), found
        groups = grouped(found.affected)
    seconds = time.process_time() - began
    for group in groups[:8]:
        print(f"  {len(group.people):,} people: {group.text}")
    return seconds, found


async def main(people: int, days: int) -> int:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "workspace"
        await furnish(folder, people)
        edit(folder)
        seconds, found = await measured(folder, days)
    print(f"{found.looked_at:,} on the way, {len(found.affected):,} concerned, {len(found.coming):,} touches ahead")
    print(f"due at once: {found.due_at_once}")
    met = tell(
        f"plan for {found.looked_at:,} on the way, {days} days ahead",
        f"{seconds:.1f} s of processor time",
        f"≤ {BAR:g} s",
        seconds <= BAR,
    )
    return 0 if met else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("people", nargs="?", type=int, default=10_000)
    parser.add_argument("--days", type=int, default=14)
    arguments = parser.parse_args()
    raise SystemExit(asyncio.run(main(arguments.people, arguments.days)))
