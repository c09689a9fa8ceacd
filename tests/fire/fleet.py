"""Several mailboxes, and what came of them: what the trials with more than one owner share."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from sequencer.core import events as e
from sequencer.daemon.clock import pulse
from sequencer.operations.contacts import Imported, Wishes, import_file
from sequencer.operations.live import Live
from sequencer.operations.opening import opened
from sequencer.store import agenda, attempts, contacts, enrollments, mailboxes
from sequencer.store.attempts import Attempt, AttemptState
from tests.clock import PATIENCE
from tests.daemon.house import TEMPLATES
from tests.daemon.running import Running
from tests.smtp_peer import AcceptedMail

ENVIRON: Final = {"PASSWORD": "pw"}

CONFIG: Final = """\
database: "{database}"
company: {{name: Flathead RV, address: "12 Main St, Kalispell MT 59901"}}
contacts: {{timezone: America/Denver, holidays: US, language: en}}
mailboxes:
{mailboxes}
spread: {spread}
"""
MAILBOX: Final = """\
  {name}:
    from: Mark Holloway <mark@{name}.example>
    smtp: {{host: localhost, port: {smtp}, tls: none, username: {name}, password: "${{PASSWORD}}"}}
    imap: {{host: localhost, port: {imap}, tls: none, username: {name}, password: "${{PASSWORD}}"}}
    limits: off
"""
PLAN: Final = """\
from: {name}
steps:
  - {{step: one, email: thanks}}
  - {{step: two, email: article, when: {gap} later}}
"""


@dataclass(frozen=True, slots=True)
class Box:
    """A mailbox: its name, which is also its plan's, and the ports of its servers."""

    name: str
    smtp: int
    imap: int


def furnish(folder: Path, boxes: Iterable[Box], database: str, *, spread: str = "off", gap: str = "1 hour") -> None:
    """Write a workspace with these mailboxes, each with a plan of its own of two e-mails, so far apart."""
    boxes = list(boxes)
    (folder / "sequences").mkdir(parents=True, exist_ok=True)
    (folder / "templates").mkdir(exist_ok=True)
    lines = "".join(MAILBOX.format(name=box.name, smtp=box.smtp, imap=box.imap) for box in boxes)
    (folder / "config.yaml").write_text(CONFIG.format(database=database, mailboxes=lines, spread=spread))
    for box in boxes:
        (folder / "sequences" / f"{box.name}.yaml").write_text(PLAN.format(name=box.name, gap=gap))
    for name in ("thanks", "article"):
        (folder / "templates" / f"{name}.md").write_text(TEMPLATES[name])


def people_of(box: Box, number: int) -> list[str]:
    """The addresses of those whom this mailbox writes to: each at a firm of their own."""
    return [f"p{i}@{box.name}-{i}.example" for i in range(number)]


async def enroll(live: Live, folder: Path, box: Box, number: int, now: datetime) -> None:
    """Bring in so many people for this mailbox, of which it is known that its provider does not fill Sent."""
    async with live.database.begin() as conn:
        await mailboxes.register(conn, [box.name], now)
        for _ in range(mailboxes.CERTAIN_AFTER):
            await mailboxes.saw_sent(conn, box.name, filled=False)
    rows = "".join(f"{email},P\n" for email in people_of(box, number))
    path = folder / f"{box.name}.csv"
    path.write_text(f"email,first_name\n{rows}")
    assert isinstance(await import_file(live, path, now, Wishes(enroll=box.name)), Imported)


@asynccontextmanager
async def workspace(folder: Path) -> AsyncIterator[Live]:
    async with opened(folder, ENVIRON) as live:
        assert isinstance(live, Live), live
        yield live


# What came of it --------------------------------------------------------------------------------------


def arrivals(mails: Iterable[AcceptedMail]) -> Counter[tuple[str, str]]:
    """How often each step reached each person, by the server's own account: the second answers the first."""
    return Counter((mail.recipients[0], "two" if b"In-Reply-To" in mail.data else "one") for mail in mails)


async def quiet(live: Live, boxes: Iterable[Box], now: datetime | None, *daemons: Running, ended: bool = False) -> None:
    """Wait until nobody is due at `now`, if one is given, and no message is in the air; with `ended`, until all plans
    have ended. Where that does not come, the failure shows what `daemons` have said."""
    names, busy = [box.name for box in boxes], [""]
    try:
        async with asyncio.timeout(3 * PATIENCE):
            while busy:
                await pulse(asyncio.Event(), 0.1)
                busy = await _busy(live, names, now, ended=ended)
    except TimeoutError:
        said = "\n".join(row["says"] for daemon in daemons for row in daemon.said if row["level"] != "debug")
        raise AssertionError(f"never quiet: {busy}; what was said:\n{said}") from None


async def _busy(live: Live, names: Sequence[str], now: datetime | None, *, ended: bool) -> list[str]:
    busy: list[str] = []
    async with live.database.read() as conn:
        standing = await enrollments.counts(conn)
        if ended and (left := sum(number for status, number in standing.items() if not status.ended)):
            busy.append(f"{left} plans have not ended")
        for name in names:
            wake_at = await agenda.next_wake(conn, name)
            if wake_at is not None and now is not None and wake_at <= now:
                busy.append(f"{name}: somebody is due")
            if await _unfinished(conn, name):
                busy.append(f"{name}: a message is in the air")
    return busy


async def _unfinished(conn: AsyncConnection, name: str) -> list[Attempt]:
    return [one for one in await attempts.orphans(conn, name, 1 << 40) if one.state is AttemptState.STARTED]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Each is a list of (recipient, step): what came twice, what is lost without a word, what is in doubt as far as the
    database knows, what is known never to have left and was not sent again because the plan had gone on."""

    twice: list[tuple[str, str]]
    lost: list[tuple[str, str]]
    doubtful: list[tuple[str, str]]
    kept_back: list[tuple[str, str]]


async def judge(live: Live, people: Sequence[str], mails: Iterable[AcceptedMail], boxes: Iterable[Box]) -> Verdict:
    """What the servers say, held against what the database knows."""
    got = Counter({key: times for key, times in arrivals(mails).items() if key[0] in set(people)})
    doubtful: list[tuple[str, str]] = []
    async with live.database.read() as conn:
        for box in boxes:
            doubtful += [(one.recipient, one.step) for one in await attempts.in_doubt(conn, box.name)]
    expected = {(who, step) for who in people for step in ("one", "two")}
    missing = expected - got.keys() - set(doubtful)
    kept_back = {(who, step) for who, step in missing if await _never_left(live, who, step)}
    return Verdict(
        twice=sorted(key for key, times in got.items() if times > 1),
        lost=sorted(missing - kept_back),
        doubtful=sorted(doubtful),
        kept_back=sorted(kept_back),
    )


async def _never_left(live: Live, who: str, step: str) -> bool:
    """Whether the log says of this step's message that it never left, and that nothing was sent instead."""
    async with live.database.read() as conn:
        contact = await contacts.by_email(conn, who)
        assert contact is not None
        (standing,) = await enrollments.by_contact(conn, contact.id)
        log = await enrollments.events_of(conn, standing.enrollment.id)
    said = [line.event for line in log if isinstance(line.event, e.NotDelivered) and line.event.step == step]
    return bool(said) and not said[-1].again


async def status(folder: Path) -> dict[str, Any]:
    """What `sequencer status --json` says."""
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("sequencer")),
        "-C",
        str(folder),
        "status",
        "--json",
        env={**os.environ, **ENVIRON},
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    said: dict[str, Any] = json.loads(out)
    return said
