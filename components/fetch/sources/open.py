"""Every kind of `data.sources`: what it holds, file by file, and the candidates in it."""

from collections.abc import Iterator
from dataclasses import dataclass

from components.fetch.params import Archive, Data, Digits, Folder, Manifest, ParquetShards, Published, Source
from components.fetch.sources import archive, folder, manifest, parquet
from components.fetch.sources.candidate import Candidate
from components.fetch.sources.listing import Listed
from components.fetch.sources.places import Places
from components.fetch.sources.published import digits, published


@dataclass(frozen=True)
class Opened:
    """A source whose files have been listed. Published data sets do not change, and list none."""

    source: Source
    listed: list[Listed]

    @property
    def candidates(self) -> int | None:
        """How many it has, where the list tells."""
        match self.source:
            case Folder():
                return len(self.listed)
            case Manifest():
                return len(self.listed) - 1  # itself
            case _:
                return None


def open_sources(params: Data, places: Places) -> list[Opened]:
    """Each, in the order of params.yaml. Raises InputError where one is not there."""
    return [Opened(source, list_files(source, places)) for source in params.sources]


def list_files(source: Source, places: Places) -> list[Listed]:
    """What it holds now."""
    match source:
        case Folder():
            return folder.list_files(source, places)
        case Manifest():
            return manifest.list_files(source, places)
        case Archive():
            return archive.list_files(source, places)
        case ParquetShards():
            return parquet.list_files(source, places)
        case _:
            return []


def read(opened: Opened, places: Places) -> Iterator[Candidate]:
    """Its candidates, in an order that depends on the source alone."""
    match opened.source:
        case Digits():
            yield from digits(opened.source)
        case Published():
            yield from published(opened.source)
        case Folder():
            yield from folder.read(opened.source, opened.listed, places)
        case Manifest():
            yield from manifest.read(opened.source, opened.listed, places)
        case Archive():
            yield from archive.read(opened.source, opened.listed, places)
        case ParquetShards():
            yield from parquet.read(opened.source, opened.listed, places)
