"""report, as people type it: what is printed, the JSON, the files, the exit codes."""

from __future__ import annotations

import asyncio
import csv
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sequencer.operations.enrollments import enroll
from sequencer.operations.live import Live
from sequencer.operations.opening import opened
from tests.cli.shell import data, outcome, run
from tests.operations.histories import invent
from tests.operations.shop import add

ANNA = "anna@example.com"


@pytest.fixture
def lives(shop: Path) -> Path:
    """The shop with people in it whose lives were invented, and who entered in spring 2026."""

    async def fill() -> None:
        async with opened(shop, os.environ) as live:
            assert isinstance(live, Live)
            await invent(live, 3, 90)

    asyncio.run(fill())
    return shop


def test_before_anybody_has_entered(shop: Path) -> None:
    said = run("report")
    assert "Nobody has entered a sequence yet." in said
    assert "sequencer import FILE.csv --enroll SEQUENCE" in said
    assert "Nobody has entered it yet." in run("report", "quote")
    told = data("report", "--json")
    assert (told["sequences"], told["all"], told["never_enrolled"]) == ([], None, 0)


def test_one_sequence_in_full(lives: Path) -> None:
    said = run("report", "quote")
    for heading in (
        "How far they got",
        "Who has no next touch",
        "What earned replies",
        "Which weekday earns replies",
        "Which hour earns replies",
        "How long it takes",
        "When answers come",
        "Why people say no",
    ):
        assert f"\n{heading}" in said
    assert "thanks-b" in said  # its variants, below the step
    assert "no longer in the file" in said  # the step “gone”
    assert "written by hand" in said


def test_all_of_them_in_short(lives: Path) -> None:
    said = run("report")
    assert "SEQUENCE" in said
    assert "vanished (no file)" in said
    assert "`sequencer report SEQUENCE` shows one of them in full." in said
    assert "imported and never enrolled" in said


def test_json_is_of_the_scope(lives: Path) -> None:
    everybody, one = data("report", "--json"), data("report", "quote", "--json")
    assert [section["sequence"] for section in one["sequences"]] == ["quote"]
    assert one["sequences"][0]["people"] == one["all"]["people"] < everybody["all"]["people"]
    halves = [data("report", "--json", *half) for half in (("--until", "2026-04-03"), ("--since", "2026-04-04"))]
    assert sum(half["all"]["people"] for half in halves) == everybody["all"]["people"]
    boxes = [data("report", "--mailbox", box, "--json")["all"]["people"] for box in ("mark", "susan")]
    assert sum(boxes) == everybody["all"]["people"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("quoet",), "did you mean `quote`?"),
        (("--mailbox", "marc"), "there is no mailbox “marc”"),
        (("--since", "yesterday"), "“yesterday” is no date: write it as in 2026-12-01"),
        (("--since", "2026-05-02", "--until", "2026-05-01"), "--until 2026-05-01 is before --since 2026-05-02"),
    ],
)
def test_wrong_use(shop: Path, arguments: tuple[str, ...], said: str) -> None:
    assert said in run("report", *arguments, code=2)


def test_who_is_left_behind(lives: Path) -> None:
    said, told = run("report", "--left-behind"), data("report", "--left-behind", "--json")
    assert "`sequencer why EMAIL` tells all about one of them." in said
    assert {one["why"] for one in told} >= {"paused", "no_file", "never_enrolled", "lost"}
    leaks = data("report", "--json")
    number = sum(leak["people"] for leak in leaks["all"]["leaks"]) + leaks["never_enrolled"]
    assert len(told) == number
    one = next(entry for entry in told if entry["why"] == "paused")
    assert one["email"] in said


def test_nobody_is_left_behind(shop: Path) -> None:
    assert "Nobody is left behind." in run("report", "--left-behind")


def test_the_table_as_a_file_and_on_standard_output(lives: Path) -> None:
    result = outcome("report", "--csv", "report.csv")
    assert (result.exit_code, result.stdout) == (0, "")
    text = (lives / "report.csv").read_bytes().decode()
    assert outcome("report", "--csv", "-").stdout.replace("\r\n", "\n") == text.replace("\r\n", "\n")
    tables = {row["table"] for row in csv.DictReader(text.splitlines())}
    assert {"funnel", "step", "variant", "weekday", "hour", "arrival", "no", "leak"} <= tables
    run("report", "--left-behind", "--csv", "people.csv")
    assert (lives / "people.csv").read_text().startswith("email,sequence,thread,why,reason,since,open\n")


def test_the_page_as_a_file(lives: Path) -> None:
    assert "report.html is written." in run("report", "--html", "report.html")
    assert (lives / "report.html").read_text("utf-8").startswith("<!doctype html>")


def test_a_file_that_cannot_be_written(lives: Path) -> None:
    assert "cannot be written: there is no folder nowhere" in run("report", "--csv", "nowhere/report.csv", code=1)
    assert "cannot be written: there is no folder nowhere" in run("report", "--html", "nowhere/page.html", code=1)


def test_the_days_of_the_scope_are_the_workspaces(shop: Path) -> None:
    """Somebody who enters at eight in the evening in Denver enters on that day, though it is the next one in UTC."""
    evening = datetime(2026, 12, 2, 3, 0, tzinfo=UTC)

    async def fill() -> None:
        async with opened(shop, os.environ) as live:
            assert isinstance(live, Live)
            await add(live, ANNA)
            await enroll(live, "quote", [ANNA], evening)

    asyncio.run(fill())
    day = evening - timedelta(days=1)
    assert data("report", "--since", f"{day:%Y-%m-%d}", "--until", f"{day:%Y-%m-%d}", "--json")["all"]["people"] == 1
    assert data("report", "--since", "2026-12-02", "--json")["all"] is None
