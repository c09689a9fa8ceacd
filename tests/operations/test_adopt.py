"""Putting a workspace in force: what is kept, who is looked at again, and that everybody keeps their place."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from sequencer.operations.adopt import Unusable, adopt
from sequencer.operations.live import Live
from sequencer.store import definitions, mailboxes
from sequencer.store.database import Database
from tests.in_force import open_live
from tests.operations.desk import ANNA, BEN, CONFIG, DAY, HOUR, MONDAY, PLAN, TEMPLATES, Desk, a_desk, loaded, write


@pytest.fixture
async def desk(database: Database, tmp_path: Path) -> AsyncIterator[Desk]:
    async with a_desk(database, tmp_path) as desk:
        yield desk


async def test_every_version_is_kept_once_and_mailboxes_are_known(desk: Desk) -> None:
    first = desk.live.workspace.sequences["plan"].version
    assert await adopt(desk.live, loaded(desk.folder), desk.now) == ()
    desk.now += HOUR
    edited = await desk.adopt(plan=PLAN.replace("3 days", "4 days"))
    second = edited.sequences["plan"].version
    desk.now += HOUR
    await desk.adopt(plan=PLAN)
    async with desk.live.database.read() as conn:
        history = await definitions.history(conn, "plan")
        assert {row.name for row in await mailboxes.listing(conn)} == {"mark", "susan"}
        assert await definitions.text_of(conn, "plan", second) == PLAN.replace("3 days", "4 days")
    assert {kept.version: kept.applied_at for kept in history} == {first: MONDAY + 2 * HOUR, second: MONDAY + HOUR}


async def test_the_changed_sequences_are_named(desk: Desk) -> None:
    desk.write(other=PLAN, plan="# only a remark\n" + PLAN)
    assert await adopt(desk.live, loaded(desk.folder), desk.now) == ("other",)
    desk.write(other=PLAN.replace("3 days", "4 days"))
    assert await adopt(desk.live, loaded(desk.folder), desk.now) == ("other",)
    assert desk.live.workspace.sequences["other"].steps[1].when.text == "4 days later"


async def test_a_shorter_wait_holds_for_those_who_are_waiting_and_does_not_send_at_once(desk: Desk) -> None:
    await desk.enroll(ANNA)
    await desk.turn()
    desk.now += 2 * DAY
    await desk.adopt(plan=PLAN.replace("3 days later", "1 day later"))
    await desk.turn()
    assert len(desk.received(ANNA)) == 1  # what the edit made due is spread over a day
    wake_at = (await desk.standing(ANNA)).wake_at
    assert wake_at is not None
    assert desk.now < wake_at <= desk.now + DAY
    await desk.turn(DAY)
    assert len(desk.received(ANNA)) == 2


async def test_a_longer_wait_holds_too(desk: Desk) -> None:
    await desk.enroll(ANNA)
    await desk.turn()
    await desk.adopt(plan=PLAN.replace("3 days later", "10 days later"))
    await desk.turns(4 * DAY)
    assert len(desk.received(ANNA)) == 1
    await desk.turn(6 * DAY)
    assert len(desk.received(ANNA)) == 2


async def test_an_inserted_earlier_step_is_not_sent_afterwards_and_a_removed_one_hands_over(desk: Desk) -> None:
    await desk.enroll(ANNA)
    await desk.turn()
    new = "  - {step: zero, email: fresh, when: immediately}\n"
    without_second = PLAN.replace("  - step: second\n    email: second\n    when: 3 days later\n", "")
    await desk.adopt(plan=without_second.replace("steps:\n", "steps:\n" + new))
    await desk.turns(HOUR, 4 * DAY, 4 * DAY)
    assert [attempt.step for attempt in await desk.attempts(ANNA)] == ["first", "third"]


async def test_a_template_that_is_there_now_releases_who_was_held_by_it(desk: Desk) -> None:
    await desk.adopt(plan=PLAN.replace("email: first", "email: needy"))
    await desk.enroll(ANNA)
    await desk.turn()
    assert desk.words == ["held"]
    await desk.adopt(needy_md=TEMPLATES["first"])
    await desk.turn(timedelta(minutes=1))
    assert len(desk.received(ANNA)) == 1


async def test_a_sequence_that_comes_back_goes_on_with_everybody(desk: Desk) -> None:
    await desk.adopt(other=PLAN)
    await desk.enroll(ANNA, sequence="other")
    path = desk.folder / "sequences" / "other.yaml"
    path.unlink()
    await desk.adopt()
    await desk.turn()
    assert desk.words == ["held"]
    await desk.adopt(other=PLAN)
    await desk.turn(timedelta(minutes=1))
    assert len(desk.received(ANNA)) == 1


async def test_a_mailbox_that_is_renamed_holds_its_people_and_says_so(desk: Desk) -> None:
    await desk.enroll(ANNA)
    desk.write(config=CONFIG.replace("  mark:\n", "  marcus:\n"), plan=PLAN.replace("from: mark", "from: marcus"))
    await adopt(desk.live, loaded(desk.folder), desk.now)
    await desk.turn()
    hold = (await desk.standing(ANNA)).hold
    assert hold is not None
    assert hold.reason == "the mailbox mark is no longer in config.yaml"


async def test_a_start_looks_at_everybody_who_was_held(desk: Desk) -> None:
    await desk.adopt(plan=PLAN.replace("email: first", "email: needy"))
    await desk.enroll(ANNA)
    await desk.turn()
    desk.write(needy_md=TEMPLATES["first"])
    restarted = Live(desk.live.database, loaded(desk.folder), desk.live.key)
    await adopt(restarted, restarted.workspace, desk.now)
    desk.live = restarted
    await desk.turn()
    assert len(desk.received(ANNA)) == 1


# Opening ---------------------------------------------------------------------------------------------


def write_all(folder: Path, **files: str) -> None:
    write(folder, {"config": CONFIG, "plan": PLAN, **{f"{n}_md": text for n, text in TEMPLATES.items()}, **files})


async def test_opening_creates_the_database_and_puts_the_files_in_force(tmp_path: Path) -> None:
    write_all(tmp_path)
    live = await open_live(tmp_path, {"MARK_PASSWORD": "pw"}, MONDAY)
    assert isinstance(live, Live)
    async with live.database.read() as conn:
        assert set(await definitions.live(conn)) == {"plan"}
    assert len(live.key) == 32
    assert live.key.hex() not in repr(live)
    await live.database.close()
    again = await open_live(tmp_path, {"MARK_PASSWORD": "pw"}, MONDAY)
    assert isinstance(again, Live)
    assert again.key == live.key
    await again.database.close()


async def test_a_broken_workspace_is_not_opened(tmp_path: Path) -> None:
    write_all(tmp_path, plan=PLAN.replace("email: first", "email: frist"))
    unusable = await open_live(tmp_path, {"MARK_PASSWORD": "pw"}, MONDAY)
    assert isinstance(unusable, Unusable)
    mistakes = [problem for problem in unusable.problems if problem.severity == "error"]
    assert [(problem.file, problem.line) for problem in mistakes] == [("sequences/plan.yaml", 4)]
    assert not (tmp_path / "data").exists()


async def test_a_database_that_cannot_be_opened_says_why(tmp_path: Path) -> None:
    write_all(tmp_path)
    (tmp_path / "data").write_text("in the way")
    unusable = await open_live(tmp_path, {"MARK_PASSWORD": "pw"}, MONDAY)
    assert isinstance(unusable, Unusable)
    assert "cannot open" in unusable.reason


async def test_what_was_edited_while_the_daemon_was_down_is_put_in_force_at_the_start(desk: Desk) -> None:
    await desk.enroll(ANNA, BEN)
    await desk.turn()
    desk.write(plan=PLAN.replace("3 days later", "1 day later"))
    restarted = Live(desk.live.database, loaded(desk.folder), desk.live.key)
    assert await adopt(restarted, restarted.workspace, desk.now) == ("plan",)
    desk.live = restarted
    await desk.turns(2 * DAY)
    assert len(desk.received(ANNA)) == 2
