"""How long `sequencer report` takes on a million events: python benchmarks/report.py [PEOPLE] [--keep DIR]

Fills an SQLite file and a PostgreSQL from its wheel with the invented lives of 55,000 people over fourteen months: a
million events of 95,000 enrollments, 370,000 messages of 2,600 bytes. Then the command itself is run, as people type
it, in a process of its own, after one run that does not count. Bar: under ten seconds. About four minutes.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import resource
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import asyncpg
from fleet import postgresql
from verdict import tell

from sequencer.core import events as e
from sequencer.core.decide import begin, fold
from sequencer.core.model import Position, Thread
from sequencer.store import migrate
from sequencer.store.columns import dump_json

PEOPLE: Final = 55_000
BAR: Final = 10.0
RUNS: Final = 3
NOW: Final = datetime(2026, 11, 24, 12, tzinfo=UTC)
BEGAN: Final = NOW - timedelta(days=420)
ZONES: Final = ("America/Denver", "America/New_York", "America/Los_Angeles", "Europe/Berlin", None)
HOME: Final = Path(__file__).resolve().parents[1]
LETTER: Final = b"From: Mark Holloway <mark@flatheadrv.example>\r\n" + b"Are you still looking for it?\r\n" * 82

_Plan = tuple[tuple[str, int, tuple[str, ...], float], ...]  # step, days of waiting, templates (none: a call), share
PLANS: Final[dict[str, _Plan]] = {
    "quote-follow-up": (
        ("thanks", 1, ("quote-thanks",), 0.03),
        ("story", 4, ("quote-story", "quote-three-questions"), 0.02),
        ("first-call", 3, (), 0.03),
        ("which-of-three", 5, ("quote-which-of-three",), 0.02),
        ("nine-word", 12, ("nine-word",), 0.04),
        ("back_off", 10, ("should-i-back-off",), 0.05),
    ),
    "missing-in-action": (
        ("lost-you", 0, ("did-i-lose-you",), 0.03),
        ("call", 2, (), 0.02),
        ("text", 3, (), 0.02),
        ("back_off", 7, ("should-i-back-off",), 0.05),
    ),
    "keep-in-touch": tuple((f"article-{n}", 42, ("articles/checklist", "articles/story"), 0.01) for n in range(1, 12)),
}
KINDS: Final = ("interested", "question", "reply", "not_now", "not_interested", "unsubscribe")
WEIGHTS: Final = (30, 20, 20, 12, 15, 3)
REASONS: Final = ("price", "bought elsewhere", "no budget this year", "never heard back", "")


def _json(at: datetime, step: str, **other: Any) -> dict[str, Any]:
    return {"at": at.isoformat(), "step": step, **other}


def _shapes() -> dict[tuple[str, str], str]:
    """The JSON of the events that most of the log consists of, one of each step and kind: their sizes are the real."""
    shapes: dict[tuple[str, str], str] = {}
    for plan in PLANS.values():
        ids: list[str] = []
        for step, _, templates, _ in plan:
            here = Position(step=step, after="before")
            if not templates:
                asked = e.TaskCreated(at=NOW, step=step, task=123456, kind="call", note="Ask them.", position=here)
                done = e.TaskDone(at=NOW, step=step, task=123456, outcome="left a message", next=here, by="hand")
                shapes |= {
                    (step, "TaskCreated"): dump_json(e.to_json(asked)),
                    (step, "TaskDone"): dump_json(e.to_json(done)),
                }
                skipped = e.Skipped(at=NOW, step=step, reason="only if contact.phone", next=here)
                shapes[step, "Skipped"] = dump_json(e.to_json(skipped))
                continue
            ids.append(f"<12345.{step}.abcdefghijk.lmnopqrstuv@flatheadrv.example>")
            thread = Thread(ids[0], "Your quote", ids[-1], tuple(ids), "Ad" + "x" * 30)
            answer = "250 2.0.0 Ok: queued as 4F2C51A0"
            taken = e.Accepted(at=NOW, step=step, message_id=ids[-1], next=here, thread=thread, answer=answer)
            shapes[step, "Accepted"] = dump_json(e.to_json(taken))
            for template in templates:
                left = e.AttemptStarted(
                    at=NOW, step=step, attempt=123456, message_id=ids[-1], variant=template, subject="Re: Your quote",
                    due_at=NOW, position=here,
                )  # fmt: skip
                shapes[template, "AttemptStarted"] = dump_json(e.to_json(left))
    return shapes


SHAPES: Final = _shapes()


def _state() -> str:
    """The folded state of somebody in the middle of a plan."""
    enrolled = e.Enrolled(at=NOW, contact_id=1, sequence="quote-follow-up", mailbox="mark", position=Position())
    given = {"step": "thanks", "attempt": 1, "message_id": "<1@x.example>", "variant": "quote-thanks"}
    started = e.AttemptStarted(at=NOW, subject="Your quote", due_at=NOW, **given)
    thread = Thread("<1@x.example>", "Your quote", "<1@x.example>", ("<1.thanks.abcdefghijk.lmnop@x.example>",) * 4)
    taken = e.Accepted(at=NOW, step="thanks", message_id="<1@x.example>", next=Position(), thread=thread)
    return dump_json(e.to_json(fold(begin(enrolled, 0, "v1"), (started, taken))))


STATE: Final = _state()


@dataclass
class Rows:
    """The rows of each table, in the order of its columns below."""

    mailboxes: list[tuple[Any, ...]] = field(default_factory=lambda: [("mark", "ok", BEGAN)])
    contacts: list[tuple[Any, ...]] = field(default_factory=list)
    enrollments: list[tuple[Any, ...]] = field(default_factory=list)
    events: list[tuple[Any, ...]] = field(default_factory=list)
    attempts: list[tuple[Any, ...]] = field(default_factory=list)
    messages: list[tuple[Any, ...]] = field(default_factory=list)


COLUMNS: Final = {
    "mailboxes": ("name", "state", "since"),
    "contacts": ("id", "email", "address", "domain", "fields", "timezone", "created_at", "changed_at"),
    "enrollments": ("id", "contact_id", "sequence", "mailbox", "status", "reason", "version", "definition", "step",
                    "alone", "exclusive", "wake_at", "held_reason", "held_since", "created_at", "changed_at", "state"),
    "events": ("enrollment_id", "version", "kind", "at", "definition", "message", "data"),
    "attempts": ("enrollment_id", "mailbox", "step", "variant", "template", "message_id", "recipient", "subject",
                 "lease_number", "state", "answer", "started_at", "finished_at", "bytes"),
    "messages": ("id", "mailbox", "enrollment_id", "direction", "kind", "confidence", "sender", "subject", "message_id",
                 "in_reply_to", "text", "content_hash", "received_at", "recorded_at", "raw"),
}  # fmt: skip


class Person:
    """One invented life, written down as the daemon would."""

    def __init__(self, number: int, rows: Rows, chance: random.Random) -> None:
        self.number, self.rows, self.chance = number, rows, chance
        self.contact = number
        self.sequence = "quote-follow-up" if chance.random() < 0.8 else "missing-in-action"
        self.mailbox = "mark"
        self.entered = BEGAN + timedelta(seconds=chance.randrange(420 * 86400))
        self.version = 0
        self.moved = False
        self.at = self.entered

    def log(self, kind: str, data: str, message: int | None = None) -> None:
        self.version += 1
        self.rows.events.append((self.number, self.version, kind, self.at, "v1", message, data))

    def live(self) -> None:
        address = f"p{self.number}@c{self.number % 9000}.example"
        zone = self.chance.choice(ZONES)
        fields = '{"first_name":"Anna","product":"a trailer"}'
        self.rows.contacts.append(
            (self.number, address, address, address.partition("@")[2], fields, zone, self.entered, self.entered)
        )
        self.go(address)

    def follow(self, number: int) -> None:
        """On into the sequence for those who did not answer."""
        address = f"p{self.contact}@c{self.contact % 9000}.example"
        self.number, self.sequence, self.version, self.entered = number, "keep-in-touch", 0, self.at
        self.go(address)

    def go(self, address: str) -> None:
        self.log("Enrolled", dump_json(_json(self.entered, "", sequence=self.sequence, mailbox=self.mailbox)))
        status, reason, wake, held = self.walk(address)
        self.rows.enrollments.append(
            (self.number, self.contact, self.sequence, self.mailbox, status, reason, self.version, "v1", "x", True,
             True, wake, held, self.at if held else None, self.entered, self.at, STATE)
        )  # fmt: skip

    def walk(self, address: str) -> tuple[str, str, datetime | None, str]:
        """Through the plan: status, reason, when to look again, what holds them."""
        for step, days, templates, share in PLANS[self.sequence]:
            day = (self.at + timedelta(days=days)).replace(hour=15, minute=0)
            planned = day + timedelta(minutes=self.chance.randrange(0, 480))
            if planned > NOW:
                return "active", "", planned, ""
            if planned > NOW - timedelta(days=9) and self.chance.random() < 0.02:
                return "active", "", NOW, "the template nine-word needs product"
            self.at = planned
            if templates:
                message_id = self.send(step, self.chance.choice(templates), address)
            elif not self.call(step):
                continue
            else:
                message_id = ""
            if self.chance.random() < share:
                said = self.answer(message_id, address)
                if said is not None:
                    return said
        self.at = min(NOW, self.at + timedelta(days=10))
        self.log("Moved", dump_json({"at": self.at.isoformat(), "to": "keep-in-touch", "reason": "used up"}))
        self.moved = True
        return "finished", "moved to keep-in-touch", None, ""

    def send(self, step: str, template: str, address: str) -> str:
        message_id = f"{self.number}.{step}.{self.version}.abcdefghijk@flatheadrv.example"
        self.log("AttemptStarted", SHAPES[template, "AttemptStarted"])
        self.rows.attempts.append(
            (self.number, self.mailbox, step, template, template, message_id, address, "Re: Your quote", 1, "accepted",
             "250 2.0.0 Ok: queued as 4F2C51A0", self.at, self.at, LETTER)
        )  # fmt: skip
        self.log("Accepted", SHAPES[step, "Accepted"])
        return message_id

    def call(self, step: str) -> bool:
        if self.chance.random() < 0.4:
            self.log("Skipped", SHAPES[step, "Skipped"])
            return False
        self.log("TaskCreated", SHAPES[step, "TaskCreated"])
        self.at += timedelta(hours=self.chance.randrange(1, 30))
        self.log("TaskDone", SHAPES[step, "TaskDone"])
        return True

    def answer(self, message_id: str, address: str) -> tuple[str, str, datetime | None, str] | None:
        answered = self.at + timedelta(minutes=self.chance.lognormvariate(6.2, 1.6))
        if answered > NOW:
            return None
        self.at = answered
        kind = self.chance.choices(KINDS, WEIGHTS)[0]
        message = len(self.rows.messages) + 1
        self.rows.messages.append(
            (message, self.mailbox, self.number, "received", kind, 0.9, address, "Re: Your quote",
             f"r{message}@x.example", message_id, "Yes, please.", str(message), self.at, self.at, LETTER)
        )  # fmt: skip
        replied = e.Replied(at=self.at, message=message, kind=kind, sender=address, matched_by="our Message-ID")
        self.log("Replied", dump_json(e.to_json(replied)), message)
        if kind == "unsubscribe":
            self.log(
                "Stopped",
                dump_json({"at": self.at.isoformat(), "reason": "they asked not to be mailed again"}),
                message,
            )
            return "stopped", "they asked not to be mailed again", None, ""
        reason = f"they replied ({kind.replace('_', ' ')})"
        self.log(
            "Paused", dump_json({"at": self.at.isoformat(), "reason": reason, "by": "", "message": message}), message
        )
        closed = self.at + timedelta(days=self.chance.lognormvariate(2.6, 0.7))
        outcome = {"interested": "won", "not_interested": "lost"}.get(kind, self.chance.choice(("won", "lost", "")))
        if not outcome or closed > NOW or self.chance.random() < 0.4:
            return "paused", reason, None, ""
        self.at = closed
        why = self.chance.choice(REASONS) if outcome == "lost" else ""
        self.log("Finished", dump_json({"at": self.at.isoformat(), "reason": why, "outcome": outcome, "by": "hand"}))
        return "finished", outcome, None, ""


def lives(people: int) -> Rows:
    """All of them; the events and the messages in the order in which they happened."""
    rows, chance = Rows(), random.Random(7)
    everybody = [Person(number, rows, chance) for number in range(1, people + 1)]
    for person in everybody:
        person.live()
    for number, person in enumerate([person for person in everybody if person.moved], people + 1):
        person.follow(number)
    rows.events.sort(key=lambda row: row[3])
    rows.attempts.sort(key=lambda row: row[11])
    return rows


def fill_sqlite(path: Path, rows: Rows) -> None:
    def text(value: Any) -> Any:
        if isinstance(value, datetime):
            return value.isoformat(" ", "microseconds").removesuffix("+00:00")
        return value

    with sqlite3.connect(path) as conn:
        for table, columns in COLUMNS.items():
            marks = ", ".join("?" * len(columns))
            statement = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})"
            conn.executemany(statement, (tuple(map(text, row)) for row in getattr(rows, table)))
        conn.execute("ANALYZE")
    conn.close()


async def fill_postgresql(url: str, rows: Rows) -> None:
    conn = await asyncpg.connect(url)
    for table, columns in COLUMNS.items():
        await conn.copy_records_to_table(table, records=getattr(rows, table), columns=columns)
    await conn.execute("VACUUM ANALYZE")
    await conn.close()


def workspace(folder: Path, url: str) -> Path:
    """The example workspace, on this database, with a second mailbox."""
    for name in ("sequences", "templates"):
        shutil.copytree(HOME / name, folder / name)
    config = (HOME / "config.yaml").read_text("utf-8").splitlines()
    lines = [f'database: "{url}"' if line.startswith("database:") else line for line in config]
    (folder / "config.yaml").write_text("\n".join(lines) + "\n", "utf-8")
    return folder


def timed(folder: Path) -> tuple[float, float]:
    """Seconds that one report takes, from the start of its process to its end, and those of the processor in it."""
    command = [str(Path(sys.executable).with_name("sequencer")), "-C", str(folder), "report", "--json"]
    begun, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "MARK_PASSWORD": "x"})
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.perf_counter() - begun, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure(name: str, folder: Path, events: int) -> bool:
    timed(folder)
    taken = sorted(timed(folder) for _ in range(RUNS))
    median = statistics.median(seconds for seconds, _ in taken)
    worked = statistics.median(seconds for _, seconds in taken)
    measured = f"{median:.1f} s ({taken[0][0]:.1f} to {taken[-1][0]:.1f}); {worked:.1f} s of a processor in its process"
    return tell(f"a report on {events:,} events, {name}", measured, f"< {BAR:.0f} s", median < BAR)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("people", nargs="?", type=int, default=PEOPLE)
    parser.add_argument("--keep", type=Path, metavar="DIR", help="only fill an SQLite workspace there, and keep it")
    options = parser.parse_args()
    rows = lives(options.people)
    events = len(rows.events)
    print(
        f"{options.people:,} people, {events:,} events, {len(rows.attempts):,} messages, {len(rows.messages):,} replies"
    )
    if options.people == PEOPLE:
        assert events >= 1_000_000
    temporary = tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".report-")
    with nullcontext(str(options.keep)) if options.keep else temporary as folder:
        file = Path(folder) / "sequencer.db"
        Path(folder).mkdir(exist_ok=True)
        asyncio.run(migrate.upgrade(f"sqlite:///{file}"))
        fill_sqlite(file, rows)
        (Path(folder) / "sqlite").mkdir()
        place = workspace(Path(folder) / "sqlite", f"sqlite:///{file}")
        if options.keep:
            print(f"sequencer -C {place} report")
            return 0
        met = measure("SQLite", place, events)
        with postgresql() as url:
            asyncio.run(migrate.upgrade(url))
            asyncio.run(fill_postgresql(url, rows))
            (Path(folder) / "postgresql").mkdir()
            met &= measure("PostgreSQL", workspace(Path(folder) / "postgresql", url), events)
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
