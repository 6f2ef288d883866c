"""Read a manifest: a CSV or Parquet file that names one image per row, with label and split if these are known."""

import os
import posixpath
from collections.abc import Iterator
from unicodedata import normalize
from urllib.parse import quote

from components.fetch.params import Manifest
from components.fetch.sources.candidate import Candidate, escape_name
from components.fetch.sources.listing import ListedFile
from components.fetch.sources.names import compose_names
from components.fetch.sources.places import Places, to_local_path
from components.fetch.sources.remote import is_remote
from components.fetch.sources.spelling import Speller
from components.fetch.sources.table import ManifestRow, read_rows
from components.fetch.sources.web import is_web
from components.stage.errors import InputError
from components.stage.shown import show_name

MISSING = "not there"


def list_files(params: Manifest, places: Places) -> list[ListedFile]:
    """List the manifest itself and every file that it names, in its order; a file named twice is listed twice.

    Raises InputError if no file is there, or if a file has two labels or splits.
    """
    manifest_file = places.list_file(params.url)
    rows = read_rows(places.bring_file(manifest_file), params.url, warn=True)
    names, where = _locate(rows, params.url)
    _check_repeated(rows, where, params.url)
    listed = _list_other_forms(places.list_files(list(zip(names, where, strict=True))), rows, params, places)
    if rows and all((file.fault or "").startswith(MISSING) for file in listed):
        raise InputError(_describe_missing(rows[0][0], listed, params.url))
    return [manifest_file, *listed]


def read_candidates(params: Manifest, listed: list[ListedFile], places: Places) -> Iterator[Candidate]:
    """Yield a candidate per row, in the manifest's order; a row that repeats an earlier row is left out.

    Raises InputError if the manifest has changed since.
    """
    manifest_file, *files = listed
    rows = read_rows(places.bring_file(manifest_file), params.url)
    if _locate(rows, params.url)[0] != [file.path for file in files]:
        raise InputError(f"{params.url}: has changed while it was read; run again")
    first = {file.path: number for number, file in reversed(list(enumerate(files)))}
    places.left_out.update(
        f"{params.url}: row {number + 1}" for number, file in enumerate(files) if first[file.path] != number
    )
    numbers = sorted(first.values())
    for number, (file, content) in zip(numbers, places.bring_images(files[at] for at in numbers), strict=True):
        _, label, split = rows[number]
        if isinstance(content, str):
            yield Candidate(params.name, file.path, b"", label, split, content, declared_image=True)
        else:
            yield Candidate(params.name, file.path, content, label, split, None, file.sha256, declared_image=True)


def resolve_path(path: str, manifest: str) -> str:
    """Return the path or URL of a row's file, which the row names relative to the manifest's folder."""
    if "://" in path or path.startswith(("/", "file:/")):
        return path
    plain = manifest.partition("?")[0] if is_web(manifest) else manifest
    plain = to_local_path(plain) if plain.startswith("file:/") else plain
    base = plain.rpartition("/")[0] if "/" in plain else "."
    if "://" not in base:
        return f"{base}/{path}"
    scheme, _, within = f"{base}/{quote(path, safe='/%') if is_web(base) else path}".partition("://")
    dotted = not {".", ".."}.isdisjoint(path.split("/"))  # buckets do not understand . and ..
    return f"{scheme}://{posixpath.normpath(within) if dotted else within}"


def _locate(rows: list[ManifestRow], manifest: str) -> tuple[list[str], list[str]]:
    """Return the name of each row's file and where it lies, both as this machine spells them."""
    speller, names, places = Speller(), [], []
    for path, _, _ in rows:
        name, where = path, resolve_path(path, manifest)
        if not is_remote(where) and not (path.isascii() and "\\" not in path):
            where = to_local_path(where)
            found = speller.find(where)
            if found is None and "\\" in path:  # as Windows writes it
                slashed = path.replace("\\", "/")
                found = speller.find(to_local_path(resolve_path(slashed, manifest)))
                name = slashed if found else path
            where = found or where
        names.append(escape_name(name))
        places.append(where)
    return compose_names(names), places


def _list_other_forms(
    listed: list[ListedFile], rows: list[ManifestRow], params: Manifest, places: Places
) -> list[ListedFile]:
    """Return the files, with those behind URLs that are not there looked for in the other forms of Unicode."""
    for form in ("NFC", "NFD"):
        missing = [
            number
            for number, (file, (path, _, _)) in enumerate(zip(listed, rows, strict=True))
            if file.fault == MISSING and is_remote(file.where) and not path.isascii()
        ]
        urls = [resolve_path(normalize(form, rows[number][0]), params.url) for number in missing]
        again = places.list_files([(listed[number].path, url) for number, url in zip(missing, urls, strict=True)])
        for number, file in zip(missing, again, strict=True):
            listed[number] = listed[number] if file.fault else file
    return listed


def _check_repeated(rows: list[ManifestRow], where: list[str], manifest: str) -> None:
    """Check that no two rows say different things of a file, however they spell its place. Raises InputError."""
    first = dict[str, int]()
    for number, (place, (path, *said)) in enumerate(zip(where, rows, strict=True)):
        before = first.setdefault(posixpath.normpath(place), number)
        for what, old, new in zip(("label", "split"), rows[before][1:], said, strict=True):
            if old != new:
                raise InputError(
                    f"{manifest}: row {number + 1}: {show_name(path)} has the {what} {show_name(new or 'none')}, "
                    f"and in row {before + 1} {show_name(old or 'none')}; an image has one"
                )


def _describe_missing(path: str, listed: list[ListedFile], manifest: str) -> str:
    """Say that no file of a manifest is there, and where the first was looked for."""
    hint = "paths are relative to the folder of the list"
    if not is_remote(listed[0].where) and os.path.lexists(path):
        hint += ", and this one is relative to the working folder"
    where = listed[0].where
    return f"{manifest}: none of its {len(listed):,} files is there, as {path}, looked for at {where}; {hint}"
