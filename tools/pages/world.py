"""A small world in which a page is played: a folder, a clock that is moved, a post office, the commands.

Commands run in this process, on a clock that stands still until the page moves it. The daemon is the real one, on the
demo's clock: while time is moved, everything happens that would have happened by then.
"""

from __future__ import annotations

import asyncio
import io
import logging
import os
import re
import shlex
import shutil
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Coroutine, Iterator
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, contextmanager, nullcontext, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeVar
from zoneinfo import ZoneInfo

import httpx
import pytest

from sequencer.cli.main import app
from sequencer.daemon import listening as daemon_listening
from sequencer.daemon import supervisor
from sequencer.daemon.clock import SystemClock, pulse
from sequencer.daemon.telling import Told, level_of, plain_line
from sequencer.daemon.vitals import Heart, Vitals
from sequencer.demo.clock import AcceleratedClock
from sequencer.demo.letters import Writer, automatic_reply, letter, reply
from sequencer.demo.post_office import Arrival, PostOffice, Refusal
from sequencer.operations.adopt import Unusable
from sequencer.web.listener import listening
from tools.pages.pictures import WIDTH

T = TypeVar("T")

ZONE: Final = ZoneInfo("America/Denver")
"""Where the people of the pages live."""

START: Final = datetime(2026, 11, 23, 9, 0, tzinfo=ZONE)
"""A Monday morning: when a page begins, unless it says otherwise."""

REP: Final = "mark@flatheadrv.example"
PASSWORD: Final = "an-app-password"  # noqa: S105 (of a post office that lives as long as a page is played)
VARIABLE: Final = "MARK_PASSWORD"
POLL: Final = timedelta(hours=4)
LOOK_EVERY: Final = 0.05
"""Seconds of real time between two looks of the daemon at what commands have changed; fewer than outside."""

_LOOKS: Final = "check diagram history plan preview read report schema simulate status test thread threads version why"
LOOKING: Final = frozenset(_LOOKS.split())
"""Commands that change nothing, so that the daemon has nothing to see."""

PATIENCE: Final = 60.0
"""Seconds of real time for anything that happens between the threads."""


class Misplayed(Exception):
    """A page asks for something that cannot be done, in words."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command printed on both streams, and its exit code."""

    output: str
    code: int


class _Paper(io.StringIO):
    """What a command prints on. `run` names people on a terminal only."""

    def __init__(self, *, terminal: bool) -> None:
        super().__init__()
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


class _Office(PostOffice):
    """A post office whose line may break."""

    cuts = 0

    async def take(self, sender: str, recipients: list[str], raw: bytes) -> str:
        """As always; or it is taken, and the connection breaks before anybody hears of it."""
        queued = await super().take(sender, recipients, raw)
        if self.cuts:
            self.cuts -= 1
            for transport in tuple(self._transports):
                transport.abort()
        return queued

    def close_imap(self) -> None:
        """Nobody can read their mail any more; SMTP goes on."""
        self._servers[1].close()
        for transport in tuple(self._transports):
            transport.abort()


