"""kill -9 at random moments under load: how many messages come twice, and how many are lost.

`python benchmarks/kills.py [KILLS]` (100 unless told). The daemon is `sequencer run` itself; the SMTP server takes its
time, and now and then hangs up around the final dot, with and without having taken the message. Ends with status 1
when anything came twice, was lost, or is in doubt without being shown.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from sequencer.daemon.clock import SystemClock
from sequencer.operations.contacts import Imported, Wishes, import_file
from sequencer.operations.live import Live
from sequencer.operations.opening import opened
from sequencer.store import agenda, attempts
from tests.daemon.house import ENVIRON, furnish
from tests.pymap_server import PymapServer
from tests.smtp_peer import AcceptedMail, Drop, SmtpPeer

PER_KILL = 12
"""People for each kill: the load never runs out before the kills do."""

TWO_STEPS = """\
from: mark
steps:
  - step: one
    email: thanks
  - step: two
    email: article
    when: 1 minute later
"""


@dataclass
class Tally:
    """What reached whom, by the server's own account."""

    got: Counter[tuple[str, str]] = field(default_factory=Counter)

    def take(self, mail: AcceptedMail) -> None:
        kind = "two" if b"In-Reply-To" in mail.data else "one"
        self.got[mail.recipients[0], kind] += 1


async def main(kills: int) -> int:
    for noisy in ("mail.log", "asyncio"):  # aiosmtpd tells of its own deprecations, asyncio of those who were killed
        logging.getLogger(noisy).setLevel(logging.ERROR)
    people = kills * PER_KILL
    tally, chance = Tally(), random.Random(7)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with PymapServer({"mark": "pw"}) as imap, SmtpPeer(logins={"mark": "pw"}, forward=tally.take) as smtp:
            furnish(folder, smtp=smtp.port, imap=imap.port, user="mark", quote=TWO_STEPS, keep=TWO_STEPS)
            await _bring_in(folder, people)
            for _ in range(kills):
                for _ in range(chance.randrange(3)):
                    smtp.once("end", Drop(accepting=chance.random() < 0.5))
                await _run_and_kill(folder, chance.uniform(0.05, 0.9))
            await _run_to_the_end(folder)
        return await _judge(folder, tally, kills, people)


async def _bring_in(folder: Path, people: int) -> None:
    rows = "".join(f"p{number}@customer{number}.example,P{number}\n" for number in range(people))
    (folder / "people.csv").write_text(f"email,first_name\n{rows}")
    async with opened(folder, ENVIRON) as live:
        assert isinstance(live, Live)
        wishes = Wishes(enroll="quote")
        assert isinstance(await import_file(live, folder / "people.csv", SystemClock().now(), wishes), Imported)


async def _start(folder: Path, *more: str) -> asyncio.subprocess.Process:
    command = str(Path(sys.executable).with_name("sequencer"))
    return await asyncio.create_subprocess_exec(
        command, "-C", str(folder), "run", *more, env={**os.environ, **ENVIRON}, stdout=asyncio.subprocess.PIPE
    )


async def _run_and_kill(folder: Path, after: float) -> None:
    """Kill it so many seconds after its first word."""
    process = await _start(folder)
    assert process.stdout is not None
    await process.stdout.readline()
    await asyncio.sleep(after)
    process.kill()
    await process.communicate()


async def _run_to_the_end(folder: Path) -> None:
    """What the last kill left: `run --once`, until nothing is planned any more."""
    while True:
        process = await _start(folder, "--once")
        await process.communicate()
        async with opened(folder, ENVIRON) as live:
            assert isinstance(live, Live)
            async with live.database.read() as conn:
                wake_at = await agenda.next_wake(conn, "mark")
        if wake_at is None:
            return
        await asyncio.sleep(max(0.2, (wake_at - SystemClock().now()).total_seconds()))


async def _judge(folder: Path, tally: Tally, kills: int, people: int) -> int:
    async with opened(folder, ENVIRON) as live:
        assert isinstance(live, Live)
        async with live.database.read() as conn:
            doubtful = {(attempt.recipient, attempt.step) for attempt in await attempts.in_doubt(conn, "mark")}
    expected = {(f"p{number}@customer{number}.example", step) for number in range(people) for step in ("one", "two")}
    twice = [key for key, times in tally.got.items() if times > 1]
    missing = expected - set(tally.got)
    lost = missing - doubtful
    print(f"{kills} kills, {people} people, {len(expected)} messages")
    print(f"came twice: {len(twice)}; lost: {len(lost)}; in doubt and shown: {len(doubtful)}", end="")
    print(f" (of these {len(doubtful - missing)} had come, {len(missing & doubtful)} had not)")
    return 1 if twice or lost else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)))
