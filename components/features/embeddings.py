"""Embeddings as Parquet: id, split, label and a fixed-size list of float32, one file an encoder.

N images, n of them at a time, D features.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components.stage.errors import RunError
from components.store.store import TEST, TRAIN

ABOUT = ["id", "split", "label"]  # what stands beside the features
GROUP_ROWS = 1024  # in memory at a time: 12 MB of the widest features


@dataclass(frozen=True)
class Embeddings:
    """What one encoder makes of every image of the store, in the store's order."""

    ids: np.ndarray  # (N,) str
    splits: np.ndarray  # (N,) str
    labels: np.ndarray  # (N,) int64, -1 where unlabelled
    features: np.ndarray  # (N, D) float32

    def part(self, split: str) -> tuple[np.ndarray, np.ndarray]:
        """Features and labels of the labelled images of a split: (n, D), (n,)."""
        rows = (self.splits == split) & (self.labels >= 0)
        return self.features[rows], self.labels[rows]

    @property
    def train(self) -> tuple[np.ndarray, np.ndarray]:
        """The labelled train part."""
        return self.part(TRAIN)

    @property
    def test(self) -> tuple[np.ndarray, np.ndarray]:
        """The labelled test part."""
        return self.part(TEST)


class EmbeddingsWriter:
    """Writes a file as its rows come, beside its place; it takes that place when it is whole, and only then.

    Row groups are the same however the rows are portioned, so that the same rows give the same bytes.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.beside = path, path.with_name(f"{path.name}.new")
        self.waiting: pa.Table | None = None
        self.file: pq.ParquetWriter | None = None

    def add(self, rows: pa.Table, features: np.ndarray) -> None:
        """`rows`: id, split, label of the store; `features`: (n, D)."""
        flat = pa.array(np.ascontiguousarray(features, dtype=np.float32).reshape(-1))
        column = pa.FixedSizeListArray.from_arrays(flat, features.shape[1])
        self.add_table(rows.select(ABOUT).append_column("embedding", column))

    def add_table(self, table: pa.Table) -> None:
        """Rows with their embedding, as `read_tables` gives them."""
        waiting = table if self.waiting is None else pa.concat_tables([self.waiting, table])
        while len(waiting) >= GROUP_ROWS:
            self._write(waiting.slice(0, GROUP_ROWS))
            waiting = waiting.slice(GROUP_ROWS)
        self.waiting = waiting

    def _write(self, group: pa.Table) -> None:
        self.file = self.file or pq.ParquetWriter(self.beside, group.schema)
        self.file.write_table(group.combine_chunks())  # in chunks, the pages would be other ones

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        try:
            if kind is None and self.waiting is not None:
                self._finish(self.waiting)
        finally:
            if self.file is not None:
                self.file.close()
            self.beside.unlink(missing_ok=True)

    def _finish(self, last: pa.Table) -> None:
        if len(last) or self.file is None:
            self._write(last)
        if self.file is not None:
            self.file.close()
            self.beside.replace(self.path)


def write_embeddings(path: Path, rows: pa.Table, features: np.ndarray) -> None:
    """A whole file at once. `rows`: id, split, label of the store; `features`: (N, D)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with EmbeddingsWriter(path) as writer:
        writer.add(rows, features)


def read_tables(path: Path) -> Iterator[pa.Table]:
    """What an EmbeddingsWriter wrote, a row group at a time."""
    with pq.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            yield file.read_row_group(group)


def read_embeddings(path: Path) -> Embeddings:
    """All that was written. Raises RunError where a feature is not finite."""
    table = pq.read_table(path, columns=ABOUT)
    width = pq.read_schema(path).field("embedding").type.list_size
    features, first = np.empty((len(table), width), np.float32), 0
    for group in read_tables(path):  # not all at once, which would take several times the memory
        column = group["embedding"].combine_chunks()
        features[first : first + len(group)] = column.flatten().to_numpy().reshape(-1, width)
        first += len(group)
    broken = sum(int((~np.isfinite(part)).any(axis=1).sum()) for part in np.array_split(features, 1 + first // 4096))
    if broken:
        raise RunError(f"{path}: {broken:,} of {len(table):,} rows are not finite; did the training diverge?")
    return Embeddings(
        ids=np.array(table["id"].to_pylist()),
        splits=np.array(table["split"].to_pylist()),
        labels=table["label"].fill_null(-1).to_numpy(),
        features=features,
    )
