"""A diagram as Mermaid flowchart text, which GitHub and many wikis draw (mermaid.js.org, syntax/flowchart)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from sequencer.workspace.diagram import Diagram, Node

_SHAPES: Final = {
    "start": ("([", "])"),
    "end": ("([", "])"),
    "return": ("([", "])"),
    "branch": ("[/", "/]"),
    "go_to": ("{{", "}}"),
    "move_to": ("([", "])"),
    "stop": ("([", "])"),
    "replies": ("[", "]"),
}
_ENTITIES: Final = {ord(sign): f"#{ord(sign)};" for sign in '#"<>&`;\\*_~|[]{}()'}
"""Signs that mean something to Mermaid, to its Markdown or to HTML, as its own entities."""

_LIST: Final = re.compile(r"^(\d*)([.+-])(?=\s|$)")
"""What would make a list of a label."""

LONGEST: Final = 120


def mermaid(diagram: Diagram) -> str:
    """The flowchart. Whatever the file calls its steps and notes, it comes out as text."""
    names = {node.id: f"n{number}" for number, node in enumerate(diagram.nodes)}
    lines = ["flowchart TD"]
    for line in dict.fromkeys(node.line for node in diagram.nodes):
        inner = [f"{names[node.id]}{_shape(node)}" for node in diagram.nodes if node.line == line]
        lines += [f"    {text}" for text in inner]
    for edge in diagram.edges:
        arrow = "-.->" if edge.way in ("reply", "go_to") else "-->"
        label = f"|{_quoted(edge.label)}|" if edge.label else ""
        lines.append(f"    {names[edge.source]} {arrow}{label} {names[edge.target]}")
    lines += [f"    {text}" for text in _classes(diagram, names)]
    return "\n".join(lines) + "\n"


def _shape(node: Node) -> str:
    opened, closed = _SHAPES.get(node.kind, ("[", "]"))
    parts = [node.title, *node.details]
    if node.people is not None:
        parts.append(f"now: {node.people.total}")
    return f'{opened}"{"<br/>".join(_text(part) for part in parts)}"{closed}'


def _quoted(text: str) -> str:
    return f'"{_text(text)}"'


def _text(text: str) -> str:
    plain = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    short = plain if len(plain) <= LONGEST else plain[: LONGEST - 1].rstrip() + "…"
    escaped = short.translate(_ENTITIES)
    return _LIST.sub(lambda found: f"{found[1]}#{ord(found[2])};", escaped)


def _classes(diagram: Diagram, names: dict[str, str]) -> Iterator[str]:
    """What tells the kinds apart; colours are left to the page that draws it."""
    dashed = [names[node.id] for node in diagram.nodes if node.kind in ("replies", "return")]
    here = [names[node.id] for node in diagram.nodes if node.people is not None]
    if dashed:
        yield "classDef aside stroke-dasharray:4 3"
        yield f"class {','.join(dashed)} aside"
    if here:
        yield "classDef here stroke-width:3px"
        yield f"class {','.join(here)} here"
