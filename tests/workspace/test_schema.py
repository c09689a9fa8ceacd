"""The schemas for editors: every key is explained, what `check` accepts is accepted, mistakes of form are marked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator, Draft202012Validator

from sequencer.core.condition import CONDITION_FORMS, parse_condition
from sequencer.core.hours import parse_hours
from sequencer.core.when import NUMBER_WORDS, UNIT_WORDS, WEEKDAY_WORDS, PhraseError, parse_span, parse_when
from sequencer.workspace import editor_forms
from sequencer.workspace.check import check
from sequencer.workspace.config import read_config
from sequencer.workspace.schema import (
    SCHEMAS,
    config_schema,
    rehearsals_schema,
    schema_files,
    schema_text,
    sequence_schema,
    write_schemas,
)
from sequencer.workspace.schema_rules import REACTION_REF
from sequencer.workspace.sequences import load_sequence_text
from sequencer.workspace.starter import starter_files, write_starter
from tests.workspace.editor import as_an_editor_reads, marks
from tests.workspace.folders import CONFIG, ENVIRON, PLAN, REPOSITORY, codes, problems_of, write_workspace

SEQUENCE, CONFIGURATION = sequence_schema(), config_schema()


# Every key is explained ---------------------------------------------------------------------------


def keys_of(schema: Any, route: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every key that a file may have, however deep, with what the schema says of it; rules between keys are no keys."""
    if not isinstance(schema, dict):
        return
    for name, each in schema.get("properties", {}).items():
        if isinstance(each, dict):
            yield f"{route}.{name}", each
            yield from keys_of(each, f"{route}.{name}")
    for part in ("additionalProperties", "items"):
        if isinstance(schema.get(part), dict):
            if part == "additionalProperties":
                yield f"{route}.*", schema[part]
            yield from keys_of(schema[part], f"{route}.*")
    for choice in schema.get("anyOf", []):
        yield from keys_of(choice, route)


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_key_at_every_depth_has_its_meaning_and_an_example(name: str) -> None:
    schema = SCHEMAS[name]()
    Draft202012Validator.check_schema(schema)
    Draft7Validator.check_schema(schema)
    found = dict(keys_of(schema))
    assert len(found) > (20 if name == "test" else 50)
    without = {route for route, each in found.items() if not each.get("description") or not each.get("examples")}
    assert without == set()
    assert {route for route, each in found.items() if len(each["description"]) < 16} == set()


def without_references(part: Any, schema: dict[str, Any]) -> Any:
    """A part of a schema that can be used alone."""
    if isinstance(part, list):
        return [without_references(item, schema) for item in part]
    if not isinstance(part, dict):
        return part
    if part.get("$ref") == REACTION_REF:
        return without_references(schema["properties"]["on_reply"]["additionalProperties"], schema)
    return {key: without_references(value, schema) for key, value in part.items()}


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_example_is_right(name: str) -> None:
    schema = SCHEMAS[name]()
    for route, each in keys_of(schema):
        for example in each["examples"]:
            assert marks(without_references(each, schema), example) == [], route


def test_every_key_of_the_models_is_there() -> None:
    found = dict(keys_of(SEQUENCE))
    assert {".steps.*.when", ".branches.*.*.only_if", ".on_reply.not_now", ".back_off.then.move_to"} <= set(found)
    assert ".mailboxes.*.limits.ramp_up" in dict(keys_of(CONFIGURATION))


# What is right is accepted ------------------------------------------------------------------------


def test_every_shipped_sequence_and_config_is_accepted() -> None:
    sequences = [p for p in (REPOSITORY / "sequences").glob("*.yaml") if not p.stem.endswith(".test")]
    assert len(sequences) >= 7
    for path in sequences:
        assert marks(SEQUENCE, as_an_editor_reads(path.read_text("utf-8"))) == [], path.name
    for text in ((REPOSITORY / "config.yaml").read_text("utf-8"), CONFIG):
        assert marks(CONFIGURATION, as_an_editor_reads(text)) == []


