"""What JPEG leaves of an image, for the probe that disturbs images: Pillow's writer, with its usual 4:2:0 colours.

B images, L colours (1 or 3), S pixels a side. https://pillow.readthedocs.io/en/stable/handbook/image-file-formats.html
"""

from io import BytesIO

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from components.store.decode import decode_whole


def as_jpeg(images: Tensor, quality: int) -> Tensor:
    """Written and read again: (B, L, S, S) uint8 -> (B, L, S, S) uint8."""
    return torch.from_numpy(np.stack([_again(image, quality) for image in images.numpy()]))


def _again(image: np.ndarray, quality: int) -> np.ndarray:
    """(L, S, S) -> (L, S, S)."""
    file = BytesIO()
    pixels = image[0] if len(image) == 1 else np.ascontiguousarray(image.transpose(1, 2, 0))
    Image.fromarray(pixels).save(file, format="JPEG", quality=quality)
    return decode_whole(file.getvalue(), channels=len(image)).transpose(2, 0, 1)
