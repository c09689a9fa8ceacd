"""Nobody gets left behind: each way of having no next touch, and those that are none."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from sequencer.core import events as e
from sequencer.core.model import Enrollment, Position
from sequencer.operations.enrollments import Terms
from sequencer.operations.live import Live
from sequencer.operations.report import Report, report
from sequencer.operations.report_leaks import LeftBehind, Why, tidied
from sequencer.store import tables, tasks
from sequencer.store.database import Database
from sequencer.store.report import Scope
from tests.operations.shop import MONDAY, add, entered, happen, open_shop

ANNA = "anna@example.com"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
async def live(database: Database, tmp_path: Path) -> Live:
    return await open_shop(database, tmp_path / "shop")


async def told(live: Live, now: datetime = MONDAY, scope: Scope | None = None) -> Report:
    return await report(live, scope or Scope(), now)


async def behind(live: Live, now: datetime = MONDAY) -> LeftBehind | None:
    """The one person's entry."""
    found = await told(live, now)
    assert found.whole is not None
    people = found.whole.left_behind
    assert len(people) <= 1
    assert len(people) + found.whole.going_on == 1 or not people
    return people[0] if people else None


async def one(live: Live, sequence: str = "quote") -> Enrollment:
    (anna,) = await entered(live, sequence, ANNA, terms=Terms(mailbox="mark"))
    return anna


async def stands(live: Live, **columns: object) -> None:
    """What the daemon keeps beside an enrollment."""
    async with live.database.begin() as conn:
        await conn.execute(update(tables.enrollments).values(**columns))


async def test_who_has_a_next_touch_is_not_left_behind(live: Live) -> None:
    await one(live)
    await stands(live, wake_at=MONDAY + DAY)
    assert await behind(live) is None
    found = await told(live)
    assert found.whole is not None
    assert (found.whole.going_on, found.whole.leaks) == (1, ())


async def test_paused_since_the_first_pause(live: Live) -> None:
    anna = await one(live)
    await happen(live, anna.id, e.Paused(at=MONDAY, reason="by hand"), e.Resumed(at=MONDAY + HOUR))
    await happen(live, anna.id, e.Paused(at=MONDAY + 2 * HOUR, reason="they replied (question)"))
    await happen(live, anna.id, e.Paused(at=MONDAY + 9 * HOUR, reason="they replied (interested)"))
    found = await behind(live, MONDAY + DAY)
    assert found is not None
    assert (found.why, found.reason) == (Why.PAUSED, "they replied (interested)")
    assert found.since == MONDAY + 2 * HOUR


async def test_a_task_waits_for_the_rep(live: Live) -> None:
    anna = await one(live)
    async with live.database.begin() as conn:
        number = await tasks.create(conn, anna.id, "call", "call", "Ask her.", MONDAY - DAY, MONDAY)
    await happen(live, anna.id, e.TaskCreated(at=MONDAY, step="call", task=number, kind="call", note="Ask her."))
    await stands(live, wake_at=None)
    found = await behind(live)
    assert found is not None
    assert (found.why, found.reason, found.since) == (Why.TASK, "you are asked to call", MONDAY - DAY)


async def test_held_without_an_end(live: Live) -> None:
    await one(live)
    held = {"held_reason": "the template last needs product", "held_since": MONDAY - DAY, "held_step": "last"}
    await stands(live, wake_at=MONDAY, held_until=None, **held)
    found = await behind(live)
    assert found is not None
    assert (found.why, found.reason, found.since) == (Why.HELD, "the template last needs product", MONDAY - DAY)
    await stands(live, wake_at=MONDAY + DAY, held_until=MONDAY + DAY)  # it passes by itself
    assert await behind(live) is None


async def test_set_aside_with_its_error(live: Live) -> None:
    await one(live)
    await stands(live, wake_at=None, held_reason="set aside: its row cannot be read", held_since=MONDAY)
    found = await behind(live)
    assert found is not None
    assert (found.why, tidied(found.reason)) == (Why.SET_ASIDE, "set aside with an error")


async def test_due_and_not_taken(live: Live) -> None:
    await one(live)
    await stands(live, wake_at=MONDAY - 2 * HOUR)
    found = await behind(live)
    assert found is not None
    assert (found.why, found.since) == (Why.OVERDUE, MONDAY - 2 * HOUR)
    await stands(live, wake_at=MONDAY - timedelta(minutes=5))
    assert await behind(live) is None


async def test_nothing_is_planned(live: Live) -> None:
    await one(live)
    await stands(live, wake_at=None)
    found = await behind(live)
    assert found is not None
    assert found.why is Why.ADRIFT


async def test_a_file_or_a_mailbox_that_is_gone(live: Live) -> None:
    await one(live)
    await stands(live, wake_at=MONDAY + DAY, mailbox="nobody")
    found = await behind(live)
    assert found is not None
    assert (found.why, found.reason) == (Why.NO_MAILBOX, "the mailbox nobody is no longer in config.yaml")
    await stands(live, sequence="vanished")
    found = await behind(live)
    assert found is not None
    assert (found.why, found.reason) == (Why.NO_FILE, "sequences/vanished.yaml is no longer in the workspace")


