"""Decodes images as a viewer would show them. It reads the formats listed in FORMATS, with Pillow.

Images are turned upright as their EXIF orientation says. Of an animation, the first frame is taken. Transparent pixels
are shown over white, as a viewer shows them, unless alpha is asked for. Of 16 bits per channel the upper 8 are kept
(Pillow's own conversion of gray would cut off all values above 255). CMYK and palettes become RGB. Pixels whose range
the file does not state are refused, whatever their values: floats, signed integers and integers of 32 bits.

H x W pixels, S pixels per side of a square, C channels: 1 gray, 2 gray and alpha, 3 RGB, 4 RGBA.
https://pillow.readthedocs.io/en/stable/handbook/concepts.html#modes
"""

from io import BytesIO

import numpy as np
from PIL import Image, ImageOps, features
from PIL.TiffImagePlugin import BITSPERSAMPLE, PHOTOMETRIC_INTERPRETATION, TiffImageFile

# No format that runs another program (EPS) or is recognised by its file name alone (TGA). JPEG includes the MPO that
# some phones write.
FORMATS = ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "JPEG2000"] + ["AVIF"] * bool(features.check("avif"))
MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
Image.MAX_IMAGE_PIXELS = None  # stage fetch refuses what is too large, by params.yaml and before it is decoded


class UnknownRange(Exception):  # noqa: N818
    """Says that a file does not state which pixel values are black and which are white."""


def open_image(encoded: bytes) -> Image.Image:
    """Read the header of an encoded image; its pixels are decoded on first use. Raises what Pillow raises."""
    return Image.open(BytesIO(encoded), formats=FORMATS)


def turn_upright(opened: Image.Image) -> Image.Image:
    """Decode an opened image and turn it as its EXIF orientation says. Raises what Pillow raises, and UnknownRange."""
    if opened.mode == "F" or (opened.mode == "I" and opened.format != "PPM"):  # Pillow scales PPM to 16 bits
        raise UnknownRange("pixels that are floats, signed or of 32 bits: save it with 8 or 16 bits per channel")
    opened.load()
    ImageOps.exif_transpose(opened, in_place=True)
    return keep_upper_bits(opened) if opened.mode.startswith("I") else opened


def keep_upper_bits(opened: Image.Image) -> Image.Image:
    """Turn 16-bit gray into 8-bit gray, with alpha if the file marks one of its grays as transparent."""
    values = np.asarray(opened)  # (H, W)
    scaled = values
    if isinstance(opened, TiffImageFile):  # with more than 8 bits per pixel Pillow ignores both of these tags
        scaled = scaled << (16 - opened.tag_v2[BITSPERSAMPLE][0])  # may be 12
        scaled = ~scaled if opened.tag_v2.get(PHOTOMETRIC_INTERPRETATION) == 0 else scaled  # 0 is white
    gray = Image.fromarray((scaled >> 8).astype(np.uint8))
    if "transparency" in opened.info:
        gray.putalpha(Image.fromarray((values != opened.info["transparency"]) * np.uint8(255)))
    return gray


def to_channels(image: Image.Image, channels: int) -> Image.Image:
    """Convert an image to the given number of channels."""
    mode = MODES[channels]
    if image.mode == mode and "transparency" not in image.info:  # else one colour is marked as transparent
        return image
    if image.has_transparency_data:
        image = image.convert("RGBA")
        if channels in (1, 3):
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    elif image.mode not in MODES.values():
        image = image.convert("RGB")  # since Pillow cannot convert LAB to gray
    return image.convert(mode)


def decode_image(encoded: bytes, *, channels: int) -> Image.Image:
    """Decode a whole image, upright, in the given number of channels."""
    with open_image(encoded) as opened:
        return to_channels(turn_upright(opened), channels)


def decode_whole(encoded: bytes, *, channels: int) -> np.ndarray:
    """Decode a whole image at its own size: bytes -> (H, W, C) uint8."""
    pixels = np.asarray(decode_image(encoded, channels=channels), dtype=np.uint8)
    return pixels.reshape(*pixels.shape[:2], channels)


def decode_square(encoded: bytes, *, side: int, channels: int) -> np.ndarray:
    """Decode an image, scale it to cover a square and cut out its middle: bytes -> (C, S, S) uint8."""
    return cut_square(decode_image(encoded, channels=channels), side)


def cut_square(whole: Image.Image, side: int) -> np.ndarray:
    """Scale an image in one of MODES to cover a square and cut out its middle: -> (C, S, S) uint8."""
    square = whole if whole.size == (side, side) else ImageOps.fit(whole, (side, side), Image.Resampling.BICUBIC)
    pixels = np.asarray(square, dtype=np.uint8).reshape(side, side, -1)  # (S, S, C)
    return pixels.transpose(2, 0, 1)
