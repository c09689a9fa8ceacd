"""Help and mistakes of use in the words of this program, where the library's own are for programmers."""

from __future__ import annotations

from typing import Any, Final

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption

_NO_NUMBER: Final = "valid integer"
"""In what pydantic says, through typer, when the text of an `int` is none."""


class PlainCommand(TyperCommand):
    """A command whose help shows no type behind options that take no value."""

    def get_help(self, ctx: Any) -> str:
        _no_types(self, ctx)
        return super().get_help(ctx)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except typer.BadParameter as error:
            if _NO_NUMBER in error.message:
                error.message = "a whole number is wanted here, such as 12"
            raise


class PlainGroup(TyperGroup):
    """The same for the program as a whole."""

    def get_help(self, ctx: Any) -> str:
        _no_types(self, ctx)
        return super().get_help(ctx)


def _no_types(command: TyperCommand | TyperGroup, ctx: Any) -> None:
    for param in command.get_params(ctx):
        if isinstance(param, TyperOption) and param.is_flag and param.metavar is None:
            param.metavar = ""


def make_plain(app: typer.Typer) -> None:
    """Let every command of the app, and of those within it, use these words."""
    for command in app.registered_commands:
        command.cls = PlainCommand
    for group in app.registered_groups:
        group.cls = PlainGroup
        if group.typer_instance is not None:
            make_plain(group.typer_instance)
