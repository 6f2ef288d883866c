"""Writes and reads embeddings as Parquet: id, split, label and a fixed-size list of float32, one file per encoder.

The schema's metadata name the precision in which the features were computed, since `auto` in params.yaml means another
one on another machine. N images, n of the N images, D features. PyTorch, whose import takes a second or two, is
imported only where a precision is asked for.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.stage.disk import name_faults
from components.stage.errors import InputError, RunError
from components.store.sealed import SealedWriter, open_sealed, read_metadata
from components.store.store import SPLITS, TEST, TRAIN

if TYPE_CHECKING:
    import torch

COLUMNS = {"id": pa.string(), "split": pa.string(), "label": pa.int64(), "embedding": None}  # of any width
ABOUT = ["id", "split", "label"]  # the columns beside the features
MADE = "`dvc repro embed` writes it"
GROUP_ROWS = 1024  # in memory at a time: 12 MB of the widest features
PRECISION = b"precision"  # the key of the metadata
PRECISIONS = (b"float32", b"bfloat16")


@dataclass(frozen=True)
class Embeddings:
    """One encoder's features of every image of the store, in the store's order."""

    ids: np.ndarray  # (N,) str
    splits: np.ndarray  # (N,) str
    labels: np.ndarray  # (N,) int64, -1 where unlabelled
    features: np.ndarray  # (N, D) float32
    precision: "torch.dtype"  # of the convolutions and products that made them

    def select_split(self, split: str) -> tuple[np.ndarray, np.ndarray]:
        """Select the features and labels of the labelled images of a split: (n, D), (n,)."""
        rows = (self.splits == split) & (self.labels >= 0)
        return self.features[rows], self.labels[rows]

    @property
    def train(self) -> tuple[np.ndarray, np.ndarray]:
        """The features and labels of the labelled train images: (n, D), (n,)."""
        return self.select_split(TRAIN)

    @property
    def test(self) -> tuple[np.ndarray, np.ndarray]:
        """The features and labels of the labelled test images: (n, D), (n,)."""
        return self.select_split(TEST)


class EmbeddingsWriter:
    """Writes a file of embeddings as its rows come, under a temporary name until the file is complete.

    Row groups do not depend on how the rows are portioned, so that the same rows give the same bytes.
    """

    def __init__(self, path: Path, precision: "torch.dtype") -> None:
        """`precision` is that of the features' convolutions and products."""
        self.path, self.temporary = path, path.with_name(f"{path.name}.new")
        self.metadata = {PRECISION: str(precision).removeprefix("torch.").encode()}
        self.waiting: pa.Table | None = None
        self.file: SealedWriter | None = None

    def add_rows(self, rows: pa.Table, features: np.ndarray) -> None:
        """Add rows of the store, with the columns id, split and label, and their features: (n, D)."""
        flat = pa.array(np.ascontiguousarray(features, dtype=np.float32).reshape(-1))
        column = pa.FixedSizeListArray.from_arrays(flat, features.shape[1])
        self.add_table(rows.select(ABOUT).append_column("embedding", column))

    def add_table(self, table: pa.Table) -> None:
        """Add a table of rows with their embeddings, as `read_tables` yields it."""
        waiting = table if self.waiting is None else pa.concat_tables([self.waiting, table])
        while len(waiting) >= GROUP_ROWS:
            self._write(waiting.slice(0, GROUP_ROWS))
            waiting = waiting.slice(GROUP_ROWS)
        self.waiting = waiting

    def _write(self, group: pa.Table) -> None:
        group = group.replace_schema_metadata(self.metadata)
        self.file = self.file or SealedWriter(self.temporary, group.schema, compression="snappy")
        self.file.write(group)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        try:
            if kind is None and self.waiting is not None:
                self._finish(self.waiting)
        finally:
            if self.file is not None:
                self.file.give_up()
            with suppress(OSError):
                self.temporary.unlink(missing_ok=True)

    def _finish(self, last: pa.Table) -> None:
        if len(last) or self.file is None:
            self._write(last)
        if self.file is not None:
            self.file.close()
            with name_faults(self.path):
                self.temporary.replace(self.path)


def read_tables(path: Path) -> Iterator[pa.Table]:
    """Yield the row groups of a file of embeddings, one after the other."""
    with open_sealed(path, COLUMNS, "embed") as file:
        for group in range(file.num_row_groups):
            yield file.read_row_group(group)


def read_features(path: Path, width: int) -> Iterator[np.ndarray]:
    """Yield the features of one row group after the other: (n, D) float32. Raises InputError if an image has none."""
    for group in read_tables(path):
        values = group["embedding"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
        if len(values) != len(group) * width:
            raise InputError(f"{path}: an image without features; {MADE}")
        yield values.reshape(-1, width)


def read_about(path: Path) -> tuple[pa.Table, int]:
    """Read what a file of embeddings says about its images, the columns ABOUT, and the width D of its features.

    Raises InputError if the file is damaged or holds something else.
    """
    with open_sealed(path, COLUMNS, "embed") as file:
        table, kind = file.read(columns=ABOUT), file.schema_arrow.field("embedding").type
    if not pa.types.is_fixed_size_list(kind) or kind.value_type != pa.float32() or kind.list_size < 1:
        raise InputError(f"{path}: the column embedding is no list of float32 of one length; {MADE}")
    ids = table["id"]
    if ids.null_count or pc.count_distinct(ids).as_py() < len(ids):
        raise InputError(f"{path}: an image without an id, or one that stands there twice; {MADE}")
    if not pc.all(pc.is_in(table["split"], value_set=pa.array(SPLITS)), min_count=0).as_py():
        raise InputError(f"{path}: a split that is none of {', '.join(SPLITS)}; {MADE}")
    if (pc.min(table["label"]).as_py() or 0) < 0:
        raise InputError(f"{path}: a label below 0; {MADE}")
    return table, kind.list_size


def read_embeddings(path: Path) -> Embeddings:
    """Read a whole file of embeddings. Raises RunError if a feature is not finite, and InputError if the file is
    damaged or does not say how precise they are."""
    (table, width), precision = read_about(path), read_precision(path)
    features, first = np.empty((len(table), width), np.float32), 0
    for part in read_features(path, width):  # one by one: all at once would take several times the memory
        features[first : first + len(part)] = part
        first += len(part)
    broken = sum(int((~np.isfinite(part)).any(axis=1).sum()) for part in np.array_split(features, 1 + first // 4096))
    if broken:
        raise RunError(f"{path}: {broken:,} of {len(table):,} rows are not finite; did the training diverge?")
    return Embeddings(
        ids=np.array(table["id"].to_pylist()),
        splits=np.array(table["split"].to_pylist()),
        labels=table["label"].fill_null(-1).to_numpy(),
        features=features,
        precision=precision,
    )


def read_precision(path: Path) -> "torch.dtype":
    """Read how precise the features are. Raises InputError if the file does not say."""
    import torch

    with open_sealed(path, COLUMNS, "embed") as file:
        name = read_metadata(file).get(PRECISION, b"")
    if name not in PRECISIONS:
        raise InputError(f"{path}: no precision of the features in its metadata; {MADE}")
    precision: torch.dtype = getattr(torch, name.decode())
    return precision
