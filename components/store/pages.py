"""Finds the picture in a TIFF file, whose first page may be a small preview, and refuses the RAW files of cameras and
what else holds no picture that can be shown.

NewSubfileType and SubfileType: TIFF 6.0, section 8. DNGVersion: the Digital Negative specification 1.7, chapter 4.
"""

import struct
from collections.abc import Mapping
from io import BytesIO
from pathlib import PurePath
from typing import Any

import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2, TiffImageFile

NEW_SUBFILE_TYPE, OLD_SUBFILE_TYPE, PHOTOMETRIC, MAKE, SUB_IFDS, DNG_VERSION = 254, 255, 262, 271, 330, 50706
REDUCED, MASK = 1, 4  # bits of NewSubfileType
OLD_REDUCED = 2  # of SubfileType
SENSOR = (32803, 34892)  # photometric interpretations: a mosaic of colour filters, and its linear values
PAGES = 64  # pages, and sub-files, that are looked through for the picture
TIFF_BEGINNINGS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # with 64 bits the last two
NIKON, CANON, SONY = (".nef", ".nrw"), (".cr2", ".cr3", ".crw"), (".arw", ".sr2", ".srf")
KODAK, MAMIYA, HASSELBLAD = (".dcr", ".k25", ".kdc"), (".mef", ".mos"), (".3fr", ".fff")
OTHERS = (".dng", ".erf", ".gpr", ".iiq", ".mrw", ".orf", ".pef", ".raf", ".rw2", ".rwl", ".srw", ".x3f")
RARE = (".bay", ".cap", ".cs1", ".dcs", ".drf", ".eip", ".ptx", ".pxn", ".rwz")
RAW_SUFFIXES = (*NIKON, *CANON, *SONY, *KODAK, *MAMIYA, *HASSELBLAD, *OTHERS, *RARE)
CAMERA_RAW = "a camera RAW file, which is not developed here: convert it to JPEG or TIFF first, or remove it"


class PreviewOnly(Exception):  # noqa: N818
    """Says that a file does not hold its picture in a form that can be read, but at most a small preview of it."""


class UnknownRange(Exception):  # noqa: N818
    """Says that a file does not state which pixel values are black and which are white."""

    def __init__(self) -> None:
        super().__init__(
            "pixels that are floats, signed or of 32 bits: save it with 8 or 16 bits per channel, unsigned"
        )


class NotRead(Exception):  # noqa: N818
    """Says that a file is of a form that is not read, and what would be right."""


def refuse_raw(encoded: bytes, name: str = "") -> None:
    """Raise PreviewOnly if the beginning of a file is that of a RAW file, or its name and that of a TIFF.

    A JPEG that calls itself RAW is a JPEG.
    """
    if encoded.startswith(TIFF_BEGINNINGS) and (encoded[8:10] == b"CR" or has_raw_suffix(name)):
        raise PreviewOnly(CAMERA_RAW)


def has_raw_suffix(name: str) -> bool:
    """Whether a file's name is that of a RAW file, and not of what macOS puts beside it, ._a.nef beside a.nef."""
    path = PurePath(name)
    return path.suffix.lower() in RAW_SUFFIXES and not path.name.startswith("._")


def choose_page(opened: Image.Image, encoded: bytes = b"") -> Image.Image:
    """Return a TIFF at its first page that is no preview, or the sub-file that is none; other formats as they are.

    Sub-files are looked for in the encoded file, if it is given. Raises PreviewOnly.
    """
    if not isinstance(opened, TiffImageFile) or opened.tell():
        return opened
    tags, size = opened.tag_v2, opened.size
    by_camera, offsets = MAKE in tags, list_sub_files(tags)
    preview = is_preview(tags)
    if is_raw(tags) or (preview and by_camera and offsets) or any(is_raw(read_tags(encoded, at)) for at in offsets):
        raise PreviewOnly(CAMERA_RAW)
    if not preview or seek_picture(opened):
        return opened
    for at in offsets:
        if encoded and not is_preview(read_tags(encoded, at)):
            return Image.open(BytesIO(begin_at(encoded, at)), formats=["TIFF"])
    if by_camera or offsets:
        raise PreviewOnly(CAMERA_RAW)
    raise PreviewOnly(
        f"only a preview of {size[0]} x {size[1]} pixels can be read (NewSubfileType says that it is not the picture): "
        "save the picture itself as TIFF or JPEG"
    )


def seek_picture(opened: TiffImageFile) -> bool:
    """Turn to the first page that is no preview, if there is one that can be read."""
    for page in range(1, PAGES):
        try:
            opened.seek(page)
        except Exception:  # there is no further page, or it is broken or of a kind that is not read
            return False
        if not is_preview(opened.tag_v2):
            return True
    return False


def list_sub_files(tags: Mapping[int, Any]) -> tuple[int, ...]:
    """List where the sub-files of a page begin, PAGES of them at most."""
    try:
        return tuple(int(at) for at in np.atleast_1d(tags[SUB_IFDS])[:PAGES])
    except Exception:  # whatever broken tags cause
        return ()


def read_tags(encoded: bytes, at: int | None = None) -> Mapping[int, Any]:
    """Read the tags of a page of a TIFF, of the first one by default; none if they cannot be read."""
    file = BytesIO(encoded)
    try:
        tags = ImageFileDirectory_v2(file.read(16 if is_big(encoded) else 8))
        file.seek(tags.next if at is None else at)
        tags.load(file)
    except Exception:  # whatever broken tags cause
        return {}
    return tags


def begin_at(encoded: bytes, at: int) -> bytes:
    """Return the TIFF with another first page."""
    order = get_order(encoded)
    head, place = (8, struct.pack(order + "Q", at)) if is_big(encoded) else (4, struct.pack(order + "I", at))
    return encoded[:head] + place + encoded[head + len(place) :]


def get_order(encoded: bytes) -> str:
    """Return in the words of `struct` which byte of a number a TIFF has first."""
    return "<" if encoded.startswith(b"II") else ">"


def is_big(encoded: bytes) -> bool:
    """Whether a TIFF counts its bytes with 64 bits."""
    return 43 in encoded[2:4]


def is_preview(tags: Mapping[int, Any]) -> bool:
    """Whether a page is marked as a reduced copy or as the mask of another page."""
    new = read_number(tags, NEW_SUBFILE_TYPE)
    return bool(new & (REDUCED | MASK)) or read_number(tags, OLD_SUBFILE_TYPE) == OLD_REDUCED


def is_raw(tags: Mapping[int, Any]) -> bool:
    """Whether a page says that it belongs to a RAW file, or that its pixels are a sensor's."""
    return DNG_VERSION in tags or read_number(tags, PHOTOMETRIC) in SENSOR


def read_number(tags: Mapping[int, Any], tag: int) -> int:
    """Read a whole number, 0 if the page has none; Pillow decodes tags when they are read."""
    try:
        return int(tags[tag])
    except Exception:  # whatever broken tags cause
        return 0
