"""Servers on this machine for sources behind URLs: one of the web and one of Google's storage."""

import gzip
import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import md5
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit


@dataclass
class Site:
    """What a web server has, how it behaves, and what it was asked."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)  # by their path without a slash in front
    modified: dict[str, str] = field(default_factory=dict)  # where it tells no ETag
    pages: dict[str, str] = field(default_factory=dict)  # listings that are not simply the names
    statuses: dict[str, int] = field(default_factory=dict)  # that it gives instead of the file
    failing: int = 0  # requests that it still answers by 503
    cuts: list[bool] = field(default_factory=list)  # whether it cuts off the next answers with content in the middle
    ranges: bool = True
    lengths: bool = True
    heads: bool = True
    packing: bool = False  # by gzip, where that is accepted
    asked: list[tuple[str, str]] = field(default_factory=list)  # method and path
    served: Counter[str] = field(default_factory=Counter)  # bytes of each file

    def got(self) -> list[str]:
        """The paths of which the content was asked for."""
        return [path for method, path in self.asked if method == "GET"]


class Quiet(BaseHTTPRequestHandler):
    """Answers, and says nothing about it."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """Nothing."""

    def reply(self, status: int, body: bytes, sent: int | None = None, **headers: str) -> None:
        """With the body, or as much of it as is sent."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[:sent])

    def lengthy(self, status: int, body: bytes, **headers: str) -> None:
        """And say how long the body is."""
        self.reply(status, body, Content_Length=str(len(body)), **headers)


class Pages(Quiet):
    """Of a site."""

    site: Site

    def do_HEAD(self) -> None:
        """As for the file, without it."""
        self.do_GET()

    def do_GET(self) -> None:
        """A file, or the listing of a folder."""
        site, path = self.site, unquote(urlsplit(self.path).path).lstrip("/")
        site.asked.append((self.command, path))
        status = site.statuses.get(path, 405 if self.command == "HEAD" and not site.heads else 200)
        if site.failing > 0:
            site.failing -= 1
            self.lengthy(503, b"")
        elif status != 200:
            self.lengthy(status, b"")
        elif path in site.files:
            self.file(path, site.files[path])
        elif page := site.pages.get(path) or self.listing(path):
            self.lengthy(200, page.encode(), Content_Type="text/html; charset=utf-8")
        else:
            self.lengthy(404, b"")

    def listing(self, folder: str) -> str:
        """A page as most servers show it."""
        folder = folder.rstrip("/") + "/"
        below = {path.removeprefix(folder) for path in self.site.files if path.startswith(folder)}
        names = {name.split("/")[0] + "/" * ("/" in name) for name in below}
        return "".join(f'<a href="{quote(name)}">{name}</a>\n' for name in sorted(names))

    def file(self, path: str, content: bytes) -> None:
        """As much of it as is asked for, and as the server behaves."""
        site, status, length = self.site, 200, len(content)
        told = {"ETag": f'"{md5(content).hexdigest()}"'}
        if path in site.modified:
            told = {"Last_Modified": site.modified[path]}
        if site.packing and "gzip" in self.headers.get("Accept-Encoding", ""):
            content, told = gzip.compress(content), told | {"Content_Encoding": "gzip"}
        elif site.ranges and (wanted := self.headers.get("Range")):
            first, last = (int(number) for number in wanted.removeprefix("bytes=").split("-"))
            status, content = 206, content[first : last + 1]
            told["Content_Range"] = f"bytes {first}-{last}/{length}"
        if site.lengths:
            told["Content_Length"] = str(len(content))
        else:
            self.close_connection = True
        cut = self.command == "GET" and bool(site.cuts) and site.cuts.pop(0)
        sent = len(content) // 2 if cut else len(content)
        if self.command == "GET":
            site.served[path] += sent
        self.reply(status, content, sent, **told)
        self.close_connection |= cut


class Storage(Quiet):
    """What gcsfs asks of Google: https://cloud.google.com/storage/docs/json_api/v1/objects."""

    objects: dict[str, bytes]  # of the one bucket, `images`

    def do_GET(self) -> None:
        """A listing, an object or what is known of it."""
        parts = urlsplit(self.path)
        service, _, key = unquote(parts.path).partition("/b/images/o")
        key = key.removeprefix("/")
        if not key and service == "/storage/v1":
            prefix = parse_qs(parts.query).get("prefix", [""])[0]
            items = [self.about(key) for key in sorted(self.objects) if key.startswith(prefix)]
            self.lengthy(200, json.dumps({"items": items}).encode(), Content_Type="application/json")
        elif key not in self.objects:
            self.lengthy(404, b"{}")
        elif service.startswith("/download"):
            first, last = (int(number) for number in self.headers["Range"].removeprefix("bytes=").split("-"))
            self.lengthy(206, self.objects[key][first : last + 1])
        else:
            self.lengthy(200, json.dumps(self.about(key)).encode(), Content_Type="application/json")

    def about(self, key: str) -> dict[str, str]:
        """What is known of an object."""
        content = self.objects[key]
        return {
            "name": key,
            "bucket": "images",
            "size": str(len(content)),
            "md5Hash": md5(content).hexdigest(),
            "updated": "2026-01-01T00:00:00.000Z",
            "timeCreated": "2026-01-01T00:00:00.000Z",
        }


@contextmanager
def serving(handler: type[Quiet], **what: Any) -> Iterator[str]:
    """The URL of a server with these attributes."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (handler,), what))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
