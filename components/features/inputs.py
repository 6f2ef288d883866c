"""Turns images that a program holds into the squares that an encoder sees, as the store's images are decoded.

Images are Pillow's, of any mode and size, turned upright as EXIF says, or arrays of 8 bits, channels last. An image
that was opened but not yet decoded is read from its file as the store reads it. An encoder whose images have a range
(`pretrain.images.range`) takes arrays of 16 bits too, and all values as they are. Arrays of other types (floats, 16
bits without a range), whose black and white are not known, are refused, and so are the RAW files of cameras.
H x W pixels, S pixels per side of a square, C channels.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageFile

from components.encoder.params import Images
from components.stage.errors import InputError
from components.store.decode import (
    FORMATS,
    MODES,
    REFUSALS,
    accept,
    cut_square,
    decode_upright,
    read_all,
    show_samples,
    to_channels,
    turn_upright,
)
from components.store.encoded import read_whole
from components.store.pages import CAMERA_RAW, PreviewOnly, choose_page, has_raw_suffix
from components.store.samples import Samples, convert, cut_bits, fit_square


def list_images(images: Any, shape: Images) -> Sequence[Any]:
    """List the images in what was passed: Pillow images, or (H, W) or (H, W, C) of an array. Raises InputError."""
    if isinstance(images, Image.Image):
        return [images]
    if isinstance(images, np.ndarray):
        if images.ndim not in (3, 4):
            raise InputError(f"images: an array of shape {images.shape}; {describe_wanted(shape)}")
        if images.ndim == 3 and 0 < images.shape[2] <= max(*MODES, shape.channels):
            raise InputError(f"images: an array of shape {images.shape} looks like one image; pass images[None]")
        return list(images)
    if isinstance(images, list | tuple):
        return images
    raise InputError(f"images: {type(images).__name__}; {describe_wanted(shape)}")


def describe_wanted(shape: Images) -> str:
    """Describe what can be passed."""
    kind = "uint8 or uint16" if shape.deep else "uint8"
    if has_usual_channels(shape):
        return f"pass Pillow images, or {kind} arrays of shape (N, H, W) or (N, H, W, C) with 1 to 4 channels"
    return f"pass {kind} arrays of shape (N, H, W, {shape.channels}), or Pillow images with as many channels"


def has_usual_channels(shape: Images) -> bool:
    """Whether the channels are gray or colours, with alpha or without, which are converted into each other."""
    return shape.colours is None and shape.channels in MODES


def to_square(image: Any, shape: Images, name: str) -> np.ndarray:
    """Turn an image into (C, S, S), as `decode_square` does with a file. Raises InputError that names `name`."""
    pixels = None if isinstance(image, Image.Image) else check_array(image, shape, name)
    try:
        if has_usual_channels(shape) and not shape.deep:
            shown = show_upright(image) if pixels is None else to_pillow(pixels)
            return cut_square(to_channels(shown, shape.channels), shape.side)
        if pixels is None:
            samples = read_samples(image, shape, name)
        else:
            samples = Samples(pixels, "array", 8 * pixels.itemsize, bands=not has_usual_channels(shape))
        return to_square_of_samples(samples, shape, name)
    except REFUSALS as error:
        raise InputError(f"{name}: {error}") from None


def to_square_of_samples(samples: Samples, shape: Images, name: str) -> np.ndarray:
    """Turn all samples of an image into (C, S, S) uint8, or uint16 if there is a range. Raises InputError."""
    try:
        pixels = convert(samples if shape.deep else cut_bits(samples), shape.channels)
    except InputError:
        raise InputError(f"{name}: {samples.channels} channels; {describe_wanted(shape)}") from None
    return fit_square(pixels.astype(np.uint16) if shape.deep else pixels, shape.side)


def read_samples(image: Image.Image, shape: Images, name: str) -> Samples:
    """Read all samples of an image. Raises InputError if Pillow may have left out some of them, and REFUSALS."""
    encoded = read_file(image)
    if encoded is not None:
        return read_all(encoded, accept) or show_samples(decode_upright(encoded))
    if image.mode.startswith("I;16"):
        return Samples(np.asarray(image, np.uint16)[..., None], str(image.format), 16, bands=False)
    if image.format is not None:
        raise InputError(
            f"{name}: a {image.format} that is decoded already, by Pillow to 8 bits: pass it before it is loaded, or "
            "an array of uint16"
        )
    return show_samples(show_decoded(image))


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


def check_array(pixels: Any, shape: Images, name: str) -> np.ndarray:
    """Return an array as (H, W, C) uint8, or uint16 if there is a range. Raises InputError for other arrays."""
    if not isinstance(pixels, np.ndarray):
        raise InputError(f"{name}: {type(pixels).__name__}; {describe_wanted(shape)}")
    if pixels.dtype != np.uint8 and not (shape.deep and pixels.dtype == np.uint16):
        right = (
            f"the range of this encoder is {list(shape.limits)}, as uint16"
            if shape.deep
            else "scale to 0..255 as uint8"
        )
        raise InputError(f"{name}: numbers of type {pixels.dtype}, from {describe_range(pixels)}; {right}")
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    known = MODES if has_usual_channels(shape) else [shape.channels]
    if pixels.ndim not in (2, 3) or channels not in known or 0 in pixels.shape:
        raise InputError(f"{name}: an array of shape {pixels.shape}; {describe_wanted(shape)}")
    return np.ascontiguousarray(pixels.reshape(*pixels.shape[:2], channels))


def to_pillow(pixels: np.ndarray) -> Image.Image:
    """Convert (H, W, 1 to 4) uint8 to a Pillow image."""
    return Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)


def describe_range(pixels: np.ndarray) -> str:
    """Describe the range of an array's numbers, for a message."""
    return f"{pixels.min():g} to {pixels.max():g}" if pixels.size and pixels.dtype.kind in "iufb" else "nothing known"
