"""How many messages a second leave durably: python benchmarks/durable_send.py [MESSAGES] [--profile]

Everything a message goes through, on a real SQLite file with full sync, in one process: due → decide → compose → MAIL,
RCPT → commit the attempt → DATA → commit the outcome, over thirty-two connections to a sink in a process of its own.

Beside it, two loops of aiosmtplib alone send messages of the same size to the same sink. The plain one is what anybody
would write: one connection, an EmailMessage for each person, `send_message` one after the other. The bare one is the
least that can be done: as many connections as we have, the same ready bytes every time, `mail`, `rcpt` and `data`. They
take turns; the medians are compared. Bars: 1,500 messages a second, and 0.35 × a loop of aiosmtplib.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import pstats
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from pathlib import Path

import aiosmtplib
from sink import running
from verdict import tell

from sequencer.daemon import heap
from sequencer.daemon.mailbox_worker import LOOK_AT
from sequencer.mail.accounts import SmtpAccount
from sequencer.operations.adopt import put_in_force
from sequencer.operations.advance import advance
from sequencer.operations.enrollments import enroll
from sequencer.operations.lines import MOST_LINES, Lines
from sequencer.operations.live import Live
from sequencer.operations.send import Office, send
from sequencer.store import contacts, mailboxes
from sequencer.store.contacts import Incoming
from sequencer.workspace.workspace import load

ROUNDS = 5
NOW = datetime(2026, 11, 30, 16, 0, tzinfo=UTC)

CONFIG = """\
database: sqlite:///data/sequencer.db
company: {name: Flathead RV, address: "12 Main St, Kalispell MT 59901"}
contacts: {timezone: America/Denver, language: en}
mailboxes:
  mark:
    from: Mark Holloway <mark@flatheadrv.example>
    smtp: {host: 127.0.0.1, port: 2525, tls: none}
    password: "${MARK_PASSWORD}"
    imap: {host: 127.0.0.1, port: 1143, tls: none}
    fills_sent: true
    limits: off
spread: off
"""
PLAN = """\
from: mark
hours: Mon-Fri 00:00-24:00
steps:
  - {step: first, email: first, when: immediately}
  - {step: second, email: first, when: 3 days later}
"""
TEMPLATE = """\
---
subject: Your quote, {{ first_name }}
---
Hello {{ first_name }},

