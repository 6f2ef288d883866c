"""What every classifying probe can do: predict the test images from all train labels, or from a few of them.

M train images, N test images, D features, K classes.
"""

from typing import Protocol

import numpy as np


class Probe(Protocol):
    """A probe is made with train (M, D) and test features (N, D), K, its own parameters and a seed."""

    def from_all(self, labels: np.ndarray, validation: np.ndarray) -> np.ndarray:
        """Predictions (N,) from all train labels (M,); settings are chosen on the `validation` rows, then refitted."""
        ...

    def from_few(self, rows: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Predictions (N,) from the labels (n,) of these rows (n,) of the train part; settings are fixed in advance."""
        ...


def standardise(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each feature to mean 0 and deviation 1 over the train part, which takes no label. A feature that hardly varies
    (below a thousandth of the mean deviation) is not blown up: (M, D), (N, D) -> (M, D), (N, D) float64."""
    mean, deviation = train.mean(0, dtype=np.float64), train.std(0, dtype=np.float64)
    scale = np.maximum(deviation, 1e-3 * deviation.mean() or 1.0)  # or a collapsed encoder's constants as they are
    return (train - mean) / scale, (test - mean) / scale


def complement(rows: np.ndarray, total: int) -> np.ndarray:
    """The row numbers below `total` that are not in `rows`."""
    return np.setdiff1d(np.arange(total), rows, assume_unique=True)
