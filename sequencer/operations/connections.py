"""Trying the mailboxes: log in to SMTP and IMAP, look for the folders, ask the DNS about the sender."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from dns.asyncresolver import Resolver

from sequencer.mail.accounts import Unreachable
from sequencer.mail.imap import ConnectionLost, ImapLine
from sequencer.mail.imap_names import Folder, folder_for
from sequencer.mail.incoming import NoFolder
from sequencer.mail.smtp import SmtpLine
from sequencer.operations.accounts import imap_account, smtp_account
from sequencer.operations.dns import Records, records_of
from sequencer.operations.inbox import find_folders
from sequencer.workspace.config import CONFIG_FILE, Config, Mailbox, read_config
from sequencer.workspace.providers import JUNK, PROVIDERS
from sequencer.workspace.source import Document, Problem, Route, read_text

_HINTS: Final = {
    "network": "check host and port, and that this machine may connect there",
    "tls": "check host, port and tls: 465 and 993 go with implicit, 587 and 143 with starttls",
    "greeting": "the server answers, but does not want to talk now; try again later",
    "config": "",
}


@dataclass(frozen=True, slots=True)
class Tried:
    """What trying one thing came to: a sentence for people, and the problem where there is one."""

    what: str
    problem: Problem | None = None


@dataclass(frozen=True, slots=True)
class _Box:
    mailbox: Mailbox
    document: Document = field(repr=False)

    def problem(self, key: str, code: str, message: str, hint: str, *, warning: bool = False) -> Problem:
        route: Route = ("mailboxes", self.mailbox.name, key)
        name = self.mailbox.name
        severity: Literal["error", "warning"] = "warning" if warning else "error"
        return self.document.problem(route, code, f"{name}: {message}", hint, key=True, severity=severity)


async def try_mailboxes(folder: Path, config: Config, resolver: Resolver | None = None) -> AsyncIterator[Tried]:
    """Try each mailbox, one after the other; nothing is sent and nothing in the mailbox is changed."""
    text = read_text(folder / CONFIG_FILE, CONFIG_FILE)
    document = Document(CONFIG_FILE)
    if isinstance(text, str):
        document = read_config(text, folder, {}, secrets_required=False)[0]
    for mailbox in config.mailboxes.values():
        box = _Box(mailbox, document)
        yield await _try_smtp(box)
        async for tried in _try_imap(box):
            yield tried
    for domain in dict.fromkeys(m.from_address.rpartition("@")[2] for m in config.mailboxes.values()):
        sender = next(m for m in config.mailboxes.values() if m.from_address.endswith(f"@{domain}"))
        for tried in _judge(_Box(sender, document), domain, await records_of(domain, resolver)):
            yield tried


async def _try_smtp(box: _Box) -> Tried:
    account = smtp_account(box.mailbox)
    line = SmtpLine(account)
    try:
        answer = await line.open()
    finally:
        await line.close()
    where = f"{account.host}:{account.port}"
    if isinstance(answer, Unreachable):
        return Tried(f"SMTP {where}", _unreachable(box, "smtp", answer))
    how = f"logged in as {account.username}" if account.username else "connected, without a login"
    return Tried(f"{box.mailbox.name}: SMTP {where}: {how}")


def _unreachable(box: _Box, key: str, answer: Unreachable) -> Problem:
    hint = _HINTS.get(answer.why, "")
    if answer.why == "auth":
        provider = PROVIDERS.get(box.mailbox.provider)
        hint = f"it wants {provider.password}" if provider is not None else "check username and password"
    elif "certificate" in answer.message:
        hint = "is host the name in its certificate? For a server of your own, name its authority: `ca_file: PATH`"
    elif "does not speak" in answer.message:
        hint = f"check host and port: is this the server for {key.upper()}?"
    elif "did not answer in time" in answer.message:
        hint = "check host and port, and tls: 465 and 993 go with implicit, 587 and 143 with starttls"
    return box.problem(key, f"{key}-{answer.why}", f"no {key.upper()}: {answer.message}", hint)


async def _try_imap(box: _Box) -> AsyncIterator[Tried]:
    account = imap_account(box.mailbox)
    line = ImapLine(account)
    where = f"{account.host}:{account.port}"
    try:
        answer = await line.open()
        if isinstance(answer, Unreachable):
            yield Tried(f"IMAP {where}", _unreachable(box, "imap", answer))
            return
        push = "announces new mail at once" if "IDLE" in answer.capabilities else "has to be asked for new mail"
        yield Tried(f"{box.mailbox.name}: IMAP {where}: logged in as {account.username}; the server {push}")
        async for tried in _try_folders(box, line):
            yield tried
    except ConnectionLost as error:
        hint = "try again; if it stays so, the server may limit connections"
        yield Tried(f"IMAP {where}", box.problem("imap", "imap-lost", f"IMAP broke off: {error}", hint))
    finally:
        await line.close()


async def _try_folders(box: _Box, line: ImapLine) -> AsyncIterator[Tried]:
    """The folders as the daemon will find them."""
    imap = box.mailbox.imap
    known = await line.folders()
    hint = f"the folders are {_listed(known)}"
    watched = await find_folders(box.mailbox, line)
    for name in watched.incoming:
        state = await line.examine(name)
        if isinstance(state, NoFolder):
            message = f"the folder {name} cannot be opened: {state.reason}"
            yield Tried(name, box.problem("imap", "imap-folder", message, hint))
        else:
            yield Tried(f"{box.mailbox.name}: the folder {name} is watched for replies ({_messages(state.exists)})")
    for name in watched.missing:
        message = f"there is no folder {name}, so nothing would be sent"
        yield Tried(name, box.problem("imap", "imap-folder", message, hint))
    if JUNK in imap.folders and folder_for(JUNK, known) is None:
        message = "the server does not say which folder takes the junk; replies that land there are not seen"
        yield Tried("junk", box.problem("imap", "imap-junk", message, f"name it under folders:; {hint}", warning=True))
    if watched.sent:
        yield Tried(f"{box.mailbox.name}: the folder {watched.sent} holds what was sent")
    elif imap.sent is not None:
        message = "the server does not say which folder holds what was sent; no copies can be put there"
        yield Tried("sent", box.problem("imap", "imap-sent", message, f"name it under sent:; {hint}", warning=True))


def _messages(number: int) -> str:
    return "1 message" if number == 1 else f"{number} messages"


def _listed(folders: tuple[Folder, ...]) -> str:
    names = [folder.name for folder in folders]
    return ", ".join(names[:15]) + (" …" if len(names) > 15 else "")


def _judge(box: _Box, domain: str, records: Records) -> list[Tried]:
    """What the DNS says about mail from the domain. Everything here is a warning: mail leaves all the same."""
    if records.failure:
        hint = "run it again where there is a network"
        problem = box.problem(
            "from", "dns", f"cannot ask the DNS about {domain}: {records.failure}", hint, warning=True
        )
        return [Tried(domain, problem)]
    if records.unknown:
        message = f"there is no domain {domain} in the DNS: nobody could answer, and most servers will refuse its mail"
        problem = box.problem("from", "dns", message, "is the address under from: right?", warning=True)
        return [Tried(domain, problem)]
    tried = []
    if records.spf:
        tried.append(Tried(f"{domain}: SPF is there ({records.spf})"))
    else:
        hint = "ask your mail provider for the TXT record that begins with v=spf1, and publish it"
        message = f"{domain} has no SPF record: large providers put its mail into spam"
        tried.append(Tried(domain, box.problem("from", "spf-missing", message, hint, warning=True)))
    if records.dmarc:
        tried.append(Tried(f"{domain}: DMARC is there ({records.dmarc})"))
    else:
        hint = f'publish a TXT record at _dmarc.{domain}, to begin with: "v=DMARC1; p=none"'
        message = f"{domain} has no DMARC record: Gmail and Yahoo want one"
        tried.append(Tried(domain, box.problem("from", "dmarc-missing", message, hint, warning=True)))
    return tried
