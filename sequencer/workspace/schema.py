"""JSON Schema of the files of a workspace, for editors; derived from the models that read them.

Of draft 2020-12 only what means the same in draft-07, which older editors take every schema for. Each key carries its
meaning and an example in its own place, where the editor shows them. What a model checks across its keys stands in
`schema_rules`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import yaml
from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from sequencer.workspace import editor_forms
from sequencer.workspace.config_schema import ConfigFile
from sequencer.workspace.rehearsal_schema import RehearsalFile
from sequencer.workspace.schema_rules import SNIPPETS, rules_for, with_known_keys
from sequencer.workspace.sequence_schema import SequenceFile
from sequencer.workspace.source import Problem, read_text

DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"
FOLDER: Final = "docs"
"""Where the schemas lie in a workspace: the first line of each file points there."""

_DROPPED: Final = ("title", "default", "$defs")
_MEANING: Final = ("description", "markdownDescription")
_AS_THEY_ARE: Final = ("examples", "enum", "enumDescriptions", "const", "required")


def sequence_schema() -> dict[str, Any]:
    """The schema of sequences/*.yaml."""
    return _schema(SequenceFile, "A named plan for following up: one file, one sequence.")


def config_schema() -> dict[str, Any]:
    """The schema of config.yaml."""
    return _schema(ConfigFile, "The settings of a workspace: who sends, from which servers, and how fast.")


def rehearsals_schema() -> dict[str, Any]:
    """The schema of sequences/*.test.yaml."""
    each = _schema(RehearsalFile, "Who enters when, what they answer, and what is expected.")
    del each["$schema"]
    told = "Rehearsals of a sequence: what is expected of it, played by `sequencer test`."
    return {"$schema": DRAFT, "type": "array", "minItems": 1, "items": each, "description": told}


SCHEMAS: Final[Mapping[str, Callable[[], dict[str, Any]]]] = MappingProxyType(
    {"sequence": sequence_schema, "config": config_schema, "test": rehearsals_schema}
)
"""By the name of what it describes; the file is docs/NAME.schema.json."""


@cache
def schema_text(name: str = "sequence") -> str:
    """A schema as its file holds it. Raises KeyError for a name that is none of SCHEMAS."""
    return json.dumps(SCHEMAS[name](), indent=2, ensure_ascii=False) + "\n"


def schema_files() -> dict[Path, str]:
    """All schemas as files of a workspace: path from its folder, and text."""
    return {Path(FOLDER) / f"{name}.schema.json": schema_text(name) for name in SCHEMAS}


def write_schemas(folder: Path) -> list[Path]:
    """Bring the schemas of a workspace up to date; returns the files that were written. Raises OSError."""
    written: list[Path] = []
    for path, text in schema_files().items():
        target = folder / path
        if not target.is_file() or target.read_text("utf-8", "replace") != text:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, "utf-8")
            written.append(path)
    return written


def schema_mistakes(folder: Path) -> list[Problem]:
    """A warning for each schema that another version of the program has written; none where there are no schemas."""
    problems: list[Problem] = []
    for path, text in schema_files().items():
        file = path.as_posix()
        if (folder / path).is_file() and read_text(folder / path, file) != text:
            message = "the editor's schema is of another version of the sequencer"
            hint = "`sequencer schema --write` brings it up to date"
            problems.append(Problem(file, 0, 0, "warning", "schema-outdated", message, hint))
    return problems


# From pydantic's schema to the editor's --------------------------------------------------------------


class _WithoutDefaults(GenerateJsonSchema):
    """Defaults are values of ours, not of the file; the descriptions name them in the file's own words."""

    def sort(self, value: JsonSchemaValue, parent_key: str | None = None) -> JsonSchemaValue:
        return value  # in the order of the models, and of the examples

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])


def _schema(model: type[BaseModel], description: str) -> dict[str, Any]:
    raw = model.model_json_schema(by_alias=True, schema_generator=_WithoutDefaults)
    shaped: dict[str, Any] = _shaped(_with_rules(raw, model.__name__), raw.get("$defs", {}))
    return {"$schema": DRAFT, **shaped, "description": description}


def _with_rules(schema: dict[str, Any], name: str) -> dict[str, Any]:
    return {**with_known_keys(schema, name), **rules_for(name), **SNIPPETS.get(name, {})}


def _shaped(schema: Any, models: Mapping[str, Any]) -> Any:
    """The schema without references, null (a key without a value is a mistake), titles and defaults."""
    if isinstance(schema, list):
        return [_shaped(item, models) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("$ref", "").startswith("#/$defs/"):
        name = schema["$ref"].rpartition("/")[2]
        own = {key: value for key, value in schema.items() if key != "$ref"}
        return _shaped({**_with_rules(models[name], name), **own}, models)
    kept = {}
    for key, value in schema.items():
        if key in _AS_THEY_ARE:
            kept[key] = value
        elif key == "properties":
            kept[key] = {name: _shaped(each, models) for name, each in value.items()}
        elif key not in _DROPPED:
            kept[key] = _shaped(value, models)
    return _flat(kept)


def _flat(schema: dict[str, Any]) -> dict[str, Any]:
    """Without `null` among the choices, with texts in the editor's form, and with one meaning."""
    if "anyOf" in schema:
        choices = [choice for choice in schema["anyOf"] if choice != {"type": "null"}]
        own = {key: value for key, value in schema.items() if key != "anyOf"}
        if "description" in own:  # an editor shows the first meaning that it finds, the choice's before the key's
            choices = [{key: value for key, value in choice.items() if key not in _MEANING} for choice in choices]
        schema = {**choices[0], **own} if len(choices) == 1 else {**own, "anyOf": choices}
    elif schema.get("type") == "string" and not schema.keys() & {"pattern", "enum", "const"}:
        schema = {**editor_forms.text(), **{key: value for key, value in schema.items() if key != "type"}}
    return _told(schema)


def _told(schema: dict[str, Any]) -> dict[str, Any]:
    """With the meaning in Markdown where it needs that: code in it, or examples that an editor could not propose."""
    meaning = schema.get("description", "")
    examples = schema.get("examples", [])
    if not meaning:
        return schema
    mappings = [example for example in examples if isinstance(example, dict)]
    words = [*_words(schema), *(["pause"] if "$ref" in schema else [])]
    if mappings and words:  # a word may stand here as well: that is what an editor proposes
        blocks = "".join(f"\n\n```yaml\n{_as_yaml(each)}```" for each in mappings)
        kept = [example for example in examples if example not in mappings] or words[:1]
        return {**schema, "examples": kept, "markdownDescription": meaning + blocks}
    return {**schema, "markdownDescription": meaning} if "`" in meaning or "$ref" in schema else schema


def _words(schema: Mapping[str, Any]) -> list[str]:
    """The words that may stand in the place of something longer."""
    return [word for choice in schema.get("anyOf", []) for word in (*choice.get("enum", []), *_words(choice))]


def _as_yaml(value: object) -> str:
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=100)
