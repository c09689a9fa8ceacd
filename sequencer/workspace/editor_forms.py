"""How the phrases of the files look to an editor: JSON Schema for each of them.

An editor reads YAML 1.2, where `20`, `true` and `1984` are no texts, and knows regular expressions in the form of
JavaScript, without flags. So each form here accepts whatever `check` accepts, in any case and spacing, and marks what
can be told from the form alone. What was meant is said by `patternErrorMessage`, which the YAML language server shows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from sequencer.core.when import NUMBER_WORDS, UNIT_WORDS, WEEKDAY_WORDS

Form = Mapping[str, Any]


# Texts --------------------------------------------------------------------------------------------


def text(*examples: object, **more: object) -> dict[str, Any]:
    """Any text; a number or a truth value in YAML 1.2 is the text that stands there."""
    return {
        "if": {"type": "boolean"},
        "else": {"type": ["string", "number"], "errorMessage": "expected a text"},
        **_examples(examples),
        **more,
    }


def maybe_text(*examples: object) -> dict[str, Any]:
    """Any text, or nothing at all: `stop:`."""
    return {
        "if": {"type": "boolean"},
        "else": {"type": ["string", "number", "null"], "errorMessage": "expected a text"},
        **_examples(examples),
    }


def phrase(pattern: str, message: str, *examples: object) -> dict[str, Any]:
    """A text like a pattern."""
    return {"type": "string", "pattern": pattern, "patternErrorMessage": message, **_examples(examples)}


def loose_phrase(pattern: str, message: str, *examples: object, **more: object) -> dict[str, Any]:
    """A text like a pattern, or what YAML 1.2 does not take for a text."""
    return text(*examples, pattern=pattern, patternErrorMessage=message, **more)


def count(*examples: object, tail: str = "", most: int = 9_999_999) -> dict[str, Any]:
    """A whole number above 0, as such or in quotes; or off."""
    message = "a whole number above 0, or off"
    pattern = rf"^\s*(?:[0-9]{{1,7}}{tail}|{OFF_PATTERN})\s*$"
    string = {"type": "string", "pattern": pattern, "patternErrorMessage": message}
    return {"anyOf": [{"type": "integer", "minimum": 1, "maximum": most}, string], **_examples(examples)}


def words(*several: str) -> dict[str, Any]:
    """One of some words, exactly."""
    return {"enum": list(several), "errorMessage": f"one of {', '.join(several)}"}


def one_or_several(names: Mapping[str, str]) -> dict[str, Any]:
    """One of some names, or a list of them; each with its meaning."""
    one = {"enum": list(names), "enumDescriptions": list(names.values()), "errorMessage": "a name that is known here"}
    return {"anyOf": [one, {"type": "array", "items": one}]}


def any_case(several: Iterable[str], message: str) -> dict[str, Any]:
    """One of some words in any case; the editor proposes them as they stand here."""
    listed = sorted(several)
    pattern = rf"^\s*(?:{'|'.join(map(_loose, listed))})\s*$"
    return {"anyOf": [{"enum": listed}, {"type": "string", "pattern": pattern, "patternErrorMessage": message}]}


def _examples(examples: tuple[object, ...]) -> dict[str, Any]:
    return {"examples": list(examples)} if examples else {}


def _loose(word: str) -> str:
    """A pattern for a word in any case."""
    return "".join(f"[{char.upper()}{char}]" if char.isalpha() else _escaped(char) for char in word.lower())


def _escaped(char: str) -> str:
    """A character as it stands; unlike re.escape, JavaScript takes it for the same with and without its flag u."""
    return f"\\{char}" if char in "^$\\.*+?()[]{}|/" else char


def _any_of(several: Iterable[str]) -> str:
    """A pattern for any of some words, the longest first; a dash may also be a gap."""
    longest_first = sorted(several, key=lambda word: (-len(word), word))
    return f"(?:{'|'.join(_loose(word).replace('-', f'(?:{_GAP}|-)') for word in longest_first)})"


# Times --------------------------------------------------------------------------------------------

OFF_PATTERN: Final = _loose("off")
_GAP: Final = r"[\s,]+"
_SPAN: Final = rf"(?:[0-9]+[\s,]*|{_any_of(NUMBER_WORDS)}{_GAP}){_any_of(UNIT_WORDS)}"
_LATER: Final = rf"(?:{_loose('later')}|(?:{_loose('of')}{_GAP})?{_loose('silence')})"
_SIDE: Final = f"(?:{_loose('before')}|{_loose('after')})"
_FIELD: Final = r"[^\s,0-9.][^\s,]*"
_AROUND: Final = rf"{_SIDE}{_GAP}(?:{_loose('the')}{_GAP})?{_FIELD}"
_BASE: Final = rf"(?:{_loose('immediately')}|{_loose('day')}[\s,]*[0-9]{{1,4}}|{_SPAN}{_GAP}(?:{_LATER}|{_AROUND}))"
_CLOCK: Final = r"[0-9]{1,2}(?::[0-9]{2})?(?:[\s,]*[AaPp]\.?[Mm]\.?)?"
_SUFFIX: Final = rf"(?:{_loose('at')}{_GAP}{_CLOCK}|{_loose('on')}{_GAP}{_any_of(WEEKDAY_WORDS)})"
_WHEN: Final = rf"(?:{_BASE}(?:{_GAP}{_SUFFIX})*|{_SUFFIX}(?:{_GAP}{_SUFFIX})*)"
_SILENCE: Final = rf"{_SPAN}(?:{_GAP}{_LATER})?(?:{_GAP}{_SUFFIX})*"


def _whole(pattern: str) -> str:
    return rf"^[\s,]*{pattern}[\s,.]*$"


def _or(pattern: str, *others: str) -> str:
    return f"(?:{'|'.join((pattern, *others))})"


WHEN: Final = phrase(
    _whole(_WHEN),
    "a time: immediately · 5 days later · 1 business day later at 09:30 · day 3 · 10 days of silence · "
    "3 days before decision · 2 weeks after renewal_date (each with `at HH:MM`, `on Tuesday`)",
    "5 days later",
    "1 business day later at 09:30",
    "day 3",
    "3 days before decision at 09:30",
    "2 weeks before renewal_date on Tuesday",
)
_A_LENGTH: Final = "a length of time: 90 minutes · 2 hours · 5 days · 1 business day · 3 weeks · 2 months"
SPAN: Final = phrase(_whole(_SPAN), _A_LENGTH, "32 days", "1 business day", "90 minutes")
SPAN_OR_OFF: Final = phrase(_whole(_or(_SPAN, OFF_PATTERN)), f"{_A_LENGTH}; or off")
SILENCE: Final = phrase(
    _whole(_SILENCE), "how long the silence lasts: 10 days of silence", "10 days of silence", "2 weeks of silence"
)
_UNTIL: Final = _GAP.join(map(_loose, ("until", "they", "say")))
SNOOZE: Final = phrase(
    _whole(_or(_UNTIL, _SPAN)), "`until they say`, or a length like 60 days", "until they say", "60 days"
)

# Hours, conditions --------------------------------------------------------------------------------

_DAYS: Final = _any_of(
    (*WEEKDAY_WORDS, "daily", "everyday", "weekdays", "weekends", "every", "each", "day", "and", "to", "till", "until")
)
_TIMES: Final = r"[0-9]{1,2}(?::[0-9]{2})?(?:\s*[AaPp]\.?[Mm]\b\.?)?"
HOURS: Final = phrase(
    rf"^[\s,;&:]*(?=[A-Za-z])(?=[^0-9]*[0-9])(?:{_DAYS}\b|{_TIMES}|[\s,;&:‐‑‒–—-])+$",
    "weekdays, then times: Mon-Fri 08:30-17:00",
    "Mon-Fri 08:30-17:00",
    "Mon-Thu 9:00-12:00 13:00-17:00, Sat 10:00-12:00",
    "daily 00:00-24:00",
)
_QUOTED: Final = "|".join(rf"{quote}(?:[^{quote}\\]|\\.)*{quote}" for quote in "'\"")
_NO_QUOTE: Final = "[^\"'=!<>&|{]"
CONDITION: Final = loose_phrase(
    rf"^(?=[\s\S]*\S)(?:{_QUOTED}|==|!=|<=|>=|[<>](?![=>])|\{{(?!\{{)|{_NO_QUOTE})+$",
    'a condition: contact.phone · not contact.phone · contact.rating == "A" · contact.state in ["MT", "ID"] '
    "(compare with ==, join with and, or)",
    "contact.phone",
    'contact.rating == "A" and contact.phone',
    'contact.state in ["MT", "ID"]',
    "enrollment.amount >= 5000",
)

# One of a kind ------------------------------------------------------------------------------------

YES_NO: Final[Form] = {
    "anyOf": [
        {"type": "boolean"},
        {
            "type": "string",
            "pattern": rf"^(?:{'|'.join(map(_loose, ('true', 'yes', 'on', 'false', 'no', 'off')))})$",
            "patternErrorMessage": "true or false",
        },
    ]
}
STEP_ID: Final = loose_phrase(
    "^[a-z0-9]+(?:-[a-z0-9]+)*$",
    "an id: a-z, 0-9 and single dashes, for example nine-word",
    "thanks",
    "nine-word",
    maxLength=40,
)
SECRET: Final = phrase(
    r"^(?:\$\{[A-Za-z_][A-Za-z0-9_]*\}|file:.+)$",
    "never the password itself: ${MARK_PASSWORD} from the environment, or file:secrets/mark",
    "${MARK_PASSWORD}",
    "file:secrets/mark",
)
RAMP: Final = count("10/day", "off", tail=rf"\s*(?:(?:/|{_loose('per')} |[Aa] )\s*{_loose('day')})?")
COUNT: Final = count(80, "off")
IN_A_ROW: Final = count(
    3, "off", tail=rf"\s*(?:{_loose('times')}|{_loose('in a row')}|{_loose('a day')}|/ ?{_loose('day')})?"
)
_PACE: Final = r"[0-9]{1,5}(?:\.[0-9]+)?\s*"
_PACE_UNIT: Final = "(?:[Ss]|[Mm]|[Hh])[A-Za-z]*"
GAP: Final = phrase(
    rf"^\s*(?:{_PACE}(?:{_PACE_UNIT})?\s*(?:-|–| {_loose('to')} )\s*)?{_PACE}{_PACE_UNIT}\s*$|^\s*{OFF_PATTERN}\s*$",
    "a length or two: 90s-240s, 2m; or off",
    "90s-240s",
    "2m",
    "off",
)
SHARE: Final = phrase(
    rf"^\s*[0-9]{{1,2}}(?:\.[0-9]{{1,3}})?\s*%(?:\s*,?\s*(?:{_loose('and')}\s+)?{_loose('at least')}\s+[0-9]{{1,5}})?"
    rf"\s*$|^\s*{OFF_PATTERN}\s*$",
    "a share, and the least number: 5%, at least 5; or off",
    "5%, at least 5",
    "off",
)
AWAY: Final[Form] = {
    "type": ["string", "integer"],
    "pattern": r"^\s*[0-9]{4}-?[0-9W][0-9-]*\s*(?:\.\.\s*[0-9]{4}-?[0-9W][0-9-]*\s*)?$",
    "patternErrorMessage": "a day, or two: 2026-12-24 or 2026-12-24..2027-01-02",
    "examples": ["2026-12-24..2027-01-02", "2026-11-27"],
}
FROM: Final = phrase(
    r"^\s*[^<\s][^<]*<\s*[^\s@<>]+@[^\s@<>]+\.[^\s@<>]+\s*>\s*$",
    "a name and an address: Mark Riffey <mark@example.com>",
    "Mark Riffey <mark@example.com>",
)
LISTEN: Final = phrase(
    r"^\s*\S.*:[0-9]{1,5}\s*$", "an address and a port: 127.0.0.1:8025", "127.0.0.1:8025", "0.0.0.0:8025"
)
URL: Final = phrase(
    r"^\s*https?://[^\s/@]+(?:/\S*)?\s*$", "a URL: https://follow.example.com", "https://follow.example.com"
)
LANGUAGE: Final = phrase(r"^\s*[a-z]{2,3}(?:-[A-Z]{2})?\s*$", "the code of a language: en, de, fr", "en", "de", "pt-BR")
SECONDS: Final = phrase(
    r"^\s*[0-9]{1,3}(?:\.[0-9]{1,3})?\s*[Ss](?:[Ee][Cc](?:[Oo][Nn][Dd][Ss]?)?)?\s*$",
    "a time up to 60 seconds: 10 seconds",
    "10 seconds",
)
PORT: Final[Form] = {
    "anyOf": [
        {"type": "integer", "minimum": 1, "maximum": 65535},
        {"type": "string", "pattern": r"^\s*[0-9]{1,5}\s*$", "patternErrorMessage": "a port: 465"},
    ],
    "examples": [465, 587, 993],
}
