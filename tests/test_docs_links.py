"""Whoever follows the pages arrives: links and anchors lead somewhere, commands, options, targets and files exist."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import typer.main

from sequencer.cli.main import app

REPOSITORY: Final = Path(__file__).resolve().parents[1]
PAGES: Final = [REPOSITORY / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")] + sorted(
    (REPOSITORY / "docs").glob("*.md")
)
COMMENTED: Final = [REPOSITORY / "config.yaml", *sorted((REPOSITORY / "sequences").glob("*.yaml"))]
"""Files of the starter, whose comments name commands too."""

LINK: Final = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
FENCE: Final = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SPAN: Final = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
OURS: Final = ("sequencer", "docs", "tests", "tools", "benchmarks", "templates", "sequences", ".ci")

PLANNED: Final = {"repeat"}
"""Keys that the pages say are not there yet; `check` says it, too."""

# What a workspace may have, or what an example calls its own.
EXAMPLES: Final = re.compile(
    r"sequences/(?:NAME|\*|example|quote-follow-up)(?:\.test)?\.yaml|templates/(?:NAME|\*|articles/\*|articles/frost)(?:\.md)?|"
    r"phrases/(?:\*|[a-z]{2})\.yaml|sequencer/[a-z_*]+/?"
)


def named(path: Path) -> str:
    return str(path.relative_to(REPOSITORY))


def anchors(page: Path) -> set[str]:
    """The anchors of the headings, as the usual hosts make them."""
    text = FENCE.sub("", page.read_text("utf-8"))
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_link_leads_somewhere(page: Path) -> None:
    lost = []
    for target in LINK.findall(FENCE.sub("", page.read_text("utf-8"))):
        if re.match(r"https?:|mailto:", target):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        if not there.exists() or (anchor and anchor not in anchors(there)):
            lost.append(target)
    assert lost == []


def test_every_page_is_linked_from_the_readme_or_from_a_page_that_is() -> None:
    reached, ahead = set(), [REPOSITORY / "README.md"]
    while ahead:
        page = ahead.pop()
        if page in reached or page.suffix != ".md" or not page.exists():
            continue
        reached.add(page)
        ahead += [(page.parent / link.partition("#")[0]).resolve() for link in LINK.findall(page.read_text("utf-8"))]
    assert [named(page) for page in PAGES if page not in reached] == []


# Commands -----------------------------------------------------------------------------------------


def options_of(command: Any) -> set[str]:
    return {option for parameter in command.params for option in parameter.opts} | {"--help", "-h"}


def amiss(words: list[str]) -> str:
    """What is wrong with a command line as far as its words tell: an unknown command or option. Empty if nothing."""
    command: Any = typer.main.get_command(app)
    rest = words[1:]
    while rest and rest[0].startswith("-"):
        if rest[0] not in options_of(command):
            return f"no option {rest[0]}"
        rest = rest[2:] if rest[0] in ("-C", "--workspace") else rest[1:]
    while rest and rest[0] in getattr(command, "commands", {}):
        command, rest = command.commands[rest[0]], rest[1:]
    if getattr(command, "commands", {}) and not getattr(command, "invoke_without_command", False) and rest:
        return "" if rest[0] in ("COMMAND", "…") else f"no command {rest[0]}"
    wrong = [word for word in rest if word.startswith("-") and word.partition("=")[0] not in options_of(command)]
    return f"no option {wrong[0]}" if wrong else ""


def command_lines(page: Path) -> Iterator[tuple[str, bool]]:
    """Every line that calls the program, and whether it stands in a block of its own (else in running text)."""
    text = page.read_text("utf-8")
    if page.suffix == ".yaml":
        for line in re.findall(r"^ *#\s+(sequencer [a-z].*)$", text, re.MULTILINE):
            yield re.split(r"\s{2,}", line)[0].removesuffix("\\"), True
        return
    for _, block in FENCE.findall(text):
        for line in block.splitlines():
            line = re.split(r"\s{2,}#|\s{2,}\S*$", line.strip().removeprefix("$ "))[0]
            if line.startswith("sequencer "):
                yield line, True
    for span in SPAN.findall(FENCE.sub("", text)):
        if span.startswith("sequencer ") and span.strip() != "sequencer":
            yield span, False


def all_commands() -> list[Any]:
    return [
        pytest.param(line, id=f"{named(page)}: {line}"[:90])
        for page in (*PAGES, *COMMENTED)
        for line in dict.fromkeys(line for line, _ in command_lines(page))
    ]


@pytest.mark.parametrize("line", all_commands())
def test_every_command_that_a_page_names_exists(line: str) -> None:
    line = re.sub(r"[|>].*", "", line) if "|" not in line.split(" --")[-1] else re.sub(r"\|\S+", "", line)
    assert amiss(shlex.split(line)) == ""


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("sequencer statsu", "statsu"),
        ("sequencer why --joson anna@example.com", "--joson"),
        ("sequencer tasks undone 1", ""),  # an argument, as far as the words tell
        ("sequencer db downgrade", "downgrade"),
        ("sequencer -C there check --connect", ""),
    ],
)
def test_what_the_test_above_finds(line: str, words: str) -> None:
    assert words in amiss(shlex.split(line))
    assert bool(amiss(shlex.split(line))) == bool(words)


def test_the_readme_calls_what_a_newcomer_can_call() -> None:
    """Make targets and files of the blocks, and the columns that its example promises."""
    text = (REPOSITORY / "README.md").read_text("utf-8")
    make = (REPOSITORY / "Makefile").read_text("utf-8")
    called = re.findall(r"^make (\w+)", "\n".join(block for _, block in FENCE.findall(text)), re.MULTILINE)
    assert {"demo", "test"} <= set(called)
    for target in called:
        assert re.search(rf"^{target}:", make, re.MULTILINE), target
    assert (REPOSITORY / "contacts.example.csv").is_file()


@pytest.mark.parametrize("page", [*PAGES, REPOSITORY / "Makefile"], ids=named)
def test_every_make_target_that_a_page_names_exists(page: Path) -> None:
    make = (REPOSITORY / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z][\w-]*):", make, re.MULTILINE))
    text = page.read_text("utf-8")
    named_here = set(re.findall(r"(?:^|`)make ([a-z][\w-]*)", text, re.MULTILINE))
    assert named_here <= targets


# Files and keys -----------------------------------------------------------------------------------


def files_named(page: Path) -> Iterator[str]:
    """Paths that a page shows as code, without what is an example."""
    for span in SPAN.findall(FENCE.sub("", page.read_text("utf-8"))):
        for word in re.split(r"[\s,]+", span):
            word = word.strip("().;:…")
            if re.fullmatch(rf"(?:{'|'.join(map(re.escape, OURS))})/[\w./*-]*", word):
                yield word


@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "CHANGELOG.md"], ids=named)
def test_every_file_that_a_page_names_exists(page: Path) -> None:
    lost = [
        name
        for name in files_named(page)
        if not EXAMPLES.fullmatch(name) and not (REPOSITORY / name).exists() and not list(REPOSITORY.glob(name))
    ]
    assert lost == []


def test_modules_that_pages_name_exist() -> None:
    """`bounce.py` in a table stands for a module somewhere in the package, `core/decide.py` for that one."""
    modules = [str(path.relative_to(REPOSITORY)) for path in REPOSITORY.glob("*/**/*.py")]
    lost = {
        (named(page), span)
        for page in PAGES
        for span in SPAN.findall(FENCE.sub("", page.read_text("utf-8")))
        if re.fullmatch(r"[\w/]+\.py", span) and not any(f"/{module}".endswith(f"/{span}") for module in modules)
    }
    assert lost == set()


def test_every_key_that_the_pages_of_the_files_name_exists() -> None:
    """`key:` in running text is a key of some file that people write."""
    from tools.refresh import MODELS

    known = {info.alias or key for model in MODELS.values() for key, info in model.model_fields.items()} | PLANNED
    lost = {
        (named(page), span)
        for page in PAGES
        if page.name not in ("CHANGELOG.md", "decisions.md")
        for span in SPAN.findall(FENCE.sub("", page.read_text("utf-8")))
        if re.fullmatch(r"[a-z_]+:", span) and span.removesuffix(":") not in known
    }
    assert lost == set()
