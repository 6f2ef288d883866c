"""The middleware through which every request comes and every answer goes: checks, headers, the log, the metrics."""

import asyncio
import json
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from components.flows.serving import Limits
from serving.guard import COOKIE, HEADERS, Guard
from serving.metrics import Metrics
from serving.refusal import Refusal

HEAD_BYTES = 32_768  # of a request's head
DRAIN_SECONDS, DRAIN_BYTES = 2.0, 64_000_000  # of a refused body, so that its client reads why
SHOWN = 200  # characters of a path in the log
UNKNOWN = "none"  # the route of what no route answers
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})


@dataclass
class Door:
    """Lets requests in, at most so many at once, and tells what became of each."""

    app: ASGIApp
    guard: Guard
    limits: Limits
    metrics: Metrics
    inside: int = field(default=0)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, answered = time.perf_counter(), _Answered(send)
        try:
            await self._let_in(scope, receive, answered)
        except Exception as error:
            tell("error", error=type(error).__name__, text=str(error)[:SHOWN])
            if not answered.status:
                await refuse(Refusal(500, "the service failed; its log says how"))(scope, receive, answered)
        finally:
            self._note(scope, answered, time.perf_counter() - began)

    async def _let_in(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers, query = Headers(scope=scope), scope["query_string"].decode("latin-1")
        try:
            if sum(len(name) + len(value) for name, value in scope["headers"]) + len(query) > HEAD_BYTES:
                raise Refusal(431, f"the head of the request has more than {HEAD_BYTES:,} bytes")
            self.guard.check(headers, scope["method"], query)
            if self.inside >= self.limits.requests:
                raise Refusal(429, f"more than {self.limits.requests} requests at once; try again in a moment")
        except Refusal as refusal:
            await drain(receive)
            await refuse(refusal)(scope, receive, send)
            return
        if self.guard.is_asked_by(query) and scope["path"] == "/" and scope["method"] == "GET":
            response = RedirectResponse("/", 303)  # so that the token does not stay in the browser's address bar
            response.set_cookie(COOKIE, self.guard.make_cookie(), httponly=True, samesite="strict")
            await response(scope, receive, send)
            return
        self.inside += 1  # whoever is refused takes nobody's place
        self.metrics.at_once.set(self.inside)
        try:
            await self.app(scope, receive, send)
        finally:
            self.inside -= 1
            self.metrics.at_once.set(self.inside)

    def _note(self, scope: Scope, answered: "_Answered", seconds: float) -> None:
        route = getattr(scope.get("route"), "path", UNKNOWN)
        method = scope["method"] if scope["method"] in METHODS else UNKNOWN
        self.metrics.requests.labels(method, route, answered.status).inc()
        self.metrics.seconds.labels(route).observe(seconds)
        client = scope.get("client") or ("",)
        tell(
            "request",
            method=method,
            path=scope["path"][:SHOWN],
            status=answered.status,
            ms=round(1000 * seconds, 1),
            bytes=answered.size,
            client=client[0],
        )


class _Answered:
    """Sends an answer, with the headers that every answer has, and remembers its status and size."""

    def __init__(self, send: Send) -> None:
        self.send, self.status, self.size = send, 0, 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers[name] = value
            headers.setdefault("Cache-Control", "no-store")
        elif message["type"] == "http.response.body":
            self.size += len(message.get("body", b""))
        await self.send(message)


def refuse(refusal: Refusal) -> JSONResponse:
    """Make the answer of a refusal."""
    headers = {401: {"WWW-Authenticate": "Bearer"}, 429: {"Retry-After": "1"}, 503: {"Retry-After": "5"}}
    return JSONResponse({"detail": refusal.detail}, refusal.status, headers.get(refusal.status))


async def drain(receive: Receive) -> None:
    """Read a body and throw it away, within bounds: a client that is still sending would not read the answer."""
    size = 0
    with suppress(TimeoutError):
        async with asyncio.timeout(DRAIN_SECONDS):
            while size < DRAIN_BYTES:
                message = await receive()
                size += len(message.get("body", b""))
                if message["type"] != "http.request" or not message.get("more_body", False):
                    return


def tell(event: str, **values: Any) -> None:
    """Print a line of JSON on stderr. No query, no header and no body stands in it, so that it holds no secret."""
    moment = datetime.now(UTC).isoformat(timespec="milliseconds")
    print(json.dumps({"time": moment, "event": event, **values}), file=sys.stderr, flush=True)


def name_status(status: int) -> str:
    """Name a status in a line."""
    return HTTPStatus(status).phrase.lower() if status in set(HTTPStatus) else str(status)


def join_lines(texts: Iterable[str]) -> str:
    """Join texts to one line."""
    return "; ".join(" ".join(text.split()) for text in texts)
