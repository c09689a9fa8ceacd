"""A sequence as a diagram: its boxes and the ways between them, before anything is drawn.

Drawn as SVG by `diagram_svg`, written as Mermaid by `diagram_mermaid`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal, assert_never

from sequencer.core.model import (
    BACK_OFF,
    MAIN_LINE,
    Continue,
    Email,
    Ending,
    GoTo,
    MoveTo,
    Pause,
    Reaction,
    Sequence,
    Snooze,
    Step,
    Stop,
    Suppress,
    Task,
)
from sequencer.core.react import FINAL_KINDS

Kind = Literal["start", "email", "task", "go_to", "move_to", "stop", "back_off", "branch", "return", "replies", "end"]
Way = Literal["next", "go_to", "reply", "end"]

START: Final = ":start"
REPLIES: Final = ":replies"
END: Final = ":end"
"""Ids of boxes that are no steps; no step id holds a colon."""

SPLIT: Final = " or "

UNSUBSCRIBE: Final = "unsubscribe"


@dataclass(frozen=True, slots=True)
class People:
    """Who stands at a step right now, by status; `held` are those of the active who are due and held."""

    active: int = 0
    paused: int = 0
    snoozed: int = 0
    held: int = 0

    @property
    def total(self) -> int:
        return self.active + self.paused + self.snoozed


@dataclass(frozen=True, slots=True)
class Standing:
    """Where everybody of a sequence is. `at` goes by step id; `elsewhere` are at steps that the file has no more."""

    at: Mapping[str, People] = field(default_factory=dict)
    elsewhere: Mapping[str, int] = field(default_factory=dict)
    finished: int = 0
    stopped: int = 0

    @property
    def open(self) -> int:
        return sum(people.total for people in self.at.values()) + sum(self.elsewhere.values())


@dataclass(frozen=True, slots=True)
class Node:
    """One box. `line` is the line it stands in; `details` are its texts below the title, each a paragraph."""

    id: str
    kind: Kind
    line: str
    title: str
    details: tuple[str, ...] = ()
    people: People | None = None


@dataclass(frozen=True, slots=True)
class Edge:
    """A way from one box to another, and what is said about it: how long it waits, or which answer leads there."""

    source: str
    target: str
    way: Way
    label: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What happens when they answer: these kinds or labels lead to this, and to `target` where that is a box."""

    kinds: tuple[str, ...]
    effect: str
    target: str = ""


@dataclass(frozen=True, slots=True)
class Diagram:
    """A whole sequence. Without `standing` it is drawn without people."""

    name: str
    about: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    answers: tuple[Answer, ...]
    standing: Standing | None = None

    def node(self, node_id: str) -> Node:
        """The box of an id. Raises KeyError."""
        for node in self.nodes:
            if node.id == node_id:
                return node
        raise KeyError(node_id)


def branch_id(line: str) -> str:
    """The id of the box that a branch begins with."""
    return f":branch:{line}"


def return_id(line: str) -> str:
    """The id of the box that a branch ends with."""
    return f":return:{line}"


def diagram_of(sequence: Sequence, standing: Standing | None = None) -> Diagram:
    """The boxes and ways of a sequence: the line with its back-off and its end, what answers lead to, the branches."""
    answers = _answers(sequence)
    nodes = [*_line_nodes(sequence), *_branch_nodes(sequence)]
    nodes.append(Node(REPLIES, "replies", "", "When they answer", tuple(map(_sentence, answers))))
    if standing is not None:
        nodes = [_with_people(node, standing) for node in nodes]
    edges = [*_line_edges(sequence), *_branch_edges(sequence), *_jumps(sequence)]
    edges += [Edge(REPLIES, each.target, "reply", ", ".join(each.kinds)) for each in answers if each.target]
    return Diagram(sequence.name, sequence.about, tuple(nodes), tuple(edges), answers, standing)


def _with_people(node: Node, standing: Standing) -> Node:
    people = standing.at.get(node.id)
    return replace(node, people=people) if people is not None and people.total else node


# The boxes ----------------------------------------------------------------------------------------


