"""The encoder and what it is measured against, each as (B, C, S, S) uint8 -> (B, D).

`byol` is the encoder; `random` the same network with the weights its training began with, so that what architecture
alone is worth can be seen; `pixels` the image itself. B images, C channels, S pixels a side, D features.
"""

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from components.features.encoders import OURS, PIXELS, UNTRAINED
from components.features.load import LoadedEncoder, untrained_encoder
from components.learning.device import memory_format

Embedder = Callable[[Tensor], Tensor]


def make_embedders(
    loaded: LoadedEncoder, device: torch.device, precision: torch.dtype, *, pixels_side: int
) -> dict[str, Embedder]:
    """By name; the networks are moved to the device."""
    byol, random = loaded, LoadedEncoder(untrained_encoder(loaded.config), loaded.config)
    for one in (byol, random):
        one.network.to(device, memory_format=memory_format(device, precision))  # type: ignore[call-overload]
    return {
        OURS: in_precision(byol.features, device, precision),
        UNTRAINED: in_precision(random.features, device, precision),
        PIXELS: partial(pixels, side=pixels_side),
    }


def in_precision(embedder: Embedder, device: torch.device, precision: torch.dtype) -> Embedder:
    """The same with convolutions in that precision, and float32 features."""

    @torch.inference_mode()
    def embed(images: Tensor) -> Tensor:
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == torch.bfloat16):
            return embedder(images).float()

    return embed


def pixels(images: Tensor, side: int) -> Tensor:
    """The pixels as features, averaged down to `side` where there are more: (B, C, S, S) uint8 -> (B, C side^2)."""
    values = images.float() / 255
    if values.shape[-1] > side:
        values = F.adaptive_avg_pool2d(values, side)
    return values.flatten(1)
