"""config.yaml: defaults, presets, and secrets that never come to light."""

from __future__ import annotations

import traceback
from datetime import date, timedelta
from pathlib import Path

import pytest

from sequencer.core.model import Span, Unit
from sequencer.core.pace import Limits
from sequencer.workspace.config import Config, read_config
from sequencer.workspace.providers import FOLDERS, PROVIDERS
from sequencer.workspace.source import Problem
from tests.workspace.folders import CONFIG, ENVIRON, REPOSITORY

SECRET = "tr0ub4dor&3-not-to-be-seen"
NOWHERE = Path("/nowhere")


def read(text: str, folder: Path = NOWHERE, /, **environ: str) -> tuple[Config | None, list[Problem]]:
    _, config, problems = read_config(text, folder, environ)
    return config, problems


def config_of(text: str, folder: Path = NOWHERE) -> Config:
    config, problems = read(text, folder, MARK_PASSWORD=SECRET)
    assert config is not None, [str(problem) for problem in problems]
    return config


def mailbox(*lines: str) -> str:
    return "company: {name: A, address: B}\nmailboxes:\n  mark:\n" + "".join(f"    {line}\n" for line in lines)


LEAST = mailbox("from: Mark Riffey <mark@a.example>", "provider: gmail", "password: ${MARK_PASSWORD}")


def test_the_least_that_works_has_sensible_defaults() -> None:
    config = config_of(LEAST)
    mark = config.mailboxes["mark"]
    assert (mark.name, mark.from_name, mark.from_address) == ("mark", "Mark Riffey", "mark@a.example")
    assert (mark.smtp.host, mark.smtp.port, mark.smtp.tls) == ("smtp.gmail.com", 465, "implicit")
    assert (mark.imap.host, mark.imap.port, mark.imap.tls) == ("imap.gmail.com", 993, "implicit")
    assert mark.smtp.username == mark.imap.username == "mark@a.example"
    assert mark.smtp.password is not None
    assert mark.smtp.password.get_secret_value() == SECRET
    assert (mark.imap.folders, mark.imap.sent, mark.fills_sent) == (FOLDERS, "\\Sent", True)
    assert mark.limits == Limits(per_hour=20, per_day=80, gap=(90.0, 240.0), ramp_up=None)
    assert (config.database, config.spread, config.notify) == (
        "sqlite:///data/sequencer.db",
        timedelta(minutes=30),
        ("mailto",),
    )
    assert (config.web, config.apply, config.contacts.min_gap) == (None, "auto", None)


def test_the_example_config_means_what_it_says() -> None:
    config = config_of((REPOSITORY / "config.yaml").read_text("utf-8"))
    assert config.contacts.min_gap == Span(2, Unit.DAYS)
    mark = config.mailboxes["mark"]
    assert mark.away == ((date(2026, 12, 24), date(2027, 1, 2)),)
    assert mark.limits.ramp_up == 10
    assert mark.hours is not None


@pytest.mark.parametrize("name", sorted(PROVIDERS))
def test_every_provider_is_complete_and_encrypted(name: str) -> None:
    mark = config_of(LEAST.replace("gmail", name)).mailboxes["mark"]
    assert (mark.smtp.port, mark.smtp.tls) in ((465, "implicit"), (587, "starttls"))
    assert (mark.imap.port, mark.imap.tls) == (993, "implicit")
    assert mark.smtp.host.count(".") >= 1
    assert mark.imap.host.count(".") >= 1


def test_what_is_spelled_out_takes_precedence_over_the_provider() -> None:
    text = LEAST + "    username: m\n    fills_sent: false\n    smtp: {host: other.example, tls: starttls}\n"
    text += "    imap: {folders: INBOX, sent: Gesendet}\n"
    mark = config_of(text).mailboxes["mark"]
    assert (mark.smtp.host, mark.smtp.port, mark.smtp.username) == ("other.example", 587, "m")
    assert (mark.imap.host, mark.imap.folders, mark.imap.sent) == ("imap.gmail.com", ("INBOX",), "Gesendet")
    assert mark.fills_sent is False
    assert config_of(text.replace("sent: Gesendet", "sent: off")).mailboxes["mark"].imap.sent is None


