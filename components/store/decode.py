"""Encoded image -> pixels, by rules that surprise nobody. Reads what Pillow reads, of the formats listed here.

Upright as the EXIF orientation says. The first frame of an animation. Transparent pixels over white, as a viewer shows
them, unless alpha is asked for. Of 16 bits a channel the upper 8 (Pillow's own conversion of gray would cut off all
above 255). CMYK and palettes become RGB. Pixels whose range nobody can know are refused, whatever their values: floats,
signed integers and those of 32 bits.

H, W, S pixels a side, C channels: 1 gray, 2 gray and alpha, 3 RGB, 4 RGBA.
https://pillow.readthedocs.io/en/stable/handbook/concepts.html#modes
"""

from io import BytesIO

import numpy as np
from PIL import Image, ImageOps, features
from PIL.TiffImagePlugin import BITSPERSAMPLE, PHOTOMETRIC_INTERPRETATION, TiffImageFile

# None that runs another program (EPS) or is told by its name alone (TGA). JPEG includes MPO, as some phones write it.
FORMATS = ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "JPEG2000"] + ["AVIF"] * bool(features.check("avif"))
MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
Image.MAX_IMAGE_PIXELS = None  # stage fetch refuses what is too large, by params.yaml and before it is decoded


class UnknownRange(Exception):  # noqa: N818
    """What is black and what is white does not stand in the file."""


def open_image(encoded: bytes) -> Image.Image:
    """Its header; the pixels are decoded when they are asked for. Raises what Pillow raises."""
    return Image.open(BytesIO(encoded), formats=FORMATS)


def upright(opened: Image.Image) -> Image.Image:
    """The image decoded and turned as its EXIF orientation says; raises what Pillow raises, and UnknownRange."""
    if opened.mode == "F" or (opened.mode == "I" and opened.format != "PPM"):  # Pillow scales those of PPM to 16 bits
        raise UnknownRange("pixels that are floats, signed or of 32 bits: save it with 8 or 16 bits a channel")
    opened.load()
    ImageOps.exif_transpose(opened, in_place=True)
    return upper_bits(opened) if opened.mode.startswith("I") else opened


def upper_bits(opened: Image.Image) -> Image.Image:
    """Gray of 16 bits -> gray of 8, with alpha where one of the grays means that nothing is there."""
    values = np.asarray(opened)  # (H, W)
    seen = values
    if isinstance(opened, TiffImageFile):  # Pillow leaves these two to us where a pixel has more than 8 bits
        seen = seen << (16 - opened.tag_v2[BITSPERSAMPLE][0])  # may be 12
        seen = ~seen if opened.tag_v2.get(PHOTOMETRIC_INTERPRETATION) == 0 else seen  # 0 is white
    gray = Image.fromarray((seen >> 8).astype(np.uint8))
    if "transparency" in opened.info:
        gray.putalpha(Image.fromarray((values != opened.info["transparency"]) * np.uint8(255)))
    return gray


def to_channels(image: Image.Image, channels: int) -> Image.Image:
    """The image in so many channels."""
    mode = MODES[channels]
    if image.mode == mode and "transparency" not in image.info:  # one colour may mean there that nothing is there
        return image
    if image.has_transparency_data:
        image = image.convert("RGBA")
        if channels in (1, 3):
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    elif image.mode not in MODES.values():
        image = image.convert("RGB")  # since Pillow knows no way from LAB to gray
    return image.convert(mode)


def decode(encoded: bytes, *, channels: int) -> Image.Image:
    """The whole image, in so many channels."""
    with open_image(encoded) as opened:
        return to_channels(upright(opened), channels)


def decode_whole(encoded: bytes, *, channels: int) -> np.ndarray:
    """Bytes -> (H, W, C) uint8 at the image's own size."""
    pixels = np.asarray(decode(encoded, channels=channels), dtype=np.uint8)
    return pixels.reshape(*pixels.shape[:2], channels)


def decode_square(encoded: bytes, *, side: int, channels: int) -> np.ndarray:
    """Bytes -> (C, S, S) uint8: scaled to cover a square, cut to it in the middle."""
    return cut_square(decode(encoded, channels=channels), side)


def cut_square(whole: Image.Image, side: int) -> np.ndarray:
    """An image in one of MODES -> (C, S, S) uint8, as above."""
    square = whole if whole.size == (side, side) else ImageOps.fit(whole, (side, side), Image.Resampling.BICUBIC)
    pixels = np.asarray(square, dtype=np.uint8).reshape(side, side, -1)  # (S, S, C)
    return pixels.transpose(2, 0, 1)
