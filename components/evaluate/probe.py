"""The protocol of a classifying probe: it predicts the test images from all train labels, or from draws of a few.

N test images, R draws of n labels each.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np


@dataclass(frozen=True)
class Answers:
    """A probe's predictions (N,) by the metric that they give, `accuracy` first, the settings that it chose, and why
    other metrics are left out."""

    predictions: dict[str, np.ndarray]
    chosen: dict[str, float]
    left_out: Mapping[str, str] = field(default_factory=dict)


class Probe(Protocol):
    """A classifier that is made with labelled features, its own parameters, a seed and a device."""

    def from_all(self, validation: np.ndarray) -> Answers:
        """Predict from all train labels: choose the settings on the `validation` rows (n,), then fit all rows again."""
        ...

    def from_draws(self, draws: np.ndarray) -> np.ndarray:
        """Predict from the labels of some train rows, with settings fixed in advance: (R, n) -> predictions (R, N)."""
        ...
