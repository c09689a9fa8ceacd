"""A workspace on real servers, for tests of the running daemon: pymap or Dovecot, and a scriptable SMTP peer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from sequencer.daemon import supervisor
from sequencer.daemon.clock import pulse
from sequencer.operations.adopt import Unusable
from sequencer.operations.contacts import Imported, Wishes, import_file
from sequencer.operations.enrollments import Terms, enroll
from sequencer.operations.live import Live
from sequencer.operations.opening import opened
from sequencer.store import mailboxes
from tests.clock import PATIENCE, Ear, ManualClock
from tests.operations.desk import parsed
from tests.operations.letterbox import mail
from tests.operations.shop import MONDAY
from tests.smtp_peer import SmtpPeer

ENVIRON = {"MARK_PASSWORD": "pw"}
MARK = "mark@flatheadrv.example"

CONFIG = """\
database: {database}
company: {{name: Flathead RV, address: "12 Main St, Kalispell MT 59901"}}
contacts: {{timezone: America/Denver, holidays: US, language: en}}
mailboxes:
  mark:
    from: Mark Holloway <mark@flatheadrv.example>
    smtp: {{host: localhost, port: {smtp}, tls: none, username: mark, password: "${{MARK_PASSWORD}}"}}
    imap: {{host: localhost, port: {imap}, tls: none, username: {user}, password: "${{MARK_PASSWORD}}"}}
    limits: off
spread: off
"""

QUOTE = """\
from: mark
hours: Mon-Fri 08:30-17:00
steps:
  - step: thanks
    email: thanks
  - step: article
    email: article
    when: 3 days later
  - step: call
    task: call
    when: 2 days later
back_off:
  after: 10 days of silence
  email: back-off
  then: {move_to: keep}
labels:
  price: [price, budget]
branches:
  cheaper:
    - step: price-answer
      email: article
      when: 2 hours later
on_reply:
  not_interested: {stop: they said no}
  price: {go_to: cheaper}
  any: pause
"""

KEEP = """\
from: mark
steps:
  - step: hello
    email: hello
    when: 6 weeks later
    thread: new
"""

TEMPLATES = {
    "thanks": "---\nsubject: Thanks for your time\n---\n{{ first_name }},\n\nthank you.\n",
    "article": "---\nsubject: Something to read\n---\n{{ first_name }},\n\nhave a look.\n",
    "back-off": "---\nsubject: Should I back off?\n---\n{{ first_name }},\n\nshould I back off?\n",
    "hello": "---\nsubject: Hello again\n---\n{{ first_name }},\n\nhello.\n",
}


@dataclass
class House:
    """A workspace folder, its servers, and the daemon in it."""

    folder: Path
    smtp: SmtpPeer
    clock: ManualClock = field(default_factory=lambda: ManualClock(MONDAY))
    ear: Ear = field(default_factory=Ear)
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    user: str = "mark"

    @asynccontextmanager
    async def running(self, *, poll: timedelta = timedelta(minutes=2)) -> AsyncIterator[None]:
        """The daemon, until the block ends; its failure to start is the test's failure."""
        self.stop = asyncio.Event()
        daemon = asyncio.create_task(supervisor.run(self.folder, ENVIRON, self.clock, self.ear, self.stop, poll=poll))
        try:
            yield
        finally:
            self.stop.set()
            result = await daemon
        assert result is None, result

    async def once(self) -> Unusable | None:
        """`run --once`."""
        return await supervisor.run(self.folder, ENVIRON, self.clock, self.ear, asyncio.Event(), once=True)

    async def enroll(self, *emails: str, sequence: str = "quote") -> None:
        rows = "email,first_name\n" + "".join(f"{email},{email.partition('@')[0].title()}\n" for email in emails)
        (self.folder / "people.csv").write_text(rows)
        async with self.live() as live:
            imported = await import_file(live, self.folder / "people.csv", self.clock.now(), Wishes())
            assert isinstance(imported, Imported)
            assert await enroll(live, sequence, emails, self.clock.now(), Terms())

    @asynccontextmanager
    async def live(self) -> AsyncIterator[Live]:
        async with opened(self.folder, ENVIRON) as live:
            assert isinstance(live, Live), live
            yield live

    async def reads_again(self, before: object) -> None:
        """Wait until the daemon has read the inbox at a later instant than `before`."""
        async with asyncio.timeout(PATIENCE), self.live() as live:
            while True:
                async with live.database.read() as conn:
                    row = await mailboxes.get(conn, "mark")
                if row is not None and row.inbox_read_at == self.clock.now() and row.inbox_read_at != before:
                    return
                await pulse(asyncio.Event(), 0.02)

    def sent_to(self, email: str) -> list[str]:
        """The subjects of what this person received, in order."""
        return [str(parsed(each.data)["Subject"]) for each in self.smtp.accepted if each.recipients == (email,)]


def furnish(
    folder: Path, *, smtp: int, imap: int, user: str, database: str = "sqlite:///data/s.db", **files: str
) -> None:
    """Write the workspace; `files` replace or add sequences by name."""
    (folder / "sequences").mkdir(parents=True, exist_ok=True)
    (folder / "templates").mkdir(exist_ok=True)
    (folder / "config.yaml").write_text(CONFIG.format(smtp=smtp, imap=imap, user=user, database=database))
    sequences: Mapping[str, str] = {"quote": QUOTE, "keep": KEEP, **files}
    for name, text in sequences.items():
        (folder / "sequences" / f"{name}.yaml").write_text(text)
    for name, text in TEMPLATES.items():
        (folder / "templates" / f"{name}.md").write_text(text)


def answer_to(sent: bytes, sender: str, text: str, at: datetime, *, subject: str = "", threaded: bool = True) -> bytes:
    """A reply as a mail client writes it."""
    original = parsed(sent)
    headers = dict.fromkeys(("In_Reply_To", "References"), str(original["Message-ID"])) if threaded else {}
    return mail(sender, subject or f"Re: {original['Subject']}", text, at=at, **headers)
