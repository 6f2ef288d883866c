"""Two random views of every image, a whole batch at once, on the device that the images are on.

What is drawn is kept apart from what is done with it: `draw` makes one row of numbers an image, `apply` follows them.
Order: geometry (crop, flip, rotation, scale, shift and shear as one resampling), colour, grayscale, blur, solarise
(arXiv 2006.07733, appendix B), then noise, which is ours. Brightness and contrast are torchvision's (multiplicative;
contrast about the mean gray of the image), not DeepMind's (additive; contrast about the mean of a channel).

Alpha, the last of 2 or 4 channels, takes part in the geometry alone. Blur leaves it too: blur is there to take detail
away, and a soft outline is not less detail but another shape.

B images, C channels, K of them colours, R and S pixels a side, read and seen; images are float in 0..1.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Generator, Tensor

from components.learning import colour, geometry
from components.learning.colour import where_drawn
from components.learning.geometry import between, chance
from components.learning.params import View

Record = TypeVar("Record")


class Shape(NamedTuple):
    """Of a batch before and after."""

    batch: int  # B
    channels: int  # C
    read_side: int  # R
    side: int  # S


@dataclass(frozen=True)
class Drawn:
    """Everything that decides the views of a batch; None where the view has no such operation."""

    crop: geometry.Crop | None
    affine: Tensor | None  # (B, 2, 3) output coordinates -> input coordinates, the crop among them
    jitter: colour.Jitter | None
    grayscale: Tensor | None  # (B,) bool
    blurred: Tensor | None  # (B,) bool
    blur_sigma: Tensor | None  # (B,) pixels that are seen
    solarise: Tensor | None  # (B,) bool
    noise: Tensor | None  # (B, K, S, S)


def draw(view: View, shape: Shape, generator: Generator) -> Drawn:
    """Draw the views of a batch, every image on its own, on the generator's device."""
    batch, channels, read_side, side = shape
    colours = colour.count_colours(channels)
    resampled = geometry.crops(view) or geometry.warps(view) or read_side != side
    crop = geometry.draw_crop(view, batch, read_side, generator) if resampled else None
    warped = crop is not None and geometry.warps(view)
    return Drawn(
        crop=crop,
        affine=geometry.draw_affine(view, crop, read_side, generator) if crop and warped else None,
        jitter=colour.draw_jitter(view, batch, generator),
        grayscale=chance(view.grayscale, batch, generator) if view.grayscale and colours == 3 else None,
        blurred=chance(view.blur, batch, generator) if view.blur else None,
        blur_sigma=between(*view.blur_sigma, batch, generator) if view.blur else None,
        solarise=chance(view.solarise, batch, generator) if view.solarise else None,
        noise=view.noise * torch.randn(batch, colours, side, side, generator=generator, device=generator.device)
        if view.noise
        else None,
    )


def rows(drawn: Record, part: slice) -> Record:
    """What was drawn for a part of the batch."""

    def pick(value: Any) -> Any:
        return value[part] if isinstance(value, Tensor) else value and rows(value, part)

    return type(drawn)(**{name: pick(value) for name, value in vars(drawn).items()})


def apply(images: Tensor, view: View, drawn: Drawn, side: int) -> Tensor:
    """What was drawn, done: (B, C, R, R) -> (B, C, S, S) in 0..1, S = `side`."""
    if drawn.affine is not None:
        images = geometry.warp(images, drawn.affine, side)
    elif drawn.crop is not None:
        images = geometry.resize(images, drawn.crop, side)
    else:
        images = images.clone()  # what follows may write into it
    colours = colour.count_colours(images.shape[1])
    if colours == images.shape[1]:
        return recolour(images, view, drawn)
    return torch.cat([recolour(images[:, :colours], view, drawn), images[:, colours:]], dim=1)


def recolour(images: Tensor, view: View, drawn: Drawn) -> Tensor:
    """What follows the geometry: (B, K, S, S) -> (B, K, S, S) in 0..1, on a CPU partly in the same memory."""
    if drawn.jitter is not None:
        images = colour.jitter_colours(images, view, drawn.jitter)
    if drawn.grayscale is not None:
        images = where_drawn(drawn.grayscale, images, lambda x, _: colour.to_gray(x).expand_as(x))
    if drawn.blurred is not None and drawn.blur_sigma is not None:
        images = where_drawn(drawn.blurred, images, colour.blur, drawn.blur_sigma)
    if drawn.solarise is not None:
        images = where_drawn(drawn.solarise, images, lambda x, _: colour.solarise(x, view.solarise_threshold))
    if drawn.noise is not None:
        images = (images + drawn.noise).clamp(0, 1)
    return images


def make_view(images: Tensor, view: View, generator: Generator, side: int) -> Tensor:
    """One random view of every image: (B, C, R, R) -> (B, C, S, S), S = `side`."""
    batch, channels, read_side = images.shape[:3]
    shape = Shape(batch, channels, read_side, side)
    return apply(images, view, draw(view, shape, generator), side)
