"""The daemon as a process of its own whose clock is moved over its standard input.

`python -m tests.daemon.process FOLDER START` runs `supervisor.run` and prints one JSON line for each thing told;
a line `+SECONDS` on its input moves the clock. It ends as `sequencer run` does: on SIGTERM. LEASE in its environment
is the seconds of a lease.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from datetime import datetime, timedelta
from pathlib import Path

from sequencer.daemon import supervisor
from sequencer.daemon.telling import Told, level_of, sentence
from sequencer.operations.adopt import Unusable
from sequencer.operations.happenings import Happening
from tests.clock import ManualClock


async def main() -> int:
    clock, stop = ManualClock(datetime.fromisoformat(sys.argv[2])), asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)

    def tell(told: Told) -> None:
        what = told.what if isinstance(told, Happening) else "note"
        row = {"what": what, "level": level_of(told), "says": sentence(told, personal=True)}
        print(json.dumps(row), flush=True)

    def moved() -> None:
        for line in os.read(sys.stdin.fileno(), 4096).split():
            clock.advance(timedelta(seconds=float(line)))

    loop.add_reader(sys.stdin.fileno(), moved)
    lease = float(os.environ["LEASE"]) if "LEASE" in os.environ else None
    result = await supervisor.run(Path(sys.argv[1]), os.environ, clock, tell, stop, lease=lease)
    if isinstance(result, Unusable):
        print(
            json.dumps({"what": "unusable", "level": "error", "says": result.reason or str(result.problems)}),
            flush=True,
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
