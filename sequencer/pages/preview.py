"""The page of `preview`: what a mail program would show of a sequence."""

from __future__ import annotations

import html
import math
import re
import unicodedata
from collections.abc import Sequence
from typing import Final

from sequencer.operations.showing import Mail, Showing
from sequencer.pages.shell import page

_BODY: Final = re.compile(r"<body[^>]*>(.*)</body>", re.DOTALL | re.IGNORECASE)
_FRAME: Final = (
    '<!doctype html><html><head><meta charset="utf-8"><title>{title}</title>'
    '<base target="_blank"><meta name="color-scheme" content="only light"></head>'
    '<body style="margin:0;padding:1px 16px 10px;background:#fff;color:#202124;'
    'font:15px/22px Arial,Helvetica,sans-serif;overflow-wrap:anywhere">{inner}</body></html>'
)
_LETTER: Final = 7.2
"""The usual width of a letter of the frame's type, in CSS pixels."""
_LINE: Final = 22
_PARAGRAPH: Final = 15

WIDE, MIDDLE, SLIM = 420, 388, 295
"""The least width of a frame's text in preview.css: beside its plain text, above it, on a phone. CSS pixels."""


def preview_page(showings: Sequence[Showing], note: str = "") -> str:
    """One self-contained page for these people; `note` says what is left out, where something is.

    The HTML part of each mail stands in a frame of its own that may neither run nor load nor leave (sandbox, and the
    page's policy, which frames inherit). A page without scripts cannot ask a frame for its height: it is reckoned
    from the text.
    """
    return page(
        "preview.html",
        sheets=("preview.css",),
        # The HTML part of a mail says its colours and sizes on its elements, as mail programs want it.
        policy="style-src-attr 'unsafe-inline'",
        title=f"{showings[0].sequence}: preview" if showings else "preview",
        showings=showings,
        note=note,
        frame=frame,
        heights=heights,
        initials=initials,
    )


def frame(mail: Mail) -> str:
    """The document of a mail's frame: its HTML part, set as mail programs set what does not say how."""
    found = _BODY.search(mail.html or "")
    inner = found[1] if found is not None else mail.html or ""
    return _FRAME.format(title=html.escape(mail.subject), inner=inner)


def heights(mail: Mail) -> tuple[int, int, int]:
    """How high the frame of a mail must be, for each of the three widths."""
    return _height(mail.text, WIDE), _height(mail.text, MIDDLE), _height(mail.text, SLIM)


def _height(text: str, width: int) -> int:
    """A little more than the text needs, so that no frame has to scroll."""
    room = width / _LETTER
    lines = sum(max(1, math.ceil(_letters(line) / room)) for line in text.rstrip("\n").split("\n") if line.strip())
    paragraphs = len(re.findall(r"\n\s*\n", text.strip()))
    return 11 + 2 * _PARAGRAPH + _LINE * lines + _PARAGRAPH * paragraphs + 6


def _letters(line: str) -> float:
    return sum(2 if unicodedata.east_asian_width(char) in ("W", "F") else 1 for char in line)


def initials(name: str) -> str:
    """Two letters for the round picture that mail programs put beside a mail."""
    words = [word for word in name.split() if word[:1].isalnum()]
    picked = words[:1] + words[1:][-1:]
    return "".join(word[0] for word in picked).upper() or "?"
