"""preview and simulate: what would happen, before anything does."""

from __future__ import annotations

import email
import email.policy
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from sequencer.cli.context import Json, load_workspace, now, print_json, problem_found, with_live, wrong_use
from sequencer.cli.text import columns, instant, paragraph, person, say

if TYPE_CHECKING:
    from sequencer.core.model import Fields
    from sequencer.core.model import Sequence as Plan
    from sequencer.operations.foresight import Foreseen, Letter, Subject
    from sequencer.workspace.workspace import Workspace

Name = Annotated[str, typer.Argument(metavar="SEQUENCE", help="The name of a file in sequences/, without .yaml.")]
ForContact = Annotated[
    str,
    typer.Option("--contact", metavar="EMAIL", help="For this contact; else for a made-up one who has every field."),
]
Sets = Annotated[
    list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A field of the enrollment; may be repeated.")
]


def add_to(app: typer.Typer) -> None:
    """Register these commands."""
    app.command("preview")(preview)
    app.command("simulate")(simulate)


def preview(
    ctx: typer.Context,
    sequence: Name,
    contact: ForContact = "",
    step: Annotated[str, typer.Option("--step", metavar="STEP", help="Only the mails of this step.")] = "",
    sets: Sets = None,
    raw: Annotated[bool, typer.Option("--raw", help="Print the bytes as they would go over the wire.")] = False,
    as_json: Json = False,
) -> None:
    """Show the exact messages of a sequence, headers included. Nothing is sent."""
    from sequencer.operations.foresight import letters

    workspace, plan, subject, key = _subject(ctx, sequence, contact, sets)
    found = letters(workspace, plan, subject, now(), key, step=step)
    if step and not found:
        from sequencer.workspace.source import did_you_mean

        steps = {letter.step for letter in letters(workspace, plan, subject, now(), key)}
        wrong_use(f"{sequence} has no e-mail step “{step}”; {did_you_mean(step, steps)}")
    if as_json:
        print_json([_letter_json(letter) for letter in found])
    else:
        _print_letters(found, subject, raw=raw)
    raise typer.Exit(1 if any(not letter.data for letter in found) else 0)


def _subject(
    ctx: typer.Context, name: str, contact: str, sets: list[str] | None
) -> tuple[Workspace, Plan, Subject, bytes]:
    """The workspace, the plan, whom to look ahead for, and the signing key (any, for somebody made up)."""
    from sequencer.operations import foresight
    from sequencer.operations.live import Live
    from sequencer.operations.record import Refusal

    if contact:

        async def look(live: Live, _: datetime) -> tuple[Workspace, Plan, Subject | Refusal, bytes]:
            plan = _plan(live.workspace, name)
            async with live.database.read() as conn:
                found = await foresight.real(conn, live, plan, contact, fields_set(sets, live.workspace))
            return live.workspace, plan, found, live.key

        workspace, plan, subject, key = with_live(ctx, look)
    else:
        workspace = load_workspace(ctx)
        plan, key = _plan(workspace, name), b"nobody's key"
        subject = foresight.made_up(workspace, plan, now().date(), fields_set(sets, workspace))
    if isinstance(subject, Refusal):
        problem_found(subject.reason)
    return workspace, plan, subject, key


def _plan(workspace: Workspace, name: str) -> Plan:
    from sequencer.workspace.source import did_you_mean

    plan = workspace.sequences.get(name.removesuffix(".yaml"))
    if plan is None:
        wrong_use(f"there is no sequence “{name}” in sequences/; {did_you_mean(name, workspace.sequences)}")
    return plan


def fields_set(assignments: list[str] | None, workspace: Workspace) -> Fields:
    """The fields that `--set NAME=VALUE` gives. Ends with code 2 for what is no assignment."""
    from sequencer.operations.values import Unfit, order_of, parse_assignment

    ours = workspace.config.contacts
    fields: dict[str, Any] = {}
    for text in assignments or []:
        parsed = parse_assignment(text, order_of(ours.holidays, ours.timezone))
        if isinstance(parsed, Unfit):
            wrong_use(parsed.reason)
        fields[parsed[0]] = parsed[1]
    return fields


