"""Makes the embedders that are compared, the encoder and its baselines: each maps (B, C, S, S) uint8 -> (B, D).

`byol` is the encoder; `random` is the same network with the weights that its training began with, which shows what the
architecture alone is worth; `pixels` is the image itself. B images, C channels, S pixels per side, D features.
"""

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from components.features.encoders import OURS, PIXELS, UNTRAINED
from components.features.load import LoadedEncoder, build_untrained_encoder
from components.learning.device import choose_memory_format

Embedder = Callable[[Tensor], Tensor]


def make_embedders(
    loaded: LoadedEncoder, device: torch.device, precision: torch.dtype, *, pixels_side: int
) -> dict[str, Embedder]:
    """Make the embedders by name, and move their networks to the device."""
    byol, random = loaded, LoadedEncoder(build_untrained_encoder(loaded.config), loaded.config)
    for encoder in (byol, random):
        encoder.network.to(device, memory_format=choose_memory_format(device, precision))  # type: ignore[call-overload]
    return {
        OURS: run_in_precision(byol.compute_features, device, precision),
        UNTRAINED: run_in_precision(random.compute_features, device, precision),
        PIXELS: partial(flatten_pixels, side=pixels_side),
    }


def run_in_precision(embedder: Embedder, device: torch.device, precision: torch.dtype) -> Embedder:
    """Return the embedder with its convolutions in the given precision and its features in float32."""

    @torch.inference_mode()
    def embed(images: Tensor) -> Tensor:
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == torch.bfloat16):
            return embedder(images).float()

    return embed


def flatten_pixels(images: Tensor, side: int) -> Tensor:
    """Flatten the pixels to features, averaged down to `side` if S is larger: (B, C, S, S) uint8 -> (B, C side^2)."""
    values = images.float() / 255
    if values.shape[-1] > side:
        values = F.adaptive_avg_pool2d(values, side)
    return values.flatten(1)
