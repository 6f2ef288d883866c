"""Prefect's door reads a refused body to its end, and no further than its bounds, before it answers."""

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest

from pipelines.flows import door


class Client:
    """Sends parts of a body, and falls silent after them if they have no end."""

    def __init__(self, *parts: bytes, ends: bool = True) -> None:
        self.parts, self.ends, self.taken = list(parts), ends, 0
        self.answers: list[tuple[int, Any]] = []

    async def receive(self) -> MutableMapping[str, Any]:
        """Return the next message."""
        if not self.parts:
            await asyncio.sleep(60)
        self.taken += 1
        body = self.parts.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(self.parts) or not self.ends}

    async def send(self, message: MutableMapping[str, Any]) -> None:
        """Note an answer, and how much had been sent until then."""
        self.answers.append((self.taken, message.get("status")))

    def ask(self) -> None:
        """Ask for what is refused."""
        scope = {"type": "http", "headers": [(b"host", b"evil.example")]}
        asyncio.run(door.Door(None)(scope, self.receive, self.send))  # type: ignore[arg-type]


def test_the_answer_comes_when_all_was_sent() -> None:
    """Else the client is reset in mid-sending, and never reads that it was refused."""
    client = Client(b"{", b"}")
    client.ask()
    assert client.answers == [(2, 403), (2, None)]


def test_neither_an_endless_nor_a_silent_client_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "DRAIN_BYTES", 100)
    monkeypatch.setattr(door, "DRAIN_SECONDS", 0.05)
    endless, silent = Client(*[bytes(40)] * 9, ends=False), Client(b"a", ends=False)
    for client, taken in ((endless, 3), (silent, 1)):
        client.ask()
        assert client.answers == [(taken, 403), (taken, None)]
