"""What somebody types who has never used a terminal, and whether the answer says the way out."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.shell import outcome, run

STARTED = "Tue 1 Dec 2026 09:00"


@pytest.mark.parametrize("name", ["sequences/quote.yaml", "quote.yaml", "./sequences/quote.yaml"])
def test_a_sequence_may_be_named_by_its_file(shop: Path, name: str) -> None:
    assert "thanks" in run("preview", name, "--step", "thanks")
    assert STARTED in run("simulate", name, "--start", "2026-12-01")
    assert "thanks" in run("diagram", name)
    assert "Nobody has entered it yet" in run("report", name)


@pytest.mark.parametrize("name", ["plan.test.yaml", "sequences/plan.test.yaml"])
def test_a_rehearsal_is_found_where_rehearsals_lie(shop: Path, name: str) -> None:
    (shop / "sequences" / "plan.test.yaml").write_text("- start: 2026-12-01\n  expect: [paused]\n", "utf-8")
    assert "there is no file" not in outcome("test", name).output
    assert "there is no file other.test.yaml" in run("test", "other.test.yaml", code=2)


def test_help_shows_no_type_where_no_value_is_wanted(shop: Path) -> None:
    for command in ((), ("check",), ("tasks", "done")):
        assert "bool" not in run(*command, "--help").lower()


@pytest.mark.parametrize(
    "words",
    [
        ("simulate", "quote", "--contacts", "many"),
        ("plan", "--days", "a week"),
        ("tasks", "done", "first"),
        ("relabel", "last", "interested"),
    ],
)
def test_what_is_no_number(shop: Path, words: tuple[str, ...]) -> None:
    assert "a whole number is wanted here" in run(*words, code=2)


def test_outside_a_workspace_only_that_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    said = run("check", code=1)
    assert "there is no config.yaml in this folder\n    go to the folder of your workspace with `cd`" in said
    assert "sequences" not in said


def test_an_end_before_the_beginning(shop: Path) -> None:
    for crowd in ((), ("--contacts", "3")):
        words = ("simulate", "quote", "--start", "2026-12-01", "--until", "2026-11-01", *crowd)
        assert "--until 2026-11-01 is before they enter" in run(*words, code=2)


def test_a_list_in_which_nobody_stands(shop: Path) -> None:
    (shop / "nobody.csv").write_text("email,first_name\n", "utf-8")
    for words in (("import", "nobody.csv"), ("preview", "quote", "--csv", "nobody.csv")):
        assert "nobody stands in this file" in run(*words)


def test_history_of_what_was_never_in_force(shop: Path) -> None:
    words = "quote was never in force yet: `sequencer run` puts the files in force"
    assert words in run("history", "quote", code=2)
    assert "no version of a sequence “qoute” was ever in force" in run("history", "qoute", code=2)
