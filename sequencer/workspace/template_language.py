"""The language of templates: Jinja2 in a sandbox, with a bounded amount of work and no way to lose a variable.

Left out on purpose: macros, includes, `namespace`, recursion, and every filter or method that can make a long text
out of a short one. A missing variable never becomes a blank: it is written down, and the message is not sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sized
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from jinja2 import Template as JinjaTemplate
from jinja2 import TemplateError, TemplateSyntaxError, Undefined, nodes, pass_context
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer
from markupsafe import Markup

from sequencer.workspace.markdown import protect
from sequencer.workspace.missing import Missing, collect
from sequencer.workspace.template_needs import name_of

MAX_OUTPUT: Final = 100_000
"""Characters that one rendered template may have."""

MAX_TEXT: Final = 20_000
"""Characters that one value inside a template may grow to."""

MAX_ROUNDS: Final = 500
"""How often one loop may go round; loops may be nested once."""

MAX_LOOPS: Final = 10
MONTHS: Final = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


class TooMuch(TemplateError):
    """A template that makes more work or text than any letter needs."""


# The sandbox --------------------------------------------------------------------------------------

_METHODS: Final = frozenset(
    {"upper", "lower", "title", "capitalize", "strip", "lstrip", "rstrip", "split", "startswith", "endswith"}
    | {"strftime", "isoformat", "get", "items", "keys", "values"}
)


class _Sandbox(ImmutableSandboxedEnvironment):
    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "%", "**"})

    def is_safe_callable(self, obj: Any) -> bool:
        owner, name = getattr(obj, "__self__", None), getattr(obj, "__name__", "")
        if isinstance(owner, (str, date, Mapping)):
            return name in _METHODS
        if isinstance(owner, LoopContext):
            return name in ("cycle", "changed")
        return obj is _range or isinstance(obj, Missing)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if isinstance(left, Missing) or isinstance(right, Missing):
            return (left if isinstance(left, Missing) else right).note()
        sizes = [len(side) for side in (left, right) if isinstance(side, Sized)]
        numbers = [abs(side) for side in (left, right) if isinstance(side, (int, float))]
        if sizes and operator == "+":
            _bounded_size(sum(sizes))
        elif sizes and operator == "*":
            _bounded_size(int(sizes[0] * (numbers[0] if numbers else MAX_TEXT)))
        elif sizes:
            raise SecurityError(f"{operator} is not for texts")
        elif any(number > 1e15 for number in numbers) or (operator == "**" and right not in range(9)):
            raise TooMuch("a number is too large")
        return super().call_binop(context, operator, left, right)


def _bounded_size(size: int) -> None:
    if size > MAX_TEXT:
        raise TooMuch(f"a text of more than {MAX_TEXT} characters")


def _range(*ends: int) -> range:
    numbers = range(*ends)
    if len(numbers) > MAX_ROUNDS:
        raise TooMuch(f"a loop of more than {MAX_ROUNDS} rounds")
    return numbers


def _rounds(items: Any) -> list[Any]:
    """What a `for` goes through."""
    result: list[Any] = []
    for item in items:
        result.append(item)
        if len(result) > MAX_ROUNDS:
            raise TooMuch(f"a loop of more than {MAX_ROUNDS} rounds")
    return result


def _glue(pieces: Iterable[Any]) -> str:
    """`a ~ b`: text of the template stays that, values stay values."""
    parts = list(pieces)
    blocks = any(isinstance(part, Markup) for part in parts)
    texts = [part if isinstance(part, Markup) or not blocks else protect(in_words(part)) for part in parts]
    result = "".join(in_words(text) for text in texts)
    _bounded_size(len(result))
    return Markup(result) if blocks else result  # noqa: S704 (every value in it is protected)


def _join(items: Any, delimiter: str = "") -> str:
    parts: list[Any] = []
    for item in _rounds(items):
        parts += [item] if not parts else [delimiter, item]
    return _glue(parts)


def _inside(value: Any, several: Any) -> bool:
    """`rating in ["A", "B"]`, `"RV" in product`; what is missing is in nothing, and nothing is in it."""
    if isinstance(value, Missing) or isinstance(several, Missing):
        return False
    return (in_words(value) in several) if isinstance(several, str) else (value in several)


def _replace(text: Any, old: str, new: str) -> str:
    source = in_words(text)
    _bounded_size(len(source) * max(1, len(in_words(new))) if in_words(old) else MAX_TEXT + 1)
    return source.replace(in_words(old), in_words(new))


def _round(number: Any, digits: int = 0) -> float:
    return round(float(number), max(-15, min(int(digits), 15)))


def _date(value: Any, form: str = "") -> Any:
    """A date in the wanted form (strftime); ISO text is understood."""
    if isinstance(value, Missing):
        return value
    try:
        day = value if isinstance(value, date) else datetime.fromisoformat(str(value))
    except ValueError:
        raise TemplateError(f"`{str(value)[:40]}` is no date") from None
    return day.strftime(form[:100]) if form else in_words(day)


def in_words(value: Any) -> str:
    """A value as it reads in a letter."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case date():
            return f"{value.day} {MONTHS[value.month - 1]} {value.year}"
        case float() if value.is_integer() and abs(value) < 1e15:
            return str(int(value))
        case str() | int() | float() | Undefined():  # Jinja's own Undefined: an `if` without `else`
            return str(value)
        case _:
            raise TemplateError("a list, a group or a function cannot stand in a letter")


@pass_context
def _finalize(context: Context, value: Any) -> Any:
    """What `{{ … }}` puts out: captured blocks as they are, everything else as data. (Per render, never folded.)"""
    return value if isinstance(value, Markup) else Markup(protect(in_words(value)))  # noqa: S704