def test_a_server_on_this_machine_needs_neither_tls_nor_smtp_login() -> None:
    text = mailbox(
        "from: M <m@a.example>",
        "smtp: {host: 127.0.0.1, port: 2525, tls: none}",
        'imap: {host: localhost, port: 1143, tls: none, username: u, password: "${MARK_PASSWORD}"}',
        "limits: off",
    )
    mark = config_of(text + "spread: off\ncontacts: {min_gap: off}\n").mailboxes["mark"]
    assert (mark.smtp.username, mark.smtp.password, mark.imap.username) == ("", None, "u")
    assert mark.limits == Limits()


@pytest.mark.parametrize(
    ("written", "limits"),
    [
        ("{per_hour: off}", Limits(None, 80, (90.0, 240.0))),
        ("{per_day: 5, gap: off}", Limits(20, 5, None)),
        ("{gap: 90s}", Limits(20, 80, (90.0, 90.0))),
        ("{gap: 1-2m}", Limits(20, 80, (60.0, 120.0))),
        ("{gap: 0.5s - 1 min}", Limits(20, 80, (0.5, 60.0))),
        ("{gap: 30 seconds to 1 hour}", Limits(20, 80, (30.0, 3600.0))),
        ("{ramp_up: 10/day}", Limits(20, 80, (90.0, 240.0), 10)),
        ("{ramp_up: 10 per day}", Limits(20, 80, (90.0, 240.0), 10)),
        ("{ramp_up: 10}", Limits(20, 80, (90.0, 240.0), 10)),
    ],
)
def test_limits_read_as_people_write_them(written: str, limits: Limits) -> None:
    assert config_of(LEAST + f"    limits: {written}\n").mailboxes["mark"].limits == limits


def test_the_environment_may_be_part_of_any_text() -> None:
    text = LEAST.replace("smtp.gmail.com", "") + "database: postgresql://u:${DB}@h/n\nnotify: [mailto, '${SLACK}']\n"
    config, problems = read(text, MARK_PASSWORD=SECRET, DB="p%40ss", SLACK="slack://token")
    assert problems == []
    assert config is not None
    assert config.database == "postgresql://u:p%40ss@h/n"
    assert config.notify == ("mailto", "slack://token")


# Secrets ------------------------------------------------------------------------------------------


def test_a_secret_may_lie_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "mark").write_text(f"{SECRET}\r\nsecond line\n", "utf-8")
    config = config_of(LEAST.replace("${MARK_PASSWORD}", "file:secrets/mark"), tmp_path)
    password = config.mailboxes["mark"].smtp.password
    assert password is not None
    assert password.get_secret_value() == SECRET


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (LEAST.replace("${MARK_PASSWORD}", SECRET), "literal-secret"),
        (LEAST.replace("${MARK_PASSWORD}", f'"x{SECRET}${{MARK_PASSWORD}}"'), "literal-secret"),
        (LEAST.replace("password:", "pasword:").replace("${MARK_PASSWORD}", SECRET), "unknown-key"),
        (LEAST.replace("${MARK_PASSWORD}", f"[{SECRET}]"), "literal-secret"),
        (LEAST.replace("${MARK_PASSWORD}", f"{{{SECRET}: x}}"), "literal-secret"),
        (LEAST + f"    smtp: smtp://mark:{SECRET}@a.example\n", "shape"),
        (LEAST + f"database: postgresql://u:{SECRET}@h/n\n", "literal-secret"),
        (LEAST + f"notify: [mailto, mailtos://u:{SECRET}@h]\n", "literal-secret"),
        (LEAST + f"    smtp: {{port: {SECRET}}}\n", "shape"),
        (LEAST + f"    smtp: {{tls: {SECRET}}}\n", "shape"),
        (LEAST + f"    password: {SECRET}\n", "duplicate-key"),
        (LEAST + f"apply: {SECRET}\n", "shape"),
        (LEAST + f"    smtp: {{{SECRET}}}\n", "empty"),
        (LEAST + f"    smtp: {{{SECRET}: x}}\n", "unknown-key"),
        (LEAST.replace("${MARK_PASSWORD}", f"'{SECRET}"), "yaml"),
    ],
)
def test_a_password_in_clear_is_a_mistake_and_is_never_repeated(text: str, code: str) -> None:
    config, problems = read(text, MARK_PASSWORD="set")
    assert config is None
    assert code in [problem.code for problem in problems], [str(problem) for problem in problems]
    assert SECRET not in "".join(map(repr, problems))


