"""What may stand in config.yaml: the keys, their types, and what each is for (docs/configuration.md shows them all)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from sequencer.core.model import Span, Unit
from sequencer.workspace import editor_forms
from sequencer.workspace.config_values import (
    OFF,
    AwayDays,
    Count,
    FromAddress,
    Gap,
    HeldFor,
    InARow,
    Language,
    Listen,
    MinGap,
    Port,
    ProviderName,
    Ramp,
    Seconds,
    Secret,
    Share,
    Spread,
    Tls,
    Url,
    Window,
)
from sequencer.workspace.shapes import Allowed, HoursPhrase, OneOrMore, Shorthand, Strict, YesNo, refuse


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


class ServerFile(Strict):
    """How a server is reached, and who logs in there."""

    host: str | None = None
    port: Port | None = None
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


class SmtpFile(ServerFile):
    """The server that takes your mail."""

    host: str | None = Field(
        None, description="The name of the SMTP server.", examples=["smtp.example.com"], min_length=1
    )
    port: Port | None = Field(
        None, description="465 with tls: implicit (the default), 587 with tls: starttls.", examples=[465, 587]
    )


class ImapFile(ServerFile):
    """The server where the answers arrive."""

    host: str | None = Field(
        None, description="The name of the IMAP server.", examples=["imap.example.com"], min_length=1
    )
    port: Port | None = Field(
        None, description="993 with tls: implicit (the default), 143 with tls: starttls.", examples=[993, 143]
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
