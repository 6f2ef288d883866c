"""Images as a program holds them -> the squares that an encoder sees, by the rules by which the store's are decoded.

Pillow's images of any mode and size, upright as EXIF says; or arrays of 8 bits, channels last. Numbers whose black and
white nobody can know (floats, 16 bits) are refused. H, W, S pixels a side, C channels.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import ExifTags, Image

from components.stage.errors import InputError
from components.store.decode import MODES, UnknownRange, cut_square, to_channels, upper_bits, upright

WANTED = "pass Pillow images, or uint8 arrays of shape (N, H, W) or (N, H, W, C) with 1 to 4 channels"


def as_list(images: Any) -> Sequence[Any]:
    """One by one what was passed: Pillow images, or (H, W) and (H, W, C) of an array. Raises InputError."""
    if isinstance(images, Image.Image):
        return [images]
    if isinstance(images, np.ndarray):
        if images.ndim not in (3, 4):
            raise InputError(f"images: an array of shape {images.shape}; {WANTED}")
        if images.ndim == 3 and 0 < images.shape[2] <= max(MODES):
            raise InputError(f"images: an array of shape {images.shape} looks like one image; pass images[None]")
        return list(images)
    if isinstance(images, list | tuple):
        return images
    raise InputError(f"images: {type(images).__name__}; {WANTED}")


def to_square(image: Any, *, side: int, channels: int, name: str) -> np.ndarray:
    """One image -> (C, S, S) uint8, as `decode_square` makes it of a file. Raises InputError, which calls it `name`."""
    try:
        whole = to_channels(stand_up(image if isinstance(image, Image.Image) else picture(image, name)), channels)
    except UnknownRange as error:
        raise InputError(f"{name}: {error}") from None
    return cut_square(whole, side)


def stand_up(image: Image.Image) -> Image.Image:
    """Turned as its EXIF orientation says; the caller's own image stays as it is."""
    image.load()  # which turns a TIFF file
    turn = image.getexif().get(ExifTags.Base.Orientation, 1)
    if turn == 1 or image.mode in ("F", "I"):
        return upright(image)  # changes nothing, or refuses
    own = upper_bits(image) if image.mode.startswith("I") else image.copy()
    own.getexif()[ExifTags.Base.Orientation] = turn  # wherever it stood
    return upright(own)


def picture(pixels: Any, name: str) -> Image.Image:
    """(H, W) or (H, W, C) uint8 -> Pillow's. Raises InputError."""
    if not isinstance(pixels, np.ndarray):
        raise InputError(f"{name}: {type(pixels).__name__}; {WANTED}")
    if pixels.dtype != np.uint8:
        raise InputError(f"{name}: numbers of type {pixels.dtype}, from {extremes(pixels)}; scale to 0..255 as uint8")
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    if pixels.ndim not in (2, 3) or channels not in MODES or 0 in pixels.shape:
        raise InputError(f"{name}: an array of shape {pixels.shape}; {WANTED}")
    flat = pixels[..., 0] if pixels.ndim == 3 and channels == 1 else pixels
    return Image.fromarray(np.ascontiguousarray(flat))


def extremes(pixels: np.ndarray) -> str:
    """For a message."""
    return f"{pixels.min():g} to {pixels.max():g}" if pixels.size and pixels.dtype.kind in "iufb" else "nothing known"
