"""history: every version that was in force, and who was sent which words."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from sequencer.cli.context import Json, print_json, sequence_called, with_live, wrong_use
from sequencer.cli.text import columns, harmless, instant, paragraph, say
from sequencer.operations.counting import counted, headcount

if TYPE_CHECKING:
    from sequencer.operations.live import Live
    from sequencer.operations.past import Moment, Past, Version
    from sequencer.store.wordings import Sent


def add_to(app: typer.Typer) -> None:
    """Register this command."""
    app.command("history")(history)


def history(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="[SEQUENCE]", help="A sequence; without it, every change.")] = "",
    version: Annotated[str, typer.Argument(metavar="[VERSION]", help="Print the text of this version.")] = "",
    template: Annotated[str, typer.Option("--template", metavar="NAME", help="Of this template instead.")] = "",
    diff: Annotated[bool, typer.Option("--diff", help="Show the lines that each version changed.")] = False,
    sent: Annotated[bool, typer.Option("--sent", help="List each message: who was sent which words.")] = False,
    contact: Annotated[str, typer.Option("--contact", metavar="EMAIL", help="The messages to this contact.")] = "",
    as_json: Json = False,
) -> None:
    """Show every version that a sequence had: when it was in force, what changed, and who was sent which words."""
    if template and version:
        wrong_use("--template NAME takes the place of the sequence: sequencer history --template NAME [VERSION]")
    if template:
        name, version = template, name
    if not name and (version or diff or sent or contact):
        wrong_use("name a sequence, or a template with --template NAME")
    if not name:
        _every_change(ctx, as_json=as_json)
        return
    past, messages, zone = _look(ctx, name, contact, template=bool(template), sent=sent or bool(contact))
    if version:
        _print_text(past, version)
    elif as_json:
        from sequencer.operations.past import past_json

        print_json(past_json(past, messages if sent or contact else None))
    else:
        _show(past, messages, zone, diff=diff, sent=sent or bool(contact))


def _look(
    ctx: typer.Context, name: str, contact: str, *, template: bool, sent: bool
) -> tuple[Past, list[Sent], ZoneInfo]:
    from sequencer.operations.past import Past, past_of, sent_in
    from sequencer.operations.record import Refusal

    async def look(live: Live, _: datetime) -> tuple[Past | Refusal, list[Sent] | Refusal, str]:
        plain = name.removesuffix(".md") if template else sequence_called(name)
        async with live.database.read() as conn:
            past = await past_of(conn, "template" if template else "sequence", plain)
            if isinstance(past, Refusal) and not template and plain in live.workspace.sequences:
                past = Refusal(f"{plain} was never in force yet: `sequencer run` puts the files in force")
            found = await sent_in(conn, live, past, contact) if sent and isinstance(past, Past) else []
        return past, found, live.workspace.config.contacts.timezone

    past, found, zone = with_live(ctx, look)
    if isinstance(past, Refusal):
        wrong_use(past.reason)
    if isinstance(found, Refusal):
        wrong_use(found.reason)
    return past, found, ZoneInfo(zone)


def _print_text(past: Past, version: str) -> None:
    from sequencer.operations.past import chosen
    from sequencer.operations.record import Refusal

    found = chosen(past, version)
    if isinstance(found, Refusal):
        wrong_use(found.reason)
    text = found.text if found.text.endswith("\n") else f"{found.text}\n"
    typer.echo(harmless(text) if sys.stdout.isatty() else text, nl=False)


def _show(past: Past, messages: list[Sent], zone: ZoneInfo, *, diff: bool, sent: bool) -> None:
    say(f"{past.file}: {counted(len(past.versions), 'version')}, the latest first\n")
    for each in reversed(past.versions):
        people = f"; {_people(each.people)}" if past.what == "sequence" else ""
        say(f"{each.version[:8]}  {_when(each, zone)}{people}")
        for line in each.what:
            say("\n".join(paragraph(line, "    ", "      ")))
        if diff and each.before:
            say("")
            for line in each.diff(past.file):
                say(f"    {line}")
            say("")
    if not past.words:
        say("\nNothing was sent yet." if past.what == "sequence" else "\nNothing was sent by it yet.")
        return
    say("\nThe words that were sent")
    for line in _each(messages, zone) if sent else _together(past, zone):
        say(line)


def _people(number: int) -> str:
    if number == 0:
        return "nobody has gone by it yet"
    return f"{headcount(number)} went by it"


def _when(each: Version, zone: ZoneInfo) -> str:
    if each.waits:
        return f"approved {instant(each.since, zone)}, in force when `sequencer run` starts"
    if each.until is None:
        return f"in force since {instant(each.since, zone)}"
    return f"in force {instant(each.since, zone)} to {instant(each.until, zone)}"


def _together(past: Past, zone: ZoneInfo) -> Iterator[str]:
    where = ("SEQUENCE",) if past.what == "template" else ()
    rows = [
        (
            *((each.sequence,) if where else ()),
            each.step,
            each.template,
            each.version[:8] or "not kept",
            str(each.people),
            instant(each.first, zone),
            instant(each.last, zone),
        )
        for each in past.words
    ]
    yield from columns([(*where, "STEP", "TEMPLATE", "VERSION", "PEOPLE", "FIRST", "LAST"), *rows], "  ")


def _each(messages: list[Sent], zone: ZoneInfo) -> Iterator[str]:
    if not messages:
        yield "  nothing"
        return
    rows = [
        (instant(one.at, zone), one.contact, one.step, one.template, one.version[:8] or "not kept", f"“{one.subject}”")
        for one in messages
    ]
    yield from columns([("WHEN", "WHO", "STEP", "TEMPLATE", "VERSION", "SUBJECT"), *rows], "  ")


def _every_change(ctx: typer.Context, *, as_json: bool) -> None:
    from sequencer.operations.past import moments, moments_json

    async def look(live: Live, _: datetime) -> tuple[list[Moment], str]:
        async with live.database.read() as conn:
            return await moments(conn), live.workspace.config.contacts.timezone

    found, timezone = with_live(ctx, look)
    if as_json:
        print_json(moments_json(found))
        return
    if not found:
        say("Nothing was ever in force here: `sequencer run` puts the files in force.")
    for each in reversed(found):
        waits = "" if each.release.adopted_at is not None else ", approved; in force when `sequencer run` starts"
        say(f"{instant(each.release.at, ZoneInfo(timezone))}, by {each.release.by}{waits}")
        for change in each.changed:
            say(f"    {change}")
