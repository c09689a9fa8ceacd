"""Whatever stands in the files, only problems come out: no exception, no endless work, no secret."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sequencer.cli.problems import explained, workflow_command
from sequencer.core.when import PhraseError
from sequencer.workspace.check import check
from sequencer.workspace.check_rehearsals import mistakes_in
from sequencer.workspace.config import read_config
from sequencer.workspace.expectations import parse_expectation
from sequencer.workspace.rehearsals import read_rehearsals_text
from sequencer.workspace.sequences import load_sequence_text
from sequencer.workspace.source import Problem, read_yaml
from sequencer.workspace.templates import (
    BrokenTemplate,
    Rendered,
    Templates,
    Unfilled,
    default_footer,
    parse_template,
    render,
)
from tests.workspace.folders import CONFIG, ENVIRON, HELLO, REPOSITORY, write_workspace
from tools.refresh import MODELS

QUIET = settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
SEQUENCE = (REPOSITORY / "sequences" / "quote-follow-up.yaml").read_text("utf-8")
TEMPLATE = (
    "---\nsubject: 'About {{ product }}'\ntags: [x]\n---\n"
    "{% if company %}**{{ company }}**{% endif %} {{ a | default('b') }}\n"
)

SIGNS = [
    "{{",
    "}}",
    "{%",
    "%}",
    "{",
    "}",
    "[",
    "]",
    ": ",
    "- ",
    "\n",
    "\n  ",
    "\t",
    '"',
    "'",
    "|",
    ">",
    "#",
    "? ",
    "---\n",
]
WORDS = [
    "null",
    "~",
    "no",
    "true",
    "0",
    "-1",
    "9" * 20,
    "1e999",
    "2026-02-30",
    "08:30",
    "é",
    "\x00",
    "\ud800",
    "\ue000",
]
PARTS = ["go_to: thanks", "steps:", "when: ", "5 days later", "stop:", "${X}", "${MARK_PASSWORD}", "file:/etc/passwd"]
SNIPPETS = st.sampled_from([*SIGNS, *WORDS, *PARTS, "<<: *a", "&a ", "*a", "!x "])


@st.composite
def mutations(draw: st.DrawFn, text: str) -> str:
    """A text with some pieces cut out, doubled, moved or replaced."""
    for _ in range(draw(st.integers(1, 5))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 40)))
        piece = text[start:end]
        new = draw(st.one_of(st.just(""), st.just(piece * 2), SNIPPETS, st.text(max_size=8)))
        text = text[:start] + new + text[end:]
    return text


def assert_problems(problems: list[Problem], text: str) -> None:
    lines = text.count("\n") + text.count("\r") + 2
    for problem in problems:
        assert problem.message
        assert problem.code
        assert 0 <= problem.line <= lines, problem
        assert problem.column >= 0
        assert "\n" not in str(problem)
        for jargon in ("Traceback", "pydantic", "object at 0x", "<class"):
            assert jargon not in str(problem)


TREES = st.recursive(
    st.none() | st.text(max_size=10) | SNIPPETS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8) | SNIPPETS, inner, max_size=4),
    max_leaves=20,
)
KEYS = sorted({info.alias or name for model in MODELS.values() for name, info in model.model_fields.items()})


def flow_style(tree: object) -> str:
    """Nested data as YAML that is always well-formed, so that the schemas get to see it."""
    match tree:
        case dict():
            return "{" + ", ".join(f"{flow_style(key)}: {flow_style(value)}" for key, value in tree.items()) + "}"
        case list():
            return "[" + ", ".join(map(flow_style, tree)) + "]"
        case None:
            return "~"
        case _:
            text = "".join(char for char in str(tree) if char.isprintable())
            return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


@QUIET
@given(st.text() | mutations(SEQUENCE))
def test_any_text_is_a_sequence_or_problems(text: str) -> None:
    sequence, problems = load_sequence_text("plan", text)
    assert (sequence is None) == any(problem.severity == "error" for problem in problems)
    assert_problems(problems, text)


@QUIET
@given(
    st.dictionaries(
        st.sampled_from(KEYS), TREES | st.dictionaries(st.sampled_from(KEYS), TREES, max_size=4), max_size=6
    )
)
def test_any_shape_is_a_sequence_or_problems(tree: dict[str, object]) -> None:
    text = flow_style(tree)
    document, broken = read_yaml("f.yaml", text)
    assert {problem.code for problem in broken} <= {"duplicate-key"}
    assert isinstance(document.data, dict)
    assert set(document.data) == set(tree)
    sequence, problems = load_sequence_text("plan", text)
    assert (sequence is None) == any(problem.severity == "error" for problem in problems)
    assert_problems(problems, text)


@QUIET
@given(st.text() | mutations(CONFIG) | mutations((REPOSITORY / "config.yaml").read_text("utf-8")))
def test_any_text_is_a_config_or_problems(text: str) -> None:
    _, config, problems = read_config(text, Path("/nowhere"), ENVIRON)
    assert (config is None) == any(problem.severity == "error" for problem in problems)
    assert_problems(problems, text)
    assert ENVIRON["MARK_PASSWORD"] not in "".join(map(repr, problems)) + repr(config)


@QUIET
@given(
    st.text() | mutations(TEMPLATE) | mutations(HELLO),
    st.dictionaries(st.sampled_from(["a", "product", "company"]), st.text()),
)
def test_any_text_is_a_template_or_problems(text: str, variables: dict[str, str]) -> None:
    template, problems = parse_template("t", text, "templates/t.md", Path("t.md"))
    assert_problems(problems, text)
    assert (template is None) == bool(problems)
    if template is not None:
        templates = Templates({"t": template}, default_footer())
        result = render(templates, "t", {"our": {"name": "A", "address": "B"}, **variables})
        assert isinstance(result, Rendered | Unfilled | BrokenTemplate)
        if isinstance(result, Rendered):
            assert "\n" not in result.subject
            assert "<script" not in (result.html or "")


EXPRESSIONS = st.recursive(
    st.sampled_from(
        ["a", "b", "missing", "'x'", "3", "0", "10**9", "range(9)", "[a, b]", "none", "true", "a.b", "''.__class__"]
    ),
    lambda inner: st.one_of(
        st.tuples(
            inner, st.sampled_from(["+", "-", "*", "/", "//", "%", "**", "~", "==", "<", "in", "and", "or"]), inner
        )
        .map(" ".join)
        .map("({})".format),
        st.tuples(
            inner,
            st.sampled_from(
                ["upper", "length", "join", "default('y')", "replace('x', 'yy')", "round(2)", "list", "sum", "date"]
            ),
        )
        .map(" | ".join)
        .map("({})".format),
        inner.map("(not {})".format),
        inner.map("({}[0])".format),
        inner.map("({}())".format),
    ),
    max_leaves=8,
)


@QUIET
@given(
    EXPRESSIONS,
    st.sampled_from(["{{{{ {} }}}}", "{{% if {} %}}x{{% endif %}}", "{{% for i in {} %}}{{{{ i }}}}{{% endfor %}}"]),
)
def test_any_expression_has_an_outcome(expression: str, frame: str) -> None:
    template, problems = parse_template(
        "t", f"---\nsubject: s\n---\n{frame.format(expression)}", "templates/t.md", Path("t.md")
    )
    if template is None:
        assert_problems(problems, expression * 5)
        return
    templates = Templates({"t": template}, default_footer())
    result = render(templates, "t", {"a": "text <b>", "b": 7, "our": {"name": "A", "address": "B"}})
    assert isinstance(result, Rendered | Unfilled | BrokenTemplate)


REHEARSAL = (REPOSITORY / "sequences" / "quote-follow-up.test.yaml").read_text("utf-8")
SCALARS = st.text(max_size=8) | st.none() | st.sampled_from(["2026-12-18", "1 day", "never", "paused", "hello on 2"])
REHEARSALS = st.lists(
    st.dictionaries(
        st.sampled_from(["start", "expect", "reply", "contact", "set", "without", "tasks", "name", "mailbox", "x"]),
        SCALARS | st.lists(SCALARS, max_size=3) | st.dictionaries(st.sampled_from(["after", "in", "says"]), SCALARS),
    ),
    max_size=3,
)


@QUIET
@given(st.text() | mutations(REHEARSAL) | REHEARSALS.map(flow_style))
def test_any_text_is_rehearsals_or_problems(text: str) -> None:
    draft, problems = read_rehearsals_text("plan", text, "sequences/plan.test.yaml")
    plan, _ = load_sequence_text("plan", SEQUENCE)
    problems += mistakes_in(draft, {"plan": plan}, frozenset({"mark"}))
    assert draft.rehearsals or any(problem.severity == "error" for problem in problems)
    assert_problems(problems, text)


@QUIET
@given(st.text() | mutations("article between 2026-12-28 and 2027-01-05 because of that"))
def test_any_line_is_an_expectation_or_has_a_way_out(text: str) -> None:
    try:
        read = parse_expectation(text)
    except PhraseError as error:
        message, hint = error.message, error.hint
    else:
        message, hint = read.text, " ".join(text.split())
        assert message == hint
    assert message
    assert hint


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_workspace_is_checked_to_the_end(data: st.DataObject) -> None:
    def some(text: str) -> str:
        return data.draw(st.just(text) | mutations(text))

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        writers: list[Callable[[], Path]] = [
            lambda: write_workspace(
                folder,
                config=printable(some(CONFIG)),
                sequences={"plan": printable(some(SEQUENCE)), "plan.test": printable(some(REHEARSAL))},
                templates={"hello": printable(some(HELLO))},
            )
        ]
        writers[0]()
        for problem in check(folder, ENVIRON):
            assert problem.file.split("/")[0] in ("config.yaml", "sequences", "templates")
            assert ENVIRON["MARK_PASSWORD"] not in repr(problem)


def printable(text: str) -> str:
    """What a file in UTF-8 can hold."""
    return text.encode("utf-8", "replace").decode()


@pytest.mark.parametrize(
    "raw",
    [
        b"\xff\xfe\x00",
        b"[" * 90_000,
        b"\x00" * 100,
        b"\xef\xbb\xbf",
        b"\r\r\r",
        b"%" * 1000,
        b"- " * 5000,
        b"a: " * 5000,
    ],
)
def test_any_bytes_in_any_file(tmp_path: Path, raw: bytes) -> None:
    folder = write_workspace(tmp_path)
    for name in (
        "config.yaml",
        "sequences/plan.yaml",
        "sequences/plan.test.yaml",
        "templates/hello.md",
        "contacts.csv",
    ):
        (folder / name).write_bytes(raw)
    problems = check(folder, ENVIRON)
    assert {"config.yaml", "sequences/plan.yaml"} <= {
        problem.file for problem in problems if problem.severity == "error"
    }


def test_folders_in_the_place_of_files(tmp_path: Path) -> None:
    for name in ("config.yaml", "sequences/plan.yaml", "templates/hello.md"):
        (tmp_path / name).mkdir(parents=True)
    assert {problem.code for problem in check(tmp_path, ENVIRON)} >= {"unreadable"}


FILES = ["config.yaml", "sequences/plan.yaml", "sequences/plan.test.yaml", "templates/hello.md", "phrases/en.yaml"]
BYTES = st.one_of(
    st.binary(max_size=400),
    st.sampled_from([b"\xef\xbb\xbf", b"\xff\xfe", b"\x00", b"\r", b"\xed\xa0\x80", b"\xc2\x85", b"\xe2\x80\xa8"]).map(
        lambda b: b * 3
    ),
    mutations(SEQUENCE).map(lambda text: text.encode("utf-8", "surrogatepass")),
    mutations(TEMPLATE).map(lambda text: text.encode("utf-16", "surrogatepass")),
    mutations(CONFIG).map(lambda text: text.encode("latin-1", "replace")),
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(FILES), BYTES, min_size=1))
def test_whatever_bytes_a_file_holds_check_tells_its_mistakes_in_every_form(files: dict[str, bytes]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = write_workspace(Path(name))
        for file, content in files.items():
            path = folder / file
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)
        problems = check(folder, ENVIRON)
        shown = explained(folder, problems)
        assert len([line for line in shown if not line]) == len(problems), "one for each, with an empty line behind it"
        for problem in problems:
            command = workflow_command(folder, problem)
            assert re.fullmatch(
                r"::(error|warning) file=[^,\n]+(,line=\d+,col=\d+)?(,endColumn=\d+)?,title=[a-z0-9-]+::[^\n\r]+",
                command,
            )
        for line in shown:
            assert "\n" not in line
            assert ENVIRON["MARK_PASSWORD"] not in line
