"""Turns images that a program holds into the squares that an encoder sees, as the store's images are decoded.

Images are Pillow's, of any mode and size, turned upright as EXIF says, or arrays of 8 bits, channels last. An image
that was opened but not yet decoded is read from its file as the store reads it. Arrays of other types (floats, 16
bits), whose black and white are not known, are refused, and so are the RAW files of cameras. H x W pixels, S pixels per
side of a square, C channels.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageFile

from components.stage.errors import InputError
from components.store.decode import FORMATS, MODES, REFUSALS, cut_square, decode_upright, to_channels, turn_upright
from components.store.encoded import read_whole
from components.store.pages import CAMERA_RAW, PreviewOnly, choose_page, has_raw_suffix

WANTED = "pass Pillow images, or uint8 arrays of shape (N, H, W) or (N, H, W, C) with 1 to 4 channels"


def list_images(images: Any) -> Sequence[Any]:
    """List the images in what was passed: Pillow images, or (H, W) or (H, W, C) of an array. Raises InputError."""
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
    """Turn an image into (C, S, S) uint8, as `decode_square` does with a file. Raises InputError that names `name`."""
    opened = image if isinstance(image, Image.Image) else to_pillow(image, name)
    try:
        whole = to_channels(show_upright(opened), channels)
    except REFUSALS as error:
        raise InputError(f"{name}: {error}") from None
    return cut_square(whole, side)


def show_upright(image: Image.Image) -> Image.Image:
    """Return the image as the store would have it, upright; the caller's own image stays unchanged."""
    if image.format == "TIFF" and has_raw_suffix(str(getattr(image, "filename", ""))):
        raise PreviewOnly(CAMERA_RAW)
    encoded = read_file(image)
    return show_decoded(image) if encoded is None else decode_upright(encoded)


def show_decoded(image: Image.Image) -> Image.Image:
    """Return an image that is decoded already, or that Pillow has to decode by itself, upright."""
    page = image.tell()
    shown = turn_upright(choose_page(image))
    if image.tell() == page:
        return shown
    shown = shown.copy()  # before Pillow forgets it
    image.seek(page)
    return shown


def read_file(image: Image.Image) -> bytes | None:
    """Read the file of an image that was opened but not yet decoded; None if Pillow has to go on by itself."""
    if not isinstance(image, ImageFile.ImageFile) or image.format not in (*FORMATS, "MPO"):
        return None
    file, changed = image.fp, image.decoderconfig or image.tell()  # by the caller: a draft of a JPEG, another frame
    if file is None or file.closed or changed or not (image.tile or image.format == "WEBP"):
        return None
    return read_whole(file)


def to_pillow(pixels: Any, name: str) -> Image.Image:
    """Convert (H, W) or (H, W, C) uint8 to a Pillow image. Raises InputError for other arrays."""
    if not isinstance(pixels, np.ndarray):
        raise InputError(f"{name}: {type(pixels).__name__}; {WANTED}")
    if pixels.dtype != np.uint8:
        raise InputError(
            f"{name}: numbers of type {pixels.dtype}, from {describe_range(pixels)}; scale to 0..255 as uint8"
        )
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    if pixels.ndim not in (2, 3) or channels not in MODES or 0 in pixels.shape:
        raise InputError(f"{name}: an array of shape {pixels.shape}; {WANTED}")
    flat = pixels[..., 0] if pixels.ndim == 3 and channels == 1 else pixels
    return Image.fromarray(np.ascontiguousarray(flat))


def describe_range(pixels: np.ndarray) -> str:
    """Describe the range of an array's numbers, for a message."""
    return f"{pixels.min():g} to {pixels.max():g}" if pixels.size and pixels.dtype.kind in "iufb" else "nothing known"
