"""What single values of config.yaml may look like, and what they are read as: lengths, shares, addresses, secrets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field, PlainValidator, SecretStr, ValidationInfo
from pydantic import WithJsonSchema as JsonSchema

from sequencer.core.model import Span, Unit
from sequencer.core.when import PhraseError, parse_span
from sequencer.workspace import editor_forms
from sequencer.workspace.providers import PROVIDERS
from sequencer.workspace.shapes import refuse
from sequencer.workspace.source import did_you_mean, shown

OFF: Final = "off"
Off = Literal["off"]

REFERENCE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
MAX_SECRET_BYTES: Final = 10_000


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where secrets come from. `required`: a secret that is not there is a mistake."""

    folder: Path
    environ: Mapping[str, str]
    required: bool = True


def _read_secret(value: object, info: ValidationInfo) -> SecretStr | None:
    """`${NAME}` or `file:PATH`. What stands there is never part of a message."""
    around = info.context
    if not isinstance(around, Surroundings):
        raise TypeError("a secret can only be read with its surroundings")
    text = value if isinstance(value, str) else ""
    if (reference := REFERENCE.fullmatch(text)) is not None:
        found = around.environ.get(reference[1])
        missing = refuse(
            "secret-missing",
            f"the environment variable {reference[1]} is not set",
            "set it in the environment of the command, or write `file:PATH`",
        )
    elif text.startswith("file:"):
        found = _first_line(around.folder / text.removeprefix("file:"))
        missing = refuse(
            "secret-missing",
            f"the file {shown(text.removeprefix('file:'))} cannot be read, or is empty",
            "one line with the secret",
        )
    else:
        raise refuse(
            "literal-secret",
            "a password stands here in clear",
            "take it from the environment: `${MARK_PASSWORD}`, or from a file: `file:secrets/mark`; and change it",
        )
    if found:
        return SecretStr(found)
    if around.required:
        raise missing
    return None


def _first_line(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(MAX_SECRET_BYTES).decode("utf-8", "strict").split("\n")[0].strip("\r")
    except (OSError, ValueError):
        return ""


Secret = Annotated[SecretStr | None, PlainValidator(_read_secret), JsonSchema(editor_forms.SECRET)]


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _read_count(value: object) -> int | Off:
    text = _text(value).strip().lower()
    if text == OFF:
        return OFF
    if not re.fullmatch(r"[0-9]{1,7}", text) or int(text) == 0:
        raise refuse("number", "expected a whole number above 0, or off")
    return int(text)


def _read_ramp(value: object) -> int | Off:
    return _read_count(re.sub(r"\s*(/|per |a )\s*day$", "", _text(value).strip().lower()))


_GAP: Final = re.compile(r"([0-9]{1,5}(?:\.[0-9]+)?)\s*(s|sec|seconds?|m|min|minutes?|h|hours?)?")


def _read_gap(value: object) -> tuple[float, float] | Off:
    """Two lengths in seconds: from, to."""
    text = _text(value).strip().lower()
    if text == OFF:
        return OFF
    ends = [_GAP.fullmatch(part.strip()) for part in re.split(r"-|–| to ", text)]
    if not 1 <= len(ends) <= 2 or any(end is None or not (end[2] or (ends[-1] and ends[-1][2])) for end in ends):
        raise refuse("gap", "a gap is a length, or two", "write for example 90s-240s, 2m, or off")
    last_unit = ends[-1][2] if ends[-1] is not None else ""
    sizes = {"s": 1.0, "m": 60.0, "h": 3600.0}
    seconds = [float(end[1]) * sizes[(end[2] or last_unit)[0]] for end in ends if end is not None]
    if seconds[0] > seconds[-1]:
        raise refuse("gap", "the gap ends before it begins", "write the shorter length first")
    return seconds[0], seconds[-1]


_TOO_MANY: Final = re.compile(r"([0-9]{1,2}(?:\.[0-9]{1,3})?)\s*%(?:\s*,?\s*(?:and\s+)?at least\s+([0-9]{1,5}))?")


def _read_too_many(value: object) -> tuple[float, int] | Off:
    """A share (0 to 1) and the least number."""
    text = _text(value).strip().lower()
    if text == OFF:
        return OFF
    found = _TOO_MANY.fullmatch(text)
    if found is None or float(found[1]) == 0 or (found[2] is not None and int(found[2]) == 0):
        hint = "write for example “5%, at least 5”, or off"
        raise refuse("share", "expected a share in percent, and the least number", hint)
    return float(found[1]) / 100, int(found[2] or 1)


def _read_in_a_row(value: object) -> int | Off:
    return _read_count(re.sub(r"\s*(times|in a row|a day|/ ?day)$", "", _text(value).strip().lower()))


LONGEST_WINDOW: Final = 30


def _read_window(value: object) -> Span:
    span = _read_span_or_off(value)
    if not isinstance(span, Span) or span.unit is not Unit.DAYS or not 0 < span.amount <= LONGEST_WINDOW:
        raise refuse("span", f"expected 1 to {LONGEST_WINDOW} days", "write for example 7 days")
    return span


def _read_held(value: object) -> Span | Off:
    span = _read_span_or_off(value)
    if isinstance(span, Span) and (span.unit not in (Unit.MINUTES, Unit.HOURS) or span.amount == 0):
        raise refuse("span", "this is a matter of minutes or hours", "write for example 4 hours, or off")
    return span


def _read_away(value: object) -> tuple[date, date]:
    """`2026-12-24..2027-01-02`, both days included, or one day."""
    first, dots, last = (part.strip() for part in _text(value).partition(".."))
    try:
        start = date.fromisoformat(first)
        end = date.fromisoformat(last) if dots else start
    except ValueError:
        raise refuse("away", "expected one day or two", "write 2026-12-24 or 2026-12-24..2027-01-02") from None
    if end < start:
        raise refuse("away", "the last day lies before the first", "write the earlier day first")
    return start, end


def _read_span_or_off(value: object) -> Span | Off:
    text = _text(value).strip()
    if text.lower() == OFF:
        return OFF
    try:
        return parse_span(text)
    except PhraseError as error:
        raise refuse("span", error.message, error.hint) from None


def _read_spread(value: object) -> Span | Off:
    span = _read_span_or_off(value)
    if isinstance(span, Span) and span.unit not in (Unit.MINUTES, Unit.HOURS):
        raise refuse("span", "the spread is a matter of minutes or hours", "write for example 30 minutes, or off")
    return span


_ADDRESS: Final = re.compile(r"[^\s@<>\",;:()\[\]\\]+@[^\s@<>\",;:()\[\]\\]+\.[^\s@<>\",;:()\[\]\\]+")


@dataclass(frozen=True, slots=True)
class Address:
    """A name and an e-mail address."""

    name: str
    address: str


def _read_address(value: object) -> Address:
    text = " ".join(_text(value).split())
    name, bracket, rest = text.partition("<")
    address = rest.removesuffix(">").strip() if bracket else text
    if not _ADDRESS.fullmatch(address) or (bracket and not rest.endswith(">")):
        raise refuse("address", "expected a name and an e-mail address", "write it as Mark Riffey <mark@example.com>")
    name = name.strip().strip('"').strip() if bracket else ""
    if not name:
        raise refuse("address", "the name before the address is missing", "write it as Mark Riffey <mark@example.com>")
    return Address(name, address)


def _read_provider(value: object) -> str:
    text = _text(value).strip().lower()
    if text not in PROVIDERS:
        hint = did_you_mean(text, PROVIDERS)
        hint = hint if hint.startswith("did") else f"{hint}; or leave it out and spell out smtp and imap"
        raise refuse("provider", f"the provider `{shown(text)}` is not known here", hint)
    return text


def _read_listen(value: object) -> str:
    text = _text(value).strip()
    host, colon, port = text.rpartition(":")
    if not colon or not host or not re.fullmatch(r"[0-9]{1,5}", port) or not 0 < int(port) < 65536:
        raise refuse("listen", "expected an address and a port", "write for example 127.0.0.1:8025")
    return text


def _read_url(value: object) -> str:
    text = _text(value).strip().rstrip("/")
    if not re.fullmatch(r"https?://[^\s/@]+(/[^\s]*)?", text):
        raise refuse("url", "expected a URL", "write for example https://follow.example.com")
    return text


_SECONDS: Final = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,3})?)\s*(?:s|sec|seconds?)")
LONGEST_TIMEOUT: Final = 60.0


