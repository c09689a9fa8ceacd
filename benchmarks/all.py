"""Every benchmark that needs no argument, one after the other, and one table at the end: python benchmarks/all.py

About a quarter of an hour on a quiet machine. What a benchmark prints is shown as it goes. `--without NAME` leaves one
out.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from verdict import TABLE, Verdict

HERE: Final = Path(__file__).parent
NAMES: Final = ("durable_send", "peers", "smtp_line", "compose", "reply_latency", "crowd", "rehearse_crowd", "report")


def run(name: str, table: Path) -> list[Verdict]:
    """Run one of them; what it found, or that it failed."""
    print(f"\n— benchmarks/{name}.py", flush=True)
    ended = subprocess.run([sys.executable, HERE / f"{name}.py"], env={**os.environ, TABLE: str(table)}, check=False)
    found = [Verdict(**json.loads(line)) for line in table.read_text().splitlines()] if table.exists() else []
    if ended.returncode and not any(verdict.met is False for verdict in found):
        found.append(Verdict(name, "", f"ended with an error ({ended.returncode})", False))
    return found


def show(verdicts: list[Verdict]) -> None:
    """The table, as Markdown."""
    print(f"\n{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}; load {_load()}\n")
    print("| what | measured | bar | |\n|---|---|---|---|")
    for verdict in verdicts:
        print(f"| {verdict.what} | {verdict.measured} | {verdict.bar} | {verdict.word} |")


def _load() -> str:
    return " ".join(f"{load:.1f}" for load in os.getloadavg())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--without", action="append", default=[], choices=NAMES)
    options = parser.parse_args()
    verdicts: list[Verdict] = []
    with tempfile.TemporaryDirectory() as folder:
        for name in NAMES:
            if name not in options.without:
                verdicts += run(name, Path(folder) / f"{name}.jsonl")
    show(verdicts)
    return 1 if any(verdict.met is False for verdict in verdicts) else 0


if __name__ == "__main__":
    sys.exit(main())