def test_rehearsals_are_accepted_and_their_mistakes_marked() -> None:
    schema = rehearsals_schema()
    files = list((REPOSITORY / "sequences").glob("*.test.yaml"))
    assert len(files) >= 7
    for path in files:
        assert marks(schema, as_an_editor_reads(path.read_text("utf-8"))) == [], path.name
    alone = "- start: 2026-12-18\n  expect: paused\n  tasks: never\n  reply: {after: x, in: 2 days, says: 1984}\n"
    assert marks(schema, as_an_editor_reads(alone)) == []
    for wrong in ("expct: paused", "reply: {after: x, in: 2 moons, says: x}", "reply: {in: 2 days}", "expect: {a: b}"):
        assert marks(schema, as_an_editor_reads(f"- start: 2026-12-18\n  expect: paused\n  {wrong}\n")) != [], wrong


TYPED = """\
about: 2026
from: 1984
hours: daily 9-17
decision_cycle: 3 months
alongside: true
fields: [2026-12-01, no, 7, true]
steps:
  - {step: 1, email: 7, when: Immediately}
  - {step: 2024, task: no, note: true, when: "5 Days, later at 9:30 PM.", only_if: true, expires: a week}
  - {step: on, email: [yes, 08:30], when: on Tuesday at 08:30, thread: new}
  - {step: x-1, go_to: 5, only_if: 'not contact.phone or contact.name == "A && B"'}
  - {step: off, stop: , only_if: contact.amount >= 5000}
  - {step: away, stop: true}
branches:
  5: [{step: off-2, move_to: 12, when: 2 weeks before the renewal_date}]
back_off: {after: 10 days, email: 7, then: {stop: }}
labels: {no: no, yes: [1, true, 2026-01-01]}
on_reply: {no: pause, yes: {continue: 1}, any: {snooze: Until they say, otherwise: 60 d}, unsubscribe: suppress}
finally: stop
"""
TYPED_CONFIG = """\
database: sqlite:///x.db
company: {name: 1984, address: 12}
contacts: {timezone: UTC, holidays: no, language: no, min_gap: OFF}
mailboxes:
  7:
    from: Mark <m@a.example>
    provider: Gmail
    password: file:1234
    username: 12
    smtp: {port: "465", host: 127.0.0.1, tls: none}
    imap: {port: 993, sent: off, folders: 7}
    hours: Mon-Thu 9am to 5 p.m.; Sat 10-12
    limits: {per_hour: "20", per_day: Off, gap: 90-240s, ramp_up: 10 per day}
    away: [20261224, 2026-12-24..2027-01-02]
    fills_sent: Yes
  lena: {from: Lena <l@a.example>, provider: fastmail, password: "${X}", limits: off, away: []}
spread: 30 min
notify: off
breakers: {bounces: "5 %, and at least 5", complaints: off, window: 7d, refusals: 3 times, tell_when_held: 4 h}
web: {listen: "127.0.0.1:8025"}
reader: {endpoint: http://127.0.0.1/v1, model: 4, timeout: 9.5 s}
apply: manual
"""


def test_values_that_yaml_1_2_takes_for_numbers_and_truth_are_texts_where_texts_stand() -> None:
    sequence, problems = load_sequence_text("plan", TYPED)
    assert sequence is not None, [str(problem) for problem in problems]
    assert marks(SEQUENCE, as_an_editor_reads(TYPED)) == []


def test_the_same_for_the_config(tmp_path: Path) -> None:
    (tmp_path / "1234").write_text("secret\n")
    _, config, problems = read_config(TYPED_CONFIG, tmp_path, {"X": "secret"})
    assert config is not None, [str(problem) for problem in problems]
    assert marks(CONFIGURATION, as_an_editor_reads(TYPED_CONFIG)) == []


ANY_CASE = st.sampled_from([str.lower, str.upper, str.capitalize])
SPACES = st.sampled_from([" ", "  ", ", ", "\t"])


