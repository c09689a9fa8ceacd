"""What the schemas for editors say beyond types: keys that exclude one another, names that are known, snippets.

The models check the same in Python (`model_validator`); a test holds the two together with a table of mistakes.
`errorMessage` is the YAML language server's own keyword; other programs pass over it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from sequencer.core.react import FINAL_KINDS, HUMAN_KINDS
from sequencer.workspace import editor_forms
from sequencer.workspace.sequence_schema import REACTIONS, STEP_ACTIONS
from sequencer.workspace.sequences import NOTICES_TO_REACT_TO, OTHER_NOTICES

Schema = dict[str, Any]


def rules_for(model: str) -> Schema:
    """The rules of a model as keywords of its schema; none for most."""
    return _RULES.get(model, {})


def _exactly_one(keys: tuple[str, ...], message: str) -> list[Schema]:
    """One of these keys must be there, and no second one."""
    present = {"anyOf": [{"required": [key]} for key in keys]}
    missing = {"if": {"not": present}, "then": {"required": [keys[0]], "errorMessage": message}}
    return [missing, *(_excludes(key, *keys[index + 1 :], message=message) for index, key in enumerate(keys[:-1]))]


def _excludes(key: str, *others: str, message: str) -> Schema:
    """Where this key is, the others may not be."""
    then = {"properties": dict.fromkeys(others, False), "errorMessage": message}
    return {"if": {"required": [key]}, "then": then}


def _belongs(key: str, *owners: str, message: str) -> Schema:
    """Where this key is, one of its owners must be."""
    alone = {"required": [key], "not": {"anyOf": [{"required": [owner]} for owner in owners]}}
    return {"if": alone, "then": {"properties": {key: False}, "errorMessage": message}}


_SNOOZED: Final = {
    "required": ["otherwise"],
    "not": {
        "required": ["snooze"],
        "properties": {"snooze": {"pattern": r"^\s*[Uu][Nn][Tt][Ii][Ll]"}},
    },
}
_RULES: Final[Mapping[str, Schema]] = MappingProxyType(
    {
        "StepFile": {
            "allOf": [
                *_exactly_one(STEP_ACTIONS, f"a step does exactly one of {', '.join(STEP_ACTIONS)}"),
                _belongs("note", "task", message="`note` belongs to a step with task"),
                _belongs("thread", "email", message="`thread` belongs to a step with email"),
                _belongs("expires", "email", "task", message="`expires` belongs to a step with email or task"),
            ]
        },
        "EndingFile": {"allOf": _exactly_one(("move_to", "stop"), "an end is either `stop` or `move_to`")},
        "ReactionFile": {
            "allOf": [
                *_exactly_one(REACTIONS, f"a reply does exactly one of {', '.join(REACTIONS)}"),
                _belongs("then", "snooze", message="`then` belongs to `snooze`"),
                {
                    "if": _SNOOZED,
                    "then": {
                        "properties": {"otherwise": False},
                        "errorMessage": "`otherwise` belongs to `snooze: until they say`",
                    },
                },
            ]
        },
    }
)

# Names that are known -----------------------------------------------------------------------------

_ANY: Final = "any"
_MEANINGS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "interested": "They want to talk, a price, a quote, a meeting. The default: pause, and tell the rep.",
        "question": "They ask something neutral. The default: pause, and tell the rep.",
        "not_now": "Later, perhaps, with the date they name. The default: pause, and tell the rep.",
        "not_interested": "A clear no: bought elsewhere, no budget. The default: pause, and tell the rep.",
        "wrong_person": "Not theirs to answer, perhaps naming who. The default: pause, and tell the rep.",
        "reply": "A person wrote, and it is none of the other kinds. The default: pause, and tell the rep.",
        "unsubscribe": "They want no more mail. Always suppresses; no file can change that.",
        "out_of_office": "Away, with the day they are back if they say so. The default: wait until then.",
        "left_company": "They no longer work there. The default: pause, and tell the rep.",
        "auto_reply": "A machine answered: a ticket number, a moved mailbox. The default: continue.",
        "calendar": "They answered an invitation. The default: pause, and tell the rep.",
        _ANY: "Every human reply that has no line of its own here. The default: pause, and tell the rep.",
    }
)
_EXAMPLES: Final[Mapping[str, object]] = MappingProxyType(
    {
        "not_now": {"snooze": "until they say", "otherwise": "60 days", "then": "nine-word"},
        "not_interested": {"move_to": "keep-in-touch"},
        "unsubscribe": "suppress",
        "auto_reply": "continue",
        "out_of_office": "continue",
    }
)
KINDS_THAT_STAY: Final = (set(FINAL_KINDS) - {"unsubscribe"}) | OTHER_NOTICES
"""Kinds on which a file has no say."""

_NAMED: Final[Mapping[tuple[str, str], tuple[str, object]]] = MappingProxyType(
    {
        ("SequenceFile", "branches"): (
            "A line of steps that is reached only by `go_to`, under a name of yours.",
            [{"step": "price-answer", "email": "price-answer", "when": "2 hours later"}],
        ),
        ("SequenceFile", "labels"): (
            "A reply label of yours: the words or phrases that tell it. (a|b) is one, [c] may be missing, * is a gap.",
            ["too expensive", "over (our|the) budget"],
        ),
        ("SequenceFile", "on_reply"): ("What a reply with this label of yours does.", {"go_to": "price-objection"}),
        ("ConfigFile", "mailboxes"): (
            "A person who sends, under the name that `from:` in the sequences refers to.",
            {"from": "Mark Riffey <mark@example.com>", "provider": "gmail", "password": "${MARK_PASSWORD}"},
        ),
    }
)
"""Mappings whose keys are names of the author's: what such a key means, and an example."""


