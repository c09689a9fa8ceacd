"""import, enroll, suppress, unsuppress."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sequencer.cli.context import BY, Emails, Json, Reason, print_json, problem_found, with_live, wrong_use
from sequencer.cli.progress import progress
from sequencer.cli.subjects import Sets, fields_set
from sequencer.cli.text import say
from sequencer.operations.counting import counted

if TYPE_CHECKING:
    from sequencer.operations.contact_file import Refused
    from sequencer.operations.contacts import Imported
    from sequencer.operations.enrollments import Entered, Kept
    from sequencer.operations.live import Live
    from sequencer.operations.record import Refusal
    from sequencer.operations.suppression import Lifted, Suppressed

LONG = 2000
"""Rows from which on an import shows how far it is."""

OneMailbox = Annotated[
    str,
    typer.Option("--mailbox", metavar="NAME", help="From this mailbox; else the one they know, or one of the plan's."),
]
Targets = Annotated[list[str], typer.Argument(metavar="TARGET...", help="Addresses, or whole domains as @example.com.")]


def add_to(app: typer.Typer) -> None:
    """Register these commands."""
    app.command("import")(import_)
    app.command("enroll")(enroll)
    app.command("suppress")(suppress)
    app.command("unsuppress")(unsuppress)


def import_(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE.csv", help="The contacts; one column is the e-mail address.")],
    enroll: Annotated[
        str, typer.Option("--enroll", metavar="SEQUENCE", help="Put everybody who never was in it into this sequence.")
    ] = "",
    mailbox: OneMailbox = "",
    sets: Sets = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen, and change nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Take contacts from a CSV file: create or update, never duplicate. Columns become fields."""
    from sequencer.operations.contact_file import Unreadable
    from sequencer.operations.contacts import Imported, Wishes, import_file, summary

    if not file.exists():
        wrong_use(f"there is no file {file}")

    async def take(live: Live, at: datetime) -> Imported | Unreadable | Refusal:
        wishes = Wishes(enroll, mailbox, fields_set(sets, live.workspace), dry_run, BY)
        with progress("importing", LONG) as tell:
            return await import_file(live, file, at, wishes, tell)

    result = with_live(ctx, take)
    if isinstance(result, Unreadable):
        place = f"{file}:{result.line}:{result.column}" if result.line else str(file)
        problem_found(f"{place}: {result.reason}\n    {result.hint}".rstrip())
    if not isinstance(result, Imported):
        wrong_use(result.reason)
    if as_json:
        print_json(summary(result))
    else:
        _print_imported(file, result, enroll)
    raise typer.Exit(1 if result.refused else 0)


def _print_imported(file: Path, result: Imported, enroll: str) -> None:
    for note in result.notes:
        say(f"note: {note}")
    _print_rows(file, result.refused, "refused", 50)
    _print_rows(file, result.not_enrolled, "not enrolled", 5)
    parts = [f"{result.created} created", f"{result.updated} updated", f"{result.unchanged} unchanged"]
    if enroll:
        parts.append(f"{result.enrolled} enrolled in {enroll}")
    if result.refused:
        parts.append(f"{len(result.refused)} refused")
    tail = "; nothing was changed, since this was a dry run" if result.dry_run else ""
    say(f"{', '.join(parts)}{tail}")


def _print_rows(file: Path, rows: list[Refused], what: str, most: int) -> None:
    for row in rows[:most]:
        say(f"{file}:{row.line}: {what}: {row.reason}")
    if len(rows) > most:
        say(f"… and {len(rows) - most} more {what}; --json lists them all")


