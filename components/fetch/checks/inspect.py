"""Inspect a candidate: decode it whole, and tell what is in it or why it cannot be stored.

The perceptual hash is pHash: of the gray image at 32 x 32, the signs of the lowest 8 x 8 frequencies about the median.
http://www.hackerfactor.com/blog/index.php?/archives/432-Looks-Like-It.html
H, W pixels. Statistics and hashes are those of the RGB image, over white where it is transparent. What has more than 8
bits or other channels is measured at full depth as well, and hashed as bright as its highest value allows.
"""

import hashlib
import warnings
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import imagehash
import numpy as np
from PIL import Image

from components.fetch.checks.decoded import BombError, UnknownFormatError, decode
from components.fetch.checks.deep import (
    Full,
    count_bits,
    draw_eight,
    has_only_eight_bits,
    list_digested,
    measure,
)
from components.fetch.checks.named import is_picture
from components.fetch.kinds import SUFFIXES, SUFFIXES_BY_FORMAT
from components.fetch.params import Limits, Reencode
from components.fetch.sources.candidate import Candidate
from components.store.decode import REFUSALS, to_channels

LOSSY = ("JPEG", "MPO", "WEBP", "AVIF", "JPEG2000")  # formats that are encoded anew as JPEG
DIGEST = 16  # bytes
THUMBNAIL = 16  # pixels per side


class ImageFacts(NamedTuple):
    """The facts about an image that can be stored."""

    encoded: bytes  # the image as it will be stored
    content: bytes  # digest of the source's file, or of its pixels if it has no file
    pixels: bytes  # digest of the decoded pixels, the same however an image is encoded
    look: int  # perceptual hash, 64 bits
    thumbnail: bytes  # 16 x 16 gray pixels
    width: int
    height: int
    format: str
    full: Full | None  # of a file with more than 8 bits, or other channels than gray, RGB and alpha
    misnamed: bool  # whether the suffix is that of another format
    gray: bool
    flat: bool  # whether the image is of a single colour
    means: tuple[float, ...]  # per channel R, G, B, in 0..1
    squares: tuple[float, ...]  # the means of the squares


class Fault(NamedTuple):
    """Why a file cannot be stored."""

    reason: str
    image: bool  # whether the file should have been an image, by its name or its content


class UnreadableError(Exception):
    """Nothing is known of the file's content; the message says why."""


def inspect(candidate: Candidate, limits: Limits, reencode: Reencode | None) -> ImageFacts | Fault:
    """Return the facts of an image or its fault; never raises for the content of a file, whatever it is."""
    name = PurePosixPath(candidate.path)
    # Files that macOS puts beside others, ._a.jpg beside a.jpg, are no images.
    should_be_image = candidate.declared_image or (name.suffix.lower() in SUFFIXES and not name.name.startswith("._"))
    if candidate.fault:
        return Fault(candidate.fault, should_be_image)
    try:
        with warnings.catch_warnings(action="ignore"):  # Pillow warns of faults that it corrects
            return inspect_content(candidate, limits, reencode)
    except UnknownFormatError as error:
        return Fault(str(error), should_be_image or is_picture(str(error)))
    except UnreadableError as error:
        return Fault(str(error), should_be_image)
    except (BombError, *REFUSALS) as error:
        return Fault(str(error), True)
    except MemoryError:
        return Fault("decoding needs more memory than there is", True)
    except Exception as error:  # decoders of broken files raise anything
        return Fault(f"broken: {' '.join(str(error).split()) or type(error).__name__}", True)


