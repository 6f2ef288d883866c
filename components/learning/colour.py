"""Colour jitter, grayscale, blur and solarisation, with strengths of their own for every image of a batch.

The formulas are torchvision's (transforms.v2.functional), which are Pillow's: brightness, contrast and saturation blend
with black, with the mean gray and with the gray image; hue turns the HSV circle. B images, S pixels a side, C channels,
1 or 3: nothing here knows what to do with alpha.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from components.learning.geometry import between, chance
from components.learning.params import View

Operation = Callable[[Tensor, Tensor], Tensor]  # images and one amount for each -> images
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


def count_colours(channels: int) -> int:
    """How many of an image's channels are colours: 1 of 1 or 2, 3 of 3 or 4. The other one is alpha."""
    return channels if channels % 2 else channels - 1


def factors(strength: float) -> tuple[float, float]:
    """The smallest and the largest factor of that strength."""
    return max(0.0, 1 - strength), 1 + strength


def draw_jitter(view: View, batch: int, generator: Generator) -> Jitter | None:
    """Draw it, or nothing where every strength is zero."""
    if not view.jitter or not any((view.brightness, view.contrast, view.saturation, view.hue)):
        return None

    return Jitter(
        brightness=between(*factors(view.brightness), batch, generator),
        contrast=between(*factors(view.contrast), batch, generator),
        saturation=between(*factors(view.saturation), batch, generator),
        hue=between(-view.hue, view.hue, batch, generator),
        order=torch.rand(batch, 4, generator=generator, device=generator.device).argsort(dim=1),
        applies=chance(view.jitter, batch, generator),
    )


def jitter_colours(images: Tensor, view: View, drawn: Jitter) -> Tensor:
    """(B, C, S, S) -> (B, C, S, S), on a CPU in the same memory. Saturation and hue leave one channel as it is."""
    coloured = images.shape[1] == 3
    operations: tuple[tuple[bool, Tensor, Operation], ...] = (
        (view.brightness > 0, drawn.brightness, lambda x, factor: blend(x, torch.zeros_like(x), factor)),
        (
            view.contrast > 0,
            drawn.contrast,
            lambda x, factor: blend(x, to_gray(x).mean((1, 2, 3), keepdim=True), factor),
        ),
        (view.saturation > 0 and coloured, drawn.saturation, lambda x, factor: blend(x, to_gray(x), factor)),
        (view.hue > 0 and coloured, drawn.hue, turn_hue),
    )
    active = [(number, amount, do) for number, (wanted, amount, do) in enumerate(operations) if wanted]
    if len(active) == 1:
        return where_drawn(drawn.applies, images, active[0][2], active[0][1])
    for place in range(len(operations)):
        turn = torch.where(drawn.applies, drawn.order[:, place], -1)  # (B,) whose turn it is
        for number, amount, do in active:
            images = where_drawn(turn == number, images, do, amount)
    return images


def where_drawn(rows: Tensor, images: Tensor, operate: Operation, amount: Tensor | None = None) -> Tensor:
    """The images of the rows (B,) as `operate` makes them of (images, amounts (B,)), the others as they are.

    On a CPU only those are computed; elsewhere all are, since to find the rows would wait for the device.
    """
    work = some_rows if images.device.type == "cpu" else all_rows
    return work(rows, images, operate, rows if amount is None else amount)


def all_rows(rows: Tensor, images: Tensor, operate: Operation, amount: Tensor) -> Tensor:
    """Computed for every image and chosen from."""
    return torch.where(column(rows), operate(images, amount), images)


def some_rows(rows: Tensor, images: Tensor, operate: Operation, amount: Tensor) -> Tensor:
    """Computed for these alone and put back into `images`: a copy of all would take longer than the operation."""
    wanted = rows.nonzero()[:, 0]
    if len(wanted) == 0:
        return images
    return images.index_copy_(0, wanted, operate(images[wanted], amount[wanted]))


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
    red, green, blue = images[:, 0:1], images[:, 1:2], images[:, 2:3]  # (B, 1, S, S) each
    return red.mul(GRAY_WEIGHTS[0]).add_(green, alpha=GRAY_WEIGHTS[1]).add_(blue, alpha=GRAY_WEIGHTS[2])


def turn_hue(images: Tensor, turn: Tensor) -> Tensor:
    """Through HSV and back: (B, 3, S, S), (B,) -> (B, 3, S, S)."""
    red, green, blue = images.unbind(1)  # (B, S, S) each
    value = torch.maximum(torch.maximum(red, green), blue)
    span = value - torch.minimum(torch.minimum(red, green), blue)
    safe = span.clamp(min=torch.finfo(span.dtype).tiny)  # gray has no hue, and any will do: its span is 0
    hue = torch.where(
        value == red,
        (green - blue) / safe,
        torch.where(value == green, 2 + (blue - red) / safe, 4 + (red - green) / safe),
    )
    turned = (hue / 6).add_(turn[:, None, None])[:, None]  # (B, 1, S, S) of the circle, -2/3..4/3
    # Foley & van Dam's closed form: channel n is value - span * clamp(min(k, 4 - k), 0, 1), k = (n + 6 h) mod 6.
    n = torch.arange(11, 5, -2, device=images.device)[:, None, None] / 6  # 5, 3, 1, and a circle more
    k = (turned + n).frac_().mul_(6)  # (B, 3, S, S)
    share = k.sub_(2).abs_().neg_().add_(2).clamp_(0, 1)  # min(k, 4 - k) is 2 - |k - 2|
    return torch.addcmul(value[:, None], span[:, None], share, value=-1)


def blur_radius(side: int) -> int:
    """Pixels on each side of the middle of the kernel."""
    return max(1, side // 20)


def blur(images: Tensor, sigma: Tensor) -> Tensor:
    """Gaussian blur with a kernel of about a tenth of the side, mirrored at the edge: (B, C, S, S), (B,) in pixels.

    Rows and columns are blurred by a matrix each, (B, S, S): a convolution with another kernel for every image is slow.
    """
    side = images.shape[-1]
    radius = blur_radius(side)
    offsets = torch.arange(-radius, radius + 1, device=images.device)  # (K,)
    kernel = torch.exp(-(offsets**2) / (2 * sigma.clamp(min=1e-3)[:, None] ** 2))  # (B, K)
    kernel = kernel / kernel.sum(1, keepdim=True)
    source = (torch.arange(side, device=images.device) + offsets[:, None]).abs()  # (K, S) where each tap reads
    source = torch.where(source < side, source, 2 * (side - 1) - source)
    taps = F.one_hot(source, side).to(images.dtype)  # (K, S, S)
    matrix = torch.tensordot(kernel, taps, dims=1)[:, None]  # (B, 1, S, S)
    blurred: Tensor = matrix @ images @ matrix.mT
    return blurred


def solarise(images: Tensor, threshold: float) -> Tensor:
    """Invert what is at or above the threshold: (B, C, S, S)."""
    return torch.where(images >= threshold, 1 - images, images)
