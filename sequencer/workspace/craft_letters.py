"""Good craft in one letter: something to say, a short subject, room to breathe, no deadline of our own."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from jinja2 import nodes

from sequencer.workspace.craft_words import craft_words
from sequencer.workspace.own_words import blank, with_programs, without_programs
from sequencer.workspace.source import Problem, shown
from sequencer.workspace.templates import Template
from sequencer.workspace.warning_names import (
    CRAFT,
    IMAGE_IN_FIRST_MAIL,
    JUST_CHECKING_IN,
    LINKS_IN_FIRST_MAIL,
    LONG_SUBJECT,
    LONGEST_SUBJECT,
    MOST_LINKS,
    MOST_WORDS,
    QUOTA_LANGUAGE,
    WALL_OF_TEXT,
)

_QUOTED: Final = re.compile(
    r"“[^”“\n]{1,200}”|„[^“”„\n]{1,200}[“”]|«[^«»\n]{1,200}»|\"[^\"\n]{1,200}\"|^>.*$", re.MULTILINE
)
_SENTENCE: Final = re.compile(r"[^.!?\n]+(?:\n(?!\s*\n)[^.!?\n]+)*")
_IMAGE: Final = re.compile(r"!\[[^\]]{0,300}\]\s?[(\[]|<img\b", re.IGNORECASE)
_LINK: Final = re.compile(
    r"(?<!!)\[[^\]\n]{1,300}\]\([^)\n]{0,2000}\)|<?https?://[^\s<>)]+|\bwww\.[^\s<>)]+", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class _Found:
    """A part of a letter: where it begins in its text, and how long it is."""

    start: int
    length: int


def letter_warnings(template: Template) -> Iterator[Problem]:
    """What the words of a template say about its author, wherever it is sent."""
    yield from _subject(template)
    body = _own_words(template.body)
    touch = _meant(craft_words().empty_touch, body)
    if touch is not None:
        words = shown(template.body[touch.start : touch.start + touch.length])
        yield _in_body(template, touch, JUST_CHECKING_IN, f"“{words}” gives them no reason to answer")
    deadline = _deadline(body)
    if deadline is not None:
        words = shown(template.body[deadline.start : deadline.start + deadline.length])
        yield _in_body(template, deadline, QUOTA_LANGUAGE, f"“{words}” is a deadline of yours, not of theirs")
    yield from _walls(template)


def first_mail_warnings(template: Template) -> Iterator[Problem]:
    """What should not be in a mail to somebody who has had none before."""
    body = with_programs(template.body, _as_a_target)
    image = _IMAGE.search(body)
    if image is not None:
        found = _Found(image.start(), len(image[0]))
        yield _in_body(template, found, IMAGE_IN_FIRST_MAIL, "an image in the first mail that they get")
    links = list(_LINK.finditer(body))
    if len(links) > MOST_LINKS:
        one_too_many = links[MOST_LINKS]
        found = _Found(one_too_many.start(), len(one_too_many[0]))
        yield _in_body(template, found, LINKS_IN_FIRST_MAIL, f"{len(links)} links in the first mail that they get")


# Words --------------------------------------------------------------------------------------------


def _own_words(text: str) -> str:
    """A text with variables and what is quoted as blanks: these are not the author's words. Places stay."""
    return _QUOTED.sub(lambda found: blank(found[0]), without_programs(text))


def _as_a_target(program: str) -> str:
    """A variable where a link leads is still a link."""
    return re.sub(r"[^\n]", "x", program)


def _meant(pattern: re.Pattern[str], text: str) -> _Found | None:
    """The first place where a phrase stands and is not denied."""
    for found in pattern.finditer(text):
        if craft_words().not_so.search(text[max(0, found.start() - 60) : found.start()]) is None:
            return _Found(found.start(), len(found[0]))
    return None


def _deadline(text: str) -> _Found | None:
    """A quota, or the end of a month in one sentence with a discount."""
    quota = _meant(craft_words().quota, text)
    if quota is not None:
        return quota
    for sentence in _SENTENCE.finditer(text):
        end = _meant(craft_words().period_end, sentence[0])
        if end is not None and _meant(craft_words().offer, sentence[0]) is not None:
            return _Found(sentence.start() + end.start, end.length)
    return None


