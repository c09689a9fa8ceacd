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

from sequencer.cli.context import folder_of, refuse_workspace
from sequencer.cli.text import say

if TYPE_CHECKING:
    from sequencer.daemon.telling import Told
    from sequencer.daemon.vitals import Vitals
    from sequencer.operations.adopt import Unusable

LogFormat = Literal["plain", "json"]


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
) -> None:
    """Send what is due, watch the inboxes, and go on until Ctrl-C: the message in hand is finished first."""
    folder = folder_of(ctx)
    show, silent = _teller(log_format), True

    def tell(told: Told) -> None:
        nonlocal silent
        silent = False
        show(told)

    unusable = asyncio.run(_run(folder, once=once, tell=tell))
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


async def _run(folder: Path, *, once: bool, tell: Callable[[Told], None]) -> Unusable | None:
    from sequencer.daemon import supervisor

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    return await supervisor.run(folder, os.environ, None, tell, stop, once=once, beside=_beside)


def _beside(vitals: Vitals) -> AbstractAsyncContextManager[str]:
    """The listener, where one is configured; without it, nothing of the web is loaded."""
    if vitals.live.workspace.config.web is None:
        return nullcontext("")
    from sequencer.web.listener import listening

    return listening(vitals)


def _teller(log_format: LogFormat) -> Callable[[Told], None]:
    """What prints the daemon's lines. People are named on a terminal only: logs are kept and shipped."""
    from sequencer.daemon.clock import SystemClock
    from sequencer.daemon.telling import json_line, plain_line

    clock, personal = SystemClock(), sys.stdout.isatty()

    def tell(told: Told) -> None:
        if log_format == "json":
            typer.echo(json_line(told, clock.now()))
        else:
            say(plain_line(told, clock.now(), personal=personal))

    return tell
