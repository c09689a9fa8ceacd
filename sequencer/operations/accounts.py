"""The accounts of a mailbox, from the config to what the wire takes."""

from __future__ import annotations

from pydantic import SecretStr

from sequencer.mail import accounts
from sequencer.workspace.config import Mailbox


def smtp_account(mailbox: Mailbox) -> accounts.SmtpAccount:
    """The submission server of a mailbox, with the login there."""
    ours = mailbox.smtp
    return accounts.SmtpAccount(
        host=ours.host,
        port=ours.port,
        tls=ours.tls,
        username=ours.username,
        password=_plain(ours.password),
        ca_file=ours.ca_file,
    )


def imap_account(mailbox: Mailbox) -> accounts.ImapAccount:
    """The IMAP server of a mailbox, with the login there."""
    ours = mailbox.imap
    return accounts.ImapAccount(
        host=ours.host,
        port=ours.port,
        tls=ours.tls,
        username=ours.username,
        password=_plain(ours.password),
        ca_file=ours.ca_file,
    )


def _plain(secret: SecretStr | None) -> str:
    return secret.get_secret_value() if secret is not None else ""
