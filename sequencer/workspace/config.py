"""config.yaml -> Config: what the mailboxes are, with every default and provider preset filled in."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

from pydantic import SecretStr

from sequencer.core.breakers import Breakers, TooMany
from sequencer.core.model import Hours, Span, Unit
from sequencer.core.pace import Limits
from sequencer.workspace.config_schema import (
    BreakersFile,
    ConfigFile,
    LimitsFile,
    MailboxFile,
    ReaderFile,
    ServerFile,
)
from sequencer.workspace.config_values import OFF, REFERENCE, Surroundings
from sequencer.workspace.providers import FOLDERS, PROVIDERS, SENT, Provider
from sequencer.workspace.shapes import validate
from sequencer.workspace.source import Document, Plain, Problem, Route, read_yaml, shown

CONFIG_FILE: Final = "config.yaml"
MAILTO: Final = "mailto"
"""The entry of `notify:` that means the rep's own address."""

NO_LIMITS: Final = Limits()
DEFAULT_BREAKERS: Final = Breakers()
Tls = Literal["implicit", "starttls", "none"]


@dataclass(frozen=True, slots=True)
class Company:
    """Who sends: both stand in every footer."""

    name: str
    address: str


@dataclass(frozen=True, slots=True)
class ContactDefaults:
    """What holds for a contact that has no own value. `holidays` is empty for none."""

    timezone: str = "UTC"
    holidays: str = ""
    language: str = "en"
    min_gap: Span | None = None


@dataclass(frozen=True, slots=True)
class SmtpAccount:
    """A submission server. An empty username means no login; `ca_file` is an absolute path, or empty."""

    host: str
    port: int
    tls: Tls = "implicit"
    username: str = ""
    password: SecretStr | None = None
    ca_file: str = ""


@dataclass(frozen=True, slots=True)
class ImapAccount:
    """An IMAP server. A folder that begins with a backslash is a special use (RFC 6154), to be looked up there.

    `sent` is None when no copies are kept.
    """

    host: str
    port: int
    tls: Tls = "implicit"
    username: str = ""
    password: SecretStr | None = None
    folders: tuple[str, ...] = FOLDERS
    sent: str | None = SENT
    ca_file: str = ""


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A person who sends. `fills_sent`: the server is believed to fill Sent itself. `away`: inclusive days."""

    name: str
    from_name: str
    from_address: str
    smtp: SmtpAccount
    imap: ImapAccount
    provider: str = ""
    hours: Hours | None = None
    limits: Limits = NO_LIMITS
    away: tuple[tuple[date, date], ...] = ()
    fills_sent: bool = False


@dataclass(frozen=True, slots=True)
class Web:
    """The listener. `base_url` has no slash at its end, and is empty when the rep's desk is not public."""

    listen: str
    base_url: str = ""


@dataclass(frozen=True, slots=True)
class SecondOpinion:
    """An endpoint that speaks the OpenAI protocol. `endpoint` has no slash at its end; `timeout` in seconds."""

    endpoint: str
    model: str
    key: SecretStr | None = None
    timeout: float = 10.0


@dataclass(frozen=True, slots=True)
class Config:
    """Everything in config.yaml. `database` and `notify` may hold secrets and are not shown by repr().

    `notify` is empty when nobody is to be told; `tell_when_held` None when not of a mailbox that is held.
    """

    company: Company
    mailboxes: Mapping[str, Mailbox]
    database: str = field(default="sqlite:///data/sequencer.db", repr=False)
    contacts: ContactDefaults = ContactDefaults()
    spread: timedelta | None = timedelta(minutes=30)
    notify: tuple[str, ...] = field(default=(MAILTO,), repr=False)
    breakers: Breakers = DEFAULT_BREAKERS
    tell_when_held: timedelta | None = timedelta(hours=4)
    web: Web | None = None
    apply: Literal["auto", "manual"] = "auto"
    reader: SecondOpinion | None = None


def read_config(
    text: str, folder: Path, environ: Mapping[str, str], *, secrets_required: bool = True
) -> tuple[Document, Config | None, list[Problem]]:
    """The document, what it means (None when it is wrong) and every mistake that can be seen in it alone.

    `folder` is the workspace, where `file:` secrets lie. With `secrets_required=False` a password that is not at
    hand is None instead of a mistake, for those who only look at the files.
    """
    document, problems = read_yaml(CONFIG_FILE, text)
    if problems and document.data is None:
        return document, None, problems
    problems += _clear_passwords(document.data, (), document)
    expanded, unset = _with_environment(document, environ, required=secrets_required)
    around = Surroundings(folder, environ, required=secrets_required)
    shape, misshapen = validate(ConfigFile, expanded, context=around)
    unset_places = {(problem.line, problem.column) for problem in unset}
    problems += [*unset, *(p for p in misshapen if (p.line, p.column) not in unset_places)]
    if shape is None:
        return document, None, problems
    mailboxes: dict[str, Mailbox] = {}
    for name, file in shape.mailboxes.items():
        mailbox, mistakes = _mailbox(name, file, document, folder, secrets_required=secrets_required)
        problems += mistakes
        mailboxes[name] = mailbox
    problems += _reader_mistakes(shape.reader, document)
    if any(problem.severity == "error" for problem in problems):
        return document, None, problems
    return document, _config(shape, mailboxes), problems


