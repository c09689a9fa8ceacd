"""Pictures of what commands print: a terminal window as SVG, drawn from the very output.

Nothing is fetched to show one: no font, no script, no style from elsewhere. Every line is stretched to its number of
columns, so that columns stand below each other whatever font the reader has.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from html import escape
from typing import Final

CELL: Final = 8.0
LINE: Final = 19.0
PAD: Final = 18.0
BAR: Final = 34.0
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
        lines = self.output.strip("\n").splitlines()
        if not self.head or len(lines) <= self.head + self.tail:
            return lines
        return [*lines[: self.head], "…", *(lines[-self.tail :] if self.tail else [])]


def drawn(frame: Frame) -> str:
    """The picture. The same frame gives the same bytes."""
    lines = frame.lines()
    columns = max([LEAST, len(frame.command) + 2, *map(cells, lines)])
    width, height = columns * CELL + 2 * PAD, BAR + (len(lines) + 1) * LINE + 2 * PAD
    said = escape(f"A terminal. Typed: {frame.command}", quote=False)
    body = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" role="img">',
        f"<title>{said}</title>",
        f"<desc>{escape(chr(10).join(lines), quote=False)}</desc>",
        f"<style>{STYLE}</style>",
        f'<rect width="{width:g}" height="{height:g}" rx="9" fill="#1b1f24"/>',
        *(f'<circle cx="{20 + 18 * n}" cy="17" r="5.5" fill="{c}"/>' for n, c in enumerate(_LIGHTS)),
        f'<text x="{width / 2:g}" y="21" text-anchor="middle" class="bar">Terminal</text>',
    ]
    top = BAR + PAD
    body.append(_text("$", PAD, top, "prompt") + _text(frame.command, PAD + 2 * CELL, top, "typed"))
    body += [_text(line, PAD, top + (n + 1) * LINE, "dim" if line == "…" else "") for n, line in enumerate(lines)]
    return "\n".join([*(line for line in body if line), "</svg>"]) + "\n"


_LIGHTS: Final = ("#ff5f57", "#febc2e", "#28c840")


def _text(line: str, x: float, y: float, kind: str) -> str:
    words = line.strip()
    if not words:
        return ""
    indent = cells(line) - cells(line.lstrip())
    style = f' class="{kind}"' if kind else ""
    length = f' textLength="{cells(words) * CELL:g}"' if len(words) > 1 else ""
    return f'<text x="{x + indent * CELL:g}" y="{y:g}"{length}{style}>{escape(words, quote=False)}</text>'


def cells(line: str) -> int:
    """How many columns a terminal gives to a line."""
    wide = sum(unicodedata.east_asian_width(char) in "WF" for char in line)
    return len(line) + wide - sum(unicodedata.combining(char) > 0 for char in line)
