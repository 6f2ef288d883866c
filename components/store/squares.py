"""Some images of a store: which rows are drawn, and their pixels as squares.

n rows of M, C channels, S pixels a side.
"""

import numpy as np

from components.store.decode import decode_square
from components.store.store import Store


def draw(rows: np.ndarray, wanted: int, generator: np.random.Generator) -> np.ndarray:
    """So many of the rows, all where there are fewer, in rising order: (M,) -> (n,)."""
    return np.sort(generator.choice(rows, min(wanted, len(rows)), replace=False)) if len(rows) else rows


def read_squares(store: Store, splits: tuple[str, ...], rows: np.ndarray, *, side: int, channels: int) -> np.ndarray:
    """The images of these rows (n,), counted through the splits, in this order: (n, C, S, S) uint8."""
    images = np.empty((len(rows), channels, side, side), np.uint8)
    for place, encoded in store.pick(rows, splits):
        images[place] = decode_square(encoded, side=side, channels=channels)
    return images
