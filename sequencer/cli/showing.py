"""Pages that stand alone: where they are written, and the browser that shows them."""

from __future__ import annotations

import os
import tempfile
import webbrowser
from pathlib import Path

from sequencer.cli.context import problem_found, write_file
from sequencer.cli.text import say


def give_page(text: str, file: Path | None, *, name: str, show: bool) -> None:
    """Write a page into a file, and show it. Without a file it goes into a temporary one that only its user can read.

    Ends with code 1 when the file cannot be written. Where there is no browser, it says which file to open.
    """
    if file is None:
        try:
            handle, made = tempfile.mkstemp(prefix=f"{name}-", suffix=".html")
            os.close(handle)
        except OSError as error:
            problem_found(f"a temporary file cannot be written: {error.strerror}")
        file = Path(made)
    write_file(file, text)
    if not show:
        say(f"{file} is written.", err=True)
    elif not webbrowser.open(file.resolve().as_uri()):
        say(f"No browser was found; open {file} yourself.", err=True)
    else:
        say(f"{file} is in your browser.", err=True)
