"""docs/architecture.md shows the state table as it is."""

from __future__ import annotations

from pathlib import Path

from sequencer.core.diagram import mermaid
from sequencer.core.model import Status

PAGE = Path(__file__).parents[2] / "docs" / "architecture.md"
BEGIN, END = "<!-- state diagram -->\n", "<!-- /state diagram -->"


def test_the_page_shows_the_table() -> None:
    shown = PAGE.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]
    assert shown == f"```mermaid\n{mermaid()}\n```\n", "run: python tools/refresh.py"


def test_every_status_is_drawn() -> None:
    drawn = mermaid()
    assert all(f"--> {status}" in drawn or f"{status} -->" in drawn for status in Status)
