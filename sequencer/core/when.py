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
_AT_ONCE: Final = frozenset(
    {"now", "asap", "at once", "instantly", "right away", "straight away", "immediate", "today"}
)
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
    found = get_close_matches(word.lower(), vocabulary, n=1, cutoff=0.7)
    return found[0] if found else ""


# Reading --------------------------------------------------------------------------------------------


def _squeeze(text: str) -> str:
    return " ".join(text[: _LONGEST_TEXT + 1].replace(",", " ").split()).rstrip(".")


def _read_when(phrase: str) -> When | _Unclear:
    if not phrase:
        return _Unclear("there is no time here")
    if len(phrase) > _LONGEST_TEXT:
        return _Unclear(f"a phrase of more than {_LONGEST_TEXT} characters is no time")
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
                return _Unclear(f"`{value}` is no time of day")
        else:
            if weekday is not None:
                return _Unclear(f"`{phrase}` names two weekdays")
            weekday = read_weekday(value)
            if weekday is None:
                return _Unclear(f"`{value}` is no weekday")
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
    return _Unclear(f"`{phrase}` is no time that can be understood")


def _read_around(phrase: str, span_text: str, side: str, target: str) -> When | _Unclear:
    span = _read_span(span_text)
    if isinstance(span, _Unclear):
        return span
    found = _FIELD.fullmatch(target)
    if found is None or found["field"].lower() in ("the", "now"):
        return _Unclear(f"`{target}` is neither `decision` nor the name of a date on the contact")
    name = found["field"]
    before = side.lower() == "before"
    if target.lower() in ("decision", "the decision"):
        return When(phrase, Base.DECISION, span, before)
    return When(phrase, Base.FIELD, span, before, name)


def _read_span(phrase: str) -> Span | _Unclear:
    found = _SPAN.fullmatch(phrase)
    if found is None:
        return _Unclear(f"`{phrase}` is no length of time" if phrase else "there is no length of time here")
    unit = _UNITS.get("-".join(found["unit"].lower().split()))
    if unit is None:
        return _Unclear(f"`{found['unit']}` is no unit of time")
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
    words = (
        word if word.lower() in _VOCABULARY else closest(word, _VOCABULARY) or word for word in phrase.split()[:20]
    )
    return " ".join(word.capitalize() if word.lower() in _WEEKDAYS and len(word) > 3 else word for word in words)


def _rephrase(phrase: str) -> Iterator[str]:
    """Other ways to say what the phrase may mean; not all of them can be understood."""
    low = phrase.lower()
    if low in _AT_ONCE:
        yield "immediately"
    if low == "tomorrow":
        yield "1 day later"
    if (clock := re.fullmatch(r"(.+?) (?:at )?([0-9]{1,2})(?:[:.h]([0-9]{2}))?(?: o'clock| uhr)?", low)) is not None:
        yield f"{clock[1]} at {int(clock[2]):02}:{clock[3] or '00'}"
    if low.endswith((" noon", " midday")):
        yield re.sub(r" (?:at )?(?:noon|midday)$", " at 12:00", phrase, flags=re.IGNORECASE)
    if (day := re.fullmatch(r"(?:(.+) )?(?:next |every )?(\w+)", phrase)) is not None and read_weekday(
        day[2]
    ) is not None:
        yield f"{day[1] or ''} on {day[2].capitalize()}".strip()
    if (day := re.fullmatch(r"(?:on |the )*(?:day )?([0-9]+)(?:st|nd|rd|th)? ?(?:day)?", low)) is not None:
        yield f"day {max(int(day[1][:5]), 1)}" if "day" in low else f"{day[1]} days later"
    if low == "next week":
        yield "1 week later"
    bare = re.sub(r"^(?:in|after|wait|then|\+|-) ?", "", phrase, flags=re.IGNORECASE)
    bare = re.sub(r" (?:after|later|from now|after that|afterwards|on|wait)$", "", bare, flags=re.IGNORECASE)
    yield f"{bare} later"
    if (split := re.fullmatch(r"(.+?) (later|of silence|before .+|after .+)", bare, flags=re.IGNORECASE)) is not None:
        yield bare
        yield f"{_other_unit(split[1])} {split[2]}"
        yield f"{split[1]} {re.sub(r'(?<=[a-z]) (?=[a-z])', '_', split[2]).replace('_', ' ', 1)}"
    yield f"{_other_unit(bare)} later"


def _other_unit(phrase: str) -> str:
    """The same length in a unit that exists: years, fractions, seconds."""
    found = re.fullmatch(r"(?:([0-9]{1,6}(?:\.[0-9]{1,3})?)|an?|half an?) ?([a-z]+)", phrase.lower())
    if found is None:
        return ""
    amount = float(found[1]) if found[1] else 0.5 if phrase.lower().startswith("half") else 1.0
    word = found[2].removesuffix("s")
    minutes = {"second": 1 / 60, "sec": 1 / 60, "minute": 1, "min": 1, "hour": 60, "day": 1440, "week": 10080}
    if word in ("year", "yr", "quarter"):
        return f"{round(amount * (3 if word == 'quarter' else 12))} months"
    if word == "fortnight":
        return f"{round(amount * 2)} weeks"
    if word not in minutes:
        return ""
    total = max(1, round(amount * minutes[word]))
    for unit in ("day", "hour", "minute"):
        size = int(minutes[unit])
        if total % size == 0:
            return str(Span(total // size, Unit(f"{unit}s")))
    return ""
