"""`email:` in a sequence: one template, a list of variants, or variants with the share that each is to have."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

from pydantic import ConfigDict, Field, GetCoreSchemaHandler, GetJsonSchemaHandler, PlainValidator, TypeAdapter
from pydantic_core import core_schema

from sequencer.workspace.shapes import OneOrMore, refuse

_PERCENT: Final = re.compile(r"\s*([0-9]{1,3})\s*%?\s*")
_EXAMPLE: Final = "{story: 70%, numbers: 30%}"
_FORM: Final[Mapping[str, Any]] = {
    "type": "object",
    "minProperties": 1,
    "additionalProperties": {
        "anyOf": [
            {"type": "integer", "minimum": 0, "maximum": 100},
            {"type": "string", "pattern": r"^\s*(?:100|[0-9]{1,2})\s*%?\s*$", "patternErrorMessage": "a percentage"},
        ],
        "description": "How many of a hundred people get this template. All of them add up to 100%.",
        "examples": ["50%", "70%"],
    },
}
"""How the shares look to an editor."""


@dataclass(frozen=True, slots=True)
class TemplateChoice:
    """What stands there. `percent` is in the order of `names`, and empty where the split adapts."""

    names: tuple[str, ...]
    percent: tuple[int, ...] = ()


def _read_percent(value: object) -> int:
    found = _PERCENT.fullmatch(value) if isinstance(value, str) else None
    if found is None or int(found[1]) > 100:
        raise refuse("shares", "a share is a whole percentage, from 0% to 100%", f"for example {_EXAMPLE}")
    return int(found[1])


_SHARES: Final = TypeAdapter(
    Annotated[dict[str, Annotated[int, PlainValidator(_read_percent)]], Field(min_length=1)],
    config=ConfigDict(hide_input_in_errors=True),
)


class _Reader:
    """Takes a text, a list of texts, or a mapping of texts to percentages; each mistake is told where it stands."""

    def __get_pydantic_core_schema__(self, _source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_wrap_validator_function(_read, handler.generate_schema(OneOrMore))

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        one, several = handler(schema)["anyOf"]
        return {"anyOf": [one, several, dict(_FORM)]}


EmailTemplates = Annotated[TemplateChoice, _Reader()]


def _read(value: object, names: Callable[[object], tuple[str, ...]]) -> TemplateChoice:
    if isinstance(value, Mapping):
        return _with_shares(_SHARES.validate_python(value))
    if isinstance(value, list) and value and all(isinstance(item, Mapping) for item in value):
        raise refuse("shares", "variants with shares stand in braces, not in a list", f"write for example {_EXAMPLE}")
    return TemplateChoice(names(value))


def _with_shares(shares: Mapping[str, int]) -> TemplateChoice:
    total = sum(shares.values())
    if total != 100:
        difference = f"{100 - total}% is missing" if total < 100 else f"{total - 100}% too much"
        raise refuse("shares", f"the shares add up to {total}%, not to 100%", difference)
    return TemplateChoice(tuple(shares), tuple(shares.values()))
