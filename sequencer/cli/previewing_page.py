"""preview --open and --html: the page that shows the mails as a mail program would."""

from __future__ import annotations

import os
import re
import tempfile
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

import typer

from sequencer.cli.context import load_workspace, now, problem_found, write_file
from sequencer.cli.previewing import Whom, known_step, open_file
from sequencer.cli.progress import progress
from sequencer.cli.subjects import fields_set, plan_of, subject_of
from sequencer.cli.text import say
from sequencer.operations.counting import counted

if TYPE_CHECKING:
    from datetime import datetime

    from sequencer.operations.previews import Previewed
    from sequencer.operations.showing import Showing

MOST_PEOPLE: Final = 25
"""People of a file whom the page shows, those who would be held first: beyond, nobody scrolls through it."""

LONG: Final = 500
"""Rows from which on a progress bar is shown."""


def make_page(ctx: typer.Context, name: str, whom: Whom, step: str, html: Path | None, *, show: bool) -> NoReturn:
    """Write the page, open it where that is wanted; ends with code 1 when a mail cannot be written."""
    from sequencer.pages.preview import preview_page

    at = now()
    note = ""
    if whom.worst:
        shown = _worst(ctx, name, whom, step, at)
    elif whom.csv is not None:
        shown, note = _list(ctx, name, whom, step, at)
    else:
        shown = [_one(ctx, name, whom, step, at)]
    where = _write(preview_page(shown, note), name, html)
    held = sum(len(each.held) for each in shown)
    say(f"{where}: {counted(sum(len(each.mails) for each in shown), 'mail')}", nl=False)
    say(f", {held} of which cannot be written" if held else "")
    if show and not webbrowser.open(where.absolute().as_uri()):
        say("There is no browser that could be opened here: open that file in yours.", err=True)
    raise typer.Exit(1 if held else 0)


def _one(ctx: typer.Context, name: str, whom: Whom, step: str, at: datetime) -> Showing:
    from sequencer.operations.foresight import letters
    from sequencer.operations.showing import showing

    workspace, plan, subject, key = subject_of(ctx, name, whom.contact, whom.sets)
    known_step(plan, step)
    return showing(workspace, plan, subject, letters(workspace, plan, subject, at, key), at, step=step)


def _worst(ctx: typer.Context, name: str, whom: Whom, step: str, at: datetime) -> list[Showing]:
    from sequencer.operations.record import Refusal
    from sequencer.operations.showing import showings_of_worst

    workspace = load_workspace(ctx)
    plan = plan_of(workspace, name)
    known_step(plan, step)
    shown = showings_of_worst(workspace, plan, at, fields_set(whom.sets, workspace), step=step)
    if isinstance(shown, Refusal):
        problem_found(shown.reason)
    return shown


def _list(ctx: typer.Context, name: str, whom: Whom, step: str, at: datetime) -> tuple[list[Showing], str]:
    """The people of a file, or the one who was named; those who would be held first."""
    from sequencer.operations.contact_file import Refused
    from sequencer.operations.previews import previews
    from sequencer.operations.showing import showing
    from sequencer.store.addresses import normal

    assert whom.csv is not None
    listed = open_file(ctx, name, whom.csv, whom.sets)
    known_step(listed.plan, step)
    contact = normal(whom.contact) if whom.contact else ""
    held: list[Previewed] = []
    fine: list[Previewed] = []
    people = 0
    with progress("previewing", LONG) as tell:
        for done, one in enumerate(previews(listed, at), 1):
            if tell is not None and done % 50 == 0:
                tell(done, listed.survey.rows)
            if isinstance(one, Refused) or (contact and normal(one.subject.contact.email) != contact):
                continue
            people += 1
            group = held if one.held else fine
            if len(group) < MOST_PEOPLE:
                group.append(one)
    if not people:
        problem_found(f"{whom.csv}: there is nobody in it who could be taken")
    chosen = (held + fine)[:MOST_PEOPLE]
    note = f"{len(chosen)} of the {people} people in {whom.csv.name}" if people > len(chosen) else ""
    shown = [
        showing(listed.workspace, listed.plan, one.subject, one.letters, at, step=step, place=f"line {one.line}")
        for one in chosen
    ]
    return shown, f"{note}, those who would be held first." if note else ""


def _write(text: str, name: str, html: Path | None) -> Path:
    """Into the file that was named, else into a new one that only its owner can read: the mails are about people."""
    if html is None:
        prefix = f"preview-{re.sub(r'[^A-Za-z0-9_-]', '', name.removesuffix('.yaml'))}-"
        handle, path = tempfile.mkstemp(prefix=prefix, suffix=".html")
        with os.fdopen(handle, "w", encoding="utf-8", errors="replace") as file:
            file.write(text)
        return Path(path)
    write_file(html, text)
    return html
