"""sequences/NAME.test.yaml: what may stand there, and every mistake with its place and the way out."""

from __future__ import annotations

from datetime import date, datetime, time
from pathlib import Path

import pytest

from sequencer.core.model import Span, Unit
from sequencer.core.when import PhraseError
from sequencer.workspace.check_rehearsals import mistakes_in
from sequencer.workspace.expectations import FORMS, Expectation, What, parse_expectation
from sequencer.workspace.rehearsals import Answer, read_rehearsals_text
from sequencer.workspace.source import Problem
from sequencer.workspace.workspace import load
from tests.workspace.folders import ENVIRON, problems_of, write_workspace

PLAN = """\
from: mark
steps:
  - step: hello
    email: hello
  - step: call
    task: call
    when: 3 days later
labels: {price: [too expensive]}
"""
D = date(2026, 12, 28)


# Expectations -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("article", Expectation("", What.TOUCH, "article")),
        ("article on 2026-12-28", Expectation("", What.TOUCH, "article", D, D)),
        ("  Article  ON 2026-12-28   at 9:30 ", Expectation("", What.TOUCH, "article", D, D, time(9, 30))),
        ("back_off between 2026-12-28 and 2027-01-05", Expectation("", What.TOUCH, "back_off", D, date(2027, 1, 5))),
        ("call skipped", Expectation("", What.SKIPPED, "call")),
        ("call skipped on 2026-12-28 because phone", Expectation("", What.SKIPPED, "call", D, D, words="phone")),
        ("call never", Expectation("", What.NEVER, "call")),
        ("nothing before 2026-12-28", Expectation("", What.NOTHING_BEFORE, "", D, D)),
        ("nothing after 2026-12-28", Expectation("", What.NOTHING_AFTER, "", D, D)),
        ("nothing else", Expectation("", What.NOTHING_ELSE)),
        ("nothing", Expectation("", What.NOTHING_ELSE)),
        ("snoozed until 2026-12-28", Expectation("", What.SNOOZED, until=D)),
        ("snoozed on 2026-12-28", Expectation("", What.SNOOZED, "", D, D)),
        ("paused because a question", Expectation("", What.PAUSED, words="a question")),
        ('stopped on 2026-12-28 because "no use"', Expectation("", What.STOPPED, "", D, D, words="no use")),
        ("finished", Expectation("", What.FINISHED)),
        ("moved to Keep-In-Touch on 2026-12-28", Expectation("", What.MOVED, "", D, D, words="Keep-In-Touch")),
        ("held at article because first_name", Expectation("", What.HELD, "article", words="first_name")),
        ("waits for call", Expectation("", What.WAITS, "call")),
        ("read as not_now", Expectation("", What.READ, words="not_now")),
        ('article says "on 2026-12-28, never"', Expectation("", What.SAYS, "article", words="on 2026-12-28, never")),
        ("article says “Hello”", Expectation("", What.SAYS, "article", words="Hello")),
        ("article never says 'Hi ,'", Expectation("", What.SAYS_NOT, "article", words="Hi ,")),
        ("article subject Your quote", Expectation("", What.SUBJECT, "article", words="Your quote")),
    ],
)
def test_every_form_is_read(text: str, expected: Expectation) -> None:
    read = parse_expectation(text)
    assert read.text == " ".join(text.split())
    assert parse_expectation(text) == Expectation(read.text, *[getattr(expected, n) for n in expected.__slots__[1:]])


def test_every_form_that_is_listed_can_be_written() -> None:
    for form in FORMS:
        text = form.replace("[", "").replace("]", "").replace("DATE", "2026-12-28").replace("HH:MM", "09:30")
        for name, word in (("STEP", "call"), ("WORDS", "x"), ("KIND", "not_now"), ("SEQUENCE", "keep")):
            text = text.replace(name, word)
        parse_expectation(text)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("article sent on 2026-12-28", "did you mean `article on 2026-12-28`?"),
        ("article leaves", "did you mean `article`?"),
        ("snozed until 2027-03-01", "did you mean `snoozed until 2027-03-01`?"),
        ("is paused", "did you mean `paused`?"),
        ("no call", "did you mean `call never`?"),
        ("call not sent", "did you mean `call never`?"),
        ("move_to keep-in-touch", "did you mean `moved to keep-in-touch`?"),
        ('article contains "x"', 'did you mean `article says "x"`?'),
        ("article by 2026-12-28", "did you mean `article between DATE and 2026-12-28`?"),
        ("article on 28.12.2026", "write the day as in 2026-12-21"),
        ("article on 2026-12-28 at noon", "write it as in 09:30"),
        ("article between 2026-12-28 and 2026-12-01", "write the earlier day first"),
        ("what will be will be", "docs/rehearsing.md has all the forms"),
        ("", "docs/rehearsing.md has all the forms"),
    ],
)
def test_what_is_no_expectation_has_a_way_out(text: str, hint: str) -> None:
    with pytest.raises(PhraseError) as caught:
        parse_expectation(text)
    assert hint in caught.value.hint


