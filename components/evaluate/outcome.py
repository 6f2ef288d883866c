"""The outcome of a probe for one encoder: metrics with their intervals, and the score per image behind each metric.

The scores let pipelines/compare compare two runs image by image. N judged images (or pairs of images).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from components.features.judging.statistics import Estimate


class NothingToMeasureError(Exception):
    """The images do not allow a measurement; the message says what is missing. This is not the user's error."""


@dataclass(frozen=True)
class Curve:
    """A line to draw: y at x."""

    x_name: str
    x: np.ndarray
    y: np.ndarray


@dataclass(frozen=True)
class Outcome:
    """The metrics of one encoder by name; a score has its metric's name, and its mean over the images is the metric."""

    metrics: Mapping[str, Estimate | float]
    ids: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=str))  # (N,) of images, or "id id" of pairs
    actual: np.ndarray | None = None  # (N,) int64
    predicted: np.ndarray | None = None  # (N,) int64, from all labels
    scores: Mapping[str, np.ndarray] = field(default_factory=dict)  # (N,) each, in 0..1
    curves: Mapping[str, Curve] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)  # why a metric that was asked for was not measured
