"""Turns images as their metadata say, and reads of the metadata nothing but that.

Metadata are often broken: cameras, editors and converters write tags of wrong types, offsets beyond the end and texts
of unknown encoding. No such fault says anything of the pixels, so that none leaves this file.
Orientation: TIFF 6.0, section "Baseline Field Reference Guide"; XMP specification, part 2, namespace tiff.
"""

import re
from typing import Any

import numpy as np
from PIL import ExifTags, Image
from PIL.TiffImagePlugin import TiffImageFile

METHODS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
UPRIGHT = 1
IN_XMP = re.compile(rb"tiff:Orientation(?:\s*=\s*[\"']|>)\s*([1-8])")


def read_orientation(decoded: Image.Image) -> int:
    """Return how a decoded image has to be turned, 1..8; Pillow itself turns a TIFF file when it decodes it."""
    if isinstance(decoded, TiffImageFile):
        return UPRIGHT
    for read in (read_from_exif, read_from_xmp):
        try:
            orientation = read(decoded)
            if orientation == UPRIGHT or orientation in METHODS:
                return int(orientation)
        except Exception:  # whatever broken metadata cause
            continue
    return UPRIGHT


def read_from_exif(decoded: Image.Image) -> Any:
    """Return the orientation as Pillow finds it, of whatever type. Raises whatever Pillow raises."""
    return decoded.getexif()[ExifTags.Base.Orientation]


def read_from_xmp(decoded: Image.Image) -> int:
    """Return the orientation that XMP states. Raises ValueError or TypeError if it states none."""
    text = decoded.info.get("xmp") or decoded.info.get("XML:com.adobe.xmp", b"")
    found = IN_XMP.search(text.encode(errors="replace") if isinstance(text, str) else text)
    return int(found[1]) if found else 0


def turn(image: Image.Image, orientation: int) -> Image.Image:
    """Return the image turned by an orientation of 1..8."""
    return image.transpose(METHODS[orientation]) if orientation in METHODS else image


def turn_pixels(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Return pixels turned by an orientation of 1..8, as `turn` does: (H, W, N) -> (H, W, N) or (W, H, N)."""
    turned = pixels.swapaxes(0, 1) if orientation in (5, 6, 7, 8) else pixels
    turned = turned[::-1] if orientation in (3, 4, 7, 8) else turned
    turned = turned[:, ::-1] if orientation in (2, 3, 6, 7) else turned
    return np.ascontiguousarray(turned)
