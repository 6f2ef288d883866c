"""Makes random views of a whole batch of images at once, on the device that the images are on.

Drawing is kept apart from applying. `draw_numbers` takes from the generator all that a batch needs, in one call or two;
`read_numbers` turns that into the draws of each image; `apply_view` follows them. The last two are arithmetic alone, so
that a compiler can follow them and a CUDA graph can repeat them.

The order is geometry (crop, flip, rotation, scale, shift and shear as one resampling), colour, grayscale, blur,
solarise (arXiv 2006.07733, appendix B), then noise, which the paper does not have. Brightness and contrast are
torchvision's (multiplicative; contrast about the mean gray of the image), not DeepMind's (additive; contrast about the
mean of each channel).

Geometry moves all channels alike. Jitter, grayscale and solarise act on the channels that have a colour
(components/encoder/channels.py), blur and noise on all but alpha. Alpha, the last of 2 or 4 channels, is not blurred,
since blur is there to take detail away, and a soft outline is a different shape rather than less detail.

B images, C channels, K of them not alpha, R pixels per side of the image that is read, S of the view; images are float
in 0..1.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import torch
from torch import Generator, Tensor

from components.encoder.channels import Colours, find_coloured, has_alpha
from components.learning import colour, geometry
from components.learning.colour import apply_where
from components.learning.geometry import Uniforms, draw_bernoulli, draw_uniform
from components.learning.params import View

AMPLE = 100  # more uniform numbers than any view needs per image


class Shape(NamedTuple):
    """The sizes of a batch of images and of its views."""

    batch: int  # B
    channels: int  # C
    read_side: int  # R
    side: int  # S
    colours: Colours = None  # `pretrain.images.colours`


@dataclass(frozen=True)
class Drawn:
    """The random numbers that decide the views of a batch; None for an operation that the view does not have."""

    crop: geometry.Crop | None
    affine: Tensor | None  # (B, 2, 3) output coordinates -> input coordinates, the crop included
    jitter: colour.Jitter | None
    grayscale: Tensor | None  # (B,) bool
    blurred: Tensor | None  # (B,) bool
    blur_sigma: Tensor | None  # (B,) pixels of the view
    solarise: Tensor | None  # (B,) bool
    noise: Tensor | None  # (B, K, S, S)


Numbers = tuple[Tensor, Tensor]  # what a view of a batch is read from: uniform (U,), and normal (B, K, S, S) or (0,)


def draw_numbers(view: View, shape: Shape, generator: Generator) -> Numbers:
    """Draw the numbers of a batch on the generator's device; the normal ones are the noise, if the view has any."""
    uniform = torch.rand(count_uniforms(view, shape), generator=generator, device=generator.device)
    textured = shape.channels - has_alpha(shape.channels, shape.colours)  # K
    noisy = (shape.batch, textured, shape.side, shape.side) if view.noise else (0,)
    return uniform, torch.randn(noisy, generator=generator, device=generator.device)


def count_uniforms(view: View, shape: Shape) -> int:
    """Count the uniform numbers that a batch of views is read from."""
    return sum(list_uniforms(view, shape))


@cache
def list_uniforms(view: View, shape: Shape) -> tuple[int, ...]:
    """List how many uniform numbers each draw of a batch of views takes, by reading them where no number is stored."""
    uniforms = Uniforms(torch.empty(shape.batch * AMPLE, device="meta"))
    read_draws(view, shape, uniforms, torch.empty(0, device="meta"))
    return tuple(uniforms.counts)


def select_numbers(view: View, shape: Shape, numbers: Numbers, rows: slice) -> Numbers:
    """Select the numbers of some rows of a batch; as a batch of their own they are read into the same views."""
    uniform, normal = numbers
    if rows == slice(0, shape.batch):
        return numbers
    draws = torch.split(uniform, list(list_uniforms(view, shape)))  # (B n,) each: n numbers for each image
    selected = [of_all.view(shape.batch, -1)[rows].flatten() for of_all in draws]
    return torch.cat([uniform[:0], *selected]), normal[rows]


def read_numbers(view: View, shape: Shape, numbers: Numbers) -> Drawn:
    """Read the view of every image of a batch, each independently, from what `draw_numbers` drew."""
    return read_draws(view, shape, Uniforms(numbers[0]), numbers[1])


def draw_view(view: View, shape: Shape, generator: Generator) -> Drawn:
    """Draw a view for every image of a batch, each independently, on the generator's device."""
    return read_numbers(view, shape, draw_numbers(view, shape, generator))


