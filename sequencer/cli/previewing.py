"""preview: the very mails of a sequence, before any of them leaves."""

from __future__ import annotations

import email
import email.policy
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sequencer.cli.context import Json, now, print_json, wrong_use
from sequencer.cli.subjects import ForContact, Name, Sets, subject_of
from sequencer.cli.text import person, say

if TYPE_CHECKING:
    from sequencer.operations.foresight import Letter, Subject


def add_to(app: typer.Typer) -> None:
    """Register these commands."""
    app.command("preview")(preview)


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

    workspace, plan, subject, key = subject_of(ctx, sequence, contact, sets)
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
