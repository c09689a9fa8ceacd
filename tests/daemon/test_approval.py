"""`apply: manual`: what is saved waits, also across a restart, and goes live once somebody has approved it."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from sequencer.daemon import supervisor
from sequencer.operations.adopt import Unusable
from tests.cli.shell import process
from tests.clock import Ear
from tests.daemon.house import ENVIRON, QUOTE, TEMPLATES, House, furnish
from tests.daemon.running import running
from tests.operations.shop import MONDAY
from tests.pymap_server import PymapServer
from tests.smtp_peer import SmtpPeer

CARLA, BOB = "carla@customer.example", "bob@other.example"
THREE_DAYS = timedelta(days=3)
OTHER_WORDS = TEMPLATES["article"].replace("have a look", "read this")


@asynccontextmanager
async def a_house(folder: Path, database_url: str, apply: str = "manual") -> AsyncIterator[House]:
    async with PymapServer({"mark": "pw"}) as imap, SmtpPeer(logins={"mark": "pw"}) as smtp:
        furnish(folder, smtp=smtp.port, imap=imap.port, user="mark", database=f'"{database_url}"')
        config = folder / "config.yaml"
        config.write_text(config.read_text() + f"apply: {apply}\n")
        house = House(folder, smtp)
        await house.enroll(CARLA)
        yield house


async def command(folder: Path, *arguments: str) -> CompletedProcess[str]:
    """A command as people run it, while the daemon works."""
    return await asyncio.to_thread(process, "-C", str(folder), *arguments)


def save(folder: Path, **templates: str) -> None:
    for name, text in templates.items():
        (folder / "templates" / f"{name}.md").write_text(text)


def words_to(house: House, email: str) -> str:
    """All that somebody received."""
    return "\n".join(each.data.decode() for each in house.smtp.accepted if each.recipients == (email,))


async def test_a_saved_change_waits_until_it_is_approved(tmp_path: Path, database_url: str) -> None:
    async with a_house(tmp_path, database_url) as house, house.running():
        await house.ear.happens("sent")
        save(tmp_path, article=OTHER_WORDS)
        await house.ear.notes_that("the saved files wait")
        assert json.loads((await command(tmp_path, "status", "--json")).stdout)["changes_wait"] is True
        asked = await command(tmp_path, "apply")
        assert (asked.returncode, "say --yes" in asked.stderr) == (2, True)
        done = await command(tmp_path, "apply", "--yes")
        assert "In force: the running daemon works with these files now." in done.stdout, done
        assert "other words" in done.stdout
        await house.ear.notes_that("the saved change is in force")
        assert json.loads((await command(tmp_path, "status", "--json")).stdout)["changes_wait"] is False
        house.clock.advance(THREE_DAYS)
        await house.ear.happens("sent", 2)
        assert "read this" in words_to(house, CARLA)


async def test_a_restart_puts_nothing_in_force_that_was_not_approved(tmp_path: Path, database_url: str) -> None:
    async with a_house(tmp_path, database_url) as house:
        async with house.running():
            await house.ear.happens("sent")
        save(tmp_path, article=OTHER_WORDS)
        (tmp_path / "sequences" / "quote.yaml").write_text(QUOTE.replace("3 days later", "30 days later"))
        async with house.running():
            await house.ear.notes_that("the saved files wait")
            house.clock.advance(THREE_DAYS)
            await house.ear.happens("sent", 2)
            assert "have a look" in words_to(house, CARLA)
            assert "read this" not in words_to(house, CARLA)


async def test_what_was_approved_holds_whatever_is_saved_afterwards(tmp_path: Path, database_url: str) -> None:
    async with a_house(tmp_path, database_url) as house:
        async with house.running():
            await house.ear.happens("sent")
        save(tmp_path, article=OTHER_WORDS)
        done = await command(tmp_path, "apply", "--yes")
        assert "No daemon is running" in done.stdout, done
        save(tmp_path, article="---\nsubject: half")
        async with house.running():
            await house.ear.notes_that("it starts with what was last in force")
            await house.ear.notes_that("templates/article.md:1:1")
            house.clock.advance(THREE_DAYS)
            await house.ear.happens("sent", 2)
            assert "read this" in words_to(house, CARLA)


async def test_a_daemon_follows_an_approval_while_the_files_have_gone_on(tmp_path: Path, database_url: str) -> None:
    async with a_house(tmp_path, database_url) as house, house.running():
        await house.ear.happens("sent")
        save(tmp_path, article=OTHER_WORDS)
        await house.ear.notes_that("the saved files wait")
        assert (await command(tmp_path, "apply", "--yes")).returncode == 0
        save(tmp_path, article=OTHER_WORDS.replace("read this", "never approved"))
        await house.ear.hears(lambda told: "the saved files wait" in getattr(told, "message", ""), 2)
        house.clock.advance(THREE_DAYS)
        await house.ear.happens("sent", 2)
        assert "read this" in words_to(house, CARLA)
        (tmp_path / "templates" / "article.md").unlink()  # a mistake: a step sends it
        await house.ear.notes_that("the last good version stays in force")


async def test_config_waits_too_and_is_read_at_a_start(tmp_path: Path, database_url: str) -> None:
    async with a_house(tmp_path, database_url) as house:
        config = tmp_path / "config.yaml"
        async with house.running():
            await house.ear.happens("sent")
            config.write_text(config.read_text().replace("Mark Holloway", "Marcus Holloway"))
            await house.ear.notes_that("the saved files wait")
            assert json.loads((await command(tmp_path, "status", "--json")).stdout)["changes_wait"] is True
            await house.enroll(BOB)
            await house.ear.happens("sent", 2)
            assert "Marcus" not in words_to(house, BOB)
            assert (await command(tmp_path, "apply", "--yes")).returncode == 0
            await house.ear.notes_that("the saved change is in force")
            house.clock.advance(THREE_DAYS)
            await house.ear.happens("sent", 4)
            assert "Marcus" in words_to(house, BOB)
        config.write_text(config.read_text().replace("Marcus Holloway", "Marc Holloway"))
        async with house.running():
            await house.ear.notes_that("running")
            assert json.loads((await command(tmp_path, "status", "--json")).stdout)["changes_wait"] is False
            assert "in force, or approved, already" in (await command(tmp_path, "apply")).stdout


async def test_a_mistake_does_not_keep_a_daemon_from_starting_again(tmp_path: Path, database_url: str) -> None:
    async with a_house(tmp_path, database_url, "auto") as house:
        quote = tmp_path / "sequences" / "quote.yaml"
        quote.write_text(QUOTE.replace("email: article", "email: artikle", 1))
        assert isinstance(await house.once(), Unusable)  # nothing was ever in force
        quote.write_text(QUOTE)
        async with house.running():
            await house.ear.happens("sent")
        quote.write_text(QUOTE.replace("email: article", "email: artikle", 1))
        async with house.running():
            await house.ear.notes_that("it starts with what was last in force")
            await house.ear.notes_that("sequences/quote.yaml:7:12")
            house.clock.advance(THREE_DAYS)
            await house.ear.happens("sent", 2)
            quote.write_text(QUOTE.replace("Something", "Anything"))
            await house.ear.notes_that("the files are right again")
        config = tmp_path / "config.yaml"
        config.write_text(config.read_text().replace("mailboxes:", "mailboxen:"))
        assert isinstance(await house.once(), Unusable)


@pytest.mark.postgresql
async def test_every_daemon_takes_up_what_was_approved(
    tmp_path: Path, database_url: str, request: pytest.FixtureRequest
) -> None:
    if database_url.startswith("sqlite"):
        return  # one daemon on one file
    async with a_house(tmp_path, database_url) as house, house.running():
        await house.ear.happens("sent")
        ear, stop = Ear(), asyncio.Event()
        second = asyncio.create_task(supervisor.run(tmp_path, ENVIRON, house.clock, ear, stop))
        await ear.notes_that("running")
        save(tmp_path, article=OTHER_WORDS)
        for one in (house.ear, ear):
            await one.notes_that("the saved files wait")
        assert (await command(tmp_path, "apply", "--yes")).returncode == 0
        for one in (house.ear, ear):
            await one.notes_that("the saved change is in force")
        stop.set()
        assert await second is None


async def test_a_process_that_was_killed_starts_with_what_was_approved(tmp_path: Path, database_url: str) -> None:
    async with a_house(tmp_path, database_url) as house:
        async with running(tmp_path, MONDAY, ENVIRON) as daemon:
            await daemon.tells("sent")
            save(tmp_path, article=OTHER_WORDS)
            await daemon.says("the saved files wait")
            await daemon.ends(signal.SIGKILL)
        async with running(tmp_path, MONDAY, ENVIRON, lease=1.0) as daemon:
            await daemon.says("the saved files wait")
            await daemon.says("running with")
            daemon.advance(THREE_DAYS)
            await daemon.tells("sent")
            assert "have a look" in words_to(house, CARLA)
            done = await command(tmp_path, "apply", "--yes")
            assert "In force" in done.stdout, done
            assert await daemon.ends(signal.SIGTERM) == 0
