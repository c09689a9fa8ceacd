"""Promises 1 and 2 under kill -9: at random moments under load, through a server that accepts late and hangs up.

The daemon is `sequencer run` itself, as a process, on the system's clock. What must hold in the end: nobody has a step
twice, nobody misses one that is not shown as doubtful, and whatever is doubtful is shown to the owner by `status` and
`why`.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import re
import signal
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import select, update

from sequencer.daemon.clock import SystemClock, pulse
from sequencer.operations.contacts import Imported, Wishes, import_file
from sequencer.operations.explain import Explanation, why, why_json
from sequencer.operations.health import MOST_DOUBTS
from sequencer.operations.live import Live
from sequencer.operations.opening import opened
from sequencer.store import agenda, tables
from sequencer.store.attempts import AttemptState
from tests.cli.shell import data
from tests.clock import PATIENCE
from tests.daemon.house import ENVIRON, furnish
from tests.fire.conftest import Count
from tests.fire.launcher import Launcher, launcher
from tests.fire.scale import sized
from tests.pymap_server import PymapServer
from tests.smtp_peer import Action, Drop, Late, SmtpPeer

KILLS: Final = sized(16, 1_000)
STARTING: Final = 0.3
SENDING: Final = 0.4
"""Seconds within which the kill comes: after the start of the process, and after its first message."""

AT_LEAST: Final = 150
"""So many messages are due when a life begins: the load does not run out before the kill comes."""

BY_COMMAND: Final = 10

PLAN: Final = """\
from: mark
steps:
  - {step: one, email: thanks, when: immediately}
  - {step: two, email: article, when: immediately}
