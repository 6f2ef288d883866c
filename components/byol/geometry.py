"""Crop, flip, rotation, scale, shift and shear as one affine map an image, so that pixels are resampled once.

Random resized crop: area and log ratio drawn uniformly (Szegedy et al., arXiv 1409.4842; torchvision's
RandomResizedCrop). A crop that would not fit is narrowed to the image instead of drawn again.

B images, C channels, S pixels a side. Coordinates run from -1 to 1 over the image, x to the right and y down.
"""

import math

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from components.params.pretrain import View


def between(low: float, high: float, batch: int, generator: Generator) -> Tensor:
    """Uniform numbers in low..high: (B,)."""
    return low + (high - low) * torch.rand(batch, generator=generator, device=generator.device)


def chance(probability: float, batch: int, generator: Generator) -> Tensor:
    """True with the given probability: (B,) bool."""
    return torch.rand(batch, generator=generator, device=generator.device) < probability


def moves_pixels(view: View) -> bool:
    """Whether any strength of the geometry is above zero."""
    crops = view.crop_area != (1, 1) or view.crop_ratio != (1, 1)
    return crops or any((view.flip, view.rotate, view.scale, view.shift, view.shear))


def leaves_image(view: View) -> bool:
    """Whether a view may look beyond the image's edge; a crop alone does not."""
    return any((view.rotate, view.scale, view.shift, view.shear))


def draw_affine(view: View, batch: int, generator: Generator) -> Tensor:
    """Maps from output to input coordinates: (B, 2, 3)."""
    area = between(*view.crop_area, batch, generator)
    log_low, log_high = (math.log(ratio) for ratio in view.crop_ratio)
    ratio = between(log_low, log_high, batch, generator).exp()
    width, height = (area * ratio).sqrt().clamp(max=1), (area / ratio).sqrt().clamp(max=1)
    centre_x = (1 - width) * between(-1, 1, batch, generator)
    centre_y = (1 - height) * between(-1, 1, batch, generator)

    angle = torch.deg2rad(between(-view.rotate, view.rotate, batch, generator))
    shear = torch.deg2rad(between(-view.shear, view.shear, batch, generator)).tan()
    zoom = 1 / between(1 - view.scale, 1 + view.scale, batch, generator)
    mirror = 1 - 2 * chance(view.flip, batch, generator).float()
    cos, sin = angle.cos() * zoom, angle.sin() * zoom
    shift_x = 2 * between(-view.shift, view.shift, batch, generator)  # a share of the side is twice that of -1..1
    shift_y = 2 * between(-view.shift, view.shift, batch, generator)
    return torch.stack(
        [
            torch.stack([width * cos * mirror, width * (cos * shear - sin), centre_x + width * shift_x], 1),
            torch.stack([height * sin * mirror, height * (sin * shear + cos), centre_y + height * shift_y], 1),
        ],
        dim=1,
    )  # (B, 2, 3) = crop @ rotation and zoom @ shear @ mirror


def resample(images: Tensor, affine: Tensor, *, black_outside: bool) -> Tensor:
    """Bicubic: (B, C, S, S), (B, 2, 3) -> (B, C, S, S) in 0..1. Beyond the edge black, or the edge repeated."""
    grid = F.affine_grid(affine, list(images.shape), align_corners=False)  # (B, S, S, 2)
    padding = "zeros" if black_outside else "border"
    return F.grid_sample(images, grid, mode="bicubic", padding_mode=padding, align_corners=False).clamp(0, 1)
