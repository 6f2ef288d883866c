"""Colour jitter, grayscale, blur and solarisation, with strengths of their own for every image of a batch.

The formulas are torchvision's (transforms.v2.functional), which are Pillow's: brightness, contrast and saturation blend
with black, with the mean gray and with the gray image; hue turns the HSV circle. B images, C channels, S pixels a side.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from components.byol.geometry import between, chance
from components.params.pretrain import View

GRAY_WEIGHTS = (0.2989, 0.587, 0.114)  # ITU-R BT.601, as torchvision rounds it


@dataclass(frozen=True)
class Jitter:
    """Factors around 1 and a turn around 0, one an image, and the order in which they come."""

    brightness: Tensor  # (B,)
    contrast: Tensor  # (B,)
    saturation: Tensor  # (B,)
    hue: Tensor  # (B,) share of the colour circle
    order: Tensor  # (B, 4) a permutation of the four above
    applies: Tensor  # (B,) bool


def draw_jitter(view: View, batch: int, generator: Generator) -> Jitter | None:
    """Draw it, or nothing where every strength is zero."""
    if not view.jitter or not any((view.brightness, view.contrast, view.saturation, view.hue)):
        return None

    def factor(strength: float) -> Tensor:
        return between(max(0.0, 1 - strength), 1 + strength, batch, generator)

    return Jitter(
        brightness=factor(view.brightness),
        contrast=factor(view.contrast),
        saturation=factor(view.saturation),
        hue=between(-view.hue, view.hue, batch, generator),
        order=torch.rand(batch, 4, generator=generator, device=generator.device).argsort(dim=1),
        applies=chance(view.jitter, batch, generator),
    )


def jitter_colours(images: Tensor, view: View, drawn: Jitter) -> Tensor:
    """(B, C, S, S) -> (B, C, S, S). Saturation and hue leave one-channel images as they are."""
    coloured = images.shape[1] == 3
    operations: tuple[tuple[bool, Callable[[Tensor], Tensor]], ...] = (
        (view.brightness > 0, lambda x: blend(x, torch.zeros_like(x), drawn.brightness)),
        (view.contrast > 0, lambda x: blend(x, to_gray(x).mean((1, 2, 3), keepdim=True), drawn.contrast)),
        (view.saturation > 0 and coloured, lambda x: blend(x, to_gray(x), drawn.saturation)),
        (view.hue > 0 and coloured, lambda x: turn_hue(x, drawn.hue)),
    )
    active = [(number, operate) for number, (wanted, operate) in enumerate(operations) if wanted]
    result = images
    for place in range(4 if len(active) > 1 else 1):
        before = result
        for number, operate in active:
            turn = drawn.applies if len(active) == 1 else drawn.applies & (drawn.order[:, place] == number)
            result = torch.where(column(turn), operate(before), result)
    return result


def column(values: Tensor) -> Tensor:
    """(B,) -> (B, 1, 1, 1)."""
    return values[:, None, None, None]


def blend(images: Tensor, other: Tensor, factor: Tensor) -> Tensor:
    """factor * images + (1 - factor) * other, kept in 0..1: (B, C, S, S)."""
    return torch.lerp(other.expand_as(images), images, column(factor)).clamp(0, 1)


def to_gray(images: Tensor) -> Tensor:
    """(B, C, S, S) -> (B, 1, S, S)."""
    if images.shape[1] == 1:
        return images
    weights = images.new_tensor(GRAY_WEIGHTS)
    return torch.einsum("bchw,c->bhw", images, weights)[:, None]


def turn_hue(images: Tensor, turn: Tensor) -> Tensor:
    """Through HSV and back: (B, 3, S, S), (B,) -> (B, 3, S, S)."""
    red, green, blue = images.unbind(1)  # (B, S, S) each
    value, minimum = images.amax(1), images.amin(1)
    span = value - minimum
    safe = torch.where(span > 0, span, torch.ones_like(span))
    hue = torch.where(
        value == red,
        (green - blue) / safe,
        torch.where(value == green, 2 + (blue - red) / safe, 4 + (red - green) / safe),
    )
    hue = (hue / 6 + turn[:, None, None]) % 1
    # Foley & van Dam's closed form: channel n is value - span * clamp(min(k, 4 - k), 0, 1), k = (n + 6 h) mod 6.
    k = (images.new_tensor([5.0, 3.0, 1.0])[:, None, None] + 6 * hue[:, None]) % 6  # (B, 3, S, S)
    return value[:, None] - span[:, None] * torch.minimum(k, 4 - k).clamp(0, 1)


def blur(images: Tensor, sigma: Tensor) -> Tensor:
    """Gaussian blur with a kernel of about a tenth of the side; sigma 0 leaves an image as it is: (B, C, S, S)."""
    batch, channels, side, _ = images.shape
    radius = max(1, side // 20)
    offsets = torch.arange(-radius, radius + 1, device=images.device, dtype=images.dtype)
    kernel = torch.exp(-(offsets**2) / (2 * sigma.clamp(min=1e-3)[:, None] ** 2))  # (B, 2 radius + 1)
    kernel = (kernel / kernel.sum(1, keepdim=True)).repeat_interleave(channels, 0)[:, None, None]  # (B C, 1, 1, K)
    flat = images.reshape(1, batch * channels, side, side)
    flat = F.conv2d(F.pad(flat, (radius, radius, 0, 0), mode="reflect"), kernel, groups=batch * channels)
    flat = F.conv2d(F.pad(flat, (0, 0, radius, radius), mode="reflect"), kernel.mT, groups=batch * channels)
    return flat.reshape(images.shape)


def solarise(images: Tensor, threshold: float) -> Tensor:
    """Invert what is at or above the threshold: (B, C, S, S)."""
    return torch.where(images >= threshold, 1 - images, images)
