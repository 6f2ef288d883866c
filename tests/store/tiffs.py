"""Makes TIFF files of many channels with tifffile, and breaks them."""

import io
import struct
from typing import Any

import numpy as np
import tifffile
from PIL import Image

BANDS = np.random.default_rng(7).integers(0, 2**16, (40, 50, 13)).astype(np.uint16)  # (H, W, N)
CONTIGUOUS: dict[str, Any] = {"photometric": "minisblack", "planarconfig": "contig"}
PLANAR: dict[str, Any] = {"photometric": "minisblack", "planarconfig": "separate"}


def write_tiff(pixels: np.ndarray, **options: Any) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, pixels, **options)
    return file.getvalue()


def write_bands(values: np.ndarray, **options: Any) -> bytes:
    """Write (H, W, N) as one page."""
    return write_tiff(values, **CONTIGUOUS, **options)


def set_tag(file: bytes, tag: int, value: int, *, count: int | None = None) -> bytes:
    """Put another number into a tag of the first page of a TIFF of Intel's order, which keeps its type."""
    [at] = struct.unpack_from("<I", file, 4)
    [entries] = struct.unpack_from("<H", file, at)
    for place in range(at + 2, at + 2 + 12 * entries, 12):
        code, kind, old = struct.unpack_from("<HHI", file, place)
        if code == tag:
            put = struct.pack("<HHI", code, kind, old if count is None else count) + struct.pack("<I", value)
            return file[:place] + put + file[place + 12 :]
    raise KeyError(tag)


def pack_by_libtiff(file: bytes, packing: str, number: int) -> bytes:
    """Pack the only strip of a TIFF that is not packed as Pillow packs a row of gray pixels."""
    row = io.BytesIO()
    strip = read_strip(file)
    Image.frombytes("L", (len(strip), 1), strip).save(row, "TIFF", compression=packing)
    packed = read_strip(row.getvalue())
    changed = set_tag(set_tag(set_tag(file, 259, number), 273, len(file)), 279, len(packed))
    return changed + packed


def read_strip(file: bytes) -> bytes:
    """Read the only strip of a TIFF as it lies there."""
    with tifffile.TiffFile(io.BytesIO(file)) as opened:
        [begin], [size] = opened.pages.first.dataoffsets, opened.pages.first.databytecounts
    return file[begin : begin + size]


def write_pages(pages: list[tuple[np.ndarray, int]]) -> bytes:
    """Write (H, W, N) as a page each, with its NewSubfileType."""
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        for pixels, kind in pages:
            writer.write(pixels, subfiletype=kind, metadata=None, **CONTIGUOUS)
    return file.getvalue()
