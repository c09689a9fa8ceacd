"""phrases/*.yaml of a workspace: what is understood, every mistake with its place, and the reader that follows them."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sequencer.inbox.parse import parse_mail
from sequencer.inbox.phrase_syntax import PhraseProblem, compile_phrase
from sequencer.inbox.reading import Kind, Reading, read_mail
from sequencer.operations.phrases import made_ready
from sequencer.workspace.phrases import letters_needed, read_phrase_files
from sequencer.workspace.source import Problem
from sequencer.workspace.workspace import load
from tests.workspace.folders import ENVIRON, REPOSITORY, problems_of, write_workspace

PAGE = (REPOSITORY / "docs" / "inbox.md").read_text("utf-8")
EXAMPLE = next(found[1] for found in re.finditer(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))


def workspace(folder: Path, **files: str) -> Path:
    """A workspace with these files in phrases/."""
    write_workspace(folder)
    (folder / "phrases").mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / "phrases" / f"{name}.yaml").write_text(text, "utf-8")
    return folder


def mistakes(folder: Path, **files: str) -> list[Problem]:
    return [problem for problem in problems_of(workspace(folder, **files)) if problem.file.startswith("phrases")]


def places(problems: list[Problem]) -> list[tuple[str, int, int, str]]:
    return [(problem.file, problem.line, problem.column, problem.code) for problem in problems]


def read(folder: Path, text: str) -> Reading:
    phrases, problems = read_phrase_files(folder / "phrases")
    assert problems == []
    mail = parse_mail(b"From: a@example.com\r\nSubject: Re: Your quote\r\n\r\n" + text.encode())
    return read_mail(mail, today=date(2026, 11, 30), extra_phrases=made_ready(phrases))


# What is understood ----------------------------------------------------------------------------------


def test_all_of_it_is_optional(tmp_path: Path) -> None:
    assert read_phrase_files(tmp_path / "nothing") == ({}, [])
    assert mistakes(tmp_path, de="", en="# nothing yet\n") == []
    loaded = load(tmp_path, ENVIRON).workspace
    assert loaded is not None
    assert made_ready(loaded.phrases) is None


def test_the_shapes_that_the_products_own_files_have(tmp_path: Path) -> None:
    text = 'not_interested: ["sold it"]\nunsubscribe: {whole: basta, except: [basta pasta]}\nquestion: which one\n'
    workspace(tmp_path, en=text)
    assert read_phrase_files(tmp_path / "phrases") == (
        {
            "en": {
                "not_interested": {"anywhere": ("sold it",)},
                "unsubscribe": {"whole": ("basta",), "except": ("basta pasta",)},
                "question": {"anywhere": ("which one",)},
            }
        },
        [],
    )


def test_the_reader_follows_them_in_whatever_language_the_mail_is(tmp_path: Path) -> None:
    text = "We have laid the matter to rest, but the boat is fine."
    workspace(tmp_path)
    assert read(tmp_path, text).kind is Kind.REPLY
    workspace(tmp_path, de='not_interested: ["laid the matter * rest"]\n')
    reading = read(tmp_path, text)
    assert (reading.kind, reading.evidence) == (
        Kind.NOT_INTERESTED,
        'not interested: they wrote "laid the matter to rest"',
    )


def test_a_wish_to_be_left_alone_in_the_words_of_the_trade(tmp_path: Path) -> None:
    workspace(tmp_path, en='unsubscribe: ["haul down your flag"]\n')
    assert read(tmp_path, "Kindly haul down your flag, sir.").kind is Kind.UNSUBSCRIBE


def test_the_example_of_the_docs(tmp_path: Path) -> None:
    assert mistakes(tmp_path, en=EXAMPLE) == []
    workspace(tmp_path / "without")
    wanted = {
        "Hold it for me!": Kind.INTERESTED,
        "Do you take a trade-in?": Kind.INTERESTED,
        "Please tear up my card.": Kind.UNSUBSCRIBE,
        "We have sold our camper.": Kind.NOT_INTERESTED,
    }
    assert {text: read(tmp_path, text).kind for text in wanted} == wanted
    assert {text: read(tmp_path / "without", text).kind for text in wanted} != wanted


def test_a_live_workspace_has_them(tmp_path: Path) -> None:
    loaded = load(workspace(tmp_path, en="question: [how big]\n"), ENVIRON)
    assert loaded.workspace is not None
    assert loaded.workspace.phrases == {"en": {"question": {"anywhere": ("how big",)}}}


# Mistakes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line", "column", "code", "words"),
    [
        ("intersted: [yes please]\n", 1, 1, "unknown-kind", "did you mean `interested`?"),
        ("out_of_office: [away]\n", 1, 1, "unknown-kind", "written by machines"),
        ("interested:\n  anywere: [yes please]\n", 2, 3, "unknown-key", "did you mean `anywhere`?"),
        ("interested:\n  - good one\n  - ''\n", 3, 5, "empty", "an empty phrase"),
        ("interested:\n  -\n", 2, 4, "empty", "an empty phrase"),
        ("interested: []\n", 1, 1, "empty", "no phrase"),
        ("interested:\n", 1, 12, "empty", "an empty phrase"),
        ("interested:\n  whole: [[a, b]]\n", 2, 11, "shape", "expected a phrase"),
        ("- interested\n", 1, 1, "shape", "expected kinds"),
        ('interested: ["*"]\n', 1, 14, "phrase", "needs a word"),
        ('interested: ["[please] *"]\n', 1, 14, "phrase", "match almost any mail"),
        ('interested: ["(yes|)"]\n', 1, 14, "phrase", "match almost any mail"),
        ('interested: ["a*"]\n', 1, 14, "phrase", "match almost any mail"),
        ('interested: ["(yes"]\n', 1, 14, "phrase", "not closed with )"),
        ('interested: ["yes)"]\n', 1, 14, "phrase", "not opened"),
        ('interested: ["(yes]"]\n', 1, 14, "phrase", "not closed with )"),
        ('interested: ["yes|no"]\n', 1, 14, "phrase", "alternatives in (brackets)"),
        (f'interested: ["{"x" * 1001}"]\n', 1, 14, "phrase", "at most 1000"),
        ("interested: [yes]\ninterested: [no]\n", 2, 1, "duplicate-key", "stands here twice"),
        ("interested: [yes\n", 1, 13, "yaml", ""),
    ],
)
def test_every_mistake_has_its_place(tmp_path: Path, text: str, line: int, column: int, code: str, words: str) -> None:
    (problem,) = mistakes(tmp_path, en=text)
    assert places([problem]) == [("phrases/en.yaml", line, column, code)]
    assert words in f"{problem.message} {problem.hint}"
    assert load(tmp_path, ENVIRON).workspace is None  # the last good version stays in force


@pytest.mark.parametrize(
    ("name", "hint"),
    [("english", "en.yaml"), ("EN", "en.yaml"), ("jp", "ja.yaml"), ("de-AT", "de.yaml"), ("x", "en.y")],
)
def test_a_file_is_called_by_its_language(tmp_path: Path, name: str, hint: str) -> None:
    (problem,) = mistakes(tmp_path, **{name: "question: [how big]\n"})
    assert places([problem]) == [(f"phrases/{name}.yaml", 0, 0, "language")]
    assert hint in problem.hint


def test_one_file_a_language(tmp_path: Path) -> None:
    workspace(tmp_path, de="question: [wie lang]\n")
    (tmp_path / "phrases" / "de.yml").write_text("question: [wie breit]\n")
    (problem,) = [problem for problem in problems_of(tmp_path) if problem.file.startswith("phrases")]
    assert problem.code == "duplicate-name"


def test_one_letter_may_be_a_whole_answer(tmp_path: Path) -> None:
    assert mistakes(tmp_path, en="interested: {whole: [y]}\n", ja="interested: [要]\n") == []


PIECES = st.sampled_from(
    [
        "yes",
        "no",
        "a",
        "*",
        "#",
        "n't",
        "(",
        ")",
        "[",
        "]",
        "|",
        " ",
        "  ",
        "ß",
        "é",
        "unsub*",
        "要",
        "。",
        "-",
        "_",
        "'",
    ]
)


@settings(max_examples=2000, deadline=None)
@given(st.lists(PIECES, max_size=14).map("".join) | st.text(max_size=30))
def test_what_is_accepted_here_is_what_the_reader_can_read(phrase: str) -> None:
    """Two neighbours that do not import each other, and one language of phrases."""
    needed = letters_needed(phrase)
    try:
        compiled = compile_phrase(phrase)
    except PhraseProblem:
        assert isinstance(needed, str) or needed == 0  # too short here, all of it may be missing there
        return
    assert isinstance(needed, int), needed
    assert re.match(compiled.body, "") is None, "what matches nothing at all matches everything"
