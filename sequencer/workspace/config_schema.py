"""What may stand in config.yaml: the keys, their types, and what each is for (docs/configuration.md shows them all)."""

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
from sequencer.workspace.shapes import Allowed, HoursPhrase, OneOrMore, Shorthand, Strict, YesNo, refuse
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


# Types --------------------------------------------------------------------------------------------


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


Secret = Annotated[
    SecretStr | None,
    PlainValidator(_read_secret),
    JsonSchema(editor_forms.SECRET),
]


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

# The file -----------------------------------------------------------------------------------------


class CompanyFile(Strict):
    """Who you are: both stand in the footer of every mail, as the law (CAN-SPAM and its like) wants it."""

    name: str = Field(
        description="The name of your company, as prospects know it.", examples=["Flathead RV"], min_length=1
    )
    address: str = Field(
        description="A postal address that reaches you.", examples=["12 Main St, Kalispell MT 59901"], min_length=1
    )


class ContactsFile(Strict):
    """What holds for a contact whose own row does not say otherwise."""

    timezone: str = Field(
        "UTC",
        description="The IANA time zone in which hours are meant, for example America/Denver.",
        examples=["America/Denver", "Europe/Berlin"],
    )
    holidays: str = Field(
        "",
        description="Public holidays on which nothing leaves: a country, or one of its states, as US, US-MT, DE-BY.",
        examples=["US", "US-MT", "DE-BY"],
    )
    language: Language = Field("en", description="The language in which contacts are expected to answer.")
    min_gap: MinGap = Field(
        OFF,
        description="At least this long between any two touches to one person, across sequences; or off (the default).",
        examples=["2 days", OFF],
    )


class SmtpFile(Strict):
    """The server that takes your mail."""

    host: str | None = Field(
        None, description="The name of the SMTP server.", examples=["smtp.example.com"], min_length=1
    )
    port: Port | None = Field(
        None, description="465 with tls: implicit (the default), 587 with tls: starttls.", examples=[465, 587]
    )
    tls: Tls | None = Field(
        None,
        description="implicit (the default), starttls, or none (only towards this machine).",
        examples=["implicit", "starttls"],
    )
    username: str | None = Field(
        None,
        description="The login. Left out: the mailbox's username, else its address.",
        examples=["mark@example.com"],
    )
    password: Secret = Field(None, description="${ENV_VARIABLE} or file:PATH. Left out: the mailbox's password.")
    ca_file: str | None = Field(
        None,
        description="A PEM file of authorities to trust beside the system's, for a server with its own certificate.",
        examples=["secrets/ca.pem"],
    )


class ImapFile(Strict):
    """The server where the answers arrive."""

    host: str | None = Field(
        None, description="The name of the IMAP server.", examples=["imap.example.com"], min_length=1
    )
    port: Port | None = Field(
        None, description="993 with tls: implicit (the default), 143 with tls: starttls.", examples=[993, 143]
    )
    tls: Tls | None = Field(
        None,
        description="implicit (the default), starttls, or none (only towards this machine).",
        examples=["implicit", "starttls"],
    )
    username: str | None = Field(
        None,
        description="The login. Left out: the mailbox's username, else its address.",
        examples=["mark@example.com"],
    )
    password: Secret = Field(None, description="${ENV_VARIABLE} or file:PATH. Left out: the mailbox's password.")
    ca_file: str | None = Field(
        None,
        description="A PEM file of authorities to trust beside the system's, for a server with its own certificate.",
        examples=["secrets/ca.pem"],
    )
    folders: OneOrMore | None = Field(
        None,
        description="Every folder in which an answer may land. \\Junk means the folder that the server marks so. "
        "Left out: INBOX, \\Junk, \\Archive, \\All and \\Trash, as far as they are there.",
        examples=[["INBOX", "\\Junk", "\\Archive"]],
    )
    sent: str | None = Field(
        None,
        description="The folder for copies of what was sent. Left out: \\Sent, the folder that the server marks so. "
        "off: none are kept, and after a restore nobody can tell what had left.",
        examples=["Sent", "\\Sent", OFF],
    )


