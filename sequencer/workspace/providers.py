"""Where well-known providers take and keep mail. Facts only; `config.yaml` may overrule each of them.

`fills_sent` is True where the provider is known to put a copy of what came through SMTP into Sent by itself: Gmail, and
Exchange Online (since June 2018). It is only believed until something was seen: see `operations/copies.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final, Literal

JUNK: Final = "\\Junk"
SENT: Final = "\\Sent"
"""Folders by their special use (RFC 6154): their names differ by language, `[Gmail]/Spam` or `[Gmail]/Pourriel`."""

FOLDERS: Final = ("INBOX", JUNK, "\\Archive", "\\All", "\\Trash")
"""Where an answer may stand: filters, other devices and the rep move it before we look. `\\All` has Gmail's labels."""


@dataclass(frozen=True, slots=True)
class Provider:
    """Hosts, ports and folders of one provider."""

    smtp_host: str
    imap_host: str
    smtp_port: int = 465
    smtp_tls: Literal["implicit", "starttls"] = "implicit"
    imap_port: int = 993
    folders: tuple[str, ...] = FOLDERS
    sent: str = SENT
    fills_sent: bool = False
    password: str = "an app password, made in the security settings of the account"  # noqa: S105 (words for people)


def _starttls(smtp_host: str, imap_host: str) -> Provider:
    return Provider(smtp_host, imap_host, smtp_port=587, smtp_tls="starttls")


PROVIDERS: Final[Mapping[str, Provider]] = MappingProxyType(
    {
        "gmail": Provider("smtp.gmail.com", "imap.gmail.com", fills_sent=True),
        "microsoft365": replace(
            _starttls("smtp.office365.com", "outlook.office365.com"),
            fills_sent=True,
            password="a token (OAuth), not a password; this version cannot get one yet",  # noqa: S106 (words for people)
        ),
        "fastmail": Provider("smtp.fastmail.com", "imap.fastmail.com"),
        "yahoo": Provider("smtp.mail.yahoo.com", "imap.mail.yahoo.com"),
        "aol": Provider("smtp.aol.com", "imap.aol.com"),
        "icloud": _starttls("smtp.mail.me.com", "imap.mail.me.com"),
        "zoho": Provider("smtp.zoho.com", "imap.zoho.com"),
        "ionos": _starttls("smtp.ionos.com", "imap.ionos.com"),
        "gmx": _starttls("mail.gmx.net", "imap.gmx.net"),
        "web.de": _starttls("smtp.web.de", "imap.web.de"),
        "mailbox.org": Provider("smtp.mailbox.org", "imap.mailbox.org"),
    }
)
