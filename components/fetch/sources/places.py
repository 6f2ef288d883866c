"""Where the files of a source are: here, or behind a URL. Both are listed and read by the same calls."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import unquote

from components.fetch.sources import local, remote
from components.fetch.sources.listing import Listed
from components.fetch.sources.service import is_web
from components.stage.errors import InputError


@dataclass(frozen=True)
class Places:
    """How files are found and brought here; `scratch` keeps their hashes and the downloads."""

    scratch: Path
    max_bytes: int  # of an image

    def list_folder(self, url: str) -> list[Listed]:
        """Every file below it, sorted by path. Raises InputError where there is no such folder."""
        if remote.is_remote(url):
            return remote.list_folder(url)
        try:
            return local.list_folder(here(url), self.hashes)
        except OSError as error:
            raise InputError(f"params.yaml: data.sources: {url}: {error.strerror}; name a folder") from None

    def list_files(self, named: list[tuple[str, str]]) -> list[Listed]:
        """These files, given as (path in the source, url), in this order; one that is not there has a fault."""
        far = remote.list_files([(path, url) for path, url in named if remote.is_remote(url)])
        near = local.list_files([(path, here(url)) for path, url in named if not remote.is_remote(url)], self.hashes)
        both = iter(far), iter(near)
        return [next(both[0] if remote.is_remote(url) else both[1]) for _, url in named]

    def list_file(self, url: str) -> Listed:
        """The one file. Raises InputError where it is not there."""
        [listed] = self.list_files([(file_name(url), url)])
        if listed.fault:
            raise InputError(f"params.yaml: data.sources: {url}: {listed.fault}; name a file")
        return listed

    def bring(self, files: Iterable[Listed]) -> Iterator[tuple[Listed, Path | str]]:
        """Each file and its path on this machine, or why it has none; in this order."""
        yield from remote.bring(files, self.scratch / "downloads")

    def bring_images(self, files: Iterable[Listed]) -> Iterator[tuple[Listed, Path | str]]:
        """As above, but for those that are too large for an image."""
        faults = ((file, file.fault or self.too_large(file.size)) for file in files)
        yield from self.bring(replace(file, fault=fault) if fault else file for file, fault in faults)

    def too_large(self, size: int) -> str | None:
        """What is said of an image of so many bytes."""
        return f"{size:,} bytes are more than data.limits.max_bytes" if size > self.max_bytes else None

    def bring_one(self, file: Listed) -> Path:
        """Its path on this machine. Raises InputError where it has none."""
        [(_, place)] = self.bring([file])
        if isinstance(place, str):
            raise InputError(f"params.yaml: data.sources: {file.where}: {place}")
        return place

    @property
    def hashes(self) -> Path:
        """Kept from run to run."""
        return self.scratch / "hashes.sqlite"


def here(url: str) -> str:
    """The path that a URL of this machine names."""
    return str(Path(os.path.expanduser(url.removeprefix("file://"))))  # noqa: PTH111 -- that raises for an unknown user


def file_name(url: str) -> str:
    """The last part of its path; on the web without what is asked of the server, such as a signature."""
    path = unquote(url.partition("?")[0]) if is_web(url) else url
    return path.rstrip("/").rsplit("/", 1)[-1]
