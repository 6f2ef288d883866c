"""Two random views of every image, a whole batch at once, on the device that the images are on.

What is drawn is kept apart from what is done with it: `draw` makes one row of numbers an image, `apply` follows them.
Order: geometry (crop, flip, rotation, scale, shift and shear as one resampling), colour, grayscale, blur, solarise
(arXiv 2006.07733, appendix B), then noise, which is ours. Brightness and contrast are torchvision's (multiplicative;
contrast about the mean gray of the image), not DeepMind's (additive; contrast about the mean of a channel).

B images, C channels, S pixels a side; images are float in 0..1.
"""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from components.byol import colour, geometry
from components.byol.geometry import between, chance
from components.params.pretrain import View


@dataclass(frozen=True)
class Drawn:
    """Everything that decides the views of a batch; None where the view has no such operation."""

    affine: Tensor | None  # (B, 2, 3) output coordinates -> input coordinates
    jitter: colour.Jitter | None
    grayscale: Tensor | None  # (B,) bool
    blur_sigma: Tensor | None  # (B,) pixels, 0 where an image is not blurred
    solarise: Tensor | None  # (B,) bool
    noise: Tensor | None  # (B, C, S, S)


def draw(view: View, shape: torch.Size, generator: Generator) -> Drawn:
    """Draw the views of a batch of that shape (B, C, S, S), every image on its own, on the generator's device."""
    batch, channels = shape[0], shape[1]
    affine = geometry.draw_affine(view, batch, generator) if geometry.moves_pixels(view) else None
    jitter = colour.draw_jitter(view, batch, generator)
    grayscale = chance(view.grayscale, batch, generator) if view.grayscale and channels == 3 else None
    sigma = None
    if view.blur:
        sigma = between(*view.blur_sigma, batch, generator) * chance(view.blur, batch, generator)
    solarise = chance(view.solarise, batch, generator) if view.solarise else None
    noise = None
    if view.noise:
        noise = view.noise * torch.randn(shape, generator=generator, device=generator.device)
    return Drawn(affine, jitter, grayscale, sigma, solarise, noise)


def apply(images: Tensor, view: View, drawn: Drawn) -> Tensor:
    """What was drawn, done: (B, C, S, S) -> (B, C, S, S) in 0..1."""
    if drawn.affine is not None:
        images = geometry.resample(images, drawn.affine, black_outside=geometry.leaves_image(view))
    if drawn.jitter is not None:
        images = colour.jitter_colours(images, view, drawn.jitter)
    if drawn.grayscale is not None:
        images = torch.where(colour.column(drawn.grayscale), colour.to_gray(images), images)
    if drawn.blur_sigma is not None:
        images = colour.blur(images, drawn.blur_sigma)
    if drawn.solarise is not None:
        images = torch.where(colour.column(drawn.solarise), colour.solarise(images, view.solarise_threshold), images)
    if drawn.noise is not None:
        images = (images + drawn.noise).clamp(0, 1)
    return images


def make_view(images: Tensor, view: View, generator: Generator) -> Tensor:
    """One random view of every image: (B, C, S, S) -> (B, C, S, S)."""
    return apply(images, view, draw(view, images.shape, generator))
