"""`check`: every mistake at once, each with its place and the way out; and `load`, which only lives without any."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from sequencer.workspace.check import check
from sequencer.workspace.workspace import load
from tests.workspace.folders import CONFIG, ENVIRON, HELLO, PLAN, REPOSITORY, codes, problems_of, write_workspace

BRANCHED = """\
from: mark
steps:
  - {step: hello, email: hello}
  - {step: call, task: call, when: 2 days later}
branches:
  side:
    - {step: inside, task: card, when: 1 day later}
on_reply: {question: {go_to: side}}
"""


def place(text: str, word: str) -> tuple[int, int]:
    """Line and column of a word that stands once in a text."""
    assert text.count(word) == 1, word
    before = text[: text.index(word)]
    return before.count("\n") + 1, len(before.rpartition("\n")[2]) + 1


# Clean --------------------------------------------------------------------------------------------


def test_the_workspace_of_the_repository_is_clean() -> None:
    assert check(REPOSITORY, ENVIRON) == []


def test_a_small_workspace_is_clean_and_loads(tmp_path: Path) -> None:
    folder = write_workspace(tmp_path)
    assert problems_of(folder) == []
    loaded = load(folder, ENVIRON)
    assert loaded.workspace is not None
    assert list(loaded.workspace.sequences) == ["plan"]
    assert loaded.workspace.sources == {"plan": PLAN}
    assert loaded.workspace.templates.names() == ["hello"]
    assert loaded.workspace.config.company.name == "Flathead RV"


def test_a_warning_does_not_keep_a_workspace_from_loading(tmp_path: Path) -> None:
    loaded = load(write_workspace(tmp_path, templates={"hello": HELLO, "spare": HELLO}), ENVIRON)
    assert loaded.workspace is not None
    assert codes(list(loaded.problems)) == ["unused-template"]


def test_any_error_does(tmp_path: Path) -> None:
    folder = write_workspace(tmp_path, sequences={"plan": PLAN, "other": PLAN.replace("hello", "helo")})
    loaded = load(folder, ENVIRON)
    assert loaded.workspace is None
    assert list(loaded.problems) == problems_of(folder)


def test_files_that_editors_leave_behind_are_no_sequences(tmp_path: Path) -> None:
    folder = write_workspace(tmp_path)
    for name in (".plan.yaml.swp", ".#plan.yaml", "plan.yaml~", "#plan.yaml#", "notes.txt"):
        (folder / "sequences" / name).write_text("{", "utf-8")
    assert problems_of(folder) == []


# The folder ---------------------------------------------------------------------------------------


def test_a_folder_that_is_no_workspace(tmp_path: Path) -> None:
    assert codes(problems_of(tmp_path)) == ["no-workspace"]
    assert codes(problems_of(tmp_path / "nope")) == ["no-workspace"]
    assert "sequencer init" in problems_of(tmp_path)[0].hint


def test_all_files_and_all_mistakes_are_told_at_once_in_order(tmp_path: Path) -> None:
    folder = write_workspace(
        tmp_path,
        config=CONFIG + "aply: auto\n",
        sequences={"a": PLAN + "form: x\n", "b": PLAN.replace("mark", "mrak") + "finally: {move_to: c}\n"},
        templates={"hello": HELLO + "{{ first_name\n", "other": "---\nsubject: x\n"},
    )
    found = [(p.file, p.line, p.code) for p in problems_of(folder)]
    assert found == [
        ("config.yaml", 9, "unknown-key"),
        ("sequences/a.yaml", 5, "unknown-key"),
        ("sequences/b.yaml", 1, "unknown-mailbox"),
        ("sequences/b.yaml", 5, "unknown-sequence"),
        ("templates/hello.md", 5, "template"),
        ("templates/other.md", 1, "front-matter"),
    ]


@pytest.mark.parametrize("name", ["two words", "ünder", "a" * 61])
def test_a_file_name_that_is_no_sequence_name(tmp_path: Path, name: str) -> None:
    assert codes(problems_of(write_workspace(tmp_path, sequences={name: PLAN}))) == ["sequence-name"]


def test_two_files_for_one_sequence(tmp_path: Path) -> None:
    folder = write_workspace(tmp_path)
    (folder / "sequences" / "plan.yml").write_text(PLAN, "utf-8")
    assert codes(problems_of(folder)) == ["duplicate-name"]


def test_a_file_that_is_not_utf_8(tmp_path: Path) -> None:
    folder = write_workspace(tmp_path)
    (folder / "sequences" / "plan.yaml").write_bytes(PLAN.encode() + b"about: caf\xe9\n")
    (folder / "templates" / "hello.md").write_bytes(b"caf\xe9")
    assert [(p.file, p.line, p.column) for p in problems_of(folder)] == [
        ("sequences/plan.yaml", 5, 11),
        ("templates/hello.md", 1, 4),
    ]


# The config ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "code", "words"),
    [
        ("America/Denver", "America/Dever", "unknown-timezone", "America/Denver"),
        ("America/Denver", "Denver", "unknown-timezone", "did you mean `America/Denver`?"),
        ("America/Denver", "Berlin", "unknown-timezone", "did you mean `Europe/Berlin`?"),
        ("America/Denver", "MEZ", "unknown-timezone", ""),
        ("America/Denver", "../../etc/passwd", "unknown-timezone", ""),
        ("America/Denver", "America", "unknown-timezone", ""),
        ("holidays: US", "holidays: Germany", "unknown-holidays", "did you mean `DE`?"),
        ("holidays: US", "holidays: usa", "unknown-holidays", "did you mean `US`?"),
        ("holidays: US", "holidays: UK2", "unknown-holidays", "US-MT"),
        ("holidays: US", "holidays: XX", "unknown-holidays", ""),
        ("holidays: US", "holidays: US-ZZ", "unknown-holidays", "no state or province"),
        ('"12 Main St, Kalispell MT 59901"', '" "', "empty", "every mail must show it"),
        ('"12 Main St, Kalispell MT 59901"', '""', "shape", "empty"),
        ("host: imap.flatheadrv.example,", "host: imap.flatheadrv.example, ca_file: nope.pem,", "no-file", "nope.pem"),
    ],
)
def test_what_the_config_names_must_exist(tmp_path: Path, old: str, new: str, code: str, words: str) -> None:
    text = CONFIG.replace(old, new)
    assert text != CONFIG
    problems = problems_of(write_workspace(tmp_path, config=text))
    assert codes(problems) == [code]
    assert words in f"{problems[0].message} {problems[0].hint}"
    assert problems[0].line == next(n for n, line in enumerate(text.split("\n"), 1) if new in line)


def test_a_missing_zone_is_a_warning(tmp_path: Path) -> None:
    problems = problems_of(write_workspace(tmp_path, config=CONFIG.replace("timezone: America/Denver, ", "")))
    assert [(p.code, p.severity) for p in problems] == [("no-timezone", "warning")]


def test_two_mailboxes_with_one_address(tmp_path: Path) -> None:
    second = CONFIG[CONFIG.index("  mark:") :].replace("  mark:", "  lena:").replace("mark@", "MARK@")
    assert codes(problems_of(write_workspace(tmp_path, config=CONFIG + second))) == ["same-address"]


def test_hours_that_never_meet(tmp_path: Path) -> None:
    plan = PLAN + "hours: Sat 10:00-12:00\n"
    (problem,) = problems_of(write_workspace(tmp_path, sequences={"plan": plan}))
    assert (problem.code, problem.line, problem.column) == ("hours-never-meet", 5, 8)
    assert "Mon-Fri 08:30-17:00" in problem.message


@pytest.mark.parametrize(
    ("when", "words"),
    [
        ("2 days later at 18:00", "18:00 lies outside"),
        ("2 days later on Sunday", "never allow a Sunday"),
        ("day 3 at 17:00", "17:00"),
    ],
)
def test_a_time_outside_the_hours_is_a_warning(tmp_path: Path, when: str, words: str) -> None:
    plan = PLAN + f"  - {{step: b, task: call, when: {when}}}\n"
    (problem,) = problems_of(write_workspace(tmp_path, sequences={"plan": plan}))
    assert (problem.code, problem.severity, problem.line) == ("outside-hours", "warning", 5)
    assert words in problem.message


def test_a_time_inside_the_hours_is_fine(tmp_path: Path) -> None:
    plan = PLAN + "  - {step: b, task: call, when: 2 days later on Tuesday at 08:30}\n"
    assert problems_of(write_workspace(tmp_path, sequences={"plan": plan})) == []


# Names --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "word", "code", "hint"),
    [
        (PLAN.replace("mark", "mrak"), "mrak", "unknown-mailbox", "did you mean `mark`?"),
        (PLAN.replace("mark", "[mark, lena]"), "lena", "unknown-mailbox", "known: mark"),
        (PLAN.replace("email: hello", "email: helo"), "helo", "unknown-template", "did you mean `hello`?"),
        (PLAN.replace("email: hello", "email: [hello, bye]"), "bye", "unknown-template", "templates/bye.md"),
        (PLAN.replace("email: hello", "email: hello.md"), "hello.md", "unknown-template", "did you mean `hello`?"),
        (PLAN.replace("email: hello", "email: footer"), "footer", "unknown-template", "another"),
        (PLAN.replace("email: hello", "email: [hello, hello] "), "hello] ", "duplicate-variant", "delete"),
        (PLAN + "back_off: {after: 9 days, email: helo}\n", "helo}", "unknown-template", "did you mean `hello`?"),
        (PLAN + "back_off: {after: 9 days, email: hello, then: {move_to: pln}}\n", "pln", "unknown-sequence", "plan"),
        (PLAN + "finally: {move_to: pln}\n", "pln", "unknown-sequence", "did you mean `plan`?"),
        (PLAN + "  - {step: b, move_to: pln, when: day 2}\n", "pln", "unknown-sequence", "did you mean `plan`?"),
        (PLAN + "  - {step: b, go_to: helo, when: day 2}\n", "helo", "unknown-step", "did you mean `hello`?"),
        (PLAN + "on_reply: {any: {go_to: helo}}\n", "helo", "unknown-step", "did you mean `hello`?"),
        (PLAN + "on_reply: {any: {move_to: pln}}\n", "pln", "unknown-sequence", "did you mean `plan`?"),
        (PLAN + "on_reply: {any: {snooze: 9 days, then: helo}}\n", "helo", "unknown-step", "did you mean `hello`?"),
        (BRANCHED.replace("go_to: side", "go_to: sied"), "sied", "unknown-step", "did you mean `side`?"),
        (BRANCHED.replace("go_to: side", "go_to: inside"), "inside}", "into-branch", "go to the branch: side"),
        (PLAN + '  - {step: b, task: call, when: day 2, note: "{{ a"}\n', '"{{ a"', "template", "}}"),
    ],
)
def test_a_name_that_leads_nowhere(tmp_path: Path, text: str, word: str, code: str, hint: str) -> None:
    problems = [p for p in problems_of(write_workspace(tmp_path, sequences={"plan": text})) if p.severity == "error"]
    assert codes(problems) == [code]
    assert (problems[0].line, problems[0].column) == place(text, word)
    assert hint in f"{problems[0].message} {problems[0].hint}"


def test_the_names_in_a_broken_config_count_as_known(tmp_path: Path) -> None:
    folder = write_workspace(tmp_path, config=CONFIG + "aply: auto\n")
    assert codes(problems_of(folder)) == ["unknown-key"]


def test_a_broken_template_or_sequence_is_not_also_unknown(tmp_path: Path) -> None:
    folder = write_workspace(
        tmp_path,
        sequences={"plan": PLAN + "finally: {move_to: other}\n", "other": "{"},
        templates={"hello": "---\nsubject: x\n", "spare": HELLO},
    )
    assert codes(problems_of(folder)) == ["yaml", "front-matter"], "and nothing is called unused meanwhile"


# Letters ------------------------------------------------------------------------------------------

THREADS = """\
from: mark
steps:
  - {step: one, email: hello, %s}
  - {step: two, email: answer, when: 2 days later%s}
