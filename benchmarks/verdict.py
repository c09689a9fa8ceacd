"""What a benchmark says at its end: each thing measured, its bar, and whether it was met.

`all.py` gathers these lines from every benchmark into one table, through the file that BENCH_TABLE names.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

TABLE: Final = "BENCH_TABLE"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One thing measured. `met` is None where there is no bar, or where it could not be measured here."""

    what: str
    bar: str
    measured: str
    met: bool | None

    @property
    def word(self) -> str:
        """met, MISSED, or nothing."""
        return "" if self.met is None else "met" if self.met else "MISSED"


def tell(what: str, measured: str, bar: str = "", met: bool | None = None) -> bool:
    """Print a verdict, and leave it for the table. Returns whether nothing was missed."""
    verdict = Verdict(what, bar, measured, met)
    print(f"{what}: {measured}" + (f"; bar: {bar}" if bar else "") + (f": {verdict.word}" if verdict.word else ""))
    if table := os.environ.get(TABLE):
        with Path(table).open("a") as file:
            file.write(json.dumps(asdict(verdict)) + "\n")
    return met is not False
