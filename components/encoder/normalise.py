"""Normalises pixels to the network's input, per channel. B images, C channels, S pixels per side."""

import torch
from torch import Tensor

from components.encoder.params import Images


def normalise(images: Tensor, params: Images) -> Tensor:
    """Normalise images to (x - mean) / std per channel: (B, C, S, S) uint8, or float in 0..1 -> float."""
    if images.dtype == torch.uint8:
        images = images.float() / 255
    # Channel by channel, since a tensor of means would have to be copied to the device at every step.
    scaled = [(x - mean) / std for x, mean, std in zip(images.unbind(1), params.mean, params.std, strict=True)]
    return torch.stack(scaled, dim=1)
