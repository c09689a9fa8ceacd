"""A page taken apart: its headings, its fenced blocks, and the stage directions that readers do not see."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_PARTS: Final = re.compile(
    r"^<!-- docs(?P<directions>[:\n].*?)-->$"
    r"|^```(?P<info>[^\n`]*)\n(?P<body>.*?)^```$"
    r"|^#+ (?P<heading>[^\n]+)$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading, and the number of its line."""

    line: int
    text: str


@dataclass(frozen=True, slots=True)
class Direction:
    """One line of a hidden comment `<!-- docs … -->`, with the indented lines below it."""

    line: int
    text: str
    below: str = ""


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: the word after its fence, its text, where the text begins (line, offset into the page)."""

    line: int
    info: str
    text: str
    offset: int


Part = Heading | Direction | Block


def parts_of(page: str) -> Iterator[Part]:
    """What stands on a page, from top to bottom."""
    for found in _PARTS.finditer(page):
        line = page.count("\n", 0, found.start()) + 1
        if found["heading"] is not None:
            yield Heading(line, found["heading"].strip())
        elif found["info"] is not None:
            yield Block(line + 1, found["info"].strip(), found["body"], found.start("body"))
        else:
            yield from _directions(line, found["directions"])


def _directions(first: int, text: str) -> Iterator[Direction]:
    """A direction a line; lines that are indented belong to the one above. `first` is the line of the comment."""
    gathered: list[tuple[int, str, list[str]]] = []
    for number, line in enumerate(text.removeprefix(":").splitlines()):
        if number and line.startswith("  ") and gathered:
            gathered[-1][2].append(line[2:])
        elif not line.strip() and gathered and gathered[-1][2]:
            gathered[-1][2].append("")
        elif line.strip():
            gathered.append((first + number, line.strip(), []))
    for number, line, below in gathered:
        yield Direction(number, line, "\n".join(below).rstrip("\n") + "\n" if below else "")


@dataclass(frozen=True, slots=True)
class Exchange:
    """A command that a block shows, and what it shows as its output."""

    command: str
    output: str


def exchanges(text: str) -> list[Exchange]:
    """The commands of a console block (`$ …`, gone on with after a backslash), each with the lines below it."""
    found: list[tuple[list[str], list[str]]] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            found.append(([line[2:]], []))
        elif found and not found[-1][1] and found[-1][0][-1].endswith("\\"):
            found[-1][0].append(line)
        elif found:
            found[-1][1].append(line)
    return [Exchange("\n".join(command), "\n".join(output)) for command, output in found]


def commands(text: str) -> list[str]:
    """The commands of a shell block, without comments and blank lines; a backslash at the end goes on."""
    joined = re.sub(r"\\\n\s*", "", text)
    lines = (re.sub(r"(^|\s)#\s.*$", "", line).strip() for line in joined.splitlines())
    return [line.removeprefix("$ ") for line in lines if line]


# What is shown against what is so ------------------------------------------------------------------

REST: Final = "…"
"""Alone on a line: any lines. Within a line: any words."""


def agrees(shown: str, real: str) -> bool:
    """Whether a page shows what a command printed, as far as it shows it. Trailing blanks do not count."""
    pattern = "".join(
        r"(?:[^\n]*\n)*?" if line.strip() == REST else re.escape(line.rstrip()).replace(REST, r"[^\n]*") + "\n"
        for line in _tidy(shown).splitlines()
    )
    return re.fullmatch(pattern, _tidy(real)) is not None


def renewed(shown: str, real: str) -> str:
    """What the page should show instead: as many lines from the beginning and from the end as it showed before, and
    between two `…` the lines around one that is still there."""
    lines, now = shown.splitlines(), _tidy(real).splitlines()
    pieces: list[list[str]] = [[]]
    for line in lines:
        if line.strip() == REST:
            pieces.append([])
        else:
            pieces[-1].append(line)
    first, *middle, last = pieces if len(pieces) > 1 else [*pieces, []]
    if len(pieces) == 1 or len(first) + len(last) >= len(now):
        return "\n".join(now)
    kept, at, end = [*now[: len(first)], REST], len(first), len(now) - len(last)
    for piece in middle:
        found = _where(piece, now, at, end)
        if found is not None:
            at = min(found + len(piece), end)
            kept += [*now[found:at], REST]
    return "\n".join([*kept, *now[end:]])


def _where(piece: list[str], now: list[str], at: int, end: int) -> int | None:
    """Where lines like these begin in the new output: so that one of them, not a blank one, stands where it stood."""
    for number, line in enumerate(piece):
        for place in range(at + number, end):
            if line.strip() and now[place] == line.rstrip():
                return place - number
    return None


def _tidy(text: str) -> str:
    return "".join(f"{line.rstrip()}\n" for line in text.strip("\n").splitlines())