class LimitsFile(Strict):
    """How fast a person sends. Each of these may be off; what is left out has the default given here."""

    per_hour: Count = Field(
        20, description="At most this many mails in any hour (default 20), or off.", examples=[20, OFF]
    )
    per_day: Count = Field(
        80, description="At most this many mails in any day (default 80), or off.", examples=[80, OFF]
    )
    gap: Gap = Field(
        (90.0, 240.0), description="The pause between two mails, a different one every time (default 90s-240s), or off."
    )
    ramp_up: Ramp = Field(
        OFF,
        description="For a new mailbox: this many on its first day, twice as many on the second …; or off (default).",
    )


def _limits_off(text: str) -> dict[str, str]:
    if text.strip().lower() != OFF:
        raise refuse("limits", "expected keys and values, or off")
    return dict.fromkeys(LimitsFile.model_fields, OFF)


Limits = Annotated[LimitsFile, Shorthand(_limits_off, editor_forms.any_case([OFF], "keys and values, or off"))]


class MailboxFile(Strict):
    """A person who sends, with the servers of their mail."""

    from_: FromAddress = Field(alias="from", description="The name and address that prospects see: Name <address>.")
    provider: ProviderName | None = Field(
        None,
        description="Fills in hosts, ports and folders: gmail, microsoft365, fastmail, yahoo, icloud, zoho …",
        examples=["gmail", "fastmail"],
    )
    username: str | None = Field(
        None, description="The login for smtp and imap. Left out: the address.", examples=["mark@example.com"]
    )
    password: Secret = Field(
        None, description="For smtp and imap: ${ENV_VARIABLE} or file:PATH, never the password itself."
    )
    smtp: SmtpFile = Field(
        SmtpFile(),
        description="The server that takes your mail; what the provider does not know.",
        examples=[{"host": "smtp.example.com", "port": 465, "tls": "implicit", "password": "${MARK_PASSWORD}"}],
    )
    imap: ImapFile = Field(
        ImapFile(),
        description="The server where answers arrive; what the provider does not know.",
        examples=[{"host": "imap.example.com", "port": 993, "tls": "implicit", "password": "${MARK_PASSWORD}"}],
    )
    hours: HoursPhrase | None = Field(
        None, description="When this person writes mail, in the contact's zone. Left out: at any hour."
    )
    limits: Limits = Field(
        LimitsFile(),
        description="How many mails, and how fast; or off for none of the limits.",
        examples=[{"per_hour": 20, "per_day": 80, "gap": "90s-240s", "ramp_up": "10/day"}, OFF],
    )
    away: tuple[AwayDays, ...] = Field(
        (),
        description="Days when nobody is here to answer; nothing is sent. 2026-12-24..2027-01-02, or single days.",
        examples=[["2026-12-24..2027-01-02", "2027-05-28"]],
    )
    fills_sent: YesNo | None = Field(
        None,
        description="true when the server itself puts what was sent into Sent; believed until it was seen. Left out: "
        "what the provider is known for.",
        examples=[True],
    )


class BreakersFile(Strict):
    """When a mailbox stops itself, before its provider does. Each of these may be off."""

    bounces: Share = Field(
        (0.05, 5),
        description="Messages that came back for good, as a share of what was sent (default 5%, at least 5), or off.",
        examples=["5%, at least 5", OFF],
    )
    complaints: Share = Field(
        (0.003, 2),
        description="Messages reported as spam, as a share of what was sent (default 0.3%, at least 2), or off.",
        examples=["0.3%, at least 2", OFF],
    )
    window: Window = Field(
        Span(7, Unit.DAYS),
        description="How far back bounces and complaints are counted (default 7 days).",
        examples=["7 days"],
    )
    refusals: InARow = Field(
        3, description="So many refusals within a day that blame the sender, not the recipient (default 3), or off."
    )
    logins: InARow = Field(3, description="So many refused logins in a row (default 3), or off.")
    tell_when_held: HeldFor = Field(
        Span(4, Unit.HOURS),
        description="Tell the rep when nothing could leave, or be read, for so long (default 4 hours), or off.",
        examples=["4 hours", OFF],
    )


def _breakers_off(text: str) -> dict[str, str]:
    if text.strip().lower() != OFF:
        raise refuse("breakers", "expected keys and values, or off")
    return dict.fromkeys(("bounces", "complaints", "refusals", "logins"), OFF)


