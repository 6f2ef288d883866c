"""What a probe says of one encoder: numbers with their intervals, and, image by image, what they are means of.

The second part is what two runs are compared by in pairs (pipelines/compare). N judged images (or pairs of images).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from components.evaluate.statistics import Estimate


class NothingToMeasureError(Exception):
    """The images allow no such measurement; the message says what is missing. Not an error of the user's."""


@dataclass(frozen=True)
class Curve:
    """A line to be drawn: y at x."""

    x_name: str
    x: np.ndarray
    y: np.ndarray


@dataclass(frozen=True)
class Outcome:
    """Metrics by name. A score has the metric's name, and its mean over the images is the metric."""

    metrics: Mapping[str, Estimate | float]
    ids: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=str))  # (N,) of images, or "id id" of pairs
    actual: np.ndarray | None = None  # (N,) int64
    predicted: np.ndarray | None = None  # (N,) int64, from all labels
    scores: Mapping[str, np.ndarray] = field(default_factory=dict)  # (N,) each, in 0..1
    curves: Mapping[str, Curve] = field(default_factory=dict)
