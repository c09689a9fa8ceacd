"""relabel, report: what a message really is, and where the inbox reader was wrong."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from sequencer.cli.context import BY, Json, print_json, problem_found, with_live, wrong_use
from sequencer.cli.steering import going_json
from sequencer.cli.text import columns, instant, paragraph, say

if TYPE_CHECKING:
    from sequencer.operations.live import Live
    from sequencer.operations.reader_report import ReaderReport
    from sequencer.operations.record import Refusal
    from sequencer.operations.relabel import Corrected


def add_to(app: typer.Typer) -> None:
    """Register these commands."""
    app.command("relabel")(relabel)
    app.command("report")(report)


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


def report(
    ctx: typer.Context,
    readings: Annotated[
        bool, typer.Option("--readings", help="Where the inbox reader was wrong; the only report, so it must be named.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Where the inbox reader was wrong: `report --readings`. What nobody corrected counts as right."""
    from sequencer.operations import reader_report

    if not readings:
        wrong_use("say which report: `sequencer report --readings`")

    async def look(live: Live, _: datetime) -> tuple[ReaderReport, ZoneInfo]:
        from sequencer.workspace.calendars import zone_of

        async with live.database.read() as conn:
            return await reader_report.reader_report(conn), zone_of(live.workspace.config.contacts.timezone)

    found, zone = with_live(ctx, look)
    if as_json:
        print_json(reader_report.report_json(found))
    else:
        _print_report(found, zone)


def _print_report(found: ReaderReport, zone: ZoneInfo) -> None:
    from sequencer.operations.reader_report import first_words, share_right
    from sequencer.operations.relabel import shown_kind

    if not found.kinds:
        say("No mail has been read yet.")
        return
    rows = [("READ AS", "READ", "CORRECTED", "RIGHT")]
    rows += [
        (one.kind.replace("_", " "), str(one.read), str(one.corrected), f"{share_right(one):.0%}")
        for one in found.kinds
    ]
    say("\n".join(columns(rows)))
    for one in found.corrected:
        kind, read_as = shown_kind(one).replace("_", " "), one.kind_read.replace("_", " ")
        say(
            f"\nmessage {one.id}, {instant(one.received_at, zone)}, {one.sender}: "
            f"read as {read_as} ({one.confidence:.0%} sure), is {kind}"
        )
        if one.evidence:
            say("\n".join(paragraph(one.evidence, "    because  ", " " * 13)))
        say("\n".join(paragraph(first_words(one.text), "    | ")))
