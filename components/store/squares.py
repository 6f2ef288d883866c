"""Draws rows of a store and reads their images as squares.

n of M rows, C channels, S pixels per side.
"""

import numpy as np

from components.store.decode import decode_square
from components.store.store import Store


def draw_rows(rows: np.ndarray, count: int, generator: np.random.Generator) -> np.ndarray:
    """Draw `count` of the rows, or all if there are fewer, and return them in rising order: (M,) -> (n,)."""
    return np.sort(generator.choice(rows, min(count, len(rows)), replace=False)) if len(rows) else rows


def read_squares(
    store: Store, splits: tuple[str, ...], rows: np.ndarray, *, side: int, channels: int, deep: bool
) -> np.ndarray:
    """Read the images of rows (n,), counted through the splits, in the order of `rows`: (n, C, S, S) uint8, or uint16
    if deep."""
    images = np.empty((len(rows), channels, side, side), np.uint16 if deep else np.uint8)
    for place, encoded in store.read_images(rows, splits):
        images[place] = decode_square(encoded, side=side, channels=channels, deep=deep)
    return images
