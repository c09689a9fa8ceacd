"""status, why, threads, thread, tasks, read: what happened, what is next, and what waits for somebody."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from sequencer.cli.context import (
    BY,
    Json,
    folder_of,
    load_workspace,
    now,
    print_json,
    problem_found,
    problem_lines,
    with_live,
    wrong_use,
)
from sequencer.cli.subjects import plan_of
from sequencer.cli.text import columns, instant, paragraph, person, say

if TYPE_CHECKING:
    from sequencer.inbox.phrases import Phrases
    from sequencer.operations.explain import Explanation, Moment, Way
    from sequencer.operations.health import Health, MailboxHealth
    from sequencer.operations.live import Live
    from sequencer.operations.readings import ReadFile
    from sequencer.operations.record import Refusal
    from sequencer.operations.tasks import Done, ToDo
    from sequencer.operations.threads import Conversation, Part, Waiting
    from sequencer.store.messages import Message


def add_to(app: typer.Typer) -> None:
    """Register these commands."""
    app.command("status")(status)
    app.command("why")(why)
    app.command("threads")(threads)
    app.command("thread")(thread)
    to_do = typer.Typer(help="What you are asked to do: calls, cards, visits.", invoke_without_command=True)
    to_do.callback()(tasks)
    to_do.command("done")(done)
    app.add_typer(to_do, name="tasks")
    app.command("read")(read)


def _zone(live: Live) -> ZoneInfo:
    from sequencer.workspace.calendars import zone_of

    return zone_of(live.workspace.config.contacts.timezone)


# status -------------------------------------------------------------------------------------------


def status(ctx: typer.Context, as_json: Json = False) -> None:
    """Is all well? The mailboxes, the enrollments, and what somebody should look at."""
    from sequencer.operations import health

    async def look(live: Live, at: datetime) -> tuple[Health, ZoneInfo]:
        async with live.database.read() as conn:
            return await health.status(conn, live, at), _zone(live)

    found, zone = with_live(ctx, look)
    if as_json:
        print_json(health.status_json(found))
    else:
        _print_status(found, zone)
    raise typer.Exit(1 if found.problems else 0)


def _daemon_of(box: MailboxHealth, *, several: bool) -> str:
    """Whether a daemon works for the mailbox; which one, where there are several."""
    if several and box.daemon is not None:
        return f"{box.daemon.host}, process {box.daemon.pid}"
    return "running" if box.running else "not running"


def _print_status(found: Health, zone: ZoneInfo) -> None:
    from sequencer.operations.freshness import ago

    several = len({box.daemon for box in found.mailboxes if box.daemon is not None}) > 1
    rows = [("MAILBOX", "STATE", "DAEMON", "INBOX READ", "SENT TODAY", "DUE", "HELD", "IN DOUBT")]
    rows += [
        (
            box.name,
            box.state,
            _daemon_of(box, several=several),
            ago(box.inbox_age),
            str(box.sent_today),
            str(box.due),
            str(box.held),
            str(box.in_doubt),
        )
        for box in found.mailboxes
    ]
    say("\n".join(columns(rows)))
    standing = [f"{number} {status}" for status, number in found.enrollments.items() if number]
    none = "none yet; `sequencer import FILE.csv --enroll SEQUENCE` begins some"
    say(f"\nEnrollments: {', '.join(standing) or none}")
    if found.doubts:
        _print_doubts(found, zone)
    if found.problems:
        say("\nTo look at:")
        for problem in found.problems:
            say("\n".join(paragraph(problem, "  - ", "    ")))


def _print_doubts(found: Health, zone: ZoneInfo) -> None:
    """What may or may not have arrived. Whoever knows it from the contact, or from the provider's log, can say so."""
    from sequencer.operations.explain import RESOLVE

    say("\nIn doubt:")
    for one in found.doubts:
        attempt = one.attempt
        what = f"{attempt.id}: “{attempt.step}” of {one.sequence} to {one.contact}, {instant(attempt.started_at, zone)}"
        say("\n".join(paragraph(f"{what}: {attempt.answer}", "  ", "      ")))
    missing = sum(box.in_doubt for box in found.mailboxes) - len(found.doubts)
    if missing > 0:
        say(f"  and {missing} more")
    say(f"  If you know: {RESOLVE} {found.doubts[0].attempt.id} --delivered, or --not-delivered to send it again")


