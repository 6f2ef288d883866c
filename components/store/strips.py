"""Reads the pixels of a page of a TIFF out of its strips or tiles.

libtiff, by Pillow, unpacks each of them, into no more bytes than its pixels need, so that nothing that is packed very
small fills the memory; tifffile puts the bytes in order. TIFF 6.0, sections 3 and 15. H x W pixels, N samples of each.
"""

import math
import struct
from io import BytesIO

import numpy as np
import tifffile
from PIL import Image

PLAIN, LIBTIFFS = 1, (5, 8, 32773, 32946, 34925, 50000)  # LZW, Deflate, PackBits, Deflate, LZMA, Zstandard
LARGEST_TILE = 2**26  # bytes; of an image that is smaller than its tiles
LONG = 4


def read_page(encoded: bytes, page: tifffile.TiffPage) -> np.ndarray:
    """Read all samples of a page: (H, W, N) uint8 or uint16. Raises whatever broken files cause."""
    planes, _, height, width, samples = page.shaped
    values: np.ndarray = np.full((planes, height, width, samples), page.nodata, f"u{page.bitspersample // 8}")
    tile = math.prod(page.chunks) * values.itemsize
    count, packing = math.prod(page.chunked), int(page.compression)
    if not len(page.dataoffsets) == len(page.databytecounts) == count:
        raise ValueError(f"{len(page.databytecounts):,} strips or tiles, but {count:,} are needed")
    if tile > max(values.nbytes, LARGEST_TILE):
        raise ValueError(f"a tile of {tile:,} bytes in an image of {values.nbytes:,}")
    page.compression = tifffile.COMPRESSION.NONE  # as libtiff unpacks what tifffile puts in its place
    for number, (begin, size) in enumerate(zip(page.dataoffsets, page.databytecounts, strict=True)):
        if not begin and not size:  # not written, as all of it is the value that stands for nothing
            continue
        part = encoded[begin : begin + size]
        if packing != PLAIN:
            part = unpack(part, packing, tile if page.is_tiled else measure_strip(page, number))
        segment, (plane, _, top, left, _), _ = page.decode(part, number)
        assert segment is not None  # (1, h, w, N)
        place = values[plane, top : top + segment.shape[1], left : left + segment.shape[2]]
        place[...] = segment[0, : place.shape[0], : place.shape[1]]
    return values[0] if planes == 1 else values[..., 0].transpose(1, 2, 0)


def measure_strip(page: tifffile.TiffPage, number: int) -> int:
    """Count the bytes of a strip, of which the last one of a plane may be lower than the others."""
    _, _, height, width, samples = page.shaped
    top = number % math.ceil(height / page.rowsperstrip) * page.rowsperstrip
    return min(page.rowsperstrip, height - top) * width * samples * page.bitspersample // 8


def unpack(packed: bytes, packing: int, size: int) -> bytes:
    """Unpack a strip or tile by libtiff, as if it were one row of gray pixels. Raises what Pillow raises."""
    tags = [(256, size), (257, 1), (258, 8), (259, packing), (262, 1), (273, 8), (277, 1), (278, 1), (279, len(packed))]
    entries = b"".join(struct.pack("<HHII", tag, LONG, 1, value) for tag, value in tags)
    head = struct.pack("<4sI", b"II*\0", 8 + len(packed) + len(packed) % 2)
    file = head + packed + bytes(len(packed) % 2) + struct.pack("<H", len(tags)) + entries + bytes(4)
    with Image.open(BytesIO(file), formats=["TIFF"]) as row:
        try:
            return row.tobytes()
        except OSError:
            raise ValueError("a strip or tile cannot be unpacked, or is cut off") from None
