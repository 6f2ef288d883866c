"""Random images: what every other strategy has to beat, and what a test set must be made of."""

from collections.abc import Iterator

import numpy as np
import torch

from components.select.params import Select
from components.select.pool import Pool


def rank(pool: Pool, params: Select, device: torch.device) -> Iterator[tuple[int, float]]:
    """Yield each image's row and the number that was drawn for it, the highest first."""
    drawn = np.random.default_rng(params.seed).random(len(pool.features))  # (N,)
    for row in np.argsort(-drawn).tolist():
        yield row, float(drawn[row])
