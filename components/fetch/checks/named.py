"""Names what a file is that cannot be read as an image, by its first bytes, and says what to do with it."""

import re

import numpy as np
from PIL import TiffImagePlugin

from components.fetch.kinds import GIT_LFS, WEB_PAGE, ZIP
from components.store.pages import CAMERA_RAW, TIFF_BEGINNINGS, has_raw_suffix, is_raw, read_number, read_tags

UNKNOWN = "no image of a format that is read"
HEIC = f"{UNKNOWN}, but HEIC: convert it to JPEG first"
PHOTOS = (CAMERA_RAW, HEIC)  # why a photo as a camera or a phone writes it is not stored
JPEG_XL = f"{UNKNOWN}, but JPEG XL: convert it to PNG or JPEG first"
PICTURE, DRAWING = "convert it to PNG or JPEG first", "draw it as PNG first"
VIDEO = f"{UNKNOWN}, but a video: save its frames as JPEG first"
BROKEN = "broken: it begins as a {}, but is damaged or of a kind that is not read"
TIFF = (
    "a TIFF whose pixels have {} x {} bits, {}, or are packed in a way that is not read: "
    "save it as gray, RGB or RGBA of 8 bits, or as any channels of 8 or 16 bits, unsigned"
)

BEGINNINGS = {  # by a pattern of the first bytes
    rb"FUJIFILMCCD-RAW|IIR[OS]\x08|MMOR\0|IIU\0|FOVb|\0MRM|.{6}HEAPCCDR|.{4}ftypcrx |(II\*\0|MM\0\*).{4}CR": CAMERA_RAW,
    rb".{4}ftyp(hei[cxms]|hev[cxms]|mif1|msf1)": HEIC,
    rb"\xff\x0a|\0\0\0\x0cJXL \r\n\x87\n": JPEG_XL,
    rb"8BPS": f"{UNKNOWN}, but a Photoshop file: {PICTURE}",
    rb"gimp xcf": f"{UNKNOWN}, but a GIMP file: {PICTURE}",
    rb"II\xbc": f"{UNKNOWN}, but JPEG XR: {PICTURE}",
    rb"v/1\x01": f"{UNKNOWN}, but OpenEXR: {PICTURE}",
    rb"#\?RADIANCE": f"{UNKNOWN}, but a Radiance picture: {PICTURE}",
    rb"DDS ": f"{UNKNOWN}, but a DirectDraw surface: {PICTURE}",
    rb"\0\0[\x01\x02]\0[^\0]\0": f"{UNKNOWN}, but an icon or a cursor: {PICTURE}",
    rb"\0\0[\x02\x03\x0a\x0b]\0{5}": f"{UNKNOWN}, but TGA: {PICTURE}",
    rb"qoif": f"{UNKNOWN}, but QOI: {PICTURE}",
    rb".{128}DICM": f"{UNKNOWN}, but DICOM: {PICTURE}",
    rb"SIMPLE  =": f"{UNKNOWN}, but FITS: {PICTURE}",
    rb"%PDF-": f"{UNKNOWN}, but a PDF: {DRAWING}",
    rb"(\xc5\xd0\xd3\xc6|%!PS)": f"{UNKNOWN}, but PostScript: {DRAWING}",
    rb"\x1aE\xdf\xa3|RIFF.{4}AVI |.{4}ftyp(isom|iso[2-9]|mp4|avc1|M4V|qt  )|.{4}moov": VIDEO,
    rb"\x93NUMPY|\x89HDF|" + ZIP: f"{UNKNOWN}, but an archive or arrays: save each of its images as PNG first",
    GIT_LFS: f"{UNKNOWN}, but a pointer of Git LFS: run `git lfs pull` first",
    WEB_PAGE: f"{UNKNOWN}, but a web page: download the image itself",
    rb"(\xef\xbb\xbf)?\s*<(svg|[?!].*<svg)": f"{UNKNOWN}, but SVG: {DRAWING}",
    rb"\xff\xd8\xff": BROKEN.format("JPEG"),
    rb"\x89PNG\r\n": BROKEN.format("PNG"),
    rb"GIF8[79]a": BROKEN.format("GIF"),
    rb"RIFF.{4}WEBP": BROKEN.format("WebP"),
    rb".{4}ftypavi[fs]": BROKEN.format("AVIF"),
}
MATCHERS = [(re.compile(pattern, re.DOTALL), reason) for pattern, reason in BEGINNINGS.items()]
BEGINNING = 1000  # bytes that tell the format


def name_content(encoded: bytes, path: str) -> str:
    """Return why a file is not read as an image, with the name of its format if it is known."""
    for matcher, reason in MATCHERS:
        if matcher.match(encoded[:BEGINNING]):
            return reason
    if has_raw_suffix(path):
        return CAMERA_RAW
    return name_tiff(encoded) if encoded.startswith(TIFF_BEGINNINGS) else UNKNOWN


def is_picture(reason: str) -> bool:
    """Whether a file with this reason holds a picture, whatever its name."""
    return reason in (*PHOTOS, JPEG_XL) or reason.startswith((BROKEN[:7], TIFF[:7]))


def name_tiff(encoded: bytes) -> str:
    """Return why a TIFF is not read: its channels and their numbers."""
    tags = read_tags(encoded)
    if is_raw(tags):
        return CAMERA_RAW
    try:
        bits, numbers = (
            np.max(tags.get(tag, 1)) for tag in (TiffImagePlugin.BITSPERSAMPLE, TiffImagePlugin.SAMPLEFORMAT)
        )
    except Exception:  # whatever broken tags cause
        bits, numbers = 0, 0
    if not bits or TiffImagePlugin.IMAGEWIDTH not in tags:
        return BROKEN.format("TIFF")
    kind = {2: "signed", 3: "floating-point"}.get(int(numbers), "unsigned")
    return TIFF.format(read_number(tags, TiffImagePlugin.SAMPLESPERPIXEL) or 1, bits, kind)
