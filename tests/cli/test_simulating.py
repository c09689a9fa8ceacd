"""`simulate` in the workspace that `init` writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.shell import data, run


@pytest.fixture
def starter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh workspace, as the current folder."""
    monkeypatch.setenv("COLUMNS", "110")
    run("init", str(tmp_path / "new"))
    monkeypatch.chdir(tmp_path / "new")
    return tmp_path / "new"


def test_it_says_why_a_step_is_not_earlier(starter: Path) -> None:
    before_christmas = ["simulate", "quote-follow-up", "--start", "2027-12-20"]
    said = " ".join(run(*before_christmas).split())
    assert "Mon 27 Dec 2027 08:50 story e-mail" in said
    assert "“Re: Your quote, and one question” — due Sat 25 Dec: Christmas Day, then weekend" in said
    assert "spread" not in said
    story = next(row for row in data(*before_christmas, "--json") if row["step"] == "story")
    assert [shift["cause"] for shift in story["shifts"]] == ["holiday", "weekday", "spread"]
    ends = [story["due_at"], *(shift["to"] for shift in story["shifts"])]
    assert [*(shift["from"] for shift in story["shifts"]), story["at"]] == ends


def test_what_was_moved_within_a_day_is_told_with_its_time(starter: Path) -> None:
    early = run("simulate", "nine-word", "--start", "2027-03-02T06:15")
    assert "due 06:15: outside Mon-Fri 08:30-17:00" in early
    late = " ".join(run("simulate", "nine-word", "--start", "2027-03-02T18:15").split())
    assert "due Tue 2 Mar 18:15: outside Mon-Fri 08:30-17:00" in late