"""

Message = tuple[str, str]
"""Recipient and step."""


@dataclass
class _Trial:
    folder: Path
    smtp: SmtpPeer
    people: int = 0
    chance: random.Random = field(default_factory=lambda: random.Random(7))

    @property
    def expected(self) -> set[Message]:
        return {(_address(number), step) for number in range(self.people) for step in ("one", "two")}

    @property
    def received(self) -> Counter[Message]:
        """What the server took responsibility for, by its own account."""
        return Counter(
            (mail.recipients[0], "two" if b"\r\nIn-Reply-To:" in mail.data else "one") for mail in self.smtp.accepted
        )


@dataclass(frozen=True)
class _Outcome:
    """What is recorded of all attempts, and what the owner is shown."""

    states: dict[Message, list[AttemptState]]
    status: Any
    why: dict[Message, bool]  # of those in doubt: whether `why` says so

    @property
    def in_doubt(self) -> set[Message]:
        return {message for message, states in self.states.items() if AttemptState.IN_DOUBT in states}


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    for noisy in ("mail.log", "asyncio"):  # both tell of connections whose client was killed
        monkeypatch.setattr(logging.getLogger(noisy), "disabled", True)
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)


async def test_kill_9_at_random_moments_under_load(tmp_path: Path, database_url: str, counts: Count) -> None:
    async with PymapServer({"mark": "pw"}) as imap, SmtpPeer(logins={"mark": "pw"}) as smtp:
        url = f'"{database_url}"'
        furnish(tmp_path, smtp=smtp.port, imap=imap.port, user="mark", database=url, quote=PLAN, keep=PLAN)
        config = tmp_path / "config.yaml"
        config.write_text(re.sub(r"(imap: .*)tls: none", r"\1sent: off, tls: none", config.read_text()))  # no copies
        trial = _Trial(tmp_path, smtp)
        async with launcher(tmp_path, ENVIRON) as starts:
            for number in range(KILLS):
                if number % 5 == 0:
                    await _top_up(trial)
                await _live_and_die(trial, starts)
            trial.smtp.forget()
            await _run_to_the_end(trial, starts)
        outcome = await _look(trial)
    received, expected, doubtful = trial.received, trial.expected, outcome.in_doubt
    twice = [message for message, times in received.items() if times > 1]
    lost = expected - received.keys() - doubtful
    unseen = [message for message, shown in outcome.why.items() if not shown]
    counts(
        f"kill -9 under load, {database_url.partition(':')[0]}",
        kills=KILLS,
        messages=len(expected),
        twice=len(twice),
        lost=len(lost),
        in_doubt=len(doubtful),
        of_these_had_come=len(doubtful & received.keys()),
        doubtful_and_not_shown=len(unseen),
    )
    assert twice == []
    assert lost == set()
    _every_answer_is_true(outcome, received)
    _every_doubt_is_shown(outcome, unseen)
    assert len(doubtful) >= KILLS / 3, "too few kills came while a message was in the air"


def _every_answer_is_true(outcome: _Outcome, received: Counter[Message]) -> None:
    """What is called accepted has come, and what has come is called accepted or doubtful."""
    claimed = {message for message, states in outcome.states.items() if AttemptState.ACCEPTED in states}
    assert claimed <= received.keys()
    assert received.keys() <= claimed | outcome.in_doubt
    assert not any(AttemptState.STARTED in states for states in outcome.states.values())


def _every_doubt_is_shown(outcome: _Outcome, unseen: list[Message]) -> None:
    (mailbox,) = outcome.status["mailboxes"]
    assert mailbox["in_doubt"] == len(outcome.in_doubt)
    assert any("may or may not have arrived" in problem for problem in outcome.status["problems"])
    assert len(outcome.status["doubts"]) == min(len(outcome.in_doubt), MOST_DOUBTS)
    assert unseen == []


# One life ----------------------------------------------------------------------------------------------


async def _live_and_die(trial: _Trial, starts: Launcher) -> None:
    """Every fifth one ends while it starts, the others after their first message has gone out."""
    _misbehave(trial)
    sending, starting = trial.smtp.reached["data"], trial.chance.random() < 0.2
    sending.clear()
    pid = await starts.start("-C", str(trial.folder), "run")
    if not starting:
        await pulse(sending, PATIENCE)
    await pulse(asyncio.Event(), trial.chance.uniform(0, STARTING if starting else SENDING))
    os.kill(pid, signal.SIGKILL)
    assert await starts.ended(pid) == -signal.SIGKILL, starts.log.read_text()[-2000:]
    await _let_the_lease_expire(trial)


def _misbehave(trial: _Trial) -> None:
    """A quarter of the lives meet a server that only dawdles; the others one that hangs up around the final dot too."""
    trial.smtp.forget()
    drops = trial.chance.random() < 0.75
    trial.smtp.once("data", Late(0))  # so that it is known when the first one comes
    trial.smtp.once("end", *(_whim(trial.chance, drops) for _ in range(1_000)))
    if drops and trial.chance.random() < 0.5:
        for _ in range(trial.chance.randrange(40)):
            trial.smtp.once("body", Late(0))
        trial.smtp.once("body", Drop())  # before the final dot


def _whim(chance: random.Random, drops: bool) -> Action:
    if drops and chance.random() < 0.02:
        return Drop(accepting=chance.random() < 0.5)
    return Late(chance.uniform(0, 0.1) if chance.random() < 0.1 else 0, accepting=chance.random() < 0.7)


async def _top_up(trial: _Trial) -> None:
    """More people, so that there is something to send."""
    async with opened(trial.folder, ENVIRON) as live:
        assert isinstance(live, Live), live
        now = SystemClock().now()
        async with live.database.read() as conn:
            load = (await agenda.load(conn, now)).get("mark")
        if load is not None and load.due + load.held >= AT_LEAST:
            return
        first, trial.people = trial.people, trial.people + AT_LEAST
        rows = "".join(f"{_address(number)},P{number}\n" for number in range(first, trial.people))
        (trial.folder / "people.csv").write_text(f"email,first_name\n{rows}")
        imported = await import_file(live, trial.folder / "people.csv", now, Wishes(enroll="quote"))
        assert isinstance(imported, Imported)


def _address(number: int) -> str:
    return f"p{number}@customer{number}.example"


async def _let_the_lease_expire(trial: _Trial) -> None:
    """On PostgreSQL the next daemon would wait until the dead one counts as dead: let it be long ago that it was."""
    async with opened(trial.folder, ENVIRON) as live:
        assert isinstance(live, Live), live
        if live.database.dialect == "sqlite":
            return
        until, alive = tables.mailboxes.c.lease_until, tables.daemons.c.alive_until
        long_ago = SystemClock().now().replace(year=2020)
        async with live.database.begin() as conn:
            await conn.execute(update(tables.mailboxes).where(until.is_not(None)).values(lease_until=long_ago))
            await conn.execute(update(tables.daemons).where(alive.is_not(None)).values(alive_until=long_ago))


# The end -----------------------------------------------------------------------------------------------


async def _run_to_the_end(trial: _Trial, starts: Launcher) -> None:
    """What the last kill left: `run --once`, until nothing is planned any more."""
    async with asyncio.timeout(PATIENCE * sized(1, 20)):
        while True:
            pid = await starts.start("-C", str(trial.folder), "run", "--once")
            assert await starts.ended(pid) == 0, starts.log.read_text()[-2000:]
            async with opened(trial.folder, ENVIRON) as live:
                assert isinstance(live, Live), live
                async with live.database.read() as conn:
                    wake_at = await agenda.next_wake(conn, "mark")
            if wake_at is None:
                return
            await pulse(asyncio.Event(), max(0.1, (wake_at - SystemClock().now()).total_seconds()))


async def _look(trial: _Trial) -> _Outcome:
    states: dict[Message, list[AttemptState]] = {}
    t = tables.attempts.c
    async with opened(trial.folder, ENVIRON) as live:
        assert isinstance(live, Live), live
        async with live.database.read() as conn:
            for row in await conn.execute(select(t.recipient, t.step, t.state)):
                states.setdefault((row.recipient, row.step), []).append(AttemptState(row.state))
    status = await asyncio.to_thread(data, "-C", str(trial.folder), "status", "--json", code=1)  # there are problems
    doubtful = [message for message, found in states.items() if AttemptState.IN_DOUBT in found]
    return _Outcome(states, status, await _why(trial, doubtful))


async def _why(trial: _Trial, doubtful: list[Message]) -> dict[Message, bool]:
    """Of each of them, whether `why` says so; some are asked for with the command itself."""
    said = {}
    async with opened(trial.folder, ENVIRON) as live:
        assert isinstance(live, Live), live
        async with live.database.read() as conn:
            for email, step in doubtful:
                explanation = await why(conn, live, email, SystemClock().now())
                assert isinstance(explanation, Explanation)
                said[email, step] = _says_so(why_json(explanation), step)
    for email, step in doubtful[:BY_COMMAND]:
        printed = await asyncio.to_thread(data, "-C", str(trial.folder), "why", email, "--json")
        assert _says_so(printed, step) is said[email, step]
    return said


def _says_so(explained: Any, step: str) -> bool:
    """Whether it shows a doubt about this step with the number that settles it, and no later event that ended it."""
    (enrollment,) = explained["enrollments"]
    events = [line["event"] for line in enrollment["history"] if line["step"] == step]
    listed = [doubt for doubt in enrollment["in_doubt"] if doubt["step"] == step and doubt["attempt"]]
    return bool(listed) and bool(events) and events[-1] == "InDoubt"
