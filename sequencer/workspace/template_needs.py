"""Which variables a template reads, and which it cannot do without: the best guess that its text alone allows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from jinja2 import nodes

_DEFAULTS: Final = ("default", "d")
_BUILT_IN: Final = frozenset({"range", "loop", "self"})


@dataclass(frozen=True, slots=True)
class Read:
    """One place where a variable is read. `guarded`: the template copes when it is missing."""

    name: str  # as written: first_name, sender.first_name
    line: int  # from 1
    guarded: bool


def needs_of(tree: nodes.Template) -> frozenset[str]:
    """The variables without which no one can get this text, whatever branch is taken."""
    return frozenset(_of_body(tree.body)) - _assigned(tree)


def reads_of(tree: nodes.Template) -> list[Read]:
    """Every place where a variable is read, in order."""
    own = _assigned(tree) | _BUILT_IN
    return [read for read in _walk(tree, frozenset(), guarded=False) if read.name.split(".")[0] not in own]


def _assigned(tree: nodes.Template) -> frozenset[str]:
    return frozenset(name.name for name in tree.find_all(nodes.Name) if name.ctx in ("store", "param"))


def name_of(node: nodes.Node) -> str:
    """`sender.first_name` for the expression that says so; empty for anything else."""
    match node:
        case nodes.Name():
            return node.name if node.ctx == "load" else ""
        case nodes.Getattr():
            owner = name_of(node.node)
            return f"{owner}.{node.attr}" if owner else ""
        case nodes.Getitem(arg=nodes.Const(value=str() as key)):
            owner = name_of(node.node)
            return f"{owner}.{key}" if owner else ""
        case _:
            return ""


# What it cannot do without ------------------------------------------------------------------------


def _of_body(body: Iterable[nodes.Node]) -> set[str]:
    needed: set[str] = set()
    for node in body:
        needed |= _of_statement(node)
    return needed


def _of_statement(node: nodes.Node) -> set[str]:
    match node:
        case nodes.If():
            ways = [_of_body(node.body), *(_of_body(each.body) for each in node.elif_), _of_body(node.else_)]
            return set.intersection(*ways)
        case nodes.For():
            return _of_expression(node.iter)
        case nodes.Assign():
            return _of_expression(node.node)
        case nodes.AssignBlock():
            return _of_body(node.body)
        case nodes.With():
            return {name for value in node.values for name in _of_expression(value)} | _of_body(node.body)
        case _:
            return {name for child in node.iter_child_nodes() for name in _of_expression(child)}


def _of_expression(node: nodes.Node) -> set[str]:
    name = name_of(node)
    if name:
        return set() if name.split(".")[0] in _BUILT_IN else {name}
    match node:
        case nodes.Filter() if node.name in _DEFAULTS or node.node is None:
            return set()
        case nodes.Test() | nodes.Not() | nodes.Compare() | nodes.Name():
            return set()
        case nodes.CondExpr():
            other = _of_expression(node.expr2) if node.expr2 is not None else set()
            return _of_expression(node.expr1) & other
        case nodes.Or():
            return _of_expression(node.left) & _of_expression(node.right)
        case nodes.And():
            return _of_expression(node.left)
        case _:
            return {each for child in node.iter_child_nodes() for each in _of_expression(child)}


# What it reads ------------------------------------------------------------------------------------


def _walk(node: nodes.Node, tested: frozenset[str], *, guarded: bool) -> Iterator[Read]:
    """Every read below a node; a name that an enclosing `if` has asked about is guarded."""
    name = name_of(node)
    if name:
        yield Read(name, node.lineno, guarded or name in tested)
        return
    match node:
        case nodes.If():
            yield from _walk(node.test, tested, guarded=True)
            inside = tested | _names(node.test)
            for child in (*node.body, *node.elif_, *node.else_):
                yield from _walk(child, inside, guarded=guarded)
        case nodes.CondExpr():
            yield from _walk(node.test, tested, guarded=True)
            for way in filter(None, (node.expr1, node.expr2)):
                yield from _walk(way, tested | _names(node.test), guarded=guarded)
        case nodes.Or():
            yield from _walk(node.left, tested, guarded=True)
            yield from _walk(node.right, tested, guarded=guarded)
        case _:
            copes = isinstance(node, nodes.Test) or (isinstance(node, nodes.Filter) and node.name in _DEFAULTS)
            for child in node.iter_child_nodes():
                yield from _walk(child, tested, guarded=guarded or copes)


def _names(test: nodes.Node) -> frozenset[str]:
    return frozenset(read.name for read in _walk(test, frozenset(), guarded=True))
