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

    Classes without a train image are never predicted."""
    regression = prepare_regression(part, params, device)
    return flatten(regression, *regression.choose(validation), part.classes)


def refit_classifier(part: LabelledFeatures, params: Sweep, c: float, device: torch.device) -> Classifier:
    """Fit a logistic regression with this C to all train labels."""
    regression = prepare_regression(part, params, device)
    weights = regression.fit(regression.train, regression.labels, torch.tensor([c], dtype=torch.float64))
    return flatten(regression, weights, c, part.classes)


def prepare_regression(part: LabelledFeatures, params: Sweep, device: torch.device) -> Regression:
    """Prepare a regression whose test rows are zero and the unit vectors: its values there determine a linear map."""
    features = part.train.shape[1]
    units = np.concatenate([np.zeros((1, features)), np.eye(features)])  # (1 + D, D)
    return Regression(replace(part, test=units), params, device)


def flatten(regression: Regression, weights: Tensor, c: float, classes: int) -> Classifier:
    """Turn weights (1, R + 1, K of the train labels) into one layer on features that are not standardised."""
    rows, device = regression.test, regression.test.device
    logits = torch.full((len(rows), classes), NEVER, dtype=torch.float64, device=device)  # (1 + D, K)
    logits[:, torch.from_numpy(regression.names).to(device)] = rows @ weights[0]
    return Classifier(logits[1:] - logits[0], logits[0], c)
