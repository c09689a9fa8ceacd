"""How many messages a second leave durably: python benchmarks/durable_send.py [MESSAGES] [--profile]

Everything a message goes through, on a real SQLite file with full sync, in one process: due → decide → compose → MAIL,
RCPT → commit the attempt → DATA → commit the outcome, over sixteen connections to a sink in a process of its own.
Beside it, a bare aiosmtplib loop over as many connections sends messages of the same size to the same sink. They take
turns; the medians are compared. Bars: 1,500 messages a second, and 0.35 × the bare loop.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import multiprocessing
import multiprocessing.connection
import pstats
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import aiosmtplib
from sink import serve

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
LOOK_AT, TOGETHER = 192, 192

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


async def bare(port: int, count: int, data: bytes) -> float:
    """Messages a second by aiosmtplib alone, over as many connections."""
    left = iter(range(count))

    async def one() -> None:
        client = aiosmtplib.SMTP(
            hostname="127.0.0.1", port=port, use_tls=False, start_tls=False, local_hostname="localhost"
        )
        await client.connect()
        for n in left:
            await client.mail("mark@flatheadrv.example", options=[f"SIZE={len(data)}"])
            await client.rcpt(f"p{n}@example.org")
            await client.data(data)
        await client.quit()

    begun = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(MOST_LINES)))
    return count / (time.perf_counter() - begun)


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


async def durable(live: Live, office: Office, count: int) -> tuple[float, float, float]:
    """Messages a second: through everything from the look at who is due, and through `send` alone; then the seconds of
    processor time that one message took, which other work on the machine hardly changes."""
    async with live.database.begin() as conn:
        await mailboxes.set_inbox_read(conn, "mark", NOW)
    sent, sending = 0, 0.0
    begun, busy = time.perf_counter(), time.process_time()
    while True:
        ready = (await advance(live, "mark", NOW, LOOK_AT)).ready[:TOGETHER]
        if not ready:
            break
        started = time.perf_counter()
        result = await send(live, office, ready, NOW)
        sending += time.perf_counter() - started
        assert result.trouble is None, result.trouble
        sent += result.delivered
    assert sent == count, (sent, count)
    return count / (time.perf_counter() - begun), count / sending, (time.process_time() - busy) / count


async def measure(port: int, count: int, profile: bool) -> None:
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".durable-") as folder:
        live = await open_workspace(Path(folder))
        async with live.database.begin() as conn:
            lease = await mailboxes.take(conn, "mark", "a benchmark", 3600)
            key = await conn.exec_driver_sql("PRAGMA synchronous")
            assert key.scalar_one() == 2, "full sync"
        mailbox = live.mailbox("mark")
        assert lease is not None
        assert mailbox is not None
        office = Office(mailbox, lease, Lines(SmtpAccount("127.0.0.1", port, tls="none")))
        await fill(live, 0, 100)
        await durable(live, office, 100)  # warm up
        async with live.database.read() as conn:
            size = (await conn.exec_driver_sql("SELECT max(length(bytes)) FROM attempts")).scalar_one()
        data = (b"Subject: hi\r\n\r\n" + b"x" * 70 * (size // 70)).replace(b"x" * 70, b"x" * 68 + b"\r\n") + b"\r\n"
        rounds = []
        profiler = cProfile.Profile()
        for n in range(ROUNDS):
            await fill(live, 1000 + n * count, count)
            plain = await bare(port, count, data)
            if profile:
                profiler.enable()
            whole, alone, busy = await durable(live, office, count)
            profiler.disable()
            rounds.append((plain, whole, alone, busy))
            print(
                f"bare {plain:6.0f}/s   durable {whole:6.0f}/s   send alone {alone:6.0f}/s   "
                f"{1e6 * busy:4.0f} us of processor   {whole / plain:.2f}"
            )
        await office.lines.close()
        await live.database.close()
    plain, whole, alone, busy = (statistics.median(values) for values in zip(*rounds, strict=True))
    ratio = statistics.median(each[1] / each[0] for each in rounds)
    print(f"{count} messages of {size} bytes, {MOST_LINES} connections, medians of {ROUNDS} rounds:")
    print(f"bare {plain:.0f}/s, durable {whole:.0f}/s (send alone {alone:.0f}/s), ratio {ratio:.2f}")
    print(f"{1e6 * busy:.0f} us of processor time a message")
    if profile:
        pstats.Stats(profiler).sort_stats("cumulative").print_stats("sequencer|execute|commit|poll|asyncio", 90)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("messages", nargs="?", type=int, default=2000)
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    ours, theirs = multiprocessing.Pipe(duplex=False)
    sink = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs,), daemon=True)
    sink.start()
    try:
        asyncio.run(measure(ours.recv(), options.messages, options.profile))
    finally:
        sink.terminate()
        sink.join()


if __name__ == "__main__":
    main()
