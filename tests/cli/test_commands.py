"""Every command once, as people use it: what it prints, its JSON, its exit code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.shell import data, outcome, run

ANNA, BEN = "anna@example.com", "ben@example.org"
CSV = "E-Mail;Vorname;Produkt;birthday\nanna@example.com;Anna;ein Zelt;4.5.1980\nben@example.org;Ben;;\n"


@pytest.fixture
def people(shop: Path) -> Path:
    """Two contacts, of whom Anna has been enrolled."""
    (shop / "contacts.csv").write_text(CSV)
    run("import", "contacts.csv")
    run("enroll", "quote", ANNA, "--mailbox", "mark", "--set", "quote_date=2026-12-01")
    return shop


# Setting up ---------------------------------------------------------------------------------------


def test_init_writes_a_workspace_that_checks_clean(tmp_path: Path) -> None:
    said = run("init", str(tmp_path / "mine"))
    assert "Next:" in said
    assert (tmp_path / "mine" / "config.yaml").is_file()
    said = run("-C", str(tmp_path / "mine"), "check")
    assert "No mistakes" in said
    assert "MARK_PASSWORD is not set" in said  # a warning: the files are right


def test_init_overwrites_nothing(shop: Path) -> None:
    before = (shop / "config.yaml").read_text()
    assert "is there already" in run("init", code=1)
    assert (shop / "config.yaml").read_text() == before
    assert not (shop / "contacts.example.csv").exists()


def test_check_names_the_place_and_the_way_out(shop: Path) -> None:
    path = shop / "sequences" / "quote.yaml"
    path.write_text(path.read_text().replace("email: last", "email: lst", 1))
    said = run("check", code=1)
    assert "sequences/quote.yaml:13:12: " in said
    assert "did you mean `last`?" in said
    (problem,) = [one for one in data("check", "--json", code=1) if one["severity"] == "error"]
    assert set(problem) == {"file", "line", "column", "severity", "code", "message", "hint"}
    assert (problem["file"], problem["line"], problem["column"]) == ("sequences/quote.yaml", 13, 12)


def test_check_shows_the_line_with_a_caret(shop: Path) -> None:
    path = shop / "sequences" / "quote.yaml"
    path.write_text(path.read_text().replace("email: last", "email: lst", 1) + "alongside: perhaps\n")
    last = path.read_text().count("\n")
    said = run("check", code=1)
    assert "\n    13 |     email: lst\n       |            ^^^\n    did you mean `last`?\n" in said
    assert f"quote.yaml:{last}:12: expected true or false\n{last:>6} | alongside: perhaps\n" in said
    assert "\n       |            ^^^^^^^\n" in said
    assert "2 mistakes" in said


def test_check_never_shows_a_password(shop: Path) -> None:
    path = shop / "config.yaml"
    path.write_text(path.read_text() + 'reader: {endpoint: "https://a.example", model: x, key: Xy7hunter}\n')
    said = run("check", code=1)
    assert "a password stands here in clear" in said
    assert "key: *********" in said
    for form in ("text", "json", "github"):
        assert "Xy7hunter" not in run("check", "--format", form, code=1)


def test_check_for_github(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = shop / "sequences" / "50%, a:b.yaml"
    path.write_text("from: mark\nsteps:\n  - {step: a, email: 100% off}\n")
    name, rename = "sequences/50%25%2C a%3Ab.yaml", "rename it to letters, digits, - and _, at most 60"
    write = "write templates/100%25 off.md"
    found = [line for line in run("check", "--format", "github", code=1).splitlines() if "50%25" in line]
    assert found == [
        f"::error file={name},title=sequence-name::the name of this file names no sequence%0A{rename}",
        f"::error file={name},line=3,col=22,title=unknown-template::there is no template `100%25 off`%0A{write}",
    ]
    monkeypatch.chdir(shop.parent)
    assert "::error file=shop/sequences/50%25" in run("-C", "shop", "check", "--format", "github", code=1)
    path.unlink()
    assert all(
        line.startswith("::warning ") for line in run("-C", "shop", "check", "--format", "github").splitlines()[:-1]
    )


def test_formats_of_check(shop: Path) -> None:
    assert data("check", "--format", "json") == data("check", "--json") == data("check", "--json", "--format", "json")
    assert "--format is one of text, json, github, not “githb”" in run("check", "--format", "githb", code=2)
    assert "exclude one another" in run("check", "--json", "--format", "text", code=2)


def test_check_of_a_named_workspace_shows_paths_that_can_be_opened(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (shop / "sequences" / "keep.yaml").write_text("steps: 1\n")
    monkeypatch.chdir(shop.parent)
    said = run("-C", "shop", "check", code=1)
    assert "shop/sequences/keep.yaml:1:" in said


def test_check_knows_the_fields_of_the_contacts(people: Path) -> None:
    path = people / "templates" / "last.md"
    path.write_text("---\nsubject: Still looking?\n---\nAre you still looking for {{ produkt }}, {{ shoe_size }}?\n")
    said = run("check")
    assert "shoe_size" in said
    assert "`produkt`" not in said


def test_check_looks_at_the_database_too(shop: Path) -> None:
    text = (shop / "config.yaml").read_text()
    (shop / "config.yaml").write_text(text.replace("sqlite:///data/sequencer.db", "mysql://host/name"))
    assert "config.yaml:1:11: the database must be sqlite:///" in run("check", code=1)
    (shop / "config.yaml").write_text(text)
    (shop / "data").mkdir()
    (shop / "data" / "sequencer.db").write_text("this is no database " * 100)
    said = run("check")
    assert "config.yaml:1:11: warning: cannot open sqlite:///" in said
    assert "not a database" in said


def test_connect_needs_the_passwords(shop: Path) -> None:
    said = run("check", "--connect", code=1)
    assert "MARK_PASSWORD is not set" in said
    assert "The servers were not tried" in said


def test_schema_is_json(shop: Path) -> None:
    assert json.loads(run("schema"))["$schema"].startswith("https://json-schema.org/")


def test_schemas_are_named_and_written_into_the_workspace(shop: Path) -> None:
    assert "mailboxes" in json.loads(run("schema", "config"))["properties"]
    assert "did you mean `config`?" in run("schema", "confg", code=2)
    assert "sequence.schema.json is up to date now" in run("schema", "--write")
    assert json.loads((shop / "docs" / "config.schema.json").read_text()) == json.loads(run("schema", "config"))
    assert run("schema", "--write") == "Every schema was up to date.\n"
    (shop / "docs" / "config.schema.json").write_text("{}")
    assert "`sequencer schema --write`" in run("check")
    (shop / "config.yaml").unlink()
    assert "no config.yaml" in run("schema", "--write", code=1)


def test_version(shop: Path) -> None:
    assert run("version") == run("--version")
    assert run("version").startswith("sequencer 0.")


def test_upgrade_makes_the_tables_once(shop: Path) -> None:
    assert "run: " in run("db", "upgrade")
    assert (shop / "data" / "sequencer.db").is_file()
    assert "up to date" in run("db", "upgrade")


# Looking ahead ------------------------------------------------------------------------------------


def test_preview_prints_headers_and_body(shop: Path) -> None:
    said = run("preview", "quote")
    assert "Subject: Re: Your quote" in said
    assert "Anna, thank you." in said
    assert "in the branch price" in said
    assert not (shop / "data").exists()  # looking leaves nothing behind
    raw = run("preview", "quote", "--step", "thanks", "--raw")
    assert "Content-Type: multipart/alternative" in raw
    told = data("preview", "quote", "--json")
    assert [one["step"] for one in told] == ["thanks", "last", "price-answer", "back_off"]
    assert told[0]["headers"]["Subject"] == told[0]["subject"] == "Your quote"


def test_preview_for_somebody_names_what_is_missing(people: Path) -> None:
    run("enroll", "keep", "stranger@example.com")
    said = run("preview", "quote", "--contact", "stranger@example.com", code=1)
    assert "needs first_name" in said
    assert "Anna, thank you." in run("preview", "quote", "--contact", ANNA)
    assert "import them first" in run("preview", "quote", "--contact", "nobody@example.com", code=1)


def test_preview_of_what_is_not_there(shop: Path) -> None:
    assert "did you mean `quote`?" in run("preview", "qote", code=2)
    assert "did you mean `thanks`?" in run("preview", "quote", "--step", "thank", code=2)


def test_simulate_tells_the_time_line(shop: Path) -> None:
    said = run("simulate", "quote", "--start", "2026-11-30")
    assert "Tue 1 Dec 2026 09:30" in said
    assert "move to" in said
    told = data("simulate", "quote", "--start", "2026-11-30", "--reply", "thanks+2d interested", "--json")
    assert [(one["step"], one["action"]) for one in told] == [("thanks", "email"), ("call", "pause")]
    assert told[0]["at"] == "2026-12-01T16:30:00+00:00"
    assert set(told[0]) >= {"at", "step", "action", "subject", "reason"}
    until = data("simulate", "quote", "--start", "2026-11-30", "--until", "2026-12-02", "--json")
    assert [one["step"] for one in until] == ["thanks"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--start", "soon"], "is no date"),
        (["--until", "soon"], "is no date"),
        (["--reply", "interested"], "is no reply"),
        (["--set", "product"], "is no field"),
    ],
)
def test_simulate_with_a_wrong_option(shop: Path, options: list[str], words: str) -> None:
    assert words in run("simulate", "quote", *options, code=2)


# People -------------------------------------------------------------------------------------------


def test_import_says_what_it_did_and_where_it_refused(shop: Path) -> None:
    (shop / "contacts.csv").write_text(CSV + "broken;;;\n")
    assert "this was a dry run" in run("import", "contacts.csv", "--dry-run", code=1)
    said = run("import", "contacts.csv", "--enroll", "quote", code=1)
    assert "contacts.csv:4: refused: “broken” is no e-mail address" in said
    assert "2 created, 0 updated, 0 unchanged, 2 enrolled in quote, 1 refused" in said
    told = data("import", "contacts.csv", "--json", code=1)
    assert {key: told[key] for key in ("created", "updated", "unchanged", "enrolled")} == {
        "created": 0,
        "updated": 0,
        "unchanged": 2,
        "enrolled": 0,
    }
    (refused,) = told["refused"]
    assert (set(refused), refused["line"]) == ({"line", "reason"}, 4)


def test_import_of_what_is_not_there_or_no_csv(shop: Path) -> None:
    assert "there is no file" in run("import", "missing.csv", code=2)
    (shop / "names.csv").write_text("name,city\nAnna,Berlin\n")
    assert "names.csv:1:1: no column is called email" in run("import", "names.csv", code=1)
    (shop / "contacts.csv").write_text(CSV)
    assert "did you mean `quote`?" in run("import", "contacts.csv", "--enroll", "qote", code=2)


def test_enroll_says_who_is_new_and_what_is_next(people: Path) -> None:
    said = run("enroll", "quote", BEN, "new@example.com", "no address", code=1)
    assert f"{BEN}: enrolled in quote" in said
    assert "new@example.com (a new contact: nothing but the address is known)" in said
    assert "the e-mail “thanks” leaves" in said
    assert "no address: not enrolled" in said
    (told,) = data("enroll", "birthday", BEN, "--json")
    assert (told["sequence"], told["mailbox"], told["created"]) == ("birthday", "susan", False)
    assert "there is no mailbox “max”" in run("enroll", "quote", BEN, "--mailbox", "max", code=2)
    assert "is no date for quote_date" in run("enroll", "quote", BEN, "--set", "quote_date=soon", code=2)


def test_suppress_and_unsuppress(people: Path) -> None:
    assert "will never be mailed again; 1 enrollment stopped" in run("suppress", ANNA, "--reason", "asked us")
    assert data("why", ANNA, "--json")["suppressed"] is True
    (told,) = data("suppress", "@example.org", "--json")
    assert told == {"target": "@example.org", "suppressed": True, "before": None, "stopped": 0}
    assert "they are suppressed" in run("enroll", "quote", BEN, code=1)
    assert "may be mailed again" in run("unsuppress", ANNA, "@example.org")
    assert "was not suppressed" in run("unsuppress", ANNA, code=1)
    assert "no e-mail address" in run("suppress", "nonsense", code=1)


# A rep --------------------------------------------------------------------------------------------


def test_pause_resume_snooze_branch_move_stop_close(people: Path) -> None:
    assert "quote is paused: on holiday" in run("pause", ANNA, "--reason", "on holiday")
    assert "quote goes on; the e-mail “thanks” leaves" in run("resume", ANNA)
    assert "quote is snoozed: by hand; it goes on" in run("snooze", ANNA, "--until", "3 weeks", "--then", "last")
    assert "the e-mail “price-answer” leaves" in run("branch", ANNA, "--to", "price")
    assert "moved from quote to keep" in run("move", ANNA, "--to", "keep")
    assert "keep is stopped: wrong number" in run("stop", ANNA, "--reason", "wrong number")
    assert "keep is finished: won" in run("close", ANNA, "--won")
    (told,) = data("close", ANNA, "--lost", "--reason", "no budget", "--json")
    assert (told["sequence"], told["status"], told["reason"]) == ("keep", "finished", "lost")
    history = data("why", ANNA, "--json")["enrollments"][0]["history"]
    assert history[-1]["detail"] == "lost: no budget (by hand)"


def test_what_a_rep_cannot_do(people: Path) -> None:
    assert "say which: --won or --lost" in run("close", ANNA, code=2)
    assert "say which: --won or --lost" in run("close", ANNA, "--won", "--lost", code=2)
    assert "neither a date nor a length" in run("snooze", ANNA, "--until", "soon", code=2)
    assert "--until" in run("snooze", ANNA, code=2)
    assert "did you mean `price`?" in run("branch", ANNA, "--to", "prize", code=1)
    assert "did you mean `keep`?" in run("move", ANNA, "--to", "kepp", code=2)
    assert "no contact with this address" in run("pause", "nobody@example.com", code=1)
    mixed = outcome("pause", ANNA, "nobody@example.com")
    assert mixed.exit_code == 1
    assert f"{ANNA}: quote is paused" in mixed.output


# Explaining ---------------------------------------------------------------------------------------


def test_status(people: Path) -> None:
    said = run("status")
    assert "mark" in said
    assert "Enrollments: 1 active" in said
    told = data("status", "--json")
    assert {"mailboxes", "enrollments", "problems", "doubts"} <= set(told)
    assert {"name", "state", "reason", "inbox_read_at", "sent_today", "due", "held", "in_doubt"} <= set(
        told["mailboxes"][0]
    )


def test_why(people: Path) -> None:
    said = run("why", ANNA)
    assert "anna@example.com (Anna), times in America/Denver" in said
    assert "next    the e-mail “thanks” leaves" in said
    assert "entered quote, from the mailbox mark (by hand)" in said
    told = data("why", ANNA, "--json")
    assert set(told["enrollments"][0]) >= {"sequence", "status", "reason", "step", "due_at", "held", "history"}
    assert "there is no contact" in run("why", "nobody@example.com", code=1)
    assert "Never in a sequence" in run("why", BEN)


def test_threads_and_thread(people: Path) -> None:
    assert run("threads") == "Nobody waits for you.\n"
    assert data("threads", "--json") == []
    run("pause", ANNA, "--reason", "talked on the phone")
    said = run("threads")
    assert "talked on the phone" in said
    assert "→ resume, when you are ready" in said
    (told,) = data("threads", "--json")
    assert set(told) >= {"id", "contact", "sequence", "kind", "confidence", "text", "proposed", "received_at"}
    assert "No message has gone out yet." in run("thread", str(told["id"]))
    assert data("thread", str(told["id"]), "--json")["messages"] == []
    assert "there is no thread 99" in run("thread", "99", code=1)


def test_tasks_when_there_are_none(people: Path) -> None:
    assert run("tasks") == "Nothing to do.\n"
    assert data("tasks", "--json") == []
    assert "there is no task 7" in run("tasks", "done", "7", code=1)


MAIL = """\
From: Anna <anna@example.com>
To: mark@flatheadrv.example
Subject: Re: Your quote
Date: Tue, 1 Dec 2026 12:00:00 +0000
In-Reply-To: <1.thanks.x@flatheadrv.example>

Please stop writing to me. Unsubscribe.

On Mon, Mark wrote:
> Anna, thank you.
"""


def test_read(shop: Path) -> None:
    (shop / "one.eml").write_text(MAIL)
    (shop / "two.eml").write_bytes(b"\xff\x00 no mail at all")
    said = run("read", "one.eml")
    assert "one.eml: unsubscribe" in said
    assert "On Mon, Mark wrote" not in said
    result = outcome("read", "--json", "one.eml", "two.eml", "missing.eml")
    assert result.exit_code == 1
    assert "missing.eml: No such file" in result.stderr
    first, second = (json.loads(line) for line in result.stdout.splitlines())
    assert set(first) >= {
        "file", "kind", "confidence", "matched_by", "recipient", "original_message_id", "status", "permanent", "text",
        "date", "date_words", "refers_to", "evidence",
    }  # fmt: skip
    assert (first["file"], first["kind"]) == ("one.eml", "unsubscribe")
    assert second["file"] == "two.eml"
    assert "is no date" in run("read", "one.eml", "--today", "soon", code=2)
    assert "there is no sequence" in run("read", "one.eml", "--sequence", "qote", code=2)