def _letter_json(letter: Letter) -> dict[str, Any]:
    parsed = email.message_from_bytes(letter.data, policy=email.policy.default)
    plain, rich = parsed.get_body(("plain",)), parsed.get_body(("html",))
    return {
        "line": letter.line,
        "step": letter.step,
        "template": letter.template,
        "chosen": letter.chosen,
        "subject": str(parsed["Subject"] or ""),
        "headers": {name: str(value) for name, value in parsed.items()},
        "text": plain.get_content() if plain is not None and letter.data else "",
        "html": rich.get_content() if rich is not None and letter.data else None,
        "raw": letter.data.decode("ascii", "replace"),
        "trouble": letter.trouble,
    }


def _print_letters(found: list[Letter], subject: Subject, *, raw: bool) -> None:
    whom = "a made-up contact" if subject.made_up else person(subject.contact)
    if not raw:
        say(f"The mails for {whom}, from the mailbox {subject.mailbox.name}:")
        if subject.enrollment is not None and subject.enrollment.sent_variants:
            say(f"(sent already: {', '.join(subject.enrollment.sent_variants)})")
    for letter in found:
        if raw:
            say(letter.data.decode("ascii", "replace").replace("\r\n", "\n"))
            continue
        where = "" if letter.line in ("steps", "back_off") else f", in the branch {letter.line}"
        variant = "" if letter.chosen else "; another person would get this variant"
        say(f"\n──── {letter.step}{where}: templates/{letter.template}.md{variant}")
        if not letter.data:
            say(f"cannot be written: {letter.trouble}")
            continue
        parsed = email.message_from_bytes(letter.data, policy=email.policy.default)
        for name, value in parsed.items():
            say(f"{name}: {value}")
        body = parsed.get_body(("plain",))
        say("\n" + (body.get_content().rstrip() if body is not None else ""))


def simulate(
    ctx: typer.Context,
    sequence: Name,
    contact: ForContact = "",
    start: Annotated[
        str, typer.Option("--start", metavar="DATE", help="When they enter: 2026-12-01 (at 9:00) or 2026-12-01T14:30.")
    ] = "",
    reply: Annotated[
        list[str] | None,
        typer.Option("--reply", metavar='"STEP+2d KIND"', help="They answer so long after a step; may be repeated."),
    ] = None,
    until: Annotated[str, typer.Option("--until", metavar="DATE", help="Look no further than this day.")] = "",
    sets: Sets = None,
    as_json: Json = False,
) -> None:
    """Show the time line of a sequence, by the very rules that the daemon follows."""
    from sequencer.operations import foresight
    from sequencer.operations.explain import zone_for
    from sequencer.operations.record import Refusal

    workspace, plan, subject, _ = _subject(ctx, sequence, contact, sets)
    begins = foresight.parse_start(start, subject.contact) if start else now()
    ends = foresight.parse_start(until, subject.contact) if until else None
    replies = [foresight.parse_reply(text, plan) for text in reply or []]
    for parsed in (begins, ends, *replies):
        if isinstance(parsed, Refusal):
            wrong_use(parsed.reason)
    scripted = [each for each in replies if not isinstance(each, Refusal)]
    assert isinstance(begins, datetime)
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
    rows += [(instant(line.at, zone), line.step, line.action.replace("_", " "), _what(line, zone)) for line in seen]
    for text in columns(rows):
        say("\n".join(paragraph(text, "", " " * 24)))


def _what(line: Foreseen, zone: ZoneInfo) -> str:
    detail = f"“{line.subject}”" if line.subject else line.detail
    if line.action == "snooze":
        detail = f"until {instant(datetime.fromisoformat(line.detail), zone)}"
    return " — ".join(part for part in (detail, line.reason.replace("_", " ")) if part)
