"""Pictures of what commands print: a terminal window as SVG, drawn from the very output.

Nothing is fetched to show one: no font, no script, no style from elsewhere. Every line is stretched to its number of
columns, so that columns stand below each other whatever font the reader has.
"""

from __future__ import annotations

import re
import textwrap
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

CELL: Final = 8.0
LINE: Final = 19.0
PAD: Final = 18.0
BAR: Final = 34.0
WIDTH: Final = 100
"""Columns of the terminal."""

LEAST: Final = 64
"""Columns of the narrowest window."""

FONT: Final = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', 'Liberation Mono', monospace"
STYLE: Final = (
    f"text{{font:13px {FONT};fill:#e6e6e6;white-space:pre}}"
    ".typed{fill:#ffffff;font-weight:bold}.prompt{fill:#7ee08a}.dim{fill:#8b949e}.bar{fill:#8b949e}"
)


@dataclass(frozen=True, slots=True)
class Frame:
    """A command and what it printed. Of a long output, so many lines from its beginning and its end (0: all)."""

    command: str
    output: str
    head: int = 0
    tail: int = 0

    def lines(self) -> list[str]:
        """The lines to draw; a line `…` stands for those left out."""
        lines = [part for line in self.output.strip("\n").splitlines() for part in broken(line)]
        if not self.head or len(lines) <= self.head + self.tail:
            return lines
        return [*lines[: self.head], "…", *(lines[-self.tail :] if self.tail else [])]


def broken(line: str) -> list[str]:
    """A line in pieces that fit the window, broken at blanks; what follows is indented as the line is."""
    indent = " " * (len(line) - len(line.lstrip()))
    return textwrap.wrap(
        line.strip(), WIDTH, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False
    ) or [""]


def drawn(frames: Sequence[Frame]) -> str:
    """The picture of one window in which these were typed one after the other. The same frames give the same bytes."""
    rows = [row for frame in frames for row in [(frame.command, True), *((line, False) for line in frame.lines())]]
    columns = max([LEAST, *(cells(line) + 2 * typed for line, typed in rows)])
    width, height = columns * CELL + 2 * PAD, BAR + len(rows) * LINE + 2 * PAD - 6
    said = escape("A terminal. Typed: " + "; then: ".join(frame.command for frame in frames), quote=False)
    text = "\n".join(f"$ {line}" if typed else line for line, typed in rows)
    body = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" role="img">',
        f"<title>{said}</title>",
        f"<desc>{escape(text, quote=False)}</desc>",
        f"<style>{STYLE}</style>",
        f'<rect width="{width:g}" height="{height:g}" rx="9" fill="#1b1f24"/>',
        *(f'<circle cx="{20 + 18 * n}" cy="17" r="5.5" fill="{colour}"/>' for n, colour in enumerate(_LIGHTS)),
        f'<text x="{width / 2:g}" y="21" text-anchor="middle" class="bar">Terminal</text>',
    ]
    for number, (line, typed) in enumerate(rows):
        y = BAR + PAD + number * LINE
        if typed:
            body.append(_text("$", PAD, y, "prompt") + _text(line, PAD + 2 * CELL, y, "typed"))
        else:
            body.append(_text(line, PAD, y, "dim" if line == "…" else ""))
    return "\n".join([*(line for line in body if line), "</svg>"]) + "\n"


_LIGHTS: Final = ("#ff5f57", "#febc2e", "#28c840")


def _text(line: str, x: float, y: float, kind: str) -> str:
    """A line, in pieces wherever it has two blanks: each stands where its column begins, whatever the font."""
    style = f' class="{kind}"' if kind else ""
    pieces = []
    for found in re.finditer(r"\S+(?: \S+)*", line):
        words = found[0]
        left = x + cells(line[: found.start()]) * CELL
        length = f' textLength="{cells(words) * CELL:g}"' if len(words) > 1 else ""
        pieces.append(f'<text x="{left:g}" y="{y:g}"{length}{style}>{escape(words, quote=False)}</text>')
    return "".join(pieces)


def cells(line: str) -> int:
    """How many columns a terminal gives to a line."""
    wide = sum(unicodedata.east_asian_width(char) in "WF" for char in line)
    return len(line) + wide - sum(unicodedata.combining(char) > 0 for char in line)
