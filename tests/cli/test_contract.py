"""The JSON that other programs rely on: each key, its type and its values. More keys are welcome, these stay."""

from __future__ import annotations

import asyncio
import json
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

import pytest

from sequencer.core import events as e
from sequencer.inbox.kinds import Kind
from sequencer.operations.live import Live
from sequencer.store import tasks
from tests.cli.shell import data, outcome, run
from tests.in_force import open_live
from tests.operations.shop import MONDAY, answered, happen, mailed, of_contact

ANNA, BEN, CARA = "anna@example.com", "ben@example.org", "cara@example.net"
ENVIRON: Final = {"MARK_PASSWORD": "x"}

STATUSES: Final = {"active", "paused", "snoozed", "stopped", "finished"}
ACTIONS: Final = {"email", "task", "text", "back_off", "move_to", "finish", "pause", "snooze"}
MORE_ACTIONS: Final = {"stop", "go_to", "go_on", "skip", "held", "retry", "reply", "notice"}


def shaped(value: Any, **keys: type | tuple[type, ...]) -> dict[str, Any]:
    """The value, which must be an object with these keys of these types. A bool is no number."""
    assert isinstance(value, dict)
    assert set(value) >= set(keys), set(keys) - set(value)
    for key, types in keys.items():
        wanted = types if isinstance(types, tuple) else (types,)
        assert type(value[key]) in wanted, f"{key} is {value[key]!r}"
    return value


def instant(text: str) -> datetime:
    """An instant in ISO 8601, which must have an offset."""
    at = datetime.fromisoformat(text)
    assert at.utcoffset() is not None, text
    return at


NULL: Final = type(None)


@pytest.fixture
def lived_in(shop: Path) -> Path:
    """Anna has answered and is paused, Ben has a call to make and waits, Cara is held for her product."""
    for email in (ANNA, BEN, CARA):
        run("enroll", "quote", email, "--mailbox", "mark")

    async def live_on() -> None:
        live = await open_live(shop, ENVIRON, MONDAY)
        assert isinstance(live, Live)
        try:
            (anna,), (ben,) = await of_contact(live, ANNA), await of_contact(live, BEN)
            await answered(live, await mailed(live, anna, "thanks", "call"), "Yes, I would like to see it.")
            await mailed(live, ben, "thanks", "call")
            async with live.database.begin() as conn:
                task = await tasks.create(conn, ben.id, "call", "call", "Ask.", MONDAY, MONDAY)
            asked = e.TaskCreated(at=MONDAY, step="call", task=task, kind="call", note="Ask.")
            await happen(live, ben.id, asked)
        finally:
            await live.database.close()

    asyncio.run(live_on())
    return shop


def test_check(shop: Path) -> None:
    path = shop / "sequences" / "quote.yaml"
    path.write_text(path.read_text().replace("email: last", "email: lst", 1))
    found = data("check", "--json", code=1)
    assert isinstance(found, list)
    for one in found:
        shaped(one, file=str, line=int, column=int, severity=str, code=str, message=str, hint=str)
        assert one["severity"] in {"error", "warning"}
    assert {one["severity"] for one in found} == {"error", "warning"}
    path.write_text(path.read_text().replace("email: lst", "email: last", 1))
    assert all(one["severity"] == "warning" for one in data("check", "--json"))


@pytest.mark.parametrize("options", [[], ["--dry-run"], ["--enroll", "quote"]], ids=str)
def test_import(shop: Path, options: list[str]) -> None:
    (shop / "contacts.csv").write_text("email,first_name\nanna@example.com,Anna\nkaputt@,K\n")
    told = data("import", "contacts.csv", "--json", *options, code=1)
    shaped(told, created=int, updated=int, unchanged=int, enrolled=int, refused=list)
    (refused,) = told["refused"]
    shaped(refused, line=int, reason=str)
    assert (told["created"], told["enrolled"], refused["line"]) == (1, 1 if "--enroll" in options else 0, 3)


def test_status(lived_in: Path) -> None:
    result = outcome("status", "--json")
    told = shaped(json.loads(result.stdout), mailboxes=list, enrollments=dict, problems=list)
    assert [box["name"] for box in told["mailboxes"]] == ["mark", "susan"]
    for box in told["mailboxes"]:
        shaped(box, name=str, state=str, reason=str, inbox_read_at=(str, NULL), sent_today=int, due=int, held=int)
        shaped(box, in_doubt=int)
        assert box["inbox_read_at"] is None or instant(box["inbox_read_at"])
    assert set(told["enrollments"]) <= STATUSES
    assert all(type(number) is int for number in told["enrollments"].values())
    assert (told["enrollments"]["active"], told["enrollments"]["paused"]) == (2, 1)
    assert all(type(problem) is str for problem in told["problems"])
    assert result.exit_code == (1 if told["problems"] else 0)


