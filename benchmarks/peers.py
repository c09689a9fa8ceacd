"""How we send beside others: python benchmarks/peers.py [MESSAGES]

django-drip-campaigns and mailmerge are installed by pip into a virtual environment that lives as long as this run, and
send in the way that their own documentation tells: `manage.py send_drips` on SQLite, and `mailmerge --no-dry-run
--no-limit`. Only the sending is timed, not their start. Postfix's `smtp-source` takes part when it is on the PATH: it
keeps no record of anything, and shows what the sink can take. All send letters of about the same size to the same sink,
one after the other, several rounds; the medians of the ratios are compared. Bars: 4 × django-drip-campaigns, 1.3 ×
mailmerge.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from durable_send import durable, fill, open_office, open_workspace
from sink import running
from verdict import tell

from sequencer.daemon import heap

ROUNDS: Final = 5
INSIDE: Final = Path(__file__).with_name("peers_inside.py")
PACKAGES: Final = ("django-drip-campaigns==1.16.2", "mailmerge==2.3.0")
SIZE: Final = 2380
"""Bytes of one of our letters; `smtp-source` sends as many."""

OURS: Final = "sequencer"
PEERS: Final = {"drip": ("django-drip-campaigns", 4.0), "mailmerge": ("mailmerge", 1.3)}


async def ours(folder: Path, port: int, count: int) -> float:
    """Messages a second that leave durably, through everything from the look at who is due."""
    live = await open_workspace(folder)
    office = await open_office(live, port)
    for first, warm_up in ((0, 100), (1000, count)):
        await fill(live, first, warm_up)
        rate, _, _ = await durable(live, office, warm_up)
    await office.lines.close()
    await live.database.close()
    return rate


def peer(python: Path, name: str, folder: Path, port: int, count: int) -> float:
    """Messages a second of django-drip-campaigns or mailmerge."""
    ran = subprocess.run(
        [python, INSIDE, name, str(port), str(count)], cwd=folder, stdout=subprocess.PIPE, text=True, check=True
    )
    said = json.loads(ran.stdout.splitlines()[-1])
    assert said["sent"] == count, said
    return count / float(said["seconds"])


def smtp_source(port: int, count: int) -> float | None:
    """Messages a second of Postfix's load generator over sixteen connections; None when it is not there."""
    program = shutil.which("smtp-source")
    if program is None:
        return None
    sender, recipient = "mark@flatheadrv.example", "p@example.org"
    begun = time.perf_counter()
    letters = ["-s", "16", "-m", str(count), "-l", str(SIZE), "-f", sender, "-t", recipient]
    subprocess.run([program, "-d", *letters, f"127.0.0.1:{port}"], check=True)
    return count / (time.perf_counter() - begun)


def rounds(python: Path, folder: Path, port: int, count: int) -> dict[str, list[float]]:
    """The rates of everybody, by name, several times."""
    rates: dict[str, list[float]] = {}
    for n in range(ROUNDS):
        for name in PEERS:
            place = folder / f"{name}-{n}"
            place.mkdir()
            rates.setdefault(name, []).append(peer(python, name, place, port, count))
        rates.setdefault(OURS, []).append(asyncio.run(ours(folder / f"ours-{n}", port, count)))
        bare = smtp_source(port, 10 * count)
        if bare is not None:
            rates.setdefault("smtp-source", []).append(bare)
        print("   ".join(f"{name} {found[-1]:,.0f}/s" for name, found in rates.items()), flush=True)
    return rates


def verdicts(rates: Mapping[str, list[float]]) -> bool:
    met = True
    for name, (called, bar) in PEERS.items():
        ratio = statistics.median(a / b for a, b in zip(rates[OURS], rates[name], strict=True))
        rate = statistics.median(rates[name])
        met &= tell(f"durable sends against {called}", f"{ratio:.1f} × ({rate:,.0f}/s)", f"≥ {bar:g} ×", ratio >= bar)
    if "smtp-source" in rates:
        tell("smtp-source of Postfix, which records nothing", f"{statistics.median(rates['smtp-source']):,.0f}/s")
    else:
        tell("smtp-source of Postfix, which records nothing", "not on the PATH (it is in Debian's postfix)")
    return met


def main() -> int:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    heap.settle()  # as `sequencer run` does
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".peers-") as name, running() as port:
        folder = Path(name)
        print("Installing the peers into an environment of their own …", flush=True)
        venv.create(folder / "venv", with_pip=True)
        python = folder / "venv" / "bin" / "python"
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
        return 0 if verdicts(rounds(python, folder, port, count)) else 1


if __name__ == "__main__":
    sys.exit(main())
