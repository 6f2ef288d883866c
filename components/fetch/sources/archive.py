"""Read a tar or zip file of images, verified by its SHA-256 and never unpacked: its members are read where they lie.

So no name in it can lead anywhere. A member is listed as rejected if it is no plain file (a link, a device), if another
member has its name, or if it would unpack to a place outside (an absolute path, `..`).
https://docs.python.org/3/library/tarfile.html#extraction-filters
"""

import hashlib
import posixpath
import re
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from components.fetch.kinds import GZIP, ZIP
from components.fetch.params import Archive
from components.fetch.sources.candidate import Candidate, escape_name
from components.fetch.sources.layout import count_common_folders, parse_path
from components.fetch.sources.listing import ListedFile
from components.fetch.sources.names import compose_names, is_wanted
from components.fetch.sources.places import Places
from components.fetch.sources.strangers import describe_stranger
from components.fetch.sources.suspect import check_layout
from components.fetch.sources.zipped import decode_names, describe_method
from components.stage.errors import InputError

ENCRYPTED = 1  # bit of a zip member's flags


@dataclass(frozen=True)
class Member:
    """An entry of an archive that is no folder."""

    path: str
    size: int
    fault: str | None
    read: Callable[[], bytes]


def list_files(params: Archive, places: Places) -> list[ListedFile]:
    """List the archive itself."""
    return [places.list_file(params.url)]


def read_candidates(params: Archive, listed: list[ListedFile], places: Places) -> Iterator[Candidate]:
    """Yield every member, in the archive's order. Raises InputError if the archive has another hash or is damaged."""
    file = places.bring_file(listed[0])
    with file.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    if digest != params.sha256:
        stranger = describe_stranger(file, ZIP, GZIP)
        places.discard(file)  # the next run brings it anew
        what = f"sha256 of {params.url} is {digest}, not the one given"
        raise InputError(
            f"params.yaml: data.sources: {params.name}: {what}{(stranger and f'; it is {stranger}') or ''}"
        )
    with ExitStack() as stack:
        try:
            members = _open_members(file, params.url, stack)
        except Exception as error:  # damaged archives raise anything
            reason = describe_stranger(file, ZIP, GZIP)
            raise InputError(
                f"{params.url}: {reason or f'no tar or zip file, or a damaged one: {_describe(error)}'}"
            ) from None
        members = _choose_members(members, params.url, places.left_out)
        paths = [member.path for member in members if member.fault is None]
        skipped = count_common_folders(paths, params.layout)
        check_layout([path.split("/", skipped)[-1] for path in paths], params)
        for member in members:
            inner = member.path.split("/", skipped)[-1]
            label, split, misplaced = parse_path(inner, params.layout)
            fault = member.fault or misplaced or places.find_size_fault(member.size)
            content, damage = _read_member(member) if fault is None else (b"", None)
            yield Candidate(params.name, member.path, content, label, split, fault or damage)


def _read_member(member: Member) -> tuple[bytes, str | None]:
    try:
        return member.read(), None
    except Exception as error:
        return b"", f"damaged in the archive: {_describe(error)}"


def _open_members(file: Path, url: str, stack: ExitStack) -> list[Member]:
    if zipfile.is_zipfile(file) and not tarfile.is_tarfile(file):  # a tar file may end with a zip file
        return list(_list_zip(stack.enter_context(zipfile.ZipFile(file)), url))
    return list(_list_tar(stack.enter_context(tarfile.open(file, tarinfo=Header))))


def _choose_members(members: list[Member], url: str, left_out: set[str]) -> list[Member]:
    """Return the members but those that are left out, each with a fault if its name came before."""
    chosen = [member for member in members if is_wanted(member.path, url, left_out)]
    seen = set[str]()
    for number, path in enumerate(compose_names([member.path for member in chosen])):
        fault = "its name comes more than once" if path in seen else chosen[number].fault
        chosen[number] = replace(chosen[number], path=path, fault=fault)
        seen.add(path)
    return chosen


def _list_zip(archive: zipfile.ZipFile, url: str) -> Iterator[Member]:
    infos = archive.infolist()
    for info, name in zip(infos, decode_names(infos, url), strict=True):
        if name.endswith("/"):
            continue
        path, fault = _check_name(name)
        link = (info.external_attr >> 16) & 0o170000 == 0o120000
        encrypted = "encrypted; pack it without a password" if info.flag_bits & ENCRYPTED else None
        fault = fault or ("a link" if link else encrypted or describe_method(info.compress_type))

        def read_content(info: zipfile.ZipInfo = info) -> bytes:
            with archive.open(info) as opened:
                return opened.read(info.file_size + 1)  # no more, whatever it inflates to

        yield Member(path, info.file_size, fault, read_content)


class Header(tarfile.TarInfo):
    """A tar header that must be right: a broken one would end the archive as if nothing came after it."""

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> Self:
        """Read the next header. Raises ReadError if it is broken."""
        try:
            return super().fromtarfile(archive)
        except (tarfile.InvalidHeaderError, tarfile.TruncatedHeaderError) as error:  # type: ignore[attr-defined]
            raise tarfile.ReadError(f"at byte {archive.offset:,}: {error}") from None


def _list_tar(archive: tarfile.TarFile) -> Iterator[Member]:
    for info in archive.getmembers():
        if info.isdir():
            continue
        path, fault = _check_name(escape_name(info.name))
        kind = (
            "a link" if info.issym() or info.islnk() else None if info.isreg() else "not a file but a device or a pipe"
        )

        def read_content(info: tarfile.TarInfo = info) -> bytes:
            opened = archive.extractfile(info)
            return opened.read() if opened else b""

        yield Member(path, info.size, fault or kind, read_content)


def _check_name(name: str) -> tuple[str, str | None]:
    """Return an escaped name without needless dots, and what is wrong with it, or None."""
    if name.startswith("/") or re.match(r"[A-Za-z]:", name) or ".." in name.split("/"):
        return name, "its path leads out of the archive"
    return posixpath.normpath(name), None


def _describe(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
