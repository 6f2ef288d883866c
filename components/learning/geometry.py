"""Draws and applies crop, flip, rotation, scale, shift and shear, resampling the pixels only once.

The random resized crop is drawn as in torchvision (transforms.RandomResizedCrop; Szegedy et al., arXiv 1409.4842): area
and log ratio are uniform, sides are whole pixels, and after ten tries that do not fit, the largest crop in the middle
that the ratios allow is taken. Crop, flip and resize act on rows and columns apart, so they are two matrix products
with Pillow's antialiased bicubic weights (Keys, a = -0.5). Rotation, scale, shift and shear need the whole plane: with
them, everything is one affine map, sampled without antialiasing.

B images, C channels, R pixels per side of the image that is read, S of the view. Affine coordinates run from -1 to 1
over the image, x to the right and y down.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from components.learning.params import View

TRIES = 10


@dataclass(frozen=True)
class Crop:
    """The crops of a batch, in whole pixels of the images that are read: (B,) each."""

    left: Tensor
    top: Tensor
    width: Tensor
    height: Tensor
    mirrored: Tensor  # bool


class Uniforms:
    """Uniform numbers in 0..1, drawn beforehand: (U,). They are handed out in their order, each of them once."""

    def __init__(self, numbers: Tensor) -> None:
        self.numbers, self.used = numbers, 0
        self.counts: list[int] = []  # how many were taken each time; always as many for each image, its own together

    def take(self, count: int) -> Tensor:
        """Return the next numbers: (count,)."""
        self.used += count
        self.counts.append(count)
        return self.numbers[self.used - count : self.used]


def draw_uniform(low: float, high: float, batch: int, uniforms: Uniforms) -> Tensor:
    """Draw uniform numbers in low..high: (B,)."""
    return low + (high - low) * uniforms.take(batch)


def draw_bernoulli(probability: float, batch: int, uniforms: Uniforms) -> Tensor:
    """Draw booleans that are true with the given probability: (B,)."""
    return uniforms.take(batch) < probability


def needs_crop(view: View) -> bool:
    """Whether drawing this view needs a crop or a flip."""
    return view.crop_area != (1, 1) or view.crop_ratio != (1, 1) or view.flip > 0


def needs_warp(view: View) -> bool:
    """Whether this view needs an affine map, which may look beyond the image's edge, where all is black."""
    return any((view.rotate, view.scale, view.shift, view.shear))


def draw_crop(view: View, batch: int, side: int, uniforms: Uniforms) -> Crop:
    """Draw one crop for each image of R = `side` pixels per side."""
    shares = draw_uniform(*view.crop_area, batch * TRIES, uniforms)
    log_low, log_high = (math.log(ratio) for ratio in view.crop_ratio)
    ratios = draw_uniform(log_low, log_high, batch * TRIES, uniforms).exp()
    widths = (side * (shares * ratios).sqrt()).round().view(batch, TRIES)
    heights = (side * (shares / ratios).sqrt()).round().view(batch, TRIES)
    fits = (widths >= 1) & (widths <= side) & (heights >= 1) & (heights <= side)  # (B, TRIES)
    first = fits.int().argmax(1, keepdim=True)  # (B, 1); 0 where none fits
    any_fits = fits.any(1)
    widest, highest = round(side * min(1, view.crop_ratio[1])), round(side / max(1, view.crop_ratio[0]))
    width = torch.where(any_fits, widths.gather(1, first)[:, 0], max(1, widest))
    height = torch.where(any_fits, heights.gather(1, first)[:, 0], max(1, highest))

    def draw_start(length: Tensor) -> Tensor:
        drawn = (uniforms.take(batch) * (side - length + 1)).floor()
        middle = ((side - length) / 2).round()
        return torch.where(any_fits, drawn.minimum(side - length), middle)

    return Crop(draw_start(width), draw_start(height), width, height, draw_bernoulli(view.flip, batch, uniforms))


def resize(images: Tensor, crop: Crop, side: int) -> Tensor:
    """Resize each crop to S = `side` pixels, mirrored where drawn: (B, C, R, R) -> (B, C, S, S) in 0..1."""
    across = compute_bicubic_weights(crop.left, crop.width, side, images.shape[-1])  # (B, S, R)
    across = torch.where(crop.mirrored[:, None, None], across.flip(1), across)
    down = compute_bicubic_weights(crop.top, crop.height, side, images.shape[-1])  # (B, S, R)
    return (down[:, None] @ (images @ across.mT[:, None])).clamp(0, 1)


def compute_bicubic_weights(begin: Tensor, length: Tensor, side: int, read_side: int) -> Tensor:
    """Compute the share of each pixel of the crop in each pixel of the view; they sum to 1: (B,), (B,) -> (B, S, R)."""
    begin, length = begin[:, None, None], length[:, None, None]  # (B, 1, 1)
    scale = length / side
    centre = begin + scale * (torch.arange(side, device=begin.device)[:, None] + 0.5)  # (B, S, 1)
    pixel = torch.arange(read_side, device=begin.device) + 0.5  # (R,)
    t = ((pixel - centre) / scale.clamp(min=1)).abs()  # (B, S, R)
    near = (1.5 * t - 2.5) * t * t + 1
    far = ((-0.5 * t + 2.5) * t - 4) * t + 2
    weight = torch.where(t < 1, near, far) * ((t < 2) & (pixel > begin) & (pixel < begin + length))
    return weight / weight.sum(-1, keepdim=True)


def draw_affine(view: View, crop: Crop, side: int, uniforms: Uniforms) -> Tensor:
    """Draw affine maps from output to input coordinates, the crop included, for R = `side` pixels: (B, 2, 3)."""
    batch = len(crop.left)
    width, height = crop.width / side, crop.height / side
    centre_x = (2 * crop.left + crop.width) / side - 1
    centre_y = (2 * crop.top + crop.height) / side - 1
    mirror = 1 - 2 * crop.mirrored.float()

    angle = torch.deg2rad(draw_uniform(-view.rotate, view.rotate, batch, uniforms))
    shear = torch.deg2rad(draw_uniform(-view.shear, view.shear, batch, uniforms)).tan()
    zoom = 1 / draw_uniform(1 - view.scale, 1 + view.scale, batch, uniforms)
    cos, sin = angle.cos() * zoom, angle.sin() * zoom
    shift_x = 2 * draw_uniform(-view.shift, view.shift, batch, uniforms)  # a share of the side is twice that of -1..1
    shift_y = 2 * draw_uniform(-view.shift, view.shift, batch, uniforms)
    return torch.stack(
        [
            torch.stack([width * cos * mirror, width * (cos * shear - sin), centre_x + width * shift_x], 1),
            torch.stack([height * sin * mirror, height * (sin * shear + cos), centre_y + height * shift_y], 1),
        ],
        dim=1,
    )  # (B, 2, 3) = crop @ rotation and zoom @ shear @ mirror


def warp(images: Tensor, affine: Tensor, side: int) -> Tensor:
    """Sample images by affine maps, bicubic, black beyond the edge: (B, C, R, R), (B, 2, 3) -> (B, C, S, S) in 0..1."""
    grid = F.affine_grid(affine, [*images.shape[:2], side, side], align_corners=False)  # (B, S, S, 2)
    return F.grid_sample(images, grid, mode="bicubic", padding_mode="zeros", align_corners=False).clamp(0, 1)
