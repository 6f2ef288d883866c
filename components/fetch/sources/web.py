"""Ask web servers through fsspec: what is sent with a request, and whether what comes back is what was asked for.

Credentials are those of ~/.netrc, by host, or the headers that fsspec's own files or FSSPEC_HTTPS in the environment
give for all web servers (https://filesystem-spec.readthedocs.io/en/latest/features.html#configuration). Where a server
redirects to another host, these headers stay behind, as ~/.netrc's do. A part of a file is taken only if it is the part
that was asked for, of the version that was listed (RFC 9110, 14.4 and 8.8).
"""

import logging
import netrc
import os
import re
from collections.abc import Awaitable, Callable, Mapping
from email.utils import parsedate
from functools import cache
from io import FileIO
from pathlib import Path
from threading import Event
from typing import Any
from urllib.parse import urlsplit

from fsspec import config
from fsspec.asyn import sync

from components.fetch.sources.listing import ListedFile
from components.stage.disk import name_faults

SILENCE = 60  # seconds in which a server sends nothing, until it is asked again
CHUNK = 2**20  # bytes
KEPT = "what has been downloaded is kept, and another run goes on from it"
# The first of these that the server tells is the version.
VERSIONS = ("ETag", "md5Hash", "crc32c", "etag", "Content-MD5", "Last-Modified", "LastModified", "mtime")


class ChangedError(Exception):
    """Says that a file has become another since it was listed."""


def is_web(url: str) -> bool:
    """Whether the URL belongs to a web server, which knows pages and no folders."""
    return url.startswith(("http://", "https://"))


def build_options(url: str) -> dict[str, Any]:
    """Return fsspec's options for a web server: no compression, no total time limit, but one for silence."""
    import aiohttp  # slow to import, and most sources are not on the web

    configured: dict[str, Any] = {}
    for protocol in ("http", "https"):
        configured |= config.conf.get(protocol, {})
    headers = configured.get("headers", {})
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=30, sock_read=SILENCE)
    _check_netrc()
    client = {"timeout": timeout, "trust_env": True}  # respects HTTPS_PROXY and ~/.netrc
    client["middlewares"] = (_make_guard(urlsplit(url).netloc.lower(), frozenset(headers)),)
    return {
        "headers": {**headers, "Accept-Encoding": "identity"},
        "client_kwargs": {**configured.get("client_kwargs", {}), **client},
        "simple_links": False,
    }


@cache
def _check_netrc() -> None:
    """Warn of a ~/.netrc that cannot be understood, without its text: aiohttp's own warning may show a password."""
    path = Path(os.environ.get("NETRC", "~/.netrc")).expanduser()
    try:
        netrc.netrc(path)
    except netrc.NetrcParseError as error:
        logging.getLogger("aiohttp.client").setLevel(logging.ERROR)
        print(f"warning: {path}: cannot be understood near line {error.lineno}, so nothing of it is used", flush=True)
    except (OSError, RuntimeError, UnicodeError):  # RuntimeError: nobody knows the home
        pass


@cache  # fsspec knows by its options whether it has a connection to the server already
def _make_guard(host: str, private: frozenset[str]) -> Callable[[Any, Any], Awaitable[Any]]:
    """Make what takes the private headers out of a request to another host than the source's."""

    async def leave_out(request: Any, send: Callable[[Any], Awaitable[Any]]) -> Any:
        names = (request.url.authority.lower(), request.url.raw_authority.lower())  # bücher.de, xn--bcher-kva.de
        if host not in names:
            for name in private:
                request.headers.popall(name, None)
        return await send(request)

    return leave_out


def append(system: Any, where: str, file: ListedFile, end: int, out: FileIO, stopped: Event) -> None:
    """Append the file's bytes up to `end` to the file `out`, or write all of it into that, if that is what comes.

    Raises ChangedError, FileNotFoundError, OSError or aiohttp's errors; then `out` ends where it did, or is empty if
    the whole file was coming.
    """
    sync(system.loop, _append, system, where, file, end, out, stopped)


async def _append(system: Any, where: str, file: ListedFile, end: int, out: FileIO, stopped: Event) -> None:
    options, begin = dict(system.kwargs), out.tell()
    if file.size:  # or the server does not tell it
        options["headers"] = {**options["headers"], "Range": f"bytes={begin}-{end - 1}"}
    session = await system.set_session()
    async with session.get(system.encode_url(where), **options) as response:
        if response.status in (404, 410):
            raise FileNotFoundError(where)
        response.raise_for_status()
        if _is_other_version(file.version, response.headers):
            raise ChangedError
        is_part = response.status == 206
        told = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
        if is_part and told and int(told[1]) != begin:
            raise OSError(f"the server sent bytes from {int(told[1]):,} on, and was asked for those from {begin:,} on")
        start, stop = (begin, end) if is_part else (0, file.size)  # a server without ranges sends the whole file
        rewind(out, start)
        try:
            async for chunk in response.content.iter_chunked(CHUNK):
                if stopped.is_set():
                    break
                write_all(out, chunk)
                if stop and out.tell() > stop:
                    break
            if stop and out.tell() != stop and not stopped.is_set():
                came = "more" if out.tell() > stop else f"{out.tell() - start:,} bytes"
                raise OSError(f"{came} came instead of {stop - start:,} bytes")
        except BaseException:
            rewind(out, start)
            raise


def rewind(out: FileIO, length: int) -> None:
    """Cut a file off, so that the next bytes are written at its new end."""
    out.seek(length)
    out.truncate()


def write_all(out: FileIO, piece: bytes) -> None:
    """Write all of the piece. Raises DiskError; what could be written is where a later run goes on."""
    left = memoryview(piece)
    with name_faults(Path(out.name), KEPT):
        while left:
            left = left[out.write(left) or 0 :]


def _is_other_version(version: str, headers: Mapping[str, str]) -> bool:
    """Whether an answer has a version of the same kind, a date or a tag, as the one listed, and none is the same."""
    told = [headers[name].strip('"') for name in VERSIONS if name in headers]
    comparable = [other for other in told if (parsedate(other) is None) == (parsedate(version) is None)]
    return bool(version and comparable) and version not in comparable
