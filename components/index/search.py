"""Opens the folder that the stage index wrote: `open_index(folder).search(vectors, k)`, from any number of threads.

The vectors are mapped from their file, not read, once their checksum is right. N images, D features, Q queries, K
neighbours.
"""

import hashlib
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from components.features.cosine import normalise_rows
from components.index.among import place_among
from components.index.approximate import find_candidates, open_lists
from components.index.exact import Mapper, rank_exactly, search_exactly
from components.index.files import LISTS, MADE, VECTORS, About, read_images
from components.stage.errors import InputError


@dataclass(frozen=True)
class Index:
    """The images, searchable by features of the encoder whose features it was made of."""

    ids: np.ndarray  # (N,) str
    labels: np.ndarray  # (N,) int64, -1 where there is none
    splits: np.ndarray  # (N,) str
    classes: tuple[str, ...]
    places: np.ndarray  # (N, 2) float32, where each image lies in the map
    vectors: np.ndarray  # (N, D) float32 of length 1; zeros for an image whose features are all 0
    about: About
    lists: Any | None = field(repr=False)  # of faiss; None if every search compares all images
    each: Mapper = field(repr=False)

    def search(self, vectors: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Find the images nearest to each vector by cosine, nearest first: (Q, D) -> rows (Q, K) int64, cosines (Q, K)
        float32, with K = min(k, N). Equal cosines are ordered by row.

        Raises InputError for vectors of another width, or that are not finite."""
        queries = self._check_queries(vectors, k)
        if self.lists is None:
            return search_exactly(self.vectors, queries, k, self.each)
        return self._search_lists(queries, min(k, len(self.vectors)))

    def _search_lists(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Compare likely neighbours exactly; where the lists hold too few of them, compare all images."""
        rows, cosines = np.zeros((len(queries), k), np.int64), np.zeros((len(queries), k), np.float32)
        wanted = min(k * self.about.candidates, len(self.vectors))
        for query, found in enumerate(find_candidates(self.lists, queries, wanted, self.about.probes)):
            likely = found[found >= 0]
            if len(likely) < k:
                rows[query], cosines[query] = (
                    answer[0] for answer in search_exactly(self.vectors, queries[query, None], k, self.each)
                )
            else:
                rows[query], cosines[query] = rank_exactly(self.vectors, queries[query], likely, k)
        return rows, cosines

    def _check_queries(self, vectors: np.ndarray, k: int) -> np.ndarray:
        """Return the vectors with length 1: (Q, D) float32."""
        given = np.asarray(vectors, dtype=np.float64)
        if given.ndim != 2 or given.shape[1] != self.vectors.shape[1]:
            raise InputError(f"vectors: (Q, {self.vectors.shape[1]}) features, not an array {list(given.shape)}")
        if not np.isfinite(given).all():
            raise InputError("vectors: features that are not finite")
        if k < 1:
            raise InputError(f"k: 1 or more, not {k}")
        return normalise_rows(given).astype(np.float32)

    def place(self, rows: np.ndarray, similarities: np.ndarray) -> np.ndarray:
        """Place new pictures in the map by what `search` found: (Q, K), (Q, K) -> (Q, 2) float32."""
        return place_among(self.places, rows, similarities)


def open_index(folder: Path, threads: int = 1) -> Index:
    """Open the index; so many threads compare the images in a search. Raises InputError if there is none, or if it is
    damaged, incomplete, or not of this kind."""
    table, about = read_images(folder)
    for name, file in about.files.items():
        check_file(folder / name, file.bytes, file.sha256)
    vectors = map_vectors(folder / VECTORS, (len(table), about.features))
    return Index(
        ids=table["id"].to_numpy(),
        labels=table["label"].fill_null(-1).to_numpy(),
        splits=table["split"].to_numpy(),
        classes=about.classes,
        places=np.stack([table["x"].to_numpy(), table["y"].to_numpy()], axis=1),
        vectors=vectors,
        about=about,
        lists=open_lists(folder / LISTS, count=len(table), width=about.features) if LISTS in about.files else None,
        each=make_mapper(threads),
    )


def make_mapper(threads: int) -> Mapper:
    """Make what applies a function to many blocks, in so many threads."""
    if threads == 1:
        return map
    pool = ThreadPoolExecutor(threads, thread_name_prefix="index")

    def each(function: Callable[[int], Any], values: Iterable[int]) -> Iterable[Any]:
        return pool.map(function, values)

    return each


def check_file(path: Path, size: int, digest: str) -> None:
    """Check that a file is the one that was written. Raises InputError."""
    try:
        with path.open("rb") as file:
            found = path.stat().st_size
            if found != size:
                raise InputError(f"{path}: half written or of another index: {found:,} bytes, not {size:,}; {MADE}")
            if hashlib.file_digest(file, "sha256").hexdigest() != digest:
                raise InputError(f"{path}: damaged: its SHA-256 is another one; {MADE}")
    except FileNotFoundError:
        raise InputError(f"{path}: missing; {MADE}") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}; {MADE}") from None


def map_vectors(path: Path, shape: tuple[int, int]) -> np.ndarray:
    """Map the vectors from their file: (N, D) float32. Raises InputError if they have another shape."""
    try:
        vectors = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as an array ({str(error).splitlines()[0]}); {MADE}") from None
    if vectors.shape != shape or vectors.dtype != np.float32:
        raise InputError(f"{path}: {vectors.dtype} {list(vectors.shape)}, not float32 {list(shape)}; {MADE}")
    plain: np.ndarray = vectors.view(np.ndarray)
    return plain
