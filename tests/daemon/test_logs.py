"""What the real daemon prints while everything fails: no secret anywhere, and no address from the level info on."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import os
import signal
import sqlite3
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from time import process_time
from urllib.parse import quote

import pytest

from sequencer.cli.logs import libraries_through, teller
from sequencer.daemon.clock import SystemClock
from sequencer.daemon.telling import Note, Told, json_line, plain_line, veiled, who_line
from sequencer.daemon.veil import Veil, secrets_of, without_addresses
from sequencer.operations.happenings import Happening
from sequencer.workspace.config import read_config
from tests.clock import PATIENCE, ManualClock
from tests.daemon.house import House, furnish
from tests.operations.shop import MONDAY
from tests.pymap_server import PymapServer
from tests.smtp_peer import Say, SmtpPeer
from tests.web.watched import free_port, listen_on

SECRET = "c0rrect-horse/battery+staple"
OTHER = "tr0ub4dor&3"
ENVIRON = {"MARK_PASSWORD": SECRET, "READER_KEY": OTHER}
PEOPLE = ("anna@customer.example", "ben@other.example", "cleo@third.example")


@dataclass
class Running:
    """The daemon's process and what it has printed so far, on both streams."""

    process: asyncio.subprocess.Process
    printed: list[str] = field(default_factory=list)

    async def prints(self, words: str) -> str:
        """The next line with these words."""
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            while True:
                line = (await self.process.stdout.readline()).decode()
                assert line, self.printed
                self.printed.append(line)
                if words in line:
                    return line

    async def ends(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE):
            rest, _ = await self.process.communicate()
        self.printed += rest.decode().splitlines(keepends=True)
        assert self.process.returncode is not None
        return self.process.returncode


