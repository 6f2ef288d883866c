"""Adapts a stem to images of other channels, and position embeddings to another number of places, as timm does.

The formulas are those of timm.models._manipulate.adapt_input_conv and timm.layers.resample_abs_pos_embed, here for any
number of channels before.
O, I and C channels: out of a convolution, into it, and of the images; K pixels of its kernel's sides; T positions, D
features.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def is_other_channels(ours: Tensor, theirs: Tensor) -> bool:
    """Whether two convolutions differ only in how many channels they see."""
    same = ours.ndim == theirs.ndim == 4 and (len(ours), *ours.shape[2:]) == (len(theirs), *theirs.shape[2:])
    return same and theirs.shape[1] > 0


def adapt_stem(weight: Tensor, channels: int) -> Tensor:
    """Adapt a convolution to images of other channels, whose sum stays about what it was: (O, I, K, K) -> (O, C, K, K).

    One channel gets the sum over all; several repeat those that there are, scaled by I / C.
    """
    weight, before = weight.float(), weight.shape[1]
    if channels == 1:
        return weight.sum(dim=1, keepdim=True)
    return weight[:, torch.arange(channels) % before] * (before / channels)


def describe_stem(weight: Tensor, channels: int) -> str:
    """Describe what `adapt_stem` does."""
    before = weight.shape[1]
    how = "their sum" if channels == 1 else f"repeated or cut, times {before}/{channels}"
    return f"from {before} channel{'s' * (before > 1)} to {channels}, {how}"


def count_prefix_tokens(ours: Tensor, theirs: Tensor) -> int | None:
    """Count the positions that are no place in the image, such as the class token's: (1, T, D) each.

    Return None if what is left are not squares of places.
    """
    if not ours.ndim == theirs.ndim == 3 or len(ours) != 1 or len(theirs) != 1 or ours.shape[2] != theirs.shape[2]:
        return None
    for prefix in range(8):
        places = [tensor.shape[1] - prefix for tensor in (ours, theirs)]
        if all(place > 0 and math.isqrt(place) ** 2 == place for place in places):
            return prefix
    return None


def resample_positions(positions: Tensor, side: int, prefix: int) -> Tensor:
    """Scale a square of positions to another side: (1, T, D) -> (1, prefix + side * side, D) float32."""
    kept, places = positions[:, :prefix].float(), positions[:, prefix:].float()
    old = math.isqrt(places.shape[1])
    square = places.reshape(1, old, old, -1).permute(0, 3, 1, 2)  # (1, D, old, old)
    scaled = F.interpolate(square, (side, side), mode="bicubic", antialias=True)  # (1, D, side, side)
    return torch.cat([kept, scaled.flatten(2).transpose(1, 2)], dim=1)
