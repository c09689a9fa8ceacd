"""What a rehearsal expects, one line each: `article on 2026-12-28`, `snoozed until 2027-03-01`, `call never`."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, time
from enum import StrEnum
from typing import Final

from sequencer.core.when import PhraseError, closest, read_time

FORMS: Final = (
    "STEP",
    "STEP on DATE [at HH:MM]",
    "STEP between DATE and DATE",
    "STEP skipped",
    "STEP never",
    'STEP says "WORDS"',
    'STEP never says "WORDS"',
    'STEP subject "WORDS"',
    "read as KIND",
    "snoozed [until DATE]",
    "paused",
    "stopped",
    "finished",
    "moved to SEQUENCE",
    "held at STEP",
    "waits for STEP",
    "nothing before DATE",
    "nothing after DATE",
    "nothing else",
)
"""Every form of an expectation. Those that happen may say `on DATE [at HH:MM]` or `between DATE and DATE`; a state
may say `because WORDS`."""


LONGEST: Final = 1_000
"""Characters of an expectation."""


class What(StrEnum):
    """What kind of thing is expected."""

    TOUCH = "touch"
    SKIPPED = "skipped"
    READ = "read"
    SNOOZED = "snoozed"
    PAUSED = "paused"
    STOPPED = "stopped"
    FINISHED = "finished"
    MOVED = "moved"
    HELD = "held"
    WAITS = "waits"
    NEVER = "never"
    NOTHING_BEFORE = "nothing before"
    NOTHING_AFTER = "nothing after"
    NOTHING_ELSE = "nothing else"
    SAYS = "says"
    SAYS_NOT = "never says"
    SUBJECT = "subject"


@dataclass(frozen=True, slots=True)
class Expectation:
    """One expectation. Days and times are the contact's; `first` and `last` are the same for `on DATE`."""

    text: str
    what: What
    step: str = ""
    first: date | None = None
    last: date | None = None
    at: time | None = None
    until: date | None = None  # of a snooze
    words: str = ""  # a reason, a text, the name of a sequence, a kind of reply


_DATE: Final = r"\S+"
_WHEN: Final = (
    rf"(?:\s+(?:on\s+(?P<on>{_DATE})(?:\s+at\s+(?P<at>\S+))?|between\s+(?P<from>{_DATE})\s+and\s+(?P<to>{_DATE})))?"
)
_WHY: Final = r"(?:\s+because\s+(?P<words>\S.*))?"
_STEP: Final = r"(?P<step>[A-Za-z0-9_-]+)"


def _form(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE | re.DOTALL)


_PATTERNS: Final[tuple[tuple[What, re.Pattern[str]], ...]] = (
    (What.NOTHING_BEFORE, _form(rf"nothing\s+before\s+(?P<on>{_DATE})")),
    (What.NOTHING_AFTER, _form(rf"nothing\s+after\s+(?P<on>{_DATE})")),
    (What.NOTHING_ELSE, _form(r"nothing(?:\s+(?:else|more))?")),
    (What.SNOOZED, _form(rf"snoozed(?:\s+until\s+(?P<until>{_DATE}))?{_WHEN}{_WHY}")),
    (What.PAUSED, _form(rf"paused{_WHEN}{_WHY}")),
    (What.STOPPED, _form(rf"stopped{_WHEN}{_WHY}")),
    (What.FINISHED, _form(rf"finished{_WHEN}{_WHY}")),
    (What.MOVED, _form(rf"move[sd]\s+to\s+(?P<words>[^\s]+){_WHEN}")),
    (What.HELD, _form(rf"held\s+at\s+{_STEP}{_WHEN}{_WHY}")),
    (What.WAITS, _form(rf"waits\s+for\s+{_STEP}")),
    (What.READ, _form(rf"read\s+as\s+(?P<words>[^\s]+){_WHEN}")),
    (What.SAYS_NOT, _form(rf"{_STEP}\s+never\s+says\s+(?P<words>\S.*)")),
    (What.SAYS, _form(rf"{_STEP}\s+says\s+(?P<words>\S.*)")),
    (What.SUBJECT, _form(rf"{_STEP}\s+subject\s+(?P<words>\S.*)")),
    (What.NEVER, _form(rf"{_STEP}\s+never")),
    (What.SKIPPED, _form(rf"{_STEP}\s+skipped{_WHEN}{_WHY}")),
    (What.TOUCH, _form(rf"{_STEP}{_WHEN}")),
)
"""In this order; `at` and the dates are read afterwards."""

