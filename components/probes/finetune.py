"""Fine-tuning: the whole encoder is trained with labels under a linear layer (BYOL's semi-supervised protocol, arXiv
2006.07733, section 4.2 and appendix D.2), on shares of the labels and against the same network from scratch.

Training is by SGD with Nesterov's momentum and a cosine to 0; norms and biases are not decayed; the linear layer begins
at 0 (BiT, arXiv 1912.11370). Views have the geometry of pretraining without its colours; plain images are judged. The
learning rate is the best on held-out images of the same share; then the whole share is learned again. The interval
accounts for the test images alone: a share is drawn once (components/evaluate/portions.py).

All images lie on the device as they are read, and a step waits for nothing from the host; on CUDA it is one graph.

M train images, n of them in a share, N test images, B a batch, C channels, R and S pixels per side as read and as seen,
D features, K classes.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Generator, Tensor, nn

from components.encoder.normalise import normalise, to_unit
from components.encoder.params import Images
from components.evaluate.batches import draw_batches
from components.evaluate.given import Given, find_labelled_rows, select_labelled
from components.evaluate.outcome import Curve, Outcome
from components.evaluate.params import Evaluate, Finetune
from components.evaluate.portions import Portion, count_fit_steps, count_steps, draw_portions
from components.evaluate.supervised import SupervisedStep
from components.features.encoders import OURS
from components.features.judging.labelled import complement
from components.features.judging.statistics import estimate_accuracy
from components.learning import geometry
from components.learning.graph import RepeatedStep
from components.learning.optimiser import list_excepted, split_parameters
from components.learning.params import View
from components.learning.schedules import cosine
from components.show.progress import Progress
from components.store.store import TEST, TRAIN

PORTION = 256  # images that are judged at once


def judge(params: Evaluate, given: Given) -> dict[str, Outcome]:
    """Judge the encoder, its start (if it has one) and the same network from scratch, by what they learn from shares of
    the labels."""
    settings, table = params.finetune, given.table(OURS)
    part, shape = select_labelled(table), given.encoder.config.images
    pictures = Pictures(
        train=given.read_images(table, find_labelled_rows(table, TRAIN), shape.read_side).to(given.device),
        labels=part.labels,
        test=given.read_images(table, find_labelled_rows(table, TEST), shape.side).to(given.device),
        truth=part.truth,
        ids=part.ids,
        shape=shape,
        view=given.views.first,
    )
    portions, left_out = draw_portions(part.labels, settings, params.shared, given.name_class)
    progress = Progress("evaluate finetune", len(given.networks) * count_steps(portions, settings), "steps")
    outcomes = {
        encoder: finetune(network, pictures, portions, settings, params.shared.seed, progress.advance)
        for encoder, network in given.networks.items()
    }
    return {encoder: replace(outcome, left_out=left_out) for encoder, outcome in outcomes.items()}


@dataclass(frozen=True)
class Pictures:
    """The images to learn from and to be judged by, on the device of the fits, and how the encoder sees them."""

    train: Tensor  # (M, C, R, R) pixels
    labels: np.ndarray  # (M,) int64
    test: Tensor  # (N, C, S, S) pixels
    truth: np.ndarray  # (N,) int64
    ids: np.ndarray  # (N,) str, of the test images
    shape: Images
    view: View  # of pretraining

    @property
    def device(self) -> torch.device:
        """The device of the images."""
        return self.train.device

    @property
    def classes(self) -> int:
        """The number of classes K."""
        return int(max(self.labels.max(), self.truth.max())) + 1


def finetune(
    encoder: nn.Module,
    pictures: Pictures,
    portions: list[Portion],
    params: Finetune,
    seed: int,
    advance: Callable[[int], None],
) -> Outcome:
    """Judge an encoder (B, C, S, S) -> (B, D), which is not changed; `advance` is called with the number of steps."""
    tuner = Tuner(encoder, pictures, params, seed, advance)
    rates = {portion.ending: tuner.choose(portion) for portion in portions}
    predictions = {
        f"accuracy{portion.ending}": tuner.predict(tuner.fit(portion.rows, rates[portion.ending]), pictures.test)
        for portion in portions
    }
    scores = {name: predicted == pictures.truth for name, predicted in predictions.items()}
    labels_per_class = np.array([len(portion.rows) for portion in portions]) / len(np.unique(pictures.labels))
    accuracies = np.array([right.mean() for right in scores.values()])
    return Outcome(
        metrics={name: estimate_accuracy(right) for name, right in scores.items()}
        | {f"learning_rate{ending}": rate for ending, rate in rates.items()},
        ids=pictures.ids,
        actual=pictures.truth,
        predicted=next(iter(predictions.values())),
        scores=scores,
        curves={"few_labels": Curve("labels_per_class", labels_per_class, accuracies)},
    )


class Tuner:
    """Fine-tunes one encoder; each fit begins at the encoder's own weights."""

    def __init__(
        self, encoder: nn.Module, pictures: Pictures, params: Finetune, seed: int, advance: Callable[[int], None]
    ) -> None:
        self.encoder, self.pictures, self.params, self.seed, self.advance = encoder, pictures, params, seed, advance
        self.labels = torch.from_numpy(pictures.labels).to(pictures.device)
        self.records = pictures.device.type == "cuda"  # whether the steps of a fit are one graph

    def choose(self, portion: Portion) -> float:
        """Return the learning rate that gets most held-out images right; of equals, the first."""
        if not len(portion.held):
            return self.params.few_label_learning_rate
        held, fitting = portion.rows[portion.held], portion.rows[complement(portion.held, len(portion.rows))]
        images, truth = self.pictures.train[torch.from_numpy(held)], self.pictures.labels[held]
        right = [np.mean(self.predict(self.fit(fitting, rate), images) == truth) for rate in self.params.learning_rates]
        return self.params.learning_rates[int(np.argmax(right))]

    def fit(self, rows: np.ndarray, rate: float) -> nn.Module:
        """Train encoder and linear layer on the images of these rows; return the network: (B, C, S, S) -> (B, K)."""
        pictures = self.pictures
        step, total = self.make_step(rate), count_fit_steps(len(rows), self.params)
        learn = RepeatedStep(step, on_failure=self.record_no_more) if self.records else step
        places = torch.from_numpy(rows).to(pictures.device)  # (n,)
        size, orders = min(self.params.batch_size, len(rows)), Generator().manual_seed(self.seed)
        for number, batch in enumerate(draw_batches(len(rows), size, total, orders, pictures.device)):
            chosen = places[batch]  # (B,)
            learn((pictures.train[chosen], self.labels[chosen]), step.draw(size), rate * cosine(number, total), {})
            self.advance(1)
        return step.network.eval()

    def record_no_more(self, line: str) -> None:
        """Run the steps of all further fits without a graph, and print the line that says why."""
        self.records = False
        print(f"evaluate finetune: {line}", flush=True)

    def make_step(self, rate: float) -> SupervisedStep:
        """Make the step that trains a new network, by an optimiser of its own."""
        network = self.build_network()
        optimiser = torch.optim.SGD(
            split_parameters(network.parameters(), self.params.weight_decay, list_excepted(network)),
            lr=rate,
            momentum=self.params.momentum,
            nesterov=self.params.momentum > 0,
            fused=self.pictures.device.type == "cuda",  # one kernel in place of several for every group
        )
        generator = Generator(self.pictures.device).manual_seed(self.seed)
        return SupervisedStep(network, optimiser, generator, self.pictures.view.colourless, self.pictures.shape)

    def build_network(self) -> nn.Module:
        """Return a copy of the encoder under a linear layer of zeros, in train mode."""
        encoder = copy.deepcopy(self.encoder).eval()
        with torch.no_grad():
            features = encoder(normalise(self.pictures.test[:1], self.pictures.shape)).shape[1]
        top = nn.Linear(features, self.pictures.classes)
        nn.init.zeros_(top.weight)
        nn.init.zeros_(top.bias)
        return nn.Sequential(encoder, top.to(self.pictures.device)).train()

    @torch.no_grad()
    def predict(self, network: nn.Module, images: Tensor) -> np.ndarray:
        """Predict the classes of plain images: (N, C, R or S, R or S) -> (N,)."""
        shape = self.pictures.shape
        batches = (scale_plain(batch, shape) for batch in torch.split(images, PORTION))
        return torch.cat([network(normalise(batch, shape)).argmax(1) for batch in batches]).cpu().numpy()


def scale_plain(images: Tensor, shape: Images) -> Tensor:
    """Scale images to what the encoder sees without a view: (B, C, R, R) pixels -> (B, C, S, S) in 0..1."""
    pixels, zeros = to_unit(images, shape), torch.zeros(len(images), device=images.device)
    if images.shape[-1] == shape.side:
        return pixels
    whole = torch.full_like(zeros, images.shape[-1])
    crop = geometry.Crop(left=zeros, top=zeros, width=whole, height=whole, mirrored=zeros.bool())
    return geometry.resize(pixels, crop, shape.side)
