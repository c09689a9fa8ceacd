"""init, check, schema, db upgrade, version, demo."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sequencer.cli.context import (
    Json,
    folder_of,
    load_workspace,
    print_json,
    problem_found,
    wrong_use,
)
from sequencer.cli.problems import explained, summary, workflow_command
from sequencer.cli.text import say
from sequencer.operations.counting import counted

if TYPE_CHECKING:
    from sequencer.workspace.source import Problem

CONNECT_SECONDS = 300.0
FORMATS = ("text", "json", "github")


def add_to(app: typer.Typer) -> None:
    """Register these commands."""
    app.command("init")(init)
    app.command("check")(check)
    app.command("schema")(schema)
    app.command("version")(version)
    app.command("demo")(demo)
    database = typer.Typer(help="The database of the workspace.", no_args_is_help=True)
    database.command("upgrade")(upgrade)
    app.add_typer(database, name="db")


def init(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Where; made if it is not there.")] = Path(),
) -> None:
    """Write a commented workspace with the starter plays. Nothing is overwritten."""
    from sequencer.workspace.starter import AlreadyThere, write_starter

    try:
        written = write_starter(directory)
    except AlreadyThere as error:
        problem_found(f"{error.paths[0]} is there already; name another folder, or move it away. Nothing was written.")
    except OSError as error:
        wrong_use(f"cannot write into {directory}: {error.strerror}")
    plays = sum(path.parent.name == "sequences" and not path.stem.endswith(".test") for path in written)
    where = "here" if directory == Path() else f"in {directory}"
    say(f"A workspace is {where}: config.yaml, {plays} plays in sequences/, their mails in templates/.\n")
    say("Next:")
    if directory != Path():
        say(f"  cd {directory}")
    say("  1. open config.yaml and change the lines marked “yours”")
    say("     (in VS Code, the extension redhat.vscode-yaml completes and explains every key)")
    say("  2. set the password variable that it names, e.g. export MARK_PASSWORD=…")
    say("  3. sequencer check --connect    finds every mistake, and tries both servers")
    say("  4. sequencer preview quote-follow-up    shows the very mails, before anything leaves")


def check(
    ctx: typer.Context,
    as_json: Json = False,
    form: Annotated[
        str, typer.Option("--format", metavar="FORMAT", help="text, json, or github: annotations for GitHub Actions.")
    ] = "",
    connect: Annotated[
        bool,
        typer.Option("--connect", help="Also log in to SMTP and IMAP, and look at SPF and DMARC. Nothing is sent."),
    ] = False,
) -> None:
    """Find every mistake in the workspace, with its line and the way out."""
    from sequencer.operations.checking import check_workspace

    folder, form = folder_of(ctx), _format_of(form, as_json=as_json)
    problems = asyncio.run(check_workspace(folder, os.environ, secrets_required=connect))
    if connect and not any(problem.severity == "error" for problem in problems):
        found = asyncio.run(_try_connections(folder, quiet=form != "text"))
        problems = sorted({*problems, *found}, key=lambda p: (p.file, p.line, p.column, p.code))
    elif connect and form == "text":
        say("The servers were not tried: these come first.\n")
    match form:
        case "json":
            print_json([_problem_json(problem) for problem in problems])
        case "github":
            for problem in problems:
                say(workflow_command(folder, problem))
            say(f"{summary(problems)}.")
        case _:
            _print_problems(ctx, folder, problems)
    raise typer.Exit(1 if any(problem.severity == "error" for problem in problems) else 0)


def _format_of(form: str, *, as_json: bool) -> str:
    if form not in ("", *FORMATS):
        wrong_use(f"--format is one of {', '.join(FORMATS)}, not “{form}”")
    if as_json and form not in ("", "json"):
        wrong_use(f"--json and --format {form} exclude one another")
    return "json" if as_json else form or "text"


def _problem_json(problem: Problem) -> dict[str, object]:
    return {
        "file": problem.file,
        "line": problem.line,
        "column": problem.column,
        "severity": problem.severity,
        "code": problem.code,
        "message": problem.message,
        "hint": problem.hint,
    }


def _print_problems(ctx: typer.Context, folder: Path, problems: list[Problem]) -> None:
    for line in explained(folder, problems):
        say(line)
    errors = sum(problem.severity == "error" for problem in problems)
    warnings = len(problems) - errors
    if not errors:
        workspace = load_workspace(ctx)
        config = workspace.config
        parts = [
            counted(len(workspace.sequences), "sequence"),
            counted(len(workspace.templates), "template"),
            counted(len(config.mailboxes), "mailbox").replace("mailboxs", "mailboxes"),
        ]
        all_well = f"No mistakes: {', '.join(parts)}."
        say(f"{all_well} {counted(warnings, 'warning')} above." if warnings else all_well)
        _say_how_to_silence(problems)
    else:
        say(f"{summary(problems)}.")


def _say_how_to_silence(problems: list[Problem]) -> None:
    from sequencer.workspace.warning_names import CRAFT

    name = next((problem.code for problem in problems if problem.code in CRAFT), "")
    if name:
        say(f"What is meant so is silenced by its name: `allow: [{name}]` in that file, or in config.yaml for all.")


async def _try_connections(folder: Path, *, quiet: bool) -> list[Problem]:
    from sequencer.operations.connections import try_mailboxes
    from sequencer.workspace.source import Problem
    from sequencer.workspace.workspace import load

    workspace = load(folder, os.environ).workspace
    assert workspace is not None, "checked before"
    problems: list[Problem] = []
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            async for tried in try_mailboxes(folder, workspace.config):
                if tried.problem is not None:
                    problems.append(tried.problem)
                elif not quiet:
                    say(f"ok  {tried.what}")
    except TimeoutError:
        message = f"the servers were not done within {CONNECT_SECONDS:g} s"
        problems.append(Problem("config.yaml", 0, 0, "error", "connect-timeout", message, "try again"))
    return problems


def schema(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="Of what: sequence, config or test.")] = "sequence",
    write: Annotated[
        bool, typer.Option("--write", help="Bring the schema files of the workspace up to date instead.")
    ] = False,
) -> None:
    """Print the JSON Schema of a file, with which an editor completes, explains and checks it."""
    from sequencer.workspace.schema import SCHEMAS, schema_text, write_schemas
    from sequencer.workspace.source import did_you_mean

    if name not in SCHEMAS:
        wrong_use(f"there is no schema of `{name}`: {did_you_mean(name, SCHEMAS)}")
    if not write:
        typer.echo(schema_text(name), nl=False)
        return
    folder = folder_of(ctx)
    if not (folder / "config.yaml").is_file():
        problem_found("There is no config.yaml here: schemas are written into a workspace. `sequencer init` makes one.")
    try:
        written = write_schemas(folder)
    except OSError as error:
        problem_found(f"cannot write into {folder / 'docs'}: {error.strerror}")
    for path in written:
        say(f"{path.as_posix()} is up to date now.")
    if not written:
        say("Every schema was up to date.")


def upgrade(ctx: typer.Context) -> None:
    """Bring the tables to this version. `run` and every command that writes do it too."""
    from sequencer.store import migrate
    from sequencer.store.database import CannotOpen

    workspace = load_workspace(ctx)
    try:
        ran = asyncio.run(migrate.upgrade(workspace.database_url))
    except CannotOpen as error:
        problem_found(str(error))
    say(f"{counted(len(ran), 'migration')} run: {', '.join(ran)}" if ran else "The database is up to date.")


def version() -> None:
    """Print the version."""
    from sequencer import __version__

    say(f"sequencer {__version__}")


def demo() -> None:
    """See it at work: the real daemon, an embedded post office, a dozen prospects, seven weeks in a minute."""
    try:
        from rich.console import Console

        from sequencer.demo.demo import demo as play
    except ImportError as error:
        problem_found(f"the demo needs its own packages ({error.name}): pip install 'follow-up-sequencer[demo]'")
    raise typer.Exit(play(Console()))
