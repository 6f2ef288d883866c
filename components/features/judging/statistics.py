"""Accuracies with 95 % intervals, and draws of labels.

From all labels, chance lies in the test images: Wilson's score interval for a binomial share (JASA 22, 1927). From few
labels, it lies in the test images and in which labels were drawn: the two variances of the mean are added (what they
have in common counts twice, so that the interval errs on the wide side), and Student's t has one degree of freedom
fewer than there were draws. N test images, R draws, n drawn rows.
"""

from dataclasses import dataclass

import numpy as np
from scipy import stats

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Estimate:
    """A value and its interval, all in 0..1."""

    value: float
    low: float
    high: float


def estimate_accuracy(right: np.ndarray) -> Estimate:
    """Return the share of right answers with Wilson's interval: (N,) bool."""
    interval = stats.binomtest(int(right.sum()), len(right)).proportion_ci(CONFIDENCE, method="wilson")
    return Estimate(float(right.mean()), float(interval.low), float(interval.high))


def estimate_accuracy_over_draws(right: np.ndarray) -> Estimate:
    """Return the mean share of right answers over draws of the labels, with its interval: (R, N) bool."""
    draws, images = right.shape
    if right.all() or not right.any():
        return estimate_accuracy(right[0])  # without variance there is no t interval; Wilson's needs none
    value = float(right.mean())
    if images == 1:
        return Estimate(value, 0.0, 1.0)
    by_draw = right.mean(1).var(ddof=1) / draws
    by_image = right.mean(0).var(ddof=1) / images
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, draws - 1) * np.sqrt(by_draw + by_image))
    return Estimate(value, max(0.0, value - half), min(1.0, value + half))


def estimate_mean(values: np.ndarray) -> Estimate:
    """Return the mean of a score in 0..1, such as a precision, with Student's t interval: (N,) float."""
    value = float(values.mean())
    if len(values) == 1:
        return Estimate(value, 0.0, 1.0)
    if values.min() == values.max() and value in (0.0, 1.0):
        return estimate_accuracy(values > 0)  # without variance there is no t interval; Wilson's needs none
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1) * stats.sem(values))
    return Estimate(value, max(0.0, value - half), min(1.0, value + half))


def hold_out_rows(labels: np.ndarray, fraction: float, generator: np.random.Generator) -> np.ndarray:
    """Draw row numbers of that share of each class, but never of a whole class; at least one in all: (n,)."""
    chosen: list[int] = []
    for members in group_by_class(labels).values():
        rows = generator.permutation(members)
        chosen += rows[: min(round(fraction * len(rows)), len(rows) - 1)].tolist()
    return np.sort(chosen or generator.choice(len(labels), 1))


def draw_rows_per_class(labels: np.ndarray, wanted: dict[int, int], generator: np.random.Generator) -> np.ndarray:
    """Draw row numbers of the wanted number of images of each class, without repeats: (n,)."""
    rows = group_by_class(labels)
    chosen = [generator.choice(rows[name], count, replace=False) for name, count in wanted.items()]
    return np.sort(np.concatenate(chosen))


def count_share_per_class(labels: np.ndarray, share: float) -> dict[int, int]:
    """Return how many images of each class make that share of it, rounded; of a small class this may be none."""
    return {name: round(share * len(rows)) for name, rows in group_by_class(labels).items()}


def group_by_class(labels: np.ndarray) -> dict[int, np.ndarray]:
    """Return the row numbers of each class, ascending; labels are sorted once, since classes may be thousands."""
    names, counts = np.unique(labels, return_counts=True)
    rows = np.split(np.argsort(labels, kind="stable"), np.cumsum(counts))[:-1]  # what follows the last class is empty
    return dict(zip(names.tolist(), rows, strict=True))
