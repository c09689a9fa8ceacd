"""The `only_if:` expressions of a step: read once, then asked about a contact.

Python's grammar for expressions, and of that only names, literals, `and or not`, comparisons and `in`. Nothing is
ever executed: the syntax tree is walked here.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator
from datetime import date, datetime
from functools import lru_cache
from typing import Final, TypeVar

from sequencer.core.model import Condition, Contact, Fields, FieldValue
from sequencer.core.when import PhraseError

CONDITION_FORMS: Final = (
    "contact.phone",
    "not contact.phone",
    'contact.rating == "A"',
    'contact.state in ["MT", "ID"]',
    "enrollment.amount >= 5000 and contact.phone",
)
"""An example of everything that an `only_if:` may say."""

_LONGEST_TEXT: Final = 500
_EXAMPLES: Final = f"write for example {'; '.join(f'`{form}`' for form in CONDITION_FORMS)}"
_OWNERS: Final = ("contact", "enrollment")
_LITERALS: Final[dict[str, FieldValue]] = {"true": True, "false": False, "null": None, "none": None}
_NO_WORDS: Final = frozenset({"no", "n", "false", "off", "0"})
_YES_WORDS: Final = frozenset({"yes", "y", "true", "on", "1"})
_COMPARISONS: Final = (ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.In, ast.NotIn)
_HABITS: Final = (  # what people bring along from other languages, and how to say it here
    (r"&&", "write `and` instead of `&&`"),
    (r"\|\|", "write `or` instead of `||`"),
    (r"<>", "write `!=` instead of `<>`"),
    (r"!(?!=)", "write `not` instead of `!`"),
    (r"===", "write `==` instead of `===`"),
    (r"(?<![=!<>])=(?!=)", "did you mean `==`?"),
    (r"[“”„‘’]", "use straight quotes: \"…\""),
    (r"\b(?:AND|OR|NOT|IN)\b", "write `and`, `or`, `not` and `in` in small letters"),
    (r"\bis\b", "write `==` instead of `is`"),
    (r"\w+\.\w+-\w|\{\{", "a field is named by letters, digits and `_`, without braces: `contact.first_name`"),
)  # fmt: skip

_Ordered = TypeVar("_Ordered", str, float)
_Several = ast.List | ast.Tuple | ast.Set
_Value = FieldValue | tuple[FieldValue, ...]


def parse_condition(text: str) -> Condition:
    """The value of an `only_if:` expression; `names` are the dotted names as written. Raises PhraseError."""
    return Condition(text.strip(), frozenset(_names(_tree(text))))


def condition_holds(condition: Condition, contact: Contact, fields: Fields) -> bool:
    """Whether the condition holds for a contact in an enrollment.

    `fields` are the enrollment's, alone or over the contact's: `enrollment.x` reads only them; `contact.x` and a bare
    `x` read them first, then the contact's fields, then its email, domain, timezone and language. A name that is
    missing or blank is None. Texts compare without regard to case; a text that holds a number or an ISO 8601 date
    compares with numbers and dates as such, and anything else that cannot be compared is unequal and in no order.
    A text of `no`, `n`, `false`, `off` or `0` is false.
    """
    return _truth(_value(_tree(condition.text), contact, fields))


def field_value(fields: Fields, name: str) -> FieldValue:
    """A field by name, without regard to case when the exact name is missing; blank texts count as None."""
    value = fields.get(name)
    if value is None:
        low = name.lower()
        value = next((item for key, item in fields.items() if key.lower() == low and item is not None), None)
    return _blank_to_none(value)


# Reading --------------------------------------------------------------------------------------------


@lru_cache(maxsize=1024)
def _tree(text: str) -> ast.expr:
    phrase = " ".join(text[: _LONGEST_TEXT + 1].split())
    if not phrase:
        raise PhraseError("the condition is empty", _EXAMPLES)
    if len(phrase) > _LONGEST_TEXT:
        raise PhraseError(f"a condition of more than {_LONGEST_TEXT} characters is too long", "split the step in two")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            body = ast.parse(phrase, mode="eval").body
        _check(body)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        if isinstance(error, PhraseError):
            raise PhraseError(error.message, _habit(phrase) or error.hint) from None
        raise PhraseError(
            f"`{phrase}` is not a condition that can be understood", _habit(phrase) or _EXAMPLES
        ) from None
    return body


def _habit(phrase: str) -> str:
    outside = re.sub(r"'[^']*'|\"[^\"]*\"", "''", phrase)
    return next((hint for pattern, hint in _HABITS if re.search(pattern, outside)), "")


def _check(node: ast.expr) -> None:
    """Raises PhraseError unless the node and everything below it belong to the language."""
    match node:
        case ast.BoolOp():
            for item in node.values:
                _check(item)
        case ast.UnaryOp(op=ast.Not()):
            _check(node.operand)
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float())):
            pass
        case ast.Compare():
            _check_comparison(node)
        case ast.Name():
            if node.id in _OWNERS:
                raise PhraseError(f"`{node.id}` alone is not a field", f"name one: `{node.id}.phone`")
        case ast.Attribute(value=ast.Name(id="contact" | "enrollment")):
            pass
        case ast.Attribute():
            raise PhraseError(
                f"`{ast.unparse(node)}` is not a field", "write `contact.phone` or `enrollment.quote_date`"
            )
        case ast.Constant(value=str() | int() | float() | None):
            pass
        case _:
            raise PhraseError(f"`{ast.unparse(node)}` is not something that a condition can say", _EXAMPLES)


def _check_comparison(node: ast.Compare) -> None:
    _check(node.left)
    for operator, side in zip(node.ops, node.comparators, strict=True):
        if not isinstance(operator, _COMPARISONS):
            raise PhraseError(f"`{ast.unparse(node)}` compares in an unknown way", "use ==, !=, <, <=, >, >= or in")
        if isinstance(side, _Several) and isinstance(operator, ast.In | ast.NotIn):
            for item in side.elts:
                _check(item)
        elif isinstance(side, _Several):
            hint = f"did you mean `{ast.unparse(node.left)} in {ast.unparse(side)}`?"
            raise PhraseError(f"`{ast.unparse(node)}` compares with a list", hint)
        else:
            _check(side)


def _names(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Attribute):
        yield ast.unparse(node)
    elif isinstance(node, ast.Name):
        if node.id.lower() not in _LITERALS:
            yield node.id
    else:
        for child in ast.iter_child_nodes(node):
            yield from _names(child)


# Asking ---------------------------------------------------------------------------------------------


def _value(node: ast.expr, contact: Contact, fields: Fields) -> FieldValue:
    match node:
        case ast.BoolOp(op=ast.And()):
            return all(_truth(_value(item, contact, fields)) for item in node.values)
        case ast.BoolOp():
            return any(_truth(_value(item, contact, fields)) for item in node.values)
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)):
            return -number
        case ast.UnaryOp():
            return not _truth(_value(node.operand, contact, fields))
        case ast.Compare():
            return _compares(node, contact, fields)
        case ast.Name():
            return _LITERALS[node.id.lower()] if node.id.lower() in _LITERALS else _of_contact(node.id, contact, fields)
        case ast.Attribute(value=ast.Name(id="enrollment")):
            return field_value(fields, node.attr)
        case ast.Attribute():
            return _of_contact(node.attr, contact, fields)
        case ast.Constant(value=str() | int() | float() | None as literal):
            return _blank_to_none(literal)
        case _:
            raise AssertionError(f"{ast.dump(node)} was let in")


def _of_contact(name: str, contact: Contact, fields: Fields) -> FieldValue:
    for source in (fields, contact.fields):
        if (value := field_value(source, name)) is not None:
            return value
    own: Fields = {
        "email": contact.email,
        "domain": contact.domain,
        "timezone": contact.timezone,
        "language": contact.language,
    }
    return field_value(own, name)


def _compares(node: ast.Compare, contact: Contact, fields: Fields) -> bool:
    left: _Value = _value(node.left, contact, fields)
    for operator, side in zip(node.ops, node.comparators, strict=True):
        right: _Value
        if isinstance(side, _Several):
            right = tuple(_value(item, contact, fields) for item in side.elts)
        else:
            right = _value(side, contact, fields)
        if not _compare(left, operator, right):
            return False
        left = right
    return True


def _compare(left: _Value, operator: ast.cmpop, right: _Value) -> bool:
    match operator:
        case ast.Eq():
            return _equal(left, right)
        case ast.NotEq():
            return not _equal(left, right)
        case ast.In():
            return _contains(right, left)
        case ast.NotIn():
            return not _contains(right, left)
        case _:
            order = _order(left, right)
            if order is None:
                return False
            return {ast.Lt: order < 0, ast.LtE: order <= 0, ast.Gt: order > 0, ast.GtE: order >= 0}[type(operator)]


def _contains(several: _Value, item: _Value) -> bool:
    if isinstance(several, tuple):
        return any(_equal(item, one) for one in several)
    if isinstance(several, str) and item is not None and not isinstance(item, tuple):
        return _text(item) in _text(several)
    return False


def _equal(left: _Value, right: _Value) -> bool:
    if left is None or right is None:
        return left is right
    return _order(left, right) == 0


def _order(left: _Value, right: _Value) -> int | None:
    """-1, 0 or 1 as in left < right, left == right, left > right; None when they have no order."""
    if left is None or right is None or isinstance(left, tuple) or isinstance(right, tuple):
        return None
    if isinstance(left, str) and isinstance(right, str):
        return _sign(_text(left), _text(right))
    read = _as_day if isinstance(left, date) or isinstance(right, date) else _as_number
    first, second = read(left), read(right)
    if isinstance(left, bool) and isinstance(right, str):
        second = _as_yes(right)
    if isinstance(right, bool) and isinstance(left, str):
        first = _as_yes(left)
    return None if first is None or second is None else _sign(first, second)


def _sign(left: _Ordered, right: _Ordered) -> int:
    return (left > right) - (left < right)


def _as_day(value: FieldValue) -> float | None:
    if isinstance(value, str):
        try:
            return float(datetime.fromisoformat(value.strip()).toordinal())
        except ValueError:
            return None
    return float(value.toordinal()) if isinstance(value, date) else None


def _as_number(value: FieldValue) -> float | None:
    if isinstance(value, str):
        digits = value.strip()  # also of what float() does not take for space
        return float(digits) if re.fullmatch(r"[+-]?[0-9]{1,30}(?:\.[0-9]{0,30})?", digits) else None
    return value if isinstance(value, int | float) else None


def _as_yes(value: str) -> float | None:
    return 1.0 if _text(value) in _YES_WORDS else 0.0 if _text(value) in _NO_WORDS else None


def _text(value: FieldValue) -> str:
    return str(value).strip().casefold()


def _truth(value: FieldValue) -> bool:
    return _text(value) not in _NO_WORDS if isinstance(value, str) else bool(value)


def _blank_to_none(value: FieldValue) -> FieldValue:
    return None if isinstance(value, str) and not value.strip() else value
