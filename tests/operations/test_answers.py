"""Scripted answers: as they are typed, and as the reader of the inbox hears them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from sequencer.core.model import Contact, Span, Unit
from sequencer.core.model import Sequence as Plan
from sequencer.inbox.parse import parse_mail
from sequencer.operations.answers import Scene, hear, parse_reply, written
from sequencer.operations.record import Refusal
from sequencer.workspace.rehearsals import Answer
from sequencer.workspace.sequences import load_sequence_text
from sequencer.workspace.simulate import Said

WEDNESDAY = datetime(2026, 12, 30, 17, 0, tzinfo=UTC)
TWO_DAYS = Span(2, Unit.DAYS)
TEXT = """\
from: mark
steps:
  - {step: article, email: article}
  - {step: call, task: call, when: 3 days later}
back_off: {after: 10 days of silence, email: back-off}
labels:
  price: [too expensive, cheaper]
"""


@pytest.fixture(scope="module")
def plan() -> Plan:
    read, problems = load_sequence_text("quote", TEXT)
    assert read is not None, problems
    return read


@pytest.fixture(scope="module")
def scene(plan: Plan) -> Scene:
    return Scene(plan, Contact(0, "carla@example.com", {}, "America/Denver"), "mark@flatheadrv.example")


def heard(scene: Scene, text: str, at: datetime = WEDNESDAY, subject: str = "Your quote") -> Said:
    answer = parse_reply(f"article+2d {text}", scene.plan)
    assert isinstance(answer, Answer), answer
    return hear(scene, answer, at, subject)


# As they are typed ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("article+2d interested", Answer("article", TWO_DAYS, kind="interested")),
        ("article + 2 days NOT_NOW", Answer("article", TWO_DAYS, kind="not_now")),
        ("call+2 business days price", Answer("call", Span(2, Unit.BUSINESS_DAYS), kind="price")),
        (
            "article+2d not_now 2027-03-01",
            Answer("article", TWO_DAYS, kind="not_now", date=date(2027, 3, 1), date_words="2027-03-01"),
        ),
        ("article+2d not_now 'try me in March'", Answer("article", TWO_DAYS, "try me in March", "not_now")),
        ("article+2d not_now try me in March", Answer("article", TWO_DAYS, "try me in March", "not_now")),
        ("article+2d 'Can you try me in March?'", Answer("article", TWO_DAYS, "Can you try me in March?")),
        ("article+2d Can you try me in March?", Answer("article", TWO_DAYS, "Can you try me in March?")),
        ("article+2d “No, don't!”", Answer("article", TWO_DAYS, "No, don't!")),
        ('article+2d "interested"', Answer("article", TWO_DAYS, "interested")),
        ("back_off+3 hours 'one\ntwo'", Answer("back_off", Span(3, Unit.HOURS), "one\ntwo")),
    ],
)
def test_every_form(plan: Plan, text: str, expected: Answer) -> None:
    assert parse_reply(text, plan) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("article+2d out_of_offce 'back soon'", "did you mean `out_of_office`?"),
        ("article+2d prize", "did you mean `price`?"),
        ("article+2d maybe", "Their own words stand in quotes: “article+2d 'maybe …'”"),
        ("article+2 moons 'hello'", "`2 months`"),
        ("artikel+2d 'hello'", "did you mean `article`?"),
        ("article 'hello'", "--reply “article+2d 'Can you try me in March?'”"),
    ],
)
def test_what_is_no_answer(plan: Plan, text: str, words: str) -> None:
    refused = parse_reply(text, plan)
    assert isinstance(refused, Refusal)
    assert words in refused.reason


# As the reader hears them ---------------------------------------------------------------------------


def test_words_alone_are_read_with_their_date(scene: Scene) -> None:
    said = heard(scene, "'Can you try me in March?'")
    assert (said.heard.kind, said.heard.date, said.heard.date_words) == ("not_now", date(2027, 3, 1), "March")
    assert said.words == "Can you try me in March?"
    assert said.note == ""


def test_a_date_counts_from_the_day_of_the_answer_where_they_are(scene: Scene) -> None:
    assert heard(scene, "'Call me in two weeks.'").heard.date == date(2027, 1, 13)
    late = datetime(2026, 12, 31, 6, 30, tzinfo=UTC)  # the evening before, in Denver
    assert heard(scene, "'Try me tomorrow, please.'", late).heard.date == date(2026, 12, 31)


def test_the_language_of_the_contact_is_theirs(scene: Scene) -> None:
    german = replace(scene, contact=replace(scene.contact, language="de", timezone="Europe/Berlin"))
    said = heard(german, "'Melden Sie sich bitte in drei Wochen noch einmal.'")
    assert (said.heard.kind, said.heard.date) == ("not_now", date(2027, 1, 20))


def test_the_labels_of_the_sequence_are_found(scene: Scene) -> None:
    said = heard(scene, "'That is too expensive for us.'")
    assert said.heard.label == "price"


def test_the_subject_that_is_answered_counts(scene: Scene) -> None:
    assert heard(scene, "'Yes'", subject="Should I back off?").heard.kind == "not_interested"
    assert heard(scene, "'Yes'", subject="Shall we talk?").heard.kind == "interested"


def test_a_kind_that_is_given_wins_and_the_disagreement_is_said(scene: Scene) -> None:
    said = heard(scene, "interested 'Can you try me in March?'")
    assert (said.heard.kind, said.heard.date) == ("interested", date(2027, 3, 1))
    assert said.note == "the reader would make `not_now` of these words"
    said = heard(scene, "question 'Is there a cheaper one?'")
    assert (said.heard.kind, said.heard.label) == ("question", "")
    assert said.note == "the reader would find your label `price` in these words"
    said = heard(scene, "price 'hm'")
    assert (said.heard.kind, said.heard.label) == ("reply", "price")
    assert said.note == "the reader would make `reply` of these words"


def test_a_kind_that_the_reader_finds_as_well_is_no_disagreement(scene: Scene) -> None:
    assert heard(scene, "not_now 'try me in March'").note == ""
    assert heard(scene, "price 'too expensive'").note == ""
    assert heard(scene, "price").heard.label == "price"


def test_a_day_that_is_given_wins(scene: Scene) -> None:
    answer = Answer("article", TWO_DAYS, "try me in March", "not_now", date(2027, 4, 1), "2027-04-01")
    said = hear(scene, answer, WEDNESDAY, "Your quote")
    assert said.heard.date == date(2027, 4, 1)
    assert said.note == "the reader finds 2027-03-01 in these words"


def test_an_absence_is_read_as_their_machine_writes_it(scene: Scene) -> None:
    said = heard(scene, "out_of_office 'back on 4 January'")
    assert (said.heard.kind, said.heard.date, said.note) == ("out_of_office", date(2027, 1, 4), "")
    said = heard(scene, "'I am out of the office until 4 January. For urgent matters write to bob@example.com.'")
    assert said.heard.kind == "out_of_office"
    said = heard(scene, "left_company 'Carla no longer works here.'")
    assert (said.heard.kind, said.note) == ("left_company", "")


@pytest.mark.parametrize(
    ("text", "kind", "note", "ours"),
    [
        ("bounce '550 5.1.1 no such user'", "bounce", "", False),
        ("bounce 'no such user'", "bounce", "", False),
        ("soft_bounce '452 4.2.2 mailbox full'", "soft_bounce", "", False),
        ("bounce '452 4.2.2 mailbox full'", "bounce", "the reader would make `soft_bounce` of these words", False),
        ("soft_bounce '550 5.7.1 your IP is listed by spamhaus'", "soft_bounce", "", True),
        ("complaint 'abuse'", "complaint", "", False),
        ("calendar", "calendar", "", False),
    ],
)
def test_notices_of_servers_go_through_the_reader_as_reports(
    scene: Scene, text: str, kind: str, note: str, ours: bool
) -> None:
    said = heard(scene, text)
    assert (said.heard.kind, said.note, said.ours) == (kind, note, ours)


def test_words_that_would_break_a_header_are_words(scene: Scene) -> None:
    answer = Answer("article", TWO_DAYS, "yes\nBcc: eve@example.com\n\n--report\n", "bounce")
    mail = parse_mail(written(scene, answer, WEDNESDAY, "Hello\nBcc: eve@example.com"))
    assert "bcc" not in mail.headers
    assert hear(scene, answer, WEDNESDAY, "").heard.kind == "bounce"
    human = replace(answer, kind="")
    mail = parse_mail(written(scene, human, WEDNESDAY, "Hello\r\nBcc: eve@example.com"))
    assert "bcc" not in mail.headers


def test_what_is_quoted_below_their_words_is_not_read(scene: Scene) -> None:
    answer = Answer("article", TWO_DAYS, "Not for us, thanks.\n\nOn Mon, 28 Dec 2026 Mark wrote:\n> too expensive?")
    said = hear(scene, answer, WEDNESDAY, "Your quote")
    assert (said.heard.kind, said.heard.label) == ("not_interested", "")


def test_what_a_terminal_could_not_decode_is_read_as_well(scene: Scene) -> None:
    answer = Answer("article", TWO_DAYS, "Not interested \udce4 \x00 thanks")
    assert hear(scene, answer, WEDNESDAY, "Gr\udcfc\udcdfe").heard.kind == "not_interested"
