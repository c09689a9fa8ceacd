"""The word lists below wording/, read once."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any

import yaml

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@cache
def read_wording(name: str) -> Any:
    """The content of wording/NAME.yaml."""
    text = resources.files("sequencer.inbox").joinpath("wording", f"{name}.yaml").read_text("utf-8")
    return yaml.load(text, Loader=_LOADER)  # noqa: S506 - a safe loader, the quick one where it was built
