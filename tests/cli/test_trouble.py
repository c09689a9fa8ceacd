"""Whatever is wrong, a person reads a sentence: never a traceback, and the exit code tells machines."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy.exc

from sequencer.cli.main import _last_words
from sequencer.operations.live import Live
from tests.cli.shell import data, process, run
from tests.in_force import open_live
from tests.operations.shop import MONDAY

COMMANDS = [
    ["status"],
    ["why", "anna@example.com"],
    ["threads"],
    ["thread", "1"],
    ["tasks"],
    ["tasks", "done", "1"],
    ["enroll", "quote", "anna@example.com"],
    ["import", "contacts.csv"],
    ["pause", "anna@example.com"],
    ["suppress", "anna@example.com"],
    ["preview", "quote"],
    ["preview", "quote", "--contact", "anna@example.com"],
    ["simulate", "quote"],
    ["run", "--once"],
    ["db", "upgrade"],
]


def sentence(*arguments: str, code: int) -> str:
    """What the real command says, which must be no traceback."""
    done = process(*arguments)
    assert "Traceback" not in done.stderr + done.stdout
    assert done.returncode == code, done.stderr
    return done.stderr + done.stdout


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_without_a_workspace_every_command_says_how_to_get_one(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "contacts.csv").write_text("email\nanna@example.com\n")
    said = run(*command, code=1)
    assert "There is no config.yaml in this folder" in said
    assert "sequencer init" in said
    assert [path.name for path in tmp_path.iterdir()] == ["contacts.csv"]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_with_a_broken_workspace_every_command_names_the_line(command: list[str], shop: Path) -> None:
    (shop / "contacts.csv").write_text("email\nanna@example.com\n")
    text = (shop / "config.yaml").read_text()
    (shop / "config.yaml").write_text(text.replace("timezone: America/Denver", "timezone: America/Denvr"))
    said = run(*command, code=1)
    assert "config.yaml:3:" in said
    assert "America/Denver" in said  # the way out
    assert not (shop / "data").exists()


def test_check_without_a_workspace_is_a_problem_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "config.yaml" in run("check", code=1)


def test_yaml_that_is_none(shop: Path) -> None:
    (shop / "sequences" / "quote.yaml").write_text("steps:\n  - step: a\n   email: b\n")
    assert "sequences/quote.yaml:3:" in sentence("status", code=1)


def test_a_mistake_in_a_sequence_does_not_keep_a_rep_from_acting(shop: Path) -> None:
    """The daemon goes on with what was last in force, and so do the commands; each says so."""
    run("enroll", "quote", "anna@example.com")
    put_in_force(shop)
    path = shop / "sequences" / "quote.yaml"
    path.write_text(path.read_text().replace("4 days later", "4 dyas later"))
    (shop / "templates" / "last.md").write_text("---\nsubject: x\n---\n{{ first_name }\n")
    for command in (["pause", "anna@example.com"], ["resume", "anna@example.com"], ["suppress", "@example.org"]):
        said = run(*command)
        assert "sequences/quote.yaml, templates/last.md: there are mistakes" in said
    told = process("why", "anna@example.com", "--json")
    assert json.loads(told.stdout)["enrollments"][0]["step"] == "thanks"
    assert "there are mistakes" in told.stderr
    assert re.search(r"sequences/quote.yaml:\d+:11: `dyas`", run("status", code=1))
    assert "quote.yaml" in run("check", code=1)
    assert "quote.yaml" in run("preview", "quote", code=1)  # these two show the files


def test_a_sequence_that_was_never_right_is_not_there(shop: Path) -> None:
    (shop / "sequences" / "new.yaml").write_text("from: mark\nsteps:\n  - step: a\n    emial: last\n")
    assert "sequences/new.yaml: there are mistakes" in run("enroll", "new", "anna@example.com", code=2)
    run("enroll", "quote", "anna@example.com")


def put_in_force(folder: Path) -> None:
    """What the daemon does first."""

    async def adopted() -> None:
        live = await open_live(folder, {"MARK_PASSWORD": "x"}, MONDAY)
        assert isinstance(live, Live)
        await live.database.close()

    asyncio.run(adopted())


def test_a_database_that_is_none(shop: Path) -> None:
    (shop / "data").mkdir()
    (shop / "data" / "sequencer.db").write_text("this is no database " * 100)
    said = sentence("status", code=1)
    assert "cannot open sqlite:///" in said
    assert "not a database" in said
    assert "Put back your latest copy" in said


def test_a_database_of_a_newer_version(shop: Path) -> None:
    run("db", "upgrade")
    with sqlite3.connect(shop / "data" / "sequencer.db") as conn:
        conn.execute("UPDATE alembic_version SET version_num = 'from_the_future'")
    conn.close()
    assert "changed by a newer version" in sentence("status", code=1)


def test_a_database_that_nobody_can_reach(shop: Path) -> None:
    text = (shop / "config.yaml").read_text()
    server = "postgresql://user@127.0.0.1:1/name"
    (shop / "config.yaml").write_text(text.replace("sqlite:///data/sequencer.db", server))
    said = sentence("status", code=1)
    assert "cannot open postgresql://user@127.0.0.1:1/name" in said


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere; run it as somebody else")
def test_a_folder_that_cannot_be_written(shop: Path) -> None:
    shop.chmod(0o555)
    try:
        assert "cannot open the database file" in sentence("status", code=1)
    finally:
        shop.chmod(0o755)


@pytest.mark.parametrize(
    "arguments",
    [
        ["frobnicate"],
        ["why"],
        ["status", "--frobnicate"],
        ["thread", "one"],
        ["run", "--log-format", "xml"],
        ["db", "x"],
    ],
    ids=" ".join,
)
def test_wrong_use_ends_with_2(arguments: list[str], shop: Path) -> None:
    sentence(*arguments, code=2)


def test_the_last_resort_is_one_sentence_and_says_where_the_details_are(shop: Path) -> None:
    """A table that somebody dropped: nothing foresees it."""
    run("db", "upgrade")
    with sqlite3.connect(shop / "data" / "sequencer.db") as conn:
        conn.execute("DROP TABLE suppressions")
    conn.close()
    said = sentence("why", "anna@example.com", code=1)
    assert "the database could not do this" in said
    assert "suppressions" in said
    assert "SEQUENCER_DEBUG=1" in said
    details = process("why", "anna@example.com", environ={"SEQUENCER_DEBUG": "1"})
    assert "Traceback" in details.stderr


def test_a_reader_who_has_seen_enough_is_no_trouble(shop: Path) -> None:
    command = f"{Path(sys.executable).with_name('sequencer')} schema | head -n 1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == "{\n"
    assert done.stderr == ""


# The daemon ---------------------------------------------------------------------------------------


def test_run_needs_the_passwords_and_says_which(shop: Path) -> None:
    said = run("run", "--once", code=1)
    assert "MARK_PASSWORD is not set" in said


def test_run_once_tells_what_it_could_not_reach_and_ends_well(shop: Path) -> None:
    done = process("run", "--once", environ={"MARK_PASSWORD": "secret"})
    assert done.returncode == 0, done.stderr
    assert "mark: held: the inbox cannot be read: cannot connect to localhost:1143" in done.stdout
    assert "secret" not in done.stdout + done.stderr
    said = run("status", code=1)
    assert "the mailbox mark is held" in said


def test_run_ends_when_it_is_told_to(shop: Path) -> None:
    running = subprocess.Popen(
        [str(Path(sys.executable).with_name("sequencer")), "run", "--log-format", "json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "MARK_PASSWORD": "secret"},
    )
    assert running.stdout is not None
    try:
        assert '"message": "running with 3 sequences; mailboxes: mark, susan"' in running.stdout.readline()
        second = process("run", "--once", environ={"MARK_PASSWORD": "secret"})
        assert second.returncode == 1
        assert "another sequencer" in second.stderr
        running.send_signal(signal.SIGTERM)
        out, err = running.communicate(timeout=15)
    finally:
        running.kill()
        running.wait()
    assert running.returncode == 0, err
    assert '"message": "stopped"' in out
    assert "Traceback" not in err


def test_a_database_that_another_program_keeps(shop: Path) -> None:
    error = sqlalchemy.exc.OperationalError("UPDATE x", {}, sqlite3.OperationalError("database is locked"))
    assert _last_words(error).startswith("another program is writing into the database")


def test_a_password_that_is_not_set_is_said_once(shop: Path) -> None:
    """It stands at the smtp and the imap of two mailboxes; it is one thing to do."""
    assert [problem["code"] for problem in data("check", "--json")].count("secret-missing") == 1
