"""JSON Schema of the sequence file, for editors; derived from the models that read it."""

from __future__ import annotations

import json
from typing import Any

from sequencer.workspace.sequence_schema import SequenceFile


def sequence_schema() -> dict[str, Any]:
    """The schema (draft 2020-12) of sequences/*.yaml."""
    schema = SequenceFile.model_json_schema(by_alias=True)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **_without_nulls(schema),
        "title": "A sequence of the follow-up sequencer",
    }


def schema_text() -> str:
    """The schema as the file docs/sequence.schema.json holds it."""
    return json.dumps(sequence_schema(), indent=2, ensure_ascii=False) + "\n"


def _without_nulls(schema: Any) -> Any:
    """The schema without null (a key without a value is a mistake), titles and defaults."""
    if isinstance(schema, list):
        return [_without_nulls(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {
        key: _without_nulls(value)
        for key, value in schema.items()
        if not (key in ("title", "default") and not isinstance(value, dict))
    }
    choices = [choice for choice in kept.get("anyOf", []) if choice != {"type": "null"}]
    if len(choices) == 1:
        del kept["anyOf"]
        return {**choices[0], **kept}
    return {**kept, "anyOf": choices} if choices else kept
