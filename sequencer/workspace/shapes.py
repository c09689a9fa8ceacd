"""The ground under the schemas: strict models, the types that read phrases, and pydantic's errors as problems.

Every scalar arrives as text (see `source`). A value that is wrong is never repeated in a message about `config.yaml`
unless the key can hold no secret.
"""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainValidator,
    ValidationError,
)
from pydantic import WithJsonSchema as JsonSchema
from pydantic_core import ErrorDetails, PydanticCustomError, core_schema

from sequencer.core.condition import parse_condition
from sequencer.core.hours import parse_hours
from sequencer.core.model import Condition, Hours, Span, When
from sequencer.core.when import PhraseError, parse_span, parse_when
from sequencer.workspace import editor_forms
from sequencer.workspace.source import Document, Plain, Problem, Route, did_you_mean, shown
from sequencer.workspace.warning_names import MEANINGS

M = TypeVar("M", bound="Strict")
T = TypeVar("T")


class Strict(BaseModel):
    """A mapping in a file: unknown keys are mistakes, and no error ever repeats an input."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, arbitrary_types_allowed=True)


def refuse(code: str, message: str, hint: str = "") -> PydanticCustomError:
    """The error to raise in a validator."""
    return PydanticCustomError("refused", "{message}", {"code": code, "message": message, "hint": hint})


# Types --------------------------------------------------------------------------------------------


def _text_of(value: object, what: str) -> str:
    if not isinstance(value, str):
        raise refuse("shape", f"expected {what}, found {_kind(value)}")
    return value


def _phrase(code: str, what: str, parse: Callable[[str], T]) -> Callable[[object], T]:
    def read(value: object) -> T:
        try:
            return parse(_text_of(value, what))
        except PhraseError as error:
            raise refuse(code, error.message, error.hint) from None

    return read


WhenPhrase = Annotated[
    When,
    PlainValidator(_phrase("when", "a time phrase", parse_when)),
    JsonSchema(editor_forms.WHEN),
]
SpanPhrase = Annotated[
    Span,
    PlainValidator(_phrase("span", "a length of time", parse_span)),
    JsonSchema(editor_forms.SPAN),
]
HoursPhrase = Annotated[
    Hours,
    PlainValidator(_phrase("hours", "hours", parse_hours)),
    JsonSchema(editor_forms.HOURS),
]
ConditionPhrase = Annotated[
    Condition,
    PlainValidator(_phrase("condition", "a condition", parse_condition)),
    JsonSchema(editor_forms.CONDITION),
]


def _yes_or_no(value: object) -> bool:
    words = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
    answer = words.get(_text_of(value, "true or false").lower())
    if answer is None:
        raise refuse("shape", "expected true or false")
    return answer


YesNo = Annotated[bool, PlainValidator(_yes_or_no), JsonSchema(dict(editor_forms.YES_NO))]


@dataclass(frozen=True, slots=True, eq=False)
class Shorthand:
    """Annotates a type that may also be written in a shorter way: `expand` turns a text into the long form."""

    expand: Callable[[str], Any]
    schema: Mapping[str, Any]  # the JSON Schema of the short form

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_before_validator_function(
            lambda value: self.expand(value) if isinstance(value, str) else value, handler(source)
        )

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"anyOf": [dict(self.schema), handler(schema)]}


def word_of(*words: str) -> Callable[[str], dict[str, str]]:
    """Expands one of these words into a mapping: `pause` is `{pause: ""}`."""

    def expand(text: str) -> dict[str, str]:
        if text not in words:
            hint = did_you_mean(text, words)
            raise refuse("word", f"`{shown(text)}` is none of the words that may stand here", hint)
        return {text: ""}

    return expand


OneOrMore = Annotated[tuple[str, ...], Field(min_length=1), Shorthand(lambda text: (text,), editor_forms.text())]
"""One text, or a list of texts."""

Allowed = Annotated[
    tuple[str, ...], Shorthand(lambda text: (text,), {}), JsonSchema(editor_forms.one_or_several(MEANINGS))
]
"""Names of warnings; `allow` says which of them there are."""


# Validation ---------------------------------------------------------------------------------------

NULL_MEANS_YES: Final = frozenset({"stop"})
"""Keys that may stand without a value."""


def validate(model: type[M], document: Document, context: object = None) -> tuple[M | None, list[Problem]]:
    """The model of what stands in the document, or None and every problem, at its place."""
    empty: dict[Route, Problem] = {}
    data = _without_nulls(document.data, (), document, empty)
    problems = list(empty.values())
    if not isinstance(data, dict):
        if not problems:
            message = "the file is empty" if data is None else f"expected keys and values, found {_kind(data)}"
            problems.append(document.problem((), "shape", message))
        return None, problems
    try:
        result = model.model_validate(data, context=context)
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            # A list whose every entry is wrong counts as too short as well; the entries are told already.
            hollow = detail["type"] == "too_short" and detail["input"]
            if detail["loc"] not in empty and not hollow:
                problems.append(_problem(model, document, detail))
        return None, problems
    return (None if problems else result), problems


def _without_nulls(data: Plain, route: Route, document: Document, empty: dict[Route, Problem]) -> Plain:
    """The data without keys that have no value; each is a problem, as nobody means to say nothing."""
    if isinstance(data, list):
        items: list[Plain] = []
        for index, item in enumerate(data):
            place = (*route, index)
            if item is None:
                empty[place] = document.problem(place, "empty", "an empty list entry", "delete the dash")
            items.append(_without_nulls("" if item is None else item, place, document, empty))
        return items
    if not isinstance(data, dict):
        return data
    kept: dict[str, Plain] = {}
    for key, value in data.items():
        place = (*route, key)
        if value is not None:
            kept[key] = _without_nulls(value, place, document, empty)
        elif key in NULL_MEANS_YES:
            kept[key] = ""
        else:
            message = f"{_named(key) or 'this'} has no value"
            empty[place] = document.problem(place, "empty", message, "give it one, or delete the line", key=True)
    return kept


def _problem(model: type[Strict], document: Document, detail: ErrorDetails) -> Problem:
    loc = detail["loc"]
    name = shown(str(loc[-1])) if loc else ""
    context = detail.get("ctx", {})
    match detail["type"]:
        case "refused":
            return document.problem(loc, context["code"], context["message"], context["hint"])
        case "missing":
            owner = f" of `{shown(str(loc[-2]))}`" if len(loc) > 1 and isinstance(loc[-2], str) else ""
            hint = _description(model, loc)
            return document.problem(loc[:-1], "missing-key", f"the key `{name}`{owner} is missing", hint)
        case "extra_forbidden":
            hint = did_you_mean(name, _keys_at(model, loc[:-1]))
            message = f"there is no key {_named(name)} here" if _named(name) else "there is no such key here"
            return document.problem(loc, "unknown-key", message, hint, key=True)
        case "too_short":
            return document.problem(loc, "empty", f"`{name}` is empty", "at least one entry is needed")
        case kind:
            message = _expectation(kind, context, detail["input"])
            return document.problem(loc, "shape", f"{f'`{name}`: ' if isinstance(loc[-1], str) else ''}{message}")


def _named(key: str) -> str:
    """A key as it is shown; nothing for one that looks like a secret in the wrong place."""
    return f"`{key}`" if re.fullmatch(r"[A-Za-z][A-Za-z_ -]{0,39}", key) else ""


def _expectation(kind: str, context: Mapping[str, Any], value: object) -> str:
    found = _kind(value)
    match kind:
        case "string_type":
            return f"expected a text, found {found}"
        case "model_type" | "model_attributes_type" | "dict_type" | "mapping_type":
            return f"expected keys and values, found {found}"
        case "tuple_type" | "list_type":
            return f"expected a list, found {found}"
        case "int_type" | "int_parsing" | "int_from_float" | "int_parsing_size":
            return f"expected a whole number, found {found}"
        case "greater_than_equal":
            return f"must be at least {context['ge']}"
        case "less_than_equal":
            return f"must be at most {context['le']}"
        case "literal_error":
            return f"must be {context['expected']}"
        case "string_too_short":
            return "is empty"
        case _:
            return f"is not what belongs here ({kind.replace('_', ' ')})"


def _kind(value: object) -> str:
    if isinstance(value, Mapping):
        return "keys and values"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "a list"
    return "nothing" if value is None else "a text"


def _annotation(model: Any, part: str | int) -> Any:
    """The type of what `part` leads to inside a type."""
    model = _bare(model)
    if isinstance(model, type) and issubclass(model, BaseModel):
        for field_name, info in model.model_fields.items():
            if part in (info.alias, field_name):
                return info.annotation
        return None
    arguments = typing.get_args(model)
    if not arguments:
        return None
    return arguments[0] if isinstance(part, int) else arguments[-1]


def _bare(annotation: Any) -> Any:
    """A type without Annotated and without `| None`."""
    while True:
        if typing.get_origin(annotation) is Annotated:
            annotation = typing.get_args(annotation)[0]
        elif typing.get_origin(annotation) in (typing.Union, types.UnionType):
            annotation = next(a for a in typing.get_args(annotation) if a is not type(None))
        else:
            return annotation


def _model_at(model: Any, loc: tuple[str | int, ...]) -> Any:
    for part in loc:
        model = _annotation(model, part)
    return _bare(model)


def _keys_at(model: Any, loc: tuple[str | int, ...]) -> list[str]:
    found = _model_at(model, loc)
    if isinstance(found, type) and issubclass(found, BaseModel):
        return [info.alias or name for name, info in found.model_fields.items()]
    return []


def _description(model: Any, loc: tuple[str | int, ...]) -> str:
    owner = _model_at(model, loc[:-1])
    if isinstance(owner, type) and issubclass(owner, BaseModel):
        for name, info in owner.model_fields.items():
            if loc[-1] in (info.alias, name):
                return info.description or ""
    return ""
