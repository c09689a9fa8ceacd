"""report: how far people got, what earns replies, how long it takes, and who was left behind."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final
from zoneinfo import ZoneInfo

import typer

from sequencer.cli.context import Json, print_json, sequence_called, with_live, write_file, wrong_use
from sequencer.cli.progress import progress
from sequencer.cli.text import columns, instant, paragraph, say

if TYPE_CHECKING:
    from sequencer.operations.live import Live
    from sequencer.operations.reader_report import ReaderReport
    from sequencer.operations.report import Report
    from sequencer.operations.report_leaks import LeftBehind
    from sequencer.operations.variants import Split
    from sequencer.store.report import Scope

LONG: Final = 100_000
"""Messages from which on a bar shows how far the report is: a second's work."""

SHOWN: Final = 20
"""People who are listed for each reason; the files and JSON have them all."""


def add_to(app: typer.Typer) -> None:
    """Register this command."""
    app.command("report")(report)


def report(
    ctx: typer.Context,
    sequence: Annotated[str, typer.Argument(metavar="[SEQUENCE]", help="Only this one; else all, in short.")] = "",
    since: Annotated[
        str, typer.Option("--since", metavar="DATE", help="Only people who entered on this day or later.")
    ] = "",
    until: Annotated[
        str, typer.Option("--until", metavar="DATE", help="Only people who entered on this day or earlier.")
    ] = "",
    mailbox: Annotated[str, typer.Option("--mailbox", metavar="MAILBOX", help="Only people of this mailbox.")] = "",
    left_behind: Annotated[
        bool, typer.Option("--left-behind", help="List the people who have no next touch, and why.")
    ] = False,
    readings: Annotated[bool, typer.Option("--readings", help="Where the inbox reader was wrong, instead.")] = False,
    as_json: Json = False,
    to_csv: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="Write one tidy table; - is standard output.")
    ] = None,
    to_html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write one page with charts that needs nothing else.")
    ] = None,
    show: Annotated[bool, typer.Option("--open", help="Show that page in your browser.")] = False,
) -> None:
    """How far people got, what earns replies and when, how long it takes, who is left behind, why people say no."""
    if readings:
        _readings(ctx, as_json=as_json)
        return

    async def look(live: Live, at: datetime) -> tuple[Report, list[Split]]:
        from sequencer.operations.report import report as made_of

        scope = await _scope(live, sequence, mailbox, since, until)
        with progress("reporting", LONG) as tell:
            found = await (made_of(live, scope, at, tell) if tell is not None else made_of(live, scope, at))
        return found, await _splits(live, found, at)

    found, splits = with_live(ctx, look)
    _give(found, splits, left_behind=left_behind, as_json=as_json, to_csv=to_csv, to_html=to_html, show=show)


def _give(
    found: Report,
    splits: list[Split],
    *,
    left_behind: bool,
    as_json: bool,
    to_csv: Path | None,
    to_html: Path | None,
    show: bool,
) -> None:
    from sequencer.cli import report_text
    from sequencer.operations import report_shapes as shapes

    behind = _left_behind(found)
    if to_csv is not None:
        _write(to_csv, shapes.people_csv(behind) if left_behind else shapes.report_csv(found))
    if to_html is not None or show:
        from sequencer.cli.showing import give_page
        from sequencer.pages.report import report_page

        give_page(report_page(found, splits), to_html, name="report", show=show)
    if as_json:
        print_json(shapes.left_behind_json(behind) if left_behind else shapes.report_json(found, splits))
    elif to_csv is not None or to_html is not None or show:
        return
    elif left_behind:
        report_text.print_people(found, behind, SHOWN)
    else:
        report_text.print_report(found, splits)


def _left_behind(found: Report) -> list[LeftBehind]:
    return [*(found.whole.left_behind if found.whole is not None else ()), *found.never_enrolled]


async def _scope(live: Live, sequence: str, mailbox: str, since: str, until: str) -> Scope:
    """Who is meant. Names that nobody knows, and dates that are none, end the command with code 2."""
    from sequencer.store import report as rows
    from sequencer.store.report import Scope
    from sequencer.workspace.source import did_you_mean

    sequence = sequence_called(sequence)
    async with live.database.read() as conn:
        sequences, mailboxes = await rows.known_names(conn)
    for what, name, names in (
        ("sequence", sequence, sequences | live.workspace.sequences.keys()),
        ("mailbox", mailbox, mailboxes | live.workspace.config.mailboxes.keys()),
    ):
        if name and name not in names:
            hint = did_you_mean(name, sorted(names))
            wrong_use(f"there is no {what} “{name}”" + (f"; {hint}" if hint else ""))
    first, last = _day(live, since), _day(live, until)
    if first is not None and last is not None and last < first:
        wrong_use(f"--until {last} is before --since {first}")
    after = last + timedelta(days=1) if last is not None else None
    return Scope(sequence, mailbox, _midnight(live, first), _midnight(live, after))


def _day(live: Live, text: str) -> date | None:
    from sequencer.operations.values import order_of, parse_date

    if not text:
        return None
    ours = live.workspace.config.contacts
    found = parse_date(text, order_of(ours.holidays, ours.timezone))
    if found is None:
        wrong_use(f"“{text}” is no date: write it as in 2026-12-01")
    return found


def _midnight(live: Live, day: date | None) -> datetime | None:
    from sequencer.workspace.calendars import zone_of

    if day is None:
        return None
    return datetime.combine(day, time(), tzinfo=zone_of(live.workspace.config.contacts.timezone)).astimezone(UTC)


async def _splits(live: Live, found: Report, at: datetime) -> list[Split]:
    """How the split of variants stands in the sequences of the report."""
    from sequencer.operations.variants import splits

    plans = [plan for section in found.sections if (plan := live.sequence(section.name)) is not None]
    async with live.database.read() as conn:
        return [split for plan in plans for split in await splits(conn, plan, at)]


def _write(file: Path, text: str) -> None:
    if str(file) == "-":
        typer.echo(text, nl=False)
        return
    write_file(file, text)
    say(f"{file} is written.", err=True)


# Where the inbox reader was wrong -----------------------------------------------------------------


def _readings(ctx: typer.Context, *, as_json: bool) -> None:
    from sequencer.operations import reader_report

    async def look(live: Live, _: datetime) -> tuple[ReaderReport, ZoneInfo]:
        from sequencer.workspace.calendars import zone_of

        async with live.database.read() as conn:
            return await reader_report.reader_report(conn), zone_of(live.workspace.config.contacts.timezone)

    found, zone = with_live(ctx, look)
    if as_json:
        print_json(reader_report.report_json(found))
    else:
        _print_readings(found, zone)


def _print_readings(found: ReaderReport, zone: ZoneInfo) -> None:
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
