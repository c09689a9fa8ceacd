"""run: the daemon."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from sequencer.cli.context import DEBUG, folder_of, refuse_workspace
from sequencer.cli.text import say

if TYPE_CHECKING:
    from sequencer.daemon.telling import Told
    from sequencer.daemon.veil import Veil
    from sequencer.daemon.vitals import Vitals
    from sequencer.operations.adopt import Unusable

LogFormat = Literal["plain", "json"]
LogLevel = Literal["debug", "info", "warning", "error"]


def add_to(app: typer.Typer) -> None:
    """Register these commands."""
    app.command("run")(run)


def run(
    ctx: typer.Context,
    once: Annotated[
        bool, typer.Option("--once", help="Read the inboxes, do what is due, and end: for cron, or to try it out.")
    ] = False,
    log_format: Annotated[
        LogFormat, typer.Option("--log-format", help="Plain lines for people, or one JSON object a line.")
    ] = "plain",
    log_level: Annotated[
        LogLevel, typer.Option("--log-level", help="Show lines from this level on; debug names the contacts.")
    ] = "info",
) -> None:
    """Send what is due, watch the inboxes, and go on until Ctrl-C: the message in hand is finished first."""
    from sequencer.cli.logs import libraries_through, teller
    from sequencer.daemon.telling import level_of
    from sequencer.daemon.veil import Veil

    folder, veil = folder_of(ctx), Veil()
    # People are named on a terminal only: logs are kept and shipped.
    show, silent = teller(log_format, log_level, personal=sys.stdout.isatty()), True
    libraries_through(show, veil)

    def tell(told: Told) -> None:
        nonlocal silent
        silent = silent and level_of(told) == "debug"
        show(told)

    try:
        unusable = asyncio.run(_run(folder, once=once, tell=tell, veil=veil))
    except Exception as error:
        if os.environ.get(DEBUG):
            raise
        _tell_failure(tell, veil, error)
        raise typer.Exit(1) from None
    if unusable is not None:
        refuse_workspace(folder, _with_all_mistakes(folder, unusable))
    if once and silent and log_format == "plain" and sys.stdout.isatty():
        say("Nothing is due; every inbox was read to its end.")


def _with_all_mistakes(folder: Path, unusable: Unusable) -> Unusable:
    """A password that is not set hides what else is wrong: say it all at once."""
    from sequencer.workspace.check import check

    others = check(folder, os.environ, secrets_required=False) if unusable.problems else []
    problems = sorted({*unusable.problems, *others}, key=lambda one: (one.file, one.line, one.column, one.code))
    return replace(unusable, problems=tuple(problems))


def _tell_failure(tell: Callable[[Told], None], veil: Veil, error: Exception) -> None:
    from sequencer.daemon.telling import Note, veiled

    words = f"the sequencer has failed: {type(error).__name__}: {error}"
    tell(veiled(Note("error", "", f"{words}; set {DEBUG}=1 to see the details", "failed"), veil))


async def _run(folder: Path, *, once: bool, tell: Callable[[Told], None], veil: Veil) -> Unusable | None:
    from sequencer.daemon import heap, supervisor

    if not once:
        heap.settle()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    return await supervisor.run(folder, os.environ, None, tell, stop, once=once, beside=_beside, veil=veil)


def _beside(vitals: Vitals) -> AbstractAsyncContextManager[str]:
    """The listener, where one is configured; without it, nothing of the web is loaded."""
    if vitals.live.workspace.config.web is None:
        return nullcontext("")
    from sequencer.web.listener import listening

    return listening(vitals)
