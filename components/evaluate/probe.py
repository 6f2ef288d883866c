"""What every classifying probe can do: predict the test images from all train labels, or from draws of a few of them.

M train images, N test images, D features, K classes, R draws of n labels each.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np


@dataclass(frozen=True)
class Labelled:
    """One encoder's features of the labelled images."""

    train: np.ndarray  # (M, D)
    labels: np.ndarray  # (M,) int64
    test: np.ndarray  # (N, D)
    truth: np.ndarray  # (N,) int64
    ids: np.ndarray  # (N,) str, of the test images

    @property
    def classes(self) -> int:
        """K."""
        return int(max(self.labels.max(), self.truth.max())) + 1


@dataclass(frozen=True)
class Answers:
    """Predictions (N,) by the metric that they give, `accuracy` first, and the settings that were chosen."""

    predictions: dict[str, np.ndarray]
    chosen: dict[str, float]


class Probe(Protocol):
    """A probe is made with the labelled features, its own parameters, a seed and a device."""

    def from_all(self, validation: np.ndarray) -> Answers:
        """From all train labels; settings are chosen on the `validation` rows (n,), then all rows are fitted again."""
        ...

    def from_draws(self, draws: np.ndarray) -> np.ndarray:
        """From the labels of some rows of the train part, settings fixed in advance: (R, n) -> predictions (R, N)."""
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
