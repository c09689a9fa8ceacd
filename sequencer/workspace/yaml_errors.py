"""What PyYAML says about a broken file, in words for people who do not know what a block mapping is."""

from __future__ import annotations

import re
from typing import Final

import yaml

_EXPLAINED: Final[tuple[tuple[str, str, str], ...]] = (
    # (part of PyYAML's problem, our message, the way out)
    ("found character '\\t'", "a tab character", "YAML wants spaces: replace the tab by two spaces"),
    (
        "mapping values are not allowed here",
        "a colon where none may stand",
        "a text with a colon in it needs quotes around it; or the line above lacks one, or the indentation is off",
    ),
    ("found unexpected end of stream", "a quote that is opened here is never closed", "close the quotes"),
    ("found unknown escape character", "an escape that YAML does not know", "in double quotes write \\\\ for a \\"),
    (
        "could not find expected ':'",
        "a colon is missing after a key, or a quote is not closed",
        "write `key: value`",
    ),
    ("expected ',' or ']'", "a [ is not closed, or a comma is missing", "write [one, two]"),
    ("expected ',' or '}'", "a { is not closed, or a comma is missing", "write {key: value, other: value}"),
    (
        "found undefined alias",
        "a text that begins with * is taken for an alias",
        "put the text in quotes",
    ),
    (
        "that cannot start any token",
        "this character cannot begin a text",
        "put the text in quotes",
    ),
    (
        "sequence entries are not allowed here",
        "a list entry (- …) where none may stand",
        "put it on a line of its own, indented below its key",
    ),
    (
        "but found another document",
        "a second document (---) in one file",
        "one file holds one document: delete the line with ---",
    ),
    ("expected <block end>", "the indentation does not fit", "entries of one list or mapping begin in the same column"),
    ("expected the node content", "a value is missing or begins with a sign of YAML", "put the text in quotes"),
    ("did not find expected", "the indentation or a bracket does not fit", "look at this line and the one before it"),
)

_OPENED_EARLIER: Final = (
    "found unexpected end of stream",
    "could not find expected ':'",
    "expected ',' or ']'",
    "expected ',' or '}'",
)
"""Problems that are best shown where the quote, the bracket or the key began."""


def explain(error: yaml.YAMLError, text: str) -> tuple[int, int, str, str]:
    """Line and column (from 1), message and hint for what PyYAML could not read."""
    if isinstance(error, yaml.reader.ReaderError):
        before = text[: error.position]
        line, column = before.count("\n") + 1, len(before.rpartition("\n")[2]) + 1
        return line, column, "a control character", "delete it and type the text anew"
    if not isinstance(error, yaml.MarkedYAMLError):
        return 1, 1, "is not valid YAML", ""
    problem = error.problem or ""
    mark = error.problem_mark or error.context_mark
    for part, message, hint in _EXPLAINED:
        if part in problem:
            if part in _OPENED_EARLIER:
                mark = error.context_mark or mark
            if _behind_quote(text, mark):
                return (
                    *_place(mark),
                    "text goes on behind a closing quote",
                    "take the outer quotes away, or put the whole text in the other kind of them: '…\"…\"…'",
                )
            if _braces(text, mark):
                return (
                    *_place(mark),
                    "a text that begins with {{ needs quotes around it",
                    'for example "{{ first_name }}, hello"',
                )
            return *_place(mark), message, hint
    return *_place(mark), f"is not valid YAML: {problem or 'unknown reason'}", "often the indentation, or quotes"


def _braces(text: str, mark: yaml.Mark | None) -> bool:
    """Whether a value there begins with a template variable: the usual reason for what PyYAML takes for a mapping."""
    lines = text.split("\n")
    line = lines[mark.line] if mark is not None and mark.line < len(lines) else ""
    return re.search(r"[:-] \{\{", line) is not None


def _behind_quote(text: str, mark: yaml.Mark | None) -> bool:
    """Whether the place is right behind a quote that closed: a text in quotes holds the same kind of quotes."""
    lines = text.split("\n")
    before = lines[mark.line][: mark.column].rstrip() if mark is not None and mark.line < len(lines) else ""
    return re.search(r"""(^|[:,\[{-] )\s*("[^"]*"|'[^']*')$""", before) is not None


def _place(mark: yaml.Mark | None) -> tuple[int, int]:
    return (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
