"""plan, apply and history, as people type them."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from sequencer.operations.live import Live
from tests.cli.shell import data, outcome, run
from tests.in_force import open_live
from tests.operations.shop import MONDAY, SEQUENCES

QUOTE = SEQUENCES["quote"]
ANNA = "anna@example.com"


@pytest.fixture
def in_force(shop: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The shop, put in force once, with somebody on the way; saved changes wait."""
    monkeypatch.setenv("MARK_PASSWORD", "x")
    config = shop / "config.yaml"
    config.write_text(f"{config.read_text()}apply: manual\n")

    async def put() -> None:
        live = await open_live(shop, {"MARK_PASSWORD": "x"}, MONDAY)
        assert isinstance(live, Live), live
        await live.database.close()

    asyncio.run(put())
    (shop / "people.csv").write_text(f"email,first_name,product\n{ANNA},Anna,van\nben@example.com,Ben,\n")
    run("import", "people.csv", "--enroll", "quote")
    return shop


def save(shop: Path, text: str) -> None:
    (shop / "sequences" / "quote.yaml").write_text(text)


def test_a_workspace_that_never_ran_has_nothing_in_force(shop: Path) -> None:
    assert "Nothing was ever in force here" in run("plan")
    assert "Nothing was ever in force here" in run("history")
    assert "quote was never in force yet: `sequencer run`" in run("history", "quote", code=2)
    assert data("plan", "--json")["in_force_since"] is None


def test_a_plan_reads_like_a_letter(in_force: Path) -> None:
    save(in_force, QUOTE.replace("1 business day later at 09:30", "2 business days later at 09:30"))
    told = run("plan")
    assert "; the saved files wait: `sequencer apply` puts them in force." in told
    assert "“thanks”  changed  when: “2 business days later at 09:30”, was “1 business day later at 09:30”" in told
    assert "2 people: “thanks” moves from" in told
    assert f"{ANNA}, ben@example.com" in told
    assert "Nobody becomes due at once." in told
    assert "quote/thanks to anna@example.com" in told
    everybody = run("plan", "--all")
    assert "anna@example.com (Anna), in quote\n    “thanks” moves from" in everybody
    shape = data("plan", "--json")
    assert [person["contact"] for person in shape["people"]] == [ANNA, "ben@example.com"]
    assert shape["people"][0]["effects"][0]["kind"] == "date"
    assert (shape["looked_at"], shape["unchanged"], shape["due_at_once"]) == (2, 0, 0)
    assert {one["contact"] for one in data("plan", "--json", "--contact", ANNA)["coming"]} == {ANNA}
    assert "there is no contact nobody@example.com" in run("plan", "--contact", "nobody@example.com", code=1)


def test_a_plan_of_files_with_mistakes_names_them(in_force: Path) -> None:
    save(in_force, QUOTE.replace("email: thanks", "email: thank"))
    refused = run("plan", code=1)
    assert "sequences/quote.yaml:6:12" in refused
    assert "nothing was done" in refused
    assert "sequences/quote.yaml:6:12" in run("apply", "--yes", code=1)


def test_a_copy_is_planned_with(in_force: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(in_force, copy, ignore=shutil.ignore_patterns("data"))
    (copy / "templates" / "last.md").write_text("---\nsubject: Still looking?\n---\nAre you, still?\n")
    told = run("plan", "--files", str(copy))
    assert "the files compared with it are not those of this workspace" in told
    assert "other words: line 4 is “Are you, still?”, was “Are you still looking?”" in told
    assert "nothing changes" in run("plan")
    words = run("plan", "--files", str(copy), "--contact", ANNA)
    assert "-Are you still looking?" in words
    assert "+Are you, still?" in words


def test_nothing_is_put_in_force_without_a_yes(in_force: Path) -> None:
    assert "in force, or approved, already" in run("apply")
    save(in_force, QUOTE.replace("4 days later", "6 days later"))
    assert "say --yes" in run("apply", code=2)
    assert "saved changes wait" in run("status", code=1)
    assert data("status", "--json", code=1)["changes_wait"] is True
    approved = run("apply", "--yes")
    assert "No daemon is running: they are in force from the next `sequencer run` on." in approved
    assert "in force, or approved, already" in run("apply")
    assert "changes_wait" in data("status", "--json", code=outcome("status", "--json").exit_code)
    assert data("history", "--json")[-1]["changed"] == ["sequences/quote.yaml"]


def test_with_automatic_apply_there_is_nothing_to_approve(in_force: Path) -> None:
    config = in_force / "config.yaml"
    config.write_text(config.read_text().replace("apply: manual", "apply: auto"))
    assert "does not say `apply: manual`" in run("apply")
    save(in_force, QUOTE.replace("4 days later", "6 days later"))
    assert "the saved files are in force once `sequencer run` starts (`apply: auto`)" in run("plan")


def test_the_past_of_a_sequence(in_force: Path) -> None:
    save(in_force, QUOTE.replace("4 days later", "6 days later"))
    run("apply", "--yes")
    told = run("history", "quote", "--diff")
    assert "sequences/quote.yaml: 2 versions, the latest first" in told
    assert "“call” when: “6 days later”, was “4 days later”" in told
    assert "-    when: 4 days later" in told
    assert "2 people went by it" in told
    assert "Nothing was sent yet." in told
    versions = data("history", "quote", "--json")["versions"]
    assert [each["waits"] for each in versions] == [False, True]
    first = versions[0]["version"]
    assert outcome("history", "quote", first[:6]).stdout == QUOTE
    assert outcome("history", "quote.yaml", first).stdout == QUOTE
    assert "has no version “zzzz”" in run("history", "quote", "zzzz", code=2)
    assert "did you mean `quote`?" in run("history", "quot", code=2)


def test_the_past_of_a_template(in_force: Path) -> None:
    text = (in_force / "templates" / "last.md").read_text()
    (in_force / "templates" / "last.md").write_text(text.replace("Still looking?", "Looking?"))
    run("apply", "--yes")
    told = run("history", "--template", "last")
    assert "the subject is “Looking?”, was “Still looking?”" in told
    version = data("history", "--template", "last", "--json")["versions"][0]["version"]
    assert outcome("history", "--template", "last", version[:8]).stdout == text
    assert "name a sequence" in run("history", "--sent", code=2)
    assert "takes the place of the sequence" in run("history", "quote", "abcd", "--template", "last", code=2)


def test_preview_shows_the_files_as_they_are_saved_and_why_what_is_in_force(in_force: Path) -> None:
    (in_force / "templates" / "thanks.md").write_text("---\nsubject: Another one\n---\n{{ first_name }}, hello.\n")
    save(in_force, QUOTE.replace("  - step: thanks", "  - step: thank-you"))
    assert "Another one" in run("preview", "quote", "--contact", ANNA)
    assert data("why", ANNA, "--json")["enrollments"][0]["step"] == "thanks"
