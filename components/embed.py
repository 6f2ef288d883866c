"""Stage embed: models/encoder and data/store -> embeddings, of the encoder and of two baselines.

`byol` is the encoder; `random` the same network with the weights its training began with, so that what architecture
alone is worth can be seen; `pixels` the image itself. N images, C channels, S pixels a side, D features.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from components import stage
from components.byol.device import choose_device, prepare
from components.byol.normalise import normalise
from components.data.decode import decode_square
from components.data.embeddings import write_embeddings
from components.data.store import SPLITS, Store
from components.model.files import load_encoder, untrained_encoder
from components.params.embed import Embed
from components.terminal.progress import Progress


def run(params: Embed, *, store: Path, encoder: Path, embeddings: Path) -> None:
    """Embed every image of the store three times; one Parquet file each."""
    device = choose_device(params.device, "embed.device")
    prepare(device, params.threads)
    loaded = load_encoder(encoder)
    shape = loaded.config.images
    opened = Store(store)
    decode = partial(decode_square, side=shape.side, channels=shape.channels)
    images = torch.from_numpy(opened.images(decode, SPLITS))  # (N, C, S, S) uint8
    trained, untrained = loaded.network.to(device), untrained_encoder(loaded.config).to(device)

    embedders: dict[str, Callable[[Tensor], Tensor]] = {
        "byol": lambda batch: trained(normalise(batch.to(device), shape)),
        "random": lambda batch: untrained(normalise(batch.to(device), shape)),
        "pixels": lambda batch: pixels(batch, params.pixels_side),
    }
    rows = opened.table(["id", "split", "label"])
    progress = Progress("embed", len(images) * len(embedders), "images")
    for name, embedder in embedders.items():
        features = embed(embedder, images, params.batch_size, progress)
        write_embeddings(embeddings / f"{name}.parquet", rows, features)


@torch.no_grad()
def embed(embedder: Callable[[Tensor], Tensor], images: Tensor, batch_size: int, progress: Progress) -> np.ndarray:
    """(N, C, S, S) uint8 -> (N, D) float32, a batch at a time."""
    parts = []
    for batch in torch.split(images, batch_size):
        parts.append(embedder(batch).float().cpu().numpy())
        progress.advance(len(batch))
    return np.concatenate(parts)


def pixels(images: Tensor, side: int) -> Tensor:
    """The pixels as features, averaged down to `side` where there are more: (B, C, S, S) uint8 -> (B, C side^2)."""
    values = images.float() / 255
    if values.shape[-1] > side:
        values = F.adaptive_avg_pool2d(values, side)
    return values.flatten(1)


if __name__ == "__main__":
    stage.main(run)