def enroll(
    ctx: typer.Context,
    sequence: Annotated[str, typer.Argument(metavar="SEQUENCE", help="The name of a file in sequences/.")],
    emails: Emails,
    mailbox: OneMailbox = "",
    sets: Sets = None,
    as_json: Json = False,
) -> None:
    """Put people into a sequence. An address that nobody knows becomes a contact with nothing but the address."""
    from sequencer.operations.enrollments import Entered, Kept, Terms
    from sequencer.operations.enrollments import enroll as enter
    from sequencer.operations.explain import outlook

    async def put(live: Live, at: datetime) -> list[tuple[Entered | Kept, str]] | Refusal:
        terms = Terms(mailbox, fields_set(sets, live.workspace), BY)
        found = await enter(live, sequence, emails, at, terms)
        if not isinstance(found, list):
            return found
        async with live.database.read() as conn:
            ahead = await outlook(conn, live, [one.enrollment for one in found if isinstance(one, Entered)], at)
        return [(one, ahead[one.enrollment.id] if isinstance(one, Entered) else "") for one in found]

    result = with_live(ctx, put)
    if not isinstance(result, list):
        wrong_use(result.reason)
    if as_json:
        print_json([_entered_json(one, ahead) for one, ahead in result])
    else:
        for one, ahead in result:
            say(_entered_line(one, ahead))
    raise typer.Exit(1 if any(isinstance(one, Kept) for one, _ in result) else 0)


def _entered_json(one: Entered | Kept, ahead: str) -> dict[str, Any]:
    from sequencer.operations.enrollments import Kept

    if isinstance(one, Kept):
        return {"contact": one.email, "refused": one.reason}
    enrollment = one.enrollment
    return {
        "contact": one.email,
        "sequence": enrollment.sequence,
        "mailbox": enrollment.mailbox,
        "id": enrollment.id,
        "created": one.created,
        "next": ahead,
    }


def _entered_line(one: Entered | Kept, ahead: str) -> str:
    from sequencer.operations.enrollments import Kept

    if isinstance(one, Kept):
        return f"{one.email}: not enrolled: {one.reason}"
    new = " (a new contact: nothing but the address is known)" if one.created else ""
    return f"{one.email}{new}: enrolled in {one.enrollment.sequence}, from {one.enrollment.mailbox}; {ahead}"


def suppress(ctx: typer.Context, targets: Targets, reason: Reason = "", as_json: Json = False) -> None:
    """Never mail these again, whatever any sequence says; what is open for them is stopped."""
    from sequencer.operations import suppression

    async def add(live: Live, at: datetime) -> list[Suppressed | Kept]:
        return await suppression.suppress(live, targets, at, reason=reason, by=BY)

    _print_suppressions(with_live(ctx, add), as_json)


def unsuppress(ctx: typer.Context, targets: Targets, as_json: Json = False) -> None:
    """Lift suppressions. Only for who asked for it: what was stopped stays stopped."""
    from sequencer.operations import suppression

    async def lift(live: Live, _: datetime) -> list[Lifted | Kept]:
        return await suppression.unsuppress(live, targets)

    _print_suppressions(with_live(ctx, lift), as_json)


def _print_suppressions(found: list[Suppressed | Kept] | list[Lifted | Kept], as_json: bool) -> None:
    from sequencer.operations.enrollments import Kept

    if as_json:
        print_json([_suppression_json(one) for one in found])
    else:
        for one in found:
            say(_suppression_line(one))
    raise typer.Exit(1 if any(isinstance(one, Kept) for one in found) else 0)


def _suppression_json(one: Suppressed | Lifted | Kept) -> dict[str, Any]:
    from sequencer.operations.enrollments import Kept
    from sequencer.operations.suppression import Suppressed

    if isinstance(one, Kept):
        return {"target": one.email, "refused": one.reason}
    if isinstance(one, Suppressed):
        return {"target": one.target, "suppressed": True, "before": one.before or None, "stopped": len(one.stopped)}
    return {"target": one.target, "suppressed": bool(one.still), "reason": one.reason, "still": one.still or None}


def _suppression_line(one: Suppressed | Lifted | Kept) -> str:
    from sequencer.operations.enrollments import Kept
    from sequencer.operations.suppression import Suppressed

    if isinstance(one, Kept):
        return f"{one.email}: {one.reason}"
    if isinstance(one, Suppressed):
        stopped = f"; {counted(len(one.stopped), 'enrollment')} stopped" if one.stopped else ""
        if one.before:
            return f"{one.target}: was suppressed already: {one.before}{stopped}"
        return f"{one.target}: will never be mailed again{stopped}"
    if one.still:
        return f"{one.target}: lifted, but its domain is suppressed as well: {one.still}"
    return f"{one.target}: may be mailed again (it was suppressed: {one.reason}); nothing starts by itself"
