"""The example workspace at the top of the repository: it checks clean, and each play reads as promised."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import pytest

from sequencer.core.model import BACK_OFF, Contact, Email, GoTo, MoveTo, Sequence, Snooze, Step, Task, Unit
from sequencer.workspace.calendars import calendar_for
from sequencer.workspace.check import check
from sequencer.workspace.simulate import Assumptions, Row, simulate
from sequencer.workspace.templates import BrokenTemplate, Rendered, pretends_to_answer, render, variables_for
from sequencer.workspace.workspace import Workspace, load

ROOT: Final = Path(__file__).resolve().parents[1]
SECRETS: Final = {"MARK_PASSWORD": "secret"}
MONDAY: Final = date(2027, 3, 1)
ZONE: Final = ZoneInfo("America/Denver")
PLAYS: Final = (
    "after-meeting",
    "quote-follow-up",
    "nine-word",
    "missing-in-action",
    "keep-in-touch",
    "after-sale",
    "ask-the-referrer",
)
PERSON: Final = {
    "first_name": "Anna",
    "last_name": "Berg",
    "phone": "+1 406 555 0101",
    "rating": "A",
    "product": "a 24-foot travel trailer",
    "quote_total": "$38,900",
    "their_promise": "measure the driveway",
    "my_promise": "a price with the longer awning",
    "next_step": "the test drive",
    "referred_name": "Tom Okafor",
}


@pytest.fixture(scope="module")
def workspace() -> Workspace:
    loaded = load(ROOT, SECRETS)
    assert loaded.workspace is not None, loaded.problems
    return loaded.workspace


def _steps(sequence: Sequence) -> list[Step]:
    return [step for line in sequence.lines.values() for step in line]


def _emails(sequence: Sequence) -> list[str]:
    names = [name for step in _steps(sequence) if isinstance(step.do, Email) for name in step.do.variants]
    return [*names, *(sequence.back_off.email.variants if sequence.back_off else ())]


def _tasks(sequence: Sequence) -> list[str]:
    return [step.do.kind for step in sequence.steps if isinstance(step.do, Task)]


def _written(workspace: Workspace, name: str, **fields: str) -> Rendered:
    mailbox = workspace.config.mailboxes["mark"]
    contact = Contact(1, "anna@example.com", {**PERSON, **fields}, "America/Denver", "US")
    variables = variables_for(contact, {}, mailbox, workspace.config.company, unsubscribe="https://example.com/u/1")
    rendered = render(workspace.templates, name, variables)
    assert isinstance(rendered, Rendered), rendered
    return rendered


def _played(workspace: Workspace, name: str, **fields: str) -> tuple[Row, ...]:
    sequence = workspace.sequences[name]
    contact = Contact(1, "anna@example.com", {**PERSON, **fields}, "America/Denver", "US")
    calendar = calendar_for(contact, sequence, workspace.config.mailboxes["mark"])
    start = datetime(2027, 3, 1, 9, 0, tzinfo=ZONE).astimezone(UTC)
    taken = Assumptions(min_gap=workspace.config.contacts.min_gap, spread=workspace.config.spread)
    rows, _ = simulate(sequence, contact, calendar, start, assumptions=taken)
    return rows


def _day(row: Row) -> int:
    return (row.at.astimezone(ZONE).date() - MONDAY).days + 1


def test_the_workspace_checks_clean() -> None:
    assert check(ROOT, SECRETS) == []


def test_the_example_contacts_have_every_field_that_the_plays_use(workspace: Workspace) -> None:
    columns = (ROOT / "contacts.example.csv").read_text("utf-8").splitlines()[0].split(",")
    needed = {field for name in workspace.templates for field in workspace.templates.by_name[name].needs}
    assert needed <= set(columns)
    assert check(ROOT, SECRETS, frozenset(columns) - {"email"}) == []


def test_all_plays_are_there_and_every_template_is_used(workspace: Workspace) -> None:
    assert set(workspace.sequences) == set(PLAYS)
    used = {name for sequence in workspace.sequences.values() for name in _emails(sequence)}
    assert used == set(workspace.templates)


def test_a_missing_password_is_named_with_its_place() -> None:
    problems = check(ROOT, {})
    assert {(p.file, p.code) for p in problems} == {("config.yaml", "secret-missing")}
    assert all("MARK_PASSWORD" in p.message and p.line > 1 for p in problems)


# The mails ----------------------------------------------------------------------------------------


def test_subjects_are_short_and_honest(workspace: Workspace) -> None:
    for name in workspace.templates:
        subject = _written(workspace, name).subject
        assert 0 < len(subject) < 60, name
        assert not pretends_to_answer(subject), name
        assert subject.upper() != subject, name
        assert "!" not in subject, name


def test_every_mail_is_short_personal_and_asks_one_thing(workspace: Workspace) -> None:
    for name in workspace.templates:
        text = _written(workspace, name).text
        body, _, footer = text.partition("\n--\n")
        assert body.startswith("Anna,"), name
        assert body.rstrip().endswith("Mark"), name
        assert len(body.split()) <= 170, name
        assert body.count("?") >= 1, f"{name} gives no reason to answer"
        assert "12 Main St, Kalispell MT 59901" in footer
        assert "unsubscribe" in footer
        assert "https://example.com/u/1" in footer


def test_no_mail_says_what_everybody_says(workspace: Workspace) -> None:
    worn = re.compile(
        r"just check|touch(ing)? base|circle back|follow(ing)? up on|hope (this|you)|reach(ing)? out|"
        r"bump|quick question|per my last|synerg|dear (sir|madam|customer)|click here|act now|limited time",
        re.IGNORECASE,
    )
    for name in workspace.templates:
        written = _written(workspace, name)
        assert not worn.search(f"{written.subject}\n{written.text}"), name


def test_the_nine_word_mail_is_one_question(workspace: Workspace) -> None:
    body = _written(workspace, "nine-word").text.partition("\n--\n")[0]
    assert body == "Anna,\n\nAre you still looking for a 24-foot travel trailer?\n\nMark\n"


def test_the_back_off_asks_by_its_words(workspace: Workspace) -> None:
    written = _written(workspace, "should-i-back-off")
    assert written.subject == "Should I back off?"
    assert "Should I back off?" in written.text


def test_optional_fields_leave_no_gap(workspace: Workspace) -> None:
    for name in workspace.templates:
        text = _written(workspace, name, my_promise="", quote_total="", next_step="").text
        assert not re.search(r" [,.;:]|  |\n\n\n|, *,", text.partition("\n--\n")[0]), name


def test_without_a_public_page_the_footer_offers_the_word_alone(workspace: Workspace) -> None:
    mailbox = workspace.config.mailboxes["mark"]
    contact = Contact(1, "anna@example.com", PERSON)
    variables = variables_for(contact, {}, mailbox, workspace.config.company, unsubscribe="mailto:mark@example.com")
    rendered = render(workspace.templates, "nine-word", variables)
    assert not isinstance(rendered, BrokenTemplate)
    assert isinstance(rendered, Rendered)
    assert "mailto:" not in rendered.text
    assert rendered.text.rstrip().endswith('Answer "unsubscribe" and I will not write again.')


# The plays ----------------------------------------------------------------------------------------


def test_every_play_is_kept_to_working_hours_and_hears_every_answer(workspace: Workspace) -> None:
    for name, sequence in workspace.sequences.items():
        assert sequence.about, name
        assert sequence.hours is not None, name
        assert "any" in sequence.on_reply, name


def test_calls_are_only_asked_for_where_there_is_a_number(workspace: Workspace) -> None:
    for name, sequence in workspace.sequences.items():
        for step in _steps(sequence):
            if isinstance(step.do, Task) and step.do.kind in ("call", "text") and name != "keep-in-touch":
                assert step.only_if is not None, f"{name}: {step.id}"
                assert step.only_if.names == {"contact.phone"}, f"{name}: {step.id}"
                assert step.do.note, f"{name}: {step.id}"


def test_every_play_but_two_ends_in_keep_in_touch(workspace: Workspace) -> None:
    for name, sequence in workspace.sequences.items():
        if name not in ("keep-in-touch", "ask-the-referrer"):
            assert sequence.finally_ == MoveTo("keep-in-touch"), name
            assert sequence.back_off is None or sequence.back_off.then == MoveTo("keep-in-touch"), name


def test_quote_follow_up_has_seven_touches_by_mail_and_phone(workspace: Workspace) -> None:
    sequence = workspace.sequences["quote-follow-up"]
    assert len(sequence.steps) == 7
    assert len([step for step in sequence.steps if isinstance(step.do, Email)]) == 4
    assert _tasks(sequence) == ["call", "text", "call"]
    assert sequence.decision_cycle is not None
    assert (sequence.decision_cycle.amount, sequence.decision_cycle.unit) == (32, Unit.DAYS)
    assert {step.id for step in sequence.steps if "decision" in step.when.text} == {"nine-word", "decision-call"}
    assert any(isinstance(step.do, Email) and len(step.do.variants) == 2 for step in sequence.steps)


def test_quote_follow_up_knows_reasons_for_a_no(workspace: Workspace) -> None:
    sequence = workspace.sequences["quote-follow-up"]
    assert set(sequence.labels) == {"price", "timing", "bought_elsewhere", "someone_else_decides"}
    assert sequence.on_reply["price"] == GoTo("price-objection")
    assert isinstance(sequence.on_reply["timing"], Snooze)
    assert [step.id for step in sequence.lines["price-objection"]] == ["price-answer", "price-call"]
    assert all(len(words) >= 3 for words in sequence.labels.values())


def test_the_plays_that_end_in_silence_ask_whether_to_back_off(workspace: Workspace) -> None:
    asking = {name for name, sequence in workspace.sequences.items() if sequence.back_off is not None}
    assert asking == {"after-meeting", "quote-follow-up", "missing-in-action"}
    for name in asking:
        back_off = workspace.sequences[name].back_off
        assert back_off is not None
        assert back_off.email.variants == ("should-i-back-off",)


def test_missing_in_action_goes_mail_call_text(workspace: Workspace) -> None:
    kinds = [
        step.do.kind if isinstance(step.do, Task) else "email"
        for step in workspace.sequences["missing-in-action"].steps
    ]
    assert kinds == ["email", "call", "text"]


def test_the_plays_for_customers_may_run_beside_another(workspace: Workspace) -> None:
    assert {name for name, sequence in workspace.sequences.items() if sequence.alongside} == {
        "after-sale",
        "ask-the-referrer",
    }


def test_keep_in_touch_sends_nothing_twice_and_says_that_repeat_comes_later(workspace: Workspace) -> None:
    emails = _emails(workspace.sequences["keep-in-touch"])
    assert len(emails) == len(set(emails)) >= 5
    assert all(name.startswith("articles/") for name in emails)
    assert "`repeat:`" in (ROOT / "sequences" / "keep-in-touch.yaml").read_text("utf-8")


def test_nobody_is_touched_more_often_than_every_other_day(workspace: Workspace) -> None:
    for name in PLAYS:
        touches = [row.at for row in _played(workspace, name) if row.action in ("email", "task", "text", BACK_OFF)]
        gaps = [later - earlier for earlier, later in pairwise(touches)]
        assert all(gap > timedelta(days=1, hours=20) for gap in gaps), name


# The page about them ------------------------------------------------------------------------------


def _tables(name: str) -> list[list[str]]:
    """The cells of the rows of a play's first table in docs/plays.md."""
    page = (ROOT / "docs" / "plays.md").read_text("utf-8")
    section = page.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
    assert section, f"{name} is not described"
    table = re.search(r"(?:^\|.*\n)+", section, re.MULTILINE)
    assert table is not None, f"{name} has no time line"
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.group().splitlines()[2:]]
    return [row for row in rows if row[0] != "then"]


def _stated(cell: str) -> int:
    number = re.match(r"\d+", cell)
    return int(number.group()) if number else 0


@pytest.mark.parametrize("name", [name for name in PLAYS if name != "keep-in-touch"])
def test_the_time_line_in_the_docs_is_the_real_one(workspace: Workspace, name: str) -> None:
    told = _tables(name)
    rows = [row for row in _played(workspace, name) if row.action in ("email", "task", "text")]
    assert [_stated(row[0]) for row in told if _stated(row[0])] == [_day(row) for row in rows]
    for cells, row in zip(told, rows, strict=False):
        assert row.action != "email" or row.detail in cells[1], cells
    assert ("silence" in told[-1][0]) is (workspace.sequences[name].back_off is not None)


@pytest.mark.parametrize(("column", "rating"), [(0, "A"), (1, "B")])
def test_the_weeks_of_keep_in_touch_in_the_docs_are_the_real_ones(
    workspace: Workspace, column: int, rating: str
) -> None:
    rows = [row for row in _played(workspace, "keep-in-touch", rating=rating) if row.action in ("email", "task")]
    told = [_stated(cells[column]) for cells in _tables("keep-in-touch") if cells[column]]
    assert told == [(_day(row) - 1) // 7 + 1 for row in rows]
