"""The small language in which phrases are written, turned into patterns over folded text.

- `remove * from` … `*` alone stands for up to four words, `unsubscri*` for any ending
- `(stop|quit) mailing` … either word, and `[please] stop` with or without the word in brackets
- `#` … any number
- `n't` … don't, isn't, won't and their like

Words match whole, whatever stands between them except the end of a sentence. Chinese and Japanese words match
anywhere, and `*` stands for up to ten characters there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from sequencer.inbox.folding import composed, fold

MAX_PHRASE: Final = 1_000
MAX_DEPTH: Final = 6

_GAP: Final = r"[^\w.!?;:。！？]{1,3}"
_ANY_WORDS: Final = r"(?:[^\w.!?;。！？]{1,3}[\w'\-]{1,30}){0,4}?" + _GAP
_ANY_LETTERS: Final = r"[^。！？\n.!?]{0,10}?"
_NOT: Final = r"(?:do|does|did|is|are|was|were|wo|ca|would|could|should|have|has|had|ai|must)n'?t"
_ANY_ENDING: Final = r"\w{0,15}"
_TOKEN: Final = re.compile(r"[()\[\]|]|\s+|[^()\[\]|\s]+")
_LOOSE_ENDS: Final = re.compile(r"^(?:\*\s+)+|(?:\s+\*)+$")
_UNSPACED: Final = re.compile("[\u3040-\u30ff\u3400-\u9fff]")


class PhraseProblem(ValueError):
    """A phrase that cannot be read; `phrase` and `message` tell a marketer which and why."""

    def __init__(self, phrase: str, message: str) -> None:
        super().__init__(f"{message}: {phrase!r}")
        self.phrase = phrase
        self.message = message


@dataclass(frozen=True, slots=True)
class Compiled:
    """The regular expression of a phrase, and its anchors: a text must hold one of them for it to match.

    An anchor is a whole word, or with "*" at its end letters that occur anywhere in the text. Without anchors the
    phrase may match any text. A match counts only where a word starts, if `starts_a_word`.
    """

    body: str
    anchors: tuple[str, ...]
    starts_a_word: bool = False


def compile_phrase(source: str) -> Compiled:
    """A phrase as a regular expression over folded text.

    Raises PhraseProblem when its brackets do not close, or it is empty, too long or nested too deep, or all of it may
    be missing.
    """
    folded = _LOOSE_ENDS.sub("", fold(composed(source.strip())))
    if not folded or len(folded) > MAX_PHRASE:
        raise PhraseProblem(source, f"a phrase has 1 to {MAX_PHRASE} characters")
    if not re.search(r"[^\W_]", folded):
        raise PhraseProblem(source, "a phrase needs a word")
    spaced = not _UNSPACED.search(folded)
    tokens = _TOKEN.findall(folded if spaced else folded.replace("*", " * "))
    compiled = _Reader(source, tokens, spaced=spaced).sequence("", 0)
    if not compiled.anchors and re.match(compiled.body, ""):
        raise PhraseProblem(source, "all of it may be missing: a phrase needs a word outside [square brackets]")
    if spaced:
        # the word boundary in front is left to the caller: with it, the pattern would be searched far more slowly
        return Compiled(rf"(?:{compiled.body})(?![\w@])", compiled.anchors, starts_a_word=True)
    return Compiled(compiled.body, tuple(anchor.rstrip("*") + "*" for anchor in compiled.anchors))


class _Sequence:
    """Parts that follow each other: what they match, the best anchors among them, and the gaps between."""

    def __init__(self, gap: str) -> None:
        self._gap = gap
        self._parts: list[str] = []
        self._owed = False  # white space was read, its gap is still to be written
        self._paid = False  # the gap that the next white space stands for is written already
        self.anchors: tuple[str, ...] = ()

    @property
    def body(self) -> str:
        """The pattern so far."""
        return "".join(self._parts)

    def space(self) -> None:
        """White space between two parts."""
        self._owed = bool(self._parts) and not self._paid

    def add(self, part: Compiled) -> None:
        """A part that must be there."""
        self._write((self._gap if self._owed else "") + part.body)
        if _telling(part.anchors) > _telling(self.anchors):
            self.anchors = part.anchors

    def add_optional(self, body: str, *, space_follows: bool) -> None:
        """What may be missing, together with the gap on one side of it."""
        if self._owed:
            self._write(f"(?:{self._gap}(?:{body}))?")
        else:
            self._write(f"(?:(?:{body}){self._gap if space_follows else ''})?", paid=space_follows)

    def add_anything(self, body: str) -> None:
        """`*`, which brings its own gaps."""
        self._write(body, paid=True)

    def _write(self, part: str, *, paid: bool = False) -> None:
        self._parts.append(part)
        self._owed, self._paid = False, paid


class _Reader:
    """Reads the tokens of one phrase."""

    def __init__(self, source: str, tokens: list[str], *, spaced: bool) -> None:
        self._source = source
        self._tokens = tokens
        self._at = 0
        self._spaced = spaced

    def sequence(self, closing: str, depth: int) -> Compiled:
        """What stands up to a closing bracket, or to the end."""
        if depth > MAX_DEPTH:
            raise PhraseProblem(self._source, "brackets are nested too deep")
        branches = [self._new()]
        while self._at < len(self._tokens):
            part = self._tokens[self._at]
            self._at += 1
            if part == closing:
                return _joined(branches)
            if part == "|" and not closing:
                raise PhraseProblem(self._source, "put alternatives in (brackets)")
            if part == "|":
                branches.append(self._new())
            else:
                self._take(part, branches[-1], depth)
        if closing:
            raise PhraseProblem(self._source, f"a bracket is not closed with {closing}")
        return _joined(branches)

    def _new(self) -> _Sequence:
        return _Sequence(_GAP if self._spaced else r"\s{0,3}")

    def _take(self, part: str, into: _Sequence, depth: int) -> None:
        if part.isspace():
            into.space()
        elif part == "(":
            inner = self.sequence(")", depth + 1)
            into.add(Compiled(f"(?:{inner.body})", inner.anchors))
        elif part == "[":
            inner = self.sequence("]", depth + 1)
            into.add_optional(inner.body, space_follows=self._spaced and self._space_follows())
        elif part in (")", "]"):
            raise PhraseProblem(self._source, "a bracket is closed that was not opened")
        elif part == "*":
            into.add_anything(_ANY_WORDS if self._spaced else _ANY_LETTERS)
        else:
            into.add(_word(part))

    def _space_follows(self) -> bool:
        return self._at < len(self._tokens) and self._tokens[self._at].isspace()


def _telling(anchors: tuple[str, ...]) -> int:
    """How much a set of anchors rules out: long words most, few of them better than many."""
    return min((2 * len(anchor) - len(anchors) // 8 for anchor in anchors), default=-100)


def _word(part: str) -> Compiled:
    if part == "#":
        return Compiled(r"\d{1,6}", ())
    if part == "n't":
        return Compiled(_NOT, ("n't*", "nt*"))
    stem = part.rstrip("*").lstrip("'")
    body = re.escape(stem).replace("ß", "(?:ß|ss)") + (_ANY_ENDING if part.endswith("*") else "")
    if "ß" in stem or part.endswith("*"):
        longest = max(re.split(r"\W|ß", stem), key=len)
        return Compiled(body, (longest + "*",) if longest else ())
    longest = max(re.split(r"\W", stem), key=len)
    return Compiled(body, (longest,) if longest else ())


def _joined(branches: list[_Sequence]) -> Compiled:
    if len(branches) == 1:
        return Compiled(branches[0].body, branches[0].anchors)
    anchors: tuple[str, ...] = ()
    if all(branch.anchors for branch in branches):
        anchors = tuple(dict.fromkeys(anchor for branch in branches for anchor in branch.anchors))
    return Compiled("|".join(branch.body for branch in branches), anchors)