@st.composite
def phrases(draw: st.DrawFn) -> str:
    """Something like a time phrase, often one that can be understood."""

    def word(*several: str) -> str:
        return draw(ANY_CASE)(draw(st.sampled_from(several)))

    amount = draw(st.integers(0, 400).map(str)) if draw(st.booleans()) else word(*NUMBER_WORDS)
    span = f"{amount}{draw(SPACES)}{word(*UNIT_WORDS)}"
    tail = word("later", "of silence", "silence", "before decision", "after the decision", "before renewal_date", "")
    base = draw(st.sampled_from([f"{span}{draw(SPACES)}{tail}", word("immediately"), f"day {amount}", span, ""]))
    suffixes = draw(
        st.lists(st.sampled_from(["at 09:30", "at 9 am", "AT 9:30p.m.", f"on {word(*WEEKDAY_WORDS)}"]), max_size=2)
    )
    return draw(SPACES).join([part for part in (base, *suffixes) if part]) + draw(st.sampled_from(["", ".", " "]))


@settings(max_examples=400, deadline=None)
@given(phrases())
def test_what_the_parser_of_phrases_accepts_the_schema_accepts(phrase: str) -> None:
    for parse, form in ((parse_when, editor_forms.WHEN), (parse_span, editor_forms.SPAN)):
        try:
            parse(phrase)
        except PhraseError:
            continue
        assert marks(form, phrase) == []


@pytest.mark.parametrize("form", CONDITION_FORMS)
def test_every_form_of_a_condition_is_accepted(form: str) -> None:
    parse_condition(form)
    assert marks(editor_forms.CONDITION, form) == []


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                "Mon-Fri",
                "sat",
                "Tues, Thurs",
                "daily",
                "every day",
                "08:30-17:00",
                "9am-5 p.m.",
                "9 to 17",
                "weekdays",
                "and",
                ";",
                "10:00–24:00",
                "Fri until Mon",
            ]
        ),
        min_size=1,
        max_size=6,
    )
)
def test_hours_that_the_parser_accepts_the_schema_accepts(parts: list[str]) -> None:
    text = " ".join(parts)
    try:
        parse_hours(text)
    except PhraseError:
        return
    assert marks(editor_forms.HOURS, text) == []


# What is wrong is marked --------------------------------------------------------------------------

