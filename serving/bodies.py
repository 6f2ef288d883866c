"""Reads the body of a request within bounds of size and time.

What is too large is read to its end all the same and thrown away, within the time that a body has: a client that is
still sending would see a broken connection instead of the line that says why.
"""

import asyncio

from fastapi import Request

from components.flows.serving import Limits
from serving.refusal import Refusal

BINARY = "application/octet-stream"


async def read_image(request: Request, limits: Limits) -> bytes:
    """Read a body that is an image. Raises Refusal."""
    kind = request.headers.get("content-type", BINARY).partition(";")[0].strip().lower()
    body = await read_body(request, limits)
    if not (kind.startswith("image/") or kind == BINARY):
        raise Refusal(415, f"the Content-Type is image/... or {BINARY}, and the body the image itself")
    if not body:
        raise Refusal(415, "the body is empty; it is the bytes of one image")
    return body


async def read_body(request: Request, limits: Limits) -> bytes:
    """Read a body. Raises Refusal if it is too large or comes too slowly."""
    parts, size = [], 0
    too_large = Refusal(413, f"the body has more than {limits.max_bytes:,} bytes")
    try:
        async with asyncio.timeout(limits.body_seconds):
            async for part in request.stream():
                size += len(part)
                if size <= limits.max_bytes:
                    parts.append(part)
                else:
                    parts.clear()
    except TimeoutError:
        if size > limits.max_bytes:
            raise too_large from None
        raise Refusal(408, f"the body did not come within {limits.body_seconds:g} s") from None
    if size > limits.max_bytes:
        raise too_large
    return b"".join(parts)
