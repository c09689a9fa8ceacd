"""`email:` with shares: what it means, each mistake with its place, and what an editor makes of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sequencer.core.model import Email
from sequencer.workspace.schema import sequence_schema
from sequencer.workspace.sequences import load_sequence_text
from tests.workspace.editor import as_an_editor_reads, marks
from tests.workspace.folders import HELLO, problems_of, write_workspace

AROUND = "from: mark\nsteps:\n  - step: hello\n    email: {}\n"


def email_of(written: str) -> Email:
    sequence, problems = load_sequence_text("plan", AROUND.format(written))
    assert sequence is not None, problems
    do = sequence.steps[0].do
    assert isinstance(do, Email)
    return do


@pytest.mark.parametrize(
    ("written", "variants", "percent"),
    [
        ("a", ("a",), ()),
        ("[a, b]", ("a", "b"), ()),
        ("{a: 70%, b: 30%}", ("a", "b"), (70, 30)),
        ("{b: 30, a: '70 %'}", ("b", "a"), (30, 70)),
        ("{a: 100%, b: 0%}", ("a", "b"), (100, 0)),
        ("{a: 100%}", ("a",), (100,)),
        ("\n      a: 50%\n      b: 50%", ("a", "b"), (50, 50)),
    ],
)
def test_what_may_stand_under_email(written: str, variants: tuple[str, ...], percent: tuple[int, ...]) -> None:
    assert email_of(written) == Email(variants, "reply", percent)
    assert marks(sequence_schema(), as_an_editor_reads(AROUND.format(written))) == []


def test_the_back_off_message_may_have_shares_too() -> None:
    text = AROUND.format("a") + "back_off: {after: 9 days, email: {b: 60%, c: 40%}}\n"
    sequence, problems = load_sequence_text("plan", text)
    assert sequence is not None, problems
    assert sequence.back_off is not None
    assert sequence.back_off.email == Email(("b", "c"), "reply", (60, 40))


def test_another_split_is_another_version_and_none_is_the_same_as_before() -> None:
    versions = []
    for written in ("[a, b]", "{a: 50%, b: 50%}", "{a: 70%, b: 30%}"):
        sequence, _ = load_sequence_text("plan", AROUND.format(written))
        assert sequence is not None
        versions.append(sequence.version)
    assert len(set(versions)) == 3


@pytest.mark.parametrize(
    ("written", "column", "message", "hint"),
    [
        ("{hello: 70%, other: 20%}", 12, "the shares add up to 90%, not to 100%", "10% is missing"),
        ("{hello: 70%, other: 70%}", 12, "the shares add up to 140%, not to 100%", "40% too much"),
        ("{hello: most, other: 30%}", 20, "a share is a whole percentage, from 0% to 100%", "for example"),
        ("{hello: 33.3%, other: 66.7%}", 20, "a share is a whole percentage", "for example"),
        ("{hello: 101%}", 20, "a share is a whole percentage", "for example"),
        ("{hello: -5%, other: 105%}", 20, "a share is a whole percentage", "for example"),
        ("[hello: 70%, other: 30%]", 12, "variants with shares stand in braces, not in a list", "{story: 70%"),
        ("{}", 12, "`email` is empty", ""),
        ("{hello: 100%, helo: 0%}", 26, "there is no template `helo`", "hello"),
        ("{hello: 100%, hello: 0%}", 26, "", ""),
    ],
)
def test_each_mistake_is_told_where_it_stands(
    tmp_path: Path, written: str, column: int, message: str, hint: str
) -> None:
    templates = {"hello": HELLO, "other": HELLO}
    folder = write_workspace(tmp_path, sequences={"plan": AROUND.format(written)}, templates=templates)
    problem = next(one for one in problems_of(folder) if one.severity == "error")
    assert (problem.file, problem.line, problem.column) == ("sequences/plan.yaml", 4, column), problem
    assert message in problem.message
    assert hint in problem.hint


@pytest.mark.parametrize("written", ["{a: most}", "{a: 101}", "{a: [1]}", "{}", "{a: 33.3%}", "[a: 70%]"])
def test_an_editor_marks_what_cannot_be(written: str) -> None:
    assert marks(sequence_schema(), as_an_editor_reads(AROUND.format(written)))


def test_templates_with_shares_are_checked_and_used(tmp_path: Path) -> None:
    templates = {"hello": HELLO, "other": "---\ntags: [x]\n---\nHello {{ first_name }}.\n", "unused": HELLO}
    folder = write_workspace(
        tmp_path, sequences={"plan": AROUND.format("{hello: 50%, other: 50%}")}, templates=templates
    )
    found = [(one.code, one.file, one.line, one.column) for one in problems_of(folder)]
    assert ("subject-missing", "sequences/plan.yaml", 4, 25) in found
    assert [file for code, file, _, _ in found if code == "unused-template"] == ["templates/unused.md"]


def test_mistakes_of_names_are_found_beside_others(tmp_path: Path) -> None:
    text = AROUND.format("{hello: 50%, gone: 50%}") + "    wen: 3 days later\n"
    folder = write_workspace(tmp_path, sequences={"plan": text})
    assert {"unknown-key", "unknown-template"} <= {one.code for one in problems_of(folder)}