STEPS = "from: mark\nsteps:\n  - {step: a, email: x}\n"
MISTAKES = [  # a sequence with one mistake, and where it is marked
    ("steps:\n  - {step: a, email: x}\n", ""),
    ("from: mark\n", ""),
    ("from: mark\nsteps: []\n", "steps"),
    (STEPS + "form: mark\n", ""),
    (STEPS + "about: [x]\n", "about"),
    (STEPS + "about:\n", "about"),
    (STEPS + "hours: 08:30-17:00\n", "hours"),
    (STEPS + "hours: Mno-Fri 08:30-17:00\n", "hours"),
    (STEPS + "hours: Mon-Fri\n", "hours"),
    (STEPS + "decision_cycle: 32\n", "decision_cycle"),
    (STEPS + "decision_cycle: a while\n", "decision_cycle"),
    (STEPS + "alongside: perhaps\n", "alongside"),
    (STEPS + "from: []\n".replace("from", "fields"), "fields"),
    (STEPS + "  - {step: b, email: x, when: 5 dyas later}\n", "steps.1.when"),
    (STEPS + "  - {step: b, email: x, when: tomorrow}\n", "steps.1.when"),
    (STEPS + "  - {step: b, email: x, when: 5}\n", "steps.1.when"),
    (STEPS + "  - {step: b, email: x, wen: 5 days later}\n", "steps.1"),
    (STEPS + "  - {step: b, email: x, task: call}\n", "steps.1.task"),
    (STEPS + "  - {step: b, when: day 3}\n", "steps.1"),
    (STEPS + "  - {step: b, email: x, note: y, when: day 3}\n", "steps.1.note"),
    (STEPS + "  - {step: b, task: x, thread: new, when: day 3}\n", "steps.1.thread"),
    (STEPS + "  - {step: b, go_to: a, expires: 5 days}\n", "steps.1.expires"),
    (STEPS + "  - {step: b, email: x, thread: other, when: day 3}\n", "steps.1.thread"),
    (STEPS + "  - {step: b, email: x, expires: soon, when: day 3}\n", "steps.1.expires"),
    (STEPS + "  - {step: b, email: x, only_if: contact.a = 5, when: day 3}\n", "steps.1.only_if"),
    (STEPS + "  - {step: b, email: x, only_if: contact.a && contact.b, when: day 3}\n", "steps.1.only_if"),
    (STEPS + "  - {step: B c, email: x, when: day 3}\n", "steps.1.step"),
    (STEPS + "  - {email: x, when: day 3}\n", "steps.1"),
    (STEPS + "  - {step: b, email: [], when: day 3}\n", "steps.1.email"),
    (STEPS + "  -\n", "steps.1"),
    (STEPS + "branches: {A B: [{step: b, email: x}]}\n", "branches"),
    (STEPS + "branches: {side: [{step: b, emial: x}]}\n", "branches.side.0"),
    (STEPS + "back_off: {email: x}\n", "back_off"),
    (STEPS + "back_off: {after: a while, email: x}\n", "back_off.after"),
    (STEPS + "back_off: {after: 9 days, email: x, then: halt}\n", "back_off.then"),
    (STEPS + "labels: {price: []}\n", "labels.price"),
    (STEPS + "on_reply: {any: puse}\n", "on_reply.any"),
    (STEPS + "on_reply: {any: {pause: x, stop: y}}\n", "on_reply.any.stop"),
    (STEPS + "on_reply: {any: {snooze: 9 days, otherwise: 60 days}}\n", "on_reply.any.otherwise"),
    (STEPS + "on_reply: {any: {pause: x, then: a}}\n", "on_reply.any.then"),
    (STEPS + "on_reply: {any: {snooze: sometime}}\n", "on_reply.any.snooze"),
    (STEPS + "on_reply: {bounce: pause}\n", "on_reply.bounce"),
    (STEPS + "on_reply: {delayed: pause}\n", "on_reply.delayed"),
    (STEPS + "on_reply: {unsubscribe: pause}\n", "on_reply.unsubscribe"),
    (STEPS + "finally: {}\n", "finally"),
    (STEPS + "finally: {stop: x, move_to: y}\n", "finally.stop"),
    (STEPS + "finally: end\n", "finally"),
]  # fmt: skip


def deepest(schema: dict[str, Any], data: Any) -> set[str]:
    """Every place that is marked, also inside the alternatives that fit best."""
    places: set[str] = set()
    open_ = list(Draft7Validator(schema).iter_errors(data))
    while open_:
        error = open_.pop()
        places.add(".".join(map(str, error.absolute_path)))
        open_ += error.context or []
    return places


@pytest.mark.parametrize(("text", "place"), MISTAKES)
def test_a_mistake_of_form_is_marked_where_check_finds_it(text: str, place: str) -> None:
    sequence, problems = load_sequence_text("plan", text)
    assert sequence is None
    assert problems
    assert {place, place.rpartition(".")[0]} & deepest(SEQUENCE, as_an_editor_reads(text))