back_off: {after: 9 days, email: answer}
"""


def answer(subject: str) -> str:
    return f"---\n{subject}\n---\nHello\n"


@pytest.mark.parametrize(
    ("first", "second", "subject", "expected"),
    [
        ("", "", "subject: 'Re: hello'", []),
        ("", "", "tags: x", []),
        ("", ", thread: new", "subject: 'Re: hello'", ["deceptive-subject"]),
        ("", ", thread: new", "tags: x", ["subject-missing"]),
        ("only_if: contact.city", "", "subject: 'Fwd: hello'", ["deceptive-subject"]),
        ("expires: 2 days", "", "tags: x", ["subject-missing"]),
    ],
)
def test_a_subject_counts_where_it_opens_a_thread(
    tmp_path: Path, first: str, second: str, subject: str, expected: list[str]
) -> None:
    plan = THREADS % (first or "when: immediately", second)
    folder = write_workspace(tmp_path, sequences={"plan": plan}, templates={"hello": HELLO, "answer": answer(subject)})
    assert codes(problems_of(folder)) == expected


def test_the_back_off_message_may_be_the_first_one(tmp_path: Path) -> None:
    plan = "from: mark\nsteps:\n  - {step: call, task: call}\nback_off: {after: 9 days, email: answer}\n"
    folder = write_workspace(tmp_path, sequences={"plan": plan}, templates={"answer": answer("subject: 'AW: x'")})
    (problem,) = problems_of(folder)
    assert (problem.file, problem.line, problem.code) == ("templates/answer.md", 2, "deceptive-subject")


@pytest.mark.parametrize(
    ("body", "column", "code", "severity"),
    [
        ("Hi {{ sender.firstname }}", 7, "unknown-variable", "error"),
        ("Hi {{ our }}", 7, "unknown-variable", "error"),
        ("Hi {{ company.phone }}", 7, "unknown-variable", "error"),
        ("Hi {{ company.name }}", 7, "whose-company", "warning"),
        ("Hi {{ frist_name }}", 7, "unknown-field", "warning"),
        ("{% if frist_name %}x{% endif %}", 7, "unknown-field", "warning"),
        ("Hi {{ shoe_size }} {{ shoe_size }}", 7, "unknown-field", "warning"),
        ("Hi {{ contact.shoe_size }}", 7, "unknown-field", "warning"),
    ],
)
def test_a_variable_that_nobody_has(tmp_path: Path, body: str, column: int, code: str, severity: str) -> None:
    folder = write_workspace(tmp_path, templates={"hello": HELLO + body})
    (problem,) = problems_of(folder)
    assert (problem.file, problem.line, problem.column) == ("templates/hello.md", 5, column)
    assert (problem.code, problem.severity) == (code, severity)


def test_a_variable_in_the_subject_is_shown_there(tmp_path: Path) -> None:
    folder = write_workspace(
        tmp_path, templates={"hello": HELLO.replace("Are you", "'{{ shoe_size }}, are you").replace("?\n-", "?'\n-")}
    )
    (problem,) = problems_of(folder)
    assert (problem.line, problem.column, problem.code) == (2, 10, "unknown-field")


@pytest.mark.parametrize("body", ["{{ shoe_size | default('x') }}", "{% if shoe_size %}{{ shoe_size }}{% endif %}"])
def test_a_variable_that_the_template_can_do_without_is_fine(tmp_path: Path, body: str) -> None:
    assert problems_of(write_workspace(tmp_path, templates={"hello": HELLO + body})) == []


def test_a_field_is_known_from_the_store_a_csv_file_the_sequence_or_the_condition(tmp_path: Path) -> None:
    templates = {"hello": HELLO + "{{ shoe_size }}"}
    assert problems_of(write_workspace(tmp_path / "a", templates=templates), frozenset({"Shoe_Size"})) == []
    folder = write_workspace(tmp_path / "b", templates=templates)
    (folder / "contacts.csv").write_text('\ufeffE-Mail;"Shoe Size";x\n', "utf-8")
    assert problems_of(folder) == []
    assert (
        problems_of(
            write_workspace(tmp_path / "c", templates=templates, sequences={"plan": PLAN + "fields: shoe_size\n"})
        )
        == []
    )
    asked = PLAN.replace("email: hello", "email: hello\n    only_if: contact.shoe_size")
    problems = problems_of(write_workspace(tmp_path / "d", templates=templates, sequences={"plan": asked}))
    assert [(p.file, p.code) for p in problems] == [("sequences/plan.yaml", "unknown-field")], (
        "told once, where it is asked"
    )


@pytest.mark.parametrize(
    ("step", "word", "code"),
    [
        ("only_if: contact.frist_name", "contact.frist_name", "unknown-field"),
        ("when: 2 weeks after quote_date", "2 weeks", "unknown-field"),
        ("when: 2 days before decision", "2 days", "no-decision"),
    ],
)
def test_a_field_in_a_step_that_nobody_has(tmp_path: Path, step: str, word: str, code: str) -> None:
    text = PLAN + f"    {step}\n"
    (problem,) = problems_of(write_workspace(tmp_path, sequences={"plan": text}))
    assert (problem.code, problem.severity) == (code, "warning")
    assert (problem.line, problem.column) == place(text, word)


@pytest.mark.parametrize(
    ("footer", "expected"),
    [
        ("{{ our.name }}, {{ our.address }}\nAnswer stop.", []),
        ("12 Main St, Kalispell MT 59901\nKeine Post mehr? Hier abmelden: {{ unsubscribe }}", []),
        ("{{ company.address }} {{ unsubscribe | default('') }}", []),
        ("{{ our.address }}", ["footer-opt-out"]),
        ("Answer unsubscribe", ["footer-address"]),
        ("Hello", ["footer-address", "footer-opt-out"]),
        ("{{ our.address }} stop {{ first_name }}", ["footer-variable"]),
        ("{{ our.address }} stop {{ first_name | default('x') }}", []),
        ("{{ our.adress }} stop", ["footer-address", "footer-variable"]),
    ],
)
def test_the_footer_must_say_who_and_how_to_leave(tmp_path: Path, footer: str, expected: list[str]) -> None:
    folder = write_workspace(tmp_path, templates={"hello": HELLO, "footer": footer})
    assert codes(problems_of(folder)) == expected


def test_a_hundred_sequences_load(tmp_path: Path) -> None:
    """The daemon loads the workspace on each save: a hundred sequences must load as well."""
    folder = tmp_path / "big"
    shutil.copytree(REPOSITORY / "templates", folder / "templates")
    shutil.copy(REPOSITORY / "config.yaml", folder)
    shutil.copy(REPOSITORY / "contacts.example.csv", folder)
    (folder / "sequences").mkdir()
    plays = [path for path in (REPOSITORY / "sequences").glob("*.yaml") if not path.stem.endswith(".test")]
    for path in plays:
        for number in range(15):
            suffix = "" if number == 0 else f"-{number}"
            shutil.copy(path, folder / "sequences" / f"{path.stem}{suffix}.yaml")
    loaded = load(folder, ENVIRON)
    assert loaded.workspace is not None
    assert len(loaded.workspace.sequences) >= 100


@pytest.mark.parametrize("entry", ["mail", "slack:token", "[mailto, secret-thing]", "[off, mailto]"])
def test_what_nobody_can_be_told_at_is_named_without_being_repeated(tmp_path: Path, entry: str) -> None:
    (found,) = problems_of(write_workspace(tmp_path, config=CONFIG + f"notify: {entry}\n"))
    assert (found.line, found.code) == (CONFIG.count("\n") + 1, "notify")
    assert "secret" not in found.message + found.hint


def test_keys_that_do_nothing_yet_say_so(tmp_path: Path) -> None:
    config = CONFIG + "web:\n  listen: 127.0.0.1:8025\n  base_url: https://follow.example.com\n"
    found = problems_of(write_workspace(tmp_path, config=config))
    lines = config.split("\n")
    assert [(p.line, p.severity, p.code) for p in found] == [
        (lines.index("  base_url: https://follow.example.com") + 1, "warning", "not-yet"),
    ]


# Several at once ----------------------------------------------------------------------------------


def test_a_mistake_in_the_shape_hides_no_name_that_leads_nowhere(tmp_path: Path) -> None:
    text = """\
