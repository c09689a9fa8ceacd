"""Plays the pages and writes what came of it: outputs in their blocks, pictures in docs/pictures/."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tools.pages.files import REPOSITORY
from tools.pages.play import play

PICTURES: Final = REPOSITORY / "docs" / "pictures"


def played_pages() -> list[Path]:
    """Every page whose examples are run."""
    pages = ("README.md", "CONTRIBUTING.md")
    return [*(REPOSITORY / name for name in pages), *sorted((REPOSITORY / "docs").glob("*.md"))]


def renew(names: list[str]) -> int:
    """Plays these pages (all of them, if none is named), and says what was put right and what is wrong.

    The exit code: 1 when something is left that only a person can mend.
    """
    left = 0
    for path in played_pages():
        if names and path.name not in names:
            continue
        text = path.read_text("utf-8")
        played = play(path.name, text)
        if played.text != text:
            path.write_text(played.text, "utf-8")
            print(f"{path.relative_to(REPOSITORY)}: outputs")
        for name, drawing in played.pictures.items():
            if not (PICTURES / name).exists() or (PICTURES / name).read_text("utf-8") != drawing:
                PICTURES.mkdir(exist_ok=True)
                (PICTURES / name).write_text(drawing, "utf-8")
                print(f"docs/pictures/{name}")
        for mistake in played.mistakes:
            print(mistake)
        left += len(played.mistakes)
    return 1 if left else 0