def inspect_content(candidate: Candidate, limits: Limits, reencode: Reencode | None) -> ImageFacts:
    """Return the facts of an image. Raises UnreadableError, BombError, REFUSALS and whatever Pillow raises."""
    suffix = PurePosixPath(candidate.path).suffix.lower()
    encoded, content = encode_content(candidate.content, limits)
    if candidate.sha256 and not candidate.sha256.startswith(content.hex()):
        raise UnreadableError("changed since the source was listed")
    image, kind, samples = decode(encoded, candidate.path, limits)
    full = measure(samples) if samples else None
    rgb = to_channels(image, 3)
    whole = to_channels(image, 4) if image.has_transparency_data else rgb
    if whole.mode == "RGBA" and whole.getchannel("A").getextrema() == (255, 255):  # no pixel is transparent
        whole = rgb
    # The 256 counts per channel give mean and square exactly, and faster than the pixels do.
    counts = np.array(rgb.histogram(), dtype=np.int64).reshape(3, 256) / (rgb.width * rgb.height)
    levels = np.arange(256) / 255
    # The size at which pHash looks.
    bright = to_channels(draw_eight(samples, count_bits(full.highest)), 3) if samples and full else rgb
    small = bright.convert("L").resize((2 * THUMBNAIL, 2 * THUMBNAIL), Image.Resampling.LANCZOS)
    hashed = np.packbits(imagehash.phash(small).hash).tobytes()
    return ImageFacts(
        encoded=shrink(image, kind, reencode)
        if reencode and max(rgb.size) > reencode.max_side and not full
        else encoded,
        content=content,
        pixels=(
            compute_digest(str(samples.values.shape[:2]).encode(), *list_digested(samples))
            if samples and not has_only_eight_bits(samples)
            else compute_digest(str(whole.size).encode(), whole.tobytes())
        ),
        look=int.from_bytes(hashed, "big"),
        thumbnail=small.reduce(2).tobytes(),
        width=rgb.width,
        height=rgb.height,
        format=kind,
        full=full,
        misnamed=suffix in SUFFIXES and suffix not in SUFFIXES_BY_FORMAT[kind],
        # The first is quick, and rules out most images.
        gray=full.gray if full else bool((counts == counts[0]).all()) and is_gray(rgb),
        flat=full.flat if full else bool((counts.max(axis=1) == 1).all()),
        means=tuple(counts @ levels),
        squares=tuple(counts @ levels**2),
    )


def is_gray(rgb: Image.Image) -> bool:
    """Whether the three channels are the same."""
    red, green, blue = (channel.tobytes() for channel in rgb.split())
    return red == green == blue


def encode_content(content: bytes | Path | np.ndarray, limits: Limits) -> tuple[bytes, bytes]:
    """Return the encoded image and the digest of its content. Raises UnreadableError."""
    if isinstance(content, np.ndarray):
        return encode_png(content), compute_digest(str(content.shape).encode(), content.tobytes())
    if isinstance(content, Path):
        try:
            with content.open("rb") as file:
                content = file.read(limits.max_bytes + 1)
        except OSError as error:
            raise UnreadableError(f"cannot be read: {error.strerror}") from None
    if not content:
        raise UnreadableError("empty: no byte in it")
    if len(content) > limits.max_bytes:
        raise UnreadableError("more bytes than data.limits.max_bytes")
    return content, compute_digest(content)


def encode_png(pixels: np.ndarray) -> bytes:
    """Encode (H, W) or (H, W, 3) uint8 as PNG, lightly compressed: three times as fast, and a twentieth larger."""
    encoded = BytesIO()
    Image.fromarray(pixels).save(encoded, format="PNG", compress_level=1)
    return encoded.getvalue()


def shrink(image: Image.Image, kind: str, reencode: Reencode) -> bytes:
    """Return the image encoded anew, with its longer side at `max_side`."""
    alpha = image.has_transparency_data
    small = to_channels(image, 4 if alpha else 1 if image.mode in ("1", "L") else 3).copy()
    if not isinstance(small.info.get("icc_profile"), bytes):  # broken: Pillow would fail to write it
        small.info.pop("icc_profile", None)
    small.thumbnail((reencode.max_side, reencode.max_side), Image.Resampling.LANCZOS)
    encoded = BytesIO()
    if kind in LOSSY and not alpha:
        small.save(encoded, format="JPEG", quality=reencode.jpeg_quality)
    else:
        small.save(encoded, format="PNG")
    return encoded.getvalue()


def compute_digest(*parts: bytes | memoryview) -> bytes:
    """Return 16 bytes that two different contents do not share."""
    hashed = hashlib.sha256()
    for part in parts:
        hashed.update(part)
    return hashed.digest()[:DIGEST]
