"""Fine-tuning: the whole encoder is trained with labels under a linear layer (BYOL's semi-supervised protocol, arXiv
2006.07733, section 4.2 and appendix D.2), on shares of the labels and against the same network from scratch.

Training is by SGD with Nesterov's momentum and a cosine to 0; norms and biases are not decayed; the linear layer begins
at 0 (BiT, arXiv 1912.11370). Views have the geometry of pretraining without its colours; plain images are judged. The
learning rate is the best on held-out images of the same share; then the whole share is learned again. The interval
accounts for the test images alone: a share is drawn once, the same for every encoder.

M train images, n of them in a share, h of these held out, N test images, B a batch, C channels, R and S pixels per side
as read and as seen, D features, K classes.
"""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from components.encoder.normalise import normalise
from components.encoder.params import Images
from components.evaluate.given import Given, find_labelled_rows, select_labelled
from components.evaluate.outcome import Curve, Outcome
from components.evaluate.params import Evaluate, Finetune, Shared
from components.evaluate.probe import complement
from components.evaluate.statistics import count_share_per_class, draw_rows_per_class, estimate_accuracy, hold_out_rows
from components.features.encoders import OURS
from components.learning import geometry, views
from components.learning.optimiser import split_parameters
from components.learning.params import View
from components.learning.schedules import cosine
from components.show.progress import Progress
from components.store.store import TEST, TRAIN

PORTION = 256  # images that are judged at once


def judge(params: Evaluate, given: Given) -> dict[str, Outcome]:
    """Judge the encoder, and the same network from scratch, by what they learn from shares of the labels."""
    settings, table = params.finetune, given.table(OURS)
    part, shape = select_labelled(table), given.encoder.config.images
    pictures = Pictures(
        train=given.read_images(table, find_labelled_rows(table, TRAIN), shape.read_side),
        labels=part.labels,
        test=given.read_images(table, find_labelled_rows(table, TEST), shape.side),
        truth=part.truth,
        ids=part.ids,
        shape=shape,
        view=given.views.first,
        device=given.device,
    )
    portions = draw_portions(part.labels, settings, params.shared)
    progress = Progress("evaluate finetune", len(given.networks) * count_steps(portions, settings), "steps")
    return {
        encoder: finetune(network, pictures, portions, settings, params.shared.seed, progress.advance)
        for encoder, network in given.networks.items()
    }


@dataclass(frozen=True)
class Pictures:
    """The images to learn from and to be judged by, and how the encoder sees them."""

    train: Tensor  # (M, C, R, R) uint8
    labels: np.ndarray  # (M,) int64
    test: Tensor  # (N, C, S, S) uint8
    truth: np.ndarray  # (N,) int64
    ids: np.ndarray  # (N,) str, of the test images
    shape: Images
    view: View  # of pretraining
    device: torch.device

    @property
    def classes(self) -> int:
        """The number of classes K."""
        return int(max(self.labels.max(), self.truth.max())) + 1


@dataclass(frozen=True)
class Portion:
    """A share of the train labels."""

    ending: str  # of its metrics' names; empty for all labels
    rows: np.ndarray  # (n,) of the train images
    held: np.ndarray  # (h,) places in `rows`; empty if they are too few to choose by


def draw_portions(labels: np.ndarray, params: Finetune, shared: Shared) -> list[Portion]:
    """Draw the shares, the largest first; a class gives at least one label. Fewer held-out images than classes cannot
    choose a learning rate: such a share is learned at the rate that params.yaml gives for few labels."""
    generator = np.random.default_rng(shared.seed)
    classes = len(np.unique(labels))
    portions = []
    for fraction in params.fractions:
        rows = draw_rows_per_class(labels, count_share_per_class(labels, fraction), generator)
        held = hold_out_rows(labels[rows], shared.validation_fraction, generator)
        ending = "" if fraction == 1 else f"_{100 * fraction:g}_percent"
        portions.append(Portion(ending, rows, held if len(held) >= classes else held[:0]))
    return sorted(portions, key=lambda portion: -len(portion.rows))


def count_steps(portions: list[Portion], params: Finetune) -> int:
    """Return the number of steps of all the fits that `finetune` does for one encoder."""
    return sum(
        count_fit_steps(len(portion.rows), params)
        + (
            len(params.learning_rates) * count_fit_steps(len(portion.rows) - len(portion.held), params)
            if len(portion.held)
            else 0
        )
        for portion in portions
    )


