"""The pages: /healthz, /readyz and /metrics. Read only, without a cookie, and nothing in them is about one person."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from email.utils import format_datetime
from http import HTTPStatus
from typing import Any, Final

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sequencer.daemon.clock import Clock
from sequencer.web.metrics import exposition
from sequencer.web.readiness import Reason, dead, unready
from sequencer.web.watch import Watch

HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
READING: Final = ("GET", "HEAD")


def make_app(watch: Watch) -> ASGIApp:
    """The ASGI application that shows this daemon."""
    vitals = watch.vitals

    async def healthz(_: Request) -> Response:
        return _verdict("alive", dead(vitals))

    async def readyz(_: Request) -> Response:
        figures = await watch.figures()
        return _verdict("ready", unready(vitals, figures, vitals.clock.now()))

    async def metrics(request: Request) -> Response:
        figures = await watch.figures()
        if isinstance(figures, str):
            return _verdict("ready", [Reason("database", figures)])
        body, content_type = await exposition(watch, figures, vitals.clock.now(), request.headers.get("accept", ""))
        return Response(body, headers={"Content-Type": content_type})

    routes = [
        Route("/healthz", healthz, methods=["GET"]),  # Starlette adds HEAD
        Route("/readyz", readyz, methods=["GET"]),
        Route("/metrics", metrics, methods=["GET"]),
    ]
    handlers: dict[Any, Any] = {HTTPException: _refused, Exception: _failed}
    return _Guard(Starlette(routes=routes, exception_handlers=handlers), vitals.clock)


def _verdict(word: str, reasons: Iterable[Reason]) -> Response:
    listed = [{key: value for key, value in asdict(reason).items() if value} for reason in reasons]
    status = HTTPStatus.SERVICE_UNAVAILABLE if listed else HTTPStatus.OK
    return JSONResponse({word: not listed, "reasons": listed}, status)


async def _refused(_: Request, error: HTTPException) -> Response:
    return JSONResponse({"error": error.detail}, error.status_code, headers=error.headers)


async def _failed(_: Request, __: Exception) -> Response:
    return JSONResponse({"error": "this should not have happened"}, HTTPStatus.INTERNAL_SERVER_ERROR)


class _Guard:
    """Around everything: only reading, and the headers that every answer has."""

    def __init__(self, app: ASGIApp, clock: Clock) -> None:
        self.app, self.clock = app, clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                headers["Date"] = format_datetime(self.clock.now(), usegmt=True)
            await send(message)

        app = self.app if scope["method"] in READING else _only_reading
        await app(scope, receive, send_with_headers)


async def _only_reading(scope: Scope, receive: Receive, send: Send) -> None:
    refusal = JSONResponse({"error": "Method Not Allowed"}, 405, headers={"Allow": ", ".join(READING)})
    await refusal(scope, receive, send)