def test_the_value_of_a_secret_shows_up_nowhere() -> None:
    config = config_of(LEAST)
    _, problems = read(LEAST + "apply: maybe\nspread: soon\n    smtp: 1\n", MARK_PASSWORD=SECRET)
    shown = repr(config) + repr(config.mailboxes["mark"].smtp) + "".join(map(str, problems))
    try:
        raise RuntimeError(config)
    except RuntimeError:
        shown += traceback.format_exc()
    assert SECRET not in shown


@pytest.mark.parametrize("environ", [{}, {"MARK_PASSWORD": ""}])
def test_a_missing_secret_names_the_variable_and_its_line(environ: dict[str, str]) -> None:
    config, problems = read(LEAST, NOWHERE, **environ)
    assert config is None
    assert [(p.code, p.line) for p in problems] == [("secret-missing", 6)]
    assert "MARK_PASSWORD" in problems[0].message


def test_whoever_only_looks_at_the_files_needs_no_secrets() -> None:
    text = LEAST + "database: postgresql://u:${DB}@h/n\n"
    _, config, problems = read_config(text, NOWHERE, {}, secrets_required=False)
    assert problems == []
    assert config is not None
    assert config.mailboxes["mark"].smtp.password is None


# Mistakes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line", "code", "words"),
    [
        ("mailboxes: {}\ncompany: {name: A, address: B}\n", 1, "empty", "mailboxes"),
        ("company: {name: A}\n" + LEAST.split("\n", 1)[1], 1, "missing-key", "postal address"),
        (LEAST + "databse: x\n", 7, "unknown-key", "did you mean `database`?"),
        (LEAST.replace("gmail", "gmial"), 5, "provider", "did you mean `gmail`?"),
        (LEAST.replace("gmail", "hotchpotch"), 5, "provider", "spell out smtp and imap"),
        (LEAST.replace("Mark Riffey <mark@a.example>", "mark@a.example"), 4, "address", "the name before"),
        (LEAST.replace("<mark@a.example>", "<mark@a.example"), 4, "address", "Mark Riffey"),
        (LEAST.replace("mark@a.example", "mark@a"), 4, "address", "Mark Riffey"),
        (LEAST + "    hours: Mon-Fir 8-17\n", 7, "hours", "Fri"),
        (LEAST + "    away: [2027-01-02..2026-12-24]\n", 7, "away", "before the first"),
        (LEAST + "    away: [Christmas]\n", 7, "away", "2026-12-24"),
        (LEAST + "    limits: {per_hour: many}\n", 7, "number", "whole number"),
        (LEAST + "    limits: {per_hour: 0}\n", 7, "number", "above 0"),
        (LEAST + "    limits: {gap: 4m-2m}\n", 7, "gap", "shorter length first"),
        (LEAST + "    limits: {gap: 10}\n", 7, "gap", "90s-240s"),
        (LEAST + "    limits: none\n", 7, "limits", "off"),
        (LEAST + "    smtp: {port: 99999}\n", 7, "shape", "65535"),
        (LEAST + "    smtp: {tls: ssl}\n", 7, "shape", "'implicit', 'starttls' or 'none'"),
        (LEAST + "    smtp: {tls: none}\n", 7, "no-tls", "starttls"),
        (LEAST + "spread: 3 days\n", 7, "span", "minutes or hours"),
        (LEAST + "contacts: {min_gap: soon}\n", 7, "span", "soon"),
        (LEAST + "contacts: {language: English}\n", 7, "word", "en, de"),
        (LEAST + "web: {listen: '8025'}\n", 7, "listen", "127.0.0.1:8025"),
        (LEAST + "web: {base_url: follow.example.com}\n", 7, "url", "https://"),
        (LEAST + "apply: later\n", 7, "shape", "'auto' or 'manual'"),
        (mailbox("from: M <m@a.example>", 'password: "${MARK_PASSWORD}"'), 3, "host-missing", "provider: gmail"),
        (mailbox("from: M <m@a.example>", "provider: gmail"), 3, "login-missing", "password"),
        (LEAST.replace("mark:", "the boss:"), 3, "mailbox-name", "mark"),
        (LEAST + "database: postgresql://u:${DB}@h/n\n", 7, "secret-missing", "DB"),
    ],
)
def test_a_mistake_is_named_at_its_line(text: str, line: int, code: str, words: str) -> None:
    config, problems = read(text, MARK_PASSWORD=SECRET)
    assert config is None
    assert (code, line) in [(p.code, p.line) for p in problems], [str(p) for p in problems]
    assert any(words in f"{p.message} {p.hint}" for p in problems)