def read_draws(view: View, shape: Shape, uniforms: Uniforms, normal: Tensor) -> Drawn:
    """Read the draws of a batch in their fixed order, on which the bits of every run depend."""
    batch, channels, read_side, side, colours = shape
    coloured = find_coloured(channels, colours)
    resampled = geometry.needs_crop(view) or geometry.needs_warp(view) or read_side != side
    crop = geometry.draw_crop(view, batch, read_side, uniforms) if resampled else None
    warped = crop is not None and geometry.needs_warp(view)
    return Drawn(
        crop=crop,
        affine=geometry.draw_affine(view, crop, read_side, uniforms) if crop and warped else None,
        jitter=colour.draw_jitter(view, batch, uniforms) if coloured else None,
        grayscale=draw_bernoulli(view.grayscale, batch, uniforms) if view.grayscale and len(coloured) == 3 else None,
        blurred=draw_bernoulli(view.blur, batch, uniforms) if view.blur else None,
        blur_sigma=draw_uniform(*view.blur_sigma, batch, uniforms) if view.blur else None,
        solarise=draw_bernoulli(view.solarise, batch, uniforms) if view.solarise and coloured else None,
        noise=view.noise * normal if view.noise else None,
    )


def apply_view(images: Tensor, view: View, drawn: Drawn, side: int, colours: Colours = None) -> Tensor:
    """Apply the drawn view to images: (B, C, R, R) -> (B, C, S, S) in 0..1, S = `side`."""
    if drawn.affine is not None:
        images = geometry.warp(images, drawn.affine, side)
    elif drawn.crop is not None:
        images = geometry.resize(images, drawn.crop, side)
    else:
        images = images.clone()  # the operations below may write into it
    coloured = find_coloured(images.shape[1], colours)
    if not has_alpha(images.shape[1], colours):
        return retouch(images, coloured, view, drawn)
    return torch.cat([retouch(images[:, :-1], coloured, view, drawn), images[:, -1:]], dim=1)


def retouch(images: Tensor, coloured: tuple[int, ...], view: View, drawn: Drawn) -> Tensor:
    """Apply the operations after the geometry, on a CPU partly in the same memory: (B, K, S, S), in 0..1."""
    if drawn.jitter is not None or drawn.grayscale is not None:
        images = change_channels(images, coloured, lambda x: recolour(x, view, drawn))
    if drawn.blurred is not None and drawn.blur_sigma is not None:
        images = apply_where(drawn.blurred, images, colour.blur, drawn.blur_sigma)
    if (rows := drawn.solarise) is not None:
        images = change_channels(
            images,
            coloured,
            lambda x: apply_where(rows, x, lambda x, _: colour.solarise(x, view.solarise_threshold)),
        )
    if drawn.noise is not None:
        images = (images + drawn.noise).clamp(0, 1)
    return images


def recolour(images: Tensor, view: View, drawn: Drawn) -> Tensor:
    """Apply jitter and grayscale to the coloured channels alone: (B, 1 or 3, S, S), in 0..1."""
    if drawn.jitter is not None:
        images = colour.jitter_colours(images, view, drawn.jitter)
    if drawn.grayscale is not None:
        images = apply_where(drawn.grayscale, images, lambda x, _: colour.to_gray(x).expand_as(x))
    return images


def change_channels(images: Tensor, chosen: tuple[int, ...], change: Callable[[Tensor], Tensor]) -> Tensor:
    """Apply `change` to the chosen channels, in their order, and leave the others as they are: (B, K, S, S).

    Channels are taken one by one, since a list of their numbers would have to be copied to the device.
    """
    if chosen == tuple(range(images.shape[1])):
        return change(images)
    channels = list(images.unbind(1))  # (B, S, S) each
    changed = change(torch.stack([channels[number] for number in chosen], dim=1))
    for number, channel in zip(chosen, changed.unbind(1), strict=True):
        channels[number] = channel
    return torch.stack(channels, dim=1)


def make_view(images: Tensor, view: View, generator: Generator, side: int, colours: Colours = None) -> Tensor:
    """Make one random view of every image: (B, C, R, R) -> (B, C, S, S), S = `side`."""
    batch, channels, read_side = images.shape[:3]
    shape = Shape(batch, channels, read_side, side, colours)
    return apply_view(images, view, draw_view(view, shape, generator), side, colours)
