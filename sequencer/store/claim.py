"""One daemon on one SQLite file: an operating-system lock beside it, which dies with its process, even by kill -9."""

from __future__ import annotations

import fcntl
import os
from dataclasses import dataclass
from pathlib import Path

from sequencer.store.database import CannotOpen, PostgresServer, locate


@dataclass(slots=True)
class Claim:
    """The lock is held until `release`, or until the process ends. On PostgreSQL there is none: leases suffice."""

    _file: int | None

    def release(self) -> None:
        """Let another daemon in."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


@dataclass(frozen=True, slots=True)
class AlreadyClaimed:
    """Another process holds the lock; `pid` is what it wrote into the lock file, 0 when that cannot be read."""

    path: Path
    pid: int


def claim_file(url: str) -> Claim | AlreadyClaimed:
    """Claim a database for this process, at once or not at all. Raises CannotOpen when the lock file cannot be made.

    The lock (flock(2)) is on `<file>.lock`, not on the database: SQLite has locks of its own there. Only daemons need
    it; a command that reads or pauses does not. The file is left behind: removing it would race with the next claim.
    """
    location = locate(url)
    if isinstance(location, PostgresServer):
        return Claim(None)
    path = location.path.with_name(location.path.name + ".lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise CannotOpen(f"cannot open the lock file {path}: {error.strerror}") from None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        written = os.pread(file, 20, 0).strip()
        os.close(file)
        return AlreadyClaimed(path, int(written) if written.isdigit() else 0)
    os.ftruncate(file, 0)
    os.pwrite(file, str(os.getpid()).encode(), 0)
    return Claim(file)
