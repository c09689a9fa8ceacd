"""YAML with line and column for every key and value, and the one shape in which a mistake is reported.

Every scalar stays the text that stands in the file: YAML 1.1 would turn `no` into False, `08:30` into 510 and
`2026-12-01` into a date, and nobody who writes a sequence expects that. The schemas decide what a text means.
Nothing is ever constructed from a tag.
"""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from sequencer.workspace.yaml_errors import explain

Plain = str | list["Plain"] | dict[str, "Plain"] | None
"""What a YAML file holds: texts, lists, mappings, and None where a value was left empty."""

Route = tuple[str | int, ...]
"""The way to a value: keys and list indexes, from the top of the file."""

MAX_BYTES: Final = 1_000_000
MAX_VALUES: Final = 20_000
"""How many values one file may hold, aliases (`*name`) counted as often as they are used."""

MAX_DEPTH: Final = 50


@dataclass(frozen=True, slots=True)
class Problem:
    """A mistake in a file that a person wrote. `line` and `column` count from 1; 0 means the file as a whole.

    `width` is how many characters of the line it is about; 0 where nobody counted them.
    """

    file: str
    line: int
    column: int
    severity: Literal["error", "warning"]
    code: str
    message: str
    hint: str = ""
    width: int = 0

    def __str__(self) -> str:
        text = f"{self.file}:{self.line}:{self.column}: {self.severity}: {self.message}"
        return f"{text} ({self.hint})" if self.hint else text


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in a file, counted from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed YAML file: its plain data, and where each key and value stands."""

    file: str
    data: Plain = None
    keys: Mapping[Route, Mark] = field(default_factory=dict)
    values: Mapping[Route, Mark] = field(default_factory=dict)

    def place(self, route: Route, *, key: bool = False) -> Mark:
        """Where the value (or its key) at `route` stands; of what is not in the file, where its owner stands."""
        while route:
            first, second = (self.keys, self.values) if key else (self.values, self.keys)
            mark = first.get(route) or second.get(route)
            if mark is not None:
                return mark
            route, key = route[:-1], True
        return self.values.get((), Mark(1, 1))

    def problem(
        self,
        route: Route,
        code: str,
        message: str,
        hint: str = "",
        *,
        key: bool = False,
        severity: Literal["error", "warning"] = "error",
    ) -> Problem:
        """A problem at `route`."""
        mark = self.place(route, key=key)
        return Problem(self.file, mark.line, mark.column, severity, code, message, hint)


def shown(text: str, limit: int = 60) -> str:
    """A text from a file, safe to print in a message: one line, no control characters, not too long."""
    line = " ".join(text.split())
    clean = "".join(char if char.isprintable() else "�" for char in line)
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word that looks most like this one, or an empty text."""
    names = sorted(set(known))
    near = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    if not near:
        lowered = {name.lower().replace("_", "-"): name for name in names}
        near = [
            lowered[match]
            for match in difflib.get_close_matches(word.lower().replace("_", "-"), lowered, n=1, cutoff=0.6)
        ]
    return near[0] if near else ""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint for a word that is not known: the nearest one that is, or all of them when they are few."""
    names = sorted(set(known))
    if near := nearest(word, names):
        return f"did you mean `{near}`?"
    if not names:
        return ""
    listed = ", ".join(names[:12])
    return f"known: {listed}" if len(names) <= 12 else f"known: {listed} … ({len(names)} in all)"


def read_text(path: Path, file: str) -> str | Problem:
    """The text of a file that people edit (UTF-8, a BOM is dropped, line ends become `\\n`), or why not."""
    try:
        raw = path.read_bytes() if path.stat().st_size <= MAX_BYTES else None
    except OSError as error:
        return Problem(file, 0, 0, "error", "unreadable", f"cannot be read: {error.strerror or 'unknown reason'}")
    if raw is None:
        return Problem(file, 0, 0, "error", "too-large", f"is larger than {MAX_BYTES // 1_000_000} MB")
    try:
        return raw.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        before = raw[: error.start]
        line = before.count(b"\n") + 1
        column = len(before.rpartition(b"\n")[2].decode("utf-8", "replace")) + 1
        hint = "save the file as UTF-8"
        return Problem(file, line, column, "error", "not-utf-8", "a character that is not UTF-8", hint)


def read_yaml(file: str, text: str, first_line: int = 1) -> tuple[Document, list[Problem]]:
    """The document in `text`, with every problem of its form. `first_line` is where the text begins in the file."""
    offset = first_line - 1
    try:
        root = _compose(text)
    except yaml.YAMLError as error:
        line, column, message, hint = explain(error, text)
        return Document(file), [Problem(file, line + offset, column, "error", "yaml", message, hint)]
    except RecursionError:
        return Document(file), [Problem(file, first_line, 1, "error", "too-deep", "is nested too deeply")]
    except (ValueError, OverflowError):
        return Document(file), [Problem(file, first_line, 1, "error", "yaml", "holds an impossible \\ escape")]
    reader = _Reader(file, offset)
    data = reader.value(root, ()) if root is not None else None
    return Document(file, data, reader.keys, reader.values), reader.problems


_PlainLoader = type("_PlainLoader", (yaml.SafeLoader,), {"yaml_implicit_resolvers": {}})
"""Resolves nothing: a scalar without an explicit tag is a text."""

_FastPlainLoader = type(
    "_FastPlainLoader", (getattr(yaml, "CSafeLoader", yaml.SafeLoader),), {"yaml_implicit_resolvers": {}}
)
"""The same on libyaml, where PyYAML has it."""


def _compose(text: str) -> Node | None:
    if _depth_may_reach(text, 8 * MAX_DEPTH) and _is_too_deep(text):
        raise RecursionError
    try:
        node: Node | None = yaml.compose(text, Loader=_FastPlainLoader)
    except (yaml.YAMLError, ValueError):
        # The slower parser has the better messages; they are written for it.
        node = yaml.compose(text, Loader=_PlainLoader)
    return node


def _depth_may_reach(text: str, depth: int) -> bool:
    """Whether there are enough signs in a text to nest that deep."""
    return sum(map(text.count, "[{-?:")) >= depth


def _is_too_deep(text: str) -> bool:
    """The fast parser composes by recursion in C: some thousand levels would take the whole process down."""
    depth = 0
    try:
        for event in yaml.parse(text, Loader=_FastPlainLoader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > 2 * MAX_DEPTH:
                return True
    except (yaml.YAMLError, ValueError):
        pass  # broken before it is deep: composing stops there as well
    return False


_KNOWN_TAGS: Final = frozenset(
    f"tag:yaml.org,2002:{name}"
    for name in ("str", "int", "float", "bool", "null", "timestamp", "seq", "map", "merge", "value")
)


class _Reader:
    """Turns nodes into plain data, keeping every place and every problem."""

    def __init__(self, file: str, offset: int) -> None:
        self.file = file
        self.offset = offset
        self.keys: dict[Route, Mark] = {}
        self.values: dict[Route, Mark] = {}
        self.problems: list[Problem] = []
        self.count = 0
        self.open: set[int] = set()

    def value(self, node: Node, route: Route) -> Plain:
        self.count += 1
        if self.count == MAX_VALUES:
            self.report(node, "too-large", f"holds more than {MAX_VALUES} values")
        if len(route) == MAX_DEPTH:
            self.report(node, "too-deep", "is nested too deeply")
        if self.count >= MAX_VALUES or len(route) >= MAX_DEPTH:
            return None
        self.values[route] = self.mark(node)
        if node.tag not in _KNOWN_TAGS:
            self.report(node, "tag", f"the tag {shown(node.tag)} means nothing here", "delete the word after the !")
        if id(node) in self.open:
            self.report(node, "alias", "an alias (*name) inside the very thing it names")
            return None
        self.open.add(id(node))
        try:
            return self.content(node, route)
        finally:
            self.open.discard(id(node))

    def content(self, node: Node, route: Route) -> Plain:
        match node:
            case ScalarNode():
                return self.scalar(node)
            case SequenceNode():
                return [self.value(item, (*route, index)) for index, item in enumerate(node.value)]
            case MappingNode():
                return self.mapping(node, route)
            case _:
                raise TypeError(f"a YAML node of an unknown kind: {type(node).__name__}")

    def scalar(self, node: ScalarNode) -> str | None:
        text: str = node.value
        if not node.style and text in ("", "~", "null", "Null", "NULL"):
            return None
        if any(unicodedata.category(char) in ("Cc", "Cs") and char not in "\n\t" for char in text):
            self.report(node, "control-character", "holds a control character", "type the text anew")
        return text

    def mapping(self, node: MappingNode, route: Route) -> dict[str, Plain]:
        result: dict[str, Plain] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, ScalarNode):
                hint = "a text that begins with { or [ needs quotes around it"
                self.report(key_node, "key", "a key must be a plain word", hint)
                continue
            key: str = key_node.value
            if key == "<<" and not key_node.style:
                self.report(key_node, "merge-key", "merge keys (<<) are not supported", "write the keys out")
            elif key in result:
                first = self.keys[(*route, key)]
                self.report(
                    key_node, "duplicate-key", f"the key {shown(key)} stands here twice", f"first in line {first.line}"
                )
            else:
                self.keys[(*route, key)] = self.mark(key_node)
                result[key] = self.value(value_node, (*route, key))
        return result

    def mark(self, node: Node) -> Mark:
        start = node.start_mark
        return Mark(start.line + 1 + self.offset, start.column + 1)

    def report(self, node: Node, code: str, message: str, hint: str = "") -> None:
        mark = self.mark(node)
        self.problems.append(Problem(self.file, mark.line, mark.column, "error", code, message, hint))
