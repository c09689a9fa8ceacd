"""The commands of the owner: resolve."""

from __future__ import annotations

import asyncio
import os
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
