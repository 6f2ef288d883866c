"""Logistic regressions on standardised, frozen features, every value of C at once by a batched L-BFGS.

It minimises what scikit-learn's LogisticRegression does, the mean cross-entropy and |W|^2 / (2 C M) without the bias;
of two classes too, where that has one weight for both.
The features are turned onto their principal axes first, which changes neither the penalty nor any prediction: there
the Hessian is nearly diagonal, and its diagonal is known (Boehning, Ann. Inst. Statist. Math. 44, 1992).
M train images, N test images, D features, K classes, P problems: values of C, or draws of labels.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from components.evaluate.lbfgs import Objective, minimise
from components.evaluate.params import Sweep
from components.evaluate.probe import Labelled, complement, standardise

ANCHOR = 4  # every so many values of C begin at zero, those between where their neighbours have ended
PROBABILITIES = 2**21  # of rows, under each C and of each class, that are held at once
WEIGHTS = 2**23  # of all problems that are fitted at once; L-BFGS remembers twenty times as many


class Regression:
    """Labelled features, turned and standardised, and what can be fitted to them. K are the classes of train alone."""

    def __init__(self, part: Labelled, params: Sweep, device: torch.device) -> None:
        train, test = (torch.from_numpy(x).to(device) for x in standardise(part.train, part.test))
        variances, axes = torch.linalg.eigh(train.T @ train / len(train))  # (D,), (D, D)
        self.train, self.test = (with_ones(x @ axes) for x in (train, test))  # float64
        self.curvature = with_ones(variances.clamp(min=0)[None])[0]  # (D + 1,)
        self.names, codes = np.unique(part.labels, return_inverse=True)  # (K,), (M,) of 0..K - 1
        self.labels, self.classes, self.params = torch.from_numpy(codes).to(device), len(self.names), params

    def choose(self, validation: np.ndarray) -> tuple[Tensor, float]:
        """Weights (1, D + 1, K) from all train labels, and the C that did best on the `validation` rows (n,)."""
        values = torch.from_numpy(np.geomspace(self.params.c_low, self.params.c_high, self.params.c_count))
        fitting, held = (torch.from_numpy(x) for x in (complement(validation, len(self.labels)), validation))
        # To choose one of them, single precision is enough, and twice as quick.
        weights = self.sweep(self.train[fitting].float(), self.labels[fitting], values)  # (P, D + 1, K)
        best = best_of(weights, self.train[held], self.labels[held])
        weights = self.fit(self.train, self.labels, values[best : best + 1], start=weights[best : best + 1])
        return weights, float(values[best])

    def sweep(self, inputs: Tensor, labels: Tensor, values: Tensor) -> Tensor:
        """Weights for each C (P,) of an ascending scale, all on the same (M, D + 1), (M,): (P, D + 1, K) float64."""
        places = torch.arange(len(values))
        anchors = torch.unique(torch.cat([places[::ANCHOR], places[-1:]]))
        between = places[~torch.isin(places, anchors)]
        ended = self.fit(inputs, labels, values[anchors])
        weights = ended.new_empty(len(values), *ended.shape[1:])
        weights[anchors] = ended
        if len(between):
            above = torch.searchsorted(anchors, between)
            low, high = anchors[above - 1], anchors[above]
            share = ((between - low) / (high - low))[:, None, None].to(ended)  # on the scale of C, which is log
            start = torch.lerp(weights[low], weights[high], share)
            weights[between] = self.fit(inputs, labels, values[between], start=start)
        return weights

    def fit(self, inputs: Tensor, labels: Tensor, values: Tensor, *, start: Tensor | None = None) -> Tensor:
        """Weights for each C (P,), from the same (M, D + 1), (M,) or from rows of their own (P, M, D + 1), (P, M):
        (P, D + 1, K) float64; with very many classes a portion of the problems at a time."""
        size = len(self.curvature) * self.classes
        if start is None:
            start = torch.zeros(len(values), size, dtype=torch.float64, device=inputs.device)
        start = start.view(len(values), size)
        found = []
        for portion in torch.split(torch.arange(len(values)), max(1, WEIGHTS // size)):
            rows = (inputs, labels) if labels.dim() == 1 else (inputs[portion], labels[portion])
            found.append(self._solve(*rows, values[portion], start[portion]))
        return torch.cat(found).view(len(values), -1, self.classes)

    def _solve(self, inputs: Tensor, labels: Tensor, values: Tensor, start: Tensor) -> Tensor:
        """A portion: (P, (D + 1) K)."""
        halves = 2 if self.classes == 2 else 1  # of two classes, one weight w is penalised, not both of +-w / 2
        free = F.one_hot(torch.tensor(len(self.curvature) - 1), len(self.curvature))  # the bias, which stands last
        penalty = (halves / (values[:, None] * labels.shape[-1]) * (1 - free)).to(inputs.device)  # (P, D + 1)
        hessian = self.curvature / self.classes + penalty  # its diagonal where all weights are 0: (P, D + 1)
        return minimise(
            objective(inputs, labels, penalty, self.classes),
            start,
            inverse_hessian=(1 / hessian.clamp(min=1e-12)).repeat_interleave(self.classes, dim=1),
            tolerance=self.params.tolerance,
            iterations=self.params.max_iterations,
        )


def objective(inputs: Tensor, labels: Tensor, penalty: Tensor, classes: int) -> Objective:
    """Mean cross-entropy and penalty of each problem, with the gradient; products in the inputs' precision."""

    def evaluate(flat: Tensor, active: Tensor) -> tuple[Tensor, Tensor]:
        weights = flat.view(len(flat), -1, classes)  # (A, D + 1, K)
        if labels.dim() == 1:
            loss, gradient = shared_entropy(inputs, labels, weights)
        else:
            loss, gradient = own_entropy(inputs[active], labels[active], weights)
        pulled = penalty[active, :, None] * weights
        return loss + (pulled * weights).sum((1, 2)) / 2, (gradient + pulled).flatten(1)

    return evaluate


