"""The state diagram, drawn from the state table, so that the two cannot drift apart."""

from __future__ import annotations

import re
from collections import defaultdict

from sequencer.core.decide import TRANSITIONS
from sequencer.core.model import Status


def mermaid() -> str:
    """The states of an enrollment and the events that lead from one to another, as a Mermaid state diagram.

    Events that leave every status as it is are listed in a note.
    """
    arrows: dict[tuple[Status, Status], list[str]] = defaultdict(list)
    inert: list[str] = []
    for kind, moves in TRANSITIONS.items():
        if all(source is target for source, target in moves.items()) and set(moves) == set(Status):
            inert.append(_words(kind.__name__))
            continue
        for source, target in moves.items():
            arrows[source, target].append(_words(kind.__name__))
    lines = ["stateDiagram-v2", "    [*] --> active : enrolled"]
    for (source, target), kinds in arrows.items():
        lines.append(f"    {source} --> {target} : {', '.join(kinds)}")
    lines.append("    note right of active")
    lines.append(f"        in every state: {', '.join(inert)}")
    lines.append("    end note")
    return "\n".join(lines)


def _words(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", " ", name).lower()
