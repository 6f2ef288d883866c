"""Reads image files as a network's input, without torch, and says in a line why one cannot be read.

The squares are those of the stage embed (components/store/decode.py), and the limits those of the stage fetch.
B images, C channels, S pixels per side.
"""

import os
from pathlib import Path

import numpy as np
from PIL import UnidentifiedImageError

from components.encoder.params import Images
from components.fetch.checks.decoded import BombError, UnknownFormatError, decode
from components.fetch.kinds import SUFFIXES
from components.fetch.params import Limits
from components.stage.errors import InputError
from components.store.decode import REFUSALS, decode_square, open_image
from components.store.pages import refuse_raw


def list_images(paths: list[Path]) -> list[Path]:
    """List the files that are named, and the images in the folders that are, by their suffixes, in order; a folder
    without an image as itself."""
    found: list[Path] = []
    for path in paths:
        if os.path.isdir(path):  # noqa: PTH112  (Path's own raises for a name that is too long)
            inside = sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())
            found += [file for file in inside if not file.name.startswith(".")] or [path]
        else:
            found.append(path)
    return found


def read_square(path: Path, shape: Images, limits: Limits) -> np.ndarray:
    """Read the square that the network sees: (C, S, S) uint8, or uint16 by a range. Raises InputError."""
    if os.path.lexists(path) and not os.path.isfile(path):  # noqa: PTH113
        raise InputError(f"{path}: {'no image in this folder' if path.is_dir() else 'a pipe, a device or a dead link'}")
    try:
        with path.open("rb") as file:
            encoded = file.read(limits.max_bytes + 1)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {os.strerror(error.errno or 0)}") from None
    if len(encoded) > limits.max_bytes:
        raise InputError(f"{path}: more than {limits.max_bytes:,} bytes, data.limits.max_bytes in params.yaml")
    return decode_encoded(encoded, str(path), shape, limits)


def decode_encoded(encoded: bytes, name: str, shape: Images, limits: Limits) -> np.ndarray:
    """Decode the bytes of a file to (C, S, S), once its header has shown how large it is. Raises InputError."""
    try:
        check_header(encoded, name, limits)
        return decode_square(encoded, side=shape.side, channels=shape.channels, deep=shape.deep)
    except (BombError, UnknownFormatError, *REFUSALS) as error:
        raise InputError(f"{name}: {error}") from None
    except MemoryError:
        raise InputError(f"{name}: decoding needs more memory than there is") from None
    except Exception as error:  # decoders of broken files raise anything; the store's words would be about the store
        reason = error.__context__ or error
        raise InputError(f"{name}: broken: {' '.join(str(reason).split())[:200] or type(reason).__name__}") from None


def check_header(encoded: bytes, name: str, limits: Limits) -> None:
    """Check that a file is an image, and not too large to be decoded. Raises as `decode` does."""
    refuse_raw(encoded, name)
    try:
        with open_image(encoded) as opened:
            width, height = opened.size
    except UnidentifiedImageError:
        decode(encoded, name, limits)  # of channels that Pillow does not know; or no image, and it says what instead
        return
    if width * height > limits.max_pixels:
        raise BombError(f"a decompression bomb: {width} x {height} pixels are more than data.limits.max_pixels")


def normalise_squares(squares: np.ndarray, shape: Images) -> np.ndarray:
    """Turn pixels into the network's input as components/encoder/normalise.py does: (B, C, S, S) -> float32."""
    low, high = shape.limits
    values = ((squares.astype(np.float32) - low) / (high - low)).clip(0, 1)
    mean, std = (np.array(numbers, np.float32)[:, None, None] for numbers in (shape.mean, shape.std))  # (C, 1, 1)
    scaled: np.ndarray = (values - mean) / std
    return scaled