def _config(shape: ConfigFile, mailboxes: Mapping[str, Mailbox]) -> Config:
    defaults = shape.contacts
    return Config(
        company=Company(" ".join(shape.company.name.split()), shape.company.address.strip()),
        mailboxes=mailboxes,
        database=shape.database,
        contacts=ContactDefaults(
            defaults.timezone,
            defaults.holidays,
            defaults.language,
            defaults.min_gap if isinstance(defaults.min_gap, Span) else None,
        ),
        spread=_timedelta(shape.spread) if isinstance(shape.spread, Span) else None,
        notify=() if shape.notify == (OFF,) else shape.notify,
        breakers=_breakers(shape.breakers),
        tell_when_held=_timedelta(held) if isinstance(held := shape.breakers.tell_when_held, Span) else None,
        web=Web(shape.web.listen, shape.web.base_url or "") if shape.web is not None else None,
        apply=shape.apply,
        reader=_reader(shape.reader),
    )


def _breakers(file: BreakersFile) -> Breakers:
    return Breakers(
        bounces=None if file.bounces == OFF else TooMany(*file.bounces),
        complaints=None if file.complaints == OFF else TooMany(*file.complaints),
        refusals=None if file.refusals == OFF else file.refusals,
        logins=None if file.logins == OFF else file.logins,
        window=timedelta(days=file.window.amount),
    )


def _reader(file: ReaderFile | None) -> SecondOpinion | None:
    return SecondOpinion(file.endpoint, file.model, file.key, file.timeout) if file is not None else None


def _reader_mistakes(file: ReaderFile | None, document: Document) -> Iterator[Problem]:
    if file is None or not file.endpoint.lower().startswith("http://"):
        return
    if not _is_loopback(urlsplit(file.endpoint).hostname or ""):
        message = "without TLS what people wrote, and the key, would cross the network in clear"
        yield document.problem(("reader", "endpoint"), "no-tls", message, "write https://…")


def _timedelta(span: Span) -> timedelta:
    return timedelta(hours=span.amount) if span.unit is Unit.HOURS else timedelta(minutes=span.amount)


# Secrets and the environment ----------------------------------------------------------------------

_CLEAR_PASSWORD: Final = re.compile(
    r"[a-z0-9+.-]+://[^\s/@:]*:(?!\$\{[A-Za-z_][A-Za-z0-9_]*\}@)[^\s/@]+@", re.IGNORECASE
)


def _clear_passwords(data: Plain, route: Route, document: Document) -> Iterator[Problem]:
    """URLs with a password in clear (`password:` keys are looked at by the schema)."""
    for place, text in _texts(data, route):
        if _CLEAR_PASSWORD.match(text):
            hint = "take it from the environment: postgresql://user:${DB_PASSWORD}@host/name; and change it"
            yield document.problem(place, "literal-secret", "a password stands in this URL in clear", hint)


def _texts(data: Plain, route: Route) -> Iterator[tuple[Route, str]]:
    if isinstance(data, str):
        yield route, data
    elif isinstance(data, list):
        for index, item in enumerate(data):
            yield from _texts(item, (*route, index))
    elif isinstance(data, dict):
        for key, item in data.items():
            yield from _texts(item, (*route, key))


def _with_environment(
    document: Document, environ: Mapping[str, str], *, required: bool
) -> tuple[Document, list[Problem]]:
    """The document with every `${NAME}` replaced, except secrets, which the schema reads itself.

    One that is not set is a problem, or, unless `required`, stays as it is written. So is one that is a password in
    this file and stands where it would be shown; a database's URL and `notify` are never shown.
    """
    problems: list[Problem] = []
    secret = {
        name
        for place, text in _texts(document.data, ())
        if place and _is_secret(str(place[-1]), text)
        for name in REFERENCE.findall(text)
    }

    def expand(data: Plain, route: Route) -> Plain:
        if isinstance(data, list):
            return [expand(item, (*route, index)) for index, item in enumerate(data)]
        if isinstance(data, dict):
            return {key: item if _is_secret(key, item) else expand(item, (*route, key)) for key, item in data.items()}
        if data is None:
            return None
        for name in REFERENCE.findall(data):
            if name in secret and route[:1] not in (("database",), ("notify",)):
                message = f"${{{name}}} is a password in this file, and would be shown here"
                problems.append(document.problem(route, "secret-shown", message, "write the value that belongs here"))
            if required and not environ.get(name):
                message = f"the environment variable {name} is not set"
                hint = "set it in the environment of the command"
                problems.append(document.problem(route, "secret-missing", message, hint))
        return REFERENCE.sub(lambda found: environ.get(found[1]) or ("" if required else found[0]), data)

    data = expand(document.data, ())
    return Document(document.file, data, document.keys, document.values), problems


