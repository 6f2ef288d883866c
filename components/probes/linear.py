"""Linear probe: one linear layer by SGD on standardised, frozen features, every learning rate at once as one batched
product (as DINOv2's linear evaluation does, arXiv 2304.07193, appendix B.3).

L learning rates, M train images, N test images, D features, K classes, B a batch.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from components.byol.schedules import cosine
from components.params.evaluate import Linear
from components.probes.probe import complement, standardise


class LinearProbe:
    """The learning rate is chosen on the validation rows; with few labels it is the one that params.yaml gives."""

    def __init__(self, train: np.ndarray, test: np.ndarray, classes: int, params: Linear, seed: int) -> None:
        self.train, self.test = (with_ones(torch.from_numpy(x).float()) for x in standardise(train, test))
        self.classes, self.params, self.seed = classes, params, seed

    def from_all(self, labels: np.ndarray, validation: np.ndarray) -> np.ndarray:  # noqa: D102
        rates = self.params.learning_rates
        weights = self._fit(complement(validation, len(labels)), labels, rates)
        right = predict(weights, self.train[validation]) == torch.from_numpy(labels[validation])  # (L, n)
        best = rates[int(right.float().mean(1).argmax())]
        return predict(self._fit(np.arange(len(labels)), labels, (best,)), self.test)[0].numpy()

    def from_few(self, rows: np.ndarray, labels: np.ndarray) -> np.ndarray:  # noqa: D102
        of_all = np.full(len(self.train), -1)
        of_all[rows] = labels
        return predict(self._fit(rows, of_all, (self.params.few_label_learning_rate,)), self.test)[0].numpy()

    def _fit(self, rows: np.ndarray, labels: np.ndarray, rates: tuple[float, ...]) -> Tensor:
        inputs, targets = self.train[rows], torch.from_numpy(labels[rows])
        return fit(inputs, targets, classes=self.classes, rates=rates, params=self.params, seed=self.seed)


def with_ones(features: Tensor) -> Tensor:
    """A column of ones, for the bias: (M, D) -> (M, D + 1)."""
    return F.pad(features, (0, 1), value=1.0)


def fit(inputs: Tensor, labels: Tensor, *, classes: int, rates: tuple[float, ...], params: Linear, seed: int) -> Tensor:
    """Cross-entropy by SGD with momentum and a cosine to 0: (M, D + 1), (M,) -> weights (L, D + 1, K)."""
    generator = torch.Generator().manual_seed(seed)
    batch = min(params.batch_size, len(inputs))
    weights = torch.zeros(len(rates), inputs.shape[1], classes)
    velocity = torch.zeros_like(weights)
    rate = torch.tensor(rates)[:, None, None]
    truth = F.one_hot(labels, classes).float()  # (M, K)
    steps = params.epochs * (len(inputs) // batch)
    order = torch.empty(0, dtype=torch.long)
    for step in range(steps):
        if len(order) < batch:
            order = torch.randperm(len(inputs), generator=generator)
        rows, order = order[:batch], order[batch:]
        shown = inputs[rows]  # (B, D + 1)
        error = (shown @ weights).softmax(-1) - truth[rows]  # (L, B, K), the gradient by the logits
        velocity.mul_(params.momentum).add_(shown.T @ error / batch).add_(weights, alpha=params.weight_decay)
        weights.sub_(rate * cosine(step, steps) * velocity)
    return weights


def predict(weights: Tensor, inputs: Tensor) -> Tensor:
    """(L, D + 1, K), (N, D + 1) -> (L, N) predicted classes."""
    return (inputs @ weights).argmax(-1)