# why ----------------------------------------------------------------------------------------------


def why(
    ctx: typer.Context,
    email: Annotated[str, typer.Argument(metavar="EMAIL", help="The contact's address.")],
    as_json: Json = False,
) -> None:
    """What happened with somebody, what is next, when, and what holds it back."""
    from sequencer.operations import explain
    from sequencer.operations.explain import Explanation
    from sequencer.operations.variants import keep_splits

    async def look(live: Live, at: datetime) -> Explanation | Refusal:
        await keep_splits(live, at)
        async with live.database.read() as conn:
            return await explain.why(conn, live, email, at)

    found = with_live(ctx, look)
    if not isinstance(found, Explanation):
        problem_found(found.reason)
    if as_json:
        print_json(explain.why_json(found))
    else:
        _print_why(found)


def _print_why(found: Explanation) -> None:
    say(f"{person(found.contact)}, times in {found.zone.key}")
    if found.suppressed:
        say(f"Never mailed again: {found.suppressed}")
    if not found.ways:
        say("Never in a sequence. `sequencer enroll SEQUENCE EMAIL` begins one.")
    for way in found.ways:
        _print_way(way, found.zone)


def _print_way(way: Way, zone: ZoneInfo) -> None:
    from sequencer.operations.explain import RESOLVE

    enrollment = way.enrollment
    reason = f": {enrollment.reason}" if enrollment.reason else ""
    say(f"\n{enrollment.sequence} (thread {enrollment.id}, from {enrollment.mailbox}): {enrollment.status}{reason}")
    if not enrollment.status.ended:
        say("\n".join(paragraph(way.next, "  next    ", " " * 10)))
        if way.shifts:
            say("\n".join(paragraph(f"not earlier: {'; '.join(way.shifts)}", " " * 10)))
        if way.dealt is not None:
            say("\n".join(paragraph(way.dealt.words, "  variant ", " " * 10)))
        if way.held is not None:
            until = f", until {instant(way.held.until, zone)}" if way.held.until is not None else ""
            say("\n".join(paragraph(f"{way.held.reason}{until}", "  held    ", " " * 10)))
            if way.held.way_out:
                say("\n".join(paragraph(way.held.way_out, " " * 10)))
    for attempt in way.doubts:
        doubt = f"“{attempt.step}” of {instant(attempt.started_at, zone)} may or may not have arrived: {attempt.answer}"
        say("\n".join(paragraph(doubt, "  doubt   ", " " * 10)))
        say(f"          if you know: {RESOLVE} {attempt.id} --delivered, or --not-delivered")
    label = "  so far  "
    for line in _worth_telling(way.history):
        step = f"[{line.step}] " if line.step else ""
        say("\n".join(paragraph(f"{instant(line.at, zone)}  {step}{line.detail}", label, " " * 12)))
        label = " " * 10


def _worth_telling(history: tuple[Moment, ...]) -> list[Moment]:
    """The log without the beginnings of attempts whose outcome follows."""
    outcomes = ("Accepted", "Deferred", "Rejected", "InDoubt")
    return [
        line
        for index, line in enumerate(history)
        if line.event != "AttemptStarted" or not any(later.event in outcomes for later in history[index + 1 :])
    ]


# threads ------------------------------------------------------------------------------------------


def threads(ctx: typer.Context, as_json: Json = False) -> None:
    """The conversations that wait for you: who wrote what, and what to do about it."""
    from sequencer.operations import threads as conversations

    async def look(live: Live, _: datetime) -> tuple[list[Waiting], ZoneInfo]:
        async with live.database.read() as conn:
            return await conversations.waiting(conn, live), _zone(live)

    found, zone = with_live(ctx, look)
    if as_json:
        print_json(conversations.waiting_json(found))
        return
    if not found:
        say("Nobody waits for you.")
    for one in found:
        _print_waiting(one, zone)


def _print_waiting(one: Waiting, zone: ZoneInfo) -> None:
    message, enrollment = one.message, one.enrollment
    if message is None:
        say(f"{enrollment.id}  {person(one.contact)}, {enrollment.sequence}: {enrollment.reason}")
    else:
        kind = (message.label or message.kind).replace("_", " ")
        say(
            f"{enrollment.id}  {person(one.contact)}, {enrollment.sequence}: {kind} "
            f"({_sure(message)}), {instant(message.received_at, zone)}, message {message.id}"
        )
        if message.evidence:
            say("\n".join(paragraph(message.evidence, "    because  ", " " * 13)))
        shown = message.text.strip() or message.subject
        say("\n".join(paragraph(shown[:600], "    | ")))
    say(f"    → {one.proposed}\n")


