"""Archives for tests: sound ones, and those that somebody made to do harm."""

import hashlib
import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from components.fetch.params import Archive
from components.fetch.sources import archive
from components.fetch.sources.candidate import Candidate
from components.fetch.sources.places import Places

Files = dict[str, bytes]


def write_tar(path: Path, files: Files, mode: str = "w", target: str = "cat/a.png", **links: bytes) -> Path:
    """Write files, then one entry of each type that is named: `write_tar(path, {}, hard=tarfile.LNKTYPE)`."""
    with tarfile.open(path, mode) as opened:  # type: ignore[call-overload]
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            opened.addfile(info, io.BytesIO(content))
        for name, kind in links.items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            opened.addfile(info)
    return path


def write_zip(path: Path, files: Files, system: int = 3, method: int = zipfile.ZIP_DEFLATED) -> Path:
    """Write a zip file, as made on this system: 0 is DOS, 3 is Unix."""
    with zipfile.ZipFile(path, "w", method) as opened:
        for name, content in files.items():
            info = zipfile.ZipInfo("x")
            info.filename, info.create_system, info.compress_type = name, system, method
            opened.writestr(info, content)
    return path


def damage(path: Path, old: bytes, new: bytes) -> Path:
    """Replace the first such bytes in the file by others."""
    content = path.read_bytes()
    assert old in content
    assert len(old) == len(new)
    path.write_bytes(content.replace(old, new, 1))
    return path


def set_flag(path: Path, bit: int) -> Path:
    """Set a flag of all members of a zip file, in both of their headers (APPNOTE 4.3.7 and 4.3.12)."""
    content = bytearray(path.read_bytes())
    for magic, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        place = content.find(magic)
        while place >= 0:
            content[place + offset] |= bit
            place = content.find(magic, place + 4)
    path.write_bytes(bytes(content))
    return path


KINDS: dict[str, Callable[[Path, dict[str, bytes]], Path]] = {
    "tar": write_tar,
    "tar.gz": lambda path, files: write_tar(path, files, "w:gz"),
    "tar.bz2": lambda path, files: write_tar(path, files, "w:bz2"),
    "tar.xz": lambda path, files: write_tar(path, files, "w:xz"),
    "zip": write_zip,
    "stored.zip": lambda path, files: write_zip(path, files, method=zipfile.ZIP_STORED),
    "lzma.zip": lambda path, files: write_zip(path, files, method=zipfile.ZIP_LZMA),
}


def archive_source(url: str | Path, layout: Any = "classes", sha256: str = "") -> Archive:
    digest = sha256 or hashlib.sha256(Path(url).read_bytes()).hexdigest()
    return Archive(kind="archive", name="a", url=str(url), sha256=digest, layout=layout)


def read_archive(params: Archive, places: Places) -> list[Candidate]:
    return list(archive.read_candidates(params, archive.list_files(params, places), places))


def read_faults(file: Path, places: Places, layout: Any = "flat") -> dict[str, str | None]:
    candidates = read_archive(archive_source(file, layout), places)
    assert all(bool(image.content) != bool(image.fault) for image in candidates)
    assert len({image.path for image in candidates if not image.fault}) == len(
        [image for image in candidates if not image.fault]
    )
    return {image.path: image.fault for image in candidates}
