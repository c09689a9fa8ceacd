"""The entry point: global options, and what happens when something goes wrong.

Exit codes: 0 fine, 1 problems found, 2 wrong use.
"""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from sequencer.cli import (
    changing,
    correcting,
    drawing,
    explaining,
    looking_back,
    owning,
    people,
    previewing,
    reporting,
    running,
    setting_up,
    simulating,
    steering,
    testing,
)
from sequencer.cli.context import DEBUG, Setting
from sequencer.cli.plain import PlainGroup, make_plain
from sequencer.cli.text import say

app = typer.Typer(
    help="Follow up with prospects, politely and without fail. Start with: sequencer init my-workspace",
    cls=PlainGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Every command explains itself: sequencer COMMAND --help",
)
for part in (
    setting_up,
    previewing,
    drawing,
    simulating,
    reporting,
    testing,
    changing,
    looking_back,
    people,
    running,
    explaining,
    correcting,
    steering,
    owning,
):
    part.add_to(app)
make_plain(app)


def _show_version(wanted: bool) -> None:
    if wanted:
        setting_up.version()
        raise typer.Exit


@app.callback()
def everything(
    ctx: typer.Context,
    workspace: Annotated[
        Path,
        typer.Option("--workspace", "-C", metavar="DIR", help="The workspace: the folder with config.yaml."),
    ] = Path(),
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Follow up with prospects, politely and without fail. Start with: sequencer init my-workspace"""
    ctx.obj = Setting(workspace)


def main() -> None:
    """Run a command; whatever happens, a person reads a sentence and not a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that knows no “ is no reason to fail
    try:
        app()
    except KeyboardInterrupt:
        say("stopped", err=True)
        sys.exit(130)
    except BrokenPipeError:
        # Whoever read our output (head, less) has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as error:
        if os.environ.get(DEBUG):
            raise
        say(_last_words(error), err=True)
        sys.exit(1)


def _last_words(error: Exception) -> str:
    kind = type(error)
    words = " ".join(str(error).split("\n")[0].split())[:300]
    if "database is locked" in words:
        return "another program is writing into the database and does not let go of it; end that, and try again"
    if kind.__module__.startswith("sqlalchemy") or kind.__module__.startswith("sqlite3"):
        return f"the database could not do this: {words or kind.__name__}\nSet {DEBUG}=1 to see the details."
    return (
        f"this should not have happened: {kind.__name__}: {words}\n"
        f"Set {DEBUG}=1 and run it again to see the details, and please report them."
    )
