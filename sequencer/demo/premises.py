"""The demo's workspace: the plays that `sequencer init` writes, with the embedded post office for a provider."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Final

from sequencer.demo.letters import Writer
from sequencer.demo.post_office import HOST, PostOffice
from sequencer.demo.prospects import Prospect
from sequencer.workspace.config import CONFIG_FILE
from sequencer.workspace.starter import write_starter

REP: Final = Writer("Mark Holloway", "mark@flatheadrv.example", "America/Denver")
MAILBOX: Final = "mark"
PASSWORD_VARIABLE: Final = "DEMO_PASSWORD"  # noqa: S105 (the name of a variable)

_CONFIG: Final = """\
# The demo: everything as in the starter workspace, but the servers are the embedded post office.
database: sqlite:///demo.db
company: {{name: Flathead RV, address: "12 Main St, Kalispell MT 59901"}}
contacts: {{timezone: America/Denver, holidays: US, language: en, min_gap: 2 days}}
mailboxes:
  {mailbox}:
    from: {sender}
    password: "${{{variable}}}"
    smtp: {{host: {host}, port: {smtp_port}, tls: none}}
    imap: {{host: {host}, port: {imap_port}, tls: none, folders: [INBOX, Junk], sent: Sent}}
    hours: Mon-Fri 08:30-17:00
    limits: {{per_hour: 20, per_day: 80, gap: 90s-240s}}
spread: 30 minutes
"""


def furnish(folder: Path, office: PostOffice, cast: Sequence[Prospect]) -> Mapping[str, Path]:
    """Write the workspace into an empty folder; the CSV files to import, by the sequence to enroll in."""
    write_starter(folder)
    config = _CONFIG.format(
        mailbox=MAILBOX,
        sender=REP.mailbox,
        variable=PASSWORD_VARIABLE,
        host=HOST,
        smtp_port=office.smtp_port,
        imap_port=office.imap_port,
    )
    (folder / CONFIG_FILE).write_text(config, "utf-8")
    by_sequence = attrgetter("sequence")
    files: dict[str, Path] = {}
    for sequence, prospects in groupby(sorted(cast, key=by_sequence), by_sequence):
        files[sequence] = folder / f"{sequence}.csv"
        _write_contacts(files[sequence], list(prospects))
    return files


def _write_contacts(path: Path, prospects: Sequence[Prospect]) -> None:
    extra = sorted({name for prospect in prospects for name in prospect.fields})
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["email", "first_name", "last_name", "phone", "timezone", *extra])
        for one in prospects:
            own = [one.fields.get(name, "") for name in extra]
            writer.writerow([one.email, one.first_name, one.last_name, one.phone, one.zone, *own])
