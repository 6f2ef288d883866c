"""CIFAR-10 in two files of 50 MB, part0.npz and part1.npz, which are quicker to bring to a machine than its archive.

The images lie in lossless WebP mosaics of 500, 10 wide and 50 high, all mosaics one after the other in `blob`, their
lengths in `sizes`; `labels` has a class per image. The first file holds the first 30,000 train images, the second the
other train images and then the test images.
N images.
"""

import io
from pathlib import Path

import numpy as np
from PIL import Image

PARTS = ("part0.npz", "part1.npz")
WIDE, HIGH, SIDE = 10, 50, 32  # images in a row of a mosaic, rows, pixels per side of an image
TEST_SHARE = 6  # one of so many images is of the test split


def is_packed(folder: Path) -> bool:
    """Whether the folder holds the two files."""
    return all((folder / part).is_file() for part in PARTS)


def read_packed(folder: Path, *, test: bool) -> tuple[np.ndarray, np.ndarray]:
    """Read a split: images (N, 32, 32, 3) uint8 and labels (N,) int64."""
    first, second = (folder / part for part in PARTS)
    images, labels = unpack(second)
    tested = (count_images(first) + len(images)) // TEST_SHARE
    if test:
        return images[-tested:], labels[-tested:]
    first_images, first_labels = unpack(first)
    return np.concatenate([first_images, images[:-tested]]), np.concatenate([first_labels, labels[:-tested]])


def count_images(path: Path) -> int:
    """Count the images of one file."""
    with np.load(path, allow_pickle=False) as file:
        return len(file["labels"])


def unpack(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return the images of one file, (N, 32, 32, 3) uint8, and their labels, (N,) int64."""
    with np.load(path, allow_pickle=False) as file:
        blob, ends, labels = file["blob"], np.cumsum(file["sizes"]), file["labels"].astype(np.int64)
    mosaics = [cut_mosaic(encoded.tobytes()) for encoded in np.split(blob, ends[:-1])]
    return np.concatenate(mosaics), labels


def cut_mosaic(encoded: bytes) -> np.ndarray:
    """Cut the images out of one mosaic, row by row: (500, 32, 32, 3) uint8."""
    pixels = np.asarray(Image.open(io.BytesIO(encoded)).convert("RGB"))  # (50 * 32, 10 * 32, 3)
    return pixels.reshape(HIGH, SIDE, WIDE, SIDE, 3).swapaxes(1, 2).reshape(HIGH * WIDE, SIDE, SIDE, 3)
