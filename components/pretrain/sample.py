"""A fixed sample of the images to train on, for the readings of a run (watch/readings.py), and for a first look.

It lies in some of the row groups, spread over the store, since to read a group for the sake of one image takes as long
as for all of them: a store of any size is sampled within seconds. Of each group a few images come before more do, since
a group may be of one class. N images, M of them wanted, G row groups, C channels, R pixels a side.
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from components.learning.randomness import SAMPLE, derive
from components.pretrain.params import Pretrain
from components.pretrain.readings import Sample
from components.store.squares import read_squares
from components.store.store import Store

GROUPS = 256  # row groups at most that images are taken from, and as many for the kNN where not all hold labels
A_GROUP = 64  # images at most that a row group gives before every other has given as many


def draw_sample(store: Store, splits: tuple[str, ...], params: Pretrain) -> Sample:
    """Images for the health; held-out queries and a bank for the online kNN from what is labelled."""
    watch = params.watch
    groups, labels = store.groups(splits), store.labels(splits)
    counts = [group.count for group in groups]
    rows = draw_rows(counts, np.full(len(labels), True), params.seed)
    labelled = draw_rows(counts, labels >= 0, params.seed)  # the same groups where all hold labels
    queries = labelled[: min(watch.knn_queries, len(labelled) // 2)]
    bank = labelled[len(queries) :][: watch.knn_bank] if len(queries) else labelled[:0]
    parts = (rows[: watch.sample], queries, bank)
    read = read_rows(store, splits, np.concatenate(parts), params).split_with_sizes([len(part) for part in parts])
    return Sample(
        images=read[0],
        queries=read[1],
        query_labels=torch.from_numpy(labels[queries]),
        bank=read[2],
        bank_labels=torch.from_numpy(labels[bank]),
    )


def draw_rows(counts: list[int], wanted: np.ndarray, seed: int) -> np.ndarray:
    """The wanted (N,) bool rows of some groups, so many a group, in such an order that few of each come first: (M,)."""
    rng = np.random.default_rng(derive(seed, SAMPLE))
    held = [rows for rows in rows_by_group(counts, wanted) if len(rows)]
    drawn = [held[number] for number in spread(len(held), rng)]
    if not drawn:
        return np.empty(0, np.int64)
    rounds = np.concatenate([rng.permutation(len(rows)) // A_GROUP for rows in drawn])
    mixed = rng.permutation(len(rounds))
    return np.concatenate(drawn)[mixed[np.argsort(rounds[mixed], kind="stable")]]


def rows_by_group(counts: list[int], wanted: np.ndarray) -> Iterator[np.ndarray]:
    """The wanted rows of each group, counted through the whole store."""
    first = 0
    for count in counts:
        yield first + np.flatnonzero(wanted[first : first + count])
        first += count


def spread(count: int, rng: np.random.Generator) -> np.ndarray:
    """At most GROUPS of so many: one of each of as many equal stretches, since a class's groups lie together: (G,)."""
    if count <= GROUPS:
        return np.arange(count)
    bounds = np.arange(GROUPS + 1) * count // GROUPS
    return rng.integers(bounds[:-1], bounds[1:])


def read_rows(store: Store, splits: tuple[str, ...], rows: np.ndarray, params: Pretrain) -> Tensor:
    """The images of these rows in this order: (M, C, R, R) uint8."""
    side, channels = params.images.read_side, params.images.channels
    return torch.from_numpy(read_squares(store, splits, rows, side=side, channels=channels))
