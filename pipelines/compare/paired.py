"""Two runs judged on the same images: is the difference of their scores more than the choice of the images explains?

The interval is a percentile bootstrap over the images of the mean difference (Efron and Tibshirani 1993, chapter 13).
An image keeps both its scores in a resample, so that what makes an image hard for both runs cancels out. Scores that
are right or wrong are also compared by McNemar's exact test (McNemar 1947): of the images on which the runs disagree, a
fair coin decides which run is right. N images judged by both, U different differences, R resamples.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest, bootstrap

SEED, RESAMPLES, LEVEL = 0, 10_000, 0.95
BETTER, WORSE, NOISE, TOO_FEW = "better", "worse", "no more than noise", "too few images"
FEWEST = 10  # images; a bootstrap of fewer says nothing, and one of a single image would be certain
DECIMALS = 6  # of a score, as in metrics/; further digits are rounding errors of float32
CELLS = 4_000_000  # scores of resamples that are in memory at a time
FEW = 200  # up to so many different values, counting them is faster


@dataclass(frozen=True)
class Paired:
    """The mean difference B - A of scores of the same images, with its interval."""

    images: int
    difference: float
    low: float
    high: float
    p: float | None  # McNemar's; None unless all scores are 0 or 1

    @property
    def verdict(self) -> str:
        """The verdict: better or worse if 0 lies outside the interval and McNemar's test, if there is one, agrees."""
        if self.images < FEWEST:
            return TOO_FEW
        if self.low <= 0 <= self.high or (self.p is not None and self.p >= 1 - LEVEL):
            return NOISE
        return BETTER if self.difference > 0 else WORSE


def compare_scores(a: np.ndarray, b: np.ndarray) -> Paired:
    """Compare the scores of the same images (N,) in both runs, N >= 1; more is better."""
    differences = np.round(b.astype(np.float64) - a, DECIMALS)  # (N,)
    low, high = estimate_interval(differences)
    both = np.concatenate([a, b])
    p = compute_mcnemar_p(a, b) if np.isin(both, (0, 1)).all() else None
    return Paired(len(a), float(differences.mean()), low, high, p)


def estimate_interval(differences: np.ndarray) -> tuple[float, float]:
    """Estimate the interval of the mean difference; if all differences are the same, both ends are that value."""
    values, counts = np.unique(differences, return_counts=True)  # (U,), (U,)
    if len(values) == 1:
        return float(values[0]), float(values[0])
    low, high = bootstrap_counts(values, counts) if len(values) <= FEW else bootstrap_values(differences)
    return float(low), float(high)


def bootstrap_values(differences: np.ndarray) -> tuple[float, float]:
    """Estimate the interval with scipy, which draws images."""
    result = bootstrap(
        (differences,),
        np.mean,
        n_resamples=RESAMPLES,
        batch=max(1, CELLS // len(differences)),
        vectorized=True,
        confidence_level=LEVEL,
        method="percentile",
        rng=np.random.default_rng(SEED),
    )
    return result.confidence_interval.low, result.confidence_interval.high


def bootstrap_counts(values: np.ndarray, counts: np.ndarray) -> tuple[float, float]:
    """Estimate the interval by drawing how often each value comes: a hundred times as fast for few different values."""
    images = counts.sum()
    drawn = np.random.default_rng(SEED).multinomial(images, counts / images, size=RESAMPLES)  # (R, U)
    low, high = np.quantile(drawn @ values / images, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return low, high


def compute_mcnemar_p(a: np.ndarray, b: np.ndarray) -> float:
    """Compute the exact two-sided p-value of McNemar's test on right-or-wrong scores (N,)."""
    only_b, only_a = int(np.sum(b > a)), int(np.sum(a > b))
    return float(binomtest(only_b, only_a + only_b).pvalue) if only_a + only_b else 1.0


def find_shared(a: Iterable[str], b: Iterable[str]) -> tuple[np.ndarray, np.ndarray]:
    """Find where the ids that both have stand in a and in b; the n-th time an id comes is paired with the n-th."""
    places_a, places_b = (dict(zip(number_repeats(ids), range(10**9), strict=False)) for ids in (a, b))
    both = [key for key in places_a if key in places_b]
    return np.array([places_a[key] for key in both], dtype=int), np.array([places_b[key] for key in both], dtype=int)


def number_repeats(ids: Iterable[str]) -> list[tuple[str, int]]:
    """Pair each id with how often it came before."""
    seen: Counter[str] = Counter()
    pairs = []
    for key in ids:
        pairs.append((key, seen[key]))
        seen[key] += 1
    return pairs
