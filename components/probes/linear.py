"""Linear probe: trains one linear layer by SGD on standardised, frozen features, for the whole grid of learning rates
and weight decays at once as one batched product (like DINOv2's linear evaluation, arXiv 2304.07193, appendix B.3).

S settings or draws, R draws of n labels each, M train images, N test images, D features, K classes, B a batch.
"""

import itertools
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from components.evaluate.batches import draw_batches
from components.evaluate.classify import judge_classifier
from components.evaluate.given import Given
from components.evaluate.outcome import Outcome
from components.evaluate.params import Evaluate, Linear
from components.evaluate.probe import Answers
from components.features.judging.labelled import LabelledFeatures, complement, spans_less, standardise
from components.features.judging.regression import append_ones, choose_best, predict
from components.learning.schedules import cosine

SMALL = 1e-30  # negligible beside any probability, but keeps denormal numbers out, which make products slow
DRAWN = 2**27  # numbers of drawn rows' features, and of their products, that are held at once


class Setting(NamedTuple):
    """A point of the grid of settings."""

    learning_rate: float
    weight_decay: float


def judge(params: Evaluate, given: Given) -> dict[str, Outcome]:
    """Judge every encoder by its accuracy from all labels and from few."""
    return judge_classifier("linear", LinearProbe, params, given)


class LinearProbe:
    """Chooses its setting on the validation rows; with few labels it uses the one that params.yaml gives."""

    def __init__(self, part: LabelledFeatures, params: Linear, seed: int, device: torch.device) -> None:
        standardised = standardise(part.train, part.test)
        self.train, self.test = (append_ones(torch.from_numpy(x).float().to(device)) for x in standardised)
        self.names, codes = np.unique(part.labels, return_inverse=True)  # (K,), (M,) of 0..K - 1
        self.labels, self.classes, self.params, self.seed = (
            torch.from_numpy(codes).to(device),
            len(self.names),
            params,
            seed,
        )

    def from_all(self, validation: np.ndarray) -> Answers:  # noqa: D102
        grid = [Setting(*point) for point in itertools.product(self.params.learning_rates, self.params.weight_decays)]
        fitting, held = (torch.from_numpy(x) for x in (complement(validation, len(self.labels)), validation))
        weights = self._fit(self.train[fitting], self.labels[fitting], grid)
        best = grid[choose_best(weights, self.train[held], self.labels[held])]
        weights = self._fit(self.train, self.labels, [best])
        return Answers({"accuracy": self.names[predict(weights, self.test)[0].cpu().numpy()]}, best._asdict())

    def from_draws(self, draws: np.ndarray) -> np.ndarray:  # noqa: D102
        setting = Setting(self.params.few_label_learning_rate, self.params.few_label_weight_decay)
        portion = max(1, DRAWN // (2 * draws.shape[1] * self.train.shape[1]))
        predictions = [
            predict(self._fit(self.train[rows], self.labels[rows], [setting] * len(rows)), self.test)
            for rows in torch.split(torch.from_numpy(draws), portion)
        ]
        predicted: np.ndarray = self.names[torch.cat(predictions).cpu().numpy()]
        return predicted

    def _fit(self, inputs: Tensor, labels: Tensor, settings: list[Setting]) -> Tensor:
        return fit_layers(inputs, labels, settings, classes=self.classes, params=self.params, seed=self.seed)


def fit_layers(
    inputs: Tensor, labels: Tensor, settings: list[Setting], *, classes: int, params: Linear, seed: int
) -> Tensor:
    """Minimise the cross-entropy by SGD with momentum and a cosine to 0, on the same rows for all settings (M, D + 1),
    (M,) or on rows per setting (S, M, D + 1), (S, M) -> weights (S, D + 1, K).

    Where rows are fewer than features, the weights are kept as sums of the rows, rows^T @ shares: these are the same
    steps, taken on the shares (S, M, K) by the products of the rows (M, M)."""
    generator = torch.Generator().manual_seed(seed)
    count, (images, features) = len(settings), inputs.shape[-2:]
    batch = min(params.batch_size, images)
    in_span = spans_less(images, features)
    each, beside = (count, 1) if inputs.dim() == 3 else (1, count)  # a product per setting, or all settings in one
    # A class's weights under all settings lie together, since softmax over a last, short dimension is slow.
    weights = inputs.new_zeros(each, images if in_span else features, classes * beside)
    rate, decay = (
        inputs.new_tensor(column).view(each, 1, 1, beside).expand(-1, 1, classes, -1).reshape(each, 1, -1)
        for column in zip(*settings, strict=True)
    )
    if inputs.dim() == 2:
        inputs, labels = inputs[None], labels[None]
    known_as = inputs @ inputs.mT if in_span else inputs  # (S or 1, M, M or D + 1)
    velocity = torch.zeros_like(weights)
    less = inputs.new_tensor(-1.0).expand(each, batch, 1, beside)
    steps = params.epochs * (images // batch)
    for step, rows in enumerate(draw_batches(images, batch, steps, generator, inputs.device)):
        batched = known_as[:, rows]  # (S or 1, B, M or D + 1)
        logits = (batched @ weights).view(each, batch, classes, beside)  # (S or 1, B, K, 1 or S)
        known = labels[:, rows, None, None].expand(-1, -1, 1, beside)
        error = logits.softmax(2).add_(SMALL).scatter_add_(2, known, less)  # the gradient by the logits
        if in_span:
            velocity.mul_(params.momentum).index_add_(1, rows, error.flatten(2), alpha=1 / batch)
        else:
            velocity.baddbmm_(batched.mT, error.flatten(2), beta=params.momentum, alpha=1 / batch)
        velocity.addcmul_(decay, weights)
        weights.addcmul_(rate, velocity, value=-cosine(step, steps))
    if in_span:
        weights = inputs.mT @ weights
    return weights.view(each, features, classes, beside).permute(0, 3, 1, 2).reshape(count, features, classes)
