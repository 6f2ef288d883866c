"""Lets only those requests through to Prefect's server that were meant for it and that no foreign web page has made.

Prefect's own settings close CORS, which only keeps a page from reading answers: a form of any page can still post, and
a page whose name is pointed at 127.0.0.1 after it was loaded (DNS rebinding) counts as the server's own. So Host has to
be a name of this machine, on any port, as an SSH tunnel may have another; and Origin, which browsers send with every
request that changes something and with every websocket, has to be the page at that Host. Requests that a browser sends
without an Origin, for images and frames, say in Sec-Fetch-Site from where they come (Fetch Metadata, W3C).
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Any, Any, Any], Awaitable[None]]

DRAIN_SECONDS, DRAIN_BYTES = 2.0, 1_000_000  # that the body of a refused request may take
LOCAL_NAMES = ("localhost", "127.0.0.1", "[::1]")
HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:\d{1,5})?")  # RFC 9110, 7.2, without what no browser sends


class Door:
    """An ASGI application around Prefect's: it refuses with 403, before Prefect sees anything of the request."""

    def __init__(self, app: App, origins: Iterable[str] = ()) -> None:
        """`origins`: further pages that may use the server, such as https://byol.example.org behind a proxy."""
        self.app = app
        self.origins = frozenset(origins)
        self.names = frozenset({*LOCAL_NAMES, *(_split_host(urlsplit(origin).netloc) for origin in self.origins)})

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        fault = "" if scope["type"] == "lifespan" else self.find_fault(scope["headers"])
        if not fault:
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})  # before it is accepted: the answer is 403
        else:
            with suppress(TimeoutError):
                await asyncio.wait_for(_drain(receive), DRAIN_SECONDS)
            headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
            await send({"type": "http.response.start", "status": 403, "headers": headers})
            await send({"type": "http.response.body", "body": f"refused: {fault}\n".encode()})

    def find_fault(self, headers: Iterable[tuple[bytes, bytes]]) -> str:
        """Return why a request with these headers is refused, or an empty text."""
        given: dict[str, list[str]] = {}
        for name, value in headers:
            given.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1").lower())
        hosts, origins = given.get("host", []), given.get("origin", [])
        if len(hosts) != 1 or _split_host(hosts[0]) not in self.names:
            return "Host is no name of this server"
        if origins:
            here = len(origins) == 1 and origins[0] in (f"http://{hosts[0]}", f"https://{hosts[0]}")
            return "" if here or self.origins.issuperset(origins) else "Origin is another page"
        if given.get("sec-fetch-site", ["none"])[0] in ("none", "same-origin"):
            return ""
        followed = given.get("sec-fetch-dest") == ["document"]  # a link, which opens a page of its own
        return "" if followed else "asked for by another page"


def _split_host(text: str) -> str:
    """Return the name in a Host, without the port; an empty text if it is none."""
    found = HOST.fullmatch(text)
    return found[1] if found else ""


async def _drain(receive: Receive) -> None:
    """Read a refused body, within bounds: an answer would cut off a client that still sends, and not be read."""
    size, more = 0, True
    while more and size < DRAIN_BYTES:
        message = await receive()
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
