"""Fits logistic regressions on standardised, frozen features, for every value of C at once by a batched L-BFGS.

The objective is that of scikit-learn's LogisticRegression: the mean cross-entropy plus |W|^2 / (2 C M) without the
bias; also for two classes, where scikit-learn has one weight vector for both.
The features are first rotated onto their principal axes, which changes neither the penalty nor any prediction: there
the Hessian is nearly diagonal, and its diagonal is known (Boehning, Ann. Inst. Statist. Math. 44, 1992).
M train images, N test images, D features of rank R, K classes, P problems: values of C, or draws of labels.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from components.features.judging.labelled import LabelledFeatures, complement, spans_less, standardise
from components.features.judging.lbfgs import Evaluation, minimise
from components.features.judging.params import Sweep

ANCHOR = 4  # every fourth value of C begins at zero; those between begin between their neighbours' solutions
PROBABILITIES = 2**21  # of rows, for each C and each class, that are held at once
WEIGHTS = 2**23  # of all problems that are fitted at once; L-BFGS remembers twenty times that number


class Regression:
    """Fits logistic regressions to labelled features, which it standardises and rotates; K counts the train classes."""

    def __init__(self, part: LabelledFeatures, params: Sweep, device: torch.device) -> None:
        train, test = (torch.from_numpy(x).to(device) for x in standardise(part.train, part.test))
        variances, axes = find_principal_axes(train)  # (R,), (D, R)
        self.train, self.test = (append_ones(x @ axes) for x in (train, test))  # float64
        self.curvature = append_ones(variances[None])[0]  # (R + 1,)
        self.names, codes = np.unique(part.labels, return_inverse=True)  # (K,), (M,) of 0..K - 1
        self.labels, self.classes, self.params = torch.from_numpy(codes).to(device), len(self.names), params

    def choose(self, validation: np.ndarray) -> tuple[Tensor, float]:
        """Choose the C that does best on the `validation` rows (n,); return weights (1, R + 1, K) of all rows and C."""
        values = torch.from_numpy(np.geomspace(self.params.c_low, self.params.c_high, self.params.c_count))
        fitting, held = (torch.from_numpy(x) for x in (complement(validation, len(self.labels)), validation))
        # Single precision is enough to choose C, and twice as fast.
        weights = self.sweep(self.train[fitting].float(), self.labels[fitting], values)  # (P, R + 1, K)
        best = choose_best(weights, self.train[held], self.labels[held])
        weights = self.fit(self.train, self.labels, values[best : best + 1], start=weights[best : best + 1])
        return weights, float(values[best])

    def sweep(self, inputs: Tensor, labels: Tensor, values: Tensor) -> Tensor:
        """Fit weights for each C (P,) of an ascending scale on the same (M, R + 1), (M,): (P, R + 1, K) float64."""
        places = torch.arange(len(values))
        anchors = torch.unique(torch.cat([places[::ANCHOR], places[-1:]]))
        between = places[~torch.isin(places, anchors)]
        anchored = self.fit(inputs, labels, values[anchors])
        weights = anchored.new_empty(len(values), *anchored.shape[1:])
        weights[anchors] = anchored
        if len(between):
            above = torch.searchsorted(anchors, between)
            low, high = anchors[above - 1], anchors[above]
            share = ((between - low) / (high - low))[:, None, None].to(anchored)  # on the log scale of C
            start = torch.lerp(weights[low], weights[high], share)
            weights[between] = self.fit(inputs, labels, values[between], start=start)
        return weights

    def fit(self, inputs: Tensor, labels: Tensor, values: Tensor, *, start: Tensor | None = None) -> Tensor:
        """Fit weights for each C (P,), on the same rows (M, R + 1), (M,) or on rows per problem (P, M, R + 1), (P, M):
        (P, R + 1, K) float64. With very many classes, a portion of the problems is fitted at a time."""
        size = len(self.curvature) * self.classes
        if start is None:
            start = torch.zeros(len(values), size, dtype=torch.float64, device=inputs.device)
        start = start.view(len(values), size)
        solved = []
        for portion in torch.split(torch.arange(len(values)), max(1, WEIGHTS // size)):
            rows = (inputs, labels) if labels.dim() == 1 else (inputs[portion], labels[portion])
            solved.append(self._solve(*rows, values[portion], start[portion]))
        return torch.cat(solved).view(len(values), -1, self.classes)

    def _solve(self, inputs: Tensor, labels: Tensor, values: Tensor, start: Tensor) -> Tensor:
        """Fit one portion of the problems: (P, (R + 1) K)."""
        halves = 2 if self.classes == 2 else 1  # with two classes, one weight w is penalised, not both of +-w / 2
        free = F.one_hot(torch.tensor(len(self.curvature) - 1), len(self.curvature))  # 1 for the bias, which is last
        penalty = (halves / (values[:, None] * labels.shape[-1]) * (1 - free)).to(inputs.device)  # (P, R + 1)
        hessian = self.curvature / self.classes + penalty  # its diagonal when all weights are 0: (P, R + 1)
        return minimise(
            make_objective(inputs, labels, penalty, self.classes),
            start,
            inverse_hessian=(1 / hessian.clamp(min=1e-12)).repeat_interleave(self.classes, dim=1),
            tolerance=self.params.tolerance,
            iterations=self.params.max_iterations,
        )


def find_principal_axes(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Return the variances along the principal axes of centred rows, ascending, and the axes: (M, D) -> (R,), (D, R).

    Axes without variance, of which no weights need any, are left out: rounding would give them weights that matter to
    test images which lie outside the span of the rows."""
    if spans_less(*rows.shape):
        basis, within = torch.linalg.qr(rows.T)  # (D, M), orthonormal whatever the rank, and (M, M)
        variances, turned = torch.linalg.eigh(within @ within.T / len(rows))
        axes = basis @ turned
    else:
        variances, axes = torch.linalg.eigh(rows.T @ rows / len(rows))
    kept = variances > max(rows.shape) * torch.finfo(rows.dtype).eps * variances[-1]
    return variances[kept], axes[:, kept]


