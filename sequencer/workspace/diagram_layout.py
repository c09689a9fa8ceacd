"""Where the boxes and ways of a diagram go: the line straight down, answers and branches to the right of it.

Between two columns runs a gutter, between the answers and the branches a corridor; ways that leave their line go only
there, each on a track of its own, so no way crosses a box. Lengths are SVG user units.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

from sequencer.core.model import MAIN_LINE
from sequencer.workspace.diagram import REPLIES, Diagram, Edge, Node

WIDTH: Final = 264
"""Of a box."""
PAD: Final = 12
LEADING: Final = 17
TITLE: Final = 20
WAIT: Final = 50
"""Between two boxes of a line: room for the way and what is said about it."""
TRACK: Final = 12
MARGIN: Final = 24
_LETTER: Final = 6.6
"""The usual width of a letter at 12.5 px, on the wide side, so that no text leaves its box."""
_MOST_LINES: Final = 4
_EVERY_LINE: Final = 60
"""Lines of the box of answers, which is read as a list."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of text in a box, its baseline counted from the top of the box."""

    text: str
    style: Literal["what", "kind", "here"]
    y: float


@dataclass(frozen=True, slots=True)
class Box:
    """A box where it stands. `title` and `lines` are cut and wrapped to fit."""

    node: Node
    x: float
    y: float
    width: float
    height: float
    title: str
    lines: tuple[Line, ...]

    @property
    def right(self) -> float:
        return self.x + self.width

    @property
    def bottom(self) -> float:
        return self.y + self.height

    @property
    def spine(self) -> float:
        """Where the way down its line runs."""
        return self.x + 28


@dataclass(frozen=True, slots=True)
class Route:
    """A way, from point to point; `label` is shown beside `label_at`."""

    edge: Edge
    points: tuple[tuple[float, float], ...]
    label: str = ""
    label_at: tuple[float, float] = (0, 0)


@dataclass(frozen=True, slots=True)
class Layout:
    """Everything in its place."""

    width: float
    height: float
    heading: tuple[str, ...]
    boxes: tuple[Box, ...]
    routes: tuple[Route, ...]


def layout(diagram: Diagram, heading: tuple[str, ...] = ()) -> Layout:
    """Place a diagram below these lines of heading."""
    columns = _columns(diagram)
    jumps = [edge for edge in diagram.edges if edge.way in ("go_to", "reply")]
    gutter = 2 * TRACK + TRACK * (len(jumps) + 1)
    top = MARGIN + (_heading_height(heading) if heading else 0)
    corridor = TRACK * (len(jumps) + 2)
    answers = _placed([diagram.node(REPLIES)], MARGIN + WIDTH + gutter, top + 34 + WAIT)
    below = answers[-1].bottom + corridor
    boxes: list[Box] = list(answers)
    for number, column in enumerate(columns):
        x = MARGIN + number * (WIDTH + gutter)
        boxes += _placed(column, x, top if number == 0 else below)
    by_id = {box.node.id: box for box in boxes}
    routes = [_straight(edge, by_id) for edge in diagram.edges if edge.way in ("next", "end")]
    for track, edge in enumerate(jumps):
        routes.append(_around(edge, by_id, track, answers[-1].bottom))
    width = max(box.right for box in boxes) + (gutter if len(columns) > 1 else MARGIN)
    return Layout(width, max(box.bottom for box in boxes) + MARGIN, heading, tuple(boxes), tuple(routes))


def _heading_height(heading: tuple[str, ...]) -> float:
    return 26 + LEADING * (len(heading) - 1) + 16


def _columns(diagram: Diagram) -> list[list[Node]]:
    lines: dict[str, list[Node]] = {MAIN_LINE: []}
    for node in diagram.nodes:
        if node.line:
            lines.setdefault(node.line, []).append(node)
    return list(lines.values())


def _placed(nodes: list[Node], x: float, y: float) -> list[Box]:
    boxes = []
    for node in nodes:
        box = _box(node, x, y)
        boxes.append(box)
        y = box.bottom + WAIT
    return boxes


def _box(node: Node, x: float, y_of_box: float) -> Box:
    room = WIDTH - 2 * PAD
    badge = 44 if node.people is not None else 0
    title = cut(node.title, room - badge, 1.08)
    lines: list[Line] = []
    y = float(PAD + TITLE + 9)
    for text, style, most, gap in _paragraphs(node):
        y += gap
        for line in wrapped(text, room, most):
            lines.append(Line(line, style, y))
            y += LEADING
    height = y - LEADING + PAD + 1 if lines else 2.0 * PAD + TITLE - 6
    return Box(node, x, y_of_box, WIDTH, height, title, tuple(lines))


def _paragraphs(node: Node) -> Iterator[tuple[str, Literal["what", "kind", "here"], int, float]]:
    """The texts below a title: how they look, in how many lines at most, and the gap above them."""
    if node.kind == "replies":
        for text in node.details:
            kinds, _, effect = text.partition(": ")
            yield kinds, "kind", _EVERY_LINE, 5
            yield effect, "what", _EVERY_LINE, 0
        return
    for text in node.details:
        yield text, "what", _MOST_LINES, 0
    if node.people is not None:
        yield here(node), "here", 2, 2