class World:
    """Use as `with World() as world`. One at a time: the clock, the folder and the environment are the process's."""

    def __init__(self) -> None:
        self.office = _Office(lambda: self.clock.now(), self._arrived)
        self.clock = AcceleratedClock(START.astimezone(UTC), self.office)
        self.arrivals: list[Arrival] = []
        self.lines: list[str] = []  # what `run` would print on a terminal
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="world", daemon=True)
        self._patch = pytest.MonkeyPatch()
        self._daemon: Future[Unusable | None] | None = None
        self._stop: asyncio.Event | None = None
        self._vitals: Vitals | None = None
        self._open = False
        self._web = "8025"

    def __enter__(self) -> World:
        self._temporary = tempfile.TemporaryDirectory(prefix="sequencer-page-", ignore_cleanup_errors=True)
        self.home = Path(self._temporary.name).resolve()
        self._before = Path.cwd()
        world = self

        async def wait(_: SystemClock, event: asyncio.Event, until: datetime | None) -> bool:
            if not event.is_set() and until is not None:
                await asyncio.to_thread(world.until, until)
            elif not event.is_set():
                await event.wait()
            return event.is_set()

        self._patch.setattr(SystemClock, "now", lambda _: world.clock.now())
        self._patch.setattr(SystemClock, "wait", wait)
        self._patch.setattr(daemon_listening, "LOOK_EVERY", LOOK_EVERY)
        for name, value in (("HOME", str(self.home)), ("COLUMNS", str(WIDTH)), ("TZ", ZONE.key), ("NO_COLOR", "1")):
            self._patch.setenv(name, value)
        self._patch.delenv(VARIABLE, raising=False)
        time.tzset()
        os.chdir(self.home)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop_daemon()
        if self._open:
            self._call(self.office.__aexit__(None, None, None))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)
        self._loop.close()
        os.chdir(self._before)
        self._patch.undo()
        time.tzset()
        self._temporary.cleanup()

    # Time ------------------------------------------------------------------------------------------

    def until(self, moment: datetime) -> None:
        """Let time pass until then, and everything happen that happens by then. Raises Misplayed when it is past."""
        moment = moment.astimezone(UTC)
        if moment < self.clock.now():
            raise Misplayed(f"{moment.astimezone(ZONE):%Y-%m-%d %H:%M} is past already")

        async def drive() -> None:
            self.clock.at(moment, lambda: None)
            await self.clock.drive(moment)

        self._call(drive())
        if self._daemon is not None and self._daemon.done():
            raise Misplayed(f"the daemon has ended: {self._daemon.result()}")

    def start_daemon(self, poll: timedelta = POLL) -> None:
        """The real daemon on the workspace in the current folder, on the clock of this world."""
        folder, environ = Path.cwd(), dict(os.environ)
        self.lines.clear()

        async def run() -> Unusable | None:
            self._stop = asyncio.Event()
            return await supervisor.run(
                folder, environ, self.clock, self._hear, self._stop, poll=poll, beside=self._beside
            )

        self._daemon = asyncio.run_coroutine_threadsafe(run(), self._loop)
        self._call(self.clock.first_wait())
        self.until(self.clock.now())

    def stop_daemon(self) -> None:
        """As Ctrl-C does; nothing when none runs."""
        if self._daemon is not None and self._stop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
            self._daemon.result(PATIENCE)
        self._daemon = self._stop = None

    # People ----------------------------------------------------------------------------------------

    def furnish(self) -> None:
        """Point the workspace in the current folder at a post office of its own, as a reader puts in their servers."""
        if not self._open:
            self._call(self.office.__aenter__())
            self._open = True
            self._patch.setenv(VARIABLE, os.environ.get(VARIABLE, PASSWORD))
            self._call(self.office.add_user(REP, os.environ[VARIABLE]))
        path = Path("config.yaml")
        text = path.read_text("utf-8")
        text = re.sub(r"host: (smtp|imap)\.flatheadrv\.example", "host: 127.0.0.1", text)
        text = re.sub(r"port: 465\b", f"port: {self.office.smtp_port}", text, count=1)
        text = re.sub(r"port: 993\b", f"port: {self.office.imap_port}", text, count=1)
        path.write_text(re.sub(r"tls: implicit\b", "tls: none", text), "utf-8")

    def listen(self) -> None:
        """The daemon listens for HTTP, on a free port that the page calls 8025."""
        with socket.create_server(("127.0.0.1", 0)) as found:
            self._web = str(found.getsockname()[1])
        path = Path("config.yaml")
        path.write_text(path.read_text("utf-8") + f'\nweb: {{listen: "127.0.0.1:{self._web}"}}\n', "utf-8")

    def silence(self) -> None:
        """The IMAP server is away from now on."""

        async def close() -> None:
            self.office.close_imap()

        self._call(close())

    def answer(self, email: str, text: str, *, automatic: bool = False) -> None:
        """They answer the last mail that reached them, now. Raises Misplayed when none has."""
        mails = [one for one in self.arrivals if one.recipient == email]
        if not mails:
            raise Misplayed(f"no mail has reached {email}; {len(self.arrivals)} reached others; {self.lines[-3:]}")
        writer = Writer(email.partition("@")[0].replace(".", " ").title(), email, ZONE.key)
        now = self.clock.now()
        raw = automatic_reply(mails[-1], writer, text, now) if automatic else reply(mails[-1], writer, text, now)
        self._post(raw)

    def write(self, email: str, subject: str, text: str) -> None:
        """Somebody writes a mail of their own."""
        writer = Writer(email.partition("@")[0].replace(".", " ").title(), email, ZONE.key)
        self._post(letter(writer, REP, subject, text, self.clock.now()))

    def refuse(self, email: str, answer: str) -> None:
        """From now on the post office refuses to take mail for them, with this answer."""
        code, _, words = answer.partition(" ")
        self.office.refusals[email] = Refusal(int(code), words)

    def cut(self) -> None:
        """The line breaks under the next message."""
        self.office.cuts += 1

    def _post(self, raw: bytes) -> None:
        self._call(self.office.deliver(REP, raw))
        self.until(self.clock.now())

    # Commands --------------------------------------------------------------------------------------

    def run(self, line: str) -> Outcome:
        """What a command line does and prints. Raises Misplayed for one that this world does not know."""
        line = re.sub(r"\\\n\s*", "", line)
        line, _, target = line.partition(" > ")
        words = [self._real(word) for word in shlex.split(line, comments=True)]
        outcome = self._done(words)
        shown = self._shown(outcome.output)
        if target:
            Path(self._real(target.strip())).write_text(outcome.output, "utf-8")
            shown = ""
        return Outcome(shown, outcome.code)

    def _done(self, words: list[str]) -> Outcome:
        match words:
            case ["cd", folder]:
                os.chdir(folder)
                return Outcome("", 0)
            case ["export", assignment]:
                name, _, value = assignment.partition("=")
                self._patch.setenv(name, re.sub(r"\$(\w+)", lambda found: os.environ.get(found[1], ""), value))
                return Outcome("", 0)
            case ["sequencer", "run"]:
                self.start_daemon()
                return Outcome("", 0)
            case ["sequencer", *arguments]:
                outcome = self._sequencer(arguments)
                if not LOOKING.intersection(arguments[:1]):
                    self._settle()
                return outcome
            case ["curl", url]:
                answer = httpx.get(url.replace(":8025", f":{self._web}"), trust_env=False, timeout=PATIENCE)
                return Outcome(answer.text + "\n", 0)
            case _:
                return _of_the_system(words)

    def _sequencer(self, arguments: list[str]) -> Outcome:
        paper = _Paper(terminal="run" in arguments)
        code = 0
        with _own_logging(), redirect_stdout(paper), redirect_stderr(paper):
            try:
                app(args=arguments, prog_name="sequencer")
            except SystemExit as ended:
                code = ended.code if isinstance(ended.code, int) else 1
            except Exception as error:
                raise Misplayed(f"`sequencer {shlex.join(arguments)}` failed: {error!r}") from error
        return Outcome(paper.getvalue(), code)

    def _real(self, word: str) -> str:
        """A path of the page as it is in this world: `~/follow-up`, and /backups beside it."""
        return re.sub(r"^(~|(?=/backups\b))", str(self.home), word)

    def _shown(self, output: str) -> str:
        """An output as it would read in the reader's world."""
        for shown, real in self._servers():
            output = output.replace(real, shown)
        return output.replace(f"{self.home}/backups", "/backups").replace(str(self.home), "~")

    def _servers(self) -> list[tuple[str, str]]:
        if not self._open:
            return []
        return [
            ("smtp.flatheadrv.example:465", f"127.0.0.1:{self.office.smtp_port}"),
            ("imap.flatheadrv.example:993", f"127.0.0.1:{self.office.imap_port}"),
        ]

    # Between the threads ---------------------------------------------------------------------------

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        try:
            return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE)
        except TimeoutError:
            raise Misplayed(f"not done after {PATIENCE:g} s; the last lines of the daemon: {self.lines[-3:]}") from None

    def _arrived(self, arrival: Arrival) -> None:
        self.arrivals.append(arrival)

    def _beside(self, vitals: Vitals) -> AbstractAsyncContextManager[str]:
        self._vitals = vitals
        return nullcontext("") if vitals.live.workspace.config.web is None else listening(vitals)

    def _settle(self) -> None:
        """The daemon sees what a command has changed: one look at the database that began after it, and its work."""

        async def looked(heart: Heart) -> None:
            for _ in range(2):
                seen = heart.beat_at
                while heart.beat_at == seen:
                    await pulse(asyncio.Event(), LOOK_EVERY / 10)

        if self._daemon is not None and self._vitals is not None:
            self._call(looked(self._vitals.minders["the database"]))
            self.until(self.clock.now())

    def _hear(self, told: Told) -> None:
        if level_of(told) != "debug":
            self.lines.append(plain_line(told, self.clock.now(), personal=True))


def _of_the_system(words: list[str]) -> Outcome:
    """The few commands of a shell that pages call, on files of the world."""
    match words:
        case ["cat", file]:
            return Outcome(Path(file).read_text("utf-8"), 0)
        case ["ls", *folders]:
            names = sorted(each.name for each in Path(*folders).iterdir() if not each.name.startswith("."))
            return Outcome("\n".join(names) + "\n", 0)
        case ["cp", "-r", folder, copy]:
            shutil.copytree(folder, copy)
        case ["cp", file, copy]:
            shutil.copy(file, copy)
        case ["mkdir", folder]:
            Path(folder).mkdir()
        case _:
            raise Misplayed(f"“{shlex.join(words)}” is no command that can be played here")
    return Outcome("", 0)


@contextmanager
def _own_logging() -> Iterator[None]:
    """`run` takes over what libraries print; here that ends with the command."""
    root, hooks = logging.getLogger(), (sys.unraisablehook, threading.excepthook)
    handlers, level = root.handlers[:], root.level
    try:
        yield
    finally:
        logging.captureWarnings(False)
        root.handlers[:] = handlers
        root.setLevel(level)
        sys.unraisablehook, threading.excepthook = hooks
