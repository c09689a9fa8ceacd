"""A running daemon with its listener, and a client for it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from sequencer.daemon import supervisor
from sequencer.daemon.vitals import Vitals
from sequencer.web.listener import listening
from tests.clock import PATIENCE
from tests.daemon.house import ENVIRON, House


def free_port() -> int:
    """A port on which nobody listens right now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
    return port


def listen_on(folder: Path, port: int) -> None:
    """Write `web:` into the workspace."""
    config = folder / "config.yaml"
    without = config.read_text().partition("web: ")[0]
    config.write_text(f"{without}web: {{listen: 127.0.0.1:{port}}}\n")


@asynccontextmanager
async def watched(house: House) -> AsyncIterator[tuple[httpx.AsyncClient, Vitals]]:
    """The daemon with its listener, until the block ends; a failure to start is the test's failure."""
    port, stop = free_port(), asyncio.Event()
    listen_on(house.folder, port)
    found: asyncio.Future[Vitals] = asyncio.get_running_loop().create_future()

    @asynccontextmanager
    async def beside(vitals: Vitals) -> AsyncIterator[str]:
        async with listening(vitals) as refusal:
            found.set_result(vitals)
            yield refusal

    daemon = asyncio.create_task(supervisor.run(house.folder, ENVIRON, house.clock, house.ear, stop, beside=beside))
    daemon.add_done_callback(lambda _: found.cancel())  # it could not start
    try:
        async with asyncio.timeout(PATIENCE):
            vitals = await found
            await vitals.standing.wait()
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE) as client:
            yield client, vitals
    finally:
        stop.set()
        result = await daemon
    assert result is None, result