def shared_entropy(inputs: Tensor, labels: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """All problems on the same rows, as one product: (M, D + 1), (M,), (A, D + 1, K) -> (A,), (A, D + 1, K)."""
    count, features, classes = weights.shape
    side_by_side = weights.to(inputs.dtype).permute(1, 0, 2).reshape(features, -1)  # (D + 1, A K)
    loss = weights.new_zeros(count)
    gradient = torch.zeros_like(side_by_side)
    rows = max(1, PROBABILITIES // (count * classes))
    for part, known in zip(torch.split(inputs, rows), torch.split(labels, rows), strict=True):
        logits = (part @ side_by_side).view(len(part), count, classes)
        truth = known[:, None, None].expand(-1, count, 1)
        total = logits.logsumexp(2, keepdim=True)  # (m, A, 1)
        loss += (total - logits.gather(2, truth)).sum((0, 2), dtype=torch.float64)
        error = logits.sub_(total).exp_().scatter_add_(2, truth, torch.full_like(total, -1.0))
        gradient.addmm_(part.T, error.view(len(part), -1))
    return loss / len(inputs), gradient.double().view(features, count, classes).permute(1, 0, 2) / len(inputs)


def own_entropy(inputs: Tensor, labels: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Each problem on rows of its own: (A, M, D + 1), (A, M), (A, D + 1, K) -> (A,), (A, D + 1, K)."""
    logits = inputs @ weights  # (A, M, K)
    total = logits.logsumexp(2, keepdim=True)
    loss = (total - logits.gather(2, labels[..., None])).mean((1, 2))
    error = (logits - total).exp().scatter_add(2, labels[..., None], torch.full_like(total, -1.0))
    return loss, inputs.transpose(1, 2) @ error / inputs.shape[1]


def with_ones(features: Tensor) -> Tensor:
    """A last column of ones, for the bias: (M, D) -> (M, D + 1)."""
    return F.pad(features, (0, 1), value=1.0)


def predict(weights: Tensor, inputs: Tensor) -> Tensor:
    """(P, D + 1, K), (N, D + 1) -> (P, N) predicted classes."""
    return torch.stack([(inputs @ one).argmax(1) for one in weights.to(inputs.dtype)])


def best_of(weights: Tensor, inputs: Tensor, labels: Tensor) -> int:
    """Which of P settings is right of most held-out images, of equals the one that is surest of the truth, since few
    images make many equals: (P, D + 1, K), (n, D + 1), (n,) -> number."""
    scores = []
    for one in weights.to(inputs.dtype):
        logits = inputs @ one  # (n, K)
        scores.append((float((logits.argmax(1) == labels).double().mean()), -float(F.cross_entropy(logits, labels))))
    return max(range(len(scores)), key=lambda number: tuple(np.nan_to_num(scores[number], nan=-np.inf)))
