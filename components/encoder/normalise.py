"""Turns pixels into the network's input: numbers in 0..1, then normalised per channel.

B images, C channels, S pixels per side.
"""

import torch
from torch import Tensor

from components.encoder.params import Images


def to_unit(images: Tensor, params: Images) -> Tensor:
    """Scale pixels to 0..1, values beyond the range included: (B, C, S, S) uint8, or uint16 by a range -> float."""
    if params.range is None:
        return images.float() / 255
    low, high = params.range
    return ((images.float() - low) / (high - low)).clamp(0, 1)


def normalise(images: Tensor, params: Images) -> Tensor:
    """Normalise images to (x - mean) / std per channel: (B, C, S, S) pixels, or float in 0..1 -> float."""
    if not images.is_floating_point():
        images = to_unit(images, params)
    # Channel by channel, since a tensor of means would have to be copied to the device at every step.
    scaled = [(x - mean) / std for x, mean, std in zip(images.unbind(1), params.mean, params.std, strict=True)]
    return torch.stack(scaled, dim=1)
