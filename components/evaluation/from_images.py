"""The probes that need the images and the networks, not only the embeddings.

N images, C channels, R and S pixels a side, read and seen, D features.
"""

from dataclasses import replace

import numpy as np
import torch
from pydantic import ValidationError
from torch import Generator, Tensor, nn

from components.byol.normalise import normalise
from components.byol.views import make_view
from components.data.embeddings import Embeddings
from components.data.encoders import OURS, UNTRAINED
from components.data.squares import draw, read_squares
from components.data.store import SPLITS, TEST, TRAIN
from components.evaluation.from_embeddings import labelled
from components.evaluation.given import Given
from components.evaluation.jpeg import as_jpeg
from components.model.files import untrained_encoder
from components.model.saved import CONFIG
from components.params.base import InputError
from components.params.evaluate import Evaluate
from components.params.pretrain import Pretrain
from components.probes import finetune as tuning
from components.probes.health import examine
from components.probes.outcome import Outcome
from components.probes.probe import Labelled
from components.probes.robustness import disturbances, fit_classifier, resist
from components.terminal.progress import Progress

PORTION = 256  # images that are embedded at once


def finetune(params: Evaluate, given: Given) -> dict[str, Outcome]:  # noqa: D103
    own, table = params.finetune, given.table(OURS)
    part = labelled(table)
    config, pretrain = given.encoder.config, pretraining(given)
    pictures = tuning.Pictures(
        train=read(given, table, labelled_rows(table, TRAIN), config.images.read_side),
        labels=part.labels,
        test=read(given, table, labelled_rows(table, TEST), config.images.side),
        truth=part.truth,
        ids=part.ids,
        shape=config.images,
        view=pretrain.views.first,
        device=given.device,
    )
    portions = tuning.draw_portions(part.labels, own, params.shared)
    starts = networks(given)
    progress = Progress("evaluate finetune", len(starts) * tuning.count_steps(portions, own), "steps")
    return {
        encoder: tuning.finetune(start, pictures, portions, own, params.shared.seed, progress.advance)
        for encoder, start in starts.items()
    }


def robustness(params: Evaluate, given: Given) -> dict[str, Outcome]:  # noqa: D103
    own, seed = params.robustness, params.shared.seed
    judged = {encoder: network for encoder, network in networks(given).items() if encoder in given.encoders}
    tables = {encoder: given.table(encoder) for encoder in judged}
    parts = {encoder: labelled(table) for encoder, table in tables.items()}
    chosen = draw(np.arange(len(parts[OURS].truth)), own.images, np.random.default_rng(seed))
    shape = given.encoder.config.images
    images = read(given, tables[OURS], labelled_rows(tables[OURS], TEST)[chosen], shape.side)
    ways = disturbances(own, as_jpeg)
    progress = Progress("evaluate robustness", len(judged) * len(ways) * len(chosen), "images")
    return {
        encoder: resist(
            network,
            fit_classifier(parts[encoder], own, params.shared, given.device),
            images,
            tested_on(parts[encoder], chosen),
            shape,
            ways,
            seed,
            progress.advance,
        )
        for encoder, network in judged.items()
    }


def health(params: Evaluate, given: Given) -> dict[str, Outcome]:  # noqa: D103
    table = given.table(OURS)
    chosen = draw(np.arange(len(table.ids)), params.health.images, np.random.default_rng(params.shared.seed))
    judged, pretrain = networks(given), pretraining(given)
    images = read(given, table, chosen, given.encoder.config.images.read_side)
    progress = Progress("evaluate health", len(judged) * len(chosen), "images")
    found = {}
    for encoder in given.encoders:
        pair = None
        if encoder in judged:
            pair = embed_views(judged[encoder], images, pretrain, given, params.shared.seed, progress)
        found[encoder] = examine(torch.from_numpy(given.table(encoder).features[chosen]).to(given.device), pair)
    return found


def networks(given: Given) -> dict[str, nn.Module]:
    """In eval mode, where it is computed: (B, C, S, S), normalised -> (B, D)."""
    both = {OURS: given.encoder.network, UNTRAINED: untrained_encoder(given.encoder.config)}
    return {encoder: network.to(given.device) for encoder, network in both.items()}


def pretraining(given: Given) -> Pretrain:
    """What the encoder was made by. Raises InputError where its config does not say."""
    try:
        return Pretrain.model_validate(given.encoder.config.provenance.get("params"))
    except ValidationError as error:
        key = ".".join(str(part) for part in ("provenance", "params", *error.errors()[0]["loc"]))
        raise InputError(
            f"{given.encoder_folder / CONFIG}: {key}: {error.errors()[0]['msg']}; it should hold the section pretrain "
            "that made the encoder, as `dvc repro pretrain` writes it"
        ) from None


def labelled_rows(table: Embeddings, split: str) -> np.ndarray:
    """Row numbers of the labelled images of a split: (n,)."""
    return np.flatnonzero((table.splits == split) & (table.labels >= 0))


def tested_on(part: Labelled, chosen: np.ndarray) -> Labelled:
    """Of the test images these alone: (n,)."""
    return replace(part, test=part.test[chosen], truth=part.truth[chosen], ids=part.ids[chosen])


def read(given: Given, table: Embeddings, rows: np.ndarray, side: int) -> Tensor:
    """Images of the store, scaled to cover a square and cut to it: (n, C, side, side) uint8. Raises InputError where
    the embeddings are of other images."""
    if not np.array_equal(given.store.table(["id"])["id"].to_numpy().astype(str), table.ids):
        raise InputError(f"{given.embeddings_folder}: not of the images in {given.store_folder}; `dvc repro embed`")
    channels = given.encoder.config.images.channels
    return torch.from_numpy(read_squares(given.store, SPLITS, rows, side=side, channels=channels))


@torch.no_grad()
def embed_views(
    network: nn.Module, images: Tensor, pretrain: Pretrain, given: Given, seed: int, progress: Progress
) -> tuple[Tensor, Tensor]:
    """Features of a first and a second view as pretraining draws them: (N, C, R, R) uint8 -> twice (N, D)."""
    generator = Generator(given.device).manual_seed(seed)  # the same views for every encoder
    first: list[Tensor] = []
    second: list[Tensor] = []
    for batch in torch.split(images, PORTION):
        pixels = batch.to(given.device).float() / 255
        for view, found in ((pretrain.views.first, first), (pretrain.views.second, second)):
            seen = make_view(pixels, view, generator, pretrain.images.side)
            found.append(network(normalise(seen, pretrain.images)))
        progress.advance(len(batch))
    return torch.cat(first), torch.cat(second)
