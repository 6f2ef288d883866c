"""Reads all samples of the files of which Pillow's 8 bits show less than there is: with more bits or more channels.

Pillow cuts colours of 16 bits to 8, and cannot open more than four samples of a pixel. The samples stay as they stand
in the file, 12 bits in 16 too. PNG: W3C, section 11.2.2 (IHDR). JPEG 2000: ITU-T T.800, section A.5.1 (SIZ). AVIF: AV1
codec ISO media file format binding, section 2.3.3 (av1C).
H x W pixels, N samples of each.
"""

import re
from collections.abc import Callable
from io import BytesIO
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageFile

from components.store.pages import TIFF_BEGINNINGS, refuse_raw
from components.store.samples import Samples
from components.store.tiff import Tiff, has_many_bits, open_tiff
from components.store.transparent import DEEP_COLOUR, decode_lower_bytes, read_unpacked
from components.store.upright import read_orientation, turn_pixels

PNG_BEGINNING, PNG_BITS = b"\x89PNG\r\n\x1a\n", 24  # the place of how many bits a sample has
NETPBM_BEGINNINGS = (b"P2", b"P3", b"P5", b"P6")
SIZ = b"\xff\x4f\xff\x51"  # with which a stream of JPEG 2000 begins
JPEG2000_BEGINNINGS = (b"\0\0\0\x0cjP  ", SIZ)
COUNT_PLACE, BITS_PLACE = 40, 42  # after SIZ's beginning
GRAY_PRECISIONS = [(1, bits) for bits in range(9, 17)]  # of a JPEG 2000 that Pillow reads in full
GRAY_AND_ALPHA, DEEP_COLOUR_AND_ALPHA = "LA;16B", "RGBA;16B"  # how Pillow unpacks these
DEEP_AVIF = re.compile(rb"av1C..[\x40-\x7f\xc0-\xff]", re.DOTALL)


class Shape(NamedTuple):
    """Holds what the header of a file says."""

    format: str  # as Pillow calls it
    width: int
    height: int
    channels: int
    bits: int


Check = Callable[[Shape], None]


def read_full(encoded: bytes, check: Check) -> Samples | None:
    """Read all samples, upright; None if Pillow's 8 bits are all that there is, or all that can be read.

    Raises whatever `check` and decoders of broken files raise.
    """
    if encoded.startswith(TIFF_BEGINNINGS):
        refuse_raw(encoded)
        tiff = open_tiff(encoded)
        return read_tiff(tiff, check) if tiff else None
    if (
        (encoded.startswith(PNG_BEGINNING) and encoded[PNG_BITS : PNG_BITS + 1] == b"\x10")
        or encoded.startswith(NETPBM_BEGINNINGS)
        or read_precision(encoded) in GRAY_PRECISIONS
    ):
        with Image.open(BytesIO(encoded), formats=["PNG", "PPM", "JPEG2000"]) as opened:
            assert isinstance(opened, ImageFile.ImageFile)
            return read_opened(opened, encoded, check)
    return None


def read_tiff(tiff: Tiff, check: Check) -> Samples | None:
    """Read all samples of a TIFF; None if that fails but Pillow may show gray or colours."""
    height, width, channels = tiff.shape
    check(Shape("TIFF", width, height, channels, tiff.bits))
    try:
        return Samples(turn_pixels(tiff.read(), tiff.orientation), "TIFF", tiff.bits, tiff.bands)
    except Exception:  # whatever broken files cause
        if tiff.bands:
            raise
        return None


def read_opened(opened: ImageFile.ImageFile, encoded: bytes, check: Check) -> Samples | None:
    """Read all samples of a file that Pillow has opened; None if they have 8 bits."""
    unpacked, bits = read_unpacked(opened), 16
    channels = 2 if unpacked == GRAY_AND_ALPHA else len(opened.getbands())
    if opened.format == "PPM":
        bits = 16 if unpacked == "I;16B" else unpacked[1].bit_length() if isinstance(unpacked, tuple) else 8
        if opened.mode == "F" or bits <= 8:
            return None
    elif opened.format == "JPEG2000":
        bits = read_precision(encoded)[1]
    check(Shape(str(opened.format), *opened.size, channels, bits))
    if opened.format == "PPM":
        values = read_netpbm(opened, encoded, channels)
    elif unpacked in (GRAY_AND_ALPHA, DEEP_COLOUR, DEEP_COLOUR_AND_ALPHA):
        values = read_both_bytes(opened, unpacked)
    else:
        values = np.asarray(opened, np.uint16)[..., None] >> (16 - bits)  # Pillow scales what has fewer than 16
    values = turn_pixels(add_marked(values, opened), read_orientation(opened))
    return Samples(values, str(opened.format), bits, bands=False)


def read_netpbm(opened: ImageFile.ImageFile, encoded: bytes, channels: int) -> np.ndarray:
    """Read samples of two bytes each, or written as text: (H, W, N) uint16."""
    kind, begin = opened.tile[0].codec_name, opened.tile[0].offset
    count = opened.width * opened.height * channels
    if kind == "ppm_plain":
        words = re.sub(rb"#[^\r\n]*", b"", encoded[begin:]).split(maxsplit=count)[:count]
        values = np.array([int(word) for word in words], np.uint16)
    else:
        values = np.frombuffer(encoded, ">u2", count, begin).astype(np.uint16)
    return values.reshape(opened.height, opened.width, channels)


def read_both_bytes(opened: ImageFile.ImageFile, unpacked: str) -> np.ndarray:
    """Decode the upper and the lower bytes of a PNG of 16 bits: (H, W, N) uint16."""
    if unpacked == GRAY_AND_ALPHA:
        opened.tile = [tile._replace(args="RGBA") for tile in opened.tile]  # its four bytes, one after the other
        pairs = np.asarray(opened, np.uint16)
        return pairs[..., ::2] << 8 | pairs[..., 1::2]
    lower = decode_lower_bytes(opened)
    values: np.ndarray = np.asarray(opened).astype(np.uint16)
    values <<= 8
    values |= lower
    return values


def add_marked(values: np.ndarray, opened: Image.Image) -> np.ndarray:
    """Add alpha if a PNG marks one of its grays or colours as transparent: (H, W, N) -> (H, W, N or N + 1)."""
    marked = opened.info.get("transparency") if opened.format == "PNG" and values.shape[2] in (1, 3) else None
    if marked is None:
        return values
    opaque = (values != np.asarray(marked)).any(axis=2, keepdims=True)
    return np.concatenate([values, opaque * np.uint16(2**16 - 1)], axis=2)


def read_precision(encoded: bytes) -> tuple[int, int]:
    """Read how many channels of how many bits a JPEG 2000 has; 0, 0 if it is none or that cannot be read."""
    place = encoded.find(SIZ) if encoded.startswith(JPEG2000_BEGINNINGS) else -1
    if place < 0 or len(encoded) <= place + BITS_PLACE:
        return 0, 0
    count = int.from_bytes(encoded[place + COUNT_PLACE : place + BITS_PLACE])
    return count, (encoded[place + BITS_PLACE] & 0x7F) + 1


def find_cut(encoded: bytes) -> str:
    """Say what a file is whose samples of more than 8 bits `read_full` cannot read; an empty text if it is none."""
    if encoded.startswith(TIFF_BEGINNINGS) and has_many_bits(encoded):
        return "TIFF of an unusual kind with more than 8 bits"
    if read_precision(encoded)[1] > 8:
        return "JPEG 2000 of colours with more than 8 bits"
    return "AVIF with more than 8 bits" if encoded[4:8] == b"ftyp" and DEEP_AVIF.search(encoded) else ""
