"""The commands of the owner: resolve, backup, restore."""

from __future__ import annotations

import asyncio
import os
import re
from pathlib import Path

from sequencer.operations.live import Live
from sequencer.operations.opening import opened
from sequencer.store import attempts, enrollments, mailboxes
from sequencer.store.attempts import AttemptState, NewAttempt, Outcome
from tests.cli.shell import data, run
from tests.operations.shop import MONDAY


async def doubtful(folder: Path) -> int:
    """An attempt in doubt, as a crash leaves it; its number."""
    async with opened(folder, os.environ) as live:
        assert isinstance(live, Live)
        async with live.database.begin() as conn:
            enrollment = await enrollments.get(conn, 1)
            assert enrollment is not None
            await mailboxes.register(conn, ["mark"], MONDAY)
            lease = await mailboxes.take(conn, "mark", "a test", 1)
            assert lease is not None
            new = NewAttempt(1, "thanks", "<1.thanks@x.example>", "anna@example.com", "Thanks", b"", MONDAY)
            ids = await attempts.start_many(conn, "mark", lease, [new])
            assert isinstance(ids, tuple)
            await attempts.finish_many(conn, [Outcome(ids[0], AttemptState.IN_DOUBT, "the line was lost", MONDAY)])
    return ids[0]


def enrolled(shop: Path) -> int:
    (shop / "people.csv").write_text("email,first_name\nanna@example.com,Anna\n")
    run("import", "people.csv", "--enroll", "quote")
    return asyncio.run(doubtful(shop))


def test_resolve(shop: Path) -> None:
    number = enrolled(shop)
    said = run("status", code=1)
    assert f"  {number}: “thanks” of quote to anna@example.com, " in said
    assert f"sequencer resolve {number} --delivered, or --not-delivered to send it again" in said
    assert "may or may not have arrived: the line was lost" in run("why", "anna@example.com")
    assert "either --delivered or --not-delivered" in run("resolve", str(number), code=2)
    assert "either" in run("resolve", str(number), "--delivered", "--not-delivered", code=2)
    assert "there is no attempt 99" in run("resolve", "99", "--delivered", code=1)
    assert run("resolve", str(number), "--delivered") == "anna@example.com: “thanks” of quote arrived, as you say.\n"
    (told,) = data("resolve", str(number), "--delivered", "--json", code=1)
    assert told["state"] is None
    assert told["reason"] == (
        f"attempt {number} is not in doubt; it is known to have left: the owner says that it arrived"
    )


def test_resolve_as_json(shop: Path) -> None:
    number = enrolled(shop)
    told = data("resolve", str(number), "98", "--not-delivered", "--json", code=1)
    assert [(one["attempt"], one["state"]) for one in told] == [(number, "not_delivered"), (98, None)]
    assert told[0].keys() == {"attempt", "state", "contact", "step", "again", "reason"}


def test_backup_and_restore(shop: Path) -> None:
    enrolled(shop)
    said = run("backup", "copy.db")
    assert re.match(r"copy\.db: \d+\.\d MB, made in \d+\.\d s and read through\.\n", said)
    assert "Keep it secret" in said
    assert "copy.db is there already" in run("backup", "copy.db", code=1)
    told = data("backup", "copy.db", "--force", "--json")
    assert told.keys() == {"file", "bytes", "seconds", "latest"}
    assert told["bytes"] == (shop / "copy.db").stat().st_size
    assert "copy.db is in place" in run("restore", "copy.db")
    run("suppress", "ben@example.org")
    (shop / "people.csv").write_text("email,first_name\nben@example.org,Ben\n")
    run("import", "people.csv")
    said = run("restore", "copy.db", code=1)
    assert "the present database knows more than the copy" in said
    assert "--force" in said
    told = data("restore", "copy.db", "--force", "--json")
    assert told.keys() == {"file", "latest", "aside", "unproven"}
    assert Path(told["aside"]).exists()
    assert "there is no contact" in run("why", "ben@example.org", code=1)
    assert "there is no file" in run("restore", "elsewhere.db", code=1)


def test_resolve_for_a_mailbox(shop: Path) -> None:
    enrolled(shop)
    assert "name the attempts" in run("resolve", "--delivered", code=2)
    assert "name the attempts" in run("resolve", "1", "--mailbox", "mark", "--delivered", code=2)
    assert "there is nothing to say about mark" in run("resolve", "--mailbox", "mark", "--delivered", code=1)
    unknown = run("resolve", "--mailbox", "marc", "--delivered", code=2)
    assert "there is no mailbox marc in config.yaml; did you mean `mark`?" in unknown
    run("backup", "copy.db")
    run("restore", "copy.db", "--force")
    told = data("resolve", "--mailbox", "mark", "--not-delivered", "--json")
    assert told == {"mailbox": "mark", "counted": 0}
    assert "there is nothing to say" in run("resolve", "--mailbox", "mark", "--not-delivered", code=1)
