"""Measures images that have more than 8 bits or other channels than gray and RGB, by the values that their files hold,
and draws them in 8 bits for what compares looks.

Digests are of all bits and all channels, so that images which differ only in the lower bits or in an infrared channel
are no copies. H x W pixels, N channels.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from PIL import Image

from components.store.samples import Samples

BLOCK = 2**20  # values that are summed at once, so that 64 bits hold the sum of their squares
EIGHT_IN_16 = 257  # a value of 8 bits times that is the same brightness in 16


class Full(NamedTuple):
    """Holds what is measured at full depth."""

    channels: int
    bits: int  # that the file gives each value
    bands: bool  # whether the channels are neither gray nor RGB
    highest: int  # value but for alpha
    means: tuple[float, ...]  # of the values of each channel but for alpha
    squares: tuple[float, ...]  # the means of their squares
    gray: bool
    flat: bool  # whether each channel has a single value


def measure(samples: Samples) -> Full:
    """Measure the values of an image."""
    planes = list_colours(samples)
    sums = [sum_values(plane) for plane in planes]
    pixels = planes[0].size
    return Full(
        channels=samples.channels,
        bits=samples.bits,
        bands=samples.bands,
        highest=max(int(plane.max()) for plane in planes),
        means=tuple(total / pixels for total, _ in sums),
        squares=tuple(squared / pixels for _, squared in sums),
        gray=is_gray(samples),
        flat=all(plane.min() == plane.max() for plane in planes),
    )


def sum_values(plane: np.ndarray) -> tuple[int, int]:
    """Sum the values (H, W) and their squares."""
    total, squared, rows = 0, 0, max(1, BLOCK // plane.shape[1])
    for top in range(0, len(plane), rows):
        block = plane[top : top + rows].astype(np.int64)
        total, squared = total + int(block.sum()), squared + int(np.square(block).sum())
    return total, squared


def is_gray(samples: Samples) -> bool:
    """Whether an image has no colours; of bands nobody knows."""
    colours = list_colours(samples)
    return not samples.bands and all(np.array_equal(colours[0], other) for other in colours[1:])


def list_colours(samples: Samples) -> list[np.ndarray]:
    """List the channels but for alpha: (H, W) each."""
    return [samples.values[..., channel] for channel in range(samples.channels - samples.alpha)]


def list_digested(samples: Samples) -> Iterator[memoryview]:
    """Yield what makes an image another one: its channels, of gray one, and alpha if anything is transparent."""
    for plane in list_colours(samples)[: 1 if is_gray(samples) else None]:
        yield np.ascontiguousarray(plane).data
    if samples.alpha and (samples.values[..., -1] != 2**samples.bits - 1).any():
        yield np.ascontiguousarray(samples.values[..., -1]).data


def has_only_eight_bits(samples: Samples) -> bool:
    """Whether gray or colours of 16 bits are those of 8 bits at the same brightness, as converters write them."""
    return samples.bits == 16 and not samples.bands and not (samples.values % EIGHT_IN_16).any()


def draw_eight(samples: Samples, bits: int) -> Image.Image:
    """Draw the upper 8 of so many bits: gray or colours as they are, of bands their mean."""
    values = samples.values  # (H, W, N)
    if samples.bands:
        total = np.zeros(values.shape[:2], np.uint32)
        for channel in range(samples.channels):
            total += values[..., channel]
        values = (total // samples.channels)[..., None]
    eight = (values >> max(0, bits - 8)).astype(np.uint8)
    return Image.fromarray(np.ascontiguousarray(eight[..., 0] if eight.shape[2] == 1 else eight))


def count_bits(highest: int) -> int:
    """Count the bits that a value takes, 8 at least."""
    return max(8, highest.bit_length())
