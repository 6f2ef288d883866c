"""Makes alpha of the colour that a PNG marks as transparent, where it is marked in other steps than Pillow's 8 bits.

A PNG marks the colour as its samples stand in the file, of 2, 4 or 16 bits; Pillow scales the samples but not the mark.
PNG, W3C, section 11.3.2.1 (tRNS). H x W pixels.
"""

from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image, ImageFile

from components.store.encoded import read_whole

STEPS = {"L;2": 85, "L;4": 17}  # by which Pillow scales samples of 2 and 4 bits
DEEP_COLOUR = "RGB;16B"  # how Pillow unpacks 16 bits: the upper byte of each sample


def hide_transparent(opened: Image.Image) -> Image.Image:
    """Decode an image, with alpha if a colour is marked in other steps than Pillow's. Raises what Pillow raises."""
    marked = opened.info.get("transparency") if opened.format == "PNG" and opened.mode in ("L", "RGB") else None
    unpacked = read_unpacked(opened)
    lower = decode_lower_bytes(opened) if marked is not None and unpacked == DEEP_COLOUR else None
    opened.load()
    if marked is None:
        return opened
    values, marks = np.asarray(opened), np.asarray(marked)
    if unpacked in STEPS:
        hidden = values == (marks * STEPS[unpacked]) % 256
    elif opened.mode == "RGB" and (lower is not None or (marks > 255).any()):
        hidden = (values == marks >> 8).all(axis=2)
        if lower is not None:  # else the image was decoded before, and its lower bytes are gone
            hidden &= (lower == marks & 255).all(axis=2)
    else:
        return opened
    shown = opened.copy()
    del shown.info["transparency"]
    shown.putalpha(Image.fromarray(~hidden * np.uint8(255)))
    return shown


def read_unpacked(opened: Image.Image) -> Any:
    """Return Pillow's name for how it will unpack the samples, or None if they are unpacked already."""
    return opened.tile[0].args if isinstance(opened, ImageFile.ImageFile) and opened.tile else None


def decode_lower_bytes(opened: Image.Image) -> np.ndarray:
    """Decode the lower bytes of 16 bits per channel, RGB or RGBA: (H, W, C) uint8; the opened image stays as it is."""
    assert isinstance(opened, ImageFile.ImageFile)
    assert opened.fp is not None
    with Image.open(BytesIO(read_whole(opened.fp)), formats=["PNG"]) as again:
        again.tile = [tile._replace(args=f"{str(tile.args).removesuffix('B')}L") for tile in again.tile]
        return np.asarray(again)
