"""Tell what a file is that is not what its name says: another program's archive, a web page, a pointer of Git LFS.

The first bytes tell: https://en.wikipedia.org/wiki/List_of_file_signatures, https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md
"""

from pathlib import Path

UNPACK = "unpack it and pack a tar or zip file, or name the folder"
STRANGERS = {
    b"version https://git-lfs": "a pointer of Git LFS and not the file itself; bring that by `git lfs pull`",
    b"\x28\xb5\x2f\xfd": "compressed by Zstandard; run `zstd -d` on it, and name the file that comes out",
    b"7z\xbc\xaf\x27\x1c": f"a 7z archive; {UNPACK}",
    b"Rar!\x1a\x07": f"a RAR archive; {UNPACK}",
    b"\x04\x22\x4d\x18": "compressed by LZ4; run `lz4 -d` on it, and name the file that comes out",
    b"LZIP": "compressed by lzip; run `lzip -d` on it, and name the file that comes out",
    b"\x1f\x9d": "compressed by `compress`; run `uncompress` on it, and name the file that comes out",
    b"<!doctype html": "a web page, perhaps of a login or an error; download the file itself",
    b"<html": "a web page, perhaps of a login or an error; download the file itself",
    b"pk\x03\x04": "a zip file, or a spreadsheet; an archive is kind: archive, and a table is saved as CSV",
    b"\x1f\x8b": "compressed by gzip; run `gunzip` on it, and name the file that comes out",
    b"par1": "a Parquet file; give it the suffix .parquet",
    b"sqlite format 3": "a SQLite database; write it as CSV or Parquet",
}
KNOWN = {magic.lower(): kind for magic, kind in STRANGERS.items()}


def describe_stranger(file: Path, *expected: bytes) -> str | None:
    """Return what the file is and what to do, or None if it may be what its name says or begins as `expected`."""
    with file.open("rb") as opened:
        start = opened.read(64).lstrip(b"\xef\xbb\xbf\r\n\t ").lower()
    found = next((magic for magic in KNOWN if start.startswith(magic)), None)
    return KNOWN[found] if found and found not in expected else None
