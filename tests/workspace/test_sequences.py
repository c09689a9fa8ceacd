"""Sequence files: what each key means, and the mistakes that one file alone can show."""

from __future__ import annotations

from datetime import time
from itertools import pairwise

import pytest

from sequencer.core.model import (
    BackOff,
    Base,
    Continue,
    Email,
    GoTo,
    MoveTo,
    Pause,
    Reaction,
    Sequence,
    Snooze,
    Span,
    Stop,
    Suppress,
    Task,
    Unit,
)
from sequencer.workspace.sequences import load_sequence_text, version_of
from tests.workspace.folders import REPOSITORY


def sequence_of(text: str, name: str = "plan") -> Sequence:
    sequence, problems = load_sequence_text(name, text)
    assert sequence is not None, [str(problem) for problem in problems]
    return sequence


FULL = """\
about: After a quote.
from: [mark, lena]
hours: Mon-Fri 08:30-17:00
decision_cycle: 32 days
alongside: yes
fields: quote_date
steps:
  - step: first
    email: a
  - step: story
    email: [b, c]
    when: 5 days later
    thread: new
    expires: 5 days
  - {step: call, task: call, note: "Say: hello", when: 3 days later, only_if: contact.phone}
  - {step: aside, go_to: side, only_if: contact.rating == "A"}
  - {step: move, move_to: other, only_if: contact.zip == "007"}
  - {step: the-end, stop: that was it}
branches:
  side:
    - {step: inside, email: d, when: 3 days before decision at 09:30}
back_off: {after: 10 days of silence, email: [e, f], thread: new, then: stop}
labels:
  price: cheaper
  timing: [next year, no, 2027]
on_reply:
  price: {go_to: side}
  interested: pause
  question: {pause: ask the boss}
  not_now: {snooze: until they say, otherwise: 90 days, then: story}
  timing: {snooze: 3 months}
  not_interested: {stop: a clear no}
  wrong_person: {suppress: wrong}
  reply: {snooze: Until they say}
  out_of_office: continue
  any: {move_to: other}
finally: {move_to: other}
"""


def test_every_key_arrives_in_the_core() -> None:
    plan = sequence_of(FULL)
    assert (plan.name, plan.about, plan.mailboxes, plan.alongside) == ("plan", "After a quote.", ("mark", "lena"), True)
    assert plan.hours is not None
    assert plan.decision_cycle == Span(32, Unit.DAYS)
    first, story, call, aside, move, end = plan.steps
    assert (first.do, first.when.base) == (Email(("a",)), Base.NOW)
    assert (story.do, story.when.span, story.expires) == (
        Email(("b", "c"), "new"),
        Span(5, Unit.DAYS),
        Span(5, Unit.DAYS),
    )
    assert call.do == Task("call", "Say: hello")
    assert call.only_if is not None
    assert call.only_if.names == frozenset({"contact.phone"})
    assert (aside.do, aside.when.base) == (GoTo("side"), Base.NOW)
    assert (move.do, end.do) == (MoveTo("other"), Stop("that was it"))
    (inside,) = plan.lines["side"]
    assert (inside.when.base, inside.when.before, inside.when.at) == (Base.DECISION, True, time(9, 30))
    assert plan.back_off is not None
    assert plan.back_off == BackOff(plan.back_off.after, Email(("e", "f"), "new"), Stop())
    assert plan.back_off.after.span == Span(10, Unit.DAYS)
    assert plan.labels == {"price": ("cheaper",), "timing": ("next year", "no", "2027")}
    assert plan.finally_ == MoveTo("other")


@pytest.mark.parametrize(
    ("key", "reaction"),
    [
        ("price", GoTo("side")),
        ("interested", Pause()),
        ("question", Pause("ask the boss")),
        ("not_now", Snooze(until_they_say=True, otherwise=Span(90, Unit.DAYS), then="story")),
        ("timing", Snooze(until_they_say=False, otherwise=Span(3, Unit.MONTHS))),
        ("not_interested", Stop("a clear no")),
        ("wrong_person", Suppress("wrong")),
        ("reply", Snooze(until_they_say=True, otherwise=Span(60, Unit.DAYS))),
        ("out_of_office", Continue()),
        ("any", MoveTo("other")),
    ],
)
def test_every_reaction_arrives_in_the_core(key: str, reaction: Reaction) -> None:
    assert sequence_of(FULL).on_reply[key] == reaction


def step_plan(*lines: str) -> str:
    return "from: mark\nsteps:\n  - step: first\n    email: a\n" + "".join(f"  {line}\n" for line in lines)


