"""Applies colour jitter, grayscale, blur and solarisation, with separate strengths for every image of a batch.

The formulas are torchvision's (transforms.v2.functional), which are Pillow's: brightness, contrast and saturation blend
with black, with the mean gray and with the gray image; hue turns the HSV circle. B images, S pixels per side, C
channels, those that have a colour, 1 or 3; blur takes any number of channels.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from components.learning.geometry import Uniforms, draw_bernoulli, draw_uniform
from components.learning.params import View

Operation = Callable[[Tensor, Tensor], Tensor]  # images and one amount per image -> images
GRAY_WEIGHTS = (0.2989, 0.587, 0.114)  # ITU-R BT.601, as torchvision rounds it


@dataclass(frozen=True)
class Jitter:
    """The drawn colour jitter of a batch: per image, factors around 1, a turn of the hue around 0, and their order."""

    brightness: Tensor  # (B,)
    contrast: Tensor  # (B,)
    saturation: Tensor  # (B,)
    hue: Tensor  # (B,) share of the colour circle
    order: Tensor  # (B, 4) a permutation of the four above
    applies: Tensor  # (B,) bool


def compute_factor_range(strength: float) -> tuple[float, float]:
    """Return the smallest and the largest factor that a strength allows."""
    return max(0.0, 1 - strength), 1 + strength


def draw_jitter(view: View, batch: int, uniforms: Uniforms) -> Jitter | None:
    """Draw the colour jitter of a batch, or None if every strength is zero."""
    if not view.jitter or not any((view.brightness, view.contrast, view.saturation, view.hue)):
        return None

    return Jitter(
        brightness=draw_uniform(*compute_factor_range(view.brightness), batch, uniforms),
        contrast=draw_uniform(*compute_factor_range(view.contrast), batch, uniforms),
        saturation=draw_uniform(*compute_factor_range(view.saturation), batch, uniforms),
        hue=draw_uniform(-view.hue, view.hue, batch, uniforms),
        order=uniforms.take(batch * 4).view(batch, 4).argsort(dim=1),
        applies=draw_bernoulli(view.jitter, batch, uniforms),
    )


def jitter_colours(images: Tensor, view: View, drawn: Jitter) -> Tensor:
    """Apply drawn jitter, on a CPU in the same memory: (B, C, S, S). Saturation and hue leave gray images unchanged."""
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
    active = [(number, amount, operate) for number, (wanted, amount, operate) in enumerate(operations) if wanted]
    if len(active) == 1:
        return apply_where(drawn.applies, images, active[0][2], active[0][1])
    for place in range(len(operations)):
        turn = torch.where(drawn.applies, drawn.order[:, place], -1)  # (B,) number of the operation, -1 for none
        for number, amount, operate in active:
            images = apply_where(turn == number, images, operate, amount)
    return images


def apply_where(rows: Tensor, images: Tensor, operate: Operation, amount: Tensor | None = None) -> Tensor:
    """Apply `operate` to the images whose row (B,) is true, with their amounts (B,), and leave the others unchanged.

    On a CPU only those images are computed. Elsewhere all are, since finding the rows would wait for the device, and in
    compiled code, which needs to know beforehand how many there are.
    """
    apply = apply_to_some if images.device.type == "cpu" and not torch.compiler.is_compiling() else apply_to_all
    return apply(rows, images, operate, rows if amount is None else amount)


def apply_to_all(rows: Tensor, images: Tensor, operate: Operation, amount: Tensor) -> Tensor:
    """Apply `operate` to every image, and choose between the results and the images."""
    return torch.where(to_column(rows), operate(images, amount), images)


def apply_to_some(rows: Tensor, images: Tensor, operate: Operation, amount: Tensor) -> Tensor:
    """Apply `operate` to the wanted images alone and write the results into `images`, which is quicker than a copy."""
    wanted = rows.nonzero()[:, 0]
    if len(wanted) == 0:
        return images
    return images.index_copy_(0, wanted, operate(images[wanted], amount[wanted]))


def to_column(values: Tensor) -> Tensor:
    """Reshape one number per image so that it broadcasts over the image: (B,) -> (B, 1, 1, 1)."""
    return values[:, None, None, None]


def blend(images: Tensor, backdrop: Tensor, factor: Tensor) -> Tensor:
    """Blend as factor * images + (1 - factor) * backdrop, limited to 0..1: (B, C, S, S)."""
    return torch.lerp(backdrop.expand_as(images), images, to_column(factor)).clamp(0, 1)


def to_gray(images: Tensor) -> Tensor:
    """Convert images to one channel of gray: (B, C, S, S) -> (B, 1, S, S)."""
    if images.shape[1] == 1:
        return images
    red, green, blue = images[:, 0:1], images[:, 1:2], images[:, 2:3]  # (B, 1, S, S) each
    return red.mul(GRAY_WEIGHTS[0]).add_(green, alpha=GRAY_WEIGHTS[1]).add_(blue, alpha=GRAY_WEIGHTS[2])


def turn_hue(images: Tensor, turn: Tensor) -> Tensor:
    """Turn the hue through HSV, by shares of the colour circle: (B, 3, S, S), (B,) -> (B, 3, S, S)."""
    red, green, blue = images.unbind(1)  # (B, S, S) each
    value = torch.maximum(torch.maximum(red, green), blue)
    span = value - torch.minimum(torch.minimum(red, green), blue)
    safe = span.clamp(min=torch.finfo(span.dtype).tiny)  # gray has no hue and a span of 0: any hue will do
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


def compute_blur_radius(side: int) -> int:
    """Return the number of pixels on each side of the middle of the blur kernel."""
    return max(1, side // 20)


def blur(images: Tensor, sigma: Tensor) -> Tensor:
    """Apply Gaussian blur, with a kernel of about a tenth of the side: (B, C, S, S), sigma (B,) in pixels.

    The image is mirrored at its edge. Rows and columns are blurred by one matrix each, (B, S, S), since a convolution
    with a different kernel for every image is slow.
    """
    side = images.shape[-1]
    radius = compute_blur_radius(side)
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
    """Invert the pixels at or above the threshold: (B, C, S, S)."""
    return torch.where(images >= threshold, 1 - images, images)
