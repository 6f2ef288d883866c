"""K-centre greedy (Sener & Savarese, Active learning for CNNs: a core-set approach, arXiv 1708.00489, algorithm 1).

Always the image that is farthest from all that are labelled or chosen. Without a label it begins with a drawn image.
N images to choose from, M labelled ones, D features.
"""

from collections.abc import Iterator

import numpy as np
import torch

from components.select.cosines import find_nearest
from components.select.params import Select
from components.select.pool import Pool


def rank(pool: Pool, params: Select, device: torch.device) -> Iterator[tuple[int, float]]:
    """Yield the next centre's row and its distance from the nearest one before, which falls from centre to centre."""
    nearest = find_nearest(pool.features, pool.labelled, device)  # (N,) cosines with the nearest centre
    if not len(pool.labelled):
        row = int(np.random.default_rng(params.seed).integers(len(pool.features)))
    else:
        row = int(nearest.argmin())
    for _ in range(len(pool.features)):
        yield row, float((2 - 2 * nearest[row]).clamp(min=0).sqrt())
        nearest = torch.maximum(nearest, find_nearest(pool.features, pool.features[row : row + 1], device))
        nearest[row] = torch.inf  # never again
        row = int(nearest.argmin())
