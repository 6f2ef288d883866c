"""What is chosen from: the features of the images without a label, and of the labelled ones beside them.

Features are centred and of length 1, so that a product of two is a cosine that tells images apart also where an
encoder's features all point the same way. They are held once, as float32: 1 GB for 1,000,000 images of 256 features.
N images to choose from, M labelled images, D features.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor

from components.features.embeddings import read_about, read_features
from components.select.copies import Copies
from components.stage.errors import RunError
from components.store.store import TEST


@dataclass(frozen=True)
class Pool:
    """The images to choose from, in the store's order, and the labelled ones before them."""

    ids: pa.ChunkedArray  # (N,) str
    labels: np.ndarray  # (M,) int64
    joined: Tensor  # (M + N, D) float32, unit length
    copies: Copies  # near copies by hash
    barred: frozenset[str]  # ids of the near copies of labelled images

    @property
    def labelled(self) -> Tensor:
        """The features of the labelled images: (M, D)."""
        return self.joined[: len(self.labels)]

    @property
    def features(self) -> Tensor:
        """The features of the images to choose from: (N, D)."""
        return self.joined[len(self.labels) :]


def read_pool(path: Path, pool: str, copies: Copies) -> Pool:
    """Read the images to choose from out of a file of embeddings: all but the test images, which are left alone.

    `unlabelled` are those without a label; `train` are all of them, as if none had one. Raises InputError if the file
    is damaged, and RunError if a feature is not finite.
    """
    table, width = read_about(path)
    labels = table["label"].fill_null(-1).to_numpy()  # (rows,)
    usable = pc.not_equal(table["split"], TEST).to_numpy()
    known = usable & (labels >= 0) & (pool == "unlabelled")
    free = usable & ~known
    places = np.full(len(table), -1)  # in the joined features
    places[known] = np.arange(known.sum())
    places[free] = known.sum() + np.arange(free.sum())
    joined, first = np.empty((int(usable.sum()), width), np.float32), 0
    for part in read_features(path, width):  # one by one: all at once would take several times the memory
        if not np.isfinite(part).all():
            raise RunError(f"{path}: features that are not finite numbers; did the training diverge?")
        rows = slice(first, first + len(part))
        joined[places[rows][usable[rows]]] = part[usable[rows]]
        first += len(part)
    copied = table["id"].filter(
        pc.and_(pa.array(known), pc.is_in(table["id"], value_set=pa.array(copies, pa.string())))
    )
    barred = frozenset[str]().union(*(copies[name] for name in copied.to_pylist()))
    return Pool(table["id"].filter(pa.array(free)), labels[known], scale(joined), copies, barred)


def scale(joined: np.ndarray) -> Tensor:
    """Centre features and scale them to length 1, in place: (M + N, D)."""
    if len(joined):
        joined -= joined.mean(0, dtype=np.float64).astype(np.float32)
        lengths = np.sqrt(np.einsum("nd,nd->n", joined, joined))  # np.linalg.norm would take as much memory again
        joined /= np.maximum(lengths, np.finfo(np.float32).tiny)[:, None]
    return torch.from_numpy(joined)
