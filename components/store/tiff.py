"""Reads TIFF files with samples of 16 bits, or with more of them than Pillow opens, by tifffile.

tifffile reads the structure. The pages of a file are the channels of one image only if its description says so, as
ImageJ, OME and tifffile write it; else the first page that is no preview is the image.
TIFF 6.0; https://github.com/cgohlke/tifffile. H x W pixels, N samples of each, P pages.
"""

import logging
from dataclasses import dataclass
from io import BytesIO

import numpy as np
import tifffile
from PIL import Image

from components.store.described import read_axes
from components.store.pages import (
    CAMERA_RAW,
    PAGES,
    NotRead,
    PreviewOnly,
    UnknownRange,
    choose_page,
    is_preview,
    is_raw,
)
from components.store.samples import MOST_CHANNELS
from components.store.strips import LIBTIFFS, PLAIN, read_page

logging.getLogger("tifffile").addHandler(logging.NullHandler())  # it tells of every odd tag
TOLD = (254, 255, 262, 50706)  # tags that tell whether a page is a preview, or of a RAW file
PHOTOMETRIC, WHITE_IS_ZERO, BLACK_IS_ZERO, RGB = 262, 0, 1, 2
UNSIGNED, UNDEFINED = 1, 4  # in SampleFormat
UNSPECIFIED = 0  # in ExtraSamples
IN_PILLOW = 4  # samples, of which Pillow says what is wrong with them
PACKED = 12  # bits, of which two samples fill three bytes
ORIENTATION = 274
MOST_STRIPS = 2**21  # of all pages


