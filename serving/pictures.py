"""Reads the encoded images of the store by their ids; nothing else of the disk can be asked for.

The shards stay open, so that what is served stays whole when a run replaces them.
"""

import threading
from contextlib import ExitStack

import pyarrow.parquet as pq

from components.store.store import Store


class Pictures:
    """The images of a store, by id."""

    def __init__(self, store: Store) -> None:
        """Read the ids of all images. Raises InputError if the store is damaged."""
        self.classes = tuple(store.class_names)
        self.lock = threading.Lock()  # a ParquetFile is read by one thread at a time
        self.opened = ExitStack()
        self.shards: list[pq.ParquetFile] = []
        self.places: dict[str, tuple[int, int, int]] = {}  # id -> shard, row group, row
        for number in range(len(store.shards)):
            file = self.opened.enter_context(store.open_shard(number))
            self.shards.append(file)
            for group in range(file.num_row_groups):
                ids = file.read_row_group(group, columns=["id"])["id"].to_pylist()
                self.places |= {name: (number, group, row) for row, name in enumerate(ids)}

    def __len__(self) -> int:
        return len(self.places)

    def __contains__(self, name: str) -> bool:
        return name in self.places

    def read(self, name: str) -> bytes:
        """Read the encoded image of this id. Raises KeyError if there is none."""
        shard, group, row = self.places[name]
        with self.lock:
            column = self.shards[shard].read_row_group(group, columns=["image"])["image"]
        encoded: bytes = column[row].as_py()["bytes"]
        return encoded
