"""A connection that gives the head of each request a time to come, as uvicorn's own has no limit for it.

Without it, a client that sends a byte now and then would hold a connection for ever (a "slow loris"). What is refused
before there is a request is answered as all refusals are: a status, and one line as JSON.
"""

import asyncio
import json
from http import HTTPStatus
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from components.flows.serving import Limits


def write_refusal(status: HTTPStatus, line: str) -> bytes:
    """Write the answer to what is no request yet, after which the connection is closed."""
    body = json.dumps({"detail": line})
    head = [f"HTTP/1.1 {status.value} {status.phrase}", "Content-Type: application/json", "Connection: close"]
    return "\r\n".join([*head, f"Content-Length: {len(body)}", "", body]).encode()


SLOW = write_refusal(HTTPStatus.REQUEST_TIMEOUT, "the head of the request did not come in time")
WRONG = write_refusal(HTTPStatus.BAD_REQUEST, "the request is no HTTP that is understood")
FULL = write_refusal(HTTPStatus.SERVICE_UNAVAILABLE, "too many connections at once; try again in a moment")


def make_protocol(limits: Limits) -> type[H11Protocol]:
    """Make a protocol with these limits."""

    class Patient(H11Protocol):
        """Closes a connection whose request does not come."""

        waits: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            if len(self.connections) > limits.connections:
                self._refuse(FULL)
            else:
                self._set_clock()

        def data_received(self, data: bytes) -> None:
            if not self.transport.is_closing():
                super().data_received(data)
                self._set_clock()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop_clock()
            super().connection_lost(exc)

        def on_response_complete(self) -> None:
            super().on_response_complete()
            self._set_clock()

        def send_400_response(self, msg: str) -> None:
            self._refuse(WRONG)

        def _set_clock(self) -> None:
            """Let the clock run while no request is being answered; it is not set back by a part of one.

            So it also runs while the rest of a body comes that was answered before its end.
            """
            if self.cycle is not None and not self.cycle.response_complete:
                self._stop_clock()
            elif self.waits is None and not self.transport.is_closing():
                self.waits = self.loop.call_later(limits.header_seconds, self._give_up)

        def _stop_clock(self) -> None:
            if self.waits is not None:
                self.waits.cancel()
                self.waits = None

        def _give_up(self) -> None:
            self.waits = None
            begun = self.conn.their_state is h11.IDLE and (self.cycle is None or self.conn.trailing_data[0])
            self._refuse(SLOW if begun else b"")

        def _refuse(self, answer: bytes) -> None:
            self._stop_clock()
            if not self.transport.is_closing():
                self.transport.write(answer)
                self.transport.close()

    return Patient
