"""From a template of this folder to one self-contained page.

Everything is escaped unless it is `Markup`. The page may load nothing and run nothing: its policy (CSP level 2, W3C)
allows the one style sheet inside it, by its hash. `style="…"` on an element is therefore ignored, also in SVG: use
classes, or SVG's own attributes (`fill`, `width`).
"""

from __future__ import annotations

import base64
import hashlib
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from markupsafe import Markup

if TYPE_CHECKING:
    from jinja2 import Environment

BASE: Final = "base.css"
"""Type, colours (light and dark), tables, and how they print: for every page."""


def page(template: str, *, sheets: tuple[str, ...] = (), policy: str = "", **values: object) -> str:
    """The page that a template (which extends `base.html`) makes of these values.

    `sheets` are further style sheets of this folder, after the base; `policy` further directives, such as
    `img-src data:`. Raises jinja2's TemplateNotFound and UndefinedError: both are mistakes in the program.
    """
    css = "".join(_text(name) for name in (BASE, *sheets))
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    allowed = "; ".join(
        part
        for part in (
            "default-src 'none'",
            f"style-src 'sha256-{digest}'",
            "base-uri 'none'",
            "form-action 'none'",
            policy,
        )
        if part
    )
    made = _environment().get_template(template)
    return made.render(css=Markup(css), policy=allowed, **values)  # noqa: S704 (our own file)


def _text(name: str) -> str:
    return files("sequencer.pages").joinpath(name).read_text("utf-8")


@lru_cache(maxsize=1)
def _environment() -> Environment:
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    return Environment(
        loader=FunctionLoader(_text), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
