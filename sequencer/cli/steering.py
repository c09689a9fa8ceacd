"""pause, resume, snooze, branch, move, stop, close: what a rep can do with people in sequences."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from sequencer.cli.context import BY, Emails, Json, OneSequence, Reason, print_json, with_live, wrong_use
from sequencer.cli.text import say

if TYPE_CHECKING:
    from sequencer.operations.enrollments import Kept
    from sequencer.operations.live import Live
    from sequencer.operations.record import Refusal
    from sequencer.operations.steering import Turned, Who


def add_to(app: typer.Typer) -> None:
    """Register these commands."""
    for name, command in (
        ("pause", pause),
        ("resume", resume),
        ("snooze", snooze),
        ("branch", branch),
        ("move", move),
        ("stop", stop),
        ("close", close),
    ):
        app.command(name)(command)


def pause(
    ctx: typer.Context, emails: Emails, sequence: OneSequence = "", reason: Reason = "", as_json: Json = False
) -> None:
    """Send them nothing more until you resume."""
    from sequencer.operations import steering

    async def work(live: Live, who: Who, at: datetime) -> list[Turned | Kept]:
        return await steering.pause(live, who, at, reason)

    _steer(ctx, emails, sequence, as_json, work)


def resume(ctx: typer.Context, emails: Emails, sequence: OneSequence = "", as_json: Json = False) -> None:
    """Go on where the plan stood: after a pause, or before a snooze is over."""
    from sequencer.operations import steering

    async def work(live: Live, who: Who, at: datetime) -> list[Turned | Kept]:
        return await steering.resume(live, who, at)

    _steer(ctx, emails, sequence, as_json, work)


def snooze(
    ctx: typer.Context,
    emails: Emails,
    until: Annotated[
        str, typer.Option("--until", metavar="DATE|SPAN", help="A day, as 2026-12-01, or a while, as “3 weeks”.")
    ],
    then: Annotated[
        str, typer.Option("--then", metavar="STEP", help="The step or branch that is due then; else where it stood.")
    ] = "",
    sequence: OneSequence = "",
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Stay silent until a day, or for a while; then the plan goes on by itself."""
    from sequencer.operations import steering
    from sequencer.operations.record import Refusal

    async def work(live: Live, who: Who, at: datetime) -> list[Turned | Kept] | Refusal:
        end = steering.parse_until(until, live)
        if isinstance(end, Refusal):
            return end
        return await steering.snooze(live, who, at, end, to=then, reason=reason)

    _steer(ctx, emails, sequence, as_json, work)


def branch(
    ctx: typer.Context,
    emails: Emails,
    to: Annotated[str, typer.Option("--to", metavar="TARGET", help="A branch, or the id of a step.")],
    sequence: OneSequence = "",
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Go on at a branch or a step; at the end of a branch the plan goes on where it stood."""
    from sequencer.operations import steering

    async def work(live: Live, who: Who, at: datetime) -> list[Turned | Kept]:
        return await steering.branch(live, who, at, to, reason)

    _steer(ctx, emails, sequence, as_json, work)


def move(
    ctx: typer.Context,
    emails: Emails,
    to: Annotated[str, typer.Option("--to", metavar="SEQUENCE", help="The sequence to go on in.")],
    sequence: OneSequence = "",
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Finish here, and go on in another sequence."""
    from sequencer.operations import steering
    from sequencer.operations.enrollments import plan_named
    from sequencer.operations.record import Refusal

    async def work(live: Live, who: Who, at: datetime) -> list[Turned | Kept] | Refusal:
        plan = plan_named(live, to)
        return plan if isinstance(plan, Refusal) else await steering.move(live, who, at, to, reason)

    _steer(ctx, emails, sequence, as_json, work)


def stop(
    ctx: typer.Context, emails: Emails, sequence: OneSequence = "", reason: Reason = "", as_json: Json = False
) -> None:
    """End the plan before its end. They may be enrolled again; `suppress` is for never."""
    from sequencer.operations import steering

    async def work(live: Live, who: Who, at: datetime) -> list[Turned | Kept]:
        return await steering.stop(live, who, at, reason)

    _steer(ctx, emails, sequence, as_json, work)


def close(
    ctx: typer.Context,
    emails: Emails,
    won: Annotated[bool, typer.Option("--won", help="They bought.")] = False,
    lost: Annotated[bool, typer.Option("--lost", help="They will not.")] = False,
    sequence: OneSequence = "",
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Won or lost. Also after the end, when you learn it later."""
    from sequencer.operations import steering

    if won == lost:
        wrong_use("say which: --won or --lost")
    outcome: Literal["won", "lost"] = "won" if won else "lost"

    async def work(live: Live, who: Who, at: datetime) -> list[Turned | Kept]:
        return await steering.close(live, who, at, outcome, reason)

    _steer(ctx, emails, sequence, as_json, work)


# Common ground ------------------------------------------------------------------------------------

_Work = Callable[["Live", "Who", datetime], Awaitable["list[Turned | Kept] | Refusal"]]


def _steer(ctx: typer.Context, emails: list[str], sequence: str, as_json: bool, work: _Work) -> None:
    from sequencer.operations.enrollments import Kept
    from sequencer.operations.explain import outlook
    from sequencer.operations.steering import Turned, Who

    async def run(live: Live, at: datetime) -> tuple[list[Turned | Kept], dict[int, str]] | Refusal:
        found = await work(live, Who(tuple(emails), sequence, BY), at)
        if not isinstance(found, list):
            return found
        going = [one.onto or one.enrollment for one in found if isinstance(one, Turned)]
        async with live.database.read() as conn:
            return found, await outlook(conn, live, going, at)

    result = with_live(ctx, run)
    if not isinstance(result, tuple):
        wrong_use(result.reason)
    found, ahead = result
    if as_json:
        print_json([_json(one, ahead) for one in found])
    else:
        for one in found:
            say(_line(one, ahead))
    raise typer.Exit(1 if any(isinstance(one, Kept) for one in found) else 0)


def _json(one: Turned | Kept, ahead: dict[int, str]) -> dict[str, Any]:
    from sequencer.operations.enrollments import Kept

    if isinstance(one, Kept):
        return {"contact": one.email, "refused": one.reason}
    return going_json(one, ahead)


def going_json(one: Turned, ahead: dict[int, str]) -> dict[str, Any]:
    """Where somebody stands after a turn, and what is next; where they moved on, the new place."""
    going = one.onto or one.enrollment
    return {
        "contact": one.email,
        "id": going.id,
        "sequence": going.sequence,
        "status": str(going.status),
        "reason": going.reason,
        "next": ahead[going.id],
    }


def _line(one: Turned | Kept, ahead: dict[int, str]) -> str:
    from sequencer.operations.enrollments import Kept

    if isinstance(one, Kept):
        return f"{one.email}: nothing changed: {one.reason}"
    if one.onto is not None:
        return f"{one.email}: moved from {one.enrollment.sequence} to {one.onto.sequence}; {ahead[one.onto.id]}"
    going = one.enrollment
    if going.status.ended:
        reason = f": {going.reason}" if going.reason else ""
        return f"{one.email}: {going.sequence} is {going.status}{reason}"
    if going.status == "paused":
        return f"{one.email}: {going.sequence} is paused: {going.reason}"
    state = "goes on; " if going.status == "active" else "is "  # what is next begins with “snoozed”
    return f"{one.email}: {going.sequence} {state}{ahead[going.id]}"