def here(node: Node) -> str:
    """`12 here: 9 active, 2 paused, 1 snoozed; 3 held`."""
    people = node.people
    if people is None:
        return ""
    parts = [
        f"{count} {word}"
        for count, word in ((people.active, "active"), (people.paused, "paused"), (people.snoozed, "snoozed"))
        if count
    ]
    held = f"; {people.held} held" if people.held else ""
    return f"{people.total} here: {', '.join(parts)}{held}"


# Ways ---------------------------------------------------------------------------------------------


def _straight(edge: Edge, boxes: dict[str, Box]) -> Route:
    """Down the line, from a box to the next one below it."""
    above, below = boxes[edge.source], boxes[edge.target]
    points = ((above.spine, above.bottom), (below.spine, below.y))
    label = cut(edge.label, WIDTH - 40)
    return Route(edge, points, label, (above.spine + 12, (above.bottom + below.y) / 2 + 3))


def _around(edge: Edge, boxes: dict[str, Box], track: int, shelf: float) -> Route:
    """Through the gutters and the corridor below the answers (`shelf` is where these end)."""
    source, target = boxes[edge.source], boxes[edge.target]
    corridor = shelf + TRACK * (track + 1)
    points = [*_out_of(source, edge, boxes, track, corridor)]
    lane = points[-1][0]
    if target.node.kind == "branch":
        landing = _along_the_top(target, track)
        points += [(lane, corridor), (landing, corridor), (landing, target.y)]
    else:
        own = target.right + TRACK * (track + 2)
        height = target.y + min(target.height - 6, 12 + 5 * track)
        if lane != own:
            points += [(lane, corridor), (own, corridor)]
        points += [(own, height), (target.right, height)]
    return Route(edge, tuple(_without_doubles(points)))


def _out_of(
    source: Box, edge: Edge, boxes: dict[str, Box], track: int, corridor: float
) -> Iterator[tuple[float, float]]:
    """From the box into the gutter on its right; the answers have theirs on the left and the corridor below."""
    if source.node.kind != "replies":
        height = source.bottom - min(source.height - 6, 10 + 5 * track)
        yield (source.right, height)
        yield (source.right + TRACK * (track + 2), height)
    elif boxes[edge.target].node.kind == "branch" or boxes[edge.target].node.line != MAIN_LINE:
        yield (_along_the_top(source, track), source.bottom)
        yield (_along_the_top(source, track), corridor)
    else:
        height = source.y + min(source.height - 6, 16 + TRACK * track)
        yield (source.x, height)
        yield (boxes[edge.target].right + TRACK * (track + 2), height)


def _along_the_top(box: Box, track: int) -> float:
    return min(box.spine + TRACK * track, box.right - PAD)


def _without_doubles(points: list[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    before: tuple[float, float] | None = None
    for point in points:
        if point != before:
            yield point
        before = point


# Text ---------------------------------------------------------------------------------------------


@lru_cache(maxsize=4096)
def text_width(text: str) -> float:
    """How wide a text is at most, at 12.5 px."""
    return sum(_char_width(char) for char in text)


def _char_width(char: str) -> float:
    if unicodedata.combining(char) or unicodedata.category(char) in ("Cf", "Mn", "Me"):
        return 0
    if unicodedata.east_asian_width(char) in ("W", "F"):
        return 2 * _LETTER
    if char in "MWmw@%—…œÆ" or char.isupper():
        return 1.4 * _LETTER
    return _LETTER if char not in "ijltfI.,:;'|!()[] " else 0.62 * _LETTER


def cut(text: str, room: float, scale: float = 1.0) -> str:
    """As much of a text as has room, with an ellipsis where it was cut."""
    plain = _plain(text)
    if text_width(plain) * scale <= room:
        return plain
    kept = ""
    for char in plain:
        if (text_width(kept) + _char_width(char) + 1.4 * _LETTER) * scale > room:
            break
        kept += char
    return kept.rstrip() + "…"


def wrapped(text: str, room: float, most: int) -> list[str]:
    """A text in lines that have room; beyond `most` of them it is cut."""
    lines: list[str] = []
    line = ""
    for word in _plain(text).split(" "):
        for piece in _pieces(word, room):
            longer = f"{line} {piece}" if line else piece
            if line and text_width(longer) > room:
                lines.append(line)
                longer = piece
            line = longer
    if line:
        lines.append(line)
    if len(lines) <= most:
        return lines
    return [*lines[: most - 1], cut(f"{lines[most - 1]} {lines[most]}", room)]


def _pieces(word: str, room: float) -> Iterator[str]:
    """A word, in pieces where it alone is too wide."""
    piece = ""
    for char in word:
        if piece and text_width(piece) + _char_width(char) > room:
            yield piece
            piece = ""
        piece += char
    if piece:
        yield piece


def _plain(text: str) -> str:
    """One line without what cannot be seen or would turn the direction of writing."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())