CONFIG_MISTAKES = [
    ("address: \"12 Main St, Kalispell MT 59901\"", "adress: x", "company"),
    ("holidays: US", "holidys: US", "contacts"),
    ("holidays: US", "holidays: [US]", "contacts.holidays"),
    ("holidays: US", "min_gap: 2", "contacts.min_gap"),
    ("Mark Riffey <mark@flatheadrv.example>", "mark@flatheadrv.example", "mailboxes.mark.from"),
    ("host: imap.flatheadrv.example,", "host: imap.flatheadrv.example, port: 99999,", "mailboxes.mark.imap.port"),
    ("host: imap.flatheadrv.example,", "host: imap.flatheadrv.example, tls: ssl,", "mailboxes.mark.imap.tls"),
    ("hours: Mon-Fri 08:30-17:00", "hours: always", "mailboxes.mark.hours"),
    ("hours: Mon-Fri 08:30-17:00", "limits: {per_day: 0}", "mailboxes.mark.limits.per_day"),
    ("hours: Mon-Fri 08:30-17:00", "limits: {gap: 90}", "mailboxes.mark.limits.gap"),
    ("hours: Mon-Fri 08:30-17:00", "limits: {ramp_up: 10/week}", "mailboxes.mark.limits.ramp_up"),
    ("hours: Mon-Fri 08:30-17:00", "limits: none", "mailboxes.mark.limits"),
    ("hours: Mon-Fri 08:30-17:00", "away: [Christmas]", "mailboxes.mark.away.0"),
    ("hours: Mon-Fri 08:30-17:00", "provider: gogglemail", "mailboxes.mark.provider"),
    ("hours: Mon-Fri 08:30-17:00", "password: hunter2", "mailboxes.mark.password"),
    ("hours: Mon-Fri 08:30-17:00\n", "hours: Mon-Fri 08:30-17:00\nspread: wide\n", "spread"),
    ("hours: Mon-Fri 08:30-17:00\n", "hours: Mon-Fri 08:30-17:00\nbreakers: {bounces: 5}\n", "breakers.bounces"),
    ("hours: Mon-Fri 08:30-17:00\n", "hours: Mon-Fri 08:30-17:00\nweb: {listen: 8025}\n", "web.listen"),
    ("hours: Mon-Fri 08:30-17:00\n", "hours: daily 9-17\nreader: {endpoint: x, model: y}\n", "reader.endpoint"),
    ("hours: Mon-Fri 08:30-17:00\n", "hours: Mon-Fri 08:30-17:00\napply: later\n", "apply"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "place"), CONFIG_MISTAKES)
def test_a_mistake_of_form_in_the_config_is_marked(old: str, new: str, place: str) -> None:
    assert CONFIG.count(old) == 1
    text = CONFIG.replace(old, new)
    assert read_config(text, Path("/nowhere"), ENVIRON)[1] is None
    assert {place, place.rpartition(".")[0]} & deepest(CONFIGURATION, as_an_editor_reads(text))


# The files ----------------------------------------------------------------------------------------


def test_the_schemas_in_the_repository_are_up_to_date() -> None:
    """If not: `python tools/refresh.py`."""
    for path, text in schema_files().items():
        assert (REPOSITORY / path).read_text("utf-8") == text, path
        assert json.loads(text)["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema_text() == schema_text("sequence")


def modeline_of(path: Path) -> Path | None:
    """Where the first line of a file points the editor."""
    first = path.read_text("utf-8").splitlines()[0]
    _, found, target = first.partition("# yaml-language-server: $schema=")
    return (path.parent / target).resolve() if found else None


def test_the_first_line_of_every_starter_file_leads_to_its_schema(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    write_starter(folder)
    for root in (folder, REPOSITORY):
        for path in starter_files(root):
            if path.suffix == ".yaml" and not path.stem.endswith(".test"):
                name = "config" if path.name == "config.yaml" else "sequence"
                assert modeline_of(root / path) == (root / "docs" / f"{name}.schema.json").resolve(), path
                assert (root / "docs" / f"{name}.schema.json").is_file()


def test_schemas_of_another_version_are_told_and_brought_up_to_date(tmp_path: Path) -> None:
    folder = write_workspace(tmp_path)
    assert problems_of(folder) == [], "a workspace without schemas needs none"
    assert write_schemas(folder) == list(schema_files())
    assert write_schemas(folder) == []
    assert check(folder, ENVIRON) == []
    (folder / "docs" / "config.schema.json").write_text("{}", "utf-8")
    (folder / "docs" / "sequence.schema.json").write_bytes(b"\xff")
    (problem, other) = problems_of(folder)
    assert (problem.code, problem.severity, problem.file) == ("schema-outdated", "warning", "docs/config.schema.json")
    assert "sequencer schema --write" in problem.hint
    assert other.file == "docs/sequence.schema.json"
    assert write_schemas(folder) == [Path("docs/sequence.schema.json"), Path("docs/config.schema.json")]
    assert codes(problems_of(write_workspace(tmp_path, sequences={"plan": PLAN}))) == []
