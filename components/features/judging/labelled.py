"""One encoder's features of the labelled images, and how they are scaled.

M train images, N test images, D features, K classes.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class LabelledFeatures:
    """One encoder's features of the labelled images."""

    train: np.ndarray  # (M, D)
    labels: np.ndarray  # (M,) int64
    test: np.ndarray  # (N, D)
    truth: np.ndarray  # (N,) int64
    ids: np.ndarray  # (N,) str, of the test images

    @property
    def classes(self) -> int:
        """The number of classes K."""
        return int(max(self.labels.max(initial=-1), self.truth.max(initial=-1))) + 1


def standardise(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scale each feature to mean 0 and deviation 1 over the train part, without labels. A feature that hardly varies
    (below a thousandth of the mean deviation) is not blown up: (M, D), (N, D) -> (M, D), (N, D) float64."""
    mean, deviation = train.mean(0, dtype=np.float64), train.std(0, dtype=np.float64)
    scale = np.maximum(deviation, 1e-3 * deviation.mean() or 1.0)  # 1 for a collapsed encoder's constant features
    return (train - mean) / scale, (test - mean) / scale


def spans_less(rows: int, features: int) -> bool:
    """Return whether rows span fewer dimensions than they have features. Weights that begin at zero and are moved by
    gradients, and by a decay that is the same for all, are sums of the rows: a fit in their span gives the same."""
    return rows < features


def complement(rows: np.ndarray, total: int) -> np.ndarray:
    """Return the row numbers below `total` that are not in `rows`."""
    return np.setdiff1d(np.arange(total), rows, assume_unique=True)
