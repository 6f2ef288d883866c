"""Web servers that fail, lie and change in the middle: an image is whole or it is not there, and the next run has it.

A trial downloads an archive in pieces from a server that misbehaves in some of its answers, drawn by chance. It ends
with all the images, or with one line that names the URL; and once the server behaves, the next run ends with the images
that the server has then.
"""

import hashlib
import io
import random
import socket
import struct
import time
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from components.fetch.params import Archive
from components.fetch.sources import archive, remote, service, web
from components.fetch.sources.places import Places
from components.stage.errors import InputError, RunError
from tests.faults.conftest import Campaign
from tests.fetch.servers import Quiet, serve

SECRET = "S3cr3tS3cr3t"  # stands in the URLs that the server redirects to
LOGIN = b"<!doctype html><title>Log in</title>" * 60
STATUSES = (400, 404, 408, 410, 416, 429, 500, 502, 503, 504)
FAULTS = (
    *map(str, STATUSES),
    "401",
    "403",
    "reset",
    "cut",
    "cut chunk",
    "short",
    "long",
    "too much",
    "wrong range",
    "no range",
    "packed",
    "login",
    "loop",
    "away",
    "silent",
    "changed",
    "garbage",
    "long header",
    "no length",
    "no tag",
)
MIXING = ("wrong range", "changed", "no range", "no length", "away", "short")  # which may make a file that never was


@dataclass
class Liar:
    """A server's content, and how it will answer its next requests; after these it behaves."""

    content: bytes
    other: bytes
    answers: list[str] = field(default_factory=list)


class Lying(Quiet):
    """Answers as the liar says."""

    liar: Liar
    answer = ""

    def do_HEAD(self) -> None:  # noqa: N802 -- the server calls it so
        """Answer as for the content."""
        self.do_GET()

    def do_GET(self) -> None:  # noqa: N802
        """Answer in the next way."""
        liar = self.liar
        self.answer = answer = liar.answers.pop(0) if liar.answers and SECRET not in self.path else ""
        if answer == "changed":
            liar.content, liar.other = liar.other, liar.content
        if answer.isdigit():
            self.reply_whole(int(answer), b"", Retry_After="0")
        elif answer == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.connection.close()
        elif answer == "silent":
            time.sleep(0.3)
            self.close_connection = True
        elif answer == "garbage":
            self.wfile.write(b"\x00\xffSSH-2.0 no HTTP\r\n\r\n")
            self.close_connection = True
        elif answer == "login":
            self.reply_whole(200, LOGIN, Content_Type="text/html")
        elif answer in ("loop", "away"):
            there = self.path if answer == "loop" else f"{self.path}?X-Amz-Signature={SECRET}&X-Amz-Credential=x"
            liar.answers = ["loop"] * 12 + liar.answers if answer == "loop" else liar.answers
            self.reply_whole(302, b"", Location=there)
        else:
            self.send_content(answer)

    def send_content(self, answer: str) -> None:
        """Send the part that was asked for, or what the answer makes of it."""
        whole = self.liar.content
        first, last, status = 0, len(whole) - 1, 200
        fields = {"ETag": f'"{hashlib.md5(whole).hexdigest()}"'}
        if (requested := self.headers.get("Range")) and answer != "no range":
            first, last = (int(number) for number in requested.removeprefix("bytes=").split("-"))
            first, last = (first // 2, first // 2 + last - first) if answer == "wrong range" else (first, last)
            status, fields["Content_Range"] = 206, f"bytes {first}-{last}/{len(whole)}"
        body = whole[first : last + 1]
        lengths = {"short": len(body) // 2, "long": len(body) + 100, "too much": len(body) + 7}
        fields["Content_Length"] = str(lengths.get(answer, len(body)))
        body = {"short": body[: len(body) // 2], "too much": body + b"1234567"}.get(answer, body)
        if answer == "packed":
            fields["Content_Encoding"] = "gzip"
        if answer == "long header":
            fields["X_Long"] = "x" * 100_000
        if answer == "no length":
            del fields["Content_Length"]
        if answer == "cut chunk":
            del fields["Content_Length"]
            fields["Transfer_Encoding"] = "chunked"
            body = b"%x\r\n" % len(body) + body[: len(body) // 2]
        if answer == "no tag":
            del fields["ETag"]
        self.close_connection = answer in ("cut", "long", "cut chunk", "no length", "long header")
        self.reply(status, body, len(body) // 2 if answer == "cut" else None, **fields)


def pack(fill: int) -> bytes:
    """Pack three files that compress badly into an archive of some 3,500 bytes, four pieces."""
    out, draw = io.BytesIO(), random.Random(fill)
    with zipfile.ZipFile(out, "w") as packed:
        for number in range(3):
            packed.writestr(zipfile.ZipInfo(f"a/{number}.png"), draw.randbytes(1000))
    return out.getvalue()


def read_all(url: str, content: bytes, places: Places) -> list[bytes]:
    """Read the archive as the stage does, whose hash is that of this content. Raises InputError or RunError."""
    digest = hashlib.sha256(content).hexdigest()
    params = Archive(kind="archive", name="a", url=url, sha256=digest, layout="classes")
    listed = archive.list_files(params, places)
    return [bytes(one.content) for one in archive.read_candidates(params, listed, places) if not one.fault]  # type: ignore[arg-type]


@pytest.fixture
def quick_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make downloads of small pieces, without pauses and with little patience."""
    monkeypatch.setattr(service, "PAUSE", 0)
    monkeypatch.setattr(remote, "PIECE", 1000)
    monkeypatch.setattr(web, "SILENCE", 0.2)
    monkeypatch.setenv("NO_PROXY", "*")


@pytest.mark.usefixtures("quick_tries")
def test_servers_that_fail_and_lie(campaign: Campaign, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    draw = random.Random(campaign.seed)
    faults = draw.sample(FAULTS, len(FAULTS))
    for number in range(campaign.choose(12, 500)):
        content, other = pack(number), pack(-number - 1)
        liar = Liar(content, other)
        listed, kind = [""] * draw.randrange(6), draw.random()  # answers that are as they should be
        if number < len(FAULTS) or kind < 0.3:
            liar.answers = listed + [faults[number % len(FAULTS)]] * draw.choice([1, 1, 2, 12])
        elif kind < 0.6:
            liar.answers = listed + [draw.choice(MIXING)] * draw.choice([1, 2, 12])
        else:
            liar.answers = [draw.choice([*FAULTS, "", ""]) for _ in range(12)]
        what = f"{number}: {', '.join(liar.answers)}"
        places = Places(tmp_path / str(number), 10**6)
        with campaign.trial(what), serve(Lying, liar=liar) as url:
            images = [read_member(content), read_member(other)]
            began = time.monotonic()
            try:
                assert read_all(f"{url}/a.zip", content, places) == images[0]
            except (InputError, RunError) as error:
                check_line(str(error), url)
            assert time.monotonic() - began < 20, "it takes too long"
            liar.answers = []
            now = liar.content
            assert read_all(f"{url}/a.zip", now, places) == images[now == other], "the next run has not the images"
            printed = capfd.readouterr()
            assert SECRET not in printed.out + printed.err


def read_member(content: bytes) -> list[bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        return [packed.read(name) for name in packed.namelist()]


def check_line(text: str, url: str) -> None:
    assert "\n" not in text
    assert url in text
    assert SECRET not in text
    assert len(text) < 600
