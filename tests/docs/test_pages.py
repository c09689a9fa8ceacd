"""Every example of every page is run, and shows what is so: `python tools/refresh.py pages` puts outputs right."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

import pytest

from sequencer import __version__
from tools.pages.markdown import Block, Direction, agrees, commands, exchanges, parts_of, renewed
from tools.pages.pictures import CELL, WIDTH, Frame, drawn
from tools.pages.play import play
from tools.pages.renew import PICTURES, played_pages

NOT_RUN: Final = {"README.md": 3, "CONTRIBUTING.md": 1}
"""How many blocks of a page are not run; each says why in the page's source. It may become fewer, not more."""

SYNTAX_ONLY: Final = {"README.md": 1, "marketers.md": 1, "operating.md": 4}
"""How many are only read by a shell."""

LEAST: Final = {
    ("sequences.md", "yaml"): 15,
    ("configuration.md", "yaml"): 5,
    ("templates.md", "template"): 4,
    ("commands.md", "console"): 20,
    ("marketers.md", "sh"): 20,
}
"""How many examples a page has at the least: none may go unseen because it is written in another way."""

PAGES: Final = played_pages()


def named(page: Path) -> str:
    return page.name


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_example_runs_and_shows_what_is_so(page: Path) -> None:
    played = play(page.name, page.read_text("utf-8"))
    assert played.mistakes == []
    assert played.stale == [], "python tools/refresh.py pages"
    old = [
        name
        for name, drawing in played.pictures.items()
        if not (PICTURES / name).exists() or (PICTURES / name).read_text("utf-8") != drawing
    ]
    assert old == [], "python tools/refresh.py pages"
    for (name, info), least in LEAST.items():
        assert name != page.name or played.blocks[info] >= least
    assert len(played.not_run) == NOT_RUN.get(page.name, 0), played.not_run
    assert len(played.syntax_only) == SYNTAX_ONLY.get(page.name, 0), played.syntax_only


