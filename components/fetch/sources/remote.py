"""List files behind a URL (s3://, gs://, https://, and what else fsspec opens), and download them before they are read.

A download is kept under the hash of its URL, size and version: so an interrupted run goes on, a changed file is another
download, and the next run downloads only new files. A file is downloaded anew if its server tells no version or
no size.
"""

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from io import FileIO
from pathlib import Path
from threading import Event
from typing import Any
from urllib.parse import unquote_to_bytes

from components.fetch.sources import web
from components.fetch.sources.candidate import escape_name
from components.fetch.sources.listing import ListedFile
from components.fetch.sources.names import compose_names, is_wanted
from components.fetch.sources.pages import list_links, normalise_link
from components.fetch.sources.service import open_url, try_repeatedly
from components.fetch.sources.web import KEPT, VERSIONS, ChangedError, is_web, rewind, write_all
from components.show.progress import Progress
from components.stage.disk import name_faults
from components.stage.errors import InputError

THREADS, AHEAD = 16, 64  # files that are downloaded at once, and ahead of their turn
PORTION = 1000  # files that are listed before the next ones are
PIECE = 8_000_000  # bytes per request; an interrupted download goes on after the last whole piece
LARGE = 16_000_000  # bytes; larger files show their progress
CHANGED = "changed since the source was listed"
Waiting = deque[tuple[ListedFile, Future[Path | str]]]


def is_remote(url: str) -> bool:
    """Whether the text is a URL, but not of a file on this machine."""
    return "://" in url and not url.startswith("file:/")


def list_folder(url: str, left_out: set[str]) -> list[ListedFile]:
    """List every file below the folder, sorted by path, and add what is left out to `left_out`.

    Raises InputError if there is none.
    """
    system, root = open_url(url)
    try:
        if is_web(url):
            root = normalise_link(f"{root.rstrip('/')}/")
            links = list_links(system, root, left_out)
            listed = list_files([(escape_name(unquote_to_bytes(link.removeprefix(root))), link) for link in links])
        else:
            root = root.rstrip("/")
            objects = try_repeatedly(lambda: system.find(root, detail=True), url)
            listed = [
                _make_listed_file(escape_name(where.removeprefix(f"{root}/")), system, where, about)
                for where, about in objects.items()
                if not where.endswith("/")  # a placeholder of a folder
                and is_wanted(where.removeprefix(f"{root}/"), url, left_out)
            ]
            if root in objects:
                raise InputError(f"params.yaml: data.sources: {url}: a file; name a folder")
    except FileNotFoundError:
        listed = []
    if not listed:
        raise InputError(f"params.yaml: data.sources: {url}: no such folder, or nothing in it")
    names = compose_names([file.path for file in listed])
    named = (replace(file, path=name) for file, name in zip(listed, names, strict=True))
    return sorted(named, key=lambda file: file.path)


def list_file(path: str, url: str) -> ListedFile:
    """List a file; a missing one has a fault."""
    system, where = open_url(url)
    try:
        about = try_repeatedly(lambda: system.info(where), url)
    except FileNotFoundError:
        return ListedFile(path, url, 0, "", "not there")
    if about.get("type") == "directory":
        return ListedFile(path, url, 0, "", "a folder and not a file")
    return _make_listed_file(path, system, where, about)


def list_files(locations: list[tuple[str, str]]) -> list[ListedFile]:
    """List many files at once, given as (path, URL), in this order; missing ones have a fault."""
    portions = (locations[first : first + PORTION] for first in range(0, len(locations), PORTION))
    with ThreadPoolExecutor(THREADS) as pool:
        return [listed for portion in portions for listed in pool.map(lambda location: list_file(*location), portion)]


