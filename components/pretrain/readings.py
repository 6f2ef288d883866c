"""Readings of the network in mid-training, taken on a fixed sample of images: its health, and an online kNN.

The kNN classifies train images that are held out of its bank. Like every image of the train split they are trained on,
without their labels, so its accuracy tells how the run goes and not what the encoder is worth on unseen images.

N images, D features, P numbers that the objective watches, C channels, R and S pixels per side, read and seen.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from components.encoder.normalise import normalise, to_unit
from components.learning import health
from components.learning.device import choose_double_device
from components.learning.engine import Engine
from components.learning.objective import Objective
from components.learning.randomness import SAMPLE, derive_seed
from components.learning.replicas import ALONE
from components.learning.vote import vote
from components.pretrain.feeds.maker import build_batched_maker
from components.pretrain.loop import State
from components.pretrain.params import Pretrain
from components.stage.errors import RunError

PORTION = 256  # images embedded at once
ERRORS = 3  # standard errors of a proportion that chance explains
GENTLER = (
    "a lower pretrain.optimiser.learning_rate, pretrain.continuing, or `python -m presets continue`, which sets both"
)


@dataclass(frozen=True)
class Sample:
    """The images that readings are taken on, the same all through the run, on the host: (N, C, R, R) pixels."""

    images: Tensor  # for the health
    queries: Tensor  # for the online kNN; may be empty
    query_labels: Tensor  # (N,) int64
    bank: Tensor
    bank_labels: Tensor


def take_readings(state: State, engine: Engine, sample: Sample, params: Pretrain) -> dict[str, float]:
    """Take every reading, by name. Raises RunError if the network answers every image alike."""
    objective = state.objective
    with evaluating(objective):
        readings = read_health(state, engine, sample.images, params)
        if len(sample.queries):
            readings["knn"] = measure_knn_accuracy(state, engine, sample, params)
    spread = readings[f"{objective.watched}_spread"]
    if spread < params.watch.collapse:
        raise RunError(
            f"collapse after step {state.step}: the {objective.watched}s of {len(sample.images)} images spread "
            f"{spread:.4f} of what even directions would (pretrain.watch.collapse: {params.watch.collapse:g}). "
            f"Likely causes: {objective.explain_collapse(params)}"
        )
    return readings


def measure_start(state: State, engine: Engine, sample: Sample, params: Pretrain) -> float | None:
    """Measure the kNN of what the training begins with, before the first step; None if there is nothing to vote on."""
    with evaluating(state.objective):
        return measure_knn_accuracy(state, engine, sample, params) if len(sample.queries) else None


@contextmanager
def evaluating(objective: Objective) -> Iterator[None]:
    """Switch the networks to eval mode for as long as something is measured."""
    objective.eval()
    try:
        yield
    finally:
        objective.train()


def describe_fall(knn: float, start: float, queries: int, step: int, params: Pretrain) -> str:
    """Return a warning if the kNN is below that of the start by more than chance explains, else an empty text.

    Raises RunError if it fell by more than pretrain.watch.fall.
    """
    lost = f"the kNN on {queries:,} held-out train images is {knn:.3f} after step {step:,}, and was {start:.3f} before"
    if 0 < params.watch.fall < start - knn:
        raise RunError(f"{lost} the first (pretrain.watch.fall: {params.watch.fall:g}). What helps: {GENTLER}")
    share = (knn + start) / 2
    fallen = start - knn > ERRORS * math.sqrt(share * (1 - share) / queries)
    return f"what it began with gets lost: {lost}. What helps: {GENTLER}" if fallen else ""


@torch.no_grad()
def read_health(state: State, engine: Engine, images: Tensor, params: Pretrain) -> dict[str, float]:
    """Measure the health of the encoder's features, and the spread of what the objective watches."""
    seed = derive_seed(params.seed, SAMPLE)
    two = params.views.model_copy(update={"online": 2, "target": None})
    first, second = [], []
    for number, portion in enumerate(split_into_portions(images)):
        settings = params.model_copy(update={"seed": seed, "batch_size": len(portion), "views": two})
        maker = build_batched_maker(settings, engine.device, ALONE)
        seen = maker.make((portion.to(engine.device),), maker.draw(number)).online
        first.append(embed_views(state.objective.encoder, seen[0], engine))
        second.append(embed_views(state.objective.encoder, seen[1], engine))
    features = embed_images(state.objective.encoder, images, engine, params)  # (N, D)
    watched = state.objective.compute_watched(features)  # (N, P)
    where = choose_double_device(engine.device)
    return {
        "z_std": health.z_std(features.to(where)),
        "rank_me": health.rank_me(features.to(where)),
        "alignment": health.alignment(torch.cat(first).to(where), torch.cat(second).to(where)),
        "uniformity": health.uniformity(features.to(where)),
        f"{state.objective.watched}_spread": health.spread(watched.to(where)),
    }


def measure_knn_accuracy(state: State, engine: Engine, sample: Sample, params: Pretrain) -> float:
    """Return the share of the queries that their neighbours in the bank classify rightly."""
    bank = F.normalize(embed_images(state.objective.encoder, sample.bank, engine, params), dim=1)  # (N, D)
    queries = F.normalize(embed_images(state.objective.encoder, sample.queries, engine, params), dim=1)
    labels, expected = sample.bank_labels.to(bank.device), sample.query_labels.to(bank.device)
    classes = int(sample.bank_labels.max()) + 1
    k = min(params.watch.knn_k, len(bank))
    temperature = params.watch.knn_temperature
    predicted = [
        vote(portion @ bank.T, labels, classes=classes, k=k, temperature=temperature)
        for portion in split_into_portions(queries)
    ]
    return int((torch.cat(predicted) == expected).sum()) / len(expected)


def embed_images(encoder: torch.nn.Module, images: Tensor, engine: Engine, params: Pretrain) -> Tensor:
    """Embed whole images as the probes will see them: (N, C, R, R) pixels -> (N, D)."""
    features = [
        embed_views(encoder, scale_and_normalise(portion.to(engine.device), params), engine)
        for portion in split_into_portions(images)
    ]
    return torch.cat(features)


def split_into_portions(rows: Tensor) -> list[Tensor]:
    """Split (N, ...) into parts of at most PORTION rows."""
    return [rows[first : first + PORTION] for first in range(0, len(rows), PORTION)]


def scale_and_normalise(images: Tensor, params: Pretrain) -> Tensor:
    """Scale whole images down to the network's side and normalise them: (N, C, R, R) pixels -> (N, C, S, S)."""
    side = params.images.side
    pixels = to_unit(images, params.images)
    if images.shape[-1] != side:
        pixels = F.interpolate(pixels, (side, side), mode="bicubic", antialias=True).clamp(0, 1)
    return normalise(pixels, params.images)


@torch.no_grad()
def embed_views(encoder: torch.nn.Module, views: Tensor, engine: Engine) -> Tensor:
    """Embed what the network sees: (N, C, S, S) -> (N, D) float32."""
    with engine.autocast():
        features: Tensor = encoder(views)  # (N, D)
    return features.float()
