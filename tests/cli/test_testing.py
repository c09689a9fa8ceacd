"""`sequencer test`: what it prints, its JSON, its report for CI systems, its exit codes."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from tests.cli.shell import data, outcome, run

RIGHT = """\
- name: it goes on
  start: 2026-11-30 09:00
  expect:
    - thanks on 2026-12-01 at 09:30
    - call
"""
WRONG = """\
- contact: {email: anna@example.com}
  start: 2026-11-30 09:00
  reply: {after: thanks, in: 1 day, says: "What <does> it cost & when?"}
  expect:
    - thanks on 2026-12-02
    - paused
"""


@pytest.fixture
def rehearsed(shop: Path) -> Path:
    """One rehearsal that is as expected, and one that is not."""
    (shop / "sequences" / "quote.test.yaml").write_text(RIGHT + WRONG, "utf-8")
    return shop


def test_what_is_not_as_expected_is_told_with_its_line_and_the_time_line(rehearsed: Path) -> None:
    said = run("test", code=1)
    assert said == (
        "sequences/quote.test.yaml\n"
        "  ok    it goes on\n"
        "  FAIL  anna@example.com answers “What <does> it cost & when?”\n"
        "        sequences/quote.test.yaml:10: expected: thanks on 2026-12-02\n"
        "            instead: thanks leaves on Tue 1 Dec 2026 09:30\n"
        "\n"
        "           Mon 30 Nov 2026 09:00          enters\n"
        "        >  Tue 1 Dec 2026 09:30   thanks  e-mail  “Your quote”\n"
        "           Wed 2 Dec 2026 09:30   thanks  reply   “What <does> it cost & when?” (question)\n"
        "           Wed 2 Dec 2026 09:30   call    pause\n"
        "\n"
        "2 rehearsals, 4 expectations: 1 failed.\n"
    )


def test_all_as_expected_ends_with_0(rehearsed: Path) -> None:
    (rehearsed / "sequences" / "quote.test.yaml").write_text(RIGHT, "utf-8")
    assert run("test", "quote").endswith("1 rehearsal, 2 expectations: all as expected.\n")


def test_another_folder_is_named_in_every_place(rehearsed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(rehearsed.parent)
    said = run("-C", "shop", "test", code=1)
    assert "\n        shop/sequences/quote.test.yaml:10: expected" in said
    assert said.startswith("shop/sequences/quote.test.yaml\n")
    assert "shop/sequences/quote.test.yaml:10" in run("-C", "shop", "test", "shop/sequences/quote.test.yaml", code=1)


def test_the_json(rehearsed: Path) -> None:
    found = data("test", "--json", code=1)
    assert (found["passed"], found["failed"], found["problems"]) == (1, 1, [])
    right, wrong = found["rehearsals"]
    assert (right["file"], right["line"], right["sequence"]) == ("sequences/quote.test.yaml", 1, "quote")
    assert (right["name"], right["passed"], right["trouble"]) == ("it goes on", True, [])
    assert [each["passed"] for each in wrong["expectations"]] == [False, True]
    assert wrong["expectations"][0] == {
        "line": 10,
        "text": "thanks on 2026-12-02",
        "passed": False,
        "instead": "thanks leaves on Tue 1 Dec 2026 09:30",
    }
    assert [each["action"] for each in wrong["time_line"]] == ["email", "reply", "pause"]


def test_the_report_for_ci_systems(rehearsed: Path) -> None:
    run("test", "--junit", "reports/sequences.xml", code=1)
    root = ElementTree.parse(rehearsed / "reports" / "sequences.xml").getroot()
    assert (root.tag, root.get("tests"), root.get("failures"), root.get("errors")) == ("testsuites", "2", "1", "0")
    right, wrong = root.iter("testcase")
    assert (right.get("name"), right.get("classname"), list(right)) == ("it goes on", "quote", [])
    (failure,) = wrong
    assert failure.get("message") == "expected: thanks on 2026-12-02"
    assert "What <does> it cost & when?" in (failure.text or "")
    assert "sequences/quote.test.yaml:10: expected" in (failure.text or "")


def test_a_file_with_mistakes_is_an_error_and_the_others_are_played(rehearsed: Path) -> None:
    (rehearsed / "sequences" / "keep.test.yaml").write_text("- start: 2026-11-30\n  expect: helo\n", "utf-8")
    said = run("test", "--junit", "report.xml", code=1)
    assert "sequences/keep.test.yaml:2:11: keep has no touch `helo`" in said
    assert "ok    it goes on" in said
    assert "1 mistake in the files; 2 rehearsals" in said
    root = ElementTree.parse(rehearsed / "report.xml").getroot()
    assert (root.get("tests"), root.get("errors")) == ("3", "1")
    assert [error.get("message") for error in root.iter("error")] == ["keep has no touch `helo`"]
    assert data("test", "--json", code=1)["problems"][0]["line"] == 2
    assert "keep has no touch `helo`" in run("check", code=1)


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("qoute",), 2, "did you mean `quote`?"),
        (("birthday",), 2, "write sequences/birthday.test.yaml"),
        (("sequences/birthday.test.yaml",), 2, "there is no file"),
        (("--junit", "config.yaml/report.xml"), 2, "cannot write config.yaml/report.xml"),
    ],
)
def test_wrong_use_ends_with_2(rehearsed: Path, words: tuple[str, ...], code: int, told: str) -> None:
    result = outcome("test", *words)
    assert result.exit_code == code
    assert told in result.output


def test_nothing_to_test_is_no_success(shop: Path) -> None:
    assert "There is nothing to test yet" in run("test", code=1)


def test_mistakes_in_the_workspace_come_first(rehearsed: Path) -> None:
    path = rehearsed / "sequences" / "quote.yaml"
    path.write_text(path.read_text("utf-8").replace("email: last", "email: lst", 1), "utf-8")
    assert "did you mean `last`?" in run("test", code=1)


def test_what_init_writes_is_as_promised(tmp_path: Path) -> None:
    said = run("init", str(tmp_path / "mine"))
    assert "7 plays" in said
    assert run("-C", str(tmp_path / "mine"), "test").endswith("all as expected.\n")


def test_simulate_takes_words_and_says_what_never_comes(shop: Path) -> None:
    said = run("simulate", "quote", "--start", "2026-11-30", "--reply", "call+1d 'Can you try me in March?'")
    assert "they reply “Can you try me in March?”" in " ".join(said.split())
    (row,) = [
        row
        for row in data("simulate", "quote", "--start", "2026-11-30", "--reply", "call+1d 'Too busy.'", "--json")
        if row["action"] == "pause"
    ]
    assert "Too busy." in row["reason"]
    said = run("simulate", "quote", "--start", "2026-11-30", "--reply", "price-answer+1d reply")
    assert "The answer to price-answer never comes: price-answer does not happen." in said