# A second opinion --------------------------------------------------------------------------------------

READER = "reader: {endpoint: https://ai.example.com/v1/, model: small, key: '${READER_KEY}', timeout: 2.5 seconds}\n"


def test_the_second_opinion_is_off_unless_it_is_written_down() -> None:
    assert config_of(LEAST).reader is None
    config, problems = read(LEAST + READER, MARK_PASSWORD=SECRET, READER_KEY="a-key-not-to-be-seen")
    assert config is not None, problems
    reader = config.reader
    assert reader is not None
    assert (reader.endpoint, reader.model, reader.timeout) == ("https://ai.example.com/v1", "small", 2.5)
    assert reader.key is not None
    assert reader.key.get_secret_value() == "a-key-not-to-be-seen"
    assert "not-to-be-seen" not in repr(config)


def test_its_key_is_a_secret_like_any_other() -> None:
    config, problems = read(LEAST + READER, MARK_PASSWORD=SECRET)
    assert config is None
    assert [(problem.code, problem.line) for problem in problems] == [("secret-missing", 7)]
    for literal in ("sk-1234567890", "x${READER_KEY}"):
        _, problems = read(LEAST + READER.replace("${READER_KEY}", literal), MARK_PASSWORD=SECRET, READER_KEY="k")
        assert [problem.code for problem in problems] == ["literal-secret"]
        assert "1234567890" not in str(problems)
    only_looking = read_config(LEAST + READER, NOWHERE, {}, secrets_required=False)[1]
    assert only_looking is not None
    assert only_looking.reader is not None
    assert only_looking.reader.key is None


def test_a_mailbox_may_be_called_key() -> None:
    text = LEAST.replace("  mark:", "  key:").replace("Mark Riffey", "${WHO}")
    config, problems = read(text, MARK_PASSWORD=SECRET, WHO="Mark Riffey")
    assert config is not None, problems
    assert config.mailboxes["key"].from_name == "Mark Riffey"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (("https://ai.example.com/v1/", "http://ai.example.com/v1"), "no-tls"),
        (("https://ai.example.com/v1/", "ai.example.com"), "url"),
        (("2.5 seconds", "2 minutes"), "timeout"),
        (("2.5 seconds", "0 seconds"), "timeout"),
        (("2.5 seconds", "61s"), "timeout"),
        (("model: small, ", ""), "missing-key"),
    ],
)
def test_mistakes_in_it(change: tuple[str, str], code: str) -> None:
    config, problems = read(LEAST + READER.replace(*change), MARK_PASSWORD=SECRET, READER_KEY="k")
    assert config is None
    assert [(problem.code, problem.line) for problem in problems] == [(code, 7)]


def test_a_model_on_this_machine_needs_neither_tls_nor_key() -> None:
    text = "reader: {endpoint: 'http://localhost:11434/v1', model: small}\n"
    config, problems = read(LEAST + text, MARK_PASSWORD=SECRET)
    assert config is not None, problems
    assert config.reader is not None
    assert (config.reader.key, config.reader.timeout) == (None, 10.0)


@pytest.mark.parametrize("required", [True, False])
def test_a_password_does_not_stand_where_it_would_be_shown(required: bool) -> None:
    text = CONFIG.replace("host: imap.flatheadrv.example", 'host: "${MARK_PASSWORD}"')
    document, config, problems = read_config(text, Path("/nowhere"), ENVIRON, secrets_required=required)
    assert config is None
    assert [(p.code, p.line) for p in problems] == [("secret-shown", CONFIG[: CONFIG.index("imap:")].count("\n") + 1)]
    assert ENVIRON["MARK_PASSWORD"] not in repr(problems)
    assert document.file == "config.yaml"
