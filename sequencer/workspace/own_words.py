"""The words of a template that its author wrote: variables, instructions and remarks taken out, every place kept."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

_OPENING: Final = re.compile(r"\{[{%#]")
_CLOSING: Final = {"{{": "}}", "{%": "%}", "{#": "#}"}


def programs_in(text: str) -> Iterator[tuple[int, int]]:
    """Where each `{{ … }}`, `{% … %}` and `{# … #}` begins and ends, in order, in one go."""
    never_closed: set[str] = set()
    found = _OPENING.search(text)
    while found is not None:
        start, sign = found.start(), found[0]
        end = -1 if sign in never_closed else text.find(_CLOSING[sign], start + 2)
        if end < 0:
            never_closed.add(sign)
            found = _OPENING.search(text, start + 1)
        else:
            yield start, end + 2
            found = _OPENING.search(text, end + 2)


def with_programs(text: str, put: Callable[[str], str]) -> str:
    """The text with something else, as long, in the place of each of them."""
    parts: list[str] = []
    done = 0
    for start, end in programs_in(text):
        parts += [text[done:start], put(text[start:end])]
        done = end
    return "".join([*parts, text[done:]])


def blank(program: str) -> str:
    """Blanks, with the ends of lines where they were."""
    return re.sub(r"[^\n]", " ", program)


def without_programs(text: str) -> str:
    """The text with blanks in their places."""
    return with_programs(text, blank)
