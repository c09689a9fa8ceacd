"""The phrases by which people say what they want: one file a language in `phrases/`, and the marketer's own.

A phrase is written as people write it, and read without regard to capitals, accents and line breaks:

- `remove * from` … `*` alone stands for up to four words, `unsubscri*` for any ending
- `#` … any number
- `n't` … don't, isn't, won't and their like
- `(stop|quit) mailing` … either word, and `[please] stop` with or without the word in brackets

A file names a kind and its phrases; a kind may also say where: `whole` (the whole answer, or its first sentence),
`anywhere`, and `except` (what looks like it and is not).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any, Final

import yaml

from sequencer.inbox.folding import composed, fold

_GAP: Final = r"[^\w.!?;:。！？]{1,3}"
_ANY_WORDS: Final = r"(?:[^\w.!?;。！？]{1,3}[\w'\-]{1,30}){0,4}?" + _GAP
_NOT: Final = r"(?:do|does|did|is|are|was|were|wo|ca|would|could|should|have|has|had|ai|must)n'?t"
_ANY_LETTERS: Final = r"[^。！？\n.!?]{0,10}?"
_TOKEN: Final = re.compile(r"[()\[\]|]|\s+|[^()\[\]|\s]+")
_LOOSE_ENDS: Final = re.compile(r"^(?:\*\s+)+|(?:\s+\*)+$")
_UNSPACED: Final = re.compile("[\u3040-\u30ff\u3400-\u9fff]")
PLACES: Final = ("whole", "anywhere", "weak", "except")
MAX_PHRASE: Final = 1_000


class PhraseProblem(ValueError):
    """A phrase that cannot be read; `phrase` and `message` tell a marketer which and why."""

    def __init__(self, phrase: str, message: str) -> None:
        super().__init__(f"{message}: {phrase!r}")
        self.phrase = phrase
        self.message = message


@dataclass(slots=True)
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
        if self.anchors and not any(anchor in text for anchor in self.anchors):
            return None
        return self.pattern.search(text)

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        """All places in a folded text that this phrase matches."""
        if not self.anchors or any(anchor in text for anchor in self.anchors):
            for found in self.pattern.finditer(text):
                yield found.span()

    def matches_whole(self, text: str) -> bool:
        """Whether the folded text is this phrase and nothing else."""
        if self.anchors and not any(anchor in text for anchor in self.anchors):
            return False
        return self.pattern.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Group:
    """The phrases of one kind in one language."""

    whole: tuple[Phrase, ...] = ()
    anywhere: tuple[Phrase, ...] = ()
    weak: tuple[Phrase, ...] = ()
    excepted: tuple[Phrase, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Phrases:
    """All phrases of one file. `lists` holds what is no kind: greetings, closings, subject prefixes …"""

    groups: Mapping[str, Group]

    def group(self, kind: str) -> Group:
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
    """The phrases of a YAML text.

    Raises PhraseProblem for a phrase or a shape that cannot be read, yaml.YAMLError for what is no YAML.
    """
    loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
    return make_phrases(yaml.load(text, Loader=loader) or {})  # noqa: S506


def make_phrases(data: object) -> Phrases:
    """The phrases of a mapping of kinds, as read from YAML. Raises PhraseProblem."""
    if not isinstance(data, Mapping):
        raise PhraseProblem(str(data)[:80], "a phrase file is a mapping of kinds to phrases")
    return Phrases({str(kind): _group(str(kind), value) for kind, value in data.items()})


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
    made = {place: tuple(make_phrase(str(entry)) for entry in value.get(place) or ()) for place in PLACES}
    return Group(made["whole"], made["anywhere"], made["weak"], made["except"])


def make_phrase(source: str) -> Phrase:
    """A phrase made ready. Raises PhraseProblem when its brackets do not close, or it is empty or too long."""
    folded = fold(composed(source.strip()))
    if not folded or len(folded) > MAX_PHRASE:
        raise PhraseProblem(source, f"a phrase has 1 to {MAX_PHRASE} characters")
    folded = _LOOSE_ENDS.sub("", folded)
    spaced = not _UNSPACED.search(folded)
    reader = _Reader(source, _TOKEN.findall(folded if spaced else folded.replace("*", " * ")), spaced=spaced)
    body, anchors = reader.sequence("")
    if not anchors and not re.search(r"\w", re.sub(r"\\.", "", body)):
        raise PhraseProblem(source, "a phrase needs a word")
    if reader.spaced:
        body = rf"(?<![\w@])(?:{body})(?![\w@])"
    return Phrase(source, anchors, body)


class _Reader:
    """Turns the tokens of a phrase into a pattern, and remembers words that a text must hold for it to match."""

    def __init__(self, source: str, tokens: list[str], *, spaced: bool) -> None:
        self._source = source
        self._tokens = tokens
        self._at = 0
        self.spaced = spaced

    def sequence(self, closing: str) -> tuple[str, tuple[str, ...]]:
        """The pattern up to a closing bracket (or the end), and its anchors."""
        branches: list[tuple[str, tuple[str, ...]]] = []
        parts: list[str] = []
        anchors: tuple[str, ...] = ()
        pending = ""
        while self._at < len(self._tokens):
            token = self._tokens[self._at]
            self._at += 1
            if token == closing:
                branches.append(("".join(parts), anchors))
                return self._joined(branches)
            if token == "|":
                if not closing:
                    raise PhraseProblem(self._source, "put alternatives in (brackets)")
                branches.append(("".join(parts), anchors))
                parts, anchors, pending = [], (), ""
                continue
            if token.isspace():
                pending = (_GAP if self.spaced else r"\s{0,3}") if parts and not pending else pending
                continue
            piece, new, pending = self._piece(token, pending, first=not parts)
            parts.append(piece)
            if new and (not anchors or min(map(len, new)) > min(map(len, anchors))):
                anchors = new
        if closing:
            raise PhraseProblem(self._source, f"a bracket is not closed with {closing}")
        branches.append(("".join(parts), anchors))
        return self._joined(branches)

    def _piece(self, token: str, pending: str, *, first: bool) -> tuple[str, tuple[str, ...], str]:
        """A pattern for one token, its anchors, and the gap that must come before the next one."""
        gap_done = pending == "\x00"
        pending = "" if gap_done else pending
        if token == "(":
            body, anchors = self.sequence(")")
            return f"{pending}(?:{body})", anchors, ""
        if token == "[":
            body, _ = self.sequence("]")
            gap = _GAP if self.spaced and self._at < len(self._tokens) and self._tokens[self._at].isspace() else ""
            if first or gap_done or not pending:
                return f"(?:(?:{body}){gap})?", (), "\x00" if gap else ""
            return f"(?:{pending}(?:{body}))?", (), ""
        if token in (")", "]"):
            raise PhraseProblem(self._source, "a bracket is closed that was not opened")
        if token == "*":
            return (_ANY_WORDS if self.spaced else _ANY_LETTERS), (), "\x00"
        if token == "#":
            return pending + r"\d{1,6}", (), ""
        if token == "n't":
            return pending + _NOT, ("n't", "nt"), ""
        stem = token.rstrip("*").lstrip("'")
        body = re.escape(stem).replace("ß", "(?:ß|ss)") + (r"\w{0,15}" if token.endswith("*") else "")
        longest = max(re.split(r"[^\w]|ß", stem), key=len)
        return pending + body, (longest,) if longest else (), ""

    def _joined(self, branches: list[tuple[str, tuple[str, ...]]]) -> tuple[str, tuple[str, ...]]:
        if len(branches) == 1:
            return branches[0]
        complete = all(anchors for _, anchors in branches)
        return (
            "|".join(body for body, _ in branches),
            tuple(dict.fromkeys(anchor for _, anchors in branches for anchor in anchors)) if complete else (),
        )
