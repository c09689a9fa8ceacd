"""The `when:` phrases and lengths of time that marketers write, as values.

The language is small on purpose, so that there is one way to say a thing; whoever says it another way is told
the phrase that was probably meant.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import time
from difflib import get_close_matches
from typing import Final

from sequencer.core.model import Base, Span, Unit, When

WHEN_FORMS: Final = (
    "immediately",
    "N minutes|hours|days|weeks|months|business days later",
    "N days of silence",
    "day N",
    "N days before|after decision",
    "N weeks before|after FIELD",
)
"""Every form of a `when:` phrase; each may end in `at HH:MM` and `on Tuesday`."""

SPAN_FORMS: Final = ("90 minutes", "2 hours", "5 days", "1 business day", "3 weeks", "2 months")
"""An example of a length of time in every unit."""


class PhraseError(ValueError):
    """A phrase that cannot be understood.

    `message` says what is wrong with it; `hint` is the way out, and is never empty.
    """

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


@dataclass(frozen=True, slots=True)
class _Unclear:
    message: str


_LONGEST_TEXT: Final = 200
_LONGEST: Final[Mapping[Unit, int]] = {  # ten years, so that calendar arithmetic cannot overflow
    Unit.MINUTES: 5_256_000,
    Unit.HOURS: 87_600,
    Unit.DAYS: 3_650,
    Unit.WEEKS: 520,
    Unit.MONTHS: 120,
    Unit.BUSINESS_DAYS: 2_600,
}
_UNITS: Final[Mapping[str, Unit]] = {
    word: unit
    for unit, words in {
        Unit.MINUTES: "minute minutes min mins",
        Unit.HOURS: "hour hours hr hrs h",
        Unit.DAYS: "day days d",
        Unit.WEEKS: "week weeks wk wks w",
        Unit.MONTHS: "month months",
        Unit.BUSINESS_DAYS: "business-day business-days working-day working-days work-day work-days workday workdays",
    }.items()
    for word in words.split()
}
_NUMBERS: Final[Mapping[str, int]] = {
    "a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6,
    "seven": 7, "eight": 8, "nine": 9, "ten": 10, "eleven": 11, "twelve": 12,
}  # fmt: skip
WEEKDAY_NAMES: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
"""By the number that datetime.weekday() gives."""
_WEEKDAYS: Final[Mapping[str, int]] = {
    word: number
    for number, words in enumerate(
        ("mon", "tue tues", "wed weds", "thu thur thurs", "fri", "sat", "sun"),
    )
    for word in (*words.split(), WEEKDAY_NAMES[number].lower(), WEEKDAY_NAMES[number].lower() + "s")
}
_MINUTES: Final = {
    "s": 1 / 60, "sec": 1 / 60, "second": 1 / 60,
    "minute": 1, "hour": 60, "day": 1440, "week": 10080, "fortnight": 20160,
}  # fmt: skip
_MONTHS: Final = {"quarter": 3, "year": 12, "yr": 12}
_REPHRASINGS: Final = (  # what people write instead, and the phrase that says it
    (r"now|asap|at once|instantly|(?:right|straight) away|immediate|today", "immediately"),
    (r"tomorrow", "1 day later"),
    (r"(?:the )?next (day|week|month)", r"1 \1 later"),
    (r"(.+?) (?:at )?([0-9]{1,2})[:.h]([0-9]{2})", r"\1 at \2:\3"),
    (r"(.+?) at ([0-9]{1,2})(?:h| o'clock)?", r"\1 at \2:00"),
    (r"(.+?) (?:at )?(?:noon|midday)", r"\1 at 12:00"),
    (r"(?:on |next |every )*(\w+day)s?", r"on \1"),
    (r"(.+?) (?:next )?(\w+day)s?", r"\1 on \2"),
    (r"(?:on |the )*(?:day 0*)?([1-9][0-9]*)(?:st|nd|rd|th)? day", r"day \1"),
    (r"(?:on |the )+day ([1-9][0-9]*)", r"day \1"),
    (r"day 0+", "day 1"),
    (r"([0-9]+)", r"\1 days later"),
    (
        r"(?:(?:in|after|wait|then|every) |\+ ?)?(.+?)(?: after| after (?:now|that|this|it)| from now| later on)?",
        r"\1 later",
    ),
    (r"(.+) weekdays? (?:later|after)", r"\1 business days later"),
    (r"(.+) prior to (.+)", r"\1 before \2"),
    (r"(.+) (?:since|from) (.+)", r"\1 after \2"),
    (r"(?:in|after|wait) (.+)", r"\1"),
)
UNIT_WORDS: Final = tuple(_UNITS)
"""Every word for a unit of time; a dash in it may also be a space."""

NUMBER_WORDS: Final = tuple(_NUMBERS)
WEEKDAY_WORDS: Final = tuple(_WEEKDAYS)
_NO_FIELDS: Final = frozenset({"the", "now", "that", "this", "it"})
_VOCABULARY: Final = tuple(
    ["immediately", "later", "silence", "before", "after", "decision", "business", "working", "noon"]
    + [word for word in (*_UNITS, *_NUMBERS, *_WEEKDAYS) if len(word) > 3 and "-" not in word]
)

_SPAN: Final = re.compile(
    rf"(?:(?P<digits>[0-9]+)\s*|(?P<word>{'|'.join(_NUMBERS)})\s+)(?P<unit>[a-z]+(?:[ -][a-z]+)?)", re.IGNORECASE
)
_SUFFIX: Final = re.compile(r"(?:(?P<rest>.*)\s)?(?P<kind>at|on)\s(?P<value>.+)", re.IGNORECASE)
_TIME: Final = re.compile(r"(?P<hour>[0-9]{1,2})(?::(?P<minute>[0-9]{2}))?(?:\s?(?P<half>[ap])\.?m\.?)?", re.IGNORECASE)
_LATER: Final = re.compile(r"(?P<span>.+?) (?:later|(?:of )?silence)", re.IGNORECASE)
_DAY: Final = re.compile(r"day\s?(?P<number>[0-9]{1,4})", re.IGNORECASE)
_AROUND: Final = re.compile(r"(?P<span>.+?) (?P<side>before|after) (?P<target>.+)", re.IGNORECASE)
_FIELD: Final = re.compile(r"(?:the )?(?:(?:contact|enrollment)\.)?(?P<field>[^\W\d]\w*)", re.IGNORECASE)


def parse_when(text: str) -> When:
    """The value of a `when:` phrase (docs/sequences.md lists them), in any case and spacing.

    `day N` becomes a span of N - 1 days from the enrollment. `on Tuesday at 09:30` alone counts from now, like
    `immediately`. Raises PhraseError.
    """
    phrase = _squeeze(text)
    read = _read_when(phrase)
    if isinstance(read, _Unclear):
        forms = "; ".join(WHEN_FORMS)
        raise PhraseError(read.message, _hint(_better_whens(phrase), f"write one of: {forms} (+ at HH:MM, on Tuesday)"))
    return When(text.strip(), read.base, read.span, read.before, read.field, read.at, read.weekday)


def parse_span(text: str) -> Span:
    """The value of a length of time: `5 days`, `1 business day`, `90 minutes`; ten years at most.

    Raises PhraseError.
    """
    phrase = _squeeze(text)
    read = _read_span(phrase)
    if isinstance(read, _Unclear):
        raise PhraseError(read.message, _hint(_better_spans(phrase), f"write for example {', '.join(SPAN_FORMS)}"))
    return read


def read_weekday(word: str) -> int | None:
    """The number of an English weekday name, full or short (0 is Monday), or None."""
    return _WEEKDAYS.get(word.strip().lower())


def read_time(text: str) -> time | None:
    """A wall-clock time: `9:30`, `09:30`, `9:30 pm`, `9am`. None when it is none (`24:00` is none)."""
    found = _TIME.fullmatch(text.strip())
    if found is None or (found["minute"] is None and found["half"] is None):
        return None
    hour, minute = int(found["hour"]), int(found["minute"] or 0)
    if found["half"] is not None:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if found["half"].lower() == "p" else 0)
    return time(hour, minute) if hour < 24 and minute < 60 else None


def closest(word: str, vocabulary: tuple[str, ...]) -> str:
    """The word of the vocabulary that looks most like this one, or an empty text."""
    found = get_close_matches(word.lower(), vocabulary, n=3, cutoff=0.65)
    return next((one for one in found if one[0] == word[:1].lower()), found[0] if found else "")


# Reading --------------------------------------------------------------------------------------------


def _squeeze(text: str) -> str:
    return " ".join(text[: _LONGEST_TEXT + 1].replace(",", " ").split()).rstrip(".")


def _read_when(phrase: str) -> When | _Unclear:
    if not phrase:
        return _Unclear("the phrase is empty")
    if len(phrase) > _LONGEST_TEXT:
        return _Unclear(f"a phrase of more than {_LONGEST_TEXT} characters is not a time")
    at: time | None = None
    weekday: int | None = None
    rest = phrase
    while rest and (suffix := _SUFFIX.fullmatch(rest)) is not None:
        rest, value = suffix["rest"] or "", suffix["value"]
        if suffix["kind"].lower() == "at":
            if at is not None:
                return _Unclear(f"`{phrase}` names two times of day")
            at = read_time(value)
            if at is None:
                return _Unclear(f"`{value}` is not a time of day")
        else:
            if weekday is not None:
                return _Unclear(f"`{phrase}` names two weekdays")
            weekday = read_weekday(value)
            if weekday is None:
                return _Unclear(f"`{value}` is not a weekday")
    base = _read_base(rest)
    if isinstance(base, _Unclear):
        return base
    return When(phrase, base.base, base.span, base.before, base.field, at, weekday)


def _read_base(phrase: str) -> When | _Unclear:
    """The phrase without its suffixes; nothing at all is `immediately`."""
    if phrase.lower() in ("", "immediately"):
        return When(phrase, Base.NOW)
    if (day := _DAY.fullmatch(phrase)) is not None:
        number = int(day["number"])
        if number == 0:
            return _Unclear("`day 0` does not exist: day 1 is the day of the enrollment")
        if number > _LONGEST[Unit.DAYS]:
            return _Unclear(f"`{phrase}` is too far ahead: ten years at most")
        return When(phrase, Base.ENROLLMENT, Span(number - 1, Unit.DAYS))
    if (later := _LATER.fullmatch(phrase)) is not None:
        span = _read_span(later["span"])
        return span if isinstance(span, _Unclear) else When(phrase, Base.TOUCH, span)
    if (around := _AROUND.fullmatch(phrase)) is not None:
        return _read_around(phrase, around["span"], around["side"], around["target"])
    return _Unclear(f"`{phrase}` is not a time that can be understood")


def _read_around(phrase: str, span_text: str, side: str, target: str) -> When | _Unclear:
    span = _read_span(span_text)
    if isinstance(span, _Unclear):
        return span
    found = _FIELD.fullmatch(target)
    if found is None or found["field"].lower() in _NO_FIELDS:
        return _Unclear(f"`{target}` is neither `decision` nor the name of a date on the contact")
    name = found["field"]
    before = side.lower() == "before"
    if target.lower() in ("decision", "the decision"):
        return When(phrase, Base.DECISION, span, before)
    return When(phrase, Base.FIELD, span, before, name)


def _read_span(phrase: str) -> Span | _Unclear:
    found = _SPAN.fullmatch(phrase)
    if found is None:
        return _Unclear(f"`{phrase}` is not a length of time" if phrase else "the length of time is empty")
    unit = _UNITS.get("-".join(found["unit"].lower().split()))
    if unit is None:
        return _Unclear(f"`{found['unit']}` is not a unit of time")
    digits = (found["digits"] or "0").lstrip("0")[:8]  # more digits are too many in any unit, and slow to read
    amount = int(digits or "0") if found["word"] is None else _NUMBERS[found["word"].lower()]
    if amount > _LONGEST[unit]:
        return _Unclear(f"`{phrase}` is too long: ten years at most")
    return Span(amount, unit)


# The way out ----------------------------------------------------------------------------------------


def _hint(candidates: Iterator[str], otherwise: str) -> str:
    better = next(candidates, "")
    return f"did you mean `{better}`?" if better else otherwise


def _better_whens(phrase: str) -> Iterator[str]:
    """Phrases like this one that can be understood, the likeliest first."""
    if len(phrase) > _LONGEST_TEXT:
        return
    for spelt in dict.fromkeys((phrase, _respell(phrase))):
        for candidate in (spelt, *_rephrase(spelt)):
            if not isinstance(_read_when(candidate), _Unclear):
                yield candidate


def _better_spans(phrase: str) -> Iterator[str]:
    if len(phrase) > _LONGEST_TEXT:
        return
    for spelt in dict.fromkeys((phrase, _respell(phrase))):
        bare = re.sub(r"^(?:in|after|wait|every|for|\+) ?", "", spelt, flags=re.IGNORECASE)
        bare = re.sub(r" (?:later|of silence|silence|ago|from now)$", "", bare, flags=re.IGNORECASE)
        for candidate in (spelt, bare, _other_unit(bare), f"{bare} days"):
            if candidate and not isinstance(_read_span(candidate), _Unclear):
                yield candidate


def _respell(phrase: str) -> str:
    """The phrase with each unknown word replaced by the known one that looks most like it."""
    words = (closest(word, _VOCABULARY) or word if len(word) > 3 else word for word in phrase.split()[:20])
    return " ".join(word.capitalize() if word in _WEEKDAYS else word for word in words)


def _rephrase(phrase: str) -> Iterator[str]:
    """Other ways to say what the phrase may mean; not all of them can be understood."""
    for pattern, replacement in _REPHRASINGS:
        found = re.fullmatch(pattern, phrase, re.IGNORECASE)
        if found is not None:
            yield found.expand(replacement)
    bare = re.sub(r"^(?:in|after) ", "", phrase, flags=re.IGNORECASE)
    split = re.fullmatch(r"(.+?) (later|of silence|(?:before|after) .+)", bare, re.IGNORECASE)
    length, rest = (split[1], split[2]) if split is not None else (bare, "later")
    yield f"{_other_unit(length)} {rest}"
    yield f"{length} {re.sub(r'(?<=[a-z]) (?=[a-z])', '_', rest).replace('_', ' ', 1)}"


def _other_unit(phrase: str) -> str:
    """The same length in a unit that exists: years, fractions, seconds. Empty when there is none."""
    found = re.fullmatch(
        r"(?:(?P<number>[0-9]{1,6}(?:\.[0-9]{1,3})?)|(?P<half>half )?an?) ?(?P<unit>[a-z]+)", phrase.lower()
    )
    if found is None:
        return ""
    amount = float(found["number"] or (0.5 if found["half"] else 1))
    word = found["unit"].removesuffix("s") or "s"
    if word in _MONTHS:
        return f"{round(amount * _MONTHS[word])} months"
    if word not in _MINUTES:
        return ""
    total = max(1, round(amount * _MINUTES[word]))
    for size, unit in ((1440, Unit.DAYS), (60, Unit.HOURS)):
        if total % size == 0:
            return str(Span(total // size, unit))
    return str(Span(total, Unit.MINUTES))
