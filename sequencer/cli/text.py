"""Plain text for people: aligned columns, wrapped paragraphs, instants. No colours: it is copied and piped."""

from __future__ import annotations

import shutil
import textwrap
import unicodedata
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

import typer

if TYPE_CHECKING:
    from sequencer.core.model import Contact

WIDEST: Final = 110

_DIRECTIONS: Final = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


def say(text: str = "", *, err: bool = False, nl: bool = True) -> None:
    """Print for people. What strangers wrote must not steer the terminal: control characters are made visible."""
    typer.echo(harmless(text), err=err, nl=nl)


def harmless(text: str) -> str:
    """The text with control characters and changes of writing direction replaced; line breaks and tabs stay."""
    if text.isascii() and text.isprintable():
        return text
    text = text.replace("\r\n", "\n")
    return "".join(char if _is_harmless(char) else "\N{REPLACEMENT CHARACTER}" for char in text)


def _is_harmless(char: str) -> bool:
    return char in "\n\t" or not (unicodedata.category(char) in ("Cc", "Cs") or char in _DIRECTIONS)


def columns(rows: Sequence[Sequence[str]], indent: str = "") -> list[str]:
    """Rows with their cells aligned, two blanks apart."""
    if not rows:
        return []
    widths = [max(len(row[index]) for row in rows if index < len(row)) for index in range(max(map(len, rows)))]
    return [
        indent + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)).rstrip() for row in rows
    ]


def paragraph(text: str, indent: str, hanging: str = "") -> list[str]:
    """A text in lines that fit the terminal; its own line breaks stay."""
    width = min(WIDEST, shutil.get_terminal_size((WIDEST, 24)).columns)
    lines: list[str] = []
    for part in text.splitlines() or [""]:
        lines += textwrap.wrap(
            part,
            max(40, width),
            initial_indent=indent if not lines else hanging or indent,
            subsequent_indent=hanging or indent,
            break_long_words=False,
            break_on_hyphens=False,
        ) or [""]
    return lines


def acted(action: str) -> str:
    """What a line of a time line is about, for people."""
    return {"email": "e-mail", "back_off": "back-off"}.get(action, action.replace("_", " "))


def instant(at: datetime | None, zone: ZoneInfo) -> str:
    """`Tue 1 Dec 2026 09:30` in a zone; `never` for none."""
    from sequencer.operations.history import moment

    return moment(at, zone) if at is not None else "never"


def person(contact: Contact) -> str:
    """`anna@example.com (Anna Berg)`."""
    fields = contact.fields
    name = str(fields.get("full_name") or "").strip()
    if not name:
        name = " ".join(str(fields[key]).strip() for key in ("first_name", "last_name") if fields.get(key))
    return f"{contact.email} ({name})" if name else contact.email
