"""Encoded image -> the pixels a network sees: scaled to cover a square, cut to it in the middle."""

from io import BytesIO

import numpy as np
from PIL import Image, ImageOps


def decode_square(encoded: bytes, *, side: int, channels: int) -> np.ndarray:
    """Bytes -> (C, S, S) uint8, as the EXIF orientation says; one channel is gray, three are RGB."""
    with Image.open(BytesIO(encoded)) as opened:
        upright = ImageOps.exif_transpose(opened).convert("L" if channels == 1 else "RGB")
    square = upright if upright.size == (side, side) else ImageOps.fit(upright, (side, side), Image.Resampling.BICUBIC)
    pixels = np.asarray(square, dtype=np.uint8).reshape(side, side, channels)  # (S, S, C)
    return pixels.transpose(2, 0, 1)
