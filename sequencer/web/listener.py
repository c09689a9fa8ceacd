"""The listener: bound before the daemon works, and closed when it ends."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import uvicorn

from sequencer.daemon.vitals import Vitals
from sequencer.web.app import make_app
from sequencer.web.watch import Watch

MOST_CONNECTIONS: Final = 100
IDLE_SECONDS: Final = 5
END_WITHIN: Final = 2
"""Seconds that answers under way get when the daemon ends."""


@asynccontextmanager
async def listening(vitals: Vitals) -> AsyncIterator[str]:
    """Listen on the configured address while the block runs. Gives "" or why that cannot be."""
    web = vitals.live.workspace.config.web
    assert web is not None, "only where web: is configured"
    try:
        bound = bind(web.listen)
    except OSError as error:
        yield f"cannot listen on {web.listen}: {error.strerror}; change `web: listen:` in config.yaml, or take it out"
        return
    watch = Watch(vitals)
    server = uvicorn.Server(
        uvicorn.Config(
            make_app(watch),
            http="h11",
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            limit_concurrency=MOST_CONNECTIONS,
            timeout_keep_alive=IDLE_SECONDS,
            timeout_graceful_shutdown=END_WITHIN,
        )
    )
    await _serve(server, bound)
    timing = asyncio.create_task(watch.time_the_loop())
    try:
        yield ""
    finally:
        timing.cancel()
        await asyncio.gather(timing, return_exceptions=True)
        await server.shutdown([bound])
        await watch.close()


def bind(listen: str) -> socket.socket:
    """A listening socket on `ADDRESS:PORT`, e.g. 127.0.0.1:8025 or [::1]:8025. Raises OSError."""
    host, _, port = listen.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    family, kind, protocol, _, address = socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)[0]
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind(address)
        bound.setblocking(False)
    except OSError:
        bound.close()
        raise
    return bound


async def _serve(server: uvicorn.Server, bound: socket.socket) -> None:
    """As `Server.serve` begins, without its signal handlers, and without its loop that wakes ten times a second."""
    server.config.load()
    server.lifespan = server.config.lifespan_class(server.config)
    await server.startup([bound])