def with_known_keys(schema: Schema, model: str) -> Schema:
    """The schema of a model with what its free names mean, and with the kinds of replies as keys of `on_reply`."""
    properties = dict(schema.get("properties", {}))
    for (owner, key), (meaning, example) in _NAMED.items():
        if owner == model:
            own = dict(properties[key])
            for pattern, shape in own.pop("patternProperties", {}).items():  # so that other names are marked as such
                own |= {"additionalProperties": shape, "propertyNames": {**editor_forms.STEP_ID, "pattern": pattern}}
            own["additionalProperties"] = {**own["additionalProperties"], "description": meaning, "examples": [example]}
            properties[key] = own
    if model == "SequenceFile":
        properties["on_reply"] = _with_kinds(properties["on_reply"])
    return {**schema, "properties": properties} if properties else schema


REACTION_REF: Final = "#/properties/on_reply/additionalProperties"
"""Where the shape of a reaction stands in the schema. Only its meaning and an example stand beside a reference to it:
a program that passes over what stands there, as draft-07 says, still checks the same."""


def _with_kinds(on_reply: Schema) -> Schema:
    kinds = {
        kind: {"$ref": REACTION_REF, "description": meaning, "examples": [_EXAMPLES.get(kind, "pause")]}
        for kind, meaning in _MEANINGS.items()
    }
    assert set(kinds) == {*HUMAN_KINDS, *NOTICES_TO_REACT_TO, _ANY}
    suppress = {"anyOf": [{"const": "suppress"}, {"type": "object", "required": ["suppress"]}]}
    kinds["unsubscribe"] = {**suppress, "description": _MEANINGS["unsubscribe"], "examples": ["suppress"]}
    return {**on_reply, "properties": {**kinds, **dict.fromkeys(sorted(KINDS_THAT_STAY), False)}}


# Snippets -----------------------------------------------------------------------------------------

_STEPS: Final = [
    {
        "label": "an e-mail",
        "description": "A step that sends a template",
        "body": {"step": "${1:article}", "email": "${2:template}", "when": "${3:5 days later}"},
    },
    {
        "label": "a call",
        "description": "A task for the rep, for contacts with a phone",
        "body": {
            "step": "${1:call}",
            "task": "call",
            "note": "${2:Leave a voice message and mention the e-mail.}",
            "when": "${3:3 days later}",
            "only_if": "contact.phone",
        },
    },
]
_PLAN: Final = {
    "label": "a follow-up plan",
    "description": "Three touches, the question whether to back off, and what follows",
    "body": {
        "about": "${1:What this plan is for.}",
        "from": "${2:mark}",
        "hours": "Mon-Fri 08:30-17:00",
        "steps": [
            {"step": "${3:thanks}", "email": "${4:template}", "when": "1 business day later"},
            {"step": "${5:article}", "email": "${6:template}", "when": "5 days later"},
            {"step": "call", "task": "call", "when": "3 days later", "only_if": "contact.phone"},
        ],
        "back_off": {"after": "10 days of silence", "email": "should-i-back-off", "then": {"move_to": "keep-in-touch"}},
        "on_reply": {"any": "pause"},
    },
}
SNIPPETS: Final[Mapping[str, Schema]] = MappingProxyType(
    {"SequenceFile": {"defaultSnippets": [_PLAN]}, "StepFile": {"defaultSnippets": _STEPS}}
)
"""By model: what an editor offers to write at once."""