# Files --------------------------------------------------------------------------------------------

WHOLE = """\
- name: everything
  contact: {email: carla@example.com, timezone: America/Denver, first_name: Carla}
  without: [phone, rating]
  mailbox: mark
  start: 2026-12-18 10:00
  set: {product: a tent}
  reply:
    - {after: hello, in: 2 days, says: "Can you try me in March?"}
    - {after: call, in: 3 hours, kind: not_now, date: 2027-03-01}
  tasks: {call: 2 days}
  expect:
    - hello
    - nothing before 2026-12-19
- start: 2026-12-18
  tasks: never
  reply: {after: hello, in: 1 business day, kind: price}
  expect: paused
"""


def test_a_file_is_read_with_all_that_may_stand_in_it() -> None:
    draft, problems = read_rehearsals_text("plan", WHOLE, "sequences/plan.test.yaml")
    assert problems == []
    one, two = draft.rehearsals
    assert (one.name, one.mailbox, one.without) == ("everything", "mark", ("phone", "rating"))
    assert one.contact == {"email": "carla@example.com", "timezone": "America/Denver", "first_name": "Carla"}
    assert one.start == datetime(2026, 12, 18, 10, 0)  # noqa: DTZ001 (in the contact's zone)
    assert one.fields == {"product": "a tent"}
    assert one.answers == (
        Answer("hello", Span(2, Unit.DAYS), "Can you try me in March?"),
        Answer("call", Span(3, Unit.HOURS), "", "not_now", date(2027, 3, 1), "2027-03-01"),
    )
    assert one.tasks == {"call": Span(2, Unit.DAYS)}
    assert (two.start.hour, two.tasks, len(two.answers), len(two.expect)) == (9, {"": None}, 1, 1)
    assert (draft.place(two).line, draft.place(one, "expect", 1).line) == (14, 13)


def told(text: str, name: str = "plan") -> list[str]:
    """What `check` says of such a file beside the sequence `plan`: line:column and the message with its hint."""
    draft, problems = read_rehearsals_text(name, text, f"sequences/{name}.test.yaml")
    from sequencer.workspace.sequences import load_sequence_text

    plan, _ = load_sequence_text("plan", PLAN)
    problems += mistakes_in(draft, {"plan": plan, "keep": None}, frozenset({"mark"}))
    return [f"{one.line}:{one.column} {one.message} ({one.hint})" for one in sorted(problems, key=lambda p: p.line)]


CASE = "- start: 2026-12-18\n  expect: hello\n"


