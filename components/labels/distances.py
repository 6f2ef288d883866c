"""Says which images lie far from all others, and which pairs lie nearer to each other than neighbours usually do.

A distance is 1 - cosine. What is far or near differs from encoder to encoder by orders of magnitude, so that the
images themselves are the scale. The usual distance is the median, over images, of the mean distance to the k nearest. A
pair is nearly the same if its distance is below a share of that. An image is an outlier by the logarithm of its mean
distance, which is about normal (for the digits its skewness is 0.2, that of the distance itself 1.7), with the median
as its middle and 1.4826 times the median absolute deviation as its standard deviation, which a few outliers or copies
do not move (Hampel, J. Am. Stat. Assoc. 69, 1974).

N images, k neighbours, P pairs.
"""

from dataclasses import dataclass

import numpy as np

from components.labels.params import Labels

NORMAL = 1.4826  # standard deviations of a normal distribution per median absolute deviation
FEWEST = 3  # images
ROUNDING = 1e-6  # of a distance in float32; images nearer to each other are as good as the same
LEAST_SPREAD = 1e-3  # of the logarithm: below, all distances are the same and none is odd


class NothingToFindError(Exception):
    """Says why nothing can be far or near."""


@dataclass(frozen=True)
class Found:
    """The outliers, the farthest first, and the pairs, the nearest first."""

    outliers: np.ndarray  # (O,) rows
    nearest: np.ndarray  # (N,) row of the nearest neighbour
    cosines: np.ndarray  # (N,) mean cosine to the k nearest neighbours
    pairs: np.ndarray  # (P, 2) rows, the smaller first
    pair_cosines: np.ndarray  # (P,)


def judge_distances(rows: np.ndarray, cosines: np.ndarray, params: Labels) -> Found:
    """Find outliers and pairs by each image's k nearest rows and their cosines: (N, k), (N, k), nearest first.

    Raises NothingToFindError for fewer than three images, and if half of all are as good as the same as others."""
    if len(rows) < FEWEST:
        raise NothingToFindError(f"{len(rows)} image(s), and one of fewer than {FEWEST} is not farther than the others")
    distances = np.maximum(1 - cosines.astype(np.float64), 0)  # (N, k)
    means = distances.mean(1)  # (N,)
    if np.median(means) <= ROUNDING:
        raise NothingToFindError("half of all images or more are as good as the same as their neighbours")
    logs = np.log(np.maximum(means, ROUNDING))
    middle = float(np.median(logs))
    spread = max(NORMAL * float(np.median(np.abs(logs - middle))), LEAST_SPREAD)
    far = np.flatnonzero(logs > middle + params.outlier * spread)
    far = far[np.argsort(-logs[far], kind="stable")]
    pairs, pair_cosines = collect_pairs(rows, cosines, distances < params.near_duplicate * np.median(means))
    return Found(far, rows[:, 0], cosines.mean(1), pairs, pair_cosines)


def collect_pairs(rows: np.ndarray, cosines: np.ndarray, near: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Collect the pairs that are `near` once each, the nearest first: (N, k) three times -> (P, 2), (P,)."""
    image, rank = np.nonzero(near)
    pairs = np.sort(np.stack([image, rows[image, rank]], 1), axis=1)
    first = np.unique(pairs[:, 0] * len(rows) + pairs[:, 1], return_index=True)[1]  # each pair is found from both sides
    values = cosines[image[first], rank[first]]
    order = np.argsort(-values, kind="stable")
    return pairs[first[order]], values[order]
