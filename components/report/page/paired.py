"""Decides whether one encoder is better than another: beyond both intervals, or in pairs on the same images.

In pairs, Student's interval of the mean difference has to exclude 0 and, for scores that are right or wrong, McNemar's
exact test (1947) has to agree: of the images on which the two differ, a fair coin decides which is right. Pairs of
images, as in verification, share images: then the variance adds what pairs with a common image have in common (Aronow,
Samii and Assenova, Political Analysis 23, 2015). pipelines/compare/paired.py compares two runs in the same spirit.
N judged images, or pairs of images.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

LEVEL = 0.95
FEWEST = 10  # images; of fewer, pairs tell nothing
DECIMALS = 6  # of a score, as in metrics/; further digits are rounding errors of float32
DRAWN = re.compile(r".*_(per_class|percent)")  # depends on the labels drawn as well, which pairs of images leave out

ENDS = ("low", "high")  # of an interval

Metrics = Mapping[str, Any]  # of one encoder


@dataclass(frozen=True)
class Scores:
    """Each encoder's scores (N,) by metric, of the same images in the same order."""

    by_encoder: Mapping[str, Mapping[str, np.ndarray]]
    members: np.ndarray | None = None  # (N, 2): numbers of the images of each pair, where pairs were judged
    judged: int = 0  # images or pairs


@dataclass(frozen=True)
class Difference:
    """A mean difference, and half the width of its 95 % interval."""

    mean: float
    half: float


def compare(key: str, one: str, other: str, probe: Mapping[str, Metrics], scores: Scores) -> int:
    """Return 1 if the first encoder's metric is higher beyond noise, -1 if the other's is, and 0 if neither is."""
    apart = compare_intervals(key, probe[one], probe[other])
    pair = select_pair(key, one, other, scores)
    return apart if apart or pair is None else compare_in_pairs(*pair, scores.members)


def estimate(key: str, one: str, other: str, scores: Scores) -> Difference | None:
    """Estimate the difference of two encoders' metrics on the same images; None where pairs do not tell it."""
    pair = select_pair(key, one, other, scores)
    return None if pair is None else estimate_difference(subtract(*pair), scores.members)


def select_pair(key: str, one: str, other: str, scores: Scores) -> tuple[np.ndarray, np.ndarray] | None:
    """Select two encoders' scores (N,) of the same images; None if there are none, or if they leave out the draws."""
    first, second = (scores.by_encoder.get(encoder, {}).get(key) for encoder in (one, other))
    return None if DRAWN.fullmatch(key) or first is None or second is None else (first, second)


def compare_intervals(key: str, one: Metrics, other: Metrics) -> int:
    """Compare two metrics by their intervals: 0 if these overlap, or if one is missing."""
    low, high, other_low, other_high = (metrics.get(f"{key}_{end}") for metrics in (one, other) for end in ENDS)
    if low is None or high is None or other_low is None or other_high is None:
        return 0
    return int(low > other_high) - int(high < other_low)


def compare_in_pairs(one: np.ndarray, other: np.ndarray, members: np.ndarray | None = None) -> int:
    """Compare two encoders' scores (N,) of the same images, or of the same pairs of the images `members` (N, 2)."""
    differences = subtract(one, other)
    if (difference := estimate_difference(differences, members)) is None:
        return 0
    certain = abs(difference.mean) > difference.half
    if np.isin([one, other], (0, 1)).all():
        certain &= compute_mcnemar_p(differences) < 1 - LEVEL
    return int(np.sign(difference.mean)) if certain else 0


def subtract(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Subtract scores (N,) without the rounding errors of float32."""
    differences: np.ndarray = np.round(one.astype(np.float64) - other, DECIMALS)
    return differences


def estimate_difference(differences: np.ndarray, members: np.ndarray | None) -> Difference | None:
    """Estimate the mean of differences (N,) with Student's interval; None if they are too few."""
    if len(differences) < FEWEST:
        return None
    mean = float(differences.mean())
    error = estimate_error(differences - mean, members)
    return Difference(mean, float(stats.t.ppf((1 + LEVEL) / 2, len(differences) - 1)) * error)


def estimate_error(residuals: np.ndarray, members: np.ndarray | None) -> float:
    """Estimate the standard error of a mean from the residuals (N,)."""
    alone = np.square(residuals).sum()
    shared = 0.0
    if members is not None:
        by_image = sum(np.bincount(column, residuals, members.max() + 1) for column in members.T)
        shared = float(np.square(by_image).sum()) - 2 * alone  # of two pairs with an image in common, both ways
    return float(np.sqrt((alone + max(shared, 0.0)) / len(residuals) / (len(residuals) - 1)))


def compute_mcnemar_p(differences: np.ndarray) -> float:
    """Compute the exact two-sided p-value of McNemar's test from differences of right-or-wrong scores (N,)."""
    better, worse = int((differences > 0).sum()), int((differences < 0).sum())
    return float(stats.binomtest(better, better + worse).pvalue) if better + worse else 1.0
