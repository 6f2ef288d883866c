"""Makes files of images with Pillow, and byte by byte what Pillow does not write (RFC 2083; TIFF 6.0, section 2)."""

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image

from components.store.decode import FORMATS

PNG_COLOURS = {1: 0, 2: 4, 3: 2, 4: 6}  # by channels
SHORT, LONG = 3, 4


def encode_image(image: Image.Image, format: str, **options: Any) -> bytes:
    if format not in [*FORMATS, "MPO"]:
        pytest.skip(f"this Pillow was built without {format}")
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def encode_png16(values: np.ndarray, transparent: tuple[int, ...] = ()) -> bytes:
    """Encode (H, W, C) below 65536 as a PNG of 16 bits per channel; one colour may be marked as transparent."""
    height, width, channels = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)  # none of them filtered
    return join_png((width, height, 16, PNG_COLOURS[channels]), rows, transparent)


def encode_png_row(row: bytes, bits: int, *, width: int, transparent: int) -> bytes:
    """Encode one row of gray samples of these bits as a PNG that marks a gray as transparent."""
    return join_png((width, 1, bits, PNG_COLOURS[1]), b"\0" + row, (transparent,))


def join_png(head: tuple[int, int, int, int], rows: bytes, transparent: tuple[int, ...]) -> bytes:
    """Join the chunks of a PNG; the head is width, height, bits and kind of colours."""
    parts = [(b"IHDR", struct.pack(">IIBBBBB", *head, 0, 0, 0))]
    if transparent:
        parts.append((b"tRNS", struct.pack(f">{len(transparent)}H", *transparent)))
    parts += [(b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    chunks = ((struct.pack(">I", len(body)), name + body) for name, body in parts)
    checked = (length + named + struct.pack(">I", zlib.crc32(named)) for length, named in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(checked)


def encode_tiff(
    pixels: bytes, *, width: int, height: int, bits: int, order: str = "<", black: int = 1, numbers: int = 1
) -> bytes:
    """Encode one channel as TIFF; `order` is struct's, `black` 1 if 0 is black, `numbers` 2 if signed, 3 if float."""
    begin = 8 + 2 + 10 * 12 + 4
    tags = [
        (256, LONG, width),
        (257, LONG, height),
        (258, SHORT, bits),
        (259, SHORT, 1),  # not compressed
        (262, SHORT, black),
        (273, LONG, begin),  # of the pixels
        (277, SHORT, 1),  # channels
        (278, LONG, height),  # all rows in one piece
        (279, LONG, len(pixels)),
        (339, SHORT, numbers),
    ]
    entries = b"".join(
        struct.pack(f"{order}HHI", tag, kind, 1) + struct.pack(f"{order}I" if kind == LONG else f"{order}Hxx", value)
        for tag, kind, value in tags
    )
    head = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HIH", 42, 8, len(tags))
    return head + entries + struct.pack(f"{order}I", 0) + pixels
