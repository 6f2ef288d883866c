"""The store: Parquet shards in the layout that Hugging Face `datasets` reads as images with class labels.

Columns: id (string), image (struct<bytes: binary, path: string>), label (int64, null when unlabelled), split.
"""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components.stage.errors import InputError
from components.store.shards import make_schema, open_shard, read_class_names, write_shards

TRAIN, TEST, UNLABELLED = "train", "test", "unlabelled"
GROUP_ROWS, GROUP_BYTES = 256, 16_000_000  # what a reader holds at a time: small beside a batch, large beside a seek
SHARD_BYTES = 256_000_000  # images per shard: few files for DVC to hash and move, each small enough to move again
SPLITS = (TRAIN, TEST, UNLABELLED)


@dataclass(frozen=True)
class Row:
    """An image of the store with its label and its split."""

    id: str
    image: bytes
    path: str
    label: int | None  # index into the class names
    split: str


@dataclass(frozen=True)
class Group:
    """The wanted rows of one row group, the smallest part of a shard that can be read."""

    shard: int
    group: int  # number of the row group in its shard
    rows: tuple[int, ...] | None  # numbers of the wanted rows in the row group; None means all
    count: int  # number of wanted rows


def write_store(folder: Path, rows: Iterable[Row], class_names: list[str]) -> None:
    """Write the rows as shards, holding a row group of them at a time; the same rows give the same bytes.

    The shards take the place of the folder's older ones only when all are written.
    """
    schema = make_schema(class_names)
    write_shards(folder, (_build_table(group, schema) for group in _group_rows(rows)), schema, SHARD_BYTES)


def write_labelled(
    folder: Path, store: "Store", *, labels: np.ndarray, splits: list[str], kept: np.ndarray, class_names: list[str]
) -> None:
    """Write the `kept` images of a store with new labels (-1: none) and splits, one row group at a time: (N,) each."""
    schema = make_schema(class_names)

    def tables() -> Iterator[pa.Table]:
        first = 0
        for table in store.read_row_groups():
            rows = slice(first, first + len(table))
            first += len(table)
            label = pa.array(labels[rows], mask=labels[rows] < 0)
            columns = [table["id"], table["image"], label, pa.array(splits[rows])]
            wanted = pa.table(columns, schema=schema).filter(pa.array(kept[rows]))
            if len(wanted):
                yield wanted

    write_shards(folder, tables(), schema, SHARD_BYTES)


def _group_rows(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Yield the rows in portions that fit a row group."""
    group: list[Row] = []
    size = 0
    for row in rows:
        if group and (len(group) == GROUP_ROWS or size + len(row.image) > GROUP_BYTES):
            yield group
            group, size = [], 0
        group.append(row)
        size += len(row.image)
    if group:
        yield group


def _build_table(rows: list[Row], schema: pa.Schema) -> pa.Table:
    columns = {
        "id": [row.id for row in rows],
        "image": [{"bytes": row.image, "path": row.path} for row in rows],
        "label": [row.label for row in rows],
        "split": [row.split for row in rows],
    }
    return pa.table(columns, schema=schema)


class Store:
    """Reads a store: its columns and images, each only when asked for. Worker processes may hold copies of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.shards = sorted(folder.glob("*.parquet"))
        if not self.shards:
            raise InputError(f"{folder}: no Parquet shards; `dvc repro fetch` writes them")
        self.class_names = read_class_names(self.shards)
        self.groups_by_splits: dict[tuple[str, ...], list[Group]] = {}

    def open_shard(self, number: int) -> AbstractContextManager[pq.ParquetFile]:
        """Open a shard for reading. Raises InputError if it is damaged, also while it is read."""
        return open_shard(self.shards[number])

    def read_columns(self, columns: list[str]) -> pa.Table:
        """Return the named columns of all rows, in the order of the shards."""
        return pa.concat_tables(self._read_shards(columns))

    def _read_shards(self, columns: list[str]) -> Iterator[pa.Table]:
        for number in range(len(self.shards)):
            with self.open_shard(number) as file:
                yield file.read(columns=columns)

    def read_row_groups(self) -> Iterator[pa.Table]:
        """Yield all columns of one row group after the other."""
        for number in range(len(self.shards)):
            with self.open_shard(number) as file:
                for group in range(file.num_row_groups):
                    yield file.read_row_group(group)

    def find_groups(self, splits: tuple[str, ...]) -> list[Group]:
        """Return the row groups that hold images of the splits, in the order of the shards."""
        if splits not in self.groups_by_splits:
            self.groups_by_splits[splits] = list(self._scan_groups(splits))
        return self.groups_by_splits[splits]

    def _scan_groups(self, splits: tuple[str, ...]) -> Iterator[Group]:
        for number in range(len(self.shards)):
            with self.open_shard(number) as file:
                for group in range(file.num_row_groups):
                    column = file.read_row_group(group, columns=["split"])["split"].to_pylist()
                    rows = tuple(row for row, split in enumerate(column) if split in splits)
                    if rows:
                        yield Group(number, group, None if len(rows) == len(column) else rows, len(rows))

    def read_group(self, group: Group) -> list[bytes]:
        """Return the encoded images of a group, in the order of its rows."""
        return next(self.read_groups([group]))

    def read_groups(self, groups: list[Group]) -> Iterator[list[bytes]]:
        """Yield the encoded images of one group after the other."""
        for column in self._read_column(groups, "image"):
            yield self.list_images(column)

    def list_images(self, column: pa.ChunkedArray) -> list[bytes]:
        """Return the encoded images in a column `image`. Raises InputError if one is missing."""
        encoded = column.combine_chunks().field("bytes")
        if column.null_count or encoded.null_count:
            raise InputError(f"{self.folder}: an image without bytes; `dvc repro fetch` writes the store")
        return list(encoded.to_pylist())

    def read_images(self, rows: np.ndarray, splits: tuple[str, ...]) -> Iterator[tuple[int, bytes]]:
        """Yield each row's place in `rows` and its encoded image; each row group is read once.

        Rows are counted through the splits, in the order of `find_groups`.
        """
        groups = self.find_groups(splits)
        firsts = np.cumsum([0] + [group.count for group in groups])
        owners = np.searchsorted(firsts, rows, side="right") - 1
        needed = np.unique(owners)
        for owner, images in zip(needed, self.read_groups([groups[owner] for owner in needed]), strict=True):
            for place in np.flatnonzero(owners == owner).tolist():
                yield place, images[rows[place] - firsts[owner]]

    def read_labels(self, splits: tuple[str, ...]) -> np.ndarray:
        """Return indices into the class names, -1 for unlabelled images: (N,) int64, in the order of `find_groups`."""
        columns = self._read_column(self.find_groups(splits), "label")
        labels = np.concatenate([np.empty(0, np.int64), *(column.fill_null(-1).to_numpy() for column in columns)])
        if len(labels) and not -1 <= labels.min() <= labels.max() < len(self.class_names):
            raise InputError(
                f"{self.folder}: a label that is the number of none of the {len(self.class_names)} classes; "
                "`dvc repro fetch` writes the store"
            )
        return labels

    def _read_column(self, groups: list[Group], name: str) -> Iterator[pa.ChunkedArray]:
        """Yield a column of the wanted rows of each group; successive groups of a shard share one opening of its file.

        Opening takes longer the more row groups a shard has: 14 ms for 5,000.
        """
        for shard, shard_groups in groupby(groups, lambda group: group.shard):
            with self.open_shard(shard) as file:
                for group in shard_groups:
                    column = file.read_row_group(group.group, columns=[name])[name]
                    yield column if group.rows is None else column.take(pa.array(group.rows))
