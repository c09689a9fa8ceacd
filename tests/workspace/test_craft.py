"""Warnings about craft: what each of them hears, what it must not hear, and that it can be silenced by its name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sequencer.workspace.check import check
from sequencer.workspace.craft_words import craft_words
from sequencer.workspace.own_words import programs_in, without_programs
from sequencer.workspace.source import Problem
from sequencer.workspace.warning_names import CRAFT, MOST_WORDS, OTHERS, WARNINGS
from tests.workspace.folders import CONFIG, ENVIRON, HELLO, PLAN, REPOSITORY, write_workspace

LETTER = "---\nsubject: {subject}\n---\n{{{{ first_name }}}},\n\n{body}\n"


def letter(body: str = "Are you still looking?", subject: str = "Are you still looking?") -> str:
    return LETTER.format(body=body, subject=subject)


def craft(folder: Path, known_fields: frozenset[str] | None = None) -> list[Problem]:
    found = check(folder, ENVIRON, known_fields)
    assert [str(problem) for problem in found if problem.severity == "error"] == []
    return [problem for problem in found if problem.code in CRAFT]


def names(folder: Path, known_fields: frozenset[str] | None = None) -> list[str]:
    return [problem.code for problem in craft(folder, known_fields)]


def of_letter(folder: Path, text: str) -> list[str]:
    return names(write_workspace(folder, templates={"hello": text}))


def of_plan(folder: Path, plan: str) -> list[str]:
    sequences = {"plan": plan, "later": "from: mark\nsteps:\n  - {step: a, email: hello, when: 9 weeks later}\n"}
    return names(write_workspace(folder, sequences=sequences))


# The shipped workspace ----------------------------------------------------------------------------


def test_the_shipped_plays_are_good_craft_without_silencing_anything() -> None:
    assert names(REPOSITORY) == []
    for path in (REPOSITORY / "sequences").glob("*.yaml"):
        assert "\nallow:" not in path.read_text("utf-8")


def test_every_warning_is_explained() -> None:
    page = (REPOSITORY / "docs" / "craft.md").read_text("utf-8")
    assert {name for name in WARNINGS if f"`{name}`" not in page} == set()
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)+", name) for name in CRAFT)


def test_every_other_warning_of_check_has_a_name_that_can_be_allowed() -> None:
    """Whatever a module of the workspace calls a warning is listed, so that `allow:` knows it."""
    listed: set[str] = set()
    for path in (REPOSITORY / "sequencer" / "workspace").glob("*.py"):
        text = path.read_text("utf-8")
        listed |= set(re.findall(r"\"([a-z-]+)\", message, [^\"]*severity=\"warning\"", text))
        listed |= set(re.findall(r"\"([a-z-]+)\", message, hint, warning=True", text))
        listed |= set(re.findall(r"\"warning\", \"([a-z-]+)\"", text))
    assert len(listed) > 8
    assert listed <= WARNINGS, "add it to warning_names.OTHERS"
    assert not set(CRAFT) & set(OTHERS)


# Letters ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        "Just checking in.",
        "I'm just\nchecking in on the quote.",
        "I just wanted to touch base.",
        "Touching base again.",
        "I'm bumping this up in your inbox.",
        "Bumping this.",
        "I am following up on my last e-mail.",
        "Following up on my previous emails.",
        "I just wanted to follow up.",
        "Just following up on this one.",
        "Circling back to this.",
        "A gentle nudge from me.",
        "Did you get my last e-mail?",
        "I have not heard from you, so I am just checking in.",
        "Ich wollte nur kurz nachfragen.",
        "ich wollte mich nur mal melden",
        "Haben Sie meine letzte E-Mail erhalten?",
        "Je me permets de vous relancer.",
        "Avez-vous bien reçu mon dernier message ?",
        "Solo quería saber si lo pensó.",
        "¿Recibió mi último correo?",
    ],
)
def test_a_touch_without_value_is_heard(tmp_path: Path, words: str) -> None:
    folder = write_workspace(tmp_path, templates={"hello": letter(words)})
    (problem,) = craft(folder)
    assert (problem.code, problem.severity, problem.file) == ("just-checking-in", "warning", "templates/hello.md")
    lines = (folder / problem.file).read_text("utf-8").split("\n")
    assert lines[problem.line - 1][problem.column - 1 :][: problem.width].strip()
    assert "no reason to answer" in problem.message
    assert problem.hint


@pytest.mark.parametrize(
    "words",
    [
        "You can check in at the campsite from three.",
        "I checked the brakes and touched up the paint.",
        "I just wanted to check whether the hitch fits: it does.",
        "I just wanted to follow up with the numbers that you asked for.",
        "This is not just checking in: the price has changed.",
        "I am not writing to touch base.",
        'Most dealers write "just checking in". I have something better.',
        "They call it “touching base”.",
        "> just checking in\n\nThat was my last one.",
        "When you follow up on my advice, start with the tires.",
        "Follow the base of the wall.",
        "{# just checking in #} Are you still looking?",
        "Ich melde mich, wenn das Teil da ist.",
        "Ich frage in der Werkstatt nach.",
        "The base is touching the floor.",
        "Did you get the parcel?",
        "Bring this to the top shelf.",
    ],
)
def test_a_touch_with_a_meaning_is_not(tmp_path: Path, words: str) -> None:
    assert of_letter(tmp_path, letter(words)) == []


@pytest.mark.parametrize(
    "subject", ["Following up", "Just checking in", "Quick follow-up", "'Checking in, {{ first_name }}'"]
)
def test_a_subject_that_says_nothing(tmp_path: Path, subject: str) -> None:
    (problem,) = craft(write_workspace(tmp_path, templates={"hello": letter(subject=subject)}))
    assert (problem.code, problem.line, problem.column) == ("just-checking-in", 2, 10)


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        ("x" * 60, []),
        ("x" * 61, ["long-subject"]),
        ("'{{ first_name }} " + "x" * 58 + "'", []),
        ("'{{ first_name }} " + "x" * 59 + "'", ["long-subject"]),
        ("'{% if product %}" + "x" * 61 + "{% else %}short{% endif %}'", []),
        ("'{% if product %}" + "x" * 61 + "{% else %}" + "y" * 61 + "{% endif %}'", ["long-subject"]),
        ("日" * 30, []),
        ("日" * 31, ["long-subject"]),
    ],
)
def test_a_long_subject(tmp_path: Path, subject: str, expected: list[str]) -> None:
    assert of_letter(tmp_path, letter(subject=subject)) == expected


WALL = "word " * (MOST_WORDS + 1)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("word " * MOST_WORDS, []),
        (WALL, ["wall-of-text"]),
        ("one\n\n" + WALL.replace(" ", "\n") + "\n\ntwo", ["wall-of-text"]),
        ("word " * 60 + "\n\n" + "word " * 60, []),
        ("\n".join(["- " + "word " * 30] * 5), []),
        ("\n".join([f"{number}. " + "word " * 30 for number in range(1, 6)]), []),
        ("word " * 60 + "  \n" + "word " * 60, []),
        ("{% if product %}" + "word " * 60 + "{% else %}" + "word " * 60 + "{% endif %}", []),
        ("日本語" * 80, ["wall-of-text"]),
        ("日本語" * 50, []),
    ],
)
def test_a_wall_of_text(tmp_path: Path, body: str, expected: list[str]) -> None:
    assert of_letter(tmp_path, letter(body)) == expected


def test_a_wall_says_how_many_words_and_lines(tmp_path: Path) -> None:
    (problem,) = craft(write_workspace(tmp_path, templates={"hello": letter("One.\n\n" + WALL)}))
    assert problem.message == "a wall of text: 101 words, about 7 lines, without a break"
    assert (problem.line, problem.column) == (8, 1)


@pytest.mark.parametrize(
    "words",
    [
        "I can give you a discount before month end.",
        "This price is only good until the end of the month.",
        "Our special offer closes at the end of the quarter.",
        "We do end-of-quarter deals.",
        "It would help me to hit my quota.",
        "Please sign before our quarter closes.",
        "20 % off until the end of this month!",
        "Der Rabatt gilt bis Monatsende.",
        "Une remise jusqu'à la fin du mois.",
        "Un descuento hasta fin de mes.",
    ],
)
def test_quota_language_is_heard(tmp_path: Path, words: str) -> None:
    assert of_letter(tmp_path, letter(words)) == ["quota-language"]


@pytest.mark.parametrize(
    "words",
    [
        "Would the end of the month suit you?",
        "I send you the numbers by the end of the month.",
        "It is finished at the end of the month. The price stays as it is.",
        "Prices depend on the season.",
        "I can offer you a slot at the end of the month.",
        "Ich schicke Ihnen das Angebot bis Ende des Monats.",
        "Your quarter ends in June, you said: is the budget free before?",
        "No discount before month end will get you to like it.",
    ],
)
def test_an_honest_date_is_not(tmp_path: Path, words: str) -> None:
    assert of_letter(tmp_path, letter(words)) == []


# First mails --------------------------------------------------------------------------------------

LINKS = "[a](https://a.example) https://b.example and www.c.example\n"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("![me](https://a.example/me.png)", ["image-in-first-mail"]),
        ('<img src="https://a.example/x.png">', ["image-in-first-mail"]),
        (LINKS, ["links-in-first-mail"]),
        ("[a]({{ website }}) and [b]({{ website }}) and [c]({{ website }})", ["links-in-first-mail"]),
        ("[a](https://a.example) and https://b.example", []),
        ("[https://a.example](https://a.example) and [b](https://b.example)", []),
        ("Wow! [1] [2] [3]", []),
    ],
)
def test_images_and_links_in_a_first_mail(tmp_path: Path, body: str, expected: list[str]) -> None:
    assert of_letter(tmp_path, letter(body)) == expected


TWO = """\
from: mark
steps:
  - {step: a, email: hello, %s}
  - {step: b, email: rich, when: 9 weeks later}
