"""Embeddings as Parquet: id, split, label and a fixed-size list of float32, one file an encoder.

N images, D features.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components.data.store import TEST, TRAIN


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


def write_embeddings(path: Path, rows: pa.Table, features: np.ndarray) -> None:
    """`rows`: id, split, label of the store; `features`: (N, D) float32."""
    path.parent.mkdir(parents=True, exist_ok=True)
    flat = pa.array(np.ascontiguousarray(features, dtype=np.float32).reshape(-1))
    column = pa.FixedSizeListArray.from_arrays(flat, features.shape[1])
    pq.write_table(rows.select(["id", "split", "label"]).append_column("embedding", column), path)


def read_embeddings(path: Path) -> Embeddings:
    """Read what `write_embeddings` wrote."""
    table = pq.read_table(path)
    column = table["embedding"].combine_chunks()
    return Embeddings(
        ids=np.array(table["id"].to_pylist()),
        splits=np.array(table["split"].to_pylist()),
        labels=table["label"].fill_null(-1).to_numpy(),
        features=column.flatten().to_numpy().reshape(len(table), column.type.list_size),
    )
