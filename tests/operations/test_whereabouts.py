"""Where the people of a sequence are, on both databases, also after its file was edited."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete

from sequencer.core import events as e
from sequencer.core.model import BACK_OFF, MAIN_LINE, Position
from sequencer.operations.live import Live
from sequencer.operations.whereabouts import NO_TABLES, standing_in, whereabouts
from sequencer.store import definitions, tables
from sequencer.workspace.diagram import END, People, Standing
from sequencer.workspace.workspace import load
from tests.operations.shop import MONDAY, entered, happen, mailed, write_shop

NAMES = [f"{name}@example.com" for name in ("anna", "ben", "carla", "dora", "emil", "fay")]


async def test_each_stands_where_they_are_by_status(live: Live) -> None:
    anna, ben, carla, dora, emil, fay = await entered(live, "quote", *NAMES)
    await happen(live, ben.id, e.Paused(at=MONDAY, reason="they replied"))
    await happen(live, carla.id, e.Snoozed(at=MONDAY, until=MONDAY + timedelta(days=60), reason="later"))
    await mailed(live, dora, "thanks", "call")
    await happen(live, emil.id, e.Stopped(at=MONDAY, reason="enough"))
    await happen(live, fay.id, e.Finished(at=MONDAY, reason="won"))
    async with live.database.read() as conn:
        standing = await standing_in(conn, live.workspace.sequences["quote"])
        nobody = await standing_in(conn, live.workspace.sequences["birthday"])
    assert anna.position.step == "thanks"
    assert standing == Standing({"thanks": People(1, 1, 1), "call": People(1)}, {}, finished=1, stopped=1)
    assert standing.open == 4
    assert nobody == Standing()


async def test_who_has_used_up_the_steps_waits_for_the_back_off_or_stands_at_the_end(live: Live) -> None:
    (anna,) = await entered(live, "quote", NAMES[0])
    (ben,) = await entered(live, "keep", NAMES[1])
    await mailed(live, anna, "last", "")
    await mailed(live, ben, "hello", "")
    async with live.database.read() as conn:
        waiting = await standing_in(conn, live.workspace.sequences["quote"])
        done = await standing_in(conn, live.workspace.sequences["keep"])
    assert waiting.at == {BACK_OFF: People(1)}
    assert done.at == {END: People(1)}


async def test_a_step_that_is_gone_hands_over_to_the_next_one(live: Live) -> None:
    anna, ben = await entered(live, "quote", *NAMES[:2])
    await mailed(live, anna, "thanks", "call")
    plan = live.workspace.sequences["quote"]
    async with live.database.begin() as conn:
        await definitions.keep(conn, "quote", plan.version, live.workspace.sources["quote"], MONDAY)
    steps = tuple(step for step in plan.steps if step.id != "call")
    edited = replace(plan, version="later", lines={**plan.lines, MAIN_LINE: steps})
    nothing_left = replace(plan, version="later", lines={**plan.lines, MAIN_LINE: plan.steps[:1]})
    async with live.database.read() as conn:
        standing = await standing_in(conn, edited)
        at_the_back_off = await standing_in(conn, nothing_left)
    assert standing.at == {"thanks": People(1), "last": People(1)}
    assert at_the_back_off.at == {"thanks": People(1), BACK_OFF: People(1)}
    assert ben.position == Position(MAIN_LINE, "thanks")


async def test_who_stands_at_a_step_that_nobody_knows_is_told_of_apart(live: Live) -> None:
    await entered(live, "quote", NAMES[0])
    async with live.database.begin() as conn:
        await conn.execute(delete(tables.definitions))
    plan = live.workspace.sequences["quote"]
    unknown = replace(plan, version="other", lines={MAIN_LINE: plan.steps[1:]})
    async with live.database.read() as conn:
        standing = await standing_in(conn, unknown)
    assert standing.at == {}
    assert standing.elsewhere == {"thanks": 1}
    assert standing.open == 1


async def test_without_a_database_there_is_nobody_and_nothing_is_made(tmp_path: Path) -> None:
    folder = write_shop(tmp_path / "shop")
    workspace = load(folder, {}, secrets_required=False).workspace
    assert workspace is not None
    assert await whereabouts(workspace, workspace.sequences["quote"]) is None
    assert not (folder / "data").exists()


@pytest.mark.parametrize("content", [b"", b"this is no database " * 100])
async def test_a_database_that_cannot_be_read_is_said_so(tmp_path: Path, content: bytes) -> None:
    folder = write_shop(tmp_path / "shop")
    (folder / "data").mkdir()
    (folder / "data" / "sequencer.db").write_bytes(content)
    workspace = load(folder, {}, secrets_required=False).workspace
    assert workspace is not None
    said = await whereabouts(workspace, workspace.sequences["quote"])
    assert isinstance(said, str)
    assert said == NO_TABLES if content == b"" else "not a database" in said
