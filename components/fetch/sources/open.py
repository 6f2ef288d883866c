"""Open every kind of `data.sources`: list its files, and read the candidates in them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import assert_never

from components.fetch.params import Archive, Data, Digits, Folder, Manifest, ParquetShards, Published, Source
from components.fetch.sources import archive, folder, manifest, parquet
from components.fetch.sources.candidate import Candidate
from components.fetch.sources.listing import ListedFile
from components.fetch.sources.places import Places
from components.fetch.sources.published import read_digits, read_published


@dataclass(frozen=True)
class ListedSource:
    """A source and its files. Published data sets do not change, and list none."""

    source: Source
    files: list[ListedFile]

    @property
    def candidates(self) -> int | None:
        """The number of candidates of the source, or None if its list of files does not tell."""
        match self.source:
            case Folder():
                return len(self.files)
            case Manifest():
                return len(self.files) - 1  # without the manifest itself
            case _:
                return None


def open_sources(params: Data, places: Places) -> list[ListedSource]:
    """List the files of each source, in the order of params.yaml. Raises InputError if a source is missing."""
    return [ListedSource(source, list_files(source, places)) for source in params.sources]


def list_files(source: Source, places: Places) -> list[ListedFile]:
    """Return the files that the source holds now."""
    match source:
        case Folder():
            return folder.list_files(source, places)
        case Manifest():
            return manifest.list_files(source, places)
        case Archive():
            return archive.list_files(source, places)
        case ParquetShards():
            return parquet.list_files(source, places)
        case Digits() | Published():
            return []


def read_candidates(listed: ListedSource, places: Places) -> Iterator[Candidate]:
    """Yield the candidates of the source, in an order that depends on the source alone."""
    match listed.source:
        case Digits():
            yield from read_digits(listed.source)
        case Published():
            yield from read_published(listed.source)
        case Folder():
            yield from folder.read_candidates(listed.source, listed.files, places)
        case Manifest():
            yield from manifest.read_candidates(listed.source, listed.files, places)
        case Archive():
            yield from archive.read_candidates(listed.source, listed.files, places)
        case ParquetShards():
            yield from parquet.read_candidates(listed.source, listed.files, places)
        case _:
            assert_never(listed.source)
