"""Text for people: harmless to their terminal, and printable on every one."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sequencer.cli.text import columns, harmless, paragraph
from tests.cli.shell import process, run

HOSTILE = "\x1b[2J\x1b]0;pwned\x07\x9b31m\u202egnp.exe\r"


def test_what_strangers_write_does_not_steer_the_terminal(shop: Path) -> None:
    mail = f"From: Eve <eve@example.com>\nSubject: hello\n\nDear Mark, {HOSTILE} please stop.\n"
    (shop / "evil.eml").write_bytes(mail.encode())
    said = run("read", "evil.eml")
    assert "Dear Mark" in said
    assert not [char for char in HOSTILE if char in said and not char.isprintable()]


@given(st.text(max_size=80))
def test_harmless_text_stays_and_the_rest_is_shown(text: str) -> None:
    safe = harmless(text)
    assert len(safe) == len(text)
    assert all(char in "\n\t" or ord(char) >= 32 for char in safe)
    assert harmless(safe) == safe


def test_line_breaks_tabs_and_letters_of_every_kind_stay() -> None:
    text = "Größe\t“ja”\nעברית 日本語 👩‍🚀"
    assert harmless(text) == text


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_a_terminal_that_knows_few_letters_is_no_reason_to_fail(shop: Path, encoding: str) -> None:
    done = process("preview", "quote", environ={"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"})
    assert done.returncode == 0, done.stderr
    assert "Subject: Your quote" in done.stdout


def test_columns_are_aligned_and_paragraphs_wrapped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    assert columns([("a", "bb", ""), ("aaa", "b", "c")]) == ["a    bb", "aaa  b   c"]
    lines = paragraph("one two three four five six seven eight nine ten eleven\n\ntwelve", "> ", "  ")
    assert lines[0].startswith("> one")
    assert all(len(line) <= 50 for line in lines)
    assert lines[-2:] == ["", "  twelve"]