def bring_files(files: Iterable[ListedFile], downloads: Path) -> Iterator[tuple[ListedFile, Path | str]]:
    """Yield each file and its path on this machine, or why it has none, in this order.

    Some files are downloaded ahead of their turn; files of this machine stay where they are.
    """
    waiting: Waiting = deque()
    stopped = Event()
    with ThreadPoolExecutor(THREADS) as pool:
        try:
            for file in files:
                if not waiting and not is_remote(file.where):
                    yield file, file.fault or Path(file.where)
                    continue
                waiting.append((file, _start_bringing(file, downloads, stopped, pool, waiting)))
                if len(waiting) > AHEAD:
                    first, future = waiting.popleft()
                    yield first, future.result()
            while waiting:
                first, future = waiting.popleft()
                yield first, future.result()
        finally:
            stopped.set()  # downloads in progress end after their current piece
            pool.shutdown(cancel_futures=True)


def _start_bringing(
    file: ListedFile, downloads: Path, stopped: Event, pool: ThreadPoolExecutor, waiting: Waiting
) -> Future[Path | str]:
    if file.fault is None and is_remote(file.where):
        # Two downloads of a file would write into each other.
        begun = (future for earlier, future in waiting if (earlier.where, earlier.fault) == (file.where, None))
        return next(begun, None) or pool.submit(_bring_file, file, downloads, stopped)
    future: Future[Path | str] = Future()
    future.set_result(file.fault or Path(file.where))
    return future


def locate_download(file: ListedFile, downloads: Path) -> Path:
    """Return where a file that lies behind a URL is kept, once it is downloaded."""
    key = hashlib.sha256(f"{file.where}\n{file.size}\n{file.version}".encode()).hexdigest()
    return downloads / key[:2] / key


def locate_part(target: Path) -> Path:
    """Return where the beginning of a file is kept while it is downloaded."""
    return target.with_suffix(".part")


def _bring_file(file: ListedFile, downloads: Path, stopped: Event) -> Path | str:
    target = locate_download(file, downloads)
    if target.is_file() and file.version and target.stat().st_size == file.size:  # of 0, nobody knows what was to come
        return target
    part = locate_part(target)
    with name_faults(target, KEPT):
        target.parent.mkdir(parents=True, exist_ok=True)
        if not (file.version and file.size):  # a begun download may be of any version
            part.unlink(missing_ok=True)
    system, where = open_url(file.where)
    try:
        with name_faults(target, KEPT):
            opened = part.open("ab", buffering=0)
        with opened as out:
            done = out.tell() // 10**6
            progress = Progress(f"download {file.path}", file.size // 10**6, "MB", done) if file.size > LARGE else None
            try_repeatedly(lambda: _download(system, where, file, out, progress, stopped), file.where)
    except FileNotFoundError:
        return "gone since the source was listed"
    except ChangedError:
        part.unlink()
        return CHANGED
    if stopped.is_set():
        return "given up"
    if file.size > PIECE and list_file(file.path, file.where).version != file.version:
        part.unlink()  # pieces may be of different versions
        return CHANGED
    with name_faults(target, KEPT):
        part.replace(target)
    return target


def _download(
    system: Any, where: str, file: ListedFile, out: FileIO, progress: Progress | None, stopped: Event
) -> None:
    """Download the file, and go on where an earlier try ended. Raises OSError if the sizes do not agree."""
    size = file.size
    if out.tell() > size:  # or the server does not tell the size
        rewind(out, 0)
    while (out.tell() < size or not size) and not stopped.is_set():
        begin = out.tell()
        end = min(begin + PIECE, size)
        if is_web(where):
            web.append(system, where, file, end, out, stopped)
        else:
            piece = system.cat_file(where, start=begin, end=end) if size else system.cat_file(where)
            if size and len(piece) != end - begin:
                raise OSError(f"{len(piece):,} bytes came instead of {end - begin:,}")
            write_all(out, piece)
        if progress:
            progress.advance(out.tell() // 10**6 - begin // 10**6)
        if not size:
            return


def _make_listed_file(path: str, system: Any, where: str, about: dict[str, Any]) -> ListedFile:
    version = next((str(about[key]) for key in VERSIONS if about.get(key)), "")
    return ListedFile(path, system.unstrip_protocol(where), int(about.get("size") or 0), version.strip('"'))
