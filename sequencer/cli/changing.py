"""plan and apply: what an edit does before it is in force, and putting it in force."""

from __future__ import annotations

import asyncio
import os
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sequencer.cli.context import (
    Json,
    folder_of,
    now,
    print_json,
    problem_found,
    refuse_workspace,
    wrong_use,
)
from sequencer.cli.text import say

if TYPE_CHECKING:
    from sequencer.operations.approval import Versions
    from sequencer.operations.plan import Planned

SEEN_FROM = 500
"""People from which on a bar shows how many are done."""

PICKED_UP_WITHIN = 15.0
"""Seconds that `apply` waits until a running daemon has taken the files up."""

Days = Annotated[int, typer.Option("--days", metavar="N", help="How far ahead to look.", min=0, max=366)]


def add_to(app: typer.Typer) -> None:
    """Register these commands."""
    app.command("plan")(plan)
    app.command("apply")(apply)


def plan(
    ctx: typer.Context,
    days: Days = 14,
    everybody: Annotated[bool, typer.Option("--all", help="List every person and every message.")] = False,
    contact: Annotated[str, typer.Option("--contact", metavar="EMAIL", help="Only this contact, with the words.")] = "",
    files: Annotated[
        Path | None,
        typer.Option("--files", metavar="DIR", help="Plan with the files in this folder, a copy of the workspace."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show what the saved files change, person by person, and what goes out in the next days. Nothing is changed."""
    asyncio.run(_plan(folder_of(ctx), files, days, contact, everybody=everybody, as_json=as_json))


async def _plan(folder: Path, files: Path | None, days: int, contact: str, *, everybody: bool, as_json: bool) -> None:
    from sequencer.cli import planned
    from sequencer.operations.adopt import Unusable
    from sequencer.operations.approval import both_versions
    from sequencer.operations.plan_json import planned_json
    from sequencer.operations.rewording import rewordings

    async with both_versions(folder, os.environ, files) as versions:
        if isinstance(versions, Unusable):
            refuse_workspace(files or folder, versions)
        instant = now()
        found = await _planned(versions, instant, days, contact)
        if as_json:
            print_json(planned_json(versions, found))
            return
        planned.show(versions, found, instant, everybody=everybody or bool(contact))
        if contact:
            for rewording in rewordings(versions, found):
                planned.show_rewording(rewording)


async def _planned(versions: Versions, instant: datetime, days: int, contact: str = "") -> Planned:
    from sequencer.cli.progress import progress
    from sequencer.operations.plan import plan as look_ahead
    from sequencer.operations.record import Refusal

    with progress("Asking what each of them gets", SEEN_FROM) as show:
        found = await look_ahead(versions.live, versions.after, instant, days=days, email=contact, progress=show)
    if isinstance(found, Refusal):
        problem_found(found.reason)
    return found


def apply(
    ctx: typer.Context,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    days: Days = 14,
) -> None:
    """Put the saved files in force where `apply: manual` lets them wait: shows what they change, asks, and does it."""
    asyncio.run(_apply(folder_of(ctx), days, yes=yes))


async def _apply(folder: Path, days: int, *, yes: bool) -> None:
    from sequencer.cli import planned
    from sequencer.operations.adopt import Unusable
    from sequencer.operations.approval import approve, both_versions
    from sequencer.operations.record import Refusal

    async with both_versions(folder, os.environ) as versions:
        if isinstance(versions, Unusable):
            refuse_workspace(folder, versions)
        if not versions.manual:
            say("config.yaml does not say `apply: manual`: a saved change that has no mistake is in force at once.")
            return
        if versions.same:
            say("The saved files are in force, or approved, already.")
            return
        instant = now()
        planned.show(versions, await _planned(versions, instant, days), instant, everybody=False)
        say("")
        if not yes and not sys.stdin.isatty():
            wrong_use("nothing was put in force: without a terminal to ask at, say --yes")
        if not yes and not typer.confirm("Put these files in force?"):
            problem_found("Nothing was put in force.")
        number = await approve(versions, os.environ, now())
        if isinstance(number, Refusal):
            problem_found(number.reason)
        await _picked_up(versions, number)


async def _picked_up(versions: Versions, number: int) -> None:
    from sequencer.daemon.clock import pulse, ticks
    from sequencer.operations.approval import adopted_at

    if not versions.running:
        say("Approved. No daemon is running: they are in force from the next `sequencer run` on.")
        return
    never, began = asyncio.Event(), ticks()
    while ticks() - began < PICKED_UP_WITHIN:
        if await adopted_at(versions.live, number) is not None:
            say("In force: the running daemon works with these files now.")
            return
        await pulse(never, 0.2)
    say("Approved; the running daemon has not taken them up yet. `sequencer status` says how it is.")