_FILTERS: Final = (
    *("abs", "capitalize", "default", "d", "first", "float", "int", "last", "length", "count", "list", "lower"),
    *("max", "min", "reverse", "sort", "string", "sum", "title", "trim", "truncate", "unique", "upper", "wordcount"),
)
_OWN_FILTERS: Final[Mapping[str, Callable[..., Any]]] = {
    "replace": _replace,
    "round": _round,
    "join": _join,
    "date": _date,
    "_glue": _glue,
    "_rounds": _rounds,
    "_inside": _inside,
}


def _sandbox() -> _Sandbox:
    env = _Sandbox(undefined=Missing, autoescape=True, finalize=_finalize, keep_trailing_newline=True)
    env.filters = {**{name: env.filters[name] for name in _FILTERS}, **_OWN_FILTERS}
    env.globals = {"range": _range}
    return env


ENVIRONMENT: Final = _sandbox()
FILTERS: Final = frozenset(name for name in ENVIRONMENT.filters if not name.startswith("_"))

_REFUSED: Final[Mapping[type[nodes.Node], str]] = {
    nodes.Macro: "macro",
    nodes.CallBlock: "call",
    nodes.Include: "include",
    nodes.Import: "import",
    nodes.FromImport: "from … import",
    nodes.Extends: "extends",
    nodes.Block: "block",
    nodes.FilterBlock: "filter",
    nodes.ScopedEvalContextModifier: "autoescape",
    nodes.NSRef: "namespace",
}


class _Bounded(NodeTransformer):
    """Rewrites what could grow without bound, and `company.name`, which is ours, into `our.name`."""

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802 (the library's name)
        self.generic_visit(node)
        node.iter = _filtered(node.iter, "_rounds")
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return _filtered(nodes.List(node.nodes, lineno=node.lineno), "_glue")

    def visit_Compare(self, node: nodes.Compare) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        if len(node.ops) != 1 or node.ops[0].op not in ("in", "notin"):
            return node
        inside = _filtered(node.expr, "_inside", node.ops[0].expr)
        return inside if node.ops[0].op == "in" else nodes.Not(inside, lineno=node.lineno)

    def visit_Getattr(self, node: nodes.Getattr) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return _ours(node)

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return _ours(node)


def _ours(node: nodes.Getattr | nodes.Getitem) -> nodes.Node:
    if name_of(node) in ("company.name", "company.address"):
        node.node = nodes.Name("our", "load", lineno=node.lineno)
    return node


def _filtered(node: nodes.Node, name: str, *arguments: nodes.Node) -> nodes.Filter:
    return nodes.Filter(node, name, list(arguments), [], None, None, lineno=node.lineno)


# Programs -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Program:
    """A compiled text with variables, and its syntax tree."""

    tree: nodes.Template
    code: JinjaTemplate


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A text that is no program: the line in it (from 1), and why."""

    line: int
    message: str
    hint: str = ""


def compile_text(source: str) -> Program | Unreadable:
    """The program in a text."""
    try:
        tree = ENVIRONMENT.parse(source)
        refusal = _refusal(tree)
        if refusal is not None:
            return refusal
        bounded = ENVIRONMENT.parse(source)
        _Bounded().visit(bounded)
        code = JinjaTemplate.from_code(ENVIRONMENT, ENVIRONMENT.compile(bounded), dict(ENVIRONMENT.globals))
    except TemplateSyntaxError as error:
        return Unreadable(error.lineno, error.message or "cannot be read", _syntax_hint(error.message or ""))
    except TemplateError as error:
        return Unreadable(1, error.message or "cannot be read")
    except (SyntaxError, RecursionError, MemoryError, ValueError):
        return Unreadable(1, "is nested too deeply or too complicated")
    return Program(tree, code)


def _syntax_hint(message: str) -> str:
    if "No filter named" in message:
        return f"known: {', '.join(sorted(FILTERS))}"
    if "unknown tag" in message:
        return "known: if, elif, else, endif, for, endfor, set, endset, with, endwith"
    if "end of template" in message or "unexpected" in message:
        return "look for a missing }}, %} or {% endif %}"
    return (
        "write a variable as {{ first_name }}: one word, no blank in it" if "end of print statement" in message else ""
    )


def _refusal(tree: nodes.Template) -> Unreadable | None:
    for kind, name in _REFUSED.items():
        found = next(tree.find_all(kind), None)
        if found is not None:
            return Unreadable(found.lineno, f"`{name}` is not part of the language", "write the text out")
    loops = list(tree.find_all(nodes.For))
    for loop in loops:
        too_deep = any(any(each.find_all(nodes.For)) for each in loop.find_all(nodes.For))
        if loop.recursive or too_deep or len(loops) > MAX_LOOPS:
            return Unreadable(loop.lineno, "too many loops in one another, or in all", "a letter needs few")
    return None


def run(program: Program, variables: Mapping[str, object]) -> tuple[str, list[str]]:
    """The text with protected values, and the names of the variables that were missing (each as often as used).

    Raises TemplateError, and whatever a wrong operation raises (TypeError, ZeroDivisionError …).
    """

    def work() -> str:
        pieces: list[str] = []
        size = 0
        for piece in program.code.generate(dict(variables)):
            size += len(piece)
            if size > MAX_OUTPUT * 8:  # a protected value takes up to eight times its length
                raise TooMuch(f"a letter of more than {MAX_OUTPUT} characters")
            pieces.append(piece)
        return "".join(pieces)

    return collect(work)
