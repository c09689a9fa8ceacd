"""What the daemon tells systemd: the real process, and a real datagram socket in the place of the service manager."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from sequencer.daemon import supervisor
from sequencer.daemon.clock import LONGEST_WAIT
from sequencer.daemon.service import Service
from sequencer.daemon.vitals import BUSY, GRACE, Heart, Vitals
from tests.clock import PATIENCE
from tests.daemon.house import ENVIRON, House, furnish
from tests.daemon.test_daemon import a_house
from tests.operations.shop import MONDAY
from tests.web.watched import free_port

EVERY = 0.1
"""Seconds between two answers to the watchdog."""

ASKED = {"WATCHDOG_USEC": str(int(2 * EVERY * 1e6))}


class Manager:
    """The end of the socket at which systemd listens."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self.socket.settimeout(PATIENCE)

    def hears(self, word: str, times: int = 1) -> list[str]:
        """Everything up to the n-th assignment of these words."""
        heard: list[str] = []
        while heard.count(word) < times:
            heard += self.socket.recv(4096).decode().split("\n")
        return heard

    def forgets(self) -> None:
        """What has come so far is not looked at."""
        self.socket.setblocking(False)
        try:
            while True:
                self.socket.recv(4096)
        except BlockingIOError:
            self.socket.settimeout(PATIENCE)

    def is_silent_for(self, seconds: float) -> bool:
        self.socket.settimeout(seconds)
        try:
            return b"WATCHDOG=1" not in self.socket.recv(4096)
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(PATIENCE)


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    name = str(tmp_path / "notify") if request.param == "path" else f"@sequencer-{os.getpid()}-{tmp_path.name}"
    made = Manager(name)
    yield made
    made.socket.close()


@contextmanager
def the_daemon(folder: Path, **environ: str) -> Iterator[subprocess.Popen[str]]:
    command = [str(Path(sys.executable).with_name("sequencer")), "-C", str(folder), "run"]
    running = subprocess.Popen(
        command, env={**os.environ, **ENVIRON, **environ}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        yield running
    finally:
        running.kill()
        running.communicate()


def test_ready_watchdog_stopping_even_while_the_mailbox_is_in_trouble(tmp_path: Path, manager: Manager) -> None:
    folder = tmp_path / "workspace"
    furnish(folder, smtp=free_port(), imap=free_port(), user="mark")
    with the_daemon(folder, NOTIFY_SOCKET=manager.address, **ASKED) as running:
        began = manager.hears("READY=1")
        assert began[0] == "READY=1"
        assert began[1] == "STATUS=1 mailbox"
        assert running.stdout is not None
        while "the inbox cannot be read" not in running.stdout.readline():
            pass
        manager.forgets()
        manager.hears("WATCHDOG=1", 5)
        running.send_signal(signal.SIGTERM)
        ended = manager.hears("STOPPING=1")
        assert ended[-2:] == ["STOPPING=1", "STATUS=finishing the messages in hand"]
        assert running.wait(PATIENCE) == 0


def test_without_a_service_manager_nothing_is_told(tmp_path: Path) -> None:
    for environ in ({}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:2:1"}, {"WATCHDOG_USEC": "1000"}):
        assert Service.of(environ) == Service()
    Service(str(tmp_path / "nobody")).tell("READY=1")  # and one that is gone is no trouble of ours


def test_the_watchdog_of_another_process_is_not_ours() -> None:
    asked = {"NOTIFY_SOCKET": "@x", "WATCHDOG_USEC": "30000000"}
    assert Service.of(asked) == Service("@x", 30.0)
    assert Service.of({**asked, "WATCHDOG_PID": str(os.getpid())}) == Service("@x", 30.0)
    assert Service.of({**asked, "WATCHDOG_PID": "1"}) == Service("@x", 0.0)
    assert Service.of({**asked, "WATCHDOG_USEC": "soon"}) == Service("@x", 0.0)


@asynccontextmanager
async def served(house: House, manager: Manager) -> AsyncIterator[Vitals]:
    """The daemon on this event loop, once it stands and has nothing to do."""
    found: list[Vitals] = []
    stop = asyncio.Event()

    @asynccontextmanager
    async def beside(vitals: Vitals) -> AsyncIterator[str]:
        found.append(vitals)
        yield ""

    environ = {**ENVIRON, "NOTIFY_SOCKET": manager.address, **ASKED}
    daemon = asyncio.create_task(supervisor.run(house.folder, environ, house.clock, house.ear, stop, beside=beside))
    await house.ear.notes_that("nothing is planned")
    yield found[0]
    stop.set()
    assert await daemon is None


async def test_a_frozen_event_loop_stops_the_answers(tmp_path: Path, manager: Manager) -> None:
    async with a_house(tmp_path / "workspace") as (house, _), served(house, manager):
        await asyncio.to_thread(manager.hears, "WATCHDOG=1", 2)
        manager.forgets()
        assert manager.is_silent_for(5 * EVERY)  # nothing else runs meanwhile: this is the daemon's own loop
        await asyncio.to_thread(manager.hears, "WATCHDOG=1", 2)


@pytest.mark.parametrize("kind", ["workers", "minders"])
async def test_a_task_that_does_not_get_on_stops_the_answers(tmp_path: Path, manager: Manager, kind: str) -> None:
    async with a_house(tmp_path / "workspace") as (house, _), served(house, manager) as vitals:
        await asyncio.to_thread(manager.hears, "WATCHDOG=1")
        hearts = {"workers": vitals.workers, "minders": vitals.minders}[kind]
        name = next(iter(hearts))
        hearts[name] = Heart(patience=-1.0)
        heard = await asyncio.to_thread(manager.hears, f"STATUS=1 mailbox; stuck: {vitals.stuck()[0]}")
        assert "WATCHDOG=1" not in heard[-1:]
        manager.forgets()
        assert await asyncio.to_thread(manager.is_silent_for, 5 * EVERY)
        hearts[name].beat()
        await asyncio.to_thread(manager.hears, "WATCHDOG=1", 2)


async def test_a_worker_beats_while_it_works_and_knows_how_long_it_rests(tmp_path: Path, manager: Manager) -> None:
    async with a_house(tmp_path / "workspace") as (house, _), served(house, manager) as vitals:
        heart = vitals.workers["mark"]
        assert heart.rested
        before = heart.beat_at
        house.clock.advance(timedelta(minutes=2))
        await house.reads_again(None)
        assert heart.beat_at > before
        assert vitals.stuck() == []


def test_a_heart_is_as_patient_as_its_task_may_be_silent() -> None:
    heart = Heart()
    assert heart.patience == BUSY
    heart.rest(MONDAY, MONDAY + timedelta(minutes=2))
    assert heart.patience == 120 + GRACE
    heart.rest(MONDAY, MONDAY + timedelta(days=30))
    assert heart.patience == LONGEST_WAIT + GRACE
    heart.rest(MONDAY, MONDAY - timedelta(days=30))
    assert heart.patience == GRACE
    assert not heart.overdue()
    heart.beat_at -= GRACE + 1
    assert heart.overdue()
