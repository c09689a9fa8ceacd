"""Stops the tests' PostgreSQL once the last test process that used it has ended, even by kill -9.

Each of these processes starts one guard and holds its standard input. At the end of that input the guard stops the
server and removes its folder, unless another process still holds the (shared) lock on the folder's `users` file.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import sys
import time
from pathlib import Path


def main() -> None:
    folder = Path(sys.argv[1])
    sys.stdin.buffer.read()
    try:
        with (folder / "users").open() as users:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            stop(folder / "data" / "postmaster.pid")
            shutil.rmtree(folder, ignore_errors=True)
    except (BlockingIOError, FileNotFoundError):
        return


def stop(pid_file: Path) -> None:
    """The postmaster removes its file as the last thing it does."""
    if not pid_file.exists():
        return
    pid = int(pid_file.read_text().split()[0])
    for request, seconds in ((signal.SIGINT, 10.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 0.0)):
        try:
            os.kill(pid, request)
        except ProcessLookupError:
            return
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if not pid_file.exists():
                return
            time.sleep(0.02)


if __name__ == "__main__":
    main()
