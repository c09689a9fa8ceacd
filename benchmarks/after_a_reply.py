"""Follow-ups sent after a reply stood in the mailbox when the turn began: there must be none.

`python benchmarks/after_a_reply.py [FOLLOW_UPS]` (10,000 unless told; at least so many people). Ends with status 1
when there was one.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.daemon.race import Result, race

AT_ONCE = 1_000
"""People in one race; several are run one after the other."""


async def main(people: int) -> int:
    logging.disable(logging.WARNING)
    began = time.monotonic()
    results: list[Result] = []
    for seed in range(-(-people // AT_ONCE)):
        with tempfile.TemporaryDirectory() as folder:
            results.append(await race(Path(folder), min(AT_ONCE, people), seed))
    due, replied, sent = (sum(getattr(r, name) for r in results) for name in ("people", "replied", "follow_ups"))
    after, crossed, turns = (sum(getattr(r, name) for r in results) for name in ("after", "crossed", "turns"))
    unheard = sum(len(r.unheard) for r in results)
    print(f"{due} follow-ups, {replied} replies around them, {turns} turns, {time.monotonic() - began:.0f} s")
    print(f"sent: {sent}; sent after a reply that stood there when the turn began: {after}")
    print(f"sent in the very turn in which the reply came: {crossed}; replies not heard: {unheard}")
    return 1 if after or unheard else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)))