@pytest.mark.parametrize("email", [ANNA, BEN, CARA])
def test_why(lived_in: Path, email: str) -> None:
    told = shaped(data("why", email, "--json"), contact=str, suppressed=bool, enrollments=list)
    assert told["contact"] == email
    (way,) = told["enrollments"]
    shaped(way, sequence=str, status=str, reason=str, step=str, due_at=(str, NULL), held=(dict, NULL), history=list)
    assert way["status"] in STATUSES
    assert way["due_at"] is None or instant(way["due_at"])
    if way["held"] is not None:
        shaped(way["held"], reason=str, until=(str, NULL))
    assert way["history"]
    for line in way["history"]:
        shaped(line, at=str, event=str, step=str, detail=str)
        instant(line["at"])
    moments = [instant(line["at"]) for line in way["history"]]
    assert way["history"][0]["event"] == "Enrolled"
    assert len(moments) == len(way["history"])


def test_why_of_the_suppressed(lived_in: Path) -> None:
    run("suppress", ANNA, "--reason", "asked")
    told = data("why", ANNA, "--json")
    assert told["suppressed"] is True
    assert told["enrollments"][0]["status"] == "stopped"


def test_threads(lived_in: Path) -> None:
    found = data("threads", "--json")
    assert [one["contact"] for one in found] == [ANNA]
    for one in found:
        shaped(one, id=int, contact=str, sequence=str, kind=str, confidence=float, text=str, proposed=str)
        shaped(one, received_at=str)
        instant(one["received_at"])
        assert one["kind"] in {str(kind) for kind in Kind}
        assert 0 <= one["confidence"] <= 1
    shaped(data("thread", str(found[0]["id"]), "--json"), id=int, contact=str, messages=list)


@pytest.mark.parametrize(
    ("reply", "last"), [("", "move_to"), ("thanks+2d not_interested", "move_to"), ("thanks+1d interested", "pause")]
)
def test_simulate(shop: Path, reply: str, last: str) -> None:
    options = ["--reply", reply] if reply else []
    found = data("simulate", "quote", "--start", "2026-12-01", "--json", *options)
    for one in found:
        shaped(one, at=str, step=str, action=str, subject=str, reason=str)
        assert one["action"] in ACTIONS | MORE_ACTIONS
    moments = [instant(one["at"]) for one in found]
    assert moments == sorted(moments)
    actions = [one["action"] for one in found]
    assert (actions[0], actions[-1]) == ("email", last)
    assert ("back_off" in actions) == (not reply)


def test_tasks(lived_in: Path) -> None:
    (task,) = data("tasks", "--json")
    shaped(task, id=int, contact=str, task=str, note=str, due_at=str, status=str)
    instant(task["due_at"])
    assert (task["contact"], task["task"], task["status"]) == (BEN, "call", "open")
    data("tasks", "done", str(task["id"]), "--outcome", "left a message", "--json")
    assert data("tasks", "--json") == []
    (task,) = data("tasks", "--all", "--json")
    assert task["status"] == "done"


BOUNCE: Final = """\
From: MAILER-DAEMON@mx.example.org
To: mark@flatheadrv.example
Subject: Undelivered Mail Returned to Sender
Date: Tue, 1 Dec 2026 12:00:00 +0000
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary=x

--x
Content-Type: text/plain

It could not be delivered.
--x
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.org

Final-Recipient: rfc822; ben@example.org
Action: failed
Status: 5.1.1
--x--
"""
ANSWER: Final = """\
From: Anna <anna@example.com>
To: mark@flatheadrv.example
Subject: Re: Your quote
Date: Tue, 1 Dec 2026 12:00:00 +0000

Not now, please ask me again on 15 January 2027.
"""


def test_read(shop: Path) -> None:
    (shop / "bounce.eml").write_text(BOUNCE)
    (shop / "answer.eml").write_text(ANSWER)
    lines = outcome("read", "--json", "bounce.eml", "answer.eml").stdout.splitlines()
    bounce, answer = (json.loads(line) for line in lines)
    for one in (bounce, answer):
        shaped(one, file=str, kind=str, confidence=float, matched_by=str, recipient=str, original_message_id=str)
        shaped(one, status=str, permanent=(bool, NULL), text=str, date=(str, NULL), date_words=str, refers_to=str)
        shaped(one, evidence=str)
        assert one["kind"] in {str(kind) for kind in Kind}
        assert 0 <= one["confidence"] <= 1
    assert (bounce["kind"], bounce["recipient"], bounce["status"], bounce["permanent"]) == (
        "bounce",
        BEN,
        "5.1.1",
        True,
    )
    assert (answer["kind"], date.fromisoformat(answer["date"])) == ("not_now", date(2027, 1, 15))
    assert answer["permanent"] is None