def _sure(message: Message) -> str:
    corrected = message.kind_read not in ("", message.label or message.kind)
    return f"read as {message.kind_read.replace('_', ' ')}" if corrected else f"{message.confidence:.0%} sure"


def thread(
    ctx: typer.Context,
    number: Annotated[int, typer.Argument(metavar="ID", help="The number that `threads` and `why` show.")],
    as_json: Json = False,
) -> None:
    """One conversation, from its first message to its last."""
    from sequencer.operations import threads as conversations
    from sequencer.operations.threads import Conversation

    async def look(live: Live, _: datetime) -> tuple[Conversation | Refusal, ZoneInfo]:
        async with live.database.read() as conn:
            return await conversations.conversation(conn, live, number), _zone(live)

    found, zone = with_live(ctx, look)
    if not isinstance(found, Conversation):
        problem_found(found.reason)
    if as_json:
        print_json(conversations.conversation_json(found))
    else:
        _print_conversation(found, zone)


def _print_conversation(found: Conversation, zone: ZoneInfo) -> None:
    enrollment = found.enrollment
    reason = f": {enrollment.reason}" if enrollment.reason else ""
    say(f"{person(found.contact)}, {enrollment.sequence}, from {enrollment.mailbox}: {enrollment.status}{reason}")
    if not found.parts:
        say("No message has gone out yet.")
    for part in found.parts:
        number = f" (message {part.message})" if part.message is not None else ""
        say(f"\n──── {instant(part.at, zone)}  {_headline(part)}{number}")
        if part.evidence:
            sure = f" ({part.confidence:.0%} sure)" if part.confidence is not None else ""
            kind, read_as = part.kind.replace("_", " "), (part.read_as or part.kind).replace("_", " ")
            corrected = "" if kind == read_as else f"is {kind}; "
            say(f"{corrected}read as {read_as}{sure}: {part.evidence}")
        say(f"Subject: {part.subject}\n\n{part.text.strip()}")


def _headline(part: Part) -> str:
    match part.direction:
        case "sent":
            state = "" if part.state == "accepted" else f" ({part.state.replace('_', ' ')})"
            return f"sent from {part.sender} [{part.step}]{state}"
        case "hand_written":
            return f"written by hand from {part.sender}"
        case "notice":
            return f"a machine at {part.sender or 'an unknown address'}"
        case _:
            return f"{part.sender} wrote"


# tasks --------------------------------------------------------------------------------------------


def tasks(
    ctx: typer.Context,
    everything: Annotated[bool, typer.Option("--all", help="Also those that are done or dropped.")] = False,
    as_json: Json = False,
) -> None:
    """What you are asked to do, the longest due first. `tasks done ID` ticks one off."""
    from sequencer.operations import tasks as to_dos

    if ctx.invoked_subcommand is not None:
        return

    async def look(live: Live, _: datetime) -> tuple[list[ToDo], ZoneInfo]:
        async with live.database.read() as conn:
            return await to_dos.to_dos(conn, live, everything=everything), _zone(live)

    found, zone = with_live(ctx, look)
    if as_json:
        print_json([_task_json(one) for one in found])
        return
    if not found:
        say("Nothing to do.")
    for one in found:
        _print_task(one, zone)


def _task_json(one: ToDo) -> dict[str, Any]:
    from sequencer.operations.explain import iso

    return {
        "id": one.task.id,
        "contact": one.contact.email,
        "task": one.task.kind,
        "note": one.note,
        "due_at": iso(one.task.due_at),
        "status": str(one.task.status),
        "sequence": one.task.sequence,
        "step": one.task.step,
        "outcome": one.task.outcome,
    }


def _print_task(one: ToDo, zone: ZoneInfo) -> None:
    phone = f", {one.contact.fields['phone']}" if one.contact.fields.get("phone") else ""
    state = "" if one.task.status == "open" else f" — {one.task.status}: {one.task.outcome}"
    say(f"{one.task.id}  {one.task.kind}: {person(one.contact)}{phone}, due {instant(one.task.due_at, zone)}{state}")
    if one.note:
        say("\n".join(paragraph(one.note, "    ")))


