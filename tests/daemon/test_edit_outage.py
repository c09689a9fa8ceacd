"""A saved change that comes while the database is away is put in force once it is back."""

from __future__ import annotations

from pathlib import Path
from shutil import copytree

from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import OperationalError

from sequencer.daemon.telling import Note
from sequencer.operations.adopt import BY_ITSELF
from sequencer.operations.approval import BY_HAND
from sequencer.store import releases
from tests.daemon.house import QUOTE
from tests.daemon.test_approval import CARLA, OTHER_WORDS, THREE_DAYS, a_house, command, save, words_to


async def test_a_change_that_met_an_outage_is_put_in_force_afterwards(tmp_path: Path, database_url: str) -> None:
    away = iter([True, True])

    def lost(_conn: Connection, _cursor: object, words: str, *_rest: object) -> None:
        if words.startswith("INSERT INTO releases") and next(away, False):
            raise OperationalError(words, {}, Exception("the connection is gone"))

    async with a_house(tmp_path, database_url, "auto") as house, house.running():
        await house.ear.happens("sent")
        event.listen(Engine, "before_cursor_execute", lost)
        try:
            save(tmp_path, article=OTHER_WORDS)
            await house.ear.notes_that("the change could not be applied")
            await house.ear.notes_that("the saved change is in force")
            notes = [told for told in house.ear.heard if isinstance(told, Note)]
            assert [note.level for note in notes if note.event == "reload_failed"] == ["error", "debug"]
        finally:
            event.remove(Engine, "before_cursor_execute", lost)
        house.clock.advance(THREE_DAYS)
        await house.ear.happens("sent", 2)
        assert "read this" in words_to(house, CARLA)


async def test_a_switch_to_manual_holds_from_the_moment_that_it_is_saved(tmp_path: Path, database_url: str) -> None:
    async with a_house(tmp_path, database_url, "auto") as house, house.running():
        await house.ear.happens("sent")
        config, text = tmp_path / "config.yaml", (tmp_path / "config.yaml").read_text()
        config.write_text(text.replace("apply: auto", "apply: manual"))
        await house.ear.notes_that("the saved files wait")
        (tmp_path / "sequences" / "quote.yaml").write_text(QUOTE.replace("3 days later", "30 days later"))
        save(tmp_path, article=OTHER_WORDS)
        await house.ear.hears(lambda told: "the saved files wait" in getattr(told, "message", ""), 2)
        house.clock.advance(THREE_DAYS)
        await house.ear.happens("sent", 2)
        assert "have a look" in words_to(house, CARLA)
        config.write_text(text)
        await house.ear.notes_that("the saved change is in force")


async def test_a_switch_to_manual_and_an_approval_from_another_machine(tmp_path: Path, database_url: str) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    async with a_house(here, database_url, "auto") as house, house.running():
        await house.ear.happens("sent")
        text = (here / "config.yaml").read_text().replace("apply: auto", "apply: manual")
        copytree(here, there)
        for folder in (here, there):
            (folder / "config.yaml").write_text(text)
        await house.ear.notes_that("the saved files wait")
        save(there, article=OTHER_WORDS)
        assert (await command(there, "apply", "--yes")).returncode == 0
        await house.ear.notes_that("the saved change is in force")
        house.clock.advance(THREE_DAYS)
        await house.ear.happens("sent", 2)
        assert "read this" in words_to(house, CARLA)
        async with house.live() as live, live.database.read() as conn:
            assert [release.by for release in await releases.listing(conn)] == [BY_ITSELF, BY_HAND]
