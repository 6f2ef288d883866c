"""Tell what a file is that is not what its name says: another program's archive, a web page, a pointer of Git LFS."""

import re
from pathlib import Path

from components.fetch.kinds import GIT_LFS, GZIP, PARQUET, WEB_PAGE, ZIP

UNPACK = "unpack it and pack a tar or zip file, or name the folder"
STRANGERS = {  # by a pattern of the first bytes
    GIT_LFS: "a pointer of Git LFS and not the file itself; bring that by `git lfs pull`",
    WEB_PAGE: "a web page, perhaps of a login or an error; download the file itself",
    ZIP: "a zip file, or a spreadsheet; an archive is kind: archive, and a table is saved as CSV",
    GZIP: "compressed by gzip; run `gunzip` on it, and name the file that comes out",
    PARQUET: "a Parquet file; give it the suffix .parquet",
    rb"\x28\xb5\x2f\xfd": "compressed by Zstandard; run `zstd -d` on it, and name the file that comes out",
    rb"7z\xbc\xaf\x27\x1c": f"a 7z archive; {UNPACK}",
    rb"Rar!\x1a\x07": f"a RAR archive; {UNPACK}",
    rb"\x04\x22\x4d\x18": "compressed by LZ4; run `lz4 -d` on it, and name the file that comes out",
    rb"LZIP[\0\1]": "compressed by lzip; run `lzip -d` on it, and name the file that comes out",
    rb"\x1f\x9d": "compressed by `compress`; run `uncompress` on it, and name the file that comes out",
    rb"SQLite format 3\0": "a SQLite database; write it as CSV or Parquet",
}
BEGINNING = 64  # bytes that tell the kind


def describe_stranger(file: Path, *expected: bytes) -> str | None:
    """Return what the file is and what to do, or None if it may be what its name says or is of an `expected` kind."""
    with file.open("rb") as opened:
        start = opened.read(BEGINNING)
    kinds = (kind for pattern, kind in STRANGERS.items() if pattern not in expected and re.match(pattern, start))
    return next(kinds, None)
