"""A refused body is read to its end, and no further than the bounds."""

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest

from components.flows import drain
from pipelines.flows.door import Door


class Client:
    """Sends parts of a body, and falls silent after them if they have no end."""

    def __init__(self, *parts: bytes, ends: bool = True) -> None:
        self.parts, self.ends, self.taken = list(parts), ends, 0

    async def receive(self) -> MutableMapping[str, Any]:
        """Return the next message."""
        if not self.parts:
            await asyncio.sleep(60)
        self.taken += 1
        body = self.parts.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(self.parts) or not self.ends}


def test_a_body_is_read_to_its_end() -> None:
    client = Client(b"a", b"b", b"c")
    asyncio.run(drain.drain(client.receive))
    assert client.taken == 3


def test_a_body_is_read_no_further_than_its_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drain, "BYTES", 100)
    monkeypatch.setattr(drain, "SECONDS", 0.05)
    endless, silent = Client(*[bytes(40)] * 9, ends=False), Client(b"a", ends=False)
    for client in (endless, silent):
        asyncio.run(drain.drain(client.receive))
    assert (endless.taken, silent.taken) == (3, 1)


def test_prefects_door_answers_when_the_client_has_sent_all() -> None:
    """Else the client is reset in mid-sending, and never reads that it was refused."""
    client, sent = Client(b"{", b"}"), []

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append((client.taken, message.get("status")))

    asyncio.run(Door(None)({"type": "http", "headers": [(b"host", b"evil.example")]}, client.receive, send))  # type: ignore[arg-type]
    assert sent == [(2, 403), (2, None)]