def _line_nodes(sequence: Sequence) -> Iterator[Node]:
    yield Node(START, "start", MAIN_LINE, "enrolled", (f"from {SPLIT.join(sequence.mailboxes)}",))
    for step in sequence.steps:
        yield _step_node(step, MAIN_LINE)
    if sequence.back_off is not None:
        yield Node(
            BACK_OFF, "back_off", MAIN_LINE, "back-off", (f"e-mail {SPLIT.join(sequence.back_off.email.variants)}",)
        )
    yield Node(END, "end", MAIN_LINE, "the end", _endings(sequence))


def _branch_nodes(sequence: Sequence) -> Iterator[Node]:
    for line, steps in sequence.lines.items():
        if line != MAIN_LINE:
            yield Node(branch_id(line), "branch", line, f"branch {line}")
            yield from (_step_node(step, line) for step in steps)
            if _comes_back(sequence, line):
                yield Node(return_id(line), "return", line, "back to where the plan stood")


def _step_node(step: Step, line: str) -> Node:
    kind, does = deed_of(step)
    details = [does]
    if isinstance(step.do, Task) and step.do.note:
        details.append(step.do.note)
    if step.only_if is not None:
        details.append(f"only if {step.only_if.text}")
    if step.expires is not None:
        details.append(f"not later than {step.expires} after its time")
    return Node(step.id, kind, line, step.id, tuple(details))


def deed_of(step: Step) -> tuple[Kind, str]:
    """What a step does: its kind, and in words."""
    match step.do:
        case Email():
            thread = ", in a new thread" if step.do.thread == "new" else ""
            return "email", f"e-mail {_variants(step.do)}{thread}"
        case Task():
            return "task", f"{step.do.kind}, by the rep"
        case GoTo():
            return "go_to", f"go to {step.do.target}"
        case MoveTo():
            return "move_to", f"move to {step.do.sequence}"
        case Stop():
            return "stop", f"stop: {step.do.reason}" if step.do.reason else "stop"
        case _:
            assert_never(step.do)


def _variants(email: Email) -> str:
    if not email.percent:
        return SPLIT.join(email.variants)
    return SPLIT.join(f"{name} ({share} %)" for name, share in zip(email.variants, email.percent, strict=True))


def _endings(sequence: Sequence) -> tuple[str, ...]:
    last = _ending(sequence.finally_) or "finished"
    if sequence.back_off is None:
        return (last,)
    silent = _ending(sequence.back_off.then) or last
    return (silent,) if silent == last else (f"no answer: {silent}", f"else: {last}")


def _ending(ending: Ending | None) -> str:
    match ending:
        case None:
            return ""
        case MoveTo():
            return f"move to {ending.sequence}"
        case Stop():
            return f"stop: {ending.reason}" if ending.reason else "stop"
        case _:
            assert_never(ending)


# The ways -----------------------------------------------------------------------------------------


def _leaves(sequence: Sequence, line: str, step: Step, inside: tuple[str, ...] = ()) -> bool:
    """Whether nobody goes on behind a step of a line; `inside` are the branches that led here."""
    if step.only_if is not None:
        return False
    match step.do:
        case Email() | Task():
            return False
        case MoveTo() | Stop():
            return True
        case GoTo(target=name):
            return name in (MAIN_LINE, line) or name not in sequence.lines or not _comes_back(sequence, name, inside)
        case _:
            assert_never(step.do)


def _comes_back(sequence: Sequence, branch: str, inside: tuple[str, ...] = ()) -> bool:
    """Whether a branch ends, and its people go on where the plan stood."""
    steps = sequence.lines[branch]
    if branch in inside:
        return False  # round and round
    return not steps or not _leaves(sequence, branch, steps[-1], (*inside, branch))


def _along(sequence: Sequence, line: str, first: str, last: str, label: str = "") -> Iterator[Edge]:
    """From box to box down a line; `last` is what stands below it, reached after `label`."""
    before: str | None = first
    for step in sequence.lines[line]:
        if before is not None:
            yield Edge(before, step.id, "next", step.when.text)
        before = None if _leaves(sequence, line, step) else step.id
    if before is not None and last:
        yield Edge(before, last, "next", label)


