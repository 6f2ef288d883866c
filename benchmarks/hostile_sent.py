"""Sends hostile requests to a service, and reads what each is answered with."""

import json
import re
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx

from benchmarks.hostile_uploads import Upload

SECONDS = 60.0  # for an answer


@dataclass(frozen=True)
class Answer:
    """Holds what a request was answered with; status 0 means not at all."""

    status: int
    text: str

    @property
    def refuses(self) -> bool:
        """Whether it is a refusal by 4xx in one line of JSON."""
        return 400 <= self.status < 500 and 0 < len(self.line) < 500 and "\n" not in self.line

    @property
    def line(self) -> str:
        """The line that says why; an empty text if there is none."""
        try:
            said = json.loads(self.text)
        except ValueError:
            return ""
        return str(said.get("detail", "")) if isinstance(said, dict) else ""


def send(client: httpx.Client, upload: Upload) -> Answer:
    """Send a request and read its answer."""
    if upload.raw:
        return send_raw(str(client.base_url), upload)
    body = upload.body() if callable(upload.body) else upload.body
    request = client.build_request(upload.method, upload.path, content=body, headers=dict(upload.headers))
    try:
        answer = client.send(request)
    except httpx.TransportError as error:
        return Answer(0, repr(error))
    return Answer(answer.status_code, answer.text)


def send_raw(address: str, upload: Upload) -> Answer:
    """Send bytes as they are, in parts, until there is an answer."""
    parts = urlsplit(address)
    with socket.create_connection((parts.hostname or "", parts.port or 80), SECONDS) as connection:
        answered = b""
        for part in upload.raw:
            try:
                connection.sendall(part)
            except OSError:
                break
            if upload.pause and (answered := receive(connection, upload.pause)):
                break
        while not is_whole(answered) and (more := receive(connection, SECONDS)):
            answered += more
    head, _, body = answered.partition(b"\r\n\r\n")
    words = head.split(b" ", 2)
    status = int(words[1]) if len(words) > 1 and words[1].isdigit() else 0
    return Answer(status, body.decode(errors="replace").strip() or head.decode(errors="replace"))


def is_whole(answered: bytes) -> bool:
    """Whether an answer has come with all of its body."""
    head, end, body = answered.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: *(\d+)", head)
    return bool(end and length) and len(body) >= int(length[1])  # type: ignore[index]


def receive(connection: socket.socket, seconds: float) -> bytes:
    """Receive what there is within some seconds."""
    connection.settimeout(seconds)
    try:
        return connection.recv(65_536)
    except OSError:
        return b""