@dataclass(frozen=True)
class Tiff:
    """An image in a TIFF: one page, or one page per channel or row."""

    encoded: bytes
    pages: list[tifffile.TiffPage]
    last: bool  # whether the channels lie last in pages of W x N, a page per row

    @property
    def first(self) -> tifffile.TiffPage:
        """The page that describes all."""
        return self.pages[0]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and number of samples, as they are stored."""
        height, width, samples = (
            int(self.first.imagelength),
            int(self.first.imagewidth),
            int(self.first.samplesperpixel),
        )
        if len(self.pages) == 1:
            return height, width, samples
        return (len(self.pages), height, width) if self.last else (height, width, len(self.pages))

    @property
    def bits(self) -> int:
        """The bits of each sample."""
        return int(self.first.bitspersample)

    @property
    def orientation(self) -> int:
        """How the image has to be turned, 1..8."""
        found = self.first.tags.valueof(ORIENTATION)
        return int(found) if isinstance(found, int) and self.bits != PACKED else 1  # which Pillow turns

    @property
    def bands(self) -> bool:
        """Whether the samples are neither gray nor RGB, with alpha or without."""
        if len(self.pages) > 1:
            return True
        samples = self.shape[2]
        colours = 3 if read_photometric(self.first) == RGB else 1
        extra = tuple(self.first.extrasamples)
        return samples != colours and (samples != colours + 1 or UNSPECIFIED in extra)

    def read(self) -> np.ndarray:
        """Read all samples: (H, W, N) uint8 or uint16. Raises whatever broken files cause."""
        if self.bits == PACKED:
            with choose_page(Image.open(BytesIO(self.encoded), formats=["TIFF"]), self.encoded) as opened:
                return np.asarray(opened, np.uint16)[..., None]
        pages = [read_page(self.encoded, page) for page in self.pages]  # (H, W, N) each
        values = pages[0]
        if len(pages) > 1:
            values = np.stack([page[..., 0] for page in pages], axis=0 if self.last else 2)
        inverted = read_photometric(self.first) == WHITE_IS_ZERO and self.first.samplesperpixel == 1
        return ~values if inverted else values


def open_tiff(encoded: bytes) -> Tiff | None:
    """Find the image in a TIFF; None if Pillow shows all that there is of it, or may know what is wrong with it.

    Raises UnknownRange, PreviewOnly and NotRead.
    """
    try:
        # Of these formats it would follow all pages, which may never end.
        file = tifffile.TiffFile(BytesIO(encoded), is_lsm=False, is_ndpi=False, is_scanimage=False)
        page = find_picture(file)
        axes = read_axes(page.description, int(page.imagelength), int(page.imagewidth)) if page else None
    except Exception:  # a broken structure, of which Pillow reads more or knows the reason
        return None
    if page is None:
        return None
    if page.sampleformat not in (UNSIGNED, UNDEFINED) or np.max(page.bitspersample) > 16:
        if page.samplesperpixel > IN_PILLOW:
            raise UnknownRange
        return None
    pages = list_alike(file, page, axes.pages) if axes else []
    if not pages and is_shown_by_pillow(page):
        return None
    tiff = Tiff(encoded, pages, axes.last) if axes and pages else Tiff(encoded, [page], last=False)
    if reason := find_reason(page):
        if tiff.bands:
            raise NotRead(reason)
        return None
    return tiff


def has_many_bits(encoded: bytes) -> bool:
    """Whether the samples of a TIFF have more than 8 bits."""
    try:
        page = find_picture(tifffile.TiffFile(BytesIO(encoded), is_lsm=False, is_ndpi=False, is_scanimage=False))
        return page is not None and bool(np.max(page.bitspersample) > 8)
    except Exception:  # a broken structure
        return False


def find_picture(file: tifffile.TiffFile) -> tifffile.TiffPage | None:
    """Find the first page that is no preview; None if there is none. Raises PreviewOnly, and whatever is broken."""
    for number in range(PAGES):
        page = get_page(file, number)
        if page is None:
            return None
        tags = {code: page.tags.valueof(code) for code in TOLD if code in page.tags}
        if is_raw(tags):
            raise PreviewOnly(CAMERA_RAW)
        if not is_preview(tags):
            return page
    return None


def get_page(file: tifffile.TiffFile, number: int) -> tifffile.TiffPage | None:
    """Read the structure of a page; None if there is no such page, or if it is broken."""
    try:
        page = file.pages[number]
    except Exception:  # whatever broken structures cause
        return None
    return page if isinstance(page, tifffile.TiffPage) else None


def list_alike(file: tifffile.TiffFile, first: tifffile.TiffPage, count: int) -> list[tifffile.TiffPage]:
    """List so many pages from the first one, of one sample each; none if they are fewer, not alike, or in a circle."""
    if first.samplesperpixel != 1 or first.bitspersample not in (8, 16) or not isinstance(first.index, int):
        return []
    pages, strips = [first], len(first.dataoffsets)
    while len(pages) < count:
        page = get_page(file, first.index + len(pages))
        if page is None or (page.shaped, page.dtype) != (first.shaped, first.dtype) or page.offset == first.offset:
            return []
        strips += len(page.dataoffsets)
        if strips > MOST_STRIPS:  # which a small file can claim by pages that share a list of them
            return []
        pages.append(page)
    return pages


def is_shown_by_pillow(page: tifffile.TiffPage) -> bool:
    """Whether Pillow's 8 bits are all that there is, or all that is read: of other colours than gray and RGB."""
    colours, extra = read_photometric(page), page.extrasamples
    if colours not in (WHITE_IS_ZERO, BLACK_IS_ZERO, RGB):
        return True
    if not isinstance(page.bitspersample, int) or page.bitspersample > 8:
        return False
    beyond = page.samplesperpixel - (3 if colours == RGB else 1)
    return beyond == 0 or (beyond == 1 and UNSPECIFIED not in extra and (colours == RGB or len(extra) == 1))


def find_reason(page: tifffile.TiffPage) -> str:
    """Say why the pixels of a page are of a kind that is not read; an empty text if they are."""
    if page.samplesperpixel > MOST_CHANNELS:
        return f"{page.samplesperpixel:,} channels, more than {MOST_CHANNELS:,}"
    if page.bitspersample not in (8, 16) and (page.bitspersample, page.samplesperpixel) != (PACKED, 1):
        return f"samples of {page.bitspersample} bits: save them with 8 or 16 bits each"
    if page.compression not in (PLAIN, *LIBTIFFS):
        return f"compressed with {getattr(page.compression, 'name', page.compression)}: save it with Deflate or LZW"
    if page.shaped[1] != 1 or page.fillorder != 1 or page.predictor not in (1, 2):
        return "a volume, or samples in an order that is not read: save it as an ordinary TIFF"
    return ""


def read_photometric(page: tifffile.TiffPage) -> int:
    """Read what kind of colours the samples are."""
    found = page.tags.valueof(PHOTOMETRIC)
    return int(found) if isinstance(found, int) else BLACK_IS_ZERO
