"""Files behind a URL (s3://, gs://, https://, and what else fsspec opens), brought here before they are read.

A file lies in the downloads under the hash of its URL, size and version: so a run that was cut off goes on, a file that
changed is another one, and the next run brings only what is new. Where a server tells no version, it is brought anew.
"""

import hashlib
import posixpath
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from html import unescape
from pathlib import Path
from threading import Event
from typing import Any, BinaryIO
from urllib.parse import quote, unquote_to_bytes, urlsplit

from components.fetch.sources.candidate import as_text
from components.fetch.sources.listing import Listed
from components.fetch.sources.service import is_web, open_url, tried
from components.show.progress import Progress
from components.stage.errors import InputError

THREADS, AHEAD = 16, 64  # files that come at once, and that are asked for before they are needed
PORTION = 1000  # files that are asked about before the next are
PIECE = 8_000_000  # bytes that are asked for at once; a download goes on at the last whole one
LARGE = 16_000_000  # bytes of a file whose progress is shown
VERSIONS = ("ETag", "md5Hash", "crc32c", "etag", "Content-MD5", "Last-Modified", "LastModified", "mtime")  # first told
Waiting = deque[tuple[Listed, Future[Path | str]]]


def is_remote(url: str) -> bool:
    """Whether it is a URL and not a path."""
    return "://" in url and not url.startswith("file://")


def list_folder(url: str) -> list[Listed]:
    """Every file below it, sorted by path. Raises InputError where there is none."""
    system, root = open_url(url)
    try:
        if is_web(url):
            root = _plain(f"{root.rstrip('/')}/")
            links = _links(system, root)
            listed = list_files([(as_text(unquote_to_bytes(link.removeprefix(root))), link) for link in links])
        else:
            root = root.rstrip("/")
            found = tried(lambda: system.find(root, detail=True), url)
            objects = [(where, about) for where, about in found.items() if not where.endswith("/")]  # no placeholders
            listed = [_listed(as_text(where.removeprefix(f"{root}/")), system, where, one) for where, one in objects]
            if root in found:
                raise InputError(f"params.yaml: data.sources: {url}: a file; name a folder")
    except FileNotFoundError:
        listed = []
    if not listed:
        raise InputError(f"params.yaml: data.sources: {url}: no such folder, or nothing in it")
    return sorted(listed, key=lambda file: file.path)


def list_file(path: str, url: str) -> Listed:
    """One file; one that is not there has a fault."""
    system, where = open_url(url)
    try:
        about = tried(lambda: system.info(where), url)
    except FileNotFoundError:
        return Listed(path, url, 0, "", "not there")
    if about.get("type") == "directory":
        return Listed(path, url, 0, "", "a folder and not a file")
    return _listed(path, system, where, about)


def list_files(named: list[tuple[str, str]]) -> list[Listed]:
    """As above, many at once, in this order."""
    portions = (named[first : first + PORTION] for first in range(0, len(named), PORTION))
    with ThreadPoolExecutor(THREADS) as pool:
        return [listed for portion in portions for listed in pool.map(lambda one: list_file(*one), portion)]


def _links(system: Any, root: str) -> Iterator[str]:
    """The files in the listing that a web server shows of a folder, and in those below it. Raises FileNotFoundError."""
    waiting, seen = [root], {root}
    while waiting:
        page = waiting.pop()
        try:
            links = tried(lambda page=page: system.ls(page, detail=False), page)
        except FileNotFoundError:
            if page == root:
                raise
            yield page.rstrip("/")  # is not there either, which is then said of it
            continue
        for link in map(_plain, links):
            if link.startswith(root) and link not in seen:
                seen.add(link)
                if link.endswith("/"):
                    waiting.append(link)
                else:
                    yield link


