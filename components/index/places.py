"""Places every image of an index in a map: a sample by t-SNE, all others among their neighbours in the sample.

N images, n of the sample, D features.
"""

from collections.abc import Callable

import numpy as np

from components.features.places import place_images
from components.index.among import place_among

NEIGHBOURS = 5
PORTION = 4096  # images that are placed at a time


def make_map(vectors: np.ndarray, sample: int, seed: int, advance: Callable[[int], None]) -> np.ndarray:
    """Place the images: (N, D) of length 1 -> (N, 2) float32, around the middle of the map, at most 1 from it.

    `advance` is called with the number of images that were placed."""
    chosen = np.sort(np.random.default_rng(seed).permutation(len(vectors))[:sample])
    known = vectors[chosen]  # (n, D)
    at = place_images(known, seed)  # (n, 2)
    at -= (at.max(0) + at.min(0)) / 2
    at /= max(float(np.abs(at).max()), 1e-12)
    places, nearest = np.empty((len(vectors), 2), np.float32), min(NEIGHBOURS, len(chosen))
    for first in range(0, len(vectors), PORTION):
        part = slice(first, first + PORTION)
        cosines = vectors[part] @ known.T  # (4096, n)
        rows = np.argpartition(-cosines, nearest - 1, axis=1)[:, :nearest]
        places[part] = place_among(at, rows, np.take_along_axis(cosines, rows, axis=1))
        advance(len(rows))
    places[chosen] = at
    return places
