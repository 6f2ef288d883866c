"""Finds the temperature by which a classifier's logits are divided, so that its probabilities mean what they say.

The temperature is that of the smallest mean cross-entropy on images that the head was not fitted on (Guo et al. 2017,
On Calibration of Modern Neural Networks, arXiv 1706.04599, section 4.2). Beside these images stands one of which
nothing is known, as in Platt's targets (Probabilistic Outputs for Support Vector Machines, 1999, section 2.2): without
it, where a handful of images are all right, the best temperature is 0 and every answer certain.
n held-out images, K classes.
"""

import math

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

LOWEST, HIGHEST = 1 / 50, 50.0  # far beyond what is met


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """Fit the temperature to logits (n, K), -inf of classes that a head does not know, and labels (n,) of 0..K - 1;
    without an image it is 1."""
    if not len(labels):
        return 1.0
    truth = logits[np.arange(len(labels)), labels]  # (n,)
    unknown = logits.mean(
        1, where=np.isfinite(logits)
    )  # (n,): the cross-entropy with all classes alike is logsumexp less this

    def cost(log_temperature: float) -> float:
        scale = math.exp(-log_temperature)
        total = logsumexp(scale * logits, axis=1)  # (n,)
        return float(np.sum(total - scale * truth) + np.mean(total - scale * unknown))

    found = minimize_scalar(
        cost, bounds=(math.log(LOWEST), math.log(HIGHEST)), method="bounded", options={"xatol": 1e-6}
    )
    return float(f"{math.exp(found.x):.6g}")
