"""Drift: tests whether new images look to the encoder like those of its reference, without labels.

Gretton et al., "A Kernel Two-Sample Test", JMLR 13, 2012: the unbiased estimate of MMD^2 (lemma 6, equation 3) with a
Gaussian kernel whose bandwidth is the median distance in the pooled sample (section 8), on features of length 1. The
p-value is that of a permutation test: the share of relabellings of the pooled sample, the observed one included, whose
MMD^2 is at least as large (Phipson and Smyth, SAGMB 9, 2010). It is valid for any number of images from two per side.

M images of the reference, N new images, L = M + N, D features, P permutations, p of them at a time.
"""

from dataclasses import dataclass

import numpy as np

PORTION = 256  # permutations at a time: labels and products of 4,000 images take 16 MB
SAME = (16 * np.finfo(np.float32).eps) ** 2  # squared distance that rounding of float32 features alone can make
TIE = 1e-10  # difference of two MMD^2 of 0..2 that rounding alone can make


@dataclass(frozen=True)
class Difference:
    """A difference between two sets of images; the smaller its p-value, the less chance alone explains it."""

    p_value: float
    statistic: float  # MMD^2, about 0 without drift
    mean_cosine: float  # of the mean features of new and of reference images: 1 is no shift


def compare_features(reference: np.ndarray, new: np.ndarray, *, permutations: int, seed: int) -> Difference:
    """Test features (M, D) and (N, D), at least two images per side; the time grows with (M + N)^2 P."""
    sides = normalise_rows(reference), normalise_rows(new)
    labels = draw_relabellings(len(reference), len(new), permutations, seed)
    statistics = compute_mmd(compute_kernel(np.concatenate(sides)), labels)
    beyond = int((statistics[1:] >= statistics[0] - TIE).sum())
    return Difference(
        (1 + beyond) / (1 + permutations), float(statistics[0]), compute_cosine(*(side.mean(0) for side in sides))
    )


def normalise_rows(features: np.ndarray) -> np.ndarray:
    """Scale each row to length 1, in float64: (L, D) -> (L, D). A row of zeros stays as it is."""
    wide = features.astype(np.float64)
    lengths = np.linalg.norm(wide, axis=1, keepdims=True)  # (L, 1)
    np.divide(wide, lengths, out=wide, where=lengths > 0)
    return wide


def compute_kernel(pooled: np.ndarray) -> np.ndarray:
    """Compute the Gaussian kernel of every two images: (L, D) -> (L, L). The diagonal, which the unbiased estimate
    leaves out, is 0. The bandwidth leaves out pairs of equal images, such as two blank ones."""
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


def draw_relabellings(references: int, news: int, permutations: int, seed: int) -> np.ndarray:
    """Draw which images count as new, first as observed and then shuffled: (L, 1 + P) bool."""
    observed = np.arange(references + news) >= references
    shuffled = np.random.default_rng(seed).permuted(np.tile(observed, (permutations, 1)), axis=1)
    return np.concatenate([observed[None], shuffled]).T


def compute_mmd(kernel: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Compute MMD^2 of each labelling: kernel (L, L) with zeros on the diagonal, labels (L, P) bool -> (P,).

    With the label vector a and the kernel K, a'Ka is the sum within the new images; the rest follows from K's row sums.
    """
    rows = kernel.sum(1)  # (L,)
    return np.concatenate(
        [
            _compute_portion(kernel, rows, labels[:, first : first + PORTION].astype(np.float64))
            for first in range(0, labels.shape[1], PORTION)
        ]
    )


def _compute_portion(kernel: np.ndarray, rows: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Compute MMD^2 of some labellings: kernel (L, L), its row sums (L,), `new` (L, p) of 0 or 1 -> (p,)."""
    n = new[:, 0].sum()
    m = len(new) - n
    within_new = np.einsum("lp,lp->p", new, kernel @ new)
    from_new = rows @ new  # to all
    across = from_new - within_new
    within_reference = rows.sum() - from_new - across
    mmd: np.ndarray = within_new / (n * (n - 1)) + within_reference / (m * (m - 1)) - 2 * across / (m * n)
    return mmd


def compute_cosine(first: np.ndarray, second: np.ndarray) -> float:
    """Return the cosine of two vectors (D,), or 0 if one of them is zeros."""
    lengths = np.linalg.norm(first) * np.linalg.norm(second)
    return float(first @ second / lengths) if lengths > 0 else 0.0
