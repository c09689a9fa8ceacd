"""The phrases by which people say what they want: one file a language in `phrases/`, and the marketer's own.

A file names kinds and their phrases (`phrase_syntax` tells how these are written). A kind may also say where:
`whole` (the whole answer, or its first sentence), `anywhere`, `weak` (a hint only), and `except` (what looks like it
and is not). Beside the kinds of replies there are groups that help to read them: greetings, closings, polite words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any, Final

import yaml

from sequencer.inbox.phrase_syntax import Compiled, PhraseProblem, compile_phrase

_WORD: Final = re.compile(r"\w+")
PLACES: Final = ("whole", "anywhere", "weak", "except")


@dataclass(frozen=True, slots=True)
class Text:
    """A folded text and the words that it is made of."""

    folded: str
    words: frozenset[str]


def text_of(folded: str) -> Text:
    """A folded text made ready to be searched."""
    return Text(folded, frozenset(_WORD.findall(folded)))


@dataclass(slots=True, eq=False)
class Phrase:
    """One phrase; its pattern is compiled when it is first searched for."""

    source: str
    compiled: Compiled
    _pattern: re.Pattern[str] | None = field(default=None, repr=False)

    @property
    def pattern(self) -> re.Pattern[str]:
        """The compiled pattern."""
        if self._pattern is None:
            self._pattern = re.compile(self.compiled.body)
        return self._pattern

    def search(self, folded: str, start: int = 0) -> re.Match[str] | None:
        """The first match from `start` on in a folded text."""
        found = self.pattern.search(folded, start)
        while found and self.compiled.starts_a_word and _inside_word(folded, found.start()):
            found = self.pattern.search(folded, found.start() + 1)
        return found


def _inside_word(folded: str, position: int) -> bool:
    if not position:
        return False
    before = folded[position - 1]
    return before.isalnum() or before in "_@"


class PhraseList:
    """Phrases in their order, found again by the words they need, so that a text is held against few of them."""

    def __init__(self, phrases: Sequence[Phrase]) -> None:
        self._phrases = tuple(phrases)
        self._by_word: dict[str, list[int]] = {}
        self._by_letters: dict[str, list[int]] = {}
        self._always: list[int] = []
        for index, phrase in enumerate(self._phrases):
            for anchor in phrase.compiled.anchors:
                known = self._by_letters if anchor.endswith("*") else self._by_word
                known.setdefault(anchor.rstrip("*"), []).append(index)
            if not phrase.compiled.anchors:
                self._always.append(index)

    def __iter__(self) -> Iterator[Phrase]:
        return iter(self._phrases)

    def search(self, text: Text) -> re.Match[str] | None:
        """Where the first of these phrases matches."""
        for phrase in self._candidates(text):
            if found := phrase.search(text.folded):
                return found
        return None

    def all_matches(self, text: Text) -> list[re.Match[str]]:
        """The first match of each phrase that matches."""
        return [found for phrase in self._candidates(text) if (found := phrase.search(text.folded))]

    def spans(self, text: Text) -> Iterator[tuple[int, int]]:
        """All places that any of these phrases matches."""
        for phrase in self._candidates(text):
            found = phrase.search(text.folded)
            while found:
                yield found.span()
                found = phrase.search(text.folded, max(found.end(), found.start() + 1))

    def matches_whole(self, text: Text) -> bool:
        """Whether the text is one of these phrases and nothing else."""
        return any(phrase.pattern.fullmatch(text.folded) for phrase in self._candidates(text))

    def _candidates(self, text: Text) -> Iterator[Phrase]:
        found = set(self._always)
        for word in self._by_word.keys() & text.words:
            found.update(self._by_word[word])
        for letters, indexes in self._by_letters.items():
            if letters in text.folded:
                found.update(indexes)
        return (self._phrases[index] for index in sorted(found))


_NO_PHRASES: Final = PhraseList(())


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """The phrases of one kind in one language."""

    whole: PhraseList = _NO_PHRASES
    anywhere: PhraseList = _NO_PHRASES
    weak: PhraseList = _NO_PHRASES
    excepted: PhraseList = _NO_PHRASES

    def without_exceptions(self, text: Text) -> Text:
        """The text, of the same length, in which the exceptions are blotted out."""
        folded = text.folded
        for start, end in self.excepted.spans(text):
            folded = f"{folded[:start]}{'·' * (end - start)}{folded[end:]}"
        return text if folded == text.folded else text_of(folded)


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
    return Phrase(source, compile_phrase(source))


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
    made = {place: PhraseList([make_phrase(str(entry)) for entry in _listed(value.get(place))]) for place in PLACES}
    return Group(made["whole"], made["anywhere"], made["weak"], made["except"])


def _listed(value: Any) -> list[Any]:
    if value is None or value == "":
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]