_WORDS: Final = (
    "nothing", "before", "after", "else", "snoozed", "until", "paused", "stopped", "finished", "moved", "held",
    "waits", "read", "says", "subject", "never", "skipped", "between", "because",
)  # fmt: skip
_OTHER_WORDS: Final[tuple[tuple[str, str], ...]] = (  # what people write instead, and the form that says it
    (r"(\S+) (?:is )?not (?:sent|done)", r"\1 never"),
    (r"no (\S+)", r"\1 never"),
    (r"(?:not|never) (\S+)", r"\1 never"),
    (r"(\S+) is skipped(.*)", r"\1 skipped\2"),
    (r"(\S+) (?:is )?(?:sent|leaves|happens)(?: on)? (\S+)", r"\1 on \2"),
    (r"(\S+) (?:is )?(?:sent|leaves|happens)", r"\1"),
    (r"(\S+) (?:by|before) (\S+)", r"\1 between START and \2"),
    (r"(?:is )?(snoozed?|sleeps) (?:until|till|to) (\S+)", r"snoozed until \2"),
    (r"is (paused|stopped|finished|snoozed)(.*)", r"\1\2"),
    (r"pauses?(.*)", r"paused\1"),
    (r"stops?(.*)", r"stopped\1"),
    (r"(?:finish|finishes|ends?|ended)(.*)", r"finished\1"),
    (r"(?:move_to|go(?:es)? to|moved?) (\S+)", r"moved to \1"),
    (r"(\S+) (?:is )?held", r"held at \1"),
    (r"(\S+) (?:contains|includes|has) (.+)", r"\1 says \2"),
    (r"(\S+) subject (?:is|says) (.+)", r"\1 subject \2"),
)


def parse_expectation(text: str) -> Expectation:
    """The expectation that a line means, in any case and spacing. Raises PhraseError."""
    line = " ".join(text.split())
    if len(line) > LONGEST:
        raise PhraseError(f"this is longer than {LONGEST} characters", "one expectation is one line")
    for what, pattern in _PATTERNS:
        found = pattern.fullmatch(line)
        if found is not None:
            return _read(line, what, {name: value or "" for name, value in found.groupdict().items()})
    raise PhraseError("this is no expectation", _better(line))


def _read(line: str, what: What, part: dict[str, str]) -> Expectation:
    words = part.get("words", "")
    quoted = what in (What.SAYS, What.SAYS_NOT, What.SUBJECT) or words[:1] in "\"“'"
    first = _day(part.get("on") or part.get("from") or "")
    last = _day(part.get("to", "")) or first
    if first and last and last < first:
        raise PhraseError(f"{last} is before {first}", "write the earlier day first")
    return Expectation(
        text=line,
        what=what,
        step=part.get("step", "").lower(),
        first=first,
        last=last,
        at=_time(part.get("at", "")),
        until=_day(part.get("until", "")),
        words=_unquoted(words) if quoted else words,
    )


def _day(text: str) -> date | None:
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise PhraseError(f"`{text[:40]}` is no day", "write the day as in 2026-12-21") from None


def _time(text: str) -> time | None:
    if not text:
        return None
    read = read_time(text)
    if read is None:
        raise PhraseError(f"`{text[:40]}` is no time of day", "write it as in 09:30")
    return read


_QUOTES: Final = {'"': '"', "'": "'", "“": "”", "„": "“", "«": "»"}


def _unquoted(text: str) -> str:
    closing = _QUOTES.get(text[:1])
    return text[1:-1].strip() if closing and len(text) > 2 and text.endswith(closing) else text


def _better(line: str) -> str:
    for pattern, form in _OTHER_WORDS:
        found = re.fullmatch(pattern, line, re.IGNORECASE)
        if found is not None and (better := found.expand(form)) and _understood(better.replace("START", "2026-01-01")):
            return f"did you mean `{better.replace('START', 'DATE')}`?"
    words = line.split()
    corrected = " ".join(closest(word, _WORDS) if _is_near(word) else word for word in words)
    if corrected != line and _understood(corrected):
        return f"did you mean `{corrected}`?"
    return "for example `article on 2026-12-28`, `call skipped`, `paused`; docs/rehearsing.md has all the forms"


def _is_near(word: str) -> bool:
    near = closest(word, _WORDS)
    return bool(near) and word.lower() not in _WORDS and word.isalpha() and len(word) > 3


def _understood(line: str) -> bool:
    return _quietly(lambda: any(pattern.fullmatch(line) for _, pattern in _PATTERNS) and parse_expectation(line))


def _quietly(ask: Callable[[], object]) -> bool:
    try:
        return bool(ask())
    except PhraseError:
        return False
