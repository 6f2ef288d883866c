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
    regression = Regression(append_units(part), params, device)
    weights, c = regression.choose(validation)
    return read_layer(regression, weights[0], part.classes, c)


def refit_classifier(part: LabelledFeatures, params: Sweep, c: float, device: torch.device) -> Classifier:
    """Fit a logistic regression with this C to all train labels."""
    regression = Regression(append_units(part), params, device)
    weights = regression.fit(regression.train, regression.labels, torch.tensor([c], dtype=torch.float64))
    return read_layer(regression, weights[0], part.classes, c)


def append_units(part: LabelledFeatures) -> LabelledFeatures:
    """Put zero and the unit vectors in the place of the test images: a regression's values there determine the linear
    map that it is on features that are not standardised."""
    features = part.train.shape[1]
    return replace(part, test=np.concatenate([np.zeros((1, features)), np.eye(features)]))


def read_layer(regression: Regression, weights: Tensor, classes: int, c: float) -> Classifier:
    """Read one layer of K `classes` from a regression on `append_units` with these weights: (R + 1, k), (k,) of K."""
    values = regression.test @ weights  # (1 + D, k)
    logits = torch.full((len(values), classes), NEVER, dtype=torch.float64, device=values.device)  # (1 + D, K)
    logits[:, torch.from_numpy(regression.names).to(values.device)] = values
    return Classifier(logits[1:] - logits[0], logits[0], c)