def done(
    ctx: typer.Context,
    number: Annotated[int, typer.Argument(metavar="ID", help="The number that `tasks` shows.")],
    outcome: Annotated[
        str, typer.Option("--outcome", metavar="TEXT", help="What came of it; it stands in the history.")
    ] = "",
    not_reached: Annotated[
        bool,
        typer.Option("--not-reached", help="Nobody was reached, or it was not needed: it does not count as a touch."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Tick a task off: the plan goes on with its next step."""
    from sequencer.operations import tasks as to_dos
    from sequencer.operations.explain import outlook
    from sequencer.operations.tasks import Done

    async def tick(live: Live, at: datetime) -> tuple[Done | Refusal, str]:
        found = await to_dos.done(live, number, outcome, at, by=BY, touched=not not_reached)
        if not isinstance(found, Done):
            return found, ""
        async with live.database.read() as conn:
            return found, (await outlook(conn, live, [found.enrollment], at))[found.enrollment.id]

    found, ahead = with_live(ctx, tick)
    if not isinstance(found, Done):
        problem_found(found.reason)
    if as_json:
        print_json({**_task_json(found.to_do), "status": "done", "outcome": outcome, "next": ahead})
    else:
        say(f"{person(found.to_do.contact)}: {found.to_do.task.kind} done; {ahead}")


# read ---------------------------------------------------------------------------------------------


def read(
    ctx: typer.Context,
    files: Annotated[list[Path], typer.Argument(metavar="FILE.eml...", help="Mails as files.")],
    sequence: Annotated[
        str, typer.Option("--sequence", metavar="SEQUENCE", help="Use the reply labels of this sequence.")
    ] = "",
    today: Annotated[
        str, typer.Option("--today", metavar="DATE", help="Read as if on this day; else on the day it was written.")
    ] = "",
    language: Annotated[
        str, typer.Option("--language", metavar="CODE", help="The contact's language: en, de, fr …")
    ] = "",
    timezone: Annotated[
        str, typer.Option("--timezone", metavar="ZONE", help="The contact's zone: America/Denver …")
    ] = "UTC",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, one line a file.")] = False,
) -> None:
    """What the inbox reader makes of a mail: its kind, the fresh text, the date they name, and why."""
    from sequencer.operations.readings import NoFile, read_file, reading_json
    from sequencer.operations.values import parse_date

    day = parse_date(today, "day first") if today else None
    if today and day is None:
        wrong_use(f"“{today}” is no date: write it as in 2026-12-01")
    labels = {}
    if sequence:
        labels = dict(plan_of(load_workspace(ctx), sequence).labels)
    phrases = _own_phrases(ctx)
    failed = False
    for file in files:
        found = read_file(
            file, now(), labels=labels, today=day, timezone=timezone, language=language, extra_phrases=phrases
        )
        if isinstance(found, NoFile):
            say(f"{found.file}: {found.reason}", err=True)
            failed = True
        elif as_json:
            typer.echo(json.dumps(reading_json(found), ensure_ascii=False))
        else:
            _print_reading(found)
    raise typer.Exit(1 if failed else 0)


def _own_phrases(ctx: typer.Context) -> Phrases | None:
    """The phrases of the workspace one stands in. There need not be a workspace; a mistake in them is told."""
    from sequencer.operations.phrases import made_ready
    from sequencer.workspace.phrases import FOLDER, read_phrase_files

    folder = folder_of(ctx)
    if not (folder / "config.yaml").is_file():
        return None
    phrases, problems = read_phrase_files(folder / FOLDER)
    for line in problem_lines(folder, problems):
        say(line, err=True)
    if problems:
        raise typer.Exit(1)
    return made_ready(phrases)


def _print_reading(found: ReadFile) -> None:
    reading = found.reading
    label = f", your label “{reading.label}”" if reading.label else ""
    say(f"{found.file}: {reading.kind.replace('_', ' ')} ({reading.confidence:.0%} sure){label}")
    if reading.evidence:
        say("\n".join(paragraph(reading.evidence, "    because  ", " " * 13)))
    if reading.date is not None:
        say(f"    date     {reading.date} (“{reading.date_words}”)")
    if reading.refers_to:
        say(f"    names    {reading.refers_to}")
    if reading.text.strip():
        say("\n".join(paragraph(reading.text.strip()[:1500], "    | ")))
