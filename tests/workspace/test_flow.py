"""Where plans lead: unreachable steps, and loops that would turn on the spot."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.workspace.folders import HELLO, codes, problems_of, write_workspace

HEAD = "from: mark\nsteps:\n"


def found(folder: Path, **sequences: str) -> list[tuple[str, int, str]]:
    problems = problems_of(write_workspace(folder, sequences=sequences, templates={"hello": HELLO}))
    assert all(p.file.startswith("sequences/") or p.code == "unused-template" for p in problems)
    return [
        (p.file.removeprefix("sequences/").removesuffix(".yaml"), p.line, p.code)
        for p in problems
        if p.code != "unused-template"
    ]


def plan(*steps: str, tail: str = "") -> str:
    return HEAD + "".join(f"  - {{{step}}}\n" for step in steps) + tail


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # after a decision that always leads elsewhere
        (plan("step: a, stop: x", "step: b, task: call, when: day 2"), [(4, "unreachable")]),
        (
            plan("step: a, move_to: p", "step: b, task: call, when: day 2", "step: c, stop: "),
            [(3, "loop-without-wait"), (4, "unreachable")],
        ),
        (plan("step: a, stop: x, only_if: contact.phone", "step: b, task: call, when: day 2"), []),
        (plan("step: a, go_to: c", "step: b, task: call, when: day 2", "step: c, stop: "), [(4, "unreachable")]),
        # a branch comes back, unless it ends elsewhere
        (plan("step: a, go_to: side", "step: b, stop: ", tail="branches: {side: [{step: s, task: card}]}\n"), []),
        (
            plan("step: a, go_to: side", "step: b, stop: ", tail="branches: {side: [{step: s, stop: }]}\n"),
            [(4, "unreachable")],
        ),
        (
            plan(
                "step: a, go_to: one",
                "step: b, stop: ",
                tail="branches:\n  one: [{step: s, go_to: two}, {step: t, stop: }]\n  two: [{step: u, stop: }]\n",
            ),
            [(4, "unreachable"), (6, "unreachable")],
        ),
        (
            plan(
                "step: a, go_to: one",
                "step: b, stop: ",
                tail="branches:\n  one: [{step: s, go_to: two}]\n  two: [{step: u, task: card}]\n",
            ),
            [],
        ),
        # a branch that nobody goes to
        (plan("step: a, task: call", tail="branches: {side: [{step: s, task: card}]}\n"), [(4, "unreached-branch")]),
        (
            plan(
                "step: a, task: call",
                tail="branches: {side: [{step: s, task: card}]}\non_reply: {any: {go_to: side}}\n",
            ),
            [],
        ),
        (
            plan(
                "step: a, task: call",
                tail="branches: {side: [{step: s, task: card}]}\non_reply: {not_now: {snooze: 9 days, then: side}}\n",
            ),
            [],
        ),
        # reached only by a reply
        (
            plan("step: a, stop: ", "step: b, task: call, when: day 2", tail="on_reply: {any: {go_to: b}}\n"),
            [],
        ),
    ],
)
def test_what_nobody_comes_to(tmp_path: Path, text: str, expected: list[tuple[int, str]]) -> None:
    assert found(tmp_path, p=text) == [("p", *each) for each in expected]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (plan("step: a, email: hello", "step: b, go_to: a"), [4]),
        (plan("step: a, email: hello", "step: b, go_to: a, when: 3 weeks later"), []),
        (plan("step: a, email: hello, when: 3 weeks later", "step: b, go_to: a"), []),
        (plan("step: a, task: call", "step: b, go_to: a"), []),
        (plan("step: a, go_to: a"), [3]),
        # a day of the enrollment, the decision, a date: past once, past for ever
        (plan("step: a, email: hello, when: day 9", "step: b, go_to: a"), [4]),
        (plan("step: a, email: hello, when: 2 weeks after birthday", "step: b, go_to: a"), [4]),
        # waits count from the last touch: they need one that is sure
        (plan("step: a, email: hello, when: 3 weeks later, only_if: contact.city", "step: b, go_to: a"), [4]),
        (plan("step: a, email: hello, when: 3 weeks later, expires: 2 days", "step: b, go_to: a"), [4]),
        (
            plan(
                "step: a, email: hello, when: 3 weeks later, only_if: contact.city",
                "step: b, email: hello, when: 1 day later",
                "step: c, go_to: a",
            ),
            [],
        ),
        (plan("step: a, email: hello", "step: b, go_to: a, when: 'on Tuesday at 10:00'"), []),
        # through a branch, and inside one
        (
            plan(
                "step: a, email: hello",
                "step: b, go_to: side",
                "step: c, go_to: a",
                tail="branches: {side: [{step: s, email: hello}]}\n",
            ),
            [5],
        ),
        (
            plan(
                "step: a, email: hello",
                "step: b, go_to: side",
                tail="branches:\n  side: [{step: s, email: hello}, {step: t, go_to: side, only_if: contact.city}]\n",
            ),
            [6],
        ),
        # two loops, one report each
        (
            plan(
                "step: a, email: hello",
                "step: b, go_to: a, only_if: contact.city",
                "step: c, email: hello, when: 9 days later",
                "step: d, email: hello",
                "step: e, go_to: d",
            ),
            [4, 7],
        ),
    ],
)
def test_loops_inside_a_file(tmp_path: Path, text: str, lines: list[int]) -> None:
    text = text.replace("email: hello}", "email: hello, when: immediately}").replace(
        "email: hello, only", "email: hello, when: immediately, only"
    )
    loops = [line for _, line, code in found(tmp_path, p=text) if code == "loop-without-wait"]
    assert loops == lines


def test_a_loop_says_what_is_missing(tmp_path: Path) -> None:
    text = plan("step: a, email: hello, when: 3 weeks later, only_if: contact.city", "step: b, go_to: a")
    (problem,) = problems_of(write_workspace(tmp_path, sequences={"p": text}, templates={"hello": HELLO}))
    assert "without a touch that is sure" in problem.message
    assert "only_if" in problem.hint


MAIL = "step: a, email: hello"


@pytest.mark.parametrize(
    ("one", "two", "files"),
    [
        (plan(MAIL, tail="finally: {move_to: two}\n"), plan(MAIL, tail="finally: {move_to: one}\n"), ["one", "two"]),
        (plan(MAIL, "step: b, move_to: two"), plan(MAIL, tail="finally: {move_to: one}\n"), ["one", "two"]),
        (plan(MAIL, tail="finally: {move_to: one}\n"), plan(MAIL), ["one"]),
        (
            plan(MAIL, tail="finally: {move_to: two}\n"),
            plan(MAIL + ", when: day 5", tail="finally: {move_to: one}\n"),
            [],
        ),
        (
            plan(MAIL, tail="finally: {move_to: two}\n"),
            plan(MAIL + ", when: day 1", tail="finally: {move_to: one}\n"),
            ["one", "two"],
        ),
        (
            plan(MAIL, tail="finally: {move_to: two}\n"),
            plan(MAIL + ", when: 2 days later", tail="finally: {move_to: one}\n"),
            [],
        ),
        (
            plan(MAIL, tail="finally: {move_to: two}\nback_off: {after: 9 days, email: hello}\n"),
            plan(MAIL, tail="finally: {move_to: one}\n"),
            [],
        ),
        (plan(MAIL, tail="finally: {move_to: two}\n"), plan(MAIL), []),
    ],
)
def test_loops_across_files(tmp_path: Path, one: str, two: str, files: list[str]) -> None:
    assert [(file, code) for file, _, code in found(tmp_path, one=one, two=two)] == [
        (f, "loop-without-wait") for f in files
    ]


def test_a_plan_of_many_steps_is_checked_in_one_go(tmp_path: Path) -> None:
    steps = [f"step: s{n}, task: call, when: 1 day later" for n in range(2000)]
    problems = problems_of(write_workspace(tmp_path, sequences={"p": plan(*steps)}, templates={"hello": HELLO}))
    assert codes(problems) == ["unused-template"]
