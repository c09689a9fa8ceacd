"""What an idle daemon costs: ten mailboxes on a real Dovecot, IDLE in each, two polls.

`python benchmarks/idle.py [SECONDS] [--web]` prints the share of one core and the memory; with `--web` it listens, and
its metrics are scraped every 15 seconds, as Prometheus does. Needs Debian's dovecot-imapd.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.daemon.house import ENVIRON, furnish
from tests.dovecot import Dovecot
from tests.web.watched import free_port, listen_on

MAILBOXES = 10
SETTLE = 10.0
SCRAPE_EVERY = 15.0


def main(seconds: float, web: bool) -> None:
    with Dovecot() as dovecot, tempfile.TemporaryDirectory() as folder:
        _furnish(Path(folder), dovecot)
        port = free_port()
        if web:
            listen_on(Path(folder), port)
        command = [str(Path(sys.executable).with_name("sequencer")), "-C", folder, "run"]
        daemon = subprocess.Popen(command, env={**os.environ, **ENVIRON}, stdout=subprocess.DEVNULL)
        try:
            time.sleep(SETTLE)
            before, began = _cpu(daemon.pid), time.monotonic()
            _pass(seconds, port if web else 0)
            share = (_cpu(daemon.pid) - before) / (time.monotonic() - began)
            cost = f"{100 * share:.2f} % of a core, {_memory(daemon.pid):.0f} MB"
            print(f"idle, {MAILBOXES} mailboxes, {seconds:.0f} s{', scraped every 15 s' if web else ''}: {cost}")
        finally:
            daemon.send_signal(signal.SIGTERM)
            daemon.wait()


def _pass(seconds: float, port: int) -> None:
    """Wait; with a port, ask for the metrics again and again."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        if port:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5).read()
        time.sleep(min(left, SCRAPE_EVERY))


def _furnish(folder: Path, dovecot: Dovecot) -> None:
    furnish(folder, smtp=2525, imap=dovecot.imap_port, user="mark")
    text = (folder / "config.yaml").read_text()
    start, end = text.index("  mark:"), text.index("spread:")
    mailboxes = ""
    for number in range(MAILBOXES):
        name = "mark" if number == 0 else f"box{number}"
        dovecot.add_user(f"{name}@test.example", "pw")
        login = text[start:end].replace("username: mark", f"username: {name}@test.example")
        mailboxes += login.replace("  mark:", f"  {name}:").replace("mark@flat", f"{name}@flat")
    (folder / "config.yaml").write_text(text[:start] + mailboxes + text[end:])


def _cpu(pid: int) -> float:
    """Seconds of processor time so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().split()
    return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


def _memory(pid: int) -> float:
    """The greatest resident size so far, in MB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1000


if __name__ == "__main__":
    numbers = [float(word) for word in sys.argv[1:] if word != "--web"]
    main(numbers[0] if numbers else 250.0, "--web" in sys.argv)