finally: {move_to: later}
"""
LATER = "from: mark\nsteps:\n  - {step: c, email: rich, when: 9 weeks later}\n"


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("when: day 1", []),
        ("only_if: contact.city", ["links-in-first-mail"]),
        ("expires: 2 days", ["links-in-first-mail"]),
    ],
)
def test_a_later_mail_may_have_them(tmp_path: Path, condition: str, expected: list[str]) -> None:
    sequences = {"plan": TWO % condition, "later": LATER}
    folder = write_workspace(tmp_path, sequences=sequences, templates={"hello": HELLO, "rich": letter(LINKS)})
    assert names(folder) == expected


# Plans --------------------------------------------------------------------------------------------


def steps(*several: str, rest: str = "finally: {move_to: later}\n") -> str:
    return "from: mark\nsteps:\n" + "".join(f"  - {{step: s{n}, {one}}}\n" for n, one in enumerate(several, 1)) + rest


MAIL, CALL = "email: hello", "task: call, only_if: contact.phone"


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        (steps(MAIL, f"{MAIL}, when: 1 day later", f"{MAIL}, when: 1 day later"), ["every-day"]),
        (steps(MAIL, f"{CALL}, when: 3 hours later", "task: text, when: 1 business day later"), ["every-day"]),
        (steps(f"{MAIL}, when: day 1", f"{MAIL}, when: day 2", f"{MAIL}, when: day 3"), ["every-day"]),
        (steps(MAIL, f"{MAIL}, when: 1 day later", f"{MAIL}, when: 2 days later"), []),
        (steps(f"{MAIL}, when: 1 day later", f"{MAIL}, when: 1 day later", f"{MAIL}, when: 3 days later"), []),
        (steps(MAIL, "task: pack the box, when: 1 day later", f"{MAIL}, when: 1 day later"), []),
        (steps(MAIL, f"{MAIL}, when: 1 day later, only_if: contact.a", f"{MAIL}, when: 1 day later"), []),
        (steps(MAIL, f"{MAIL}, when: 1 day later on Tuesday", f"{MAIL}, when: 1 day later"), []),
        (steps(f"{MAIL}, when: day 1", f"{MAIL}, when: day 4", f"{MAIL}, when: day 9"), []),
        (steps(MAIL, "go_to: b, only_if: contact.a", f"{MAIL}, when: 1 day later", f"{MAIL}, when: 1 day later",
               rest="branches: {b: [{step: x, task: call, when: 9 days later}]}\nfinally: {move_to: later}\n"), []),
    ],
)  # fmt: skip
def test_a_touch_every_day(tmp_path: Path, plan: str, expected: list[str]) -> None:
    assert of_plan(tmp_path, plan) == expected


def test_the_third_touch_in_a_row_is_the_place(tmp_path: Path) -> None:
    plan = steps(MAIL, f"{MAIL}, when: 1 day later", f"{MAIL}, when: 1 day later", f"{MAIL}, when: 1 day later")
    (problem,) = craft(
        write_workspace(tmp_path, sequences={"plan": plan + "allow: [few-touches, no-phone-step]\n", "later": PLAN})
    )
    assert (problem.code, problem.line, problem.column) == ("every-day", 5, 36)


WEEKLY = f"{MAIL}, when: 1 week later"


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        (steps(*[WEEKLY] * 4), ["no-phone-step"]),
        (steps(*[WEEKLY] * 3), []),
        (
            steps(*[WEEKLY] * 3, rest="back_off: {after: 9 days, email: hello, then: {move_to: later}}\n"),
            ["no-phone-step"],
        ),
        (steps(*[WEEKLY] * 4, f"{CALL}, when: 2 days later"), []),
        (steps(*[WEEKLY] * 4, "task: Anruf, when: 2 days later"), []),
        (steps(*[WEEKLY] * 4, "task: visit, when: 2 days later"), []),
        (steps(*[WEEKLY] * 4, "task: linkedin, when: 2 days later"), ["no-phone-step"]),
        (steps(*[WEEKLY] * 4, "task: whatever that is, when: 2 days later"), []),
        (steps(*[f"{MAIL}, when: 6 weeks later"] * 6), []),
        (steps(*[WEEKLY] * 4, rest="alongside: true\n"), []),
    ],
)
def test_no_step_by_phone(tmp_path: Path, plan: str, expected: list[str]) -> None:
    assert of_plan(tmp_path, plan) == expected


def test_nobody_can_be_rung_where_no_contact_has_a_phone(tmp_path: Path) -> None:
    folder = write_workspace(tmp_path, sequences={"plan": steps(*[WEEKLY] * 5, rest="")})
    assert names(folder, frozenset({"email", "first_name"})) == []
    assert names(folder, frozenset({"email", "Phone"})) == ["no-phone-step"]


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        (steps(*[WEEKLY] * 2, rest=""), ["few-touches"]),
        (steps(*[WEEKLY] * 3, f"{CALL}, when: 1 week later", rest="finally: stop\n"), ["few-touches"]),
        (steps(*[WEEKLY] * 3, *[f"{CALL}, when: 1 week later"] * 2, rest="finally: stop\n"), []),
        (steps(MAIL, rest=""), []),
        (steps(MAIL, rest="finally: stop\n"), ["few-touches"]),
        (steps(*[WEEKLY] * 2), []),
        (steps(*[WEEKLY] * 2, rest="alongside: true\n"), []),
        (steps(*[WEEKLY] * 2, "move_to: later", rest=""), []),
        (steps(*[WEEKLY] * 3, rest="back_off: {after: 9 days, email: hello, then: stop}\n"),
         ["no-phone-step", "few-touches"]),
        (steps(*[WEEKLY] * 2, "go_to: s1, only_if: contact.a", rest=""), []),
        (steps(WEEKLY, "go_to: side", WEEKLY, rest="branches: {side: [{step: x, task: call, when: day 9}, {step: y, "
               "task: call, when: day 19}, {step: z, task: call, when: day 29}]}\n"), []),
    ],
)  # fmt: skip
def test_few_touches_before_giving_up(tmp_path: Path, plan: str, expected: list[str]) -> None:
    assert of_plan(tmp_path, plan) == expected


@pytest.mark.parametrize(("touches", "expected"), [(1, True), (2, True), (3, False)])
def test_a_back_off_wants_touches_before_it(tmp_path: Path, touches: int, expected: bool) -> None:
    rest = "back_off: {after: 9 days, email: hello, then: {move_to: later}}\n"
    plan = steps(*[f"{CALL}, when: 1 week later"] * touches, rest=rest)
    assert of_plan(tmp_path, plan) == (["early-back-off"] if expected else [])


def test_where_people_come_from_another_plan_touches_are_not_counted(tmp_path: Path) -> None:
    last = steps(WEEKLY, rest="back_off: {after: 9 days, email: hello, then: stop}\n")
    folder = write_workspace(
        tmp_path, sequences={"plan": steps(*[WEEKLY] * 2, rest="finally: {move_to: last}\n"), "last": last}
    )
    assert names(folder) == []


# Silence ------------------------------------------------------------------------------------------

LOUD = letter("Just checking in.")
EVERYTHING = "[just-checking-in, long-subject]"


def test_a_template_silences_its_own_warnings(tmp_path: Path) -> None:
    assert of_letter(tmp_path, LOUD.replace("---\n{{", "allow: just-checking-in\n---\n{{")) == []
    assert of_letter(tmp_path, LOUD.replace("---\n{{", "allow: long-subject\n---\n{{")) == ["just-checking-in"]


def test_a_sequence_silences_what_it_alone_sends(tmp_path: Path) -> None:
    quiet = PLAN + f"allow: {EVERYTHING}\n"
    templates = {"hello": LOUD}
    assert names(write_workspace(tmp_path, sequences={"plan": quiet}, templates=templates)) == []
    both = {"plan": quiet, "other": PLAN}
    assert names(write_workspace(tmp_path, sequences=both, templates=templates)) == ["just-checking-in"]
    assert names(write_workspace(tmp_path, sequences=both | {"other": quiet}, templates=templates)) == []


def test_the_config_silences_everywhere_other_warnings_too(tmp_path: Path) -> None:
    config = CONFIG + "allow: [just-checking-in, unused-template, every-day]\n"
    folder = write_workspace(tmp_path, config=config, templates={"hello": LOUD, "spare": HELLO})
    assert check(folder, ENVIRON) == []
    (folder / "config.yaml").write_text(CONFIG + "allow: []\n", "utf-8")
    assert [problem.code for problem in check(folder, ENVIRON)] == ["just-checking-in", "unused-template"]


@pytest.mark.parametrize("kind", ["config", "sequence", "template"])
def test_an_unknown_name_is_a_mistake(tmp_path: Path, kind: str) -> None:
    allow = "allow: [long-subject, just-cheking-in]\n"
    folder = write_workspace(
        tmp_path,
        config=CONFIG + (allow if kind == "config" else ""),
        sequences={"plan": PLAN + (allow if kind == "sequence" else "")},
        templates={"hello": HELLO.replace("---\n{{", (allow if kind == "template" else "") + "---\n{{")},
    )
    (problem,) = check(folder, ENVIRON)
    assert (problem.code, problem.severity, problem.column) == ("unknown-warning", "error", 23)
    assert problem.hint == "did you mean `just-checking-in`?"


def test_an_error_cannot_be_silenced(tmp_path: Path) -> None:
    plan = PLAN.replace("hello", "helo") + "allow: [unknown-template]\n"
    found = {problem.code for problem in check(write_workspace(tmp_path, sequences={"plan": plan}), ENVIRON)}
    assert {"unknown-template", "unknown-warning"} <= found


def test_the_phrases_are_read_as_they_are_written() -> None:
    words = craft_words()
    assert words.empty_touch.search("I thought I’d touch base") is not None
    assert words.empty_touch.search("unjust checking in") is None
    assert words.empty_subject.fullmatch("follow up with you again") is not None


@pytest.mark.parametrize(
    "body",
    [
        "[" * 50_000,
        "![" * 40_000,
        "just" + " " * 90_000 + "x",
        "{% raw %}" + "{" * 80_000 + "{% endraw %}",
        '"' * 90_000,
    ],
)
def test_a_letter_of_signs_is_read_to_the_end(tmp_path: Path, body: str) -> None:
    """Minutes would mean that some pattern goes back and forth in it."""
    assert of_letter(tmp_path, letter(body)) == []


@pytest.mark.parametrize(
    ("text", "programs"),
    [
        ("a {{ b }} c {% if d %}e{% endif %}{# f #}", ["{{ b }}", "{% if d %}", "{% endif %}", "{# f #}"]),
        ("{{ a {{ b }} }}", ["{{ a {{ b }}"]),
        ("{{ never {% x %}", ["{% x %}"]),
        ("{ {a} }} %} #}", []),
        ("{{\n}}", ["{{\n}}"]),
    ],
)
def test_variables_and_instructions_are_found(text: str, programs: list[str]) -> None:
    assert [text[start:end] for start, end in programs_in(text)] == programs
    plain = without_programs(text)
    assert len(plain) == len(text)
    assert plain.count("\n") == text.count("\n")
    assert not any(program.strip("{}%# \n") and program in plain for program in programs)