@pytest.mark.parametrize(
    ("text", "place", "code", "words"),
    [
        ("", (1, 1), "shape", "empty"),
        ("hello\n", (1, 1), "shape", "keys and values"),
        ("from: mark\nsteps: []\n", (2, 8), "empty", "at least one"),
        ("steps:\n  - {step: a, email: b}\n", (1, 1), "missing-key", "`from`"),
        (step_plan("- step: b", "  emial: c", "  when: 1 day later"), (6, 5), "unknown-key", "did you mean `email`?"),
        (step_plan("- step: b", "  when: 1 day later"), (5, 5), "step-action", "does nothing"),
        (step_plan("- {step: b, email: c, task: call, when: day 2}"), (5, 5), "step-action", "email and task"),
        (step_plan("- {step: b, email: c, note: x, when: day 2}"), (5, 5), "step-action", "`note` belongs"),
        (step_plan("- {step: b, task: c, thread: new, when: day 2}"), (5, 5), "step-action", "`thread` belongs"),
        (step_plan("- {step: b, stop: c, expires: 2 days}"), (5, 5), "step-action", "`expires` belongs"),
        (step_plan("- {step: b, email: c}"), (5, 5), "when-missing", "5 days later"),
        (step_plan("- {step: b, task: call}"), (5, 5), "when-missing", "does not say when"),
        (step_plan("- {step: b, email: c, when: 5 dayz later}"), (5, 31), "when", "did you mean `5 days later`?"),
        (step_plan("- {step: b, email: c, when: day 2, only_if: contact.}"), (5, 47), "condition", ""),
        (step_plan("- {step: b, email: c, when: day 2, expires: soon}"), (5, 47), "span", "soon"),
        (step_plan("- {step: b, email: c, when: day 2, thread: nwe}"), (5, 46), "shape", "'reply' or 'new'"),
        (step_plan("- {step: first, stop: x}"), (5, 12), "duplicate-step", "line 3"),
        (step_plan("- {step: back_off, stop: x}"), (5, 12), "step-id", "back-off"),
        (step_plan("- {step: Nine Word, stop: x}"), (5, 12), "step-id", "nine-word"),
        (step_plan(f"- {{step: {'a' * 41}, stop: x}}"), (5, 12), "step-id", "40"),
        (step_plan("-"), (5, 4), "empty", "dash"),
        (step_plan() + "hours:\n", (5, 1), "empty", "`hours` has no value"),
        (step_plan() + "hours: Mon-Fir 8-12\n", (5, 8), "hours", "Fri"),
        (step_plan() + "alongside: perhaps\n", (5, 12), "shape", "true or false"),
        (step_plan() + "about: {a: b}\n", (5, 8), "shape", "expected a text"),
        (step_plan() + "repeat: {every: 3 weeks}\n", (5, 1), "repeat", "not supported yet"),
        ("from: mark\nrepeat: {every: 3 weeks}\n", (2, 1), "repeat", "steps"),
        (step_plan() + "branches: {x: []}\n", (5, 12), "empty", "no steps"),
        (step_plan() + "branches: {steps: [{step: b, stop: }]}\n", (5, 12), "branch-name", "steps"),
        (step_plan() + "branches: {first: [{step: b, stop: }]}\n", (5, 12), "branch-name", "rename"),
        (step_plan() + "branches: {x: [{step: b, email: c}, {step: d, email: e}]}\n", (5, 37), "when-missing", ""),
        (step_plan() + "back_off: {email: x}\n", (5, 11), "missing-key", "silence"),
        (step_plan() + "back_off: {after: 3 days before decision, email: x}\n", (5, 19), "when", "10 days of silence"),
        (step_plan() + "back_off: {after: soon, email: x}\n", (5, 19), "when", "10 days of silence"),
        (step_plan() + "finally: stopp\n", (5, 10), "word", "did you mean `stop`?"),
        (step_plan() + "finally: {stop: x, move_to: y}\n", (5, 10), "ending", "either"),
        (step_plan() + "labels: {reply: x}\n", (5, 10), "label-name", "built-in"),
        (step_plan() + "labels: {any: x}\n", (5, 10), "label-name", "built-in"),
        (step_plan() + "labels: {A b: x}\n", (5, 10), "label-name", "a-z"),
        (step_plan() + 'labels: {price: ["[nba]"]}\n', (5, 18), "phrase", "would match any mail"),
        (step_plan() + 'labels: {price: ["(unclosed"]}\n', (5, 18), "phrase", "not closed"),
        (step_plan() + "labels: {price: []}\n", (5, 17), "empty", "price"),
        (step_plan() + "labels: {price: ['']}\n", (5, 18), "empty", "price"),
        (step_plan() + "on_reply: {not-now: pause}\n", (5, 12), "unknown-kind", "did you mean `not_now`?"),
        (
            step_plan() + "on_reply: {pirce: pause}\nlabels: {price: x}\n",
            (5, 12),
            "unknown-kind",
            "did you mean `price`?",
        ),
        (step_plan() + "on_reply: {bounce: continue}\n", (5, 12), "final-kind", "no file can change"),
        (step_plan() + "on_reply: {unsubscribe: pause}\n", (5, 12), "final-kind", "suppress"),
        (step_plan() + "on_reply: {delayed: stop}\n", (5, 12), "notice-kind", "delete"),
        (step_plan() + "on_reply: {any: puase}\n", (5, 17), "word", "did you mean `pause`?"),
        (step_plan() + "on_reply: {any: {}}\n", (5, 17), "reaction", "exactly one"),
        (step_plan() + "on_reply: {any: {stop: x, go_to: first}}\n", (5, 17), "reaction", "stop and go_to"),
        (step_plan() + "on_reply: {any: {pause: x, then: first}}\n", (5, 17), "reaction", "belongs to `snooze`"),
        (step_plan() + "on_reply: {any: {snooze: 3 days, otherwise: 2 days}}\n", (5, 17), "reaction", "until they say"),
        (step_plan() + "on_reply: {any: {snooze: a while}}\n", (5, 26), "span", "until they say"),
    ],
)
def test_a_mistake_is_named_at_its_place(text: str, place: tuple[int, int], code: str, words: str) -> None:
    sequence, problems = load_sequence_text("plan", text)
    assert sequence is None
    assert [(p.code, p.line, p.column) for p in problems] == [(code, *place)], [str(p) for p in problems]
    assert words in f"{problems[0].message} {problems[0].hint}"
    assert problems[0].file == "sequences/plan.yaml"


