"""Where a plan leads: steps that nobody can come to, and loops that would turn without waiting."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from sequencer.core.model import MAIN_LINE, Base, Email, GoTo, MoveTo, Sequence, Snooze, Step, Stop, Task, When
from sequencer.workspace.draft import Draft
from sequencer.workspace.sequences import SequenceDraft
from sequencer.workspace.source import Problem

Node = tuple[str, str, int]
"""Sequence, line and index of a step; the index behind the last step is the end of the line."""

Edges = Mapping[Node, tuple[Node, ...]]


@dataclass(frozen=True, slots=True)
class Flow:
    """One sequence as a graph. `returning` are the branches whose end can be reached, so that the plan goes on."""

    each: SequenceDraft
    sequence: Sequence
    returning: frozenset[str]

    def start(self, line: str = MAIN_LINE) -> Node:
        return self.sequence.name, line, 0

    def end(self, line: str = MAIN_LINE) -> Node:
        return self.sequence.name, line, len(self.sequence.lines[line])

    def step(self, node: Node) -> Step | None:
        steps = self.sequence.lines[node[1]]
        return steps[node[2]] if node[2] < len(steps) else None

    def nodes(self) -> Iterator[tuple[Node, Step]]:
        for line, steps in self.sequence.lines.items():
            for index, step in enumerate(steps):
                yield (self.sequence.name, line, index), step

    def target(self, name: str) -> Node | None:
        if name in self.sequence.lines:
            return self.start(name)
        found = self.sequence.find(name)
        return (self.sequence.name, *found) if found is not None else None

    def edges(self) -> Edges:
        """Where each step may lead to inside this sequence."""
        return {node: tuple(self._onward(node, step)) for node, step in self.nodes()}

    def _onward(self, node: Node, step: Step) -> Iterator[Node]:
        following = (node[0], node[1], node[2] + 1)
        match step.do:
            case GoTo(target=name):
                to = self.target(name)
                if to is not None:
                    yield to
                comes_back = to is not None and to[1] not in (MAIN_LINE, node[1]) and to[1] in self.returning
                if to is None or step.only_if is not None or comes_back:
                    yield following
            case MoveTo() | Stop():
                if step.only_if is not None:
                    yield following
            case _:
                yield following


def flow_of(each: SequenceDraft, sequence: Sequence) -> Flow:
    """The graph of a sequence."""
    flow = Flow(each, sequence, frozenset())
    while True:  # a branch may return through another one
        edges = flow.edges()
        inside = {node: onward for node, onward in edges.items() if node[1] != MAIN_LINE}
        returning = frozenset(
            line
            for line in sequence.lines
            if line != MAIN_LINE and flow.end(line) in reached([flow.start(line)], inside)
        )
        if returning == flow.returning:
            return flow
        flow = Flow(each, sequence, returning)


def reached(starts: list[Node], edges: Edges) -> set[Node]:
    """Every node that can be come to, the starts included."""
    found = set(starts)
    open_ = list(starts)
    while open_:
        for node in edges.get(open_.pop(), ()):
            if node not in found:
                found.add(node)
                open_.append(node)
    return found


def flow_mistakes(draft: Draft) -> Iterator[Problem]:
    """Unreachable steps and branches, and loops without a wait, inside a file and across files."""
    flows = {name: flow_of(each, each.sequence) for name, each in draft.sequences.items() if each.sequence is not None}
    for flow in flows.values():
        yield from _unreachable(flow)
        yield from _loops(flow)
    yield from _rounds(flows)


def _unreachable(flow: Flow) -> Iterator[Problem]:
    starts = [flow.start()]
    for reaction in flow.sequence.on_reply.values():
        name = reaction.target if isinstance(reaction, GoTo) else reaction.then if isinstance(reaction, Snooze) else ""
        target = flow.target(name)
        if target is not None:
            starts.append(target)
    found = reached(starts, flow.edges())
    for line in flow.sequence.lines:
        if line != MAIN_LINE and flow.start(line) not in found:
            message, hint = f"nothing goes to the branch {line}", f"write `go_to: {line}` somewhere, or delete it"
            yield flow.each.document.problem(
                ("branches", line), "unreached-branch", message, hint, key=True, severity="warning"
            )
    for node, step in flow.nodes():
        if node not in found and (node[1] == MAIN_LINE or flow.start(node[1]) in found):
            before = flow.sequence.lines[node[1]][node[2] - 1]
            message = f"the step {step.id} is never reached"
            hint = f"{before.id} always leads elsewhere: give it an only_if, or delete what follows"
            if (node[0], node[1], node[2] - 1) in found:  # the first one of several is enough
                yield flow.each.document.problem((*flow.each.routes[step.id], "step"), "unreachable", message, hint)


# Loops --------------------------------------------------------------------------------------------


def _waits(step: Step) -> bool:
    """Whether time passes at this step on every round of a loop. A day that has passed once is past for good."""
    if isinstance(step.do, Task):
        return True  # until the rep has done it
    when = step.when
    return (when.base is Base.TOUCH and when.span.amount > 0) or (
        when.base in (Base.NOW, Base.TOUCH) and (when.at is not None or when.weekday is not None)
    )


def _waits_anew(step: Step) -> bool:
    """The same after a move to another sequence, where days count from the new enrollment."""
    return _waits(step) or step.when.base is Base.DECISION or _later_day(step.when)


def _later_day(when: When) -> bool:
    return when.base is Base.ENROLLMENT and when.span.amount > 0


def _touches(step: Step) -> bool:
    """Whether this step surely reaches the contact, so that waits count from it anew."""
    return isinstance(step.do, (Email, Task)) and step.only_if is None and step.expires is None


def _loops(flow: Flow) -> Iterator[Problem]:
    reasons: tuple[tuple[Callable[[Step], bool], str, str], ...] = (
        (_waits, "goes round without waiting", "give one of its steps a `when:` such as `5 days later`"),
        (
            _touches,
            "goes round without a touch that is sure",
            "waits count from the last touch: without one they are all over at once; take the only_if off one of them",
        ),
    )
    edges = flow.edges()
    told: set[Node] = set()
    for breaks, message, hint in reasons:
        without = {node: onward for node, onward in edges.items() if (step := flow.step(node)) and not breaks(step)}
        for node, step in reversed(list(flow.nodes())):  # the last jump of a loop is the one that turns back
            if isinstance(step.do, GoTo) and node in without and node not in told:
                around = reached(list(without[node]), without)
                if node in around:
                    told |= {other for other in around if node in reached([other], without)}
                    route = (*flow.each.routes[step.id], "go_to")
                    yield flow.each.document.problem(route, "loop-without-wait", f"this {message}", hint)


def _rounds(flows: Mapping[str, Flow]) -> Iterator[Problem]:
    """Sequences that hand a contact round and round in no time."""
    edges: dict[Node, tuple[Node, ...]] = {}
    moves: list[tuple[Node, Node, Flow, tuple[str | int, ...]]] = []
    for flow in flows.values():
        for node, onward in flow.edges().items():
            step = flow.step(node)
            if step is None or _waits_anew(step):
                continue
            edges[node] = onward
            if isinstance(step.do, MoveTo) and step.do.sequence in flows:
                moves.append((node, flows[step.do.sequence].start(), flow, (*flow.each.routes[step.id], "move_to")))
        ending = flow.sequence.finally_
        if flow.sequence.back_off is None and isinstance(ending, MoveTo) and ending.sequence in flows:
            moves.append((flow.end(), flows[ending.sequence].start(), flow, ("finally", "move_to")))
    for node, to, _, _ in moves:
        edges[node] = (*edges.get(node, ()), to)
    for node, to, flow, route in moves:
        if node in reached([to], edges):
            message = f"this leads back to {flow.sequence.name} without waiting"
            hint = "give a step on the way a `when:` such as `5 days later`"
            yield flow.each.document.problem(route, "loop-without-wait", message, hint)
