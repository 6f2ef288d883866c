"""Stage pretrain: data/store -> models/encoder, by BYOL, without looking at a label or at a test image."""

import csv
import time
from dataclasses import asdict, fields
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from components import stage
from components.byol import health, train
from components.byol.device import be_deterministic, choose_device, memory_format
from components.byol.feed import ResidentFeed
from components.byol.network import build_online
from components.byol.normalise import normalise
from components.byol.views import make_view
from components.data.decode import decode_square
from components.data.metrics import write_json
from components.data.store import TRAIN, UNLABELLED, Store
from components.model.card import write_card
from components.model.files import CARD, ONNX, Config, save_encoder
from components.model.onnx import export_onnx
from components.params.base import InputError
from components.params.pretrain import Pretrain
from components.terminal.progress import Progress

HEALTH_SAMPLE = 1024  # images; RankMe grows with their number, so that it must stay the same to be compared
PREVIEW_COLUMNS, PREVIEW_WIDTH = 12, 960


def run(params: Pretrain, *, store: Path, encoder: Path, metrics: Path, curve: Path, views: Path) -> None:
    """Train the encoder; write it, the loss curve, a picture of the two views, and what the run was like."""
    device = choose_device(params.device, "pretrain.device")
    be_deterministic(params.threads)
    images = read_images(store, params)  # (N, C, S, S) uint8
    draw_preview(images, params, views)
    feed = ResidentFeed(
        images,
        batch_size=params.batch_size,
        views=params.views,
        params=params.images,
        seed=params.seed,
        device=device,
    )
    shape = {"channels": params.images.channels, "side": params.images.side}
    online = build_online(params.encoder, params.head, **shape, seed=params.seed).to(device)
    state = train.start(
        online.to(memory_format=memory_format(device)),
        params.optimiser,
        steps=params.epochs * feed.steps_per_epoch,
    )
    started = time.perf_counter()
    records = fit(state, feed, params)
    seconds = time.perf_counter() - started

    features = embed_sample(online.encoder, images[:HEALTH_SAMPLE], params, device)  # (<= 1024, D)
    config = describe(params, features.shape[1], len(images))
    save_encoder(encoder, online.encoder, config)
    export_onnx(online.encoder, encoder / ONNX, **shape)
    write_card(encoder / CARD, config)
    write_curve(curve, records)
    write_json(
        metrics,
        {
            "images": len(images),
            "epochs": params.epochs,
            "loss": records[-1].loss,
            "z_std": health.z_std(features),
            "rank_me": health.rank_me(features),
            "seconds": seconds,
            "images_per_second": state.steps * feed.batch_size / seconds,
        },
    )


def fit(state: train.State, feed: ResidentFeed, params: Pretrain) -> list[train.EpochRecord]:
    """Train to the end, saying how far it is: one record an epoch."""
    images_per_epoch = feed.steps_per_epoch * feed.batch_size
    progress = Progress("pretrain", params.epochs * images_per_epoch, "images")
    records: list[train.EpochRecord] = []

    def on_epoch(record: train.EpochRecord) -> None:
        records.append(record)
        progress.advance(images_per_epoch, f"epoch {record.epoch} of {params.epochs}, loss {record.loss:.4f}")

    train.train(state, feed, optimiser=params.optimiser, tau_base=params.tau_base, on_epoch=on_epoch)
    return records


def describe(params: Pretrain, features: int, images: int) -> Config:
    """What stands beside the weights; no date and no path, so that the same run writes the same bytes."""
    return Config(
        encoder=params.encoder,
        images=params.images,
        features=features,
        seed=params.seed,
        provenance={
            "method": "BYOL, arXiv 2006.07733",
            "params": params.model_dump(mode="json"),
            "images": images,
            "torch": str(torch.__version__),
        },
    )


def read_images(store: Path, params: Pretrain) -> Tensor:
    """Every image that may be trained on, labelled or not: (N, C, S, S) uint8."""
    decode = partial(decode_square, side=params.images.side, channels=params.images.channels)
    images = torch.from_numpy(Store(store).images(decode, (TRAIN, UNLABELLED)))
    if len(images) < params.batch_size:
        raise InputError(
            f"params.yaml: pretrain.batch_size: {params.batch_size} is more than the {len(images)} images to train on"
        )
    return images


@torch.no_grad()
def embed_sample(network: torch.nn.Module, images: Tensor, params: Pretrain, device: torch.device) -> Tensor:
    """Features as the probes will see them, in eval mode: (N, C, S, S) uint8 -> (N, D) on the CPU."""
    network.eval()
    batches = torch.split(images, params.batch_size)
    return torch.cat([network(normalise(batch.to(device), params.images)).cpu() for batch in batches])


def draw_preview(images: Tensor, params: Pretrain, path: Path) -> None:
    """A picture: originals in the top row, a first and a second view of each below it."""
    originals = images[:PREVIEW_COLUMNS].float() / 255  # (B, C, S, S)
    generator = torch.Generator().manual_seed(params.seed)
    first = make_view(originals, params.views.first, generator)
    second = make_view(originals, params.views.second, generator)
    rows = torch.stack([originals, first, second])  # (3, B, C, S, S)
    rows = F.pad(rows, (1, 1, 1, 1), value=1.0)  # a white frame around each
    grid = rows.permute(0, 3, 1, 4, 2).flatten(2, 3).flatten(0, 1)  # (3 (S + 2), B (S + 2), C)
    scale = max(1, PREVIEW_WIDTH // grid.shape[1])
    pixels = (grid * 255).byte().numpy().repeat(scale, 0).repeat(scale, 1)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(path)


def write_curve(path: Path, records: list[train.EpochRecord]) -> None:
    """One row an epoch, for `dvc plots` and the report."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(train.EpochRecord)])
        writer.writeheader()
        writer.writerows(asdict(record) for record in records)


if __name__ == "__main__":
    stage.main(run)
