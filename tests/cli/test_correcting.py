"""relabel and report, as people type them: what is printed, the JSON, the exit codes."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from sequencer.operations.live import Live
from sequencer.operations.opening import opened
from tests.cli.shell import data, run
from tests.operations.shop import answered, of_contact

ANNA = "anna@example.com"


@pytest.fixture
def answer(shop: Path) -> int:
    """The number of Anna's answer, which has paused her plan."""
    (shop / "contacts.csv").write_text("email,first_name\nanna@example.com,Anna\n")
    run("import", "contacts.csv", "--enroll", "quote")

    async def hear() -> None:
        async with opened(shop, os.environ) as live:
            assert isinstance(live, Live)
            (anna,) = await of_contact(live, ANNA)
            await answered(live, anna, "What does it cost?")

    asyncio.run(hear())
    (waiting,) = data("threads", "--json")
    number: int = waiting["message"]
    return number


def test_threads_and_thread_name_the_message(answer: int) -> None:
    assert f"message {answer}" in run("threads")
    assert "because  they ask for a price" in run("threads")
    (waiting,) = data("threads", "--json")
    assert (waiting["message"], waiting["evidence"]) == (answer, "they ask for a price")
    assert f"(message {answer})" in run("thread", str(waiting["id"]))
    (message,) = data("thread", str(waiting["id"]), "--json")["messages"]
    assert (message["message"], message["read_as"]) == (answer, "interested")


def test_relabel_says_what_it_did(answer: int) -> None:
    said = run("relabel", str(answer), "auto-reply")
    assert f"message {answer} from {ANNA} is auto reply (the reader said interested)" in said
    assert f"{ANNA}: quote goes on; the e-mail “thanks” leaves" in said
    assert "nothing was changed" in run("relabel", str(answer), "auto_reply")
    said = run("relabel", str(answer), "unsubscribe")
    assert f"{ANNA} is never mailed again" in said
    assert f"{ANNA}: quote is stopped: suppressed: unsubscribe" in said
    said = run("relabel", str(answer), "question")
    assert f"{ANNA} may be mailed again" in said
    assert f"{ANNA}: quote is paused" in said
    assert "is question; read as interested (90% sure)" in run("thread", str(data("threads", "--json")[0]["id"]))
    assert "question (read as interested)" in run("threads")
    assert f"message {answer}: " not in run("why", ANNA)
    assert "the message is question, and was read as interested (by hand)" in run("why", ANNA)


def test_relabel_as_json(answer: int) -> None:
    told = data("relabel", str(answer), "not_now", "--date", "2099-01-15", "--json")
    (enrollment,) = told.pop("enrollments")
    assert told == {
        "message": answer,
        "read_as": "interested",
        "kind": "not_now",
        "changed": True,
        "suppressed": [],
        "lifted": [],
    }
    assert enrollment["contact"] == ANNA
    assert set(enrollment) == {"contact", "id", "sequence", "status", "reason", "next"}
    again = data("relabel", str(answer), "not_now", "--json")
    assert (again["changed"], again["enrollments"]) == (False, [])


def test_relabel_refuses_what_it_does_not_know(answer: int) -> None:
    assert "did you mean `interested`?" in run("relabel", str(answer), "intersted", code=2)
    assert "no date" in run("relabel", str(answer), "not_now", "--date", "soon", code=2)
    assert "there is no message 999" in run("relabel", "999", "reply", code=1)


def test_the_report_names_what_was_read_wrongly(answer: int) -> None:
    assert "100%" in run("report", "--readings")
    run("relabel", str(answer), "question")
    said = run("report", "--readings")
    assert "interested  1     1          0%" in said
    assert f"message {answer}, " in said
    assert "read as interested (90% sure), is question" in said
    assert "| What does it cost?" in said
    told = data("report", "--readings", "--json")
    assert told["kinds"] == [{"kind": "interested", "read": 1, "corrected": 1, "right": 0.0}]
    assert [one["message"] for one in told["corrected"]] == [answer]


def test_the_report_of_an_empty_inbox(shop: Path) -> None:
    assert "No mail has been read yet" in run("report", "--readings")
    assert data("report", "--readings", "--json") == {"kinds": [], "corrected": []}
