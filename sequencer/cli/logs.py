"""The lines of `run`: which are shown, in which form, and that libraries speak in no other way."""

from __future__ import annotations

import logging
import sys
import threading
import types
from collections.abc import Callable
from typing import Final, Literal

import typer

from sequencer.cli.text import say
from sequencer.daemon.clock import SystemClock
from sequencer.daemon.telling import LEVELS, Level, Note, Told, json_line, level_of, plain_line, veiled, who_line
from sequencer.daemon.veil import Veil
from sequencer.operations.happenings import Happening

LogFormat = Literal["plain", "json"]

_HOOKS: Final = "python"


def teller(log_format: LogFormat, least: Level, *, personal: bool) -> Callable[[Told], None]:
    """What prints the daemon's lines from the level `least` on. With `personal`, plain lines name the contact."""
    clock, as_json = SystemClock(), log_format == "json"

    def tell(told: Told) -> None:
        now = clock.now()
        if LEVELS.index(level_of(told)) >= LEVELS.index(least):
            if as_json:
                typer.echo(json_line(told, now))
            else:
                say(plain_line(told, now, personal=personal))
        if least == "debug" and isinstance(told, Happening) and told.contact and (as_json or not personal):
            line = who_line(told, now, as_json=as_json)
            if as_json:
                typer.echo(line)
            else:
                say(line)

    return tell


class _Library(logging.Handler):
    """Tells what a library logs, as a note. Never its traceback: what stands in one is anybody's data."""

    def __init__(self, tell: Callable[[Told], None], veil: Veil) -> None:
        super().__init__(logging.WARNING)
        self.tell, self.veil = tell, veil

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = record.getMessage()
            error = record.exc_info[1] if record.exc_info else None
            if error is not None:
                text = f"{text}: {type(error).__name__}: {error}"
            level: Level = "error" if record.levelno >= logging.ERROR else "warning"
            self.tell(veiled(Note(level, "", f"{record.name}: {text}", "library"), self.veil))
        except Exception:  # a line that cannot be written must not end what is going on
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (logging calls it so)
        """The library's own words would be printed here, with a traceback."""


def libraries_through(tell: Callable[[Told], None], veil: Veil) -> None:
    """From now on, what libraries and Python itself would print on stderr is told, from warnings on."""
    logging.basicConfig(level=logging.WARNING, handlers=[_Library(tell, veil)], force=True)
    logging.captureWarnings(True)

    def unraisable(found: sys.UnraisableHookArgs) -> None:
        _log_failure("ignored", found.exc_value)

    def in_thread(found: threading.ExceptHookArgs) -> None:
        _log_failure("in a thread", found.exc_value)

    sys.unraisablehook, threading.excepthook = unraisable, in_thread


def _log_failure(what: str, error: BaseException | None) -> None:
    found: tuple[type[BaseException], BaseException, types.TracebackType | None] | None = None
    if error is not None:
        found = (type(error), error, error.__traceback__)
    logging.getLogger(_HOOKS).error("an exception %s", what, exc_info=found)
