"""A linear classifier on features, fitted as a logistic regression: one layer, through which gradients can be taken.

B images, D features, K classes.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from components.features.judging.labelled import LabelledFeatures
from components.features.judging.params import Sweep
from components.features.judging.regression import Regression

NEVER = -1e9  # the logit of a class that no train image has


@dataclass(frozen=True)
class Classifier:
    """A linear classifier: features (B, D) -> logits (B, K)."""

    weights: Tensor  # (D, K) float64
    bias: Tensor  # (K,) float64
    c: float  # the chosen C

    def __call__(self, features: Tensor) -> Tensor:  # noqa: D102
        return features.double() @ self.weights + self.bias


def fit_classifier(part: LabelledFeatures, params: Sweep, validation: np.ndarray, device: torch.device) -> Classifier:
    """Fit a logistic regression to all train labels, its C chosen on the `validation` rows (n,).

    It is one layer on features that are not standardised: its values at zero and at the unit vectors determine a linear
    map. Classes without a train image are never predicted."""
    features = part.train.shape[1]
    units = np.concatenate([np.zeros((1, features)), np.eye(features)])
    regression = Regression(replace(part, test=units), params, device)
    weights, c = regression.choose(validation)
    logits = torch.full((len(units), part.classes), NEVER, dtype=torch.float64, device=device)  # (1 + D, K)
    logits[:, torch.from_numpy(regression.names).to(device)] = regression.test @ weights[0]
    return Classifier(logits[1:] - logits[0], logits[0], c)
