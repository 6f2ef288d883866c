"""A fixed sample of the images to train on, for the readings of a run (readings.py) and for the preview (preview.py).

The sample comes from at most GROUPS row groups, spread over the store: reading a group for one image takes as long as
for all of its images, so a store of any size is sampled within seconds. Each group gives a few images before any group
gives more, since a group may hold a single class.

N images, M of them wanted, G row groups, C channels, R pixels per side.
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from components.learning.randomness import SAMPLE, derive_seed
from components.pretrain.params import Pretrain
from components.pretrain.readings import Sample
from components.store.squares import read_squares
from components.store.store import Store

GROUPS = 256  # images come from at most this many row groups, and those of the kNN from as many that hold labels
PER_ROUND = 64  # images that each row group gives at most in a round, before any group gives more


def draw_sample(store: Store, splits: tuple[str, ...], params: Pretrain) -> Sample:
    """Draw the images for the health, and from the labelled ones held-out queries and a bank for the online kNN."""
    watch = params.watch
    groups, labels = store.find_groups(splits), store.read_labels(splits)
    counts = [group.count for group in groups]
    rows = draw_rows(counts, np.full(len(labels), True), params.seed)
    labelled = draw_rows(counts, labels >= 0, params.seed)  # from the same groups if all hold labels
    queries = labelled[: min(watch.knn_queries, len(labelled) // 2)]
    bank = labelled[len(queries) :][: watch.knn_bank] if len(queries) else labelled[:0]
    parts = (rows[: watch.sample], queries, bank)
    squares = read_rows(store, splits, np.concatenate(parts), params).split_with_sizes([len(part) for part in parts])
    return Sample(
        images=squares[0],
        queries=squares[1],
        query_labels=torch.from_numpy(labels[queries]),
        bank=squares[2],
        bank_labels=torch.from_numpy(labels[bank]),
    )


def draw_rows(counts: list[int], wanted: np.ndarray, seed: int) -> np.ndarray:
    """Draw the wanted rows, (N,) bool, of at most GROUPS groups, and order them by rounds over the groups: (M,).

    `counts` has the images per group.
    """
    rng = np.random.default_rng(derive_seed(seed, SAMPLE))
    held = [rows for rows in split_by_group(counts, wanted) if len(rows)]
    drawn = [held[number] for number in draw_groups(len(held), rng)]
    if not drawn:
        return np.empty(0, np.int64)
    rounds = np.concatenate([rng.permutation(len(rows)) // PER_ROUND for rows in drawn])
    mixed = rng.permutation(len(rounds))
    return np.concatenate(drawn)[mixed[np.argsort(rounds[mixed], kind="stable")]]


def split_by_group(counts: list[int], wanted: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the wanted rows of each group, numbered through the whole store."""
    first = 0
    for count in counts:
        yield first + np.flatnonzero(wanted[first : first + count])
        first += count


def draw_groups(count: int, rng: np.random.Generator) -> np.ndarray:
    """Draw the numbers of at most GROUPS groups of `count`: (G,).

    One comes from each of GROUPS equal stretches, since the groups of a class may lie together.
    """
    if count <= GROUPS:
        return np.arange(count)
    bounds = np.arange(GROUPS + 1) * count // GROUPS
    return rng.integers(bounds[:-1], bounds[1:])


def read_rows(store: Store, splits: tuple[str, ...], rows: np.ndarray, params: Pretrain) -> Tensor:
    """Read the images of these rows in this order: (M, C, R, R) pixels."""
    shape = params.images
    squares = read_squares(store, splits, rows, side=shape.read_side, channels=shape.channels, deep=shape.deep)
    return torch.from_numpy(squares)
