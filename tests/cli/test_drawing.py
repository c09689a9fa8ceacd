"""diagram, as people type it."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.cli.shell import data, outcome, run


def test_mermaid_is_printed(shop: Path) -> None:
    said = run("diagram", "quote")
    assert said.startswith("flowchart TD\n")
    assert '"thanks<br/>e-mail thanks"' in said
    assert not (shop / "data").exists()


def test_svg_goes_into_a_file_with_the_people_who_are_there(shop: Path) -> None:
    assert "quote.svg: quote, without people" in run("diagram", "quote", "--out", "quote.svg")
    run("enroll", "quote", "anna@example.com")
    assert "quote.svg: quote, with where its people are now" in run("diagram", "quote", "--out", "quote.svg")
    root = ET.parse(shop / "quote.svg").getroot()
    assert "1 here: 1 active" in [element.text for element in root.iter()]
    assert ET.fromstring(run("diagram", "quote", "--format", "svg")).tag.endswith("svg")


def test_a_markdown_file_gets_its_fence(shop: Path) -> None:
    run("diagram", "quote.yaml", "--out", "quote.md")
    text = (shop / "quote.md").read_text("utf-8")
    assert text.startswith("```mermaid\nflowchart TD\n")
    assert text.endswith("```\n")


def test_json_has_the_boxes_the_ways_and_the_people(shop: Path) -> None:
    told = data("diagram", "quote", "--json")
    assert {"sequence", "nodes", "edges", "answers", "people"} == set(told)
    assert told["people"] is None
    run("enroll", "quote", "anna@example.com")
    told = data("diagram", "quote", "--json")
    assert told["people"] == {"open": 1, "elsewhere": {}, "finished": 0, "stopped": 0}
    thanks = next(node for node in told["nodes"] if node["id"] == "thanks")
    assert thanks["people"] == {"active": 1, "paused": 0, "snoozed": 0, "held": 0}
    assert {"from": "thanks", "to": "call", "way": "next", "label": "4 days later"} in told["edges"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("quot",), 2, "did you mean `quote`?"),
        (("quote", "--format", "png"), 2, "there is no format “png”: svg or mermaid"),
        (("quote", "--out", "quote.png"), 2, "call it .svg or .mmd"),
        (("quote", "--out", "nowhere/quote.svg"), 1, "cannot be written: there is no folder nowhere"),
    ],
)
def test_what_does_not_go(shop: Path, arguments: tuple[str, ...], code: int, words: str) -> None:
    result = outcome("diagram", *arguments)
    assert result.exit_code == code
    assert words in result.output


def test_a_database_that_cannot_be_read_does_not_stand_in_the_way(shop: Path) -> None:
    (shop / "data").mkdir()
    (shop / "data" / "sequencer.db").write_text("this is no database " * 100)
    result = outcome("diagram", "quote")
    assert result.exit_code == 0
    assert "drawn without people: " in result.stderr
    assert result.stdout.startswith("flowchart TD")
