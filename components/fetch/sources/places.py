"""List and read the files of a source by the same calls, whether they are on this machine or behind a URL."""

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import unquote, unquote_to_bytes

from components.fetch.sources import local, remote
from components.fetch.sources.listing import ListedFile
from components.fetch.sources.web import is_web
from components.fetch.sources.workspace import find_from_checkout
from components.stage.errors import InputError


@dataclass(frozen=True)
class Places:
    """Finds files and downloads them; `scratch` keeps their hashes and the downloads."""

    scratch: Path
    max_bytes: int  # per image
    left_out: set[str] = field(default_factory=set)  # folders and files that were found and left out on purpose

    def list_folder(self, url: str) -> list[ListedFile]:
        """List every file below the folder but what is left out, sorted by path.

        Raises InputError if there is no such folder.
        """
        if remote.is_remote(url):
            return remote.list_folder(url, self.left_out)
        try:
            return local.list_folder(to_local_path(url), self.hashes, self.left_out)
        except OSError as error:
            raise InputError(f"params.yaml: data.sources: {_show(url)}: {error.strerror}; name a folder") from None

    def list_files(self, locations: list[tuple[str, str]]) -> list[ListedFile]:
        """List these files, given as (path in the source, URL), in this order; a missing file has a fault."""
        remote_files = remote.list_files([(path, url) for path, url in locations if remote.is_remote(url)])
        local_files = local.list_files(
            [(path, to_local_path(url)) for path, url in locations if not remote.is_remote(url)], self.hashes
        )
        listed = iter(remote_files), iter(local_files)
        return [next(listed[0] if remote.is_remote(url) else listed[1]) for _, url in locations]

    def list_file(self, url: str) -> ListedFile:
        """List the file. Raises InputError if it is missing."""
        [listed] = self.list_files([(get_file_name(url), url)])
        if listed.fault:
            raise InputError(f"params.yaml: data.sources: {_show(url)}: {listed.fault}; name a file")
        return listed

    def bring_files(self, files: Iterable[ListedFile]) -> Iterator[tuple[ListedFile, Path | str]]:
        """Yield each file and its path on this machine, or why it has none; in this order."""
        yield from remote.bring_files(files, self.scratch / "downloads")

    def bring_images(self, files: Iterable[ListedFile]) -> Iterator[tuple[ListedFile, Path | str]]:
        """Yield files as `bring_files` does, with a fault for those that are too large for an image."""
        faults = ((file, file.fault or self.find_size_fault(file.size)) for file in files)
        yield from self.bring_files(replace(file, fault=fault) if fault else file for file, fault in faults)

    def find_size_fault(self, size: int) -> str | None:
        """Return what is wrong with an image of this many bytes, or None."""
        return f"{size:,} bytes are more than data.limits.max_bytes" if size > self.max_bytes else None

    def bring_file(self, file: ListedFile) -> Path:
        """Return the path of the file on this machine. Raises InputError if it has none."""
        [(_, path)] = self.bring_files([file])
        if isinstance(path, str):
            raise InputError(f"params.yaml: data.sources: {file.where}: {path}")
        return path

    def discard(self, file: Path) -> None:
        """Remove a download that is not what it should be; files of this machine stay."""
        if file.is_relative_to(self.scratch / "downloads"):
            file.unlink()

    def measure_downloads(self, files: Iterable[ListedFile]) -> int:
        """Return the bytes that have to be downloaded of these files; begun downloads go on."""
        sizes = {
            remote.locate_download(file, self.scratch / "downloads"): file.size
            for file in files
            if remote.is_remote(file.where)
        }
        missing = {remote.locate_part(place): size for place, size in sizes.items() if not place.is_file()}
        return sum(max(0, size - (part.stat().st_size if part.is_file() else 0)) for part, size in missing.items())

    @property
    def hashes(self) -> Path:
        """The database of hashes of files, which is kept from run to run."""
        return self.scratch / "hashes.sqlite"


def to_local_path(url: str) -> str:
    """Return the path that a URL of this machine names: file:///my%20images, file://localhost/images, or a plain path.

    A file URL's %20 stands for a space (RFC 8089), unless only a file with %20 in its name is there.
    """
    name = re.sub(r"^file:(//(localhost(?=/))?)?", "", url) if url.startswith(("file://", "file:/")) else url
    plain = _expand(name)
    decoded = _expand(os.fsdecode(unquote_to_bytes(os.fsencode(name)))) if name != url else plain
    return plain if decoded != plain and not os.path.lexists(decoded) and os.path.lexists(plain) else decoded


def _show(url: str) -> str:
    """Return the URL, with the place that it names on this machine if that depends on the working folder."""
    relative = not remote.is_remote(url) and not Path(to_local_path(url)).is_absolute()
    return f"{url} (that is {Path(to_local_path(url)).absolute()})" if relative else url


def _expand(path: str) -> str:
    expanded = Path(os.path.expanduser(path))  # noqa: PTH111 -- Path.expanduser raises for an unknown user
    return str(find_from_checkout(expanded))


def get_file_name(url: str) -> str:
    """Return the last part of the URL's path; on the web without the query, such as a signature."""
    path = unquote(url.partition("?")[0]) if is_web(url) else url
    return path.rstrip("/").rsplit("/", 1)[-1]
