r"""How kinds of files are known: images by their suffixes, and by their first bytes what stands in place of a file.

The first bytes are regular expressions. They come from the formats' own specifications, most of which are listed in
https://en.wikipedia.org/wiki/List_of_file_signatures, and from https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md
"""

from itertools import chain

from components.store.pages import RAW_SUFFIXES

SUFFIXES_BY_FORMAT = {
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
PHOTO_SUFFIXES = (".heic", ".heif", ".jxl", *RAW_SUFFIXES)  # of photos that are not read
SUFFIXES = frozenset((*PHOTO_SUFFIXES, *chain(*SUFFIXES_BY_FORMAT.values())))  # files with these should be images

GIT_LFS = rb"version https://git-lfs"
WEB_PAGE = rb"(?i)(\xef\xbb\xbf)?\s*<(!doctype html|html)"
ZIP, GZIP, PARQUET = rb"PK\x03\x04", rb"\x1f\x8b", rb"PAR1"
