"""What the program has loaded at its start stays for good: the garbage collector is told not to look at it again.

It would go through all of it over and over while messages leave, a twentieth of the processor time that they take,
and each time nothing else moves for a moment.
"""

from __future__ import annotations

import gc
from typing import Final

OFTEN: Final = (5_000, 20, 20)
"""So many new objects are there before the youngest are looked through; the older ones are every twentieth time."""


def settle() -> None:
    """Call it once, when all is loaded and nothing has begun (https://docs.python.org/3/library/gc.html#gc.freeze)."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*OFTEN)
