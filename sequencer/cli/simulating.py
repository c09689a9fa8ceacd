"""simulate: how it would go, before anything does."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from sequencer.cli.context import Json, now, print_json, wrong_use
from sequencer.cli.crowding import Asked, simulate_crowd
from sequencer.cli.subjects import ForContact, Name, Sets, subject_of
from sequencer.cli.text import acted, columns, instant, paragraph, person, say

if TYPE_CHECKING:
    from sequencer.operations.foresight import Foreseen


def add_to(app: typer.Typer) -> None:
    """Register these commands."""
    app.command("simulate")(simulate)


def simulate(
    ctx: typer.Context,
    sequence: Name,
    contact: ForContact = "",
    start: Annotated[
        str, typer.Option("--start", metavar="DATE", help="When they enter: 2026-12-01 (at 9:00) or 2026-12-01T14:30.")
    ] = "",
    reply: Annotated[
        list[str] | None,
        typer.Option(
            "--reply",
            metavar='"STEP+2d KIND"',
            help="They answer so long after a step: a kind, or their words in quotes, or both; may be repeated.",
        ),
    ] = None,
    until: Annotated[str, typer.Option("--until", metavar="DATE", help="Look no further than this day.")] = "",
    contacts: Annotated[
        int | None, typer.Option("--contacts", metavar="N", help="Not one person but so many invented ones at once.")
    ] = None,
    csv: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="All the people of this file at once; not stored.")
    ] = None,
    per_day: Annotated[
        int | None,
        typer.Option("--per-day", metavar="N", min=1, help="So many of them enter a working day; else all at once."),
    ] = None,
    answering: Annotated[
        str, typer.Option("--answers", metavar="PERCENT", help="So many of them answer: 8%. Else nobody does.")
    ] = "",
    zones: Annotated[
        str, typer.Option("--zones", metavar="A,B", help="Invented people live in these, as America/Denver.")
    ] = "",
    warm: Annotated[bool, typer.Option("--warm", help="The mailboxes are past their ramp-up.")] = False,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Other invented people, other answers.")] = 1,
    sets: Sets = None,
    as_json: Json = False,
) -> None:
    """Show the time line of a sequence, by the very rules that the daemon follows; or what a crowd comes to."""
    if contacts is not None or csv is not None:
        if contact or reply or (contacts is not None and csv is not None):
            wrong_use(
                "--contacts and --csv are about many people: leave out --contact and --reply, and take one of them"
            )
        asked = Asked(sequence, contacts, csv, start, until, per_day, answering, zones, seed, warm=warm)
        simulate_crowd(ctx, asked, sets, as_json=as_json)
        return
    if per_day is not None or answering or zones or warm:
        wrong_use("--per-day, --answers, --zones and --warm are about many people: say how many, as in --contacts 1000")
    _one(ctx, sequence, contact, start, reply, until, sets, as_json=as_json)


def _one(
    ctx: typer.Context,
    sequence: str,
    contact: str,
    start: str,
    reply: list[str] | None,
    until: str,
    sets: list[str] | None,
    *,
    as_json: bool,
) -> None:
    """The time line of one person."""
    from sequencer.operations import foresight
    from sequencer.operations.answers import parse_reply
    from sequencer.operations.explain import zone_for
    from sequencer.operations.record import Refusal

    workspace, plan, subject, _ = subject_of(ctx, sequence, contact, sets)
    begins = foresight.parse_start(start, subject.contact) if start else now()
    ends = foresight.parse_start(until, subject.contact) if until else None
    replies = [parse_reply(text, plan) for text in reply or []]
    for parsed in (begins, ends, *replies):
        if isinstance(parsed, Refusal):
            wrong_use(parsed.reason)
    scripted = [each for each in replies if not isinstance(each, Refusal)]
    assert isinstance(begins, datetime)
    if isinstance(ends, datetime) and ends < begins:
        wrong_use(f"--until {until} is before they enter: name a later day, or an earlier --start")
    last = ends if isinstance(ends, datetime) else None
    seen = foresight.time_line(workspace, plan, subject, begins, scripted, last)
    if as_json:
        print_json(foresight.time_line_json(seen))
        return
    zone = zone_for(subject.contact)
    whom = "a made-up contact" if subject.made_up else person(subject.contact)
    say(f"{sequence} for {whom}, in the zone {zone.key}; every task is done at once, nobody answers", nl=False)
    say(" but as told:\n" if scripted else ":\n")
    rows = [(instant(begins, zone), "", "enters", "")]
    rows += [(instant(line.at, zone), line.step, acted(line.action), _what(line, zone)) for line in seen]
    for text in columns(rows):
        say("\n".join(paragraph(text, "", " " * 24)))
    for answer in foresight.never_heard(scripted, seen):
        say(f"\nThe answer to {answer.step} never comes: {answer.step} does not happen.")


def _what(line: Foreseen, zone: ZoneInfo) -> str:
    from sequencer.operations.playing import put_off

    detail = f"“{line.subject}”" if line.subject else line.detail
    if line.action in ("reply", "notice"):
        detail = ""  # its kind, which the reason tells
    if line.action in ("snooze", "retry"):
        when = instant(datetime.fromisoformat(line.detail), zone)
        detail = f"until {when}" if line.action == "snooze" else f"not before {when}"
    why = put_off(line.at, line.due_at, line.shifts, zone)
    return " — ".join(part for part in (detail, why, line.reason) if part)