def _is_secret(key: str, value: Plain) -> bool:
    return key in ("password", "key") and isinstance(value, str)


# Mailboxes ----------------------------------------------------------------------------------------

_MAILBOX_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}")


def _mailbox(
    name: str, file: MailboxFile, document: Document, folder: Path, *, secrets_required: bool
) -> tuple[Mailbox, list[Problem]]:
    route: Route = ("mailboxes", name)
    problems: list[Problem] = []
    if not _MAILBOX_NAME.fullmatch(name):
        message = "the name of a mailbox is made of letters, digits, _, - and dots, at most 40 characters"
        problems.append(document.problem(route, "mailbox-name", message, "for example mark", key=True))
    provider = PROVIDERS.get(file.provider or "")
    smtp = _smtp(file, provider, folder)
    imap = _imap(file, provider, folder)
    for key, account in (("smtp", smtp), ("imap", imap)):
        problems += _account_mistakes((*route, key), account, document, secrets_required=secrets_required)
    fills_sent = provider.fills_sent if provider is not None else False
    mailbox = Mailbox(
        name=name,
        from_name=file.from_.name,
        from_address=file.from_.address,
        smtp=smtp,
        imap=imap,
        provider=file.provider or "",
        hours=file.hours,
        limits=_limits(file.limits),
        away=file.away,
        fills_sent=fills_sent if file.fills_sent is None else file.fills_sent,
    )
    return mailbox, problems


def _login(file: MailboxFile, account: ServerFile) -> tuple[str, SecretStr | None]:
    password = account.password or file.password
    named = account.username or file.username
    wanted = bool({"password", "username"} & (account.model_fields_set | file.model_fields_set))
    return named or (file.from_.address if wanted else ""), password


def _smtp(file: MailboxFile, provider: Provider | None, folder: Path) -> SmtpAccount:
    own = file.smtp
    tls = own.tls or (provider.smtp_tls if provider is not None else "implicit")
    port = own.port or (provider.smtp_port if provider is not None and own.tls is None else 0)
    username, password = _login(file, own)
    return SmtpAccount(
        host=own.host or (provider.smtp_host if provider is not None else ""),
        port=port or {"implicit": 465, "starttls": 587, "none": 25}[tls],
        tls=tls,
        username=username,
        password=password,
        ca_file=str(folder / own.ca_file) if own.ca_file else "",
    )


def _imap(file: MailboxFile, provider: Provider | None, folder: Path) -> ImapAccount:
    own = file.imap
    tls = own.tls or "implicit"
    port = own.port or (provider.imap_port if provider is not None and own.tls is None else 0)
    username, password = _login(file, own)
    return ImapAccount(
        host=own.host or (provider.imap_host if provider is not None else ""),
        port=port or {"implicit": 993, "starttls": 143, "none": 143}[tls],
        tls=tls,
        username=username,
        password=password,
        folders=own.folders or (provider.folders if provider is not None else FOLDERS),
        sent=None if own.sent == OFF else own.sent or (provider.sent if provider is not None else SENT),
        ca_file=str(folder / own.ca_file) if own.ca_file else "",
    )


def _limits(file: LimitsFile) -> Limits:
    return Limits(
        per_hour=None if file.per_hour == OFF else file.per_hour,
        per_day=None if file.per_day == OFF else file.per_day,
        gap=None if file.gap == OFF else file.gap,
        ramp_up=None if file.ramp_up == OFF else file.ramp_up,
    )


def _account_mistakes(
    route: Route, account: SmtpAccount | ImapAccount, document: Document, *, secrets_required: bool
) -> Iterator[Problem]:
    what = "SMTP" if isinstance(account, SmtpAccount) else "IMAP"
    if not account.host:
        hint = "write `provider: gmail` (or another that is known), or spell out smtp and imap"
        yield document.problem(route, "host-missing", f"the {what} host is missing", hint)
    elif account.tls == "none" and not _is_loopback(account.host):
        hint = "write tls: implicit or tls: starttls"
        message = f"without TLS the password would cross the network in clear, to {shown(account.host)}"
        yield document.problem((*route, "tls"), "no-tls", message, hint)
    if isinstance(account, ImapAccount) and not account.username:
        hint = "write `password: ${MARK_PASSWORD}`; the username is the address unless you name one"
        yield document.problem(route, "login-missing", f"the {what} login is missing", hint)
    elif account.username and account.password is None and secrets_required:
        hint = "write `password: ${MARK_PASSWORD}` and set that variable"
        yield document.problem(route, "login-missing", f"the {what} password is missing", hint)


def _is_loopback(host: str) -> bool:
    """Whether a host name can only mean this machine (RFC 6761 §6.3 for `localhost`)."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
