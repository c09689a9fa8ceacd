"""The line of a file in which a problem stands, fit to be shown, with the part that is meant marked.

Secrets are never shown: of config.yaml only what follows a key that cannot hold one, and references (`${NAME}`,
`file:…`). Everything else there is stars, whatever may be wrong with the file.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sequencer.workspace.config import CONFIG_FILE
from sequencer.workspace.config_values import REFERENCE
from sequencer.workspace.source import MAX_BYTES, Problem

WIDEST: Final = 100
"""Terminal columns that a line may take."""

TAB: Final = 4
_LEAD: Final = 32
"""Columns left of the mark that are kept of a long line."""

_LINE_END: Final = re.compile("\r\n|[\n\r]")
_YAML_LINE_END: Final = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
_STEERING: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A line to show: `text` has no tabs and no control characters; the mark covers `width` terminal columns after
    the first `before` ones."""

    line: int
    text: str
    before: int
    width: int


def excerpts(folder: Path, problems: Iterable[Problem]) -> Iterator[tuple[Problem, Excerpt | None]]:
    """Each problem with its line; None where it concerns a whole file, or the line cannot be shown. Never raises."""
    files: dict[str, list[str]] = {}
    for problem in problems:
        if problem.file not in files:
            files[problem.file] = _lines(folder / problem.file)
        lines = files[problem.file]
        if not 0 < problem.line <= len(lines) or problem.column < 1:
            yield problem, None
            continue
        yield problem, excerpt(problem, lines[problem.line - 1])


def _lines(path: Path) -> list[str]:
    """The lines of a file as problems count them."""
    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES + 1).decode("utf-8-sig", "replace")
    except (OSError, ValueError):  # gone meanwhile; or no name that a file can have
        return []
    return (_YAML_LINE_END if path.suffix in (".yaml", ".yml") else _LINE_END).split(text)


def excerpt(problem: Problem, line: str) -> Excerpt | None:
    """The line of a problem, fit to be shown. None for an empty one."""
    if not line.strip():
        return None
    start = min(problem.column - 1, len(line))
    end = start + problem.width if problem.width else _end_of_what_begins(line, start)
    if problem.file == CONFIG_FILE:
        line = without_secrets(line)
    cells = [_cell(char) for char in line]
    before, marked = _width(cells[:start]), max(1, _width(cells[start : max(end, start + 1)]))
    return _cut(problem.line, cells, before, marked)


# What is marked -----------------------------------------------------------------------------------


def _end_of_what_begins(line: str, start: int) -> int:
    """Where the key, the text or the word ends that begins at `start`."""
    rest = line[start:]
    if rest[:1] in ("'", '"'):
        closing = rest.find(rest[0], 1)
        return start + closing + 1 if closing > 0 else len(line.rstrip())
    if not rest[:1] or rest[0] in "[{&*!|>-#%@`,]}":
        return start + 1
    before = line[:start]
    in_flow = sum(map(before.count, "[{")) > sum(map(before.count, "]}"))
    found = re.match(r"(?:(?!\s#|:\s|:$|[,\[\]{}]).)+" if in_flow else r"(?:(?!\s#|:\s|:$).)+", rest)
    return start + len(found[0].rstrip()) if found is not None else start + 1


# Secrets ------------------------------------------------------------------------------------------

_SHOWN_KEYS: Final = frozenset(
    {"name", "address", "timezone", "holidays", "language", "min_gap", "from", "provider", "username", "host", "port"}
    | {"tls", "folders", "sent", "hours", "limits", "per_hour", "per_day", "gap", "ramp_up", "away", "fills_sent"}
    | {"spread", "breakers", "bounces", "complaints", "window", "refusals", "logins", "tell_when_held", "listen"}
    | {"model", "timeout", "apply", "allow", "ca_file"}
)
"""Keys of config.yaml whose values are no secrets. A database's or a server's address may hold a password."""

_KNOWN_KEYS: Final = (
    _SHOWN_KEYS
    | {"database", "company", "contacts", "mailboxes", "password", "smtp", "imap"}
    | {*("notify", "web", "base_url", "reader", "endpoint", "key")}
)
_KEY: Final = re.compile(r"(?:^|(?<=[\s{\[,]))([^\s{}\[\],]+)\s*:(?=\s|$)")
_QUOTED_KEY: Final = re.compile(r"[\"']\s*:")
_WORD: Final = re.compile(r"[A-Za-z_-]{1,40}")
_VALUE: Final = re.compile(r"[\"']?\$\{[A-Za-z_]\w*\}[\"']?(?=[\s,\]}]|$)|[^\s{}\[\],]+")


def without_secrets(line: str) -> str:
    """A line of config.yaml with stars for all that might be one, character for character, and without its comment."""
    line = re.split(r"(?:^|\s)#", line, maxsplit=1)[0].rstrip()
    keys = list(_KEY.finditer(line))
    parts = [_starred(line[: keys[0].start()] if keys else line)]
    for index, found in enumerate(keys):
        key = line[found.start() : found.end()]
        value = line[found.end() : keys[index + 1].start() if index + 1 < len(keys) else len(line)]
        parts.append(key if found[1] in _KNOWN_KEYS or _is_first(line, found) else _starred(key))
        parts.append(value if found[1] in _SHOWN_KEYS and not _QUOTED_KEY.search(value) else _starred(value))
    return "".join(parts)


def _is_first(line: str, found: re.Match[str]) -> bool:
    """A word at the beginning of a line is a key, perhaps a misspelt one; further on it may be a part of a secret."""
    return not line[: found.start()].strip(" -") and _WORD.fullmatch(found[1]) is not None


def _starred(text: str) -> str:
    return _VALUE.sub(lambda found: found[0] if _says_nothing(found[0]) else "*" * len(found[0]), text)


def _says_nothing(word: str) -> bool:
    """Signs of YAML, and references to where the secret is kept."""
    bare = word.strip("\"'")
    return REFERENCE.fullmatch(bare) is not None or bare.startswith("file:") or bare in ("", "-", "|", ">", "off")


# Columns of a terminal ----------------------------------------------------------------------------


def _cell(char: str) -> tuple[str, int]:
    """A character as it is shown, and its width in columns."""
    if char == "\t":
        return " " * TAB, TAB
    category = unicodedata.category(char)
    if category in ("Cc", "Cs", "Co", "Cn") or char in _STEERING or category in ("Zl", "Zp"):
        return "\N{REPLACEMENT CHARACTER}", 1
    if category in ("Mn", "Me", "Cf"):
        return char, 0
    return char, 2 if unicodedata.east_asian_width(char) in ("W", "F") else 1


def _width(cells: Iterable[tuple[str, int]]) -> int:
    return sum(width for _, width in cells)


def _cut(number: int, cells: list[tuple[str, int]], before: int, marked: int) -> Excerpt:
    """What fits: the mark stays in sight, an ellipsis stands for what was left out."""
    while cells and cells[-1][0].isspace():
        cells.pop()
    total = _width(cells)
    if total <= WIDEST:
        return Excerpt(number, "".join(text for text, _ in cells), before, marked)
    first = max(0, min(before - _LEAD, total - WIDEST + 2))
    shown, column, skipped = "", 0, 0
    for text, width in cells:
        if column < first:
            skipped += width
        elif column + width <= first + WIDEST - 2:
            shown += text
        column += width
    head = "…" if first else ""
    tail = "…" if total > skipped + WIDEST - 2 else ""
    start = max(0, before - skipped) + len(head)
    return Excerpt(number, f"{head}{shown}{tail}", start, max(1, min(marked, WIDEST - start)))
