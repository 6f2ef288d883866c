"""A connection that gives the head of each request a time to come, as uvicorn's own has no limit for it.

Without it, a client that sends a byte now and then would hold a connection for ever (a "slow loris").
"""

import asyncio
import json
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

BODY = json.dumps({"detail": "the head of the request did not come in time"})
HEAD = ("HTTP/1.1 408 Request Timeout", "Content-Type: application/json", f"Content-Length: {len(BODY)}")
ANSWER = "\r\n".join([*HEAD, "Connection: close", "", BODY]).encode()


def make_protocol(seconds: float) -> type[H11Protocol]:
    """Make a protocol that gives the head of a request so many seconds."""

    class Patient(H11Protocol):
        """Closes a connection whose request does not come."""

        waits: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._set_clock()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self._set_clock()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop_clock()
            super().connection_lost(exc)

        def on_response_complete(self) -> None:
            super().on_response_complete()
            self._set_clock()

        def _set_clock(self) -> None:
            """Let the clock run while the head of a request is awaited; it is not set back by a part of one."""
            if self.conn.their_state is not h11.IDLE:
                self._stop_clock()
            elif self.waits is None and not self.transport.is_closing():
                self.waits = self.loop.call_later(seconds, self._close)

        def _stop_clock(self) -> None:
            if self.waits is not None:
                self.waits.cancel()
                self.waits = None

        def _close(self) -> None:
            self.waits = None
            if self.transport.is_closing():
                return
            if self.cycle is None or self.conn.trailing_data[0]:  # else it lies idle after an answer
                self.transport.write(ANSWER)
            self.transport.close()

    return Patient
