"""Look into one candidate: decode it whole, and say what is in it or why it cannot be stored.

The perceptual hash is pHash: of the gray image at 32 x 32, the signs of the lowest 8 x 8 frequencies about the median.
http://www.hackerfactor.com/blog/index.php?/archives/432-Looks-Like-It.html
H, W pixels; RGB, over white where it is transparent, is what statistics and hashes are of.
"""

import hashlib
import warnings
from io import BytesIO
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import imagehash
import numpy as np
from PIL import Image, UnidentifiedImageError

from components.fetch.params import Limits, Reencode
from components.fetch.sources.candidate import Candidate
from components.store.decode import UnknownRange, open_image, to_channels, upright

NAMED = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "MPO": (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
    "PNG": (".png", ".apng"),
    "GIF": (".gif",),
    "BMP": (".bmp", ".dib"),
    "TIFF": (".tif", ".tiff"),
    "WEBP": (".webp",),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
    "JPEG2000": (".jp2", ".j2k"),
    "AVIF": (".avif",),
}
SUFFIXES = frozenset((".heic", *chain(*NAMED.values())))  # what calls itself so should be an image
LOSSY = ("JPEG", "MPO", "WEBP", "AVIF", "JPEG2000")  # what is encoded anew as JPEG
DIGEST = 16  # bytes


class Seen(NamedTuple):
    """What is in an image that can be stored."""

    encoded: bytes  # as it will be stored
    content: bytes  # digest of it as the source has it: of the file, or of the pixels where it has no file
    pixels: bytes  # digest of the decoded pixels: equal images are equal in this, however they are encoded
    look: int  # perceptual hash, 64 bits
    width: int
    height: int
    format: str
    misnamed: bool  # it has the suffix of another format
    gray: bool
    flat: bool  # one colour all over
    means: tuple[float, ...]  # of R, G, B in 0..1
    squares: tuple[float, ...]  # means of their squares


class Fault(NamedTuple):
    """Why it cannot be stored."""

    reason: str
    image: bool  # whether it should have been an image, by its name or by its content


class UnreadableError(Exception):
    """Nothing is known of its content; the message says why."""


class BombError(Exception):
    """It would take more memory than params.yaml allows."""


def inspect(candidate: Candidate, limits: Limits, reencode: Reencode | None) -> Seen | Fault:
    """Never raises for what stands in a file, whatever it is."""
    name = PurePosixPath(candidate.path)
    # What macOS puts beside a file, ._a.jpg beside a.jpg, is no image.
    meant = candidate.meant or (name.suffix.lower() in SUFFIXES and not name.name.startswith("._"))
    if candidate.fault:
        return Fault(candidate.fault, meant)
    try:
        with warnings.catch_warnings(action="ignore"):  # of Pillow, about what it makes good
            return look_into(candidate, limits, reencode)
    except UnidentifiedImageError:
        return Fault("no image of a format that is read", meant)
    except UnreadableError as error:
        return Fault(str(error), meant)
    except (BombError, UnknownRange) as error:
        return Fault(str(error), True)
    except MemoryError:
        return Fault("decoding needs more memory than there is", True)
    except Exception as error:  # decoders of broken files raise anything
        return Fault(f"broken: {' '.join(str(error).split()) or type(error).__name__}", True)


def look_into(candidate: Candidate, limits: Limits, reencode: Reencode | None) -> Seen:
    """Raises UnreadableError, BombError, UnknownRange and whatever Pillow raises."""
    encoded, content = encode_content(candidate.content, limits)
    if candidate.sha256 and not candidate.sha256.startswith(content.hex()):
        raise UnreadableError("changed since the source was listed")
    with open_image(encoded) as opened:
        width, height, kind = *opened.size, str(opened.format)
        if width * height > limits.max_pixels:
            raise BombError(f"a decompression bomb: {width} x {height} pixels are more than data.limits.max_pixels")
        image = upright(opened)
    rgb = to_channels(image, 3)
    whole = to_channels(image, 4) if image.has_transparency_data else rgb
    if whole.mode == "RGBA" and whole.getchannel("A").getextrema() == (255, 255):  # nothing shines through anywhere
        whole = rgb
    # Of 256 counts a channel follow mean and square exactly, and quicker than of the pixels.
    counts = np.array(rgb.histogram(), dtype=np.int64).reshape(3, 256) / (rgb.width * rgb.height)
    levels = np.arange(256) / 255
    hashed = np.packbits(imagehash.phash(rgb).hash).tobytes()
    suffix = PurePosixPath(candidate.path).suffix.lower()
    return Seen(
        encoded=shrink(image, kind, reencode) if reencode and max(rgb.size) > reencode.max_side else encoded,
        content=content,
        pixels=digest(str(whole.size).encode(), whole.tobytes()),
        look=int.from_bytes(hashed, "big"),
        width=rgb.width,
        height=rgb.height,
        format=kind,
        misnamed=suffix in SUFFIXES and suffix not in NAMED[kind],
        gray=bool((counts == counts[0]).all()) and is_gray(rgb),  # the first is quick, and rules most out
        flat=bool((counts.max(axis=1) == 1).all()),
        means=tuple(counts @ levels),
        squares=tuple(counts @ levels**2),
    )


def is_gray(rgb: Image.Image) -> bool:
    """Whether the three channels are the same."""
    red, green, blue = (channel.tobytes() for channel in rgb.split())
    return red == green == blue


def encode_content(content: bytes | Path | np.ndarray, limits: Limits) -> tuple[bytes, bytes]:
    """Encoded image and the digest of its content. Raises UnreadableError."""
    if isinstance(content, np.ndarray):
        return encode(content), digest(str(content.shape).encode(), content.tobytes())
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
    return content, digest(content)


def encode(pixels: np.ndarray) -> bytes:
    """(H, W) or (H, W, 3) uint8 -> PNG; lightly packed, which is three times as fast and a twentieth larger."""
    encoded = BytesIO()
    Image.fromarray(pixels).save(encoded, format="PNG", compress_level=1)
    return encoded.getvalue()


def shrink(image: Image.Image, kind: str, reencode: Reencode) -> bytes:
    """The image with its longer side at `max_side`, encoded anew."""
    alpha = image.has_transparency_data
    small = to_channels(image, 4 if alpha else 1 if image.mode in ("1", "L") else 3).copy()
    small.thumbnail((reencode.max_side, reencode.max_side), Image.Resampling.LANCZOS)
    encoded = BytesIO()
    if kind in LOSSY and not alpha:
        small.save(encoded, format="JPEG", quality=reencode.jpeg_quality)
    else:
        small.save(encoded, format="PNG")
    return encoded.getvalue()


def digest(*parts: bytes) -> bytes:
    """16 bytes that two different contents do not share."""
    hashed = hashlib.sha256()
    for part in parts:
        hashed.update(part)
    return hashed.digest()[:DIGEST]
