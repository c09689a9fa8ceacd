"""What every command does alike: find the workspace, open it, report problems, end with the right code."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn, TypeVar

import typer

from sequencer.cli.text import say

if TYPE_CHECKING:
    from sequencer.operations.adopt import Unusable
    from sequencer.operations.live import Live
    from sequencer.workspace.source import Problem
    from sequencer.workspace.workspace import Workspace

T = TypeVar("T")

DEBUG: Final = "SEQUENCER_DEBUG"
BY: Final = "hand"
"""Who did it, in the history: `paused (by hand)`."""

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Emails = Annotated[list[str], typer.Argument(metavar="EMAIL...", help="The contacts' addresses.")]
OneSequence = Annotated[
    str, typer.Option("--sequence", metavar="SEQUENCE", help="Only in this sequence; else in all that are open.")
]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it stands in the history.")]


@dataclass(frozen=True, slots=True)
class Setting:
    """The global options."""

    folder: Path


def folder_of(ctx: typer.Context) -> Path:
    """The workspace that was named, else the current folder."""
    return ctx.obj.folder if isinstance(ctx.obj, Setting) else Path()


def now() -> datetime:
    """The present instant, UTC."""
    from sequencer.daemon.clock import SystemClock

    return SystemClock().now()


def wrong_use(message: str) -> NoReturn:
    """End with code 2: the command itself is wrong."""
    say(message, err=True)
    raise typer.Exit(2)


def problem_found(message: str) -> NoReturn:
    """End with code 1: the command was understood, and something is wrong."""
    say(message, err=True)
    raise typer.Exit(1)


def with_live(ctx: typer.Context, work: Callable[[Live, datetime], Awaitable[T]], *, saved: bool = False) -> T:
    """Open the workspace and its database, do the work, close them. Ends with code 1 when they cannot be used.

    With `saved`, files that wait for approval count as they are saved.
    """

    async def run() -> T:
        from sequencer.operations.live import Live as OpenLive
        from sequencer.operations.opening import opened

        async with opened(folder_of(ctx), os.environ, saved=saved) as live:
            if not isinstance(live, OpenLive):
                refuse_workspace(folder_of(ctx), live)
            _warn(live.mistakes)
            return await work(live, now())

    return asyncio.run(run())


def _warn(mistakes: Iterable[Problem]) -> None:
    """Files with mistakes do not stop a command that does not need them; but who reads its answer should know."""
    files = sorted({problem.file for problem in mistakes})
    if files:
        names = ", ".join(files)
        say(f"{names}: there are mistakes (`sequencer check` names them); what was last in force holds.\n", err=True)


def load_workspace(ctx: typer.Context) -> Workspace:
    """The files alone, without the database. Ends with code 1 when they cannot be used."""
    from sequencer.operations.adopt import Unusable
    from sequencer.workspace.workspace import load

    loaded = load(folder_of(ctx), os.environ, secrets_required=False)
    if loaded.workspace is None:
        refuse_workspace(folder_of(ctx), Unusable(loaded.problems))
    return loaded.workspace


def refuse_workspace(folder: Path, unusable: Unusable) -> NoReturn:
    """Say why a workspace cannot be used, and what to do; ends with code 1."""
    if not (folder / "config.yaml").exists():
        where = "this folder" if folder == Path() else str(folder)
        problem_found(
            f"There is no config.yaml in {where}.\n"
            "Go to your workspace with `cd`, name it with `sequencer -C DIR …`, or make one with `sequencer init DIR`."
        )
    errors = [problem for problem in unusable.problems if problem.severity == "error"]
    for line in problem_lines(folder, errors):
        say(line, err=True)
    if unusable.reason:
        damaged = "malformed" in unusable.reason or "not a database" in unusable.reason
        hint = "Put back your latest copy of that file; or move it away, with all it remembers, to begin anew."
        problem_found(f"{unusable.reason}\n{hint}" if damaged else unusable.reason)
    count = "1 mistake" if len(errors) == 1 else f"{len(errors)} mistakes"
    problem_found(f"{count}; nothing was done. `sequencer check` says more.")


def problem_lines(folder: Path, problems: Iterable[Problem]) -> list[str]:
    """Problems as `file:line:column: what is wrong`, with the way out below."""
    lines = []
    for problem in problems:
        place = f"{problem.file}:{problem.line}:{problem.column}" if problem.line else problem.file
        shown = place if folder == Path() else str(folder / place)
        word = "warning: " if problem.severity == "warning" else ""
        lines.append(f"{shown}: {word}{problem.message}")
        if problem.hint:
            lines.append(f"    {problem.hint}")
    return lines


def sequence_called(text: str) -> str:
    """The name of a sequence; also out of its file, which a shell completes: `plan` for `sequences/plan.yaml`."""
    return PurePath(text).name.removesuffix(".yaml").removesuffix(".yml")


def write_file(path: Path, text: str) -> None:
    """Write what a command makes; line breaks stay as they are. Ends with code 1 when that fails."""
    try:
        path.write_text(text, "utf-8", errors="replace", newline="")
    except OSError as error:
        why = error.strerror or "unknown reason"
        folder = path.parent
        problem_found(f"{path} cannot be written: {why if folder.is_dir() else f'there is no folder {folder}'}")


def print_json(value: Any) -> None:
    """JSON for machines, one value."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2))
