"""The mails for everybody in a file, without storing anybody."""

from __future__ import annotations

import email
import email.policy
from pathlib import Path

import pytest

from sequencer.operations import foresight
from sequencer.operations.contact_file import Refused, Unreadable
from sequencer.operations.previews import (
    NOBODYS_KEY,
    ListPreview,
    Overview,
    Previewed,
    column_meant,
    open_list,
    previews,
)
from sequencer.workspace.workspace import Workspace, load
from tests.operations.shop import MONDAY, write_shop


@pytest.fixture
def shop(tmp_path: Path) -> Workspace:
    folder = write_shop(tmp_path / "shop")
    path = folder / "sequences" / "quote.yaml"
    path.write_text(
        path.read_text("utf-8").replace(
            "    when: 5 days later", "    when: 5 days later\n    only_if: contact.phone", 1
        )
    )
    (folder / "templates" / "last.md").write_text(
        "---\nsubject: Still?\n---\nStill looking for {{ product }}?\n", "utf-8"
    )
    loaded = load(folder, {}, secrets_required=False)
    assert loaded.workspace is not None, loaded.problems
    return loaded.workspace


def listed(shop: Workspace, text: str, sequence: str = "quote") -> ListPreview:
    file = shop.folder / "people.csv"
    file.write_text(text, "utf-8")
    found = open_list(shop, shop.sequences[sequence], file)
    assert isinstance(found, ListPreview), found
    return found


def taken(shop: Workspace, text: str, sequence: str = "quote") -> tuple[list[Previewed | Refused], Overview]:
    overview = Overview()
    rows = list(previews(listed(shop, text, sequence), MONDAY))
    for row in rows:
        overview.take(row)
    return rows, overview


PEOPLE = """\
E-Mail;Vorname;Telefon;product
anna@example.com;Anna;+1 406 555 0100;a tent
ben@example.org;;+1 406 555 0101;
nobody;X;;
carla@example.net;Carla;;
"""


def test_each_row_gets_its_own_mails_byte_for_byte(shop: Workspace) -> None:
    rows, _ = taken(shop, PEOPLE)
    anna = rows[0]
    assert isinstance(anna, Previewed)
    assert (anna.line, anna.held) == (2, ())
    assert list(anna.letters) == foresight.letters(shop, shop.sequences["quote"], anna.subject, MONDAY, NOBODYS_KEY)
    message = email.message_from_bytes(anna.letters[0].data, policy=email.policy.default)
    assert message["To"] == "anna@example.com"
    assert b"Anna, thank you." in anna.letters[0].data


def test_what_holds_people_is_counted_by_variable_with_the_lines(shop: Workspace) -> None:
    _, overview = taken(shop, PEOPLE)
    assert (overview.people, overview.held) == (3, 2)
    assert [(one.line, one.reason[:8]) for one in overview.refused] == [(4, "“nobody”")]
    causes = {cause.variable: (cause.steps, cause.lines) for cause in overview.by_weight()}
    assert causes == {"product": (["last", "price-answer"], [3, 5]), "first_name": (["thanks"], [3])}
    assert [cause.variable for cause in overview.by_weight()] == ["product", "first_name"]
    assert not (shop.folder / "data").exists()


def test_a_step_whose_condition_does_not_hold_holds_nobody(shop: Workspace) -> None:
    rows, _ = taken(shop, PEOPLE)
    carla = rows[3]
    assert isinstance(carla, Previewed)
    last = next(letter for letter in carla.letters if letter.step == "last")
    assert last.skipped
    assert last.only_if == "contact.phone"
    assert last not in carla.held
    answer = next(letter for letter in carla.letters if letter.step == "price-answer")
    assert answer.missing == ("product",)


def test_what_holds_the_first_mail_is_not_told_again_of_those_that_follow(shop: Workspace) -> None:
    path = shop.folder / "sequences" / "quote.yaml"
    path.write_text(path.read_text("utf-8").replace("email: last", "email: more", 1))
    (shop.folder / "templates" / "more.md").write_text("Still looking?\n", "utf-8")
    loaded = load(shop.folder, {}, secrets_required=False)
    assert loaded.workspace is not None, loaded.problems
    rows, overview = taken(loaded.workspace, "email,phone,product\nben@example.org,1,a tent\n")
    assert [cause.variable for cause in overview.by_weight()] == ["first_name"]
    (ben,) = rows
    assert isinstance(ben, Previewed)
    last = next(letter for letter in ben.letters if letter.step == "last")
    assert b"Subject: Re: Your quote" in last.data


def test_the_column_that_was_probably_meant(shop: Workspace) -> None:
    found = listed(shop, "email,produkt\nanna@example.com,x\n")
    assert column_meant(found, "product") == "produkt"
    assert column_meant(found, "first_name") == ""
    assert column_meant(listed(shop, "email,product\nanna@example.com,\n"), "product") == ""


def test_a_file_that_is_none(shop: Workspace, tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text("name\nAnna\n", "utf-8")
    found = open_list(shop, shop.sequences["quote"], file)
    assert isinstance(found, Unreadable)
    assert "no column is called email" in found.reason


def test_the_zone_and_language_of_the_row_or_of_the_workspace(shop: Workspace) -> None:
    rows, _ = taken(shop, "email,timezone,language\na@example.com,Europe/Berlin,de\nb@example.com,,\n")
    people = [row.subject.contact for row in rows if isinstance(row, Previewed)]
    assert [(one.timezone, one.language, one.holidays) for one in people] == [
        ("Europe/Berlin", "de", "US"),
        ("America/Denver", "en", "US"),
    ]


def test_whoever_is_in_a_branch_has_answered(shop: Workspace) -> None:
    (shop.folder / "templates" / "last.md").write_text("---\nsubject: S\n---\nYou wrote “{{ they_said }}”.\n", "utf-8")
    loaded = load(shop.folder, {}, secrets_required=False)
    assert loaded.workspace is not None, loaded.problems
    rows, _ = taken(loaded.workspace, "email,first_name,phone\na@example.com,Anna,1\n")
    (anna,) = rows
    assert isinstance(anna, Previewed)
    assert {letter.step: letter.missing for letter in anna.letters if letter.held} == {"last": ("they_said",)}
