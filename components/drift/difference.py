"""Drift: whether new images look to the encoder like those it is known on, without a label.

Gretton et al., "A Kernel Two-Sample Test", JMLR 13, 2012: the unbiased estimate of MMD^2 (lemma 6, equation 3) with a
Gaussian kernel whose bandwidth is the median distance in the pooled sample (section 8), on features of length 1. The
p-value is of a permutation test: the share of relabellings of the pooled sample, the one that was seen included, whose
MMD^2 is at least as large (Phipson and Smyth, SAGMB 9, 2010); it is valid for any number of images, from two a side.

M images of the reference, N new ones, L = M + N, D features, P permutations, p of them at a time.
"""

from dataclasses import dataclass

import numpy as np

PORTION = 256  # permutations at a time: labels and products of 4,000 images take 16 MB
SAME = (16 * np.finfo(np.float32).eps) ** 2  # squared distance that is the rounding of float32 features
TIE = 1e-10  # by which two MMD^2 of 0..2 may differ through rounding alone


@dataclass(frozen=True)
class Difference:
    """The smaller the p-value, the less chance alone explains the difference."""

    p_value: float
    statistic: float  # MMD^2, about 0 without drift
    mean_cosine: float  # between the mean new image and the mean reference image: 1 is no shift


def compare(reference: np.ndarray, new: np.ndarray, *, permutations: int, seed: int) -> Difference:
    """Features (M, D) and (N, D), two images a side at least; time grows with (M + N)^2 P."""
    sides = normalise(reference), normalise(new)
    statistics = mmd(kernel(np.concatenate(sides)), relabellings(len(reference), len(new), permutations, seed))
    beyond = int((statistics[1:] >= statistics[0] - TIE).sum())
    return Difference(
        (1 + beyond) / (1 + permutations), float(statistics[0]), cosine(*(side.mean(0) for side in sides))
    )


def normalise(features: np.ndarray) -> np.ndarray:
    """To length 1, in float64: (L, D) -> (L, D). A vector of zeros stays one."""
    wide = features.astype(np.float64)
    lengths = np.linalg.norm(wide, axis=1, keepdims=True)  # (L, 1)
    np.divide(wide, lengths, out=wide, where=lengths > 0)
    return wide


def kernel(pooled: np.ndarray) -> np.ndarray:
    """Gaussian kernel of every two images, with zeros on the diagonal, which the unbiased estimate leaves out: (L, D)
    -> (L, L). Pairs of the same image, such as many blank ones, say nothing of the bandwidth and are left out there."""
    values: np.ndarray = pooled @ pooled.T
    lengths = values.diagonal().copy()  # (L,)
    values *= -2
    values += lengths[:, None]
    values += lengths
    values[values < SAME] = 0  # (L, L) squared distances
    apart = values[values > 0]  # each pair twice, which leaves the median as it is
    np.sqrt(apart, out=apart)
    if len(apart):
        values /= -2 * np.median(apart, overwrite_input=True) ** 2
    np.exp(values, out=values)
    np.fill_diagonal(values, 0)
    return values


def relabellings(references: int, news: int, permutations: int, seed: int) -> np.ndarray:
    """Which images count as new: as it was first, then shuffled: (L, 1 + P) bool."""
    seen = np.arange(references + news) >= references
    shuffled = np.random.default_rng(seed).permuted(np.tile(seen, (permutations, 1)), axis=1)
    return np.concatenate([seen[None], shuffled]).T


def mmd(kernel: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """MMD^2 of each labelling: kernel (L, L) with zeros on the diagonal, labels (L, P) bool -> (P,).

    With a the label vector and K the kernel, a'Ka is the sum within the new ones; the rest follows from K's row sums.
    """
    rows = kernel.sum(1)  # (L,)
    return np.concatenate(
        [
            _mmd(kernel, rows, labels[:, first : first + PORTION].astype(np.float64))
            for first in range(0, labels.shape[1], PORTION)
        ]
    )


def _mmd(kernel: np.ndarray, rows: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Of labels (L, p) that are 0 or 1."""
    n = new[:, 0].sum()
    m = len(new) - n
    within_new = np.einsum("lp,lp->p", new, kernel @ new)
    from_new = rows @ new  # to all
    across = from_new - within_new
    within_reference = rows.sum() - from_new - across
    mmd: np.ndarray = within_new / (n * (n - 1)) + within_reference / (m * (m - 1)) - 2 * across / (m * n)
    return mmd


def cosine(one: np.ndarray, other: np.ndarray) -> float:
    """Of two vectors (D,); 0 where one is all zeros."""
    lengths = np.linalg.norm(one) * np.linalg.norm(other)
    return float(one @ other / lengths) if lengths > 0 else 0.0
