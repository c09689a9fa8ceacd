"""preview: the very mails of a sequence, before any of them leaves."""

from __future__ import annotations

import email
import email.policy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sequencer.cli.context import Json, load_workspace, now, print_json, problem_found, wrong_use
from sequencer.cli.subjects import ForContact, Name, Sets, fields_set, plan_of, subject_of
from sequencer.cli.text import person, say

if TYPE_CHECKING:
    from sequencer.core.model import Sequence as Plan
    from sequencer.operations.foresight import Letter, Subject
    from sequencer.operations.previews import ListPreview


def add_to(app: typer.Typer) -> None:
    """Register these commands."""
    app.command("preview")(preview)


def preview(
    ctx: typer.Context,
    sequence: Name,
    contact: ForContact = "",
    csv: Annotated[
        Path | None,
        typer.Option(
            "--csv", metavar="FILE", help="For everybody in this file, as `import` would read it; not stored."
        ),
    ] = None,
    worst: Annotated[
        bool, typer.Option("--worst", help="For made-up people with all that can go wrong: gaps, long names, scripts.")
    ] = False,
    step: Annotated[str, typer.Option("--step", metavar="STEP", help="Only the mails of this step.")] = "",
    sets: Sets = None,
    raw: Annotated[bool, typer.Option("--raw", help="Print the bytes as they would go over the wire.")] = False,
    show: Annotated[bool, typer.Option("--open", help="Show them in the browser, as a mail program would.")] = False,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write that page into this file, and do not open it.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show the exact messages of a sequence, headers included. Nothing is sent."""
    if (show or html is not None) and (raw or as_json):
        wrong_use("--open and --html make a page: leave out --raw and --json")
    if worst and (contact or csv is not None):
        wrong_use("--worst is about made-up people: leave out --contact and --csv")
    if worst and raw:
        wrong_use("--raw is for one contact; --worst --json has the bytes of all of them")
    if show or html is not None:
        from sequencer.cli.previewing_page import make_page

        make_page(ctx, sequence, Whom(contact, csv, worst, sets), step, html, show=show)
    if worst:
        _worst(ctx, sequence, sets, step, as_json=as_json)
    if csv is not None:
        _list(ctx, sequence, csv, contact, sets, step, raw=raw, as_json=as_json)
    _one(ctx, sequence, contact, sets, step, raw=raw, as_json=as_json)


@dataclass(frozen=True, slots=True)
class Whom:
    """For whom the mails are, as it was typed."""

    contact: str
    csv: Path | None
    worst: bool
    sets: list[str] | None


def _one(
    ctx: typer.Context, name: str, contact: str, sets: list[str] | None, step: str, *, raw: bool, as_json: bool
) -> None:
    """For one contact, known or made up."""
    from sequencer.operations.foresight import letters

    workspace, plan, subject, key = subject_of(ctx, name, contact, sets)
    known_step(plan, step)
    _show(letters(workspace, plan, subject, now(), key, step=step), subject, raw=raw, as_json=as_json)


def _show(found: list[Letter], subject: Subject, *, raw: bool, as_json: bool) -> None:
    if as_json:
        print_json([letter_json(letter) for letter in found])
    else:
        _print_letters(found, subject, raw=raw)
    raise typer.Exit(1 if any(letter.held for letter in found) else 0)


def known_step(plan: Plan, step: str) -> None:
    """End with code 2 for a step that sends no mail."""
    from sequencer.core.lines import emails_of

    steps = {each for each, _ in emails_of(plan)}
    if step and step not in steps:
        from sequencer.workspace.source import did_you_mean

        wrong_use(f"{plan.name} has no e-mail step “{step}”; {did_you_mean(step, steps)}")


def letter_json(letter: Letter) -> dict[str, Any]:
    """One mail; the keys are part of the contract (docs/commands.md)."""
    parsed = email.message_from_bytes(letter.data, policy=email.policy.default)
    plain, rich = parsed.get_body(("plain",)), parsed.get_body(("html",))
    return {
        "line": letter.line,
        "step": letter.step,
        "template": letter.template,
        "chosen": letter.chosen,
        "only_if": letter.only_if,
        "skipped": letter.skipped,
        "subject": str(parsed["Subject"] or ""),
        "headers": {name: str(value) for name, value in parsed.items()},
        "text": plain.get_content() if plain is not None and letter.data else "",
        "html": rich.get_content() if rich is not None and letter.data else None,
        "raw": letter.data.decode("ascii", "replace"),
        "trouble": letter.trouble,
        "missing": list(letter.missing),
    }


def _print_letters(found: list[Letter], subject: Subject, *, raw: bool) -> None:
    from sequencer.operations.letters import has_had

    whom = "a made-up contact" if subject.made_up else person(subject.contact)
    if not raw:
        say(f"The mails for {whom}, from the mailbox {subject.mailbox.name}:")
        person_in = subject.enrollment
        sent = [step for step in person_in.sent_variants if has_had(person_in, step)] if person_in is not None else []
        if sent:
            say(f"(sent already: {', '.join(sent)})")
    for letter in found:
        if raw:
            say(letter.data.decode("ascii", "replace").replace("\r\n", "\n"))
        else:
            _print_letter(letter, made_up=subject.made_up)


def _print_letter(letter: Letter, *, made_up: bool) -> None:
    variant = "" if letter.chosen else "; another person would get this variant"
    say(f"\n──── {letter.step}{_where(letter)}: templates/{letter.template}.md{variant}")
    if letter.only_if:
        unmet = "; not so for this contact: the step is skipped" if letter.skipped and not made_up else ""
        say(f"only if {letter.only_if}{unmet}")
    if not letter.data:
        if letter.held or made_up:
            say(f"cannot be written: {letter.trouble}")
        return
    parsed = email.message_from_bytes(letter.data, policy=email.policy.default)
    for name, value in parsed.items():
        say(f"{name}: {value}")
    body = parsed.get_body(("plain",))
    say("\n" + (body.get_content().rstrip() if body is not None else ""))


def subject_line(letter: Letter) -> str:
    """The subject of a mail, or why it does not leave."""
    if letter.skipped:
        return f"skipped: only if {letter.only_if}"
    if not letter.data:
        return f"held: {letter.trouble}"
    return str(email.message_from_bytes(letter.data, policy=email.policy.default)["Subject"] or "")


def _where(letter: Letter) -> str:
    return "" if letter.line in ("steps", "back_off") else f", in the branch {letter.line}"


# Everybody in a file ------------------------------------------------------------------------------


def _list(
    ctx: typer.Context,
    name: str,
    file: Path,
    contact: str,
    sets: list[str] | None,
    step: str,
    *,
    raw: bool,
    as_json: bool,
) -> None:
    """For everybody in a CSV file, or for one of them."""
    listed = open_file(ctx, name, file, sets)
    known_step(listed.plan, step)
    if contact:
        _one_of(listed, file, contact, step, raw=raw, as_json=as_json)
    if raw:
        wrong_use("--raw is for one contact: name them with --contact, or take --json")
    from sequencer.cli.previewing_lists import show_list

    raise typer.Exit(1 if show_list(listed, file, step, as_json=as_json) else 0)


def _worst(ctx: typer.Context, name: str, sets: list[str] | None, step: str, *, as_json: bool) -> None:
    """For the made-up people of the worst case."""
    from sequencer.cli.previewing_lists import show_worst
    from sequencer.operations.record import Refusal
    from sequencer.operations.worst_case import worst_case

    workspace = load_workspace(ctx)
    plan = plan_of(workspace, name)
    known_step(plan, step)
    found = worst_case(workspace, plan, now(), fields_set(sets, workspace), step=step)
    if isinstance(found, Refusal):
        problem_found(found.reason)
    show_worst(plan, found, as_json=as_json)
    raise typer.Exit(1 if any(one.letter.held for one in found) else 0)


def open_file(ctx: typer.Context, name: str, file: Path, sets: list[str] | None) -> ListPreview:
    """A CSV file, looked through. Ends with code 2 or 1 where it cannot be."""
    from sequencer.operations.contact_file import Unreadable
    from sequencer.operations.previews import open_list
    from sequencer.operations.record import Refusal

    if not file.exists():
        wrong_use(f"there is no file {file}")
    workspace = load_workspace(ctx)
    opened = open_list(workspace, plan_of(workspace, name), file, fields_set(sets, workspace))
    if isinstance(opened, Unreadable):
        place = f"{file}:{opened.line}:{opened.column}" if opened.line else str(file)
        problem_found(f"{place}: {opened.reason}\n    {opened.hint}".rstrip())
    if isinstance(opened, Refusal):
        problem_found(opened.reason)
    return opened


def _one_of(listed: ListPreview, file: Path, contact: str, step: str, *, raw: bool, as_json: bool) -> None:
    from sequencer.operations.contact_file import Refused
    from sequencer.operations.previews import previews
    from sequencer.store.addresses import normal

    for one in previews(listed, now(), step=step):
        if not isinstance(one, Refused) and normal(one.subject.contact.email) == normal(contact):
            _show(list(one.letters), one.subject, raw=raw, as_json=as_json)
    problem_found(f"{file}: there is no row with the address {contact} that could be taken")
