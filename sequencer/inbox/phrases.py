"""The phrases by which people say what they want: one file a language in `phrases/`, and the marketer's own.

A file names kinds and their phrases (`phrase_syntax` tells how these are written). A kind may also say where:
`whole` (the whole answer, or its first sentence), `anywhere`, `weak` (a hint only), and `except` (what looks like it
and is not). Beside the kinds of replies there are groups that help to read them: greetings, closings, polite words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any, Final

import yaml

from sequencer.inbox.phrase_syntax import PhraseProblem, compile_phrase

PLACES: Final = ("whole", "anywhere", "weak", "except")


@dataclass(slots=True, eq=False)
class Phrase:
    """One phrase; its pattern is compiled when one of its `anchors` (some word it needs) first occurs."""

    source: str
    anchors: tuple[str, ...]
    body: str
    _pattern: re.Pattern[str] | None = field(default=None, repr=False)

    @property
    def pattern(self) -> re.Pattern[str]:
        if self._pattern is None:
            self._pattern = re.compile(self.body)
        return self._pattern

    def search(self, text: str) -> re.Match[str] | None:
        """The first place in a folded text that this phrase matches."""
        return self.pattern.search(text) if self._may_match(text) else None

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        """All places in a folded text that this phrase matches."""
        if self._may_match(text):
            for found in self.pattern.finditer(text):
                yield found.span()

    def matches_whole(self, text: str) -> bool:
        """Whether the folded text is this phrase and nothing else."""
        return self._may_match(text) and self.pattern.fullmatch(text) is not None

    def _may_match(self, text: str) -> bool:
        return not self.anchors or any(anchor in text for anchor in self.anchors)


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """The phrases of one kind in one language."""

    whole: tuple[Phrase, ...] = ()
    anywhere: tuple[Phrase, ...] = ()
    weak: tuple[Phrase, ...] = ()
    excepted: tuple[Phrase, ...] = ()

    def without_exceptions(self, text: str) -> str:
        """A folded text of the same length in which the exceptions are blotted out."""
        for phrase in self.excepted:
            for start, end in phrase.spans(text):
                text = f"{text[:start]}{'·' * (end - start)}{text[end:]}"
        return text


@dataclass(frozen=True, slots=True, eq=False)
class Phrases:
    """All groups of one file."""

    groups: Mapping[str, Group]

    def group(self, kind: str) -> Group:
        """The phrases of a kind; an empty group when the file has none."""
        return self.groups.get(kind, _NONE)


_NONE: Final = Group()


@cache
def phrases_of(language: str) -> Phrases:
    """The phrases that come with the product; a language without a file has none."""
    file = resources.files("sequencer.inbox") / "phrases" / f"{language}.yaml"
    if not re.fullmatch("[a-z]{2}", language) or not file.is_file():
        return Phrases({})
    return read_phrases(file.read_text(encoding="utf-8"))


def read_phrases(text: str) -> Phrases:
    """The phrases of a YAML text, such as the marketer's own file.

    Raises PhraseProblem for a phrase or a shape that cannot be read, yaml.YAMLError for what is no YAML.
    """
    loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
    return make_phrases(yaml.load(text, Loader=loader) or {})  # noqa: S506


def make_phrases(data: object) -> Phrases:
    """The phrases of a mapping of kinds, as read from YAML. Raises PhraseProblem."""
    if not isinstance(data, Mapping):
        raise PhraseProblem(str(data)[:80], "a phrase file is a mapping of kinds to phrases")
    return Phrases({str(kind): _group(str(kind), value) for kind, value in data.items()})


def make_phrase(source: str) -> Phrase:
    """One phrase made ready. Raises PhraseProblem."""
    compiled = compile_phrase(source)
    return Phrase(source, compiled.anchors, compiled.body)


def _group(kind: str, value: Any) -> Group:
    if isinstance(value, str):
        value = [value]
    if isinstance(value, (list, tuple)):
        value = {"anywhere": value}
    if not isinstance(value, Mapping):
        raise PhraseProblem(kind, "a kind has a list of phrases, or whole, anywhere, weak, except")
    unknown = [place for place in value if place not in PLACES]
    if unknown:
        raise PhraseProblem(str(unknown[0]), f"under {kind} only {', '.join(PLACES)} are known")
    made = {place: tuple(make_phrase(str(entry)) for entry in _listed(value.get(place))) for place in PLACES}
    return Group(made["whole"], made["anywhere"], made["weak"], made["except"])


def _listed(value: Any) -> list[Any]:
    if value is None or value == "":
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]
