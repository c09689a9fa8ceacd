"""A human's answer taken apart: own words without quotes, statements without greeting, closing and politeness."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import Final

from sequencer.inbox.folding import composed, fold
from sequencer.inbox.phrases import phrases_of

MAX_TEXT: Final = 6_000
"""Characters of an answer that are read for its meaning."""
MAX_STATEMENTS: Final = 40

_URL: Final = re.compile(r"(?:https?://|www\.)[^\s<>\"']{1,2000}|mailto:|<[^<>\n@]{0,300}>")
_FORWARD: Final = re.compile(
    r"^[ \t]{0,4}-{4,}[ \t]{0,4}(?:forwarded|weitergeleitete|message transf|mensaje reenviado|messaggio inolt)", re.I
)
_BREAK: Final = re.compile(r"[!?;\n。！？]+|\.(?=\s|$)|\.{2,}|\s-{1,2}\s")
_EDGE: Final = re.compile(r"^[^\w*]+|[^\w*]+$")
_INNER: Final = re.compile(r"[\s,:()\"]+")
_GREETED: Final = re.compile(r"^(?:[ ,]{0,2}[^\s,!:;.\n]{1,20}){0,3}?[ ]{0,2}[,!:\n。、，]")
_SUBJECT_PREFIX: Final = re.compile(
    r"^(?:\s{0,3}(?:re|fw|fwd|aw|wg|sv|vs|vb|antw|antwoord|rif|res|enc|tr|odp|pd|ynt|ilt|回复|答复|转发|返信|ответ|ha)"
    r"\s?(?:\[\d{1,3}\]|\(\d{1,3}\))?\s?[:：]){1,8}",
    re.IGNORECASE,
)


def own_words(text: str) -> str:
    """What a person wrote, without the quoted lines between which they answered, forwarded mails and web addresses."""
    lines = []
    for line in composed(text[: MAX_TEXT * 4]).split("\n"):
        if _FORWARD.match(line):
            break
        if not line.lstrip().startswith((">", "＞")):
            lines.append(line)
    return _URL.sub(lambda found: " " * min(len(found.group()), 3), "\n".join(lines)).strip()[:MAX_TEXT]


def without_prefixes(subject: str) -> str:
    """A subject without `Re:`, `AW:`, `Fwd:` … in front."""
    return _SUBJECT_PREFIX.sub("", subject[:500]).strip()


def statements(text: str, languages: Iterable[str]) -> list[str]:
    """The statements of a folded text: without greeting, what follows the closing, and polite words at either end.

    A statement that is nothing but polite ("Thanks!") stays when it is all there is.
    """
    greeting, closing, polite = _courtesies(tuple(languages))
    kept: list[str] = []
    courteous: list[str] = []
    body = _without_greeting(text, greeting)
    for part in _BREAK.split(body)[: MAX_STATEMENTS * 2]:
        statement = _tidy(part)
        if not statement:
            continue
        if kept and statement in closing:
            break
        bare = _without_polite(statement, polite)
        if bare:
            kept.append(bare)
        else:
            courteous.append(statement)
        if len(kept) >= MAX_STATEMENTS:
            break
    return kept or courteous[:1]


def _tidy(part: str) -> str:
    return _INNER.sub(" ", _EDGE.sub("", part)).strip()


def _without_greeting(text: str, greeting: re.Pattern[str] | None) -> str:
    body = text.lstrip()
    found = greeting.match(body) if greeting else None
    if found is None:
        return body
    rest = body[found.end() :]
    named = _GREETED.match(rest[:80])
    return rest[named.end() :] if named else rest if not rest[:1].isalnum() else body


def _without_polite(statement: str, polite: frozenset[str]) -> str:
    words = statement
    for _ in range(4):
        for phrase in polite:
            if words == phrase:
                return ""
            if words.startswith(phrase + " "):
                words = words[len(phrase) + 1 :]
            elif words.endswith(" " + phrase):
                words = words[: -len(phrase) - 1]
        if words == statement:
            break
        statement = words
    return words


@cache
def _courtesies(languages: tuple[str, ...]) -> tuple[re.Pattern[str] | None, frozenset[str], frozenset[str]]:
    greetings: list[str] = []
    closings: set[str] = set()
    polite: set[str] = set()
    for language in languages:
        phrases = phrases_of(language)
        greetings += [phrase.compiled.body for phrase in phrases.group("greetings").anywhere]
        closings |= {_tidy(fold(phrase.source)) for phrase in phrases.group("closings").anywhere}
        polite |= {_tidy(fold(phrase.source)) for phrase in phrases.group("polite").anywhere}
    pattern = re.compile("(?:" + "|".join(greetings) + ")") if greetings else None
    return pattern, frozenset(closings), frozenset(polite)
