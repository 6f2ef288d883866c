"""Decodes images as a viewer would show them. It reads the formats listed in FORMATS, with Pillow.

Images are turned upright as their EXIF or XMP says, whatever else of their metadata is broken. Of an animation, the
first frame is taken, and of a TIFF the first page that is no preview. Transparent pixels are shown over white, as a
viewer shows them, unless alpha is asked for. CMYK and palettes become RGB. Of 16 bits per channel the upper 8 are kept
(Pillow's own conversion of gray would cut off all values above 255), so that 12 bits stored in 16 become nearly black,
unless images are decoded `deep`: then pixels have the values of their file. Files of more than four channels are taken
if exactly so many are asked for. Pixels whose range the file does not state are refused, whatever their values: floats,
signed integers and integers of 32 bits.

H x W pixels, S pixels per side of a square, C channels: 1 gray, 2 gray and alpha, 3 RGB, 4 RGBA.
https://pillow.readthedocs.io/en/stable/handbook/concepts.html#modes
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from io import BytesIO
from typing import TypeVar

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError, features

from components.stage.errors import InputError
from components.store.bare import drop_metadata
from components.store.full import Check, Shape, find_cut, read_full
from components.store.pages import TIFF_BEGINNINGS, NotRead, PreviewOnly, UnknownRange, choose_page, refuse_raw
from components.store.samples import Samples, convert, cut_bits, draw, fit_square
from components.store.transparent import hide_transparent
from components.store.upper import is_deep_planar, is_signed, keep_upper_bits
from components.store.upright import read_orientation, turn

# No format that runs another program (EPS) or is recognised by its file name alone (TGA). JPEG includes the MPO that
# some phones write.
FORMATS = ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "JPEG2000"] + ["AVIF"] * bool(features.check("avif"))
MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
SAVE = "save it as PNG or TIFF with 16 bits"
Read = TypeVar("Read")
Image.MAX_IMAGE_PIXELS = None  # stage fetch refuses what is too large, by params.yaml and before it is decoded


REFUSALS = (UnknownRange, PreviewOnly, NotRead)  # of files that are sound, but whose picture is not known


def open_image(encoded: bytes) -> Image.Image:
    """Read the header of an encoded image; its pixels are decoded on first use.

    Raises what Pillow raises, and PreviewOnly for the RAW files of cameras.
    """
    refuse_raw(encoded)
    return choose_page(Image.open(BytesIO(encoded), formats=FORMATS), encoded)


def turn_upright(opened: Image.Image) -> Image.Image:
    """Decode an opened image and turn it as its metadata say. Raises what Pillow raises, and UnknownRange."""
    if opened.mode == "F" or (opened.mode == "I" and opened.format != "PPM") or is_signed(opened):
        raise UnknownRange
    if is_deep_planar(opened):
        raise NotRead(
            "colours of 16 bits in planes, which Pillow mixes up: save it with the colours of a pixel together"
        )
    shown = hide_transparent(opened)  # which decodes it
    return turn(keep_upper_bits(shown) if shown.mode.startswith("I") else shown, read_orientation(opened))


def to_channels(image: Image.Image, channels: int) -> Image.Image:
    """Convert an image to the given number of channels."""
    mode = MODES[channels]
    if image.mode == "La":  # gray that is multiplied by its alpha, which Pillow converts to nothing else
        image = image.convert("LA")
    if image.mode == mode and "transparency" not in image.info:  # else one colour is marked as transparent
        return image
    if image.has_transparency_data:
        image = image.convert("RGBA")
        if channels in (1, 3):
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    elif image.mode not in MODES.values():
        image = image.convert("RGB")  # since Pillow cannot convert LAB to gray
    return image.convert(mode)


def decode_upright(encoded: bytes, check: Callable[[Image.Image], None] | None = None) -> Image.Image:
    """Decode a whole image, upright, once `check` has seen its header; broken metadata are taken out of the file.

    Raises UnknownRange, PreviewOnly, whatever `check` raises, and what Pillow raises for a picture that is broken.
    """
    return read_despite_metadata(encoded, partial(read_image, check=check))


def read_despite_metadata(encoded: bytes, read: Callable[[bytes], Read]) -> Read:
    """Read a file, and if that fails once more without its metadata, which are often broken.

    Raises REFUSALS, and what `read` raises for a picture that is broken.
    """
    try:
        return read(encoded)
    except REFUSALS:
        raise
    except Exception as error:  # decoders of broken files raise anything
        try:
            return read(drop_metadata(encoded))
        except REFUSALS:
            raise
        except Exception:  # so the picture itself is broken
            raise error from None


def read_image(encoded: bytes, check: Callable[[Image.Image], None] | None) -> Image.Image:
    """Open, check and decode an image. Raises whatever goes wrong with its pixels or with its metadata."""
    with open_image(encoded) as opened:
        if check:
            check(opened)
        return turn_upright(opened)


def accept(shape: Shape) -> None:
    """Accept an image of the store, as stage fetch has checked it."""


def read_all(encoded: bytes, check: Check = accept) -> Samples | None:
    """Read all samples of a file, upright; None if `decode_upright` shows all that there is, or all that can be read.

    So whatever has more than 8 bits, or other channels than Pillow shows, has `samples.bits` and `samples.channels`.
    Raises REFUSALS, whatever `check` raises, and what decoders of broken files raise.
    """
    if encoded.startswith(TIFF_BEGINNINGS):  # tifffile does not mind broken metadata, and their description is needed
        return read_full(encoded, check)
    return read_despite_metadata(encoded, partial(read_full, check=check))


def decode_picture(encoded: bytes, channels: int) -> Image.Image | None:
    """Decode a whole image of the store with Pillow, upright, in the given number of channels, 1..4.

    None if Pillow does not open it, or opens it wrongly. Raises InputError if it is broken, since stage fetch stores
    only what can be decoded.
    """
    with name_store():
        try:
            return to_channels(decode_upright(encoded), channels)
        except (UnidentifiedImageError, NotRead):
            return None


def decode_samples(encoded: bytes, *, channels: int, deep: bool) -> np.ndarray:
    """Decode a whole image of the store, upright, if its pixels or channels are not those of Pillow's images.

    (H, W, C) uint8, or uint16 if deep: the values of its file, of 8 bits or more. Raises InputError.
    """
    with name_store():
        samples = read_all(encoded)
        if samples is None:
            if cut := find_cut(encoded):
                raise InputError(
                    f"pretrain.images.range: an image is a {cut}, of which only 8 bits can be read: {SAVE}"
                )
            samples = show_samples(decode_upright(encoded))
    if not deep:
        samples = cut_bits(samples)
    return convert(samples, channels).astype(np.uint16 if deep else np.uint8)


def show_samples(image: Image.Image) -> Samples:
    """Return the samples of an image of Pillow, of 8 bits."""
    colours = 1 if image.mode in ("1", "L", "LA", "La") else 3
    pixels = np.asarray(to_channels(image, colours + image.has_transparency_data))
    return Samples(pixels.reshape(*pixels.shape[:2], -1), str(image.format), bits=8, bands=False)


@contextmanager
def name_store() -> Iterator[None]:
    """Turn whatever decoders of broken files raise into InputError."""
    try:
        yield
    except (MemoryError, InputError):
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"the store: an image cannot be decoded ({reason}); `dvc repro fetch` writes the store, "
            "`python -m pipelines.verify` says whether it is damaged"
        ) from None


def decode_image(encoded: bytes, *, channels: int) -> Image.Image:
    """Decode a whole image of the store in 8 bits, upright, in the given number of channels, 1..4. Raises InputError if
    it is broken, or has other channels."""
    if picture := decode_picture(encoded, channels):
        return picture
    pixels = decode_samples(encoded, channels=channels, deep=False)
    return Image.fromarray(pixels[..., 0] if channels == 1 else pixels)


def decode_whole(encoded: bytes, *, channels: int, deep: bool) -> np.ndarray:
    """Decode a whole image at its own size: bytes -> (H, W, C) uint8, or uint16 if deep."""
    if deep or channels not in MODES:
        return decode_samples(encoded, channels=channels, deep=deep)
    pixels = np.asarray(decode_image(encoded, channels=channels), dtype=np.uint8)
    return pixels.reshape(*pixels.shape[:2], channels)


def decode_square(encoded: bytes, *, side: int, channels: int, deep: bool) -> np.ndarray:
    """Decode an image, scale it to cover a square and cut out its middle: bytes -> (C, S, S) uint8, or uint16 if deep.

    If deep, the values are those of the file, of up to 16 bits; if not, those of 8 bits, of more the upper ones.
    """
    picture = None if deep or channels not in MODES else decode_picture(encoded, channels)
    if picture:
        return cut_square(picture, side)
    return fit_square(decode_samples(encoded, channels=channels, deep=deep), side)


def decode_shown(encoded: bytes, *, low: float, high: float, channels: tuple[int, ...] | None) -> Image.Image:
    """Draw an image of the store for a person, from low..high: its channels of these numbers, three or one, as RGB.

    Without numbers, gray or colours are drawn as they are, and of other channels the mean. Raises InputError.
    """
    with name_store():
        samples = read_all(encoded) or show_samples(decode_upright(encoded))
    return draw(samples, low=low, high=high, channels=channels)


def cut_square(whole: Image.Image, side: int) -> np.ndarray:
    """Scale an image in one of MODES to cover a square and cut out its middle: -> (C, S, S) uint8."""
    square = whole if whole.size == (side, side) else ImageOps.fit(whole, (side, side), Image.Resampling.BICUBIC)
    pixels = np.asarray(square, dtype=np.uint8).reshape(side, side, -1)  # (S, S, C)
    return pixels.transpose(2, 0, 1)
