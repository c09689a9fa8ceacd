"""The daemon as a process that starts at once: everything is imported, and each start is a fork.

`python -m tests.fire.launcher WORKSPACE` reads one JSON list a line, the arguments of `sequencer`. It forks, prints the
number of the process that runs `sequencer` with them (what that says is appended to `daemon.log` in the workspace),
and, when it has ended, its status. A kill -9 hits a process like any other; only the second of importing is saved, a
thousand times.
"""

from __future__ import annotations

import asyncio
import ctypes
import importlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NoReturn

from sequencer.workspace.workspace import load
from tests.clock import PATIENCE

NEEDED: Final = (
    "sequencer.cli.main",
    "sequencer.daemon.supervisor",
    "sequencer.operations.health",
    "sequencer.store.migrate",
    "sequencer.store.sqlite_driver",
    "aiosqlite",
    "asyncpg",
    "sqlalchemy.dialects.postgresql.asyncpg",
    "sqlalchemy.dialects.sqlite.aiosqlite",
)
"""What the daemon imports, also where it does so late."""

LOG: Final = "daemon.log"
PR_SET_PDEATHSIG: Final = 1


@dataclass
class Launcher:
    """Starts `sequencer`, one process at a time."""

    process: asyncio.subprocess.Process
    log: Path
    alive: set[int] = field(default_factory=set)

    async def start(self, *arguments: str) -> int:
        """Run `sequencer` with these arguments; its process number."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(arguments).encode() + b"\n")
        pid = int(await self._line())
        self.alive.add(pid)
        return pid

    async def ended(self, pid: int) -> int:
        """Wait until it has ended: its exit code, or the negative number of the signal that ended it."""
        status = int(await self._line(4 * PATIENCE))
        self.alive.discard(pid)
        return os.waitstatus_to_exitcode(status)

    async def _line(self, patience: float = PATIENCE) -> bytes:
        assert self.process.stdout is not None
        async with asyncio.timeout(patience):
            line = await self.process.stdout.readline()
        assert line, f"the launcher has ended; {self.log.read_text()[-2000:]}"
        return line


@asynccontextmanager
async def launcher(folder: Path, environ: Mapping[str, str]) -> AsyncIterator[Launcher]:
    """A launcher for a workspace; no process that it started outlives the block."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.fire.launcher", str(folder)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, **environ},
    )
    started = Launcher(process, folder / LOG)
    try:
        yield started
    finally:
        for pid in started.alive:
            os.kill(pid, signal.SIGKILL)
        process.kill()
        await process.communicate()


def serve(folder: Path) -> None:
    """Fork for each line that comes in."""
    _end_with_parent()
    for module in NEEDED:
        importlib.import_module(module)
    load(folder, os.environ)  # holidays, phrases and zones are read once as well
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            _become(folder / LOG, json.loads(line))
        print(pid, flush=True)
        print(os.waitpid(pid, 0)[1], flush=True)


def _become(log: Path, arguments: list[str]) -> NoReturn:
    """Go on as `sequencer` with these arguments."""
    _end_with_parent()
    written = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(written, 1)
    os.dup2(written, 2)
    sys.argv = ["sequencer", *arguments]
    code = 1
    try:
        importlib.import_module("sequencer.cli.main").main()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    finally:
        sys.stdout.flush()
        os._exit(code)


def _end_with_parent() -> None:
    """Where the system can: whoever ends the test, however, ends this process too."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