def test_every_picture_is_shown_and_asks_nobody_else_for_anything() -> None:
    shown = {
        found
        for page in PAGES
        for found in re.findall(r"!\[[^\]]+\]\((?:docs/)?pictures/([\w.-]+)\)", page.read_text("utf-8"))
    }
    there = {path.name for path in PICTURES.glob("*")}
    assert shown == there
    for path in PICTURES.glob("*.svg"):
        text = path.read_text("utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"url\((?!#)|@import|@font-face|<script|href=|<image", text), path.name
        assert path.stat().st_size < 150_000, path.name


# What the player itself finds -----------------------------------------------------------------------


def test_a_page_is_taken_apart() -> None:
    page = "# One\n<!-- docs: new starter -->\n```console\n$ a\nb\n```\n<!-- docs\nfile x\n  1\n\n  2\nat 3\n-->\n"
    assert [type(part).__name__ for part in parts_of(page)] == [
        "Heading",
        "Direction",
        "Block",
        "Direction",
        "Direction",
    ]
    block, file, at = list(parts_of(page))[2:]
    assert isinstance(block, Block)
    assert isinstance(file, Direction)
    assert isinstance(at, Direction)
    assert (block.line, block.info, page[block.offset :][:3]) == (4, "console", "$ a")
    assert (file.text, file.below, at.text, at.line) == ("file x", "1\n\n2\n", "at 3", 12)


def test_commands_are_told_from_their_output() -> None:
    (one, two) = exchanges("$ sequencer why \\\n    anna\nA\n\nB\n$ ls\n")
    assert (one.command, one.output) == ("sequencer why \\\n    anna", "A\n\nB")
    assert (two.command, two.output) == ("ls", "")
    assert commands("# first\nls   # here\n\na \\\n  b '#c'\n") == ["ls", "a b '#c'"]


@pytest.mark.parametrize(
    ("shown", "real", "same"),
    [
        ("a\nb\n", "a\nb\n\n", True),
        ("a\n…\nc", "a\nb\nb\nc", True),
        ("a\n…\nc", "a\nc", True),
        ("a\n…", "b\nc", False),
        ("took … s", "took 0.3 s", True),
        ("took … s", "took 0.3 s, really", False),
        ("a  ", "a", True),
        ("  a", "a", False),
    ],
)
def test_what_is_shown_against_what_is_so(shown: str, real: str, same: bool) -> None:
    assert agrees(shown, real) is same


def test_a_stale_output_keeps_its_length() -> None:
    assert renewed("a\n…\nz", "1\n2\n3\n4\n") == "1\n…\n4"
    assert renewed("a\nb", "1\n2\n3\n") == "1\n2\n3"
    assert renewed("a\n…\nb\n5\n…\nz", "1\n2\n3\n4\n5\n6\n7\n") == "1\n…\n4\n5\n…\n7"
    assert renewed("a\n…\ngone\n…\nz", "1\n2\n3\n") == "1\n…\n3"


ROW: Final = '| `--json` | `[{"file", "frob"}]` |'
STARTER: Final = "<!-- docs: new starter -->\n"


@pytest.mark.parametrize(
    ("page", "words"),
    [
        (f"{STARTER}```sh\nsequencer preview nothing\n```\n", "ended with 2"),
        (f"{STARTER}```sh\nsudo reboot\n```\n", "no command that can be played"),
        ("```console\n$ sequencer check\n```\n", "before the first command"),
        ("```\nsequencer check\n```\n", "nobody knows how to run"),
        ("```yaml\nfrom: mark\nstpes: []\n```\n", "stpes"),
        ("```template\n---\nsubject: x\n---\n{{ first_name\n```\n", "example"),
        ("<!-- docs: syntax only: x -->\n```sh\nif true; then\n```\n", "yntax error"),
        ("<!-- docs: dance -->\n", "no stage direction"),
        (f"{STARTER}<!-- docs: as excerpt of config.yaml -->\n```yaml\ncompany: us\n```\n", "does not stand in config"),
        (f"{STARTER}<!-- docs: change config.yaml: mark => x -->\n", "times in config.yaml"),
        (f"{STARTER}<!-- docs: picture one: sequencer version -->\n", "does not show pictures/one.svg"),
        (f"{STARTER}<!-- docs: at 2026-01-01 09:00 -->\n", "past already"),
        (f"{STARTER}<!-- docs: reply anna@example.com: yes -->\n", "no mail has reached"),
        (
            f"## sequencer check\n\n{ROW}\n\n{STARTER}<!-- docs: json sequencer check --json -->\n",
            "not there ['file', 'frob']",
        ),
    ],
)
def test_what_a_page_must_not_show(page: str, words: str) -> None:
    assert words in "\n".join(play("page.md", page).mistakes)


def test_a_stale_page_is_found_and_put_right() -> None:
    page = f"{STARTER}```console\n$ sequencer version\nsequencer 0.0.0\n```\n"
    played = play("page.md", page)
    assert len(played.stale) == 1
    again = play("page.md", played.text)
    assert (again.stale, again.mistakes, again.text) == ([], [], played.text)


def test_a_picture_shows_what_was_typed_and_what_came() -> None:
    page = f"{STARTER}<!-- docs: picture one -->\n```sh\nsequencer version\n```\n![one](pictures/one.svg)\n"
    (drawing,) = play("page.md", page).pictures.values()
    root = ElementTree.fromstring(drawing)
    words = [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert words == ["Terminal", "$", "sequencer version", f"sequencer {__version__}"]
    assert play("page.md", page).pictures == {"one.svg": drawing}


def test_a_picture_is_harmless_and_keeps_its_columns() -> None:
    drawing = drawn([Frame("x", "a  <b>&\n\n" + "word " * 40, 0, 0)])
    texts = list(ElementTree.fromstring(drawing).iter("{http://www.w3.org/2000/svg}text"))
    assert [text.text for text in texts[3:5]] == ["a", "<b>&"]
    assert float(texts[4].attrib["x"]) - float(texts[3].attrib["x"]) == 3 * CELL
    assert max(len(text.text or "") for text in texts) <= WIDTH
    assert Frame("x", "1\n2\n3\n4\n5", 2, 1).lines() == ["1", "2", "…", "5"]
