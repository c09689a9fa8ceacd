"""What playing a crowd costs: python benchmarks/rehearse_crowd.py [PEOPLE]

So many invented people (1,000) through the starter's quote-follow-up at once, with the starter's limits; one core.
Measured is what `sequencer simulate quote-follow-up --contacts PEOPLE` does between reading the files and printing. Bar
for a thousand: 10 s.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from verdict import tell

from sequencer.operations.crowds import Crowd, Wanted, invented, look_ahead
from sequencer.workspace.starter import write_starter
from sequencer.workspace.workspace import load

START: Final = datetime(2026, 11, 24, 16, tzinfo=UTC)
BAR: Final = 10.0
ROUNDS: Final = 3


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("people", nargs="?", type=int, default=1000)
    people = parser.parse_args().people
    with tempfile.TemporaryDirectory() as folder:
        write_starter(Path(folder))
        loaded = load(Path(folder), {}, secrets_required=False)
    assert loaded.workspace is not None, loaded.problems
    took: list[float] = []
    for _ in range(ROUNDS):
        began = time.process_time()
        crowd = invented(
            loaded.workspace, loaded.workspace.sequences["quote-follow-up"], people, Wanted(START, answers=0.08)
        )
        assert isinstance(crowd, Crowd), crowd
        outlook = look_ahead(loaded.workspace, crowd)
        took.append(time.process_time() - began)
    (mailbox,) = outlook.load.mailboxes
    rows = sum(len(journey.rows) for journey in outlook.journeys)
    print(
        f"{people:,} people, {mailbox.mails:,} mails, {len(mailbox.days)} days, {rows:,} lines; first {took[0]:.2f} s"
    )
    what = f"a crowd of {people:,} on one virtual calendar, processor time, best of {ROUNDS}"
    bar = f"≤ {BAR:g} s" if people <= 1000 else ""
    return 0 if tell(what, f"{min(took):.2f} s", bar, min(took) <= BAR if bar else None) else 1


if __name__ == "__main__":
    sys.exit(main())