@asynccontextmanager
async def the_daemon(folder: Path, *options: str) -> AsyncIterator[Running]:
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("sequencer")),
        "-C",
        str(folder),
        "run",
        *options,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, **ENVIRON},
    )
    try:
        yield Running(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


FORMS = [
    form
    for secret in (SECRET, OTHER)
    for form in (secret, quote(secret, safe=""), base64.b64encode(secret.encode()).decode().rstrip("="))
]


def _no_secret(printed: list[str]) -> None:
    for line in printed:
        assert not any(form in line for form in FORMS), line


def _no_address(printed: list[str]) -> None:
    for line in printed:
        assert "@" not in line, line
        assert not any(name in line.lower() for name in ("anna", "cleo", "holloway")), line


JANE = """\
  jane:
    from: Jane Doe <jane@flatheadrv.example>
    smtp: {host: localhost, port: 1, tls: none, username: jane, password: "${READER_KEY}"}
    imap: {host: localhost, port: IMAP, tls: none, username: jane, password: "${READER_KEY}"}
"""

BROKEN = """\
from: mark
hours: daily 00:00-24:00
steps:
  - step: hello
    email: hello
"""


@dataclass
class Trouble:
    """A workspace in which everything fails, and its servers."""

    house: House
    imap: PymapServer

    async def of_the_database(self) -> None:
        """The next statement of one kind fails, with words that do not belong into a log."""
        with sqlite3.connect(self.house.folder / "data" / "s.db") as raw:
            raw.execute(
                "CREATE TRIGGER broken BEFORE UPDATE OF inbox_read_at ON mailboxes "
                f"BEGIN SELECT RAISE(ABORT, 'no: {PEOPLE[2]} {SECRET}'); END"
            )
        raw.close()
        await self.imap.append("mark", "INBOX", b"Subject: news\r\n\r\nnews\r\n", self.house.clock.now())


@asynccontextmanager
async def trouble(folder: Path) -> AsyncIterator[Trouble]:
    """A refused and a deferred recipient, whose server repeats addresses and secrets; a template that breaks; a mailbox
    whose login is refused; and, when asked for, a database that refuses a statement."""
    async with PymapServer({"mark": SECRET}) as imap, SmtpPeer(logins={"mark": SECRET}) as smtp:
        furnish(folder, smtp=smtp.port, imap=imap.port, user="mark", broken=BROKEN)
        listen_on(folder, free_port())
        config = folder / "config.yaml"
        jane = JANE.replace("IMAP", str(imap.port))
        config.write_text(config.read_text().replace("mailboxes:\n", f"mailboxes:\n{jane}"))
        always = folder / "sequences" / "quote.yaml"
        always.write_text(always.read_text().replace("Mon-Fri 08:30-17:00", "daily 00:00-24:00"))
        (folder / "templates" / "hello.md").write_text("---\nsubject: Hello\n---\n{{ first_name }} {{ 1 / 0 }}\n")
        house = House(folder, smtp, ManualClock(SystemClock().now()))
        await house.enroll(*PEOPLE[:2])
        await house.enroll(PEOPLE[2], sequence="broken")
        smtp.once("rcpt", Say(f"550 5.1.1 <{PEOPLE[0]}> unknown; ask postmaster@customer.example about {SECRET}"))
        smtp.once("rcpt", Say(f"451 4.7.1 <{PEOPLE[1]}> greylisted, session {OTHER}"))
        yield Trouble(house, imap)


@pytest.mark.parametrize("options", [(), ("--log-format", "json"), ("--log-format", "json", "--log-level", "debug")])
async def test_no_failure_brings_an_address_or_a_secret_into_the_log(tmp_path: Path, options: tuple[str, ...]) -> None:
    as_json, debug = "json" in options, "debug" in options
    async with trouble(tmp_path) as found, the_daemon(tmp_path, *options) as running:
        seen = ("rejected", "deferred", "held") if as_json else ("was refused", "was put off", "is due but held")
        waiting = {f'"event": "{word}"' if as_json else word for word in (*seen,)}
        waiting.add('"mailbox": "jane", "message": "' if as_json else "jane: ")
        for words in sorted(waiting):
            if not any(words in line for line in running.printed):
                await running.prints(words)
        await found.of_the_database()
        await running.prints("worker_failed" if as_json else "failed and will be tried again")
        if debug:
            await running.prints('"traceback"')
        assert await running.ends() == 0
    _no_secret(running.printed)
    if as_json:
        rows = [json.loads(line) for line in running.printed]
        _no_address([line for line, row in zip(running.printed, rows, strict=True) if row["level"] != "debug"])
        refused = next(row for row in rows if row["event"] == "rejected")
        assert refused["reason"].startswith("550 5.1.1 <(address)> unknown; ask (address) about ")
        assert (refused["mailbox"], refused["sequence"], refused["step"]) == ("mark", "quote", "thanks")
        named = [row["contact"] for row in rows if row["event"] == "who"]
        assert sorted(set(named)) == (sorted(PEOPLE) if debug else [])
        assert any(row["event"] == "turn" and row["seconds"] > 0 for row in rows) == debug
    else:
        _no_address(running.printed)
        assert not any("Traceback" in line for line in running.printed)


async def test_a_sent_message_is_told_with_its_attempt(tmp_path: Path) -> None:
    async with PymapServer({"mark": SECRET}) as imap, SmtpPeer(logins={"mark": SECRET}) as smtp:
        furnish(tmp_path, smtp=smtp.port, imap=imap.port, user="mark", anytime=BROKEN.replace("hello", "thanks"))
        await House(tmp_path, smtp, ManualClock(SystemClock().now())).enroll(PEOPLE[0], sequence="anytime")
        async with the_daemon(tmp_path, "--log-format", "json") as running:
            sent = json.loads(await running.prints('"event": "sent"'))
    assert (sent["level"], sent["mailbox"], sent["sequence"], sent["step"]) == ("info", "mark", "anytime", "thanks")
    assert (sent["enrollment"], sent["attempt"]) == (1, 1)
    assert datetime.fromisoformat(sent["at"]).tzinfo is not None


async def test_lines_below_the_level_are_not_shown(tmp_path: Path) -> None:
    async with trouble(tmp_path), the_daemon(tmp_path, "--log-format", "json", "--log-level", "warning") as running:
        await running.prints('"rejected"')
        assert await running.ends() == 0
    assert {json.loads(line)["level"] for line in running.printed} <= {"warning", "error"}


# The pieces ------------------------------------------------------------------------------------------


def _veil(**environ: str) -> Veil:
    text = (
        "database: postgresql://seq:${DB_PASSWORD}@db.example/x\n"
        'notify: ["slack://${SLACK}"]\n'
        "company: {name: x, address: y}\n"
        "mailboxes: {mark: {from: Mark <mark@example.com>, provider: gmail, password: '${MARK_PASSWORD}'}}\n"
    )
    _, config, problems = read_config(
        text, Path(), {"DB_PASSWORD": "pg%2Fpass%40word", "SLACK": "tokenA123/tokenB456", **environ}
    )
    assert config is not None, problems
    assert {SECRET, "pw"} & secrets_of(config)
    veil = Veil()
    veil.learn(config)
    return veil


def test_a_secret_is_hidden_in_every_form() -> None:
    veil = _veil(MARK_PASSWORD=SECRET)
    plain = base64.b64encode(SECRET.encode()).decode()
    for text in (SECRET, quote(SECRET, safe=""), plain, "pg/pass@word", "pg%2Fpass%40word", "tokenB456"):
        assert veil.over(f"535 no: {text}!") == "535 no: (secret)!"
    told = veiled(Note("error", "mark", f"login {SECRET} refused"), veil)
    assert told == Note("error", "mark", "login (secret) refused")
    assert veil.over("nothing to hide") == "nothing to hide"
    assert Veil().over(SECRET) == SECRET
    assert SECRET not in repr(veil)


@pytest.mark.parametrize("name", ["mark", "susan", "rachel"])
def test_a_secret_is_hidden_in_the_command_that_a_server_repeats(name: str) -> None:
    veil = _veil(MARK_PASSWORD=SECRET)
    said = base64.b64encode(b"\0".join([b"", name.encode(), SECRET.encode()])).decode()
    shown = veil.over(f"500 unknown command: AUTH PLAIN {said}")
    assert shown.endswith("(secret)")
    left = shown.removeprefix("500 unknown command: AUTH PLAIN ").removesuffix("(secret)")
    assert base64.b64decode(left[: len(left) // 4 * 4]) in b"\0" + name.encode() + b"\0"


def test_a_short_secret_is_hidden_where_it_stands_alone() -> None:
    veil = _veil(MARK_PASSWORD="pw")
    assert veil.over("login pw refused; mpw and pwd stay") == "login (secret) refused; mpw and pwd stay"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("550 <anna.b+c@customer.example>: unknown", "550 <(address)>: unknown"),
        ("they replied in the thread of anna@customer.example", "they replied in the thread of (address)"),
        ("postgresql://user:pw@db.example/x", "postgresql://user:(address)"),
        ('"Anna B" <ANNA@K\u00dcCHE.example>, ben@b.example;', '"Anna B" <(address)>, (address);'),
        ("root@localhost said no", "(address) said no"),
        ("at 09:00 @ home", "at 09:00 @ home"),
    ],
)
def test_whatever_looks_like_an_address_is_taken_out(text: str, shown: str) -> None:
    assert without_addresses(text) == shown


def test_a_long_word_does_not_keep_the_daemon_busy() -> None:
    word = "a" * 200_000
    began = process_time()
    assert without_addresses(f"{word} anna@customer.example @") == f"{word} (address) @"
    assert process_time() - began < 1.0


def test_a_server_cannot_forge_a_line() -> None:
    told = Happening("deferred", MONDAY, "mark", 7, PEOPLE[0], "quote", "x", "451 later\r\n2026-11-30 mark: sent “x”")
    assert "\n" not in plain_line(told, MONDAY, personal=False)
    assert "\n" not in plain_line(told, MONDAY, personal=True)
    assert "\n" not in json_line(told, MONDAY)
    assert "\n" not in who_line(told, MONDAY, as_json=False)


@pytest.fixture
def library_lines() -> Iterator[list[Told]]:
    """What is told while libraries speak through us; everything is as before afterwards."""
    heard: list[Told] = []
    root, hooks = logging.getLogger(), (sys.unraisablehook, threading.excepthook)
    handlers, level = list(root.handlers), root.level
    root.handlers = []
    try:
        libraries_through(heard.append, _veil(MARK_PASSWORD=SECRET))
        yield heard
    finally:
        logging.captureWarnings(False)
        root.handlers, root.level = handlers, level
        sys.unraisablehook, threading.excepthook = hooks


def test_libraries_speak_through_us_from_warnings_on_and_without_tracebacks(library_lines: list[Told]) -> None:
    logging.getLogger("aioimaplib").info("login %s", SECRET)
    logging.getLogger("aiosmtplib").debug("AUTH %s", SECRET)
    logging.getLogger("uvicorn.error").warning("invalid request from %s", SECRET)
    try:
        raise ValueError(f"no such user {PEOPLE[0]} {SECRET}")
    except ValueError:
        logging.getLogger("alembic").exception("it failed")
    logging.getLogger("asyncio").error("two %s")  # its arguments do not fit: nothing is raised, nothing is printed
    thread = threading.Thread(target=lambda: 1 / 0)
    thread.start()
    thread.join()
    told = [note for note in library_lines if isinstance(note, Note)]
    assert [(note.level, note.event) for note in told] == [("warning", "library"), *[("error", "library")] * 3]
    assert told[0].message == "uvicorn.error: invalid request from (secret)"
    assert told[1].message == f"alembic: it failed: ValueError: no such user {PEOPLE[0]} (secret)"
    assert PEOPLE[0] not in json_line(told[1], MONDAY) + plain_line(told[1], MONDAY, personal=False)
    assert told[3].message == "python: an exception in a thread: ZeroDivisionError: division by zero"


def test_a_terminal_names_the_contact_once(capsys: pytest.CaptureFixture[str]) -> None:
    told = Happening("sent", MONDAY, "mark", 7, PEOPLE[0], "quote", "thanks")
    teller("plain", "debug", personal=True)(told)
    (line,) = capsys.readouterr().out.splitlines()
    assert line.endswith(f"mark: sent “thanks” to {PEOPLE[0]}")
    teller("plain", "debug", personal=False)(told)
    without, named = capsys.readouterr().out.splitlines()
    assert without.endswith("mark: sent “thanks” to enrollment 7")
    assert " · " in named
    assert PEOPLE[0] in named
