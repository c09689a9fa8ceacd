"""docs/commands.md tells of every command and every option, and of none that is not there; help is there at once."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from sequencer.cli.main import app
from tests.cli.shell import run

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "commands.md").read_text("utf-8")
SECTIONS = {
    part.partition("\n")[0].strip(): part.partition("\n")[2] for part in re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]
}

HEAVY = (
    "sqlalchemy",
    "alembic",
    "pydantic",
    "jinja2",
    "yaml",
    "holidays",
    "dateparser",
    "phonenumbers",
    "dns",
)


def walk(command: Any, name: str = "sequencer") -> Iterator[tuple[str, Any]]:
    """Every command that does something, by how it is typed, from the app itself."""
    inner = getattr(command, "commands", {})
    for word, each in inner.items():
        yield from walk(each, f"{name} {word}")
    if not inner or getattr(command, "invoke_without_command", False):
        yield name, command


COMMANDS = dict(walk(typer.main.get_command(app)))
OPTIONS = [
    (name, max(parameter.opts, key=len), parameter)
    for name, command in COMMANDS.items()
    for parameter in command.params
    if parameter.param_type_name == "option" and "--help" not in parameter.opts
]


def test_the_app_was_walked() -> None:
    assert {"sequencer init", "sequencer tasks", "sequencer tasks done", "sequencer db upgrade"} <= set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_documented(name: str) -> None:
    assert name in SECTIONS
    assert f"`{name}" in SECTIONS[name]
    anchor = f"[{name.removeprefix('sequencer ')}](#{name.replace(' ', '-')})"
    assert anchor in PAGE


@pytest.mark.parametrize(("name", "option"), [(name, option) for name, option, _ in OPTIONS])
def test_every_option_is_documented(name: str, option: str) -> None:
    rows = [line for line in SECTIONS[name].splitlines() if line.startswith("|")]
    assert any(re.match(rf"\| `{option}[ `]", row) for row in rows), f"{option} of {name}"


def test_the_global_options_are_documented() -> None:
    top = PAGE.partition("\n## ")[0]
    for parameter in typer.main.get_command(app).params:
        for option in parameter.opts:
            assert f"`{option}" in top


def test_nothing_is_documented_that_is_not_there() -> None:
    assert set(SECTIONS) == set(COMMANDS)
    for name, text in SECTIONS.items():
        real = {option for other, option, _ in OPTIONS if other == name}
        told = set(re.findall(r"^\| `(--[a-z-]+)", text, flags=re.MULTILINE))
        assert told == real, name


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself_and_its_options(name: str) -> None:
    assert COMMANDS[name].help
    for other, option, parameter in OPTIONS:
        if other == name:
            assert getattr(parameter, "help", ""), option
    assert "Usage" in run(*name.split()[1:], "--help")


def test_help_loads_nothing_heavy() -> None:
    """Half of what a command needs would make help slow; it is loaded when a command runs."""
    code = f"import sys, sequencer.cli.main; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