@pytest.mark.parametrize(
    ("text", "mistakes"),
    [
        ("", ["1:1 the file is empty"]),
        ("contact: x\n", ["1:1 expected a list of rehearsals"]),
        ("- expect: hello\n", ["1:3 the key `start` is missing"]),
        ("- start: soon\n  expect: hello\n", ["1:10 `soon` is no day (write it as in 2026-12-18, or"]),
        ("- start: 9999-12-31\n  expect: hello\n", ["1:10 the year 9999 is too far away"]),
        ("- start: 2026-12-18\n", ["1:3 the key `expect` is missing"]),
        (f"{CASE}  expct: hello\n", ["3:3 there is no key `expct` here (did you mean `expect`?)"]),
        (f"{CASE}  mailbox: marc\n", ["3:12 there is no mailbox `marc` in config.yaml (did you mean `mark`?)"]),
        (f"{CASE}  contact: {{timezone: America/Dnver}}\n", ["3:23 there is no time zone", "America/Denver"]),
        (f"{CASE}  contact: {{email: carla}}\n", ["3:20 `carla` is no e-mail address"]),
        (f"{CASE}  contact: {{holidays: XX}}\n", ["3:23 there are no holidays for `XX`"]),
        (f"{CASE}  contact: {{language: german}}\n", ["3:23 `german` is no language"]),
        (f"{CASE}  contact: {{phone: '1'}}\n  without: phone\n", ["4:12 `phone` is given and taken away"]),
        (f"{CASE}  reply: {{after: hallo, in: 1 day, kind: reply}}\n", ["3:18 plan has no touch `hallo`", "`hello`"]),
        (f"{CASE}  reply: {{after: hello, in: 1 moon, kind: reply}}\n", ["3:29 `moon` is not a unit of time"]),
        (f"{CASE}  reply: {{after: hello, in: 1 day}}\n", ["3:10 an answer needs words or a kind"]),
        (f"{CASE}  reply: {{after: hello, in: 1 day, kind: prise}}\n", ["3:42 `prise` is neither", "`price`"]),
        (f"{CASE}  reply:\n    - {{after: hello, in: 1 day, kind: out_of_ofice}}\n", ["4:39 ", "`out_of_office`"]),
        (f"{CASE}  tasks: {{cal: 1 day}}\n", ["3:11 plan has no task `cal` (did you mean `call`?)"]),
        (f"{CASE}  tasks: {{hello: 1 day}}\n", ["3:11 plan has no task `hello`"]),
        (f"{CASE}  tasks: soon\n", ["3:10 ", "`never`"]),
        ("- start: 2026-12-18\n  expect:\n    - helo on 2026-12-18\n", ["3:7 plan has no touch `helo`", "`hello`"]),
        ("- start: 2026-12-18\n  expect:\n    - pausd\n", ["3:7 plan has no touch `pausd` (did you mean `paused`?)"]),
        ("- start: 2026-12-18\n  expect:\n    - call subject x\n", ["3:7 plan has no e-mail `call`"]),
        ("- start: 2026-12-18\n  expect:\n    - waits for hello\n", ["3:7 plan has no task `hello`"]),
        ("- start: 2026-12-18\n  expect:\n    - back_off\n", ["3:7 plan has no touch `back_off`"]),
        ("- start: 2026-12-18\n  expect:\n    - moved to kep\n", ["3:7 there is no sequence `kep`", "`keep`"]),
        ("- start: 2026-12-18\n  expect:\n    - read as nix\n", ["3:7 `nix` is neither a kind"]),
        ('- start: 2026-12-18\n  expect:\n    - hello says "a: b"\n', ["3:7 expected one line of text", "quotes"]),
        ("- start: 2026-12-18\n  expect: []\n", ["2:11 `expect` is empty"]),
        ("- start: 2026-12-18\n  expect: [\n", ["", ""]),
    ],
)
def test_every_mistake_has_its_place_and_a_way_out(text: str, mistakes: list[str]) -> None:
    found = told(text)
    assert len(found) == 1, found
    assert found[0].startswith(mistakes[0])
    assert all(part in found[0] for part in mistakes)
    assert not found[0].endswith("()"), "no way out is told"


def test_several_mistakes_are_told_at_once() -> None:
    text = "- expect:\n    - helo on 2026-12-18\n    - snozed\n    - moved to kep\n- 3\n"
    assert [line.partition(" ")[0] for line in told(text)] == ["1:3", "2:7", "3:7", "4:7", "5:3"]


def test_a_file_without_its_sequence_says_so() -> None:
    assert told(CASE, "plam") == ["0:0 there is no sequence `plam` to rehearse (did you mean `plan`?)"]


def test_check_tells_of_them_and_the_workspace_stays_usable(tmp_path: Path) -> None:
    folder = write_workspace(tmp_path, sequences={"plan": PLAN, "plan.test": "- start: soon\n", "other.test": CASE})
    errors = [one for one in problems_of(folder) if one.severity == "error"]
    assert {(one.file, one.line) for one in errors} == {
        ("sequences/other.test.yaml", 0),
        ("sequences/plan.test.yaml", 1),
    }
    loaded = load(folder, ENVIRON)
    assert loaded.workspace is not None
    assert set(loaded.workspace.sequences) == {"plan"}


def test_what_is_no_text_is_a_mistake_like_any_other(tmp_path: Path) -> None:
    folder = write_workspace(tmp_path, sequences={"plan": PLAN})
    (folder / "sequences" / "plan.test.yaml").write_bytes(b"- start: \xff\n")
    (folder / "sequences" / ".plan.test.yaml").write_text("hidden", "utf-8")
    (problem,) = [one for one in problems_of(folder) if ".test.yaml" in one.file]
    assert isinstance(problem, Problem)
    assert (problem.code, problem.line) == ("not-utf-8", 1)
