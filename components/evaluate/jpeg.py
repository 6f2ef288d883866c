"""Compresses images as JPEG for the probe robustness, with Pillow's writer and its usual 4:2:0 colours.

B images, L colours (1 or 3), S pixels per side. https://pillow.readthedocs.io/en/stable/handbook/image-file-formats.html
"""

from io import BytesIO

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from components.store.decode import decode_whole


def compress_jpeg(images: Tensor, quality: int) -> Tensor:
    """Write images as JPEG and read them again: (B, L, S, S) uint8 -> (B, L, S, S) uint8."""
    return torch.from_numpy(np.stack([_compress_image(image, quality) for image in images.numpy()]))


def _compress_image(image: np.ndarray, quality: int) -> np.ndarray:
    """Write one image as JPEG and read it again: (L, S, S) -> (L, S, S)."""
    file = BytesIO()
    pixels = image[0] if len(image) == 1 else np.ascontiguousarray(image.transpose(1, 2, 0))
    Image.fromarray(pixels).save(file, format="JPEG", quality=quality)
    return decode_whole(file.getvalue(), channels=len(image), deep=False).transpose(2, 0, 1)
