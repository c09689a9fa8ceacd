"""A file as an editor with the YAML language server reads it: YAML 1.2 with typed values, and a schema beside it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import yaml
from jsonschema import Draft7Validator, Draft202012Validator
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

_PLAIN = type("_PlainLoader", (yaml.SafeLoader,), {"yaml_implicit_resolvers": {}})
_CORE: tuple[tuple[str, Callable[[str], object]], ...] = (  # YAML 1.2.2, section 10.3.2
    (r"null|Null|NULL|~|", lambda text: None),
    (r"true|True|TRUE|false|False|FALSE", lambda text: text.lower() == "true"),
    (r"[-+]?[0-9]+", int),
    (r"0o[0-7]+", lambda text: int(text[2:], 8)),
    (r"0x[0-9a-fA-F]+", lambda text: int(text[2:], 16)),
    (r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", float),
)


def as_an_editor_reads(text: str) -> Any:
    """The typed data of a YAML 1.2 file; keys are texts, as in JSON."""
    return _value(yaml.compose(text, Loader=_PLAIN))


def _value(node: Node | None) -> Any:
    match node:
        case MappingNode():
            return {key.value: _value(value) for key, value in node.value}
        case SequenceNode():
            return [_value(item) for item in node.value]
        case ScalarNode(style=None):
            return next((read(node.value) for pattern, read in _CORE if re.fullmatch(pattern, node.value)), node.value)
        case ScalarNode():
            return node.value
        case _:
            return None


def marks(schema: dict[str, Any], data: Any) -> list[str]:
    """Where, and why, an editor marks the data: `steps.0.when: …`; the same by the old draft and by the new one."""
    by_draft = [
        sorted(f"{'.'.join(map(str, error.absolute_path))}: {error.message[:200]}" for error in found)
        for found in (Draft7Validator(schema).iter_errors(data), Draft202012Validator(schema).iter_errors(data))
    ]
    assert by_draft[0] == by_draft[1]
    return by_draft[0]