def _in_body(template: Template, found: _Found, code: str, message: str) -> Problem:
    before = template.body[: found.start]
    line = template.body_line + before.count("\n")
    column = len(before.rpartition("\n")[2]) + 1
    width = len(template.body[found.start : found.start + found.length].split("\n")[0])
    return Problem(template.document.file, line, column, "warning", code, message, CRAFT[code].instead, width)


# The subject --------------------------------------------------------------------------------------


def _subject(template: Template) -> Iterator[Problem]:
    if not template.subject.strip() or template.programs is None:
        return
    bare = without_programs(template.subject).strip(" \t\n,.!?:-–…")
    words = _own_words(template.subject)
    if craft_words().empty_subject.fullmatch(bare) or _meant(craft_words().empty_touch, words):
        message = f"“{shown(template.subject)}” gives them no reason to open it"
        yield _at_subject(template, JUST_CHECKING_IN, message)
    if _deadline(words) is not None:
        yield _at_subject(
            template, QUOTA_LANGUAGE, f"“{shown(template.subject)}” is a deadline of yours, not of theirs"
        )
    length = _least(template.programs[0].tree.body)
    if length > LONGEST_SUBJECT:
        least = "at least " if "{{" in template.subject or "{%" in template.subject else ""
        message = f"the subject has {least}{length} characters: {LONGEST_SUBJECT} are what a program shows"
        yield _at_subject(template, LONG_SUBJECT, message)


def _at_subject(template: Template, code: str, message: str) -> Problem:
    return template.document.problem(("subject",), code, message, CRAFT[code].instead, severity="warning")


def _least(body: Iterable[nodes.Node]) -> int:
    """How many columns a text takes at least, whatever its variables are: one for each, the shorter way of each if."""
    total = 0
    for node in body:
        match node:
            case nodes.Output():
                total += sum(_columns(part.data) if isinstance(part, nodes.TemplateData) else 1 for part in node.nodes)
            case nodes.If():
                ways = [node.body, *(each.body for each in node.elif_), node.else_]
                total += min(map(_least, ways))
            case _:
                pass
    return total


def _columns(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(char) in ("W", "F") else 1 for char in " ".join(text.split("\n")))


# Walls --------------------------------------------------------------------------------------------

_BREAK: Final = re.compile(r"\n[ \t]*\n|\n(?=[ \t]*(?:[-*+]|[0-9]{1,3}[.)])[ \t])|(?:  |\\)\n")
_OTHERWISE: Final = re.compile(r"\{%-?\s*(?:else|elif)\b.{0,5000}?\{%-?\s*endif\s*-?%\}", re.DOTALL)
_COLUMNS: Final = 75


def _walls(template: Template) -> Iterator[Problem]:
    """The longest block of a letter, if it is too long."""
    plain = with_programs(_OTHERWISE.sub(lambda found: blank(found[0]), template.body), _as_one_word)
    edges = [0, *(found.end() for found in _BREAK.finditer(plain)), len(plain)]
    blocks = [(plain[start:end], start) for start, end in pairwise(edges)]
    block, start = max(blocks, key=lambda each: _words(each[0]))
    words = _words(block)
    if words <= MOST_WORDS:
        return
    first = start + len(block) - len(block.lstrip())
    lines = -(-len(" ".join(block.split())) // _COLUMNS)
    message = f"a wall of text: {words} words, about {lines} lines, without a break"
    yield _in_body(template, _Found(first, len(block.strip().split("\n")[0])), WALL_OF_TEXT, message)


def _as_one_word(program: str) -> str:
    """A variable counts as a word, an instruction as none."""
    return "x" * len(program) if program.startswith("{{") else blank(program)


def _words(text: str) -> int:
    """Words; in a script that knows no blanks two characters are about one."""
    wide = sum(unicodedata.east_asian_width(char) in ("W", "F") for char in text)
    return len(re.findall(r"\w+(?:['’-]\w+)*", re.sub(r"[\u2e80-\uffef]", " ", text))) + wide // 2