def make_objective(inputs: Tensor, labels: Tensor, penalty: Tensor, classes: int) -> Evaluation:
    """Make the function that returns each problem's mean cross-entropy plus penalty, and the gradient.

    Its matrix products are in the inputs' precision."""

    def evaluate(flat: Tensor, active: Tensor) -> tuple[Tensor, Tensor]:
        weights = flat.view(len(flat), -1, classes)  # (A, D + 1, K)
        if labels.dim() == 1:
            loss, gradient = compute_shared_entropy(inputs, labels, weights)
        else:
            loss, gradient = compute_separate_entropy(inputs[active], labels[active], weights)
        decay = penalty[active, :, None] * weights
        return loss + (decay * weights).sum((1, 2)) / 2, (gradient + decay).flatten(1)

    return evaluate


def compute_shared_entropy(inputs: Tensor, labels: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean cross-entropy and its gradient for problems on the same rows, computed as one product.

    (M, D + 1), (M,), (A, D + 1, K) -> (A,), (A, D + 1, K)."""
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


def compute_separate_entropy(inputs: Tensor, labels: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean cross-entropy and its gradient for problems that each have rows of their own.

    (A, M, D + 1), (A, M), (A, D + 1, K) -> (A,), (A, D + 1, K)."""
    logits = inputs @ weights  # (A, M, K)
    total = logits.logsumexp(2, keepdim=True)
    loss = (total - logits.gather(2, labels[..., None])).mean((1, 2))
    error = (logits - total).exp().scatter_add(2, labels[..., None], torch.full_like(total, -1.0))
    return loss, inputs.transpose(1, 2) @ error / inputs.shape[1]


def append_ones(features: Tensor) -> Tensor:
    """Append a column of ones for the bias: (M, D) -> (M, D + 1)."""
    return F.pad(features, (0, 1), value=1.0)


def predict(weights: Tensor, inputs: Tensor) -> Tensor:
    """Return the classes that each problem's weights predict: (P, D + 1, K), (N, D + 1) -> (P, N)."""
    return torch.stack([(inputs @ matrix).argmax(1) for matrix in weights.to(inputs.dtype)])


def choose_best(weights: Tensor, inputs: Tensor, labels: Tensor) -> int:
    """Return the number of the setting that gets most held-out images right; of equals, which are common where images
    are few, the one that is surest of the truth: (P, D + 1, K), (n, D + 1), (n,) -> number."""
    scores = []
    for matrix in weights.to(inputs.dtype):
        logits = inputs @ matrix  # (n, K)
        scores.append((float((logits.argmax(1) == labels).double().mean()), -float(F.cross_entropy(logits, labels))))
    return max(range(len(scores)), key=lambda number: tuple(np.nan_to_num(scores[number], nan=-np.inf)))
