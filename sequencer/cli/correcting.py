"""relabel: what a message really is."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sequencer.cli.context import BY, Json, print_json, problem_found, with_live, wrong_use
from sequencer.cli.steering import going_json
from sequencer.cli.text import say

if TYPE_CHECKING:
    from sequencer.operations.live import Live
    from sequencer.operations.record import Refusal
    from sequencer.operations.relabel import Corrected


def add_to(app: typer.Typer) -> None:
    """Register this command."""
    app.command("relabel")(relabel)


def relabel(
    ctx: typer.Context,
    message: Annotated[int, typer.Argument(metavar="MESSAGE", help="The number that `threads` and `thread` show.")],
    kind: Annotated[
        str, typer.Argument(metavar="KIND", help="What it really is: interested, auto_reply …, or one of your labels.")
    ],
    day: Annotated[
        str, typer.Option("--date", metavar="DATE", help="The day they named, or are back; else as it was read.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Correct what the reader made of a message. It is kept, and acts at once: pauses, snoozes, resumes, suppresses."""
    from sequencer.operations import relabel as corrections
    from sequencer.operations.explain import outlook
    from sequencer.operations.relabel import Corrected, UnknownKind
    from sequencer.operations.values import parse_date

    named = parse_date(day, "day first") if day else None
    if day and named is None:
        wrong_use(f"“{day}” is no date: write it as in 2026-12-01")

    async def work(live: Live, at: datetime) -> tuple[Corrected | Refusal, dict[int, str]]:
        found = await corrections.relabel(live, message, kind, at, day=named, by=BY)
        if not isinstance(found, Corrected):
            return found, {}
        going = [one.onto or one.enrollment for one in found.turned]
        async with live.database.read() as conn:
            return found, await outlook(conn, live, going, at)

    found, ahead = with_live(ctx, work)
    if isinstance(found, UnknownKind):
        wrong_use(found.reason)
    if not isinstance(found, Corrected):
        problem_found(found.reason)
    if as_json:
        print_json(_corrected_json(found, ahead))
    else:
        _print_corrected(found, ahead)


def _corrected_json(found: Corrected, ahead: dict[int, str]) -> dict[str, Any]:
    from sequencer.operations.relabel import shown_kind

    return {
        "message": found.message.id,
        "read_as": found.read_as,
        "kind": shown_kind(found.message),
        "changed": found.changed,
        "suppressed": found.suppressed,
        "lifted": found.lifted,
        "enrollments": [going_json(one, ahead) for one in found.turned],
    }


def _print_corrected(found: Corrected, ahead: dict[int, str]) -> None:
    from sequencer.operations.relabel import shown_kind

    kind, read_as = (word.replace("_", " ") for word in (shown_kind(found.message), found.read_as))
    if not found.changed:
        say(f"message {found.message.id} is taken for {kind} already; nothing was changed")
        return
    say(f"message {found.message.id} from {found.message.sender} is {kind} (the reader said {read_as})")
    for address in found.lifted:
        say(f"{address} may be mailed again")
    for address in found.suppressed:
        say(f"{address} is never mailed again")
    for one in found.turned:
        going = one.onto or one.enrollment
        if going.status == "active":
            say(f"{one.email}: {going.sequence} goes on; {ahead[going.id]}")
        elif going.status == "snoozed":
            say(f"{one.email}: {going.sequence} is {ahead[going.id]}")  # what is next begins with “snoozed”
        else:
            reason = f": {going.reason}" if going.reason else ""
            say(f"{one.email}: {going.sequence} is {going.status}{reason}")
    if not found.turned and not found.lifted and not found.suppressed:
        say("It is kept; there was nothing to change for anybody.")
