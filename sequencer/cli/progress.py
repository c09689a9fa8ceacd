"""How far something is that takes long: a bar on a terminal, nothing elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress(doing: str, long: int) -> Iterator[Callable[[int, int], None] | None]:
    """What to tell how much is done, of how much; the bar is seen from `long` on. None where nobody would see it."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    bar = Progress(doing, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=Console(stderr=True))
    task = bar.add_task(doing, visible=False)

    def show(done: int, total: int) -> None:
        bar.update(task, completed=done, total=total, visible=total >= long)

    with bar:
        yield show