""" + "\n\n".join(
    "This is a paragraph of a letter of the usual length, as a rep would write it to {{ company }}." for _ in range(5)
)


PARAGRAPH = "This is a paragraph of a letter of the usual length, as a rep would write it to {company}."
WORDS = "\n\n".join(["Hello {name},", *[PARAGRAPH] * 5, "--", "Flathead RV, 12 Main St, Kalispell MT 59901", "{link}"])


@dataclass(frozen=True, slots=True)
class Round:
    """Messages a second of each way; `alone` is `send` without the look at who is due. `busy` is the processor time
    that one of our messages took, in seconds, which other work on the machine hardly changes."""

    plain: float
    bare: float
    durable: float
    alone: float
    busy: float


async def plain(port: int, count: int) -> float:
    """Messages a second by aiosmtplib as anybody would use it."""
    async with _client(port) as client:
        begun = time.perf_counter()
        for n in range(count):
            await client.send_message(_email(n))
        return count / (time.perf_counter() - begun)


def _email(n: int) -> EmailMessage:
    message = EmailMessage()
    message["From"] = "Mark Holloway <mark@flatheadrv.example>"
    message["To"] = f"p{n}@example.org"
    message["Subject"] = f"Your quote, P{n}"
    message["Date"] = format_datetime(NOW)
    message["Message-ID"] = make_msgid(domain="flatheadrv.example")
    words = WORDS.format(
        name=f"P{n}", company="Example", link=f"mailto:mark@flatheadrv.example?subject=unsubscribe-{n}"
    )
    message.set_content(words)
    paragraphs = "</p>\n<p>".join(words.split("\n\n"))
    message.add_alternative(f"<!DOCTYPE html>\n<html><body>\n<p>{paragraphs}</p>\n</body></html>\n", subtype="html")
    return message


async def bare(port: int, count: int, data: bytes) -> float:
    """Messages a second by aiosmtplib alone, over as many connections as we have, with bytes that are ready."""
    left = iter(range(count))

    async def one() -> None:
        async with _client(port) as client:
            for n in left:
                await client.mail("mark@flatheadrv.example", options=[f"SIZE={len(data)}"])
                await client.rcpt(f"p{n}@example.org")
                await client.data(data)

    begun = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(MOST_LINES)))
    return count / (time.perf_counter() - begun)


def _client(port: int) -> aiosmtplib.SMTP:
    return aiosmtplib.SMTP(hostname="127.0.0.1", port=port, use_tls=False, start_tls=False, local_hostname="localhost")


async def open_workspace(folder: Path) -> Live:
    (folder / "sequences").mkdir(parents=True)
    (folder / "templates").mkdir()
    (folder / "config.yaml").write_text(CONFIG)
    (folder / "sequences" / "plan.yaml").write_text(PLAN)
    (folder / "templates" / "first.md").write_text(TEMPLATE)
    loaded = load(folder, {"MARK_PASSWORD": "none"})
    assert loaded.workspace is not None, loaded.problems
    live = await put_in_force(loaded.workspace, NOW)
    assert isinstance(live, Live), live
    return live


async def fill(live: Live, first: int, count: int) -> None:
    """So many people for whom a message is due."""
    emails = [f"p{n}@example.org" for n in range(first, first + count)]
    rows = [Incoming(email, {"first_name": f"P{n}", "company": "Example"}) for n, email in enumerate(emails)]
    async with live.database.begin() as conn:
        await contacts.upsert_many(conn, rows, NOW)
    await enroll(live, "plan", emails, NOW)


async def open_office(live: Live, port: int) -> Office:
    """The mailbox, under a lease of ours, with the sink as its server."""
    async with live.database.begin() as conn:
        lease = await mailboxes.take(conn, "mark", "a benchmark", 3600)
        sync = await conn.exec_driver_sql("PRAGMA synchronous")
        assert sync.scalar_one() == 2, "full sync"
    mailbox = live.mailbox("mark")
    assert lease is not None
    assert mailbox is not None
    return Office(mailbox, lease, Lines(SmtpAccount("127.0.0.1", port, tls="none")))


async def durable(live: Live, office: Office, count: int) -> tuple[float, float, float]:
    """Messages a second through everything, and through `send` alone; the processor time of one."""
    async with live.database.begin() as conn:
        await mailboxes.set_inbox_read(conn, "mark", NOW)
    sent, sending = 0, 0.0
    begun, busy = time.perf_counter(), time.process_time()
    while True:
        ready = (await advance(live, "mark", NOW, LOOK_AT)).ready
        if not ready:
            break
        started = time.perf_counter()
        result = await send(live, office, ready, NOW)
        sending += time.perf_counter() - started
        assert result.trouble is None, result.trouble
        sent += result.delivered
    assert sent == count, (sent, count)
    return count / (time.perf_counter() - begun), count / sending, (time.process_time() - busy) / count


async def measure(port: int, count: int, profiler: cProfile.Profile | None) -> bool:
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".durable-") as folder:
        live = await open_workspace(Path(folder))
        office = await open_office(live, port)
        await fill(live, 0, 100)
        await durable(live, office, 100)  # warm up
        async with live.database.read() as conn:
            size = (await conn.exec_driver_sql("SELECT max(length(bytes)) FROM attempts")).scalar_one()
        data = b"Subject: hi\r\n\r\n" + (b"x" * 68 + b"\r\n") * (size // 70) + b"\r\n"
        rounds = []
        for n in range(ROUNDS):
            await fill(live, 1000 + n * count, count)
            loops = await plain(port, count), await bare(port, count, data)
            if profiler is not None:
                profiler.enable()
            ours = await durable(live, office, count)
            if profiler is not None:
                profiler.disable()
            rounds.append(Round(*loops, *ours))
            print(_line(rounds[-1]))
        await office.lines.close()
        await live.database.close()
    print(f"{count} messages of {size} bytes ({len(bytes(_email(1)))} in the plain loop), medians of {ROUNDS} rounds:")
    return _verdicts(rounds)


def _line(one: Round) -> str:
    return (
        f"plain {one.plain:5.0f}/s   bare {one.bare:5.0f}/s   durable {one.durable:5.0f}/s   "
        f"send alone {one.alone:5.0f}/s   {1e6 * one.busy:4.0f} us of processor time a message"
    )


def _verdicts(rounds: list[Round]) -> bool:
    rate = statistics.median(one.durable for one in rounds)
    alone = statistics.median(one.alone for one in rounds)
    busy = statistics.median(one.busy for one in rounds)
    to_plain = statistics.median(one.durable / one.plain for one in rounds)
    to_bare = statistics.median(one.durable / one.bare for one in rounds)
    told = [
        tell("durable sends, SQLite, one process", f"{rate:,.0f}/s", "≥ 1,500/s", rate >= 1500),
        tell("… against a plain aiosmtplib loop", f"{to_plain:.2f} ×", "≥ 0.35 ×", to_plain >= 0.35),
        tell(
            f"… against the bare one, {MOST_LINES} connections, ready bytes",
            f"{to_bare:.2f} ×",
            "≥ 0.35 ×",
            to_bare >= 0.35,
        ),
        tell("… without the look at who is due", f"{alone:,.0f}/s"),
        tell("… processor time a message", f"{1e6 * busy:.0f} us"),
    ]
    return all(told)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("messages", nargs="?", type=int, default=2000)
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    profiler = cProfile.Profile() if options.profile else None
    heap.settle()  # as `sequencer run` does
    with running() as port:
        met = asyncio.run(measure(port, options.messages, profiler))
    if profiler is not None:
        pstats.Stats(profiler).sort_stats("cumulative").print_stats("sequencer|execute|commit|poll|asyncio", 90)
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
