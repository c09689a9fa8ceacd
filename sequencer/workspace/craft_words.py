"""The phrases of `craft_words.yaml` as patterns, and the words for tasks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

import yaml

Words = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class CraftWords:
    """Each pattern finds any of the phrases of its list, in every language and without regard to case."""

    empty_touch: re.Pattern[str]
    empty_subject: re.Pattern[str]
    period_end: re.Pattern[str]
    offer: re.Pattern[str]
    quota: re.Pattern[str]
    not_so: re.Pattern[str]  # directly before a phrase


@cache
def craft_words() -> CraftWords:
    """The phrases, read once."""
    words: Words = yaml.safe_load((files("sequencer.workspace") / "craft_words.yaml").read_text("utf-8"))
    named = {name: pattern_of(phrase for phrases in by.values() for phrase in phrases) for name, by in _lists(words)}
    denial = "|".join(map(_phrase, words["not_so"]))
    not_so = re.compile(rf"(?:(?<!\w)(?:{denial})|n['’]t)(?:\s+\w+){{0,2}}\s+$", re.IGNORECASE)
    return CraftWords(not_so=not_so, **named)


def _lists(words: Words) -> Iterable[tuple[str, Mapping[str, list[str]]]]:
    return ((name, value) for name, value in words.items() if isinstance(value, dict))


def pattern_of(phrases: Iterable[str]) -> re.Pattern[str]:
    """One pattern for any of several phrases."""
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(_phrase, phrases))})(?!\w)", re.IGNORECASE)


_PART: Final = re.compile(r"\[[^\]]*\]|\([^)]*\)|[^ ]+")
_SENTENCE_END: Final = r"(?=[ \t]*(?:[.,;:!?–—]|\n|$))"


def _phrase(phrase: str) -> str:
    """`just [quickly] (checking|looking) in` as a pattern; what may be missing takes its gap along."""
    pattern, begun = "", False
    for part in _PART.findall(phrase):
        if part == "$":
            pattern += _SENTENCE_END
        elif part[0] == "[":
            inner = _phrase(part[1:-1])
            pattern += rf"(?:\s+{inner})?" if begun else rf"(?:{inner}\s+)?"
        else:
            pattern += (r"\s+" if begun else "") + _part(part)
            begun = True
    return pattern


def _part(part: str) -> str:
    if part[0] == "(":
        return f"(?:{'|'.join(map(_phrase, part[1:-1].split('|')))})"
    return re.escape(part).replace(r"\*", r"\w*").replace(r"e\-mail", "e-?mail").replace("'", "['’]")


# Tasks --------------------------------------------------------------------------------------------

PERSONAL: Final = re.compile(
    r"call|phone|ring|dial|voice|text|sms|whatsapp|visit|meet|lunch|coffee|in.person|drop.by|"
    r"anruf|telefon|besuch|treffen|appel|téléphon|rencontr|llama|teléfono",
    re.IGNORECASE,
)
"""Tasks by voice, by phone, or in person."""

AT_A_DISTANCE: Final = re.compile(r"card|letter|linkedin|write|mail|gift|parcel|video", re.IGNORECASE)
"""Tasks that are neither, and reach them; of any other word nobody knows what it is."""