def _plain(link: str) -> str:
    """As it is written once and for all; nothing where it is no file but a way to look at the listing (`?C=M;O=D`)."""
    try:
        parts = urlsplit(unescape(link))
    except ValueError:
        return ""
    path = posixpath.normpath(parts.path) + ("/" if parts.path.endswith("/") and parts.path != "/" else "")
    return "" if parts.query else f"{parts.scheme}://{parts.netloc}{quote(unquote_to_bytes(path))}"


def bring(files: Iterable[Listed], downloads: Path) -> Iterator[tuple[Listed, Path | str]]:
    """Each file and where it now lies, or why it does not; in this order, some of them ahead of their turn.

    Files of this machine stay where they are.
    """
    waiting: Waiting = deque()
    given_up = Event()
    with ThreadPoolExecutor(THREADS) as pool:
        try:
            for file in files:
                if not waiting and not is_remote(file.where):
                    yield file, file.fault or Path(file.where)
                    continue
                waiting.append((file, _start(file, downloads, given_up, pool, waiting)))
                if len(waiting) > AHEAD:
                    first, future = waiting.popleft()
                    yield first, future.result()
            while waiting:
                first, future = waiting.popleft()
                yield first, future.result()
        finally:
            given_up.set()  # whatever is on its way ends with the piece that it is at
            pool.shutdown(cancel_futures=True)


def _start(
    file: Listed, downloads: Path, given_up: Event, pool: ThreadPoolExecutor, waiting: Waiting
) -> Future[Path | str]:
    if file.fault is None and is_remote(file.where):
        coming = (future for other, future in waiting if (other.where, other.fault) == (file.where, None))
        return next(coming, None) or pool.submit(_bring, file, downloads, given_up)  # two would write into each other
    future: Future[Path | str] = Future()
    future.set_result(file.fault or Path(file.where))
    return future


def _bring(file: Listed, downloads: Path, given_up: Event) -> Path | str:
    key = hashlib.sha256(f"{file.where}\n{file.size}\n{file.version}".encode()).hexdigest()
    target = downloads / key[:2] / key
    if target.is_file() and file.version:
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_suffix(".part")
    if not file.version:  # then what lies there may be of any version
        part.unlink(missing_ok=True)
    system, where = open_url(file.where)
    try:
        with part.open("ab") as out:
            done = out.tell() // 10**6
            progress = Progress(f"download {file.path}", file.size // 10**6, "MB", done) if file.size > LARGE else None
            tried(lambda: _download(system, where, file.size, out, progress, given_up), file.where)
    except FileNotFoundError:
        return "gone since the source was listed"
    if given_up.is_set():
        return "given up"
    if file.size > PIECE and list_file(file.path, file.where).version != file.version:
        part.unlink()  # some pieces may be of the one, some of the other
        return "changed since the source was listed"
    part.replace(target)
    return target


def _download(system: Any, where: str, size: int, out: BinaryIO, progress: Progress | None, given_up: Event) -> None:
    """Go on where an earlier try ended."""
    if size == 0:  # or not told
        out.truncate(0)
        out.write(system.cat_file(where))
    while out.tell() < size and not given_up.is_set():
        begin = out.tell()
        end = min(begin + PIECE, size)
        piece = system.cat_file(where, start=begin, end=end)
        if len(piece) == size and begin > 0:  # a server that knows no ranges sends all of it
            out.seek(0)
            out.truncate()
        elif len(piece) not in (size, end - begin):
            raise OSError(f"{len(piece)} bytes came instead of {end - begin}")
        out.write(piece)
        if progress:
            progress.advance((begin + len(piece)) // 10**6 - begin // 10**6)
    if out.tell() > size > 0:
        out.seek(0)
        out.truncate()
        raise OSError("more bytes have come than the file has")


def _listed(path: str, system: Any, where: str, about: dict[str, Any]) -> Listed:
    version = next((str(about[key]) for key in VERSIONS if about.get(key)), "")
    return Listed(path, system.unstrip_protocol(where), int(about.get("size") or 0), version.strip('"'))
