"""Reads the body of a refused request: who is still sending would be cut off, and not read why it was refused."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any

SECONDS, BYTES = 2.0, 64_000_000  # that a refused body may take


async def drain(receive: Callable[[], Awaitable[MutableMapping[str, Any]]]) -> None:
    """Read the body that an ASGI server receives and throw it away, within bounds."""
    size = 0
    with suppress(TimeoutError):
        async with asyncio.timeout(SECONDS):
            while size < BYTES:
                message = await receive()
                size += len(message.get("body", b""))
                if message["type"] != "http.request" or not message.get("more_body", False):
                    return