def _line_edges(sequence: Sequence) -> Iterator[Edge]:
    if sequence.back_off is None:
        yield from _along(sequence, MAIN_LINE, START, END)
        return
    yield from _along(sequence, MAIN_LINE, START, BACK_OFF, f"after {sequence.back_off.after.text}")
    yield Edge(BACK_OFF, END, "end", "")


def _branch_edges(sequence: Sequence) -> Iterator[Edge]:
    for line in sequence.lines:
        if line != MAIN_LINE:
            yield from _along(sequence, line, branch_id(line), return_id(line))


def _jumps(sequence: Sequence) -> Iterator[Edge]:
    for steps in sequence.lines.values():
        for step in steps:
            if isinstance(step.do, GoTo) and (target := _target(sequence, step.do.target)):
                yield Edge(step.id, target, "go_to")


def _target(sequence: Sequence, name: str) -> str:
    """The box that `go_to: name` leads to; empty for a name that is neither a branch nor a step."""
    if name in sequence.lines and name != MAIN_LINE:
        return branch_id(name)
    return name if sequence.find(name) is not None else ""


# Answers ------------------------------------------------------------------------------------------


def _answers(sequence: Sequence) -> tuple[Answer, ...]:
    """What follows each answer, kinds with the same effect together; the default last. Who wants no more mail gets
    none, whatever the file says."""
    together: dict[tuple[str, str], list[str]] = {}
    for kind, reaction in {**sequence.on_reply, UNSUBSCRIBE: FINAL_KINDS[UNSUBSCRIBE]}.items():
        if kind != "any":
            together.setdefault(_effect(sequence, reaction), []).append(kind)
    found = [Answer(tuple(kinds), effect, target) for (effect, target), kinds in together.items()]
    effect, target = _effect(sequence, sequence.on_reply.get("any", Pause()))
    return (*found, Answer(("any other answer",), effect, target))


def _effect(sequence: Sequence, reaction: Reaction) -> tuple[str, str]:
    """What a reaction does, in words, and the box it leads to."""
    match reaction:
        case Pause():
            return "pause, and the rep is told", ""
        case Snooze():
            ahead = "until the day they name, else " if reaction.until_they_say else ""
            then = f", then {reaction.then}" if reaction.then else ""
            return f"silence {ahead}for {reaction.otherwise}{then}", _target(sequence, reaction.then)
        case GoTo():
            return f"go to {reaction.target}", _target(sequence, reaction.target)
        case MoveTo():
            return f"move to {reaction.sequence}", ""
        case Stop():
            return f"stop: {reaction.reason}" if reaction.reason else "stop", ""
        case Suppress():
            return "stop, and never write again", ""
        case Continue():
            return "go on", ""
        case _:
            assert_never(reaction)


def _sentence(answer: Answer) -> str:
    return f"{', '.join(kind.replace('_', ' ') for kind in answer.kinds)}: {answer.effect}"


def as_json(diagram: Diagram) -> dict[str, object]:
    """The diagram for machines (docs/commands.md); `people` is null without a database."""
    standing = diagram.standing
    return {
        "sequence": diagram.name,
        "nodes": [
            {
                "id": node.id,
                "kind": node.kind,
                "line": node.line,
                "title": node.title,
                "details": list(node.details),
                "people": None if standing is None else _people_json(node.people or People()),
            }
            for node in diagram.nodes
        ],
        "edges": [
            {"from": edge.source, "to": edge.target, "way": edge.way, "label": edge.label} for edge in diagram.edges
        ],
        "answers": [
            {"kinds": list(each.kinds), "effect": each.effect, "to": each.target or None} for each in diagram.answers
        ],
        "people": None
        if standing is None
        else {
            "open": standing.open,
            "elsewhere": dict(standing.elsewhere),
            "finished": standing.finished,
            "stopped": standing.stopped,
        },
    }


def _people_json(people: People) -> dict[str, int]:
    return {"active": people.active, "paused": people.paused, "snoozed": people.snoozed, "held": people.held}
