"""The line of a problem: what is marked, in which columns, and that no secret is ever shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sequencer.workspace.check import check
from sequencer.workspace.excerpt import TAB, WIDEST, Excerpt, excerpt, excerpts, without_secrets
from sequencer.workspace.source import Problem
from tests.workspace.folders import CONFIG, ENVIRON, write_workspace
from tests.workspace.test_fuzz import mutations


def problem(column: int, *, line: int = 1, file: str = "sequences/plan.yaml", width: int = 0) -> Problem:
    return Problem(file, line, column, "error", "code", "message", "", width)


def marked(line: str, word: str, *, width: int = 0) -> str:
    """What stands above the carets of a problem at a word."""
    found = excerpt(problem(line.index(word) + 1, width=width), line)
    assert found is not None
    return found.text[found.before : found.before + found.width]


@pytest.mark.parametrize(
    ("line", "word", "expected"),
    [
        ("    email: quote-thank", "quote", "quote-thank"),
        ("    when: 5 dyas later  # soon", "5", "5 dyas later"),
        ("wen: 5 days later", "wen", "wen"),
        ("  - {step: a, email: helo, when: day 3}", "helo", "helo"),
        ("  - {step: a, email: [helo, hello]}", "helo", "helo"),
        ("about: 'a # b: c' # d", "'a", "'a # b: c'"),
        ('about: "never closed', '"never', '"never closed'),
        ("note: a, b [c]", "a,", "a, b [c]"),
        ("steps: [", "[", "["),
        ("a: http://x:1/ y", "http", "http://x:1/ y"),
    ],
)
def test_what_begins_there_is_marked(line: str, word: str, expected: str) -> None:
    assert marked(line, word) == expected


def test_a_problem_that_knows_its_width_is_marked_so() -> None:
    assert marked("I am just checking in on you", "just", width=len("just checking in")) == "just checking in"


def test_tabs_wide_and_combining_characters_take_their_columns() -> None:
    assert excerpt(problem(2), "\tx: y") == Excerpt(1, " " * TAB + "x: y", TAB, 1)
    found = excerpt(problem(4), "a日本: naïve\u0301 x")
    assert found is not None
    assert (found.before, found.width) == (5, 1)
    found = excerpt(problem(5), "é\u0301: 日本語")
    assert found is not None
    assert (found.before, found.width) == (3, 6)


def test_what_steers_a_terminal_is_made_visible() -> None:
    found = excerpt(problem(1), "a\x1b[31m\u202eb\x07")
    assert found is not None
    assert found.text == "a�[31m�b�"


@pytest.mark.parametrize("at", [0, 1, 50, 500, 5_000, 9_990])
def test_of_a_long_line_the_part_around_the_mark_is_shown(at: int) -> None:
    line = "x " * 5_000
    found = excerpt(problem(at + 1, width=3), line[:at] + "HIT" + line[at:])
    assert found is not None
    assert len(found.text) <= WIDEST
    assert found.text[found.before : found.before + 3] == "HIT"
    assert found.text.startswith("…") == (at > 32)
    assert found.text.endswith("…") == (at < 9_900)


def test_the_mark_of_something_long_ends_with_the_line() -> None:
    found = excerpt(problem(4), "a: " + "b" * 1_000)
    assert found is not None
    assert found.before + found.width <= WIDEST


def test_a_place_behind_the_end_of_a_line_is_marked_there(tmp_path: Path) -> None:
    assert excerpt(problem(9), "a: b") == Excerpt(1, "a: b", 4, 1)
    assert excerpt(problem(1), "   ") is None
    (tmp_path / "f.yaml").write_text("a\nb\n")
    places = [problem(column, line=line, file="f.yaml") for line, column in ((0, 0), (1, 1), (9, 1), (2, 0))]
    shown = [found for _, found in excerpts(tmp_path, places)]
    assert [one is not None for one in shown] == [False, True, False, False]
    assert [found for _, found in excerpts(tmp_path, [problem(1, file="gone.yaml"), problem(1, file="a\x00b")])] == [
        None
    ] * 2


def test_lines_are_counted_as_the_reader_counts_them(tmp_path: Path) -> None:
    (tmp_path / "f.yaml").write_bytes("\ufeffa: 1\r\nb: 2\rc: 3\u2028d: 4\n".encode())
    shown = [found for _, found in excerpts(tmp_path, [problem(1, line=n, file="f.yaml") for n in (1, 2, 3, 4)])]
    assert [one.text if one else "" for one in shown] == ["a: 1", "b: 2", "c: 3", "d: 4"]


# Secrets ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("    password: hunter2", "    password: *******"),
        ('      password: "${MARK_PASSWORD}"', '      password: "${MARK_PASSWORD}"'),
        ("      password: file:secrets/mark", "      password: file:secrets/mark"),
        ("    pasword: hunter2", "    pasword: *******"),
        ("    pass word: hunter2", "    **** ***** *******"),
        (
            "smtp: {host: a.example, password: hun ter2, port: 1}",
            "smtp: {host: a.example, password: *** ****, port: 1}",
        ),
        ("smtp: {host: a.example, pwd: hunter2}", "smtp: {host: a.example, **** *******}"),
        ('smtp: {host: a, username: mark, "pwd":"hunter2"}', "smtp: {host: a, username: ****, ***************}"),
        ("database: postgresql://u:hunter2@h/n", "database: " + "*" * 26),
        ("notify: [mailto, slack://hunter2/x]", "notify: [******, *****************]"),
        ("  - slack://hunter2", "  - ***************"),
        ("    hunter2", "    *******"),
        ("    password: hunter2: x", "    password: ******** *"),
        ("    port: 465   # the password is hunter2", "    port: 465"),
        ("    # password: hunter2", ""),
        ("    hours: Mon-Fri 08:30-17:00", "    hours: Mon-Fri 08:30-17:00"),
        ("    password: [hunter2, hunter2", "    password: [*******, *******"),
        ("    key: 'it''s hunter2'", "    key: ****** ********"),
    ],
)
def test_secrets_of_the_config_are_stars(line: str, shown: str) -> None:
    assert without_secrets(line) == shown


SECRET = "Xy7-hunter2"
WITH_SECRETS = CONFIG.replace("${MARK_PASSWORD}", SECRET) + (
    f"database: postgresql://u:{SECRET}@h/n\nnotify: [slack://{SECRET}/x]\n"
    f"reader: {{endpoint: x, model: y, key: {SECRET}}}\n"
)


@settings(max_examples=300, deadline=None)
@given(mutations(WITH_SECRETS))
def test_no_mistake_shows_a_secret_of_the_config(text: str) -> None:
    """As long as it stands where one stands; a mutation may also put it where a name stands."""
    for number, line in enumerate(text.split("\n"), 1):
        for key in ("password", "key", "database", "notify"):
            if f"{key}: " in line and SECRET in line.partition(f"{key}: ")[2].partition(":")[0]:
                found = excerpt(problem(1, line=number, file="config.yaml"), line)
                assert found is None or SECRET not in found.text.partition(f"{key}: ")[2]


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=300), st.integers(0, 400), st.integers(0, 50))
def test_any_line_can_be_shown(line: str, column: int, width: int) -> None:
    for file in ("config.yaml", "templates/a.md"):
        found = excerpt(problem(column, file=file, width=width), line)
        if found is not None:
            assert found.width >= 1
            assert found.before >= 0
            assert all(char.isprintable() or char == "\u00ad" or not char.isascii() for char in found.text)


def test_a_password_in_clear_is_told_and_not_shown(tmp_path: Path) -> None:
    folder = write_workspace(tmp_path, config=WITH_SECRETS)
    found = list(excerpts(folder, check(folder, ENVIRON)))
    assert [each.code for each, _ in found].count("literal-secret") == 4
    assert all(line is not None and SECRET not in line.text for _, line in found)
