"""A fixed sample of the images to train on, for the readings of a run (watch/readings.py), and for a first look.

It is drawn from all row groups alike but for a few images each, so that a store of any size is sampled quickly.
"""

from functools import partial

import numpy as np
import torch
from torch import Tensor

from components.byol.randomness import SAMPLE, derive
from components.data.decode import decode_square
from components.data.store import Store
from components.params.pretrain import Pretrain
from components.watch.readings import Sample

A_GROUP = 64  # images at most that a row group gives: groups may be of one class each


def draw_sample(store: Store, splits: tuple[str, ...], params: Pretrain) -> Sample:
    """Images for the health; held-out queries and a bank for the online kNN from what is labelled."""
    watch = params.watch
    rng = np.random.default_rng(derive(params.seed, SAMPLE))
    rows = draw_rows(store, splits, rng)
    labels = store.labels(splits)
    labelled = rows[labels[rows] >= 0]
    queries = labelled[: min(watch.knn_queries, len(labelled) // 2)]
    bank = labelled[len(queries) :][: watch.knn_bank] if len(queries) else labelled[:0]
    read = partial(read_rows, store, splits, params=params)
    return Sample(
        images=read(rows[: watch.sample]),
        queries=read(queries),
        query_labels=torch.from_numpy(labels[queries]),
        bank=read(bank),
        bank_labels=torch.from_numpy(labels[bank]),
    )


def draw_rows(store: Store, splits: tuple[str, ...], rng: np.random.Generator) -> np.ndarray:
    """Every row once, in such an order that its beginning has few from each group: (N,) int64."""
    first, rounds, rows = 0, [], []
    for group in store.groups(splits):
        rounds.append(rng.permutation(group.count) // A_GROUP)
        rows.append(first + np.arange(group.count))
        first += group.count
    mixed = rng.permutation(first)
    order = mixed[np.argsort(np.concatenate(rounds)[mixed], kind="stable")]
    return np.concatenate(rows)[order]


def read_rows(store: Store, splits: tuple[str, ...], rows: np.ndarray, *, params: Pretrain) -> Tensor:
    """The images of these rows in this order: (N, C, R, R) uint8."""
    side, channels = params.images.read_side, params.images.channels
    images = np.empty((len(rows), channels, side, side), np.uint8)
    places = {int(row): place for place, row in enumerate(rows)}
    first = 0
    for group in store.groups(splits):
        wanted = [row for row in range(first, first + group.count) if row in places]
        encoded = store.read_group(group) if wanted else []
        for row in wanted:
            images[places[row]] = decode_square(encoded[row - first], side=side, channels=channels)
        first += group.count
    return torch.from_numpy(images)
