"""Reads the encoded bytes of an image once more from the file that Pillow has open."""

from typing import IO


def read_whole(file: IO[bytes]) -> bytes:
    """Read a file from its beginning, and leave it at the place where it was."""
    place = file.tell()
    file.seek(0)
    encoded = file.read()
    file.seek(place)
    return encoded
