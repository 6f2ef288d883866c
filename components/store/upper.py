"""Tells what Pillow decodes wrongly of more than 8 bits, and brings gray of 16 bits to 8.

Pillow does not heed SampleFormat in 8 bits, ignores the photometric interpretation of more than 8, and mixes up samples
of 16 bits that lie in planes. TIFF 6.0, sections 8 and 19. H x W pixels.
"""

import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import (
    BITSPERSAMPLE,
    PHOTOMETRIC_INTERPRETATION,
    PLANAR_CONFIGURATION,
    SAMPLEFORMAT,
    TiffImageFile,
)

SIGNED, PLANES = 2, 2  # in SampleFormat; in PlanarConfiguration


def is_deep_planar(opened: Image.Image) -> bool:
    """Whether a TIFF holds colours of 16 bits one after the other, as Pillow decodes to noise."""
    if not isinstance(opened, TiffImageFile) or len(opened.getbands()) == 1:
        return False
    return opened.tag_v2.get(PLANAR_CONFIGURATION) == PLANES and max(opened.tag_v2.get(BITSPERSAMPLE, (1,))) > 8


def is_signed(opened: Image.Image) -> bool:
    """Whether a TIFF says that its samples are signed, which Pillow does not heed in 8 bits."""
    return isinstance(opened, TiffImageFile) and SIGNED in np.atleast_1d(opened.tag_v2.get(SAMPLEFORMAT, 1))


def keep_upper_bits(decoded: Image.Image) -> Image.Image:
    """Turn 16-bit gray into 8-bit gray, with alpha if the file marks one of its grays as transparent."""
    values = np.asarray(decoded)  # (H, W)
    scaled = values
    if isinstance(decoded, TiffImageFile):  # with more than 8 bits per pixel Pillow ignores both of these tags
        scaled = scaled << (16 - decoded.tag_v2[BITSPERSAMPLE][0])  # may be 12
        scaled = ~scaled if decoded.tag_v2.get(PHOTOMETRIC_INTERPRETATION) == 0 else scaled  # 0 is white
    gray = Image.fromarray((scaled >> 8).astype(np.uint8))
    if "transparency" in decoded.info:
        gray.putalpha(Image.fromarray((values != decoded.info["transparency"]) * np.uint8(255)))
    return gray
