"""The stage: a mail that arrives sets off an answer at its virtual time; and the workspace it all happens in."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from rich.console import Console

from sequencer.daemon.telling import LEVELS, Note
from sequencer.demo import cast
from sequencer.demo.clock import AcceleratedClock
from sequencer.demo.letters import letter
from sequencer.demo.post_office import PostOffice
from sequencer.demo.premises import PASSWORD_VARIABLE, REP, furnish
from sequencer.demo.prospects import Prospect
from sequencer.demo.stage import Stage
from sequencer.demo.story import DAEMON, Story, quoted, sentence
from sequencer.operations.happenings import Happening
from sequencer.workspace.workspace import load

START = datetime(2027, 3, 1, 15, 0, tzinfo=UTC)


class _Scene:
    """A post office with the rep's account, the whole cast, and a story that is kept."""

    def __init__(self) -> None:
        self.printed = io.StringIO()
        console = Console(file=self.printed, width=200)
        self.office = PostOffice(lambda: self.clock.now())
        self.clock = AcceleratedClock(START, self.office)
        story = Story(console, ZoneInfo("America/Denver"), {one.email: one.name for one in cast.CAST})
        self.stage = Stage(cast.CAST, self.office, self.clock, story)
        self.office.on_arrival = self.stage.arrived

    async def writes(self, to: Prospect, subject: str, text: str) -> None:
        raw = letter(REP, to.writer.mailbox, subject, text, self.clock.now())
        await self.office.take(REP.address, [to.email], raw)


async def test_an_answer_comes_in_its_time_and_only_once() -> None:
    scene = _Scene()
    async with scene.office:
        await scene.office.add_user(REP.address, "secret")
        await scene.writes(cast.UNSUBSCRIBES, "Are you still looking?", "Dale,\n\nAre you still looking?")
        assert await scene.office.mails(REP.address) == []
        await scene.clock.drive(START + timedelta(days=1))
        assert scene.clock.now() == START + cast.UNSUBSCRIBES.cues[0].after
        await scene.writes(cast.UNSUBSCRIBES, "Are you still looking?", "Dale,\n\nAre you still looking?")
        await scene.clock.drive(START + timedelta(days=1))
        answers = await scene.office.mails(REP.address)
    assert len(answers) == 1
    answer = message_from_bytes(answers[0], policy=default)
    assert answer["From"].addresses[0].addr_spec == cast.UNSUBSCRIBES.email
    assert answer.get_content().startswith("unsubscribe")
    assert len(scene.stage.arrivals) == 2
    told = scene.printed.getvalue()
    assert "Monday, March 1" in told
    assert "→ Dale Hutchins   “Are you still looking?”" in told
    assert "← Dale Hutchins   “unsubscribe”" in told


async def test_an_answer_may_land_in_junk_and_silence_answers_nothing() -> None:
    scene = _Scene()
    async with scene.office:
        await scene.office.add_user(REP.address, "secret")
        await scene.writes(cast.WRONG_PERSON, "Your quote", "by which you would like to have this settled?")
        await scene.writes(cast.NEVER_ANSWERS, "Your quote", "by which you would like to have this settled?")
        await scene.clock.drive(START + timedelta(days=9))
        assert await scene.office.mails(REP.address) == []
        assert len(await scene.office.mails(REP.address, "Junk")) == 1
    assert "it lands in Junk" in scene.printed.getvalue()


async def test_the_workspace_is_the_starter_with_the_embedded_servers(tmp_path: Path) -> None:
    office = PostOffice(lambda: START)
    async with office:
        files = furnish(tmp_path, office, cast.CAST)
    loaded = load(tmp_path, {PASSWORD_VARIABLE: "secret"})
    assert loaded.problems == ()
    assert loaded.workspace is not None
    mailbox = loaded.workspace.config.mailboxes["mark"]
    assert (mailbox.smtp.host, mailbox.smtp.port, mailbox.smtp.tls) == ("127.0.0.1", office.smtp_port, "none")
    assert (mailbox.imap.port, mailbox.imap.folders, mailbox.imap.sent) == (office.imap_port, ("INBOX", "Junk"), "Sent")
    assert set(files) <= set(loaded.workspace.sequences)
    rows = [row for path in files.values() for row in csv.DictReader(path.read_text("utf-8").splitlines())]
    assert {row["email"] for row in rows} == {one.email for one in cast.CAST}


@pytest.mark.parametrize(
    ("happening", "expected"),
    [
        (Happening("sent", START, step="thanks"), ""),
        (Happening("replied", START, detail="not_now"), "is read as: not now"),
        (Happening("task", START, detail="Ask what they think"), "waits for the rep: Ask what they think"),
        (
            Happening("skipped", START, step="call", detail="only if contact.phone"),
            "skips “call”: only if contact.phone",
        ),
        (Happening("set_aside", START, detail="message 7"), "message 7"),
        (Happening("stopped", START), "is stopped for good"),
    ],
)
def test_what_the_daemon_tells_becomes_a_sentence(happening: Happening, expected: str) -> None:
    assert sentence(happening) == expected


def test_a_long_mail_is_cut_between_words_and_a_new_day_gets_a_heading() -> None:
    text = quoted("Hello Mark,\n\n" + "word " * 60)
    assert text.startswith("“Hello Mark, word word")
    assert text.endswith("word …”")
    assert len(text) < 100
    printed = io.StringIO()
    story = Story(Console(file=printed, width=100), ZoneInfo("America/Denver"), {})
    story.tell(START, DAEMON, "Anna", "first")
    story.tell(START + timedelta(hours=1), DAEMON, "Anna", "second")
    story.tell(START + timedelta(hours=17), DAEMON, "Anna", "third")
    assert printed.getvalue().count("March") == 2
    assert "\x1b[" not in printed.getvalue()


def test_only_trouble_of_the_daemon_belongs_to_the_story() -> None:
    printed = io.StringIO()
    story = Story(Console(file=printed, width=200), ZoneInfo("America/Denver"), {})
    for level in LEVELS:
        story.told(Note(level, "mark", f"a line of the level {level}"), START)
    told = [line for line in printed.getvalue().splitlines() if "a line of the level" in line]
    assert [line.split()[-1] for line in told] == ["warning", "error"]
