"""Encoded image -> pixels, upright as its EXIF orientation says.

H, W, S pixels a side, C channels: one gray, three RGB.
"""

from io import BytesIO

import numpy as np
from PIL import Image, ImageOps


def decode(encoded: bytes, *, channels: int) -> Image.Image:
    """The whole image, in so many channels."""
    with Image.open(BytesIO(encoded)) as opened:
        return ImageOps.exif_transpose(opened).convert("L" if channels == 1 else "RGB")


def decode_whole(encoded: bytes, *, channels: int) -> np.ndarray:
    """Bytes -> (H, W, C) uint8 at the image's own size."""
    pixels = np.asarray(decode(encoded, channels=channels), dtype=np.uint8)
    return pixels.reshape(*pixels.shape[:2], channels)


def decode_square(encoded: bytes, *, side: int, channels: int) -> np.ndarray:
    """Bytes -> (C, S, S) uint8: scaled to cover a square, cut to it in the middle."""
    upright = decode(encoded, channels=channels)
    square = upright if upright.size == (side, side) else ImageOps.fit(upright, (side, side), Image.Resampling.BICUBIC)
    pixels = np.asarray(square, dtype=np.uint8).reshape(side, side, channels)  # (S, S, C)
    return pixels.transpose(2, 0, 1)
