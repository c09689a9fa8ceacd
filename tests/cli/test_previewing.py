"""preview for a file and in the worst case, as people type it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.cli.shell import data, outcome, process, run

PEOPLE = "E-Mail;Vorname;Produkt\nanna@example.com;Anna;a tent\nben@example.org;;\nnobody;X;Y\n"


@pytest.fixture
def people(shop: Path) -> Path:
    (shop / "templates" / "last.md").write_text("---\nsubject: Still?\n---\nLooking for {{ product }}?\n")
    (shop / "people.csv").write_text(PEOPLE)
    return shop


def test_a_file_is_shown_row_by_row_and_summed_up(people: Path) -> None:
    said = run("preview", "quote", "--csv", "people.csv", code=1)
    assert "quote for 2 people in people.csv, from the mailbox mark. Nothing is sent, nothing is stored." in said
    assert "people.csv:2: anna@example.com (Anna): 2 mails of 4 held" in said
    assert re.search(r"^    thanks +thanks +Your quote$", said, re.MULTILINE)
    assert re.search(r"^    last +last +held: the template last needs product$", said, re.MULTILINE)
    assert "people.csv:4: refused: “nobody” is no e-mail address" in said
    assert "2 people: 0 would get every mail, 2 would be held." in said
    assert "product is missing     for 2 people  in last, price-answer  lines 2, 3" in said
    assert "first_name is missing  for 1 person  in thanks              line 3" in said
    assert "There is a column produkt: call it product, or write {{ produkt }} in the template." in said
    assert not (people / "data").exists()


def test_one_person_of_a_file_in_full(people: Path) -> None:
    said = run("preview", "quote", "--csv", "people.csv", "--contact", "Anna@Example.com", "--step", "thanks")
    assert "The mails for anna@example.com (Anna)" in said
    assert "To: anna@example.com" in said
    raw = run("preview", "quote", "--csv", "people.csv", "--contact", "anna@example.com", "--step", "thanks", "--raw")
    assert raw.startswith("Date: ")
    said = run("preview", "quote", "--csv", "people.csv", "--contact", "carla@example.com", code=1)
    assert "there is no row with the address carla@example.com" in said


def test_a_file_as_json_is_one_value(people: Path) -> None:
    told = data("preview", "quote", "--csv", "people.csv", "--json", code=1)
    assert [(one["line"], one["email"], one["held"]) for one in told["people"]] == [
        (2, "anna@example.com", True),
        (3, "ben@example.org", True),
    ]
    assert told["people"][0]["letters"][0]["subject"] == "Your quote"
    assert told["people"][0]["letters"][1]["missing"] == ["product"]
    assert told["refused"][0]["line"] == 4
    assert told["summary"]["people"] == 2
    assert told["summary"]["causes"][0] == {
        "variable": "product",
        "reason": "the template last needs product",
        "steps": ["last", "price-answer"],
        "lines": [2, 3],
    }


def test_a_file_without_people_is_still_one_value(people: Path) -> None:
    (people / "none.csv").write_text("email\n")
    assert data("preview", "quote", "--csv", "none.csv", "--json")["people"] == []


def test_a_long_file_tells_only_of_those_who_would_be_held(people: Path) -> None:
    rows = "".join(f"p{number}@example.com,P{number},{'x' if number % 10 else ''}\n" for number in range(30))
    (people / "many.csv").write_text("email,first_name,product\n" + rows)
    said = run("preview", "quote", "--csv", "many.csv", code=1)
    assert "30 people: 27 would get every mail, 3 would be held." in said
    assert "many.csv:2: p0@example.com" in said
    assert "p1@example.com" not in said


def test_the_worst_case_by_step(people: Path) -> None:
    said = run("preview", "quote", "--worst", code=1)
    assert said.startswith("quote in the worst case: 12 made-up people. Nothing is sent.\n")
    assert "──── thanks: templates/thanks.md" in said
    assert "held  nothing but an address: first_name is missing" in said
    assert 'templates/thanks.md:4: {{ first_name | default("there") }} would let it leave without' in said
    assert "48 mails: 3 would be held" in said
    assert "Held for want of product (in 2 mails), first_name (in 1 mail)." in said
    only = run("preview", "quote", "--worst", "--step", "back_off")
    assert "──── thanks" not in only
    assert "12 mails: 0 would be held" in only


def test_the_worst_case_as_json(people: Path) -> None:
    told = data("preview", "quote", "--worst", "--json", code=1)
    assert len(told["people"]) == 12
    assert told["people"][0] == {"name": "nothing but an address", "email": "anna@example.com", "fields": {}}
    held = next(one for one in told["letters"] if one["findings"])
    assert (held["person"], held["step"], held["raw"]) == ("nothing but an address", "thanks", "")
    assert held["findings"][0]["variable"] == "first_name"
    assert json.dumps(told)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--worst", "--contact", "a@example.com"), "leave out --contact and --csv"),
        (("--worst", "--raw"), "--worst --json has the bytes"),
        (("--csv", "people.csv", "--raw"), "--raw is for one contact"),
        (("--csv", "people.csv", "--step", "thank"), "did you mean `thanks`?"),
        (("--csv", "missing.csv"), "there is no file missing.csv"),
    ],
)
def test_what_does_not_go_together(people: Path, arguments: tuple[str, ...], words: str) -> None:
    result = outcome("preview", "quote", *arguments)
    assert result.exit_code == 2
    assert words in result.output


def test_a_file_that_cannot_be_read_says_where(people: Path) -> None:
    (people / "odd.csv").write_text("name\nAnna\n")
    said = run("preview", "quote", "--csv", "odd.csv", code=1)
    assert "odd.csv:1:1: no column is called email" in said


# The page -----------------------------------------------------------------------------------------


def test_the_page_goes_into_a_file(people: Path) -> None:
    said = run("preview", "quote", "--html", "page.html")
    assert said == "page.html: 4 mails\n"
    page = (people / "page.html").read_text("utf-8")
    assert page.startswith("<!doctype html>")
    assert "Content-Security-Policy" in page
    assert "As Anna Example (made up) would see it" in page


def test_the_page_of_a_file_shows_those_who_would_be_held_first(people: Path) -> None:
    rows = "".join(f"p{number}@example.com,P{number},{'' if number == 38 else 'x'}\n" for number in range(40))
    (people / "many.csv").write_text("email,first_name,product\n" + rows)
    said = run("preview", "quote", "--csv", "many.csv", "--html", "page.html", code=1)
    assert "100 mails, 2 of which cannot be written" in said
    page = (people / "page.html").read_text("utf-8")
    assert "25 of the 40 people in many.csv, those who would be held first." in page
    assert "p38@example.com, line 40" in page
    run("preview", "quote", "--csv", "many.csv", "--contact", "p3@example.com", "--html", "one.html")
    assert "Inbox of p3@example.com" in (people / "one.html").read_text("utf-8")


def test_the_page_of_the_worst_case(people: Path) -> None:
    run("preview", "quote", "--worst", "--html", "page.html", code=1)
    page = (people / "page.html").read_text("utf-8")
    assert "nothing but an address" in page
    assert "12 people." in page


def test_open_writes_a_file_of_its_own_and_hands_it_to_the_browser(people: Path, tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    done = process("preview", "quote", "--open", environ={"BROWSER": "echo", "TMPDIR": str(tmp_path / "tmp")})
    assert done.returncode == 0, done.stderr
    (page,) = (tmp_path / "tmp").glob("preview-quote-*.html")
    assert page.stat().st_mode & 0o077 == 0
    assert set(done.stdout.splitlines()) == {f"{page}: 4 mails", page.as_uri()}


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--html", "page.html", "--json"), 2, "leave out --raw and --json"),
        (("--html", "page.html", "--step", "thank"), 2, "did you mean `thanks`?"),
        (("--html", "nowhere/page.html"), 1, "cannot be written: there is no folder nowhere"),
        (("--html", "page.html", "--csv", "people.csv", "--contact", "x@example.com"), 1, "there is nobody in it"),
    ],
)
def test_pages_that_are_not_made(people: Path, arguments: tuple[str, ...], code: int, words: str) -> None:
    result = outcome("preview", "quote", *arguments)
    assert result.exit_code == code
    assert words in result.output
    assert not (people / "page.html").exists()
