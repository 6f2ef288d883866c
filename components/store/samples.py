"""The samples of an image as they stand in its file, of 8 or 16 bits, and how they become other channels, or a square.

Gray and colours are turned into each other in full depth, with the weights by which Pillow does it; what is transparent
is laid over white, the highest value that the samples can have. Bands, of which no colour is known, are never mixed: an
image has as many of them as are asked for, or is refused.
H x W pixels, N samples of each, S pixels per side of a square, C channels asked for.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps

from components.stage.errors import InputError

MOST_CHANNELS = 1024
LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # of ITU-R BT.601


@dataclass(frozen=True)
class Samples:
    """All samples of an image, turned upright."""

    values: np.ndarray  # (H, W, N) uint8 or uint16
    format: str  # as Pillow calls it
    bits: int  # that the file gives each sample; from 9 on the type is uint16
    bands: bool  # whether no colour is known of the samples; else they are gray or RGB, and alpha if there is one more

    @property
    def channels(self) -> int:
        """The number of samples of each pixel."""
        return int(self.values.shape[2])

    @property
    def alpha(self) -> bool:
        """Whether the last sample is alpha."""
        return not self.bands and self.channels in (2, 4)


def convert(samples: Samples, channels: int) -> np.ndarray:
    """Return an image in these channels: (H, W, C) of the same bits. Raises InputError if its bands are others."""
    if samples.channels == channels:
        return samples.values
    if samples.bands or channels > 4:
        raise InputError(describe_channels(samples.channels, channels))
    white = np.float32(2**samples.bits - 1)
    pixels = samples.values.astype(np.float32)  # (H, W, N)
    colour, alpha = (
        (pixels[..., :-1], pixels[..., -1:]) if samples.alpha else (pixels, np.full_like(pixels[..., :1], white))
    )
    if channels in (1, 3):
        colour = white - (white - colour) * (alpha / white)
    if channels <= 2:
        colour = colour if colour.shape[2] == 1 else (colour @ LUMA)[..., None]
    else:
        colour = np.broadcast_to(colour, (*colour.shape[:2], 3))
    parts = [colour] if channels in (1, 3) else [colour, alpha]
    return np.concatenate(parts, axis=2).round().astype(samples.values.dtype)


def describe_channels(own: int, wanted: int) -> str:
    """Describe why an image of other channels than those asked for cannot be taken, and what would be right."""
    return (
        f"pretrain.images.mean: {wanted} number{'s' * (wanted > 1)}, but an image has {own} channel{'s' * (own > 1)}: "
        f"give mean and std {own} each (`dvc repro fetch` ends with them), or leave out images of other channels"
    )


def cut_bits(samples: Samples) -> Samples:
    """Return the samples in 8 bits: of more the upper ones."""
    values = (samples.values >> max(0, samples.bits - 8)).astype(np.uint8)
    return Samples(values, samples.format, 8, samples.bands)


def fit_square(pixels: np.ndarray, side: int) -> np.ndarray:
    """Scale an image to cover a square and cut out its middle: (H, W, C) uint8 or uint16 -> (C, S, S) of that type.

    16 bits are scaled in float32. What has the size already stays as it is.
    """
    planes = np.ascontiguousarray(pixels.transpose(2, 0, 1))  # (C, H, W)
    if planes.shape[1:] == (side, side):
        return planes
    deep = planes.dtype != np.uint8
    square = np.empty((len(planes), side, side), planes.dtype)
    for number, plane in enumerate(planes):
        image = Image.fromarray(plane.astype(np.float32) if deep else plane)
        fitted = np.asarray(ImageOps.fit(image, (side, side), Image.Resampling.BICUBIC))  # (S, S)
        square[number] = fitted.round().clip(0, 2**16 - 1) if deep else fitted
    return square


def draw(samples: Samples, *, low: float, high: float, channels: tuple[int, ...] | None) -> Image.Image:
    """Draw these three channels, or one, or if there are none named those that are seen, from low..high, as RGB."""
    pixels = samples.values  # (H, W, N)
    if channels is not None:
        pixels = pixels[..., list(channels)]
    elif samples.bands:
        pixels = pixels.mean(axis=2, keepdims=True)
    else:
        pixels = convert(samples, 3)
    levels = ((pixels.astype(np.float32) - low) / max(high - low, 1e-9)).clip(0, 1) * 255
    return Image.fromarray(np.broadcast_to(levels.round(), (*levels.shape[:2], 3)).astype(np.uint8))