Breakers = Annotated[BreakersFile, Shorthand(_breakers_off, editor_forms.any_case([OFF], "keys and values, or off"))]


class WebFile(Strict):
    """The listener of the daemon: its health and metrics, and later the rep's desk."""

    listen: Listen = Field(
        "127.0.0.1:8025", description="The address and port of /healthz, /readyz and /metrics (default 127.0.0.1:8025)."
    )
    base_url: Url | None = Field(
        None, description="The public address of the rep's desk, once it is there. Not used yet."
    )


class ReaderFile(Strict):
    """A second opinion on what people write, from any endpoint that speaks the OpenAI protocol."""

    endpoint: Url = Field(
        description="Its base address, for example https://api.example.com/v1.",
        examples=["https://api.example.com/v1", "http://127.0.0.1:11434/v1"],
    )
    model: str = Field(
        description="The name of the model, as the endpoint calls it.", examples=["the-name-of-a-model"], min_length=1
    )
    key: Secret = Field(
        None,
        description="${ENV_VARIABLE} or file:PATH. Left out: it is asked without a key.",
        examples=["${READER_KEY}", "file:secrets/reader"],
    )
    timeout: Seconds = Field(
        10.0, description="At most this long for one message (default 10 seconds), then the rules alone decide."
    )


class ConfigFile(Strict):
    """The one settings file of a workspace."""

    database: str = Field(
        "sqlite:///data/sequencer.db",
        description="Where everything is remembered: sqlite:///PATH or postgresql://USER@HOST/NAME.",
        examples=["sqlite:///data/sequencer.db", "postgresql://sequencer:${DB_PASSWORD}@db.example.com/sequencer"],
        min_length=1,
    )
    company: CompanyFile = Field(
        description="Who you are: name and postal address.",
        examples=[{"name": "Flathead RV", "address": "12 Main St, Kalispell MT 59901"}],
    )
    contacts: ContactsFile = Field(
        ContactsFile(),
        description="Defaults for contacts: zone, holidays, language, gap.",
        examples=[{"timezone": "America/Denver", "holidays": "US", "language": "en", "min_gap": "2 days"}],
    )
    mailboxes: dict[str, MailboxFile] = Field(
        description="One entry for each person who sends; sequences refer to its name in from.",
        examples=[
            {
                "mark": {
                    "from": "Mark Riffey <mark@example.com>",
                    "provider": "gmail",
                    "password": "${MARK_PASSWORD}",
                    "hours": "Mon-Fri 08:30-17:00",
                }
            }
        ],
        min_length=1,
    )
    spread: Spread = Field(
        Span(30, Unit.MINUTES),
        description="A touch leaves within this after its due time (default 30 minutes), never past the hours; or off.",
        examples=["30 minutes", OFF],
    )
    notify: OneOrMore = Field(
        ("mailto",),
        description="Where the rep is told what needs them: mailto (their own address), Apprise URLs, or off.",
        examples=["mailto", ["mailto", "${SLACK_URL}"], OFF],
    )
    breakers: Breakers = Field(
        BreakersFile(),
        description="When a mailbox stops itself; or off, which keeps none of the breakers.",
        examples=[{"bounces": "5%, at least 5", "logins": 3}, OFF],
    )
    web: WebFile | None = Field(
        None,
        description="Where the daemon shows its health and metrics over HTTP; without it, nowhere.",
        examples=[{"listen": "127.0.0.1:8025"}],
    )
    reader: ReaderFile | None = Field(
        None,
        description="A second opinion on what people write; without it the rules alone read the inbox.",
        examples=[{"endpoint": "https://api.example.com/v1", "model": "the-name-of-a-model", "key": "${READER_KEY}"}],
    )
    allow: Allowed = Field(
        (),
        description="Warnings of `check` that are meant everywhere in this workspace, by their names (docs/craft.md).",
        examples=[["no-phone-step"]],
    )
    apply: Literal["auto", "manual"] = Field(
        "auto",
        description="auto: a saved change that checks clean is in force at once. manual: it waits for `apply`.",
        examples=["auto", "manual"],
    )
