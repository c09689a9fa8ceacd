"""How hard a trial tries: a short form that runs with every test run, and a long one by hand."""

from __future__ import annotations

import os
from typing import Final, TypeVar

LONG: Final = os.environ.get("SEQUENCER_FIRE") == "long"

T = TypeVar("T")


def sized(short: T, long: T) -> T:
    """The size of a trial in the form that is being run."""
    return long if LONG else short
