"""Makes the embedders that are compared, the encoder and its baselines: each maps (B, C, S, S) pixels -> (B, D).

`byol` is the encoder; `start` is what its training began with, where that was trained before, and shows what the
training added; `random` is the same network with weights drawn at random, which shows what the architecture alone is
worth; `pixels` is the image itself, without a network and so always in float32. B images, C channels, S pixels per
side, D features.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from components.encoder.normalise import to_unit
from components.encoder.params import Images
from components.features.encoders import OURS, PIXELS, START, UNTRAINED
from components.features.load import LoadedEncoder, build_untrained_encoder
from components.learning.device import compute_in, place_network


@dataclass(frozen=True)
class Embedder:
    """Computes the features of images in its precision, without gradients, and returns them in float32."""

    compute: Callable[[Tensor], Tensor]
    device: torch.device
    precision: torch.dtype  # of convolutions and products

    @torch.inference_mode()
    def __call__(self, images: Tensor) -> Tensor:
        """Compute features: (B, C, S, S) pixels -> (B, D) float32."""
        with compute_in(self.precision, self.device):
            return self.compute(images).float()


def make_embedders(
    loaded: LoadedEncoder, start: nn.Module | None, device: torch.device, precision: torch.dtype, *, pixels_side: int
) -> dict[str, Embedder]:
    """Make the embedders by name, and move their networks to the device; without a `start`, none is made of it."""
    networks = {OURS: loaded.network} | ({START: start} if start else {})
    networks |= {UNTRAINED: build_untrained_encoder(loaded.config)}
    placed = {name: place_network(network, device, precision) for name, network in networks.items()}
    made = {
        name: Embedder(LoadedEncoder(network, loaded.config).compute_features, device, precision)
        for name, network in placed.items()
    }
    pixels = partial(flatten_pixels, side=pixels_side, params=loaded.config.images)
    return {**made, PIXELS: Embedder(pixels, device, torch.float32)}


def flatten_pixels(images: Tensor, side: int, params: Images) -> Tensor:
    """Flatten pixels to features in 0..1, averaged down to `side` if S is larger: (B, C, S, S) -> (B, C side^2)."""
    values = to_unit(images, params)
    if values.shape[-1] > side:
        values = F.adaptive_avg_pool2d(values, side)
    return values.flatten(1)
