"""Confident learning: finds labels that contradict what a classifier which has not seen them is sure of.

Northcutt, Jiang and Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels" (JAIR 70, 2021, arXiv
1911.00068). A class's threshold is the mean probability that its own images get for it (equation 2). An image counts as
mislabelled where the likeliest class above its threshold is another than the label (the off-diagonal entries of the
confident joint, equation 1). So many images are suspicious, namely those whose label has the lowest probability.
cleanlab calls this `filter_by="low_self_confidence"`; tests hold it to cleanlab. Importing cleanlab takes some seconds
and much else, so that these few lines are written out here.

N judged images, B of them in a block, K classes.
"""

import numpy as np

ROUNDING = 1e-6  # a probability this far below a threshold still reaches it
FLOOR = 2e-6  # thresholds are not lower, so that a probability of 0 reaches none


def compute_thresholds(confidence: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """Return each class's mean probability over the images with its label: (N,), (N,) in 0..K - 1 -> (K,).

    A class without an image has a threshold that no probability reaches."""
    counts = np.bincount(labels, minlength=classes)
    sums = np.bincount(labels, weights=confidence, minlength=classes)
    return np.where(counts > 0, np.maximum(sums / np.maximum(counts, 1), FLOOR), 2.0)


def contradict(probabilities: np.ndarray, labels: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Return which images are confidently of another class than their label says: (B, K), (B,), (K,) -> (B,) bool."""
    reached = probabilities >= thresholds - ROUNDING  # (B, K)
    likeliest = probabilities.argmax(1)
    guess = np.where(reached.sum(1) > 1, likeliest, reached.argmax(1))
    given = np.take_along_axis(probabilities, labels[:, None], 1)[:, 0]
    agrees = given >= probabilities.max(1) - ROUNDING
    wrong: np.ndarray = reached.any(1) & (guess != labels) & ~agrees
    return wrong


def find_suspects(confidence: np.ndarray, agrees: np.ndarray, contradicted: np.ndarray) -> np.ndarray:
    """Return the images with the least probable labels, least first, as many as are `contradicted`; without those whose
    label is the likeliest all the same: (N,), (N,) bool, (N,) bool -> (n,) rows."""
    lowest: np.ndarray = np.argsort(confidence, kind="stable")[: int(contradicted.sum())]
    found: np.ndarray = lowest[~agrees[lowest]]
    return found
