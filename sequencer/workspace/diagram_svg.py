"""A diagram as SVG 1.1: light and dark by the reader's setting, readable by screen readers, without any script."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from sequencer.workspace.diagram import Diagram, Standing
from sequencer.workspace.diagram_layout import (
    LEADING,
    MARGIN,
    PAD,
    Box,
    Layout,
    Route,
    layout,
    wrapped,
)

_LIGHT: Final = (
    "paper #ffffff ink #1c2530 quiet #5a6675 line #b9c3cd box #ffffff edge #d4dbe2 mail #22637a task #a8541b "
    "turn #6b4fa0 stop #5a6675 here #2d7050 here-ink #ffffff"
)
_DARK: Final = (
    "paper #0f1317 ink #e4e9ee quiet #97a4b2 line #46525f box #161b21 edge #2b343e mail #6db9d1 task #e09a62 "
    "turn #b39ddb stop #97a4b2 here #74c29a here-ink #0f1317"
)
_RULES: Final = """
text { font: 12.5px system-ui, -apple-system, "Segoe UI", Roboto, Arial, sans-serif; fill: var(--quiet); }
.paper { fill: var(--paper); }
.name { font-size: 18px; font-weight: 650; fill: var(--ink); }
.title { font-size: 13.5px; font-weight: 600; fill: var(--ink); }
.kind { fill: var(--ink); }
.wait { fill: var(--ink); }
.here { font-weight: 600; fill: var(--here); }
.count { font-weight: 650; fill: var(--here-ink); }
.badge { fill: var(--here); }
.box { fill: var(--box); stroke: var(--edge); stroke-width: 1.2; }
.aside { stroke-dasharray: 5 4; }
.bar { fill: var(--stop); }
.email .bar, .back_off .bar { fill: var(--mail); }
.task .bar { fill: var(--task); }
.go_to .bar, .branch .bar, .replies .bar { fill: var(--turn); }
.way { fill: none; stroke: var(--line); stroke-width: 1.5; }
.go_to.way, .reply.way { stroke: var(--turn); stroke-dasharray: 5 4; }
.tip { fill: var(--line); }
.turn { fill: var(--turn); }
"""


def _coloured(rules: str, colours: str) -> str:
    """The rules with their colours written out: slides, wikis and office programs know no variables, and draw black."""
    words = colours.split()
    for name, colour in zip(words[::2], words[1::2], strict=True):
        rules = rules.replace(f"var(--{name})", colour)
    return rules


_STYLE: Final = (
    _coloured(_RULES, _LIGHT)
    + "@media (prefers-color-scheme: dark) {\n"
    + _coloured("".join(f"{line}\n" for line in _RULES.splitlines() if "var(" in line), _DARK)
    + "}\n"
)

_ROUND: Final = frozenset({"start", "end", "return", "branch"})


def svg(diagram: Diagram) -> str:
    """The whole file. Texts of the workspace are escaped; what no XML may hold is left out."""
    placed = layout(diagram, _heading(diagram))
    body = [*_head(diagram, placed), *_heading_lines(placed)]
    body += [_route(route) for route in placed.routes]
    for box in placed.boxes:
        body += _box(box)
    return "\n".join([*body, "</svg>"]) + "\n"


def _heading(diagram: Diagram) -> tuple[str, ...]:
    lines = [diagram.name, *wrapped(diagram.about, 560, 3)]
    if diagram.standing is not None:
        lines += wrapped(sentence_of(diagram.standing), 560, 3)
    return tuple(lines)


def sentence_of(standing: Standing) -> str:
    """Where everybody is, in one sentence."""
    elsewhere = "".join(
        f"; {count} at {step}, which the file no longer has" for step, count in standing.elsewhere.items()
    )
    ended = [f"{count} {word}" for count, word in ((standing.finished, "finished"), (standing.stopped, "stopped"))]
    return f"Now: {standing.open} on the way{elsewhere}; {', '.join(ended)}."


def _head(diagram: Diagram, placed: Layout) -> Iterator[str]:
    size = f'width="{placed.width:g}" height="{placed.height:g}" viewBox="0 0 {placed.width:g} {placed.height:g}"'
    yield f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-labelledby="t d">'
    yield f'<title id="t">{_text(diagram.name)}</title>'
    yield f'<desc id="d">{_text(told(diagram))}</desc>'
    yield f"<style>{_STYLE}</style>"
    yield '<rect class="paper" width="100%" height="100%"/>'
    yield "<defs>"
    for name, style in (("tip", "tip"), ("turn", "turn")):
        yield (
            f'<marker id="{name}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
            f'<path class="{style}" d="M0 0 8 4 0 8z"/></marker>'
        )
    yield "</defs>"


def told(diagram: Diagram) -> str:
    """The diagram in words, for who cannot see it."""
    parts = [diagram.about] if diagram.about else []
    waits = {edge.target: edge.label for edge in diagram.edges if edge.way == "next"}
    for node in diagram.nodes:
        wait = f"{waits[node.id]}, " if waits.get(node.id) else ""
        now = f", {node.people.total} people now" if node.people is not None else ""
        parts.append(f"{wait}{node.title}: {'; '.join(node.details)}{now}" if node.details else f"{wait}{node.title}")
    return ". ".join(part.rstrip(".") for part in parts) + "."


def _heading_lines(placed: Layout) -> Iterator[str]:
    y = MARGIN + 16.0
    for number, line in enumerate(placed.heading):
        yield f'<text class="{"name" if number == 0 else "about"}" x="{MARGIN}" y="{y:g}">{_text(line)}</text>'
        y += 22 if number == 0 else LEADING


def _box(box: Box) -> Iterator[str]:
    node = box.node
    place = f'x="{box.x:g}" y="{box.y:g}" width="{box.width:g}" height="{box.height:g}"'
    radius = 16 if node.kind in _ROUND else 6
    aside = " aside" if node.kind in ("replies", "return") else ""
    yield f"<g class={quoteattr(node.kind)}>"
    yield f'<rect class="box{aside}" {place} rx="{radius}"/>'
    if node.kind not in _ROUND:
        yield f'<rect class="bar" x="{box.x:g}" y="{box.y + 6:g}" width="4" height="{box.height - 12:g}" rx="2"/>'
    yield f'<text class="title" x="{box.x + PAD:g}" y="{box.y + PAD + 11:g}">{_text(box.title)}</text>'
    if node.people is not None:
        yield f'<rect class="badge" x="{box.right - 46:g}" y="{box.y + 7:g}" width="38" height="19" rx="9.5"/>'
        middle, count = box.right - 27, node.people.total
        number = str(count) if count < 10_000 else f"{count // 1000}k"
        yield f'<text class="count" x="{middle:g}" y="{box.y + 21:g}" text-anchor="middle">{number}</text>'
    for line in box.lines:
        y = box.y + line.y
        yield f'<text class="{line.style}" x="{box.x + PAD:g}" y="{y:g}">{_text(line.text)}</text>'
    yield "</g>"


def _route(route: Route) -> str:
    turn = route.edge.way in ("go_to", "reply")
    way = f'class="{route.edge.way} way" marker-end="url(#{"turn" if turn else "tip"})"'
    points = " ".join(f"{x:g},{y:g}" for x, y in route.points)
    drawn = f'<polyline {way} points="{points}"/>'
    if not route.label:
        return drawn
    x, y = route.label_at
    return f'{drawn}\n<text class="wait" x="{x:g}" y="{y:g}">{_text(route.label)}</text>'


def _text(text: str) -> str:
    """Escaped, without what XML 1.0 §2.2 does not allow and what would turn the direction of writing."""
    return escape("".join(char if char.isprintable() else " " for char in text))