def _read_seconds(value: object) -> float:
    found = _SECONDS.fullmatch(_text(value).strip().lower())
    if found is None or not 0 < float(found[1]) <= LONGEST_TIMEOUT:
        hint = "write for example 10 seconds"
        raise refuse("timeout", f"expected a time above 0 and up to {LONGEST_TIMEOUT:g} seconds", hint)
    return float(found[1])


def _read_word(value: object, pattern: str, hint: str) -> str:
    text = _text(value).strip()
    if not re.fullmatch(pattern, text):
        raise refuse("word", f"`{shown(text)}` is not what belongs here", hint)
    return text


def _read_language(value: object) -> str:
    return _read_word(value, r"[a-z]{2,3}(-[A-Z]{2})?", "write the code of the language: en, de, fr, es …")


Count = Annotated[int | Off, PlainValidator(_read_count), JsonSchema(editor_forms.COUNT)]
Ramp = Annotated[int | Off, PlainValidator(_read_ramp), JsonSchema(editor_forms.RAMP)]
Gap = Annotated[tuple[float, float] | Off, PlainValidator(_read_gap), JsonSchema(editor_forms.GAP)]
Share = Annotated[tuple[float, int] | Off, PlainValidator(_read_too_many), JsonSchema(editor_forms.SHARE)]
InARow = Annotated[int | Off, PlainValidator(_read_in_a_row), JsonSchema(editor_forms.IN_A_ROW)]
Window = Annotated[Span, PlainValidator(_read_window), JsonSchema(editor_forms.SPAN)]
HeldFor = Annotated[Span | Off, PlainValidator(_read_held), JsonSchema(editor_forms.SPAN_OR_OFF)]
AwayDays = Annotated[tuple[date, date], PlainValidator(_read_away), JsonSchema(dict(editor_forms.AWAY))]
Spread = Annotated[Span | Off, PlainValidator(_read_spread), JsonSchema(editor_forms.SPAN_OR_OFF)]
MinGap = Annotated[Span | Off, PlainValidator(_read_span_or_off), JsonSchema(editor_forms.SPAN_OR_OFF)]
FromAddress = Annotated[Address, PlainValidator(_read_address), JsonSchema(editor_forms.FROM)]
ProviderName = Annotated[
    str, PlainValidator(_read_provider), JsonSchema(editor_forms.any_case(PROVIDERS, "a provider that is known here"))
]
Listen = Annotated[str, PlainValidator(_read_listen), JsonSchema(editor_forms.LISTEN)]
Url = Annotated[str, PlainValidator(_read_url), JsonSchema(editor_forms.URL)]
Seconds = Annotated[float, PlainValidator(_read_seconds), JsonSchema(editor_forms.SECONDS)]
Language = Annotated[str, PlainValidator(_read_language), JsonSchema(editor_forms.LANGUAGE)]
Port = Annotated[int, Field(ge=1, le=65535), JsonSchema(dict(editor_forms.PORT))]
Tls = Literal["implicit", "starttls", "none"]
