"""diagram: a sequence as a picture, with the people who are in it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from sequencer.cli.context import Json, load_workspace, print_json, write_file, wrong_use
from sequencer.cli.subjects import Name, plan_of
from sequencer.cli.text import say

if TYPE_CHECKING:
    from sequencer.workspace.diagram import Diagram

_BY_SUFFIX: Final = {".svg": "svg", ".mmd": "mermaid", ".mermaid": "mermaid", ".md": "mermaid"}


def add_to(app: typer.Typer) -> None:
    """Register these commands."""
    app.command("diagram")(diagram)


def diagram(
    ctx: typer.Context,
    sequence: Name,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="FILE", help="Into this file: .svg a picture, .mmd or .md Mermaid; else printed."
        ),
    ] = None,
    form: Annotated[
        str, typer.Option("--format", metavar="FORMAT", help="svg or mermaid, whatever the file is called.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Draw a sequence: its steps and waits, where answers lead, the back-off, the end, and where people are now."""
    from sequencer.operations.whereabouts import whereabouts
    from sequencer.workspace.diagram import as_json as diagram_json
    from sequencer.workspace.diagram import diagram_of

    chosen = _format(out, form)
    workspace = load_workspace(ctx)
    plan = plan_of(workspace, sequence)
    standing = asyncio.run(whereabouts(workspace, plan))
    if isinstance(standing, str):
        say(f"drawn without people: {standing}", err=True)
        standing = None
    drawn = diagram_of(plan, standing)
    if as_json:
        print_json(diagram_json(drawn))
        return
    text = _text(drawn, chosen, out)
    if out is None:
        typer.echo(text, nl=False)
        return
    write_file(out, text)
    say(f"{out}: {plan.name}, with where its people are now" if standing else f"{out}: {plan.name}, without people")


def _format(out: Path | None, form: str) -> str:
    if form not in ("", "svg", "mermaid"):
        wrong_use(f"there is no format “{form}”: svg or mermaid")
    if form or out is None:
        return form or "mermaid"
    found = _BY_SUFFIX.get(out.suffix.lower())
    if found is None:
        wrong_use(f"{out.name} does not say which format: call it .svg or .mmd, or name it with --format")
    return found


def _text(drawn: Diagram, form: str, out: Path | None) -> str:
    if form == "svg":
        from sequencer.workspace.diagram_svg import svg

        return svg(drawn)
    from sequencer.workspace.diagram_mermaid import mermaid

    fenced = out is not None and out.suffix.lower() == ".md"
    return f"```mermaid\n{mermaid(drawn)}```\n" if fenced else mermaid(drawn)
