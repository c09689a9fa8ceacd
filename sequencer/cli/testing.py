"""test: the expectations that are written beside the sequences."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from sequencer.cli.context import Json, folder_of, load_workspace, print_json, problem_found, wrong_use
from sequencer.cli.problems import explained
from sequencer.cli.text import acted, columns, instant, say
from sequencer.operations.counting import counted

if TYPE_CHECKING:
    from sequencer.operations.judging import Happening
    from sequencer.operations.rehearse import Outcome, Rehearsed

AROUND: Final = 4
"""Lines of a time line that are shown before and after the one in question."""

ANSWERS: Final = ("reply", "notice")
WIDEST_TEXT: Final = 70


def add_to(app: typer.Typer) -> None:
    """Register these commands."""
    app.command("test")(rehearse_them)


def rehearse_them(
    ctx: typer.Context,
    which: Annotated[
        list[str] | None,
        typer.Argument(metavar="FILE|SEQUENCE", help="Only these; else every sequences/*.test.yaml."),
    ] = None,
    junit: Annotated[
        Path | None, typer.Option("--junit", metavar="FILE", help="Also write a JUnit XML report, for CI systems.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Rehearse the sequences: check what sequences/NAME.test.yaml expects of them. Nothing is sent."""
    from sequencer.operations.record import Refusal
    from sequencer.operations.rehearse import files_for, rehearse, rehearsed_json

    workspace = load_workspace(ctx)
    paths = files_for(workspace, which or [])
    if isinstance(paths, Refusal):
        wrong_use(paths.reason)
    if not paths:
        problem_found("There is nothing to test yet: write sequences/NAME.test.yaml (docs/rehearsing.md shows how).")
    rehearsed = rehearse(workspace, paths)
    if junit is not None:
        _write_junit(junit, rehearsed)
    if as_json:
        print_json(rehearsed_json(rehearsed))
    else:
        _print(folder_of(ctx), rehearsed)
    failed = rehearsed.problems or not all(outcome.passed for outcome in rehearsed.outcomes)
    raise typer.Exit(1 if failed else 0)


def _write_junit(path: Path, rehearsed: Rehearsed) -> None:
    from sequencer.cli.junit import junit_xml

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(junit_xml(rehearsed), "utf-8")
    except OSError as error:
        wrong_use(f"cannot write {path}: {error.strerror}")


def _print(folder: Path, rehearsed: Rehearsed) -> None:
    for line in explained(folder, rehearsed.problems):
        say(line)
    file = ""
    for outcome in rehearsed.outcomes:
        if outcome.file != file:
            file = outcome.file
            say(_where(folder, file))
        say(f"  {'ok  ' if outcome.passed else 'FAIL'}  {outcome.name}")
        for line in failure_lines(outcome, folder):
            say(f"        {line}".rstrip())
    say(_summary(rehearsed))


def _where(folder: Path, file: str) -> str:
    return file if folder == Path() else str(folder / file)


def failure_lines(outcome: Outcome, folder: Path = Path()) -> Iterator[str]:
    """What was expected and what happens instead, each with its line, and the time line around it."""
    file = _where(folder, outcome.file)
    for line, message in outcome.trouble:
        yield f"{file}:{line}: {message}"
    missed = [checked for checked in outcome.checked if not checked.verdict.met]
    for checked in missed:
        yield f"{file}:{checked.line}: expected: {checked.text}"
        yield f"    instead: {checked.verdict.instead}"
    marked = {checked.verdict.near for checked in missed if checked.verdict.near is not None}
    if outcome.start is not None and (missed or outcome.trouble):
        yield ""
        yield from time_line_around(outcome, marked)
        yield ""


def time_line_around(outcome: Outcome, marked: set[int]) -> Iterator[str]:
    """The time line, a > before the lines in question; far from these it is left out."""
    rows = [("", instant(outcome.start, outcome.zone), "", "enters", "")]
    rows += [
        (">" if number in marked else "", instant(each.at, outcome.zone), each.step, *_what(outcome, number))
        for number, each in enumerate(outcome.happenings)
    ]
    shown = _near(len(outcome.happenings), marked)
    gap = False
    for number, text in enumerate(columns(rows), -1):
        if number in shown:
            yield text
        elif not gap:
            yield "   …"
        gap = number not in shown


def _near(length: int, marked: set[int]) -> set[int]:
    everything = set(range(-1, length))
    if length <= 4 * AROUND or not marked:
        return everything
    return {number for number in everything if any(abs(number - each) <= AROUND for each in marked)}


def _what(outcome: Outcome, number: int) -> tuple[str, str]:
    each = outcome.happenings[number]
    before = outcome.happenings[number - 1] if number else None
    reason = each.reason
    if before is not None and before.action in ANSWERS and each.action not in ANSWERS and before.at == each.at:
        reason = ""  # the answer, in the line above
    return acted(each.action), " — ".join(shortened(part) for part in (_detail(outcome, each), reason) if part)


def shortened(text: str) -> str:
    """A text as far as a line has room for it."""
    return text if len(text) <= WIDEST_TEXT else f"{text[: WIDEST_TEXT - 1]}…"


def _detail(outcome: Outcome, each: Happening) -> str:
    if each.action in ANSWERS:
        kind = f"({each.detail.replace('_', ' ')})"
        return f"“{each.subject}” {kind}" if each.subject else kind
    if each.action in ("snooze", "retry"):
        when = instant(datetime.fromisoformat(each.detail), outcome.zone)
        return f"until {when}" if each.action == "snooze" else f"not before {when}"
    return f"“{each.subject}”" if each.subject else each.detail


def _summary(rehearsed: Rehearsed) -> str:
    outcomes = rehearsed.outcomes
    failed = sum(not outcome.passed for outcome in outcomes)
    checked = sum(len(outcome.checked) for outcome in outcomes)
    mistakes = f"{counted(len(rehearsed.problems), 'mistake')} in the files; " if rehearsed.problems else ""
    if not outcomes:
        return f"{mistakes}nothing was rehearsed."
    what = f"{mistakes}{counted(len(outcomes), 'rehearsal')}, {counted(checked, 'expectation')}"
    return f"{what}: {f'{failed} failed' if failed else 'all as expected'}."
