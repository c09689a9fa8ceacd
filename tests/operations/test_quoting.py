"""`{{ they_said }}`: a follow-up quotes their words back, safely, and only their own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from email.message import EmailMessage
from pathlib import Path

import pytest

from sequencer.core.model import Status
from sequencer.operations import foresight
from sequencer.operations.playing import SAMPLE_WORDS
from sequencer.operations.quoting import MOST_QUOTED, shortened
from sequencer.store.database import Database
from sequencer.workspace.check import check
from tests.operations.desk import ANNA, BEN, CLEO, HOUR, PLAN
from tests.operations.letterbox import Letterbox, a_letterbox

BRANCH = """\
branches:
  answer:
    - {step: quote-back, email: quote-back, when: 1 hour later}
on_reply:
  any: {go_to: answer}
"""
QUOTE = "---\nsubject: About your question\n---\n{{ first_name }}, you wrote:\n\n> {{ they_said }}\n\nYes.\n"
HOSTILE = (
    "**Bold** question: <script>alert(1)</script> & <b>this</b>?\n"
    "[click](http://evil.example/) {{ sender.name }} {% for x in y %} `code` # head\n"
    "- a list & <img src=x onerror=alert(1)>"
)


@pytest.fixture
async def box(database: Database, tmp_path: Path) -> AsyncIterator[Letterbox]:
    files = {"plan": PLAN + BRANCH, "quote-back_md": QUOTE}
    async with a_letterbox(database, tmp_path, ANNA, BEN, CLEO, **files) as box:
        yield box


def part(mail: EmailMessage, kind: str) -> str:
    body = mail.get_body((kind,))
    assert body is not None
    return str(body.get_content())


async def test_their_words_come_back_as_they_wrote_them_and_do_nothing(box: Letterbox) -> None:
    text = f"{HOSTILE}\n\nOn Monday Mark wrote:\n> Hello Anna, here it is.\n"
    assert "branched" in await box.arrives(box.answer(ANNA, text))
    await box.desk.turn(2 * HOUR)
    quoted = box.sent(ANNA)
    assert quoted["Subject"] == "Re: Your quote"
    lines = part(quoted, "plain").splitlines()
    assert [line for line in lines if line.startswith(">")] == [f"> {line}" for line in HOSTILE.splitlines()]
    assert not any("here it is" in line for line in lines)  # what was quoted by them is not quoted again
    html = part(quoted, "html")
    for harmful in ("<script", "<b>", "<img", "<strong>", "<code>", "<li>", 'href="http://evil'):
        assert harmful not in html, harmful
    assert "**Bold** question: &lt;script&gt;alert(1)&lt;/script&gt; &amp; &lt;b&gt;this&lt;/b&gt;?<br />" in html
    assert "{{ sender.name }} {% for x in y %} `code` # head" in html
    assert html.count("<blockquote>") == 1


async def test_a_colleagues_words_are_never_quoted(box: Letterbox) -> None:
    await box.arrives(box.answer(CLEO, "Where can I see it?"))
    await box.arrives(box.answer(CLEO, "Cleo is away, ask me.", sender="boss@customer.example"))
    assert await box.status(CLEO) is Status.PAUSED  # somebody else has answered
    plan = box.desk.live.workspace.sequences["plan"]
    async with box.desk.live.database.read() as conn:
        subject = await foresight.real(conn, box.desk.live, plan, CLEO)
    assert isinstance(subject, foresight.Subject)
    assert subject.said == "Where can I see it?"


async def test_it_is_their_latest_answer(box: Letterbox) -> None:
    await box.arrives(box.answer(ANNA, "Where can I see it?"))
    await box.arrives(box.answer(ANNA, "Or is there a film of it?"))
    await box.desk.turn(2 * HOUR)
    assert "> Or is there a film of it?" in part(box.sent(ANNA), "plain")


async def test_a_long_answer_is_shortened(box: Letterbox) -> None:
    await box.arrives(box.answer(ANNA, "Why is that so? " + "word " * 3000))
    await box.desk.turn(2 * HOUR)
    (line,) = [line for line in part(box.sent(ANNA), "plain").splitlines() if line.startswith(">")]
    assert line.endswith("word…")
    assert len(line) <= MOST_QUOTED + 2


def test_where_a_text_is_cut() -> None:
    assert shortened("  short \n") == "short"
    assert shortened("x" * 5000) == "x" * (MOST_QUOTED - 1) + "…"
    assert len(shortened("word " * 5000)) <= MOST_QUOTED


async def test_a_field_of_that_name_is_not_taken_for_it(box: Letterbox) -> None:
    await box.desk.adopt(second_md="---\nsubject: x\n---\nYou wrote: {{ they_said }}\n")
    await box.desk.enroll("dora@example.net", they_said="a column of the import")
    await box.desk.turns(HOUR, 80 * HOUR)
    standing = await box.desk.standing("dora@example.net")
    assert standing.hold is not None
    assert standing.hold.reason == "the template second needs they_said"


async def test_the_checker_knows_it_and_warns_where_nobody_has_answered(box: Letterbox) -> None:
    def warnings() -> list[tuple[str, str, int]]:
        found = check(box.desk.folder, {}, frozenset({"first_name"}), secrets_required=False)
        return [(p.code, p.file, p.line) for p in found if "they_said" in p.message]

    assert warnings() == []  # only an answer leads to the branch
    box.desk.write(second_md=QUOTE)
    assert warnings() == [("unanswered", "templates/second.md", 6)]
    box.desk.write(second_md=QUOTE.replace("> {{ they_said }}", "{% if they_said %}> {{ they_said }}{% endif %}"))
    assert warnings() == []


async def test_a_preview_shows_words_for_a_made_up_contact(box: Letterbox) -> None:
    live = box.desk.live
    plan = live.workspace.sequences["plan"]
    subject = foresight.made_up(live.workspace, plan, box.desk.now.date())
    assert isinstance(subject, foresight.Subject)
    (letter,) = foresight.letters(live.workspace, plan, subject, box.desk.now, live.key, step="quote-back")
    assert letter.trouble == ""
    assert SAMPLE_WORDS.encode() in letter.data
