"""Problems in files as a good compiler prints them, and as GitHub shows them beside the changed lines."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from sequencer.operations.counting import counted

if TYPE_CHECKING:
    from sequencer.workspace.excerpt import Excerpt
    from sequencer.workspace.source import Problem


def place_of(folder: Path, problem: Problem) -> str:
    """`sequences/plan.yaml:14:12`, as seen from where one stands; without numbers for a file as a whole."""
    path = _path(folder, problem)
    return f"{path}:{problem.line}:{problem.column}" if problem.line else path


def _path(folder: Path, problem: Problem) -> str:
    return problem.file if folder == Path() else (folder / problem.file).as_posix()


def explained(folder: Path, problems: Iterable[Problem]) -> list[str]:
    """Each problem with its line, a caret under what is meant, and the way out."""
    from sequencer.workspace.excerpt import excerpts

    lines: list[str] = []
    for problem, line in excerpts(folder, problems):
        word = "warning: " if problem.severity == "warning" else ""
        name = f" [{problem.code}]" if problem.severity == "warning" else ""
        lines.append(f"{place_of(folder, problem)}: {word}{problem.message}{name}")
        lines += _shown(line) if line is not None else []
        if problem.hint:
            lines.append(f"    {problem.hint}")
        lines.append("")
    return lines


def _shown(line: Excerpt) -> list[str]:
    number = f"{line.line:>6}"
    return [f"{number} | {line.text}", f"{' ' * len(number)} | {' ' * line.before}{'^' * line.width}"]


def summary(problems: Iterable[Problem]) -> str:
    """`2 mistakes, 1 warning`; only what there is."""
    severities = [problem.severity for problem in problems]
    errors, warnings = severities.count("error"), severities.count("warning")
    parts = [counted(errors, "mistake")] if errors or not warnings else []
    return ", ".join([*parts, *([counted(warnings, "warning")] if warnings else [])])


# GitHub -------------------------------------------------------------------------------------------


def workflow_command(folder: Path, problem: Problem) -> str:
    """The problem as a workflow command: GitHub shows it at its line.

    docs.github.com, “Workflow commands for GitHub Actions”; the escaping is that of the runner, which undoes it
    (actions/toolkit, packages/core/src/command.ts).
    """
    properties = {"file": _path(folder, problem)}
    if problem.line:
        properties |= {"line": str(problem.line), "col": str(max(1, problem.column))}
    if problem.line and problem.width:
        properties["endColumn"] = str(problem.column + problem.width)
    properties["title"] = problem.code
    named = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    text = f"{problem.message}\n{problem.hint}" if problem.hint else problem.message
    return f"::{problem.severity} {named}::{_data(text)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
