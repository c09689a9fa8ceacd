"""YAML: every value keeps its text and its place, and every broken file gets a human message at the right place."""

from __future__ import annotations

from pathlib import Path

import pytest

from sequencer.workspace.source import MAX_BYTES, MAX_VALUES, Problem, did_you_mean, read_text, read_yaml


def test_every_scalar_stays_the_text_that_stands_in_the_file() -> None:
    text = """\
on_reply: {any: pause}
from: no
on: off
at: 08:30
day: 2026-12-01
range: [2026-12-24..2027-01-02]
number: 007
float: 1.0
yes: y
quoted: "null"
empty:
tilde: ~
"""
    document, problems = read_yaml("f.yaml", text)
    assert problems == []
    assert document.data == {
        "on_reply": {"any": "pause"},
        "from": "no",
        "on": "off",
        "at": "08:30",
        "day": "2026-12-01",
        "range": ["2026-12-24..2027-01-02"],
        "number": "007",
        "float": "1.0",
        "yes": "y",
        "quoted": "null",
        "empty": None,
        "tilde": None,
    }


def test_places_of_keys_and_values_count_from_one() -> None:
    document, _ = read_yaml("f.yaml", "a: 1\nb:\n  - x\n  - {c:   d}\n")
    assert (document.place(("a",)).line, document.place(("a",)).column) == (1, 4)
    assert (document.place(("b", 1, "c")).line, document.place(("b", 1, "c")).column) == (4, 11)
    assert (document.place(("b", 1, "c"), key=True).line, document.place(("b", 1, "c"), key=True).column) == (4, 6)
    assert document.place(("b", 1, "missing")).line == 4, "what is not there is where its owner is"


def test_the_first_line_of_front_matter_can_be_given() -> None:
    document, _ = read_yaml("t.md", "subject: Hello\n", first_line=2)
    assert document.place(("subject",)).line == 2


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("a:\n\tb: c\n", (2, 1), "tab"),
        ("subject: Re: hello\n", (1, 12), "colon"),
        ("a: b\n c: d\n", (2, 3), "colon"),
        ("a: 'open\nb: c\n", (1, 4), "never closed"),
        ('a: "they got "this" once"\nb: c\n', (1, 15), "text goes on behind a closing quote"),
        ("a: 'don't'\n", (1, 9), "text goes on behind a closing quote"),
        ("a: [1, 2\nb: c\n", (1, 4), "[ is not closed"),
        ("a: {x: 1\nb: 2\n", (1, 4), "{ is not closed"),
        ("a: *x\n", (1, 4), "quotes"),
        ("a: @x\n", (1, 4), "cannot begin a text"),
        ("- a\nb: c\n", (2, 1), "indentation"),
        ("a: {{ first_name }}, hello\n", (1, 20), "{{ needs quotes"),
        ("a: b\n---\nc: d\n", (2, 1), "second document"),
        ('a: "\\q"\n', (1, 6), "escape"),
        ('a: "\\U99999999"\n', (1, 1), "escape"),
        ("a: - b\n", (1, 4), "list entry"),
        ("a: \0\n", (1, 4), "control character"),
        ('a: "\\ud800"\n', (1, 4), "control character"),
        ("a: !!python/object/apply:os.system ['true']\n", (1, 4), "tag"),
        ("a: !secret x\n", (1, 4), "tag"),
        ("a: 1\na: 2\n", (2, 1), "twice"),
        ("<<: {a: 1}\n", (1, 1), "merge keys"),
        ("? [a, b]\n: c\n", (1, 3), "plain word"),
        ("&a [*a]\n", (1, 1), "alias"),
        ("[" * 60 + "]" * 60, (1, 51), "nested too deeply"),
        ("[" * 5000, (1, 1), "nested too deeply"),
        ("- " * 400_000, (1, 1), "nested too deeply"),  # the C parser would crash on it
        ("{a: " * 200_000, (1, 1), "nested too deeply"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_broken_file_gets_one_human_message(text: str, place: tuple[int, int], words: str) -> None:
    _, problems = read_yaml("f.yaml", text)
    assert [(p.line, p.column) for p in problems] == [place]
    assert words in f"{problems[0].message} {problems[0].hint}"
    for jargon in ("token", "block", "flow", "node", "scanner", "constructor"):
        assert jargon not in problems[0].message


def test_a_bomb_of_aliases_is_refused_before_it_grows() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    document, problems = read_yaml("f.yaml", "\n".join(lines))
    assert [p.code for p in problems] == ["too-large"]
    assert len(document.values) <= MAX_VALUES


def test_an_alias_may_be_used_for_what_it_is_made_for() -> None:
    document, problems = read_yaml("f.yaml", "a: &hours Mon-Fri 08:30-17:00\nb: *hours\n")
    assert problems == []
    assert document.data == {"a": "Mon-Fri 08:30-17:00", "b": "Mon-Fri 08:30-17:00"}


def test_a_file_is_read_without_bom_and_with_any_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\r\nb: 2\r")
    assert read_text(path, "x.yaml") == "a: 1\nb: 2\n"


def test_a_file_that_cannot_be_read_is_a_problem_at_its_place(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes("a: ü\nb: caf".encode() + b"\xe9\n")
    problem = read_text(path, "x.yaml")
    assert isinstance(problem, Problem)
    assert (problem.code, problem.line, problem.column) == ("not-utf-8", 2, 7)
    assert isinstance(read_text(tmp_path / "nope.yaml", "nope.yaml"), Problem)
    assert isinstance(read_text(tmp_path, "folder"), Problem)
    path.write_bytes(b"a" * (MAX_BYTES + 1))
    large = read_text(path, "x.yaml")
    assert isinstance(large, Problem)
    assert large.code == "too-large"


def test_a_near_word_is_proposed_and_a_far_one_is_answered_with_the_list() -> None:
    assert did_you_mean("emial", ["email", "task"]) == "did you mean `email`?"
    assert did_you_mean("not-now", ["not_now", "any"]) == "did you mean `not_now`?"
    assert did_you_mean("zzz", ["email", "task"]) == "known: email, task"
    assert did_you_mean("zzz", []) == ""


def test_a_problem_reads_as_one_line() -> None:
    problem = Problem("sequences/a.yaml", 3, 5, "error", "x", "it is wrong", "put it right")
    assert str(problem) == "sequences/a.yaml:3:5: error: it is wrong (put it right)"
