"""A workspace folder put in force, as the daemon does it when it starts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from sequencer.operations.adopt import Unusable, put_in_force
from sequencer.operations.live import Live
from sequencer.workspace.workspace import load


async def open_live(folder: Path, environ: Mapping[str, str], now: datetime) -> Live | Unusable:
    """The live workspace of a folder, or what is wrong with it."""
    loaded = load(folder, environ)
    return Unusable(loaded.problems) if loaded.workspace is None else await put_in_force(loaded.workspace, now)