from: [marc, mark]
wen: 1
steps:
  - {step: hello, email: [helo, hello]}
  - {step: on, go_to: sid}
branches:
  side:
    - {step: inside, email: hllo, when: 1 day later}
back_off: {after: 10 dyas, email: helo2, then: {move_to: planet}}
on_reply:
  question: {go_to: side}
  interested: {go_to: asides}
  not_now: {snooze: until they say, otherwise: 30 days, then: hi}
"""
    found = problems_of(write_workspace(tmp_path, sequences={"plan": text}))
    words = ("marc", "wen", "helo,", "sid}", "hllo", "10 dyas", "helo2", "planet", "asides", "hi}")
    assert sorted((p.line, p.column) for p in found) == sorted(place(text, word) for word in words)
    assert all(p.severity == "error" and p.hint for p in found)


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("{first_name}", "first_name"),
        ("{ product }", "product"),
        ("<<First_Name>>", "first_name"),
        ("*|FNAME|*", "fname"),
        ("%%company%%", "company"),
        ("[first_name]", "first_name"),
    ],
)
def test_variables_of_other_programs_are_not_sent_as_they_stand(tmp_path: Path, written: str, name: str) -> None:
    text = f'---\nsubject: "A word for {written}"\n---\nDear {{{{ first_name }}}},\n\nhello {written}\n'
    found = problems_of(write_workspace(tmp_path, templates={"hello": text}))
    assert [(p.line, p.code) for p in found] == [(2, "no-variable"), (6, "no-variable")]
    assert [p.column for p in found][1] == 7
    assert {p.hint for p in found} == {f"write {{{{ {name} }}}}"}


@pytest.mark.parametrize(
    "text",
    [
        "{# {first_name} #} hello {{ '{first_name}' }}",
        "[our page](https://example.com) and [1], {1}, {a b}, 50%%, a << b",
    ],
)
def test_other_brackets_are_left_alone(tmp_path: Path, text: str) -> None:
    letter = f"---\nsubject: x\n---\n{{{{ first_name }}}} {text}\n"
    assert "no-variable" not in codes(problems_of(write_workspace(tmp_path, templates={"hello": letter})))