def count_fit_steps(images: int, params: Finetune) -> int:
    """Return the number of steps of one fit: the whole batches of all epochs, but at least params.yaml's minimum."""
    return max(params.min_steps, params.epochs * (images // min(params.batch_size, images)))


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
        self.view = pictures.view.colourless
        self.labels = torch.from_numpy(pictures.labels)

    def choose(self, portion: Portion) -> float:
        """Return the learning rate that gets most held-out images right; of equals, the first."""
        if not len(portion.held):
            return self.params.few_label_learning_rate
        held, fitting = portion.rows[portion.held], portion.rows[complement(portion.held, len(portion.rows))]
        images, truth = self.pictures.train[held], self.pictures.labels[held]
        right = [np.mean(self.predict(self.fit(fitting, rate), images) == truth) for rate in self.params.learning_rates]
        return self.params.learning_rates[int(np.argmax(right))]

    def fit(self, rows: np.ndarray, rate: float) -> nn.Module:
        """Train encoder and linear layer on the images of these rows; return the network: (B, C, S, S) -> (B, K)."""
        network = self.build_network()
        optimiser = torch.optim.SGD(
            split_parameters(network, self.params.weight_decay),
            lr=rate,
            momentum=self.params.momentum,
            nesterov=self.params.momentum > 0,
        )
        total = count_fit_steps(len(rows), self.params)
        for step, (images, labels) in enumerate(self.draw_batches(rows, total)):
            for group in optimiser.param_groups:
                group["lr"] = rate * cosine(step, total)
            optimiser.zero_grad()
            F.cross_entropy(network(images), labels).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            self.advance(1)
        return network.eval()

    def build_network(self) -> nn.Module:
        """Return a copy of the encoder under a linear layer of zeros, in train mode."""
        encoder = copy.deepcopy(self.encoder).eval()
        with torch.no_grad():
            features = encoder(normalise(self.pictures.test[:1].to(self.pictures.device), self.pictures.shape)).shape[1]
        top = nn.Linear(features, self.pictures.classes, device=self.pictures.device)
        nn.init.zeros_(top.weight)
        nn.init.zeros_(top.bias)
        return nn.Sequential(encoder, top).train()

    def draw_batches(self, rows: np.ndarray, total: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield `total` batches of normalised views (B, C, S, S) and labels (B,). The images get a new order each time
        all were used; the rest that does not fill a batch is left out."""
        shape, device = self.pictures.shape, self.pictures.device
        orders, draws = Generator().manual_seed(self.seed), Generator(device).manual_seed(self.seed)
        size = min(self.params.batch_size, len(rows))
        order = torch.empty(0, dtype=torch.long)
        for _ in range(total):
            if len(order) < size:
                order = torch.randperm(len(rows), generator=orders)
            batch, order = rows[order[:size].numpy()], order[size:]
            images = self.pictures.train[batch].to(device).float() / 255
            view = views.make_view(images, self.view, draws, shape.side)
            yield normalise(view, shape), self.labels[batch].to(device)

    @torch.no_grad()
    def predict(self, network: nn.Module, images: Tensor) -> np.ndarray:
        """Predict the classes of plain images: (N, C, R or S, R or S) uint8 -> (N,)."""
        shape, device = self.pictures.shape, self.pictures.device
        batches = (scale_plain(batch.to(device), shape.side) for batch in torch.split(images, PORTION))
        return torch.cat([network(normalise(batch, shape)).argmax(1) for batch in batches]).cpu().numpy()


def scale_plain(images: Tensor, side: int) -> Tensor:
    """Scale images to what the encoder sees without a view: (B, C, R, R) uint8 -> (B, C, S, S) in 0..1, S = `side`."""
    pixels, zeros = images.float() / 255, torch.zeros(len(images), device=images.device)
    if images.shape[-1] == side:
        return pixels
    whole = torch.full_like(zeros, images.shape[-1])
    crop = geometry.Crop(left=zeros, top=zeros, width=whole, height=whole, mirrored=zeros.bool())
    return geometry.resize(pixels, crop, side)
