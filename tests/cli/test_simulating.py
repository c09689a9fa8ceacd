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


# A crowd --------------------------------------------------------------------------------------------


def test_a_crowd_is_shown_as_a_chart_with_what_it_means(starter: Path) -> None:
    said = run("simulate", "quote-follow-up", "--contacts", "60", "--start", "2027-01-11")
    lines = said.splitlines()
    assert lines[0].startswith("quote-follow-up for 60 people, invented; they enter on Mon 11 Jan 2027 09:00, nobody")
    first = next(line for line in lines if "Tue 12 Jan 2027" in line)
    assert first.split()[-5:] == ["10", "of", "10;", "50", "wait"]
    assert "█" in first
    assert "mark: e-mails a day; 80 a day, 20 an hour, a gap of 90 to 240 seconds, 10 more each day while it is" in said
    assert "\nthe rep: calls, texts and other tasks a day\n" in said
    assert "\nHow it ends for them:\n  60  moved to keep-in-touch\n" in said
    assert "mark is taken to be new" in said
    assert "mark is taken to be new" not in run(
        "simulate", "quote-follow-up", "--contacts", "60", "--start", "2027-01-11", "--warm"
    )


def test_a_crowd_as_json_adds_up_and_is_the_same_every_time(starter: Path) -> None:
    options = ["simulate", "quote-follow-up", "--contacts", "40", "--start", "2027-01-11", "--answers", "50%", "--json"]
    told = data(*options)
    assert told == data(*options)
    assert told != data(*options, "--seed", "2")
    (mailbox,) = told["mailboxes"]
    assert sum(day["sent"] for day in mailbox["days"]) == mailbox["mails"] > 100
    assert all(day["sent"] <= day["limit"] for day in mailbox["days"])
    assert sum(end["people"] for end in told["ends"]) == told["people"] == 40
    assert 5 < told["answered"] < 25
    assert mailbox["limits"] == {"per_hour": 20, "per_day": 80, "gap": [90, 240], "ramp_up": 10}
    spread_out = data(*options, "--per-day", "2")
    assert spread_out["mailboxes"][0]["wait"]["median"] < mailbox["wait"]["median"]


def test_many_days_are_shown_by_weeks(starter: Path) -> None:
    said = run("simulate", "quote-follow-up", "--contacts", "90", "--per-day", "1", "--start", "2027-01-11")
    weeks = [line for line in said.splitlines() if line.startswith("  week of Mon ")]
    assert len(weeks) > 12
    assert " of " in weeks[0]
    assert "1 of them enter every working day from Mon 11 Jan 2027 09:00" in said


def test_the_people_of_a_file(starter: Path) -> None:
    (starter / "people.csv").write_text(
        "email,first_name,product,phone,timezone\n"
        "anna@example.com,Anna,a trailer,+1 406 555 0100,Europe/Berlin\n"
        "ben@example.com,,a boat,,\n"
        "tom@example,Tom,,,\n"
    )
    said = run("simulate", "quote-follow-up", "--csv", "people.csv", "--start", "2027-01-11")
    assert "people.csv:4: refused: “tom@example” is no e-mail address" in said
    assert "quote-follow-up for 2 people of people.csv; they enter on" in said
    assert "1 person is held where nobody helps: the template quote-thanks needs first_name." in said
    told = data("simulate", "quote-follow-up", "--csv", "people.csv", "--start", "2027-01-11", "--json")
    assert [one["line"] for one in told["refused"]] == [4]
    assert {end["reason"] for end in told["ends"]} == {
        "moved to keep-in-touch",
        "held: the template quote-thanks needs first_name",
    }
    (starter / "empty.csv").write_text("email\n")
    assert "nobody is in empty.csv" in run("simulate", "quote-follow-up", "--csv", "empty.csv", code=2)
    assert "there is no file nowhere.csv" in run("simulate", "quote-follow-up", "--csv", "nowhere.csv", code=2)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--contacts", "0"], "a crowd has between 1 and 100,000 people"),
        (["--contacts", "5", "--zones", "Mars/Base"], "there is no time zone `Mars/Base`"),
        (["--contacts", "5", "--answers", "lots"], "is no share: write it as in --answers 8%"),
        (["--contacts", "5", "--answers", "120%"], "is no share"),
        (["--contacts", "5", "--start", "soon"], "is no date"),
        (["--contacts", "5", "--contact", "anna@example.com"], "leave out --contact and --reply"),
        (["--contacts", "5", "--csv", "x.csv"], "take one of them"),
        (["--per-day", "5"], "say how many, as in --contacts 1000"),
        (["--contacts", "5", "--per-day", "0"], "--per-day"),
    ],
)
def test_a_crowd_with_a_wrong_option(starter: Path, options: list[str], words: str) -> None:
    assert words in run("simulate", "quote-follow-up", *options, code=2)