def test_all_mistakes_are_told_at_once() -> None:
    text = "form: mark\nhours: never\nsteps:\n  - step: A\n    email: x\n  - {step: b, emial: x}\n"
    _, problems = load_sequence_text("plan", text)
    assert sorted(p.line for p in problems) == [1, 1, 2, 4, 6]


def test_going_on_mailing_whoever_answers_is_a_warning() -> None:
    sequence, problems = load_sequence_text("plan", step_plan() + "on_reply: {any: continue}\n")
    assert sequence is not None
    assert [(p.code, p.severity) for p in problems] == [("deaf", "warning")]


def test_a_phrase_in_two_labels_is_a_warning() -> None:
    _, problems = load_sequence_text("plan", step_plan() + "labels: {one: [Too  expensive], two: [x, too expensive]}\n")
    assert [(p.code, p.severity, p.line, p.column) for p in problems] == [("same-phrase", "warning", 5, 33)]


def test_unsubscribe_may_say_what_happens_anyway() -> None:
    assert sequence_of(step_plan() + "on_reply: {unsubscribe: suppress}\n").on_reply == {"unsubscribe": Suppress()}


@pytest.mark.parametrize("written", ["stop:", "stop: true", "stop: yes", "stop: ''"])
def test_a_stop_needs_no_reason(written: str) -> None:
    assert sequence_of(step_plan("- step: b", f"  {written}")).steps[1].do == Stop("")


def test_back_off_takes_a_plain_length() -> None:
    plan = sequence_of(step_plan() + "back_off: {after: 10 days, email: x}\n")
    assert plan.back_off is not None
    assert plan.back_off.after.span == Span(10, Unit.DAYS)


# Versions -----------------------------------------------------------------------------------------

SAME = """\
# A comment
finally:
    move_to: "other"
from: [mark, lena]
about: 'After a quote.'
""" + FULL.split("\n", 2)[2].replace("finally: {move_to: other}\n", "").replace("5 days later", "5  Days later")


def test_comments_order_and_spacing_make_no_new_version() -> None:
    assert sequence_of(FULL).version == sequence_of(SAME).version
    assert len(sequence_of(FULL).version) == 16


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("After a quote.", "After the quote."),
        ("[mark, lena]", "[lena, mark]"),
        ("08:30-17:00", "08:30-17:30"),
        ("32 days", "33 days"),
        ("alongside: yes", "alongside: no"),
        ("email: [b, c]", "email: [c, b]"),
        ("5 days later", "5 business days later"),
        ("thread: new\n    exp", "exp"),
        ("at 09:30", "at 09:31"),
        ("contact.phone", "contact.mobile"),
        ("otherwise: 90 days", "otherwise: 91 days"),
        ("stop: that was it", "stop: that was all"),
        ("next year, no,", "next year, yes,"),
        ("step: inside", "step: within"),
        ("then: stop", "then: {move_to: other}"),
    ],
)
def test_every_change_of_meaning_makes_a_new_version(old: str, new: str) -> None:
    assert FULL.count(old) >= 1
    assert sequence_of(FULL.replace(old, new, 1)).version != sequence_of(FULL).version


def test_the_name_belongs_to_the_version() -> None:
    assert sequence_of(FULL, "one").version != sequence_of(FULL, "two").version


def test_versions_do_not_change_between_releases() -> None:
    assert sequence_of("from: mark\nsteps:\n  - {step: a, email: b}\n").version == PINNED
    assert version_of(sequence_of(FULL)) == sequence_of(FULL).version


PINNED = "af1e170f8e88dff5"


def test_the_sequences_of_the_repository_read_and_differ() -> None:
    versions = [
        sequence_of(path.read_text("utf-8"), path.stem).version
        for path in (REPOSITORY / "sequences").glob("*.yaml")
        if not path.stem.endswith(".test")
    ]
    assert len(versions) >= 5
    assert all(one != two for one, two in pairwise(sorted(versions)))
