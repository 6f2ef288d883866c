"""Two runs judged on the same images: is the difference of their scores more than the choice of the images explains?

The interval: a percentile bootstrap over the images of the mean difference (Efron and Tibshirani 1993, chapter 13). An
image keeps both its scores in a resample, so that what makes an image hard for both cancels out. For scores that are
right or wrong also McNemar's exact test (McNemar 1947): of the images on which the runs disagree, a fair coin decides
who is right. N images judged by both, U different differences, R resamples.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest, bootstrap

SEED, RESAMPLES, LEVEL = 0, 10_000, 0.95
BETTER, WORSE, NOISE, TOO_FEW = "better", "worse", "no more than noise", "too few images"
FEWEST = 10  # images; of fewer a bootstrap knows nothing, and of one it would be certain
DECIMALS = 6  # of a score, as in metrics/; what lies below is the rounding of float32
CELLS = 4_000_000  # scores of resamples that are held at a time
FEW = 200  # different values, up to which counting them is the quicker way


@dataclass(frozen=True)
class Paired:
    """What B - A is, and how far it is from nothing."""

    images: int
    difference: float
    low: float
    high: float
    p: float | None  # McNemar's, where both scores are right or wrong

    @property
    def verdict(self) -> str:
        """More than noise: the interval leaves 0 out, and McNemar's test, where there is one, agrees."""
        if self.images < FEWEST:
            return TOO_FEW
        if self.low <= 0 <= self.high or (self.p is not None and self.p >= 1 - LEVEL):
            return NOISE
        return BETTER if self.difference > 0 else WORSE


def compare(a: np.ndarray, b: np.ndarray) -> Paired:
    """The scores of the same images (N,) in both runs, N >= 1; more is better."""
    differences = np.round(b.astype(np.float64) - a, DECIMALS)  # (N,)
    low, high = interval(differences)
    both = np.concatenate([a, b])
    p = mcnemar(a, b) if np.isin(both, (0, 1)).all() else None
    return Paired(len(a), float(differences.mean()), low, high, p)


def interval(differences: np.ndarray) -> tuple[float, float]:
    """Of their mean; of differences that are all the same there is nothing but that one."""
    values, counts = np.unique(differences, return_counts=True)  # (U,), (U,)
    if len(values) == 1:
        return float(values[0]), float(values[0])
    low, high = interval_of_counts(values, counts) if len(values) <= FEW else interval_of_values(differences)
    return float(low), float(high)


def interval_of_values(differences: np.ndarray) -> tuple[float, float]:
    """By scipy, which draws images."""
    found = bootstrap(
        (differences,),
        np.mean,
        n_resamples=RESAMPLES,
        batch=max(1, CELLS // len(differences)),
        vectorized=True,
        confidence_level=LEVEL,
        method="percentile",
        rng=np.random.default_rng(SEED),
    )
    return found.confidence_interval.low, found.confidence_interval.high


def interval_of_counts(values: np.ndarray, counts: np.ndarray) -> tuple[float, float]:
    """The same by drawing how often each value comes, which takes a hundredth of the time where few values differ."""
    images = counts.sum()
    drawn = np.random.default_rng(SEED).multinomial(images, counts / images, size=RESAMPLES)  # (R, U)
    low, high = np.quantile(drawn @ values / images, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return low, high


def mcnemar(a: np.ndarray, b: np.ndarray) -> float:
    """The exact two-sided p of right-or-wrong scores (N,)."""
    only_b, only_a = int(np.sum(b > a)), int(np.sum(a > b))
    return float(binomtest(only_b, only_a + only_b).pvalue) if only_a + only_b else 1.0


def shared(a: Iterable[str], b: Iterable[str]) -> tuple[np.ndarray, np.ndarray]:
    """Where the ids that both have stand in a and in b; the second time an id comes is paired with the second."""
    places_a, places_b = (dict(zip(numbered(ids), range(10**9), strict=False)) for ids in (a, b))
    both = [key for key in places_a if key in places_b]
    return np.array([places_a[key] for key in both], dtype=int), np.array([places_b[key] for key in both], dtype=int)


def numbered(ids: Iterable[str]) -> list[tuple[str, int]]:
    """Each with how often it came before."""
    seen: Counter[str] = Counter()
    found = []
    for one in ids:
        found.append((one, seen[one]))
        seen[one] += 1
    return found
