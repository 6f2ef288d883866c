"""A tar or zip file of images, verified by its SHA-256 and never unpacked: its members are read where they lie.

So no name in it can lead anywhere. What is no plain file (links, devices), is named twice, or would unpack to a place
outside (absolute paths, `..`) is listed as rejected. https://docs.python.org/3/library/tarfile.html#extraction-filters
"""

import hashlib
import posixpath
import re
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from components.fetch.params import Archive
from components.fetch.sources.candidate import Candidate, as_text
from components.fetch.sources.layout import common_folders, place
from components.fetch.sources.listing import Listed
from components.fetch.sources.places import Places
from components.stage.errors import InputError

ENCRYPTED = 1  # bit of a zip member's flags


@dataclass(frozen=True)
class Member:
    """One entry that is no folder."""

    path: str
    size: int
    fault: str | None
    read: Callable[[], bytes]


def list_files(params: Archive, places: Places) -> list[Listed]:
    """The archive itself."""
    return [places.list_file(params.url)]


def read(params: Archive, listed: list[Listed], places: Places) -> Iterator[Candidate]:
    """Every member, in the archive's order. Raises InputError where it is another file than was named, or damaged."""
    file = places.bring_one(listed[0])
    with file.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    if digest != params.sha256:
        raise InputError(
            f"params.yaml: data.sources: {params.name}: sha256 of {params.url} is {digest}, not the one given"
        )
    with ExitStack() as stack:
        try:
            members = _open(file, stack)
        except Exception as error:  # damaged archives raise anything
            raise InputError(f"{params.url}: no tar or zip file, or a damaged one: {_said(error)}") from None
        skipped = common_folders([member.path for member in members if member.fault is None], params.layout)
        for member in members:
            inner = member.path.split("/", skipped)[-1]
            label, split, misplaced = place(inner, params.layout)
            fault = member.fault or misplaced or places.too_large(member.size)
            content, damage = _content(member) if fault is None else (b"", None)
            yield Candidate(params.name, member.path, content, label, split, fault or damage)


def _content(member: Member) -> tuple[bytes, str | None]:
    try:
        return member.read(), None
    except Exception as error:
        return b"", f"damaged in the archive: {_said(error)}"


def _open(file: Path, stack: ExitStack) -> list[Member]:
    if zipfile.is_zipfile(file) and not tarfile.is_tarfile(file):  # a tar file may end with a zip file
        members = list(_zip(stack.enter_context(zipfile.ZipFile(file))))
    else:
        members = list(_tar(stack.enter_context(tarfile.open(file, tarinfo=Header))))  # noqa: SIM115
    seen = set[str]()
    for number, member in enumerate(members):
        if member.path in seen:
            members[number] = Member(member.path, member.size, "its name comes more than once", member.read)
        seen.add(member.path)
    return members


def _zip(archive: zipfile.ZipFile) -> Iterator[Member]:
    for info in archive.infolist():
        name = info.filename.replace("\\", "/")  # as Windows has it
        if name.endswith("/"):
            continue
        path, fault = _safe(name)
        link = (info.external_attr >> 16) & 0o170000 == 0o120000
        fault = fault or ("a link" if link else "encrypted" if info.flag_bits & ENCRYPTED else None)

        def content(info: zipfile.ZipInfo = info) -> bytes:
            with archive.open(info) as opened:
                return opened.read(info.file_size + 1)  # whatever it inflates to; what it claims has been looked at

        yield Member(path, info.file_size, fault, content)


class Header(tarfile.TarInfo):
    """One that must be right: a broken one would end the archive as if nothing came after it."""

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> Self:
        """Raises ReadError."""
        try:
            return super().fromtarfile(archive)
        except (tarfile.InvalidHeaderError, tarfile.TruncatedHeaderError) as error:  # type: ignore[attr-defined]
            raise tarfile.ReadError(f"at byte {archive.offset:,}: {error}") from None


def _tar(archive: tarfile.TarFile) -> Iterator[Member]:
    for info in archive.getmembers():
        if info.isdir():
            continue
        path, fault = _safe(info.name)
        kind = (
            "a link" if info.issym() or info.islnk() else None if info.isreg() else "not a file but a device or a pipe"
        )

        def content(info: tarfile.TarInfo = info) -> bytes:
            opened = archive.extractfile(info)
            return opened.read() if opened else b""

        yield Member(path, info.size, fault or kind, content)


def _safe(name: str) -> tuple[str, str | None]:
    """The name as text, and what is wrong with it."""
    if name.startswith("__MACOSX/"):
        return as_text(name), "what macOS keeps beside a file"
    if name.startswith("/") or re.match(r"[A-Za-z]:", name) or ".." in name.split("/"):
        return as_text(name), "its path leads out of the archive"
    return as_text(posixpath.normpath(name)), None


def _said(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