Ending = Callable[[datetime], e.Event]


@pytest.mark.parametrize(
    ("ending", "why"),
    [
        (lambda at: e.Finished(at=at, reason="price", outcome="lost"), Why.LOST),
        (lambda at: e.Finished(at=at, reason="the steps are used up"), Why.USED_UP),
        (lambda at: e.Stopped(at=at, reason="enough"), Why.STOPPED),
        (lambda at: e.Stopped(at=at, reason="the address does not take mail"), Why.UNREACHABLE),
        (lambda at: e.Stopped(at=at, reason="suppressed: bounce on 2026-12-01: 550 unknown"), Why.UNREACHABLE),
        (lambda at: e.Stopped(at=at, reason="suppressed: they asked on 2026-12-01: no bounce"), Why.UNWANTED),
        (lambda at: e.Stopped(at=at, reason="they asked not to be mailed again"), Why.UNWANTED),
        (lambda at: e.Stopped(at=at, reason="suppressed: our lawyer asked"), Why.UNWANTED),
        (lambda at: e.Moved(at=at, to="keep", reason="used up"), Why.NOT_MOVED),
        (lambda at: e.Finished(at=at, reason="", outcome="won"), None),
    ],
)
async def test_how_it_ended(live: Live, ending: Ending, why: Why | None) -> None:
    anna = await one(live)
    await happen(live, anna.id, ending(MONDAY))
    found = await behind(live)
    assert (found.why if found is not None else None) is why
    assert found is None or not found.why.open


async def test_who_went_on_elsewhere_is_not_left_behind(live: Live) -> None:
    anna = await one(live)
    await happen(live, anna.id, e.Moved(at=MONDAY, to="keep", reason="used up"))
    (again,) = await entered(live, "keep", ANNA)
    await stands(live, wake_at=MONDAY + DAY)
    found = await told(live)
    assert found.whole is not None
    assert found.whole.left_behind == ()
    await happen(live, again.id, e.Finished(at=MONDAY, reason="the steps are used up"))
    found = await told(live)
    assert found.whole is not None
    assert [(entry.sequence, entry.why) for entry in found.whole.left_behind] == [("keep", Why.USED_UP)]
    only = await told(live, scope=Scope(sequence="quote"))
    assert only.whole is not None
    assert only.whole.left_behind == ()


async def test_imported_and_never_enrolled(live: Live) -> None:
    await add(live, ANNA, "ben@example.org")
    found = await told(live)
    assert (found.sections, found.whole) == ((), None)
    assert [entry.email for entry in found.never_enrolled] == [ANNA, "ben@example.org"]
    assert {entry.why for entry in found.never_enrolled} == {Why.NEVER_ENROLLED}
    assert (await told(live, scope=Scope(mailbox="mark"))).never_enrolled == ()


async def test_reasons_are_counted_without_the_people_they_name(live: Live) -> None:
    people = await entered(live, "quote", ANNA, "ben@example.org", "cleo@customer.example")
    for person in people[:2]:
        await happen(live, person.id, e.Paused(at=MONDAY, reason=f"a reply came from x{person.id}@example.net"))
    await stands(live, wake_at=MONDAY + DAY)
    found = await told(live)
    (leak,) = found.sections[0].leaks
    assert (leak.people, leak.reason, leak.command) == (2, "somebody else replied in their thread", "sequencer threads")
    assert found.sections[0].going_on == 1


@pytest.mark.parametrize(
    ("scope", "number"),
    [
        (Scope(), 2),
        (Scope(sequence="quote"), 1),
        (Scope(mailbox="susan"), 1),
        (Scope(since=MONDAY), 2),
        (Scope(since=MONDAY + timedelta(microseconds=1)), 0),
        (Scope(until=MONDAY), 0),
        (Scope(until=MONDAY + timedelta(microseconds=1)), 2),
    ],
)
async def test_who_is_meant(live: Live, scope: Scope, number: int) -> None:
    await one(live)
    await add(live, "ben@example.org", birthday="2026-12-24")
    await entered(live, "birthday", "ben@example.org")
    found = await told(live, scope=scope)
    assert sum(section.people for section in found.sections) == number


async def test_a_recovered_touch_counts_by_when_it_left(live: Live) -> None:
    anna = await one(live)
    said = e.Recovered(
        at=MONDAY + DAY, step="thanks", sent_at=MONDAY + HOUR, next=Position(step="call"), returns=(), line="steps",
        evidence="the owner says so",
    )  # fmt: skip
    await happen(live, anna.id, said, now=MONDAY + DAY)
    (section,) = (await told(live, MONDAY + 2 * DAY)).sections
    assert [(step.step, step.people) for step in section.steps] == [("thanks", 1)]
    assert section.curve.longest == pytest.approx(47 / 24)
