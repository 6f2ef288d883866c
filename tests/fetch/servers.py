"""Servers on this machine for sources behind URLs: a web server and one of Google's storage."""

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
    """A web site: its content, how its server behaves, and the requests that it got."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)  # by path, without a slash in front
    modified: dict[str, str] = field(default_factory=dict)  # dates by path, told instead of an ETag
    pages: dict[str, str] = field(default_factory=dict)  # listings by path, other than the plain ones
    statuses: dict[str, int] = field(default_factory=dict)  # statuses by path, sent instead of the file
    failing: int = 0  # how many more requests it answers by 503
    cuts: list[bool] = field(default_factory=list)  # for the next answers with content: whether they are cut off
    ranges: bool = True
    lengths: bool = True
    heads: bool = True
    packing: bool = False  # whether to compress by gzip if that is accepted
    requests: list[tuple[str, str]] = field(default_factory=list)  # method and path
    served: Counter[str] = field(default_factory=Counter)  # bytes of each file

    def list_downloads(self) -> list[str]:
        """Return the paths whose content was asked for."""
        return [path for method, path in self.requests if method == "GET"]


class Quiet(BaseHTTPRequestHandler):
    """Answers requests without logging them."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """Log nothing."""

    def reply(self, status: int, body: bytes, sent: int | None = None, **headers: str) -> None:
        """Reply with the body, or with as much of it as is sent."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[:sent])

    def reply_whole(self, status: int, body: bytes, **headers: str) -> None:
        """Reply with the body and its length."""
        self.reply(status, body, Content_Length=str(len(body)), **headers)


class Pages(Quiet):
    """Serves the files and pages of a site."""

    site: Site

    def do_HEAD(self) -> None:
        """Answer as for the file, without its content."""
        self.do_GET()

    def do_GET(self) -> None:
        """Send a file, or the listing of a folder."""
        site, path = self.site, unquote(urlsplit(self.path).path).lstrip("/")
        site.requests.append((self.command, path))
        status = site.statuses.get(path, 405 if self.command == "HEAD" and not site.heads else 200)
        if site.failing > 0:
            site.failing -= 1
            self.reply_whole(503, b"")
        elif status != 200:
            self.reply_whole(status, b"")
        elif path in site.files:
            self.send_file(path, site.files[path])
        elif page := site.pages.get(path) or self.make_listing(path):
            self.reply_whole(200, page.encode(), Content_Type="text/html; charset=utf-8")
        else:
            self.reply_whole(404, b"")

    def make_listing(self, folder: str) -> str:
        """Return a listing of the folder as most servers show it."""
        folder = folder.rstrip("/") + "/"
        below = {path.removeprefix(folder) for path in self.site.files if path.startswith(folder)}
        names = {name.split("/")[0] + "/" * ("/" in name) for name in below}
        return "".join(f'<a href="{quote(name)}">{name}</a>\n' for name in sorted(names))

    def send_file(self, path: str, content: bytes) -> None:
        """Send as much of the file as is asked for, in the way the server behaves."""
        site, status, length = self.site, 200, len(content)
        fields = {"ETag": f'"{md5(content).hexdigest()}"'}
        if path in site.modified:
            fields = {"Last_Modified": site.modified[path]}
        if site.packing and "gzip" in self.headers.get("Accept-Encoding", ""):
            content, fields = gzip.compress(content), fields | {"Content_Encoding": "gzip"}
        elif site.ranges and (requested := self.headers.get("Range")):
            first, last = (int(number) for number in requested.removeprefix("bytes=").split("-"))
            status, content = 206, content[first : last + 1]
            fields["Content_Range"] = f"bytes {first}-{last}/{length}"
        if site.lengths:
            fields["Content_Length"] = str(len(content))
        else:
            self.close_connection = True
        cut = self.command == "GET" and bool(site.cuts) and site.cuts.pop(0)
        sent = len(content) // 2 if cut else len(content)
        if self.command == "GET":
            site.served[path] += sent
        self.reply(status, content, sent, **fields)
        self.close_connection |= cut


class Storage(Quiet):
    """Answers what gcsfs asks of Google: https://cloud.google.com/storage/docs/json_api/v1/objects."""

    objects: dict[str, bytes]  # of the only bucket, `images`

    def do_GET(self) -> None:
        """Send a listing, an object, or what is known of an object."""
        parts = urlsplit(self.path)
        service, _, key = unquote(parts.path).partition("/b/images/o")
        key = key.removeprefix("/")
        if not key and service == "/storage/v1":
            prefix = parse_qs(parts.query).get("prefix", [""])[0]
            items = [self.describe(key) for key in sorted(self.objects) if key.startswith(prefix)]
            self.reply_whole(200, json.dumps({"items": items}).encode(), Content_Type="application/json")
        elif key not in self.objects:
            self.reply_whole(404, b"{}")
        elif service.startswith("/download"):
            first, last = (int(number) for number in self.headers["Range"].removeprefix("bytes=").split("-"))
            self.reply_whole(206, self.objects[key][first : last + 1])
        else:
            self.reply_whole(200, json.dumps(self.describe(key)).encode(), Content_Type="application/json")

    def describe(self, key: str) -> dict[str, str]:
        """Return what is known of an object."""
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
def serve(handler: type[Quiet], **attributes: Any) -> Iterator[str]:
    """Run a server with these attributes, and yield its URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (handler,), attributes))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
