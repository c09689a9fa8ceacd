"""What the made-up people of the worst case show about a sequence."""

from __future__ import annotations

import email
import email.policy
from collections.abc import Iterator
from pathlib import Path

import pytest

from sequencer.operations.worst_case import Examined, Finding, worst_case
from sequencer.workspace.workspace import load
from tests.operations.shop import MONDAY, write_shop


def examined(tmp_path: Path, thanks: str) -> list[Examined]:
    """The first mail of the shop's `quote`, with this template."""
    folder = write_shop(tmp_path / "shop")
    (folder / "templates" / "thanks.md").write_text(thanks, "utf-8")
    loaded = load(folder, {}, secrets_required=False)
    assert loaded.workspace is not None, loaded.problems
    found = worst_case(loaded.workspace, loaded.workspace.sequences["quote"], MONDAY, step="thanks")
    assert isinstance(found, list)
    return found


def findings(found: list[Examined], person: str) -> list[Finding]:
    return [finding for one in found if person in one.person.name for finding in one.findings]


def texts(found: list[Examined], person: str) -> Iterator[str]:
    yield from (f"{finding.weight}: {finding.text}" for finding in findings(found, person))


GREETING = "---\nsubject: About {{ company }}\n---\n{{ first_name }},\n\nthank you from {{ our.name }}.\n"
CAREFUL = (
    "---\nsubject: Your quote\n---\n"
    'Hello {{ first_name | default("there") }},\n\nthank you.{% if company %} Best to {{ company }}.{% endif %}\n'
)


def test_who_has_nothing_but_an_address_is_held_and_every_variable_is_named_with_its_place(tmp_path: Path) -> None:
    found = examined(tmp_path, GREETING)
    told = findings(found, "nothing but an address")
    assert [(one.weight, one.variable, one.file, one.line) for one in told] == [
        ("held", "company", "templates/thanks.md", 2),
        ("held", "first_name", "templates/thanks.md", 4),
    ]
    assert 'default("there")' in told[1].hint


def test_a_template_that_copes_with_gaps_leaves_to_everybody(tmp_path: Path) -> None:
    found = examined(tmp_path, CAREFUL)
    assert all(one.letter.data for one in found)
    assert not list(texts(found, "nothing but an address"))


@pytest.mark.parametrize(
    ("body", "hole"),
    [
        ('Hi {{ first_name | default("") }},', "Hi ,"),
        ('You ({{ company | default("") }}) asked.', "You () asked."),
        ('{{ first_name | default("") }}, hello.', ", hello."),
    ],
)
def test_a_gap_that_was_papered_over_is_seen(tmp_path: Path, body: str, hole: str) -> None:
    found = examined(tmp_path, f"---\nsubject: S\n---\n{body}\n")
    assert f"look: something seems to be missing in “{hole}”" in texts(found, "nothing but an address")
    assert not [text for text in texts(found, "Chinese") if "missing" in text]


def test_long_names_make_long_subjects(tmp_path: Path) -> None:
    (told,) = [text for text in texts(examined(tmp_path, GREETING), "very long names") if "subject has" in text]
    assert "phone shows about 40" in told


def test_a_subject_beyond_all_bounds_is_cut_and_that_is_said(tmp_path: Path) -> None:
    found = examined(tmp_path, "---\nsubject: '{{ company }} {{ company }} {{ company }} {{ company }}'\n---\nHello.\n")
    assert any("it was cut at 400" in text for text in texts(found, "very long names"))


def test_words_without_a_break_are_too_wide_for_a_phone(tmp_path: Path) -> None:
    found = examined(tmp_path, "---\nsubject: S\n---\nFor {{ company }}.\n")
    assert any("81 characters without a break" in text for text in texts(found, "names without a break"))


def test_other_scripts_travel_encoded_and_arrive_as_written(tmp_path: Path) -> None:
    found = examined(tmp_path, GREETING)
    assert any(text.startswith("note: the subject travels encoded") for text in texts(found, "Chinese"))
    (mail,) = [one for one in found if one.person.name == "Chinese"]
    message = email.message_from_bytes(mail.letter.data, policy=email.policy.default)
    assert message["Subject"] == "About 上海明日旅行车有限公司"
    assert any("begins from right to left" in text for text in texts(found, "Arabic"))
    assert not any("right to left" in text for text in texts(found, "Chinese"))


def test_line_breaks_are_seen_and_cannot_add_a_header(tmp_path: Path) -> None:
    found = examined(tmp_path, GREETING)
    said = list(texts(found, "line breaks"))
    assert "note: the line break in company became a space in the subject" in said
    assert "look: line breaks in first_name are line breaks in the letter" in said
    (mail,) = [one for one in found if "line breaks" in one.person.name]
    assert email.message_from_bytes(mail.letter.data)["Bcc"] is None


def test_signs_of_html_and_templates_stay_signs(tmp_path: Path) -> None:
    found = examined(tmp_path, GREETING)
    said = list(texts(found, "signs of HTML"))
    assert any("printed as typed" in text for text in said)
    assert not any("tags that are not yours" in text for text in said)
    (mail,) = [one for one in found if "signs of HTML" in one.person.name]
    assert b"<b>Anna</b> {{ first_name }}," in mail.letter.data
    assert b"&lt;b&gt;Anna&lt;/b&gt; {{ first_name }}," in mail.letter.data


def test_capitals_shout(tmp_path: Path) -> None:
    assert "look: “ANNA”: shouted, as in the list" in texts(examined(tmp_path, GREETING), "capitals")


def test_an_address_in_another_script_is_shown_as_servers_see_it(tmp_path: Path) -> None:
    assert any("anna@xn--bcher-kva.example" in text for text in texts(examined(tmp_path, CAREFUL), "another script"))


def test_a_long_line_is_told_of(tmp_path: Path) -> None:
    words = "word " * 240
    found = examined(tmp_path, f"---\nsubject: S\n---\n{words}\n")
    assert any("quoted-printable" in text for text in texts(found, "Chinese"))


def test_every_play_that_ships_is_fit_for_all_but_gaps() -> None:
    """Only who has nothing but an address is held; nothing is papered over, and no data becomes markup."""
    loaded = load(Path(__file__).resolve().parents[2], {}, secrets_required=False)
    assert loaded.workspace is not None, loaded.problems
    for plan in loaded.workspace.sequences.values():
        found = worst_case(loaded.workspace, plan, MONDAY)
        assert isinstance(found, list)
        assert {one.person.name for one in found if one.letter.held} <= {"nothing but an address"}
        told = [finding.text for one in found for finding in one.findings]
        assert not [text for text in told if "missing in" in text or "not yours" in text], plan.name
