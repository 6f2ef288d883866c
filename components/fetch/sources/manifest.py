"""Read a manifest: a CSV or Parquet file that names one image per row, with label and split if these are known."""

import csv
import os
import posixpath
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq

from components.fetch.params import Manifest
from components.fetch.sources.candidate import Candidate, escape_name, format_label
from components.fetch.sources.layout import SPLIT_NAMES
from components.fetch.sources.listing import ListedFile
from components.fetch.sources.places import Places, get_file_name
from components.fetch.sources.service import is_web
from components.stage.errors import InputError

ManifestRow = tuple[str, str | None, str | None]  # path, label, split


def list_files(params: Manifest, places: Places) -> list[ListedFile]:
    """List the manifest itself and every file that it names, in its order; a file named twice is listed twice."""
    manifest_file = places.list_file(params.url)
    rows = read_rows(places.bring_file(manifest_file), params.url)
    return [
        manifest_file,
        *places.list_files([(escape_name(path), resolve_path(path, params.url)) for path, _, _ in rows]),
    ]


def read_candidates(params: Manifest, listed: list[ListedFile], places: Places) -> Iterator[Candidate]:
    """Yield a candidate per row, in the manifest's order. Raises InputError if the manifest has changed since."""
    manifest_file, *files = listed
    rows = read_rows(places.bring_file(manifest_file), params.url)
    if [escape_name(path) for path, _, _ in rows] != [file.path for file in files]:
        raise InputError(f"{params.url}: has changed while it was read; run again")
    for (file, content), (_, label, split) in zip(places.bring_images(_mark_repeated(files)), rows, strict=True):
        if isinstance(content, str):
            yield Candidate(params.name, file.path, b"", label, split, content, declared_image=True)
        else:
            yield Candidate(params.name, file.path, content, label, split, None, file.sha256, declared_image=True)


def _mark_repeated(files: list[ListedFile]) -> Iterator[ListedFile]:
    """Yield the files, with a fault for each that came before."""
    seen = set[str]()
    for file in files:
        yield replace(file, fault="stands in the manifest more than once") if file.path in seen else file
        seen.add(file.path)


def resolve_path(path: str, manifest: str) -> str:
    """Return the path or URL of a row's file, which the row names relative to the manifest's folder."""
    if "://" in path or path.startswith("/"):
        return path
    plain = manifest.partition("?")[0] if is_web(manifest) else manifest
    base = plain.rpartition("/")[0] if "/" in plain else "."
    if "://" not in base:
        return f"{base}/{path}"
    scheme, _, within = f"{base}/{quote(path, safe='/%') if is_web(base) else path}".partition("://")
    dotted = not {".", ".."}.isdisjoint(path.split("/"))  # buckets do not understand . and ..
    return f"{scheme}://{posixpath.normpath(within) if dotted else within}"


def read_rows(manifest: Path, name: str) -> list[ManifestRow]:
    """Return the rows of the manifest. Raises InputError if the file or a row cannot be understood."""
    table = (_read_parquet if get_file_name(name).endswith(".parquet") else _read_csv)(manifest, name)
    return [_parse_row(number, row, name) for number, row in enumerate(table, start=1)]


def _parse_row(number: int, row: dict[str, Any], name: str) -> ManifestRow:
    path, label, split = (row.get(column) for column in ("path", "label", "split"))
    path = os.fsdecode(path) if isinstance(path, bytes) else format_label(path)
    label, split = format_label(label), format_label(split)
    if not path:
        raise InputError(f"{name}: row {number}: path is empty")
    if split is not None and split.lower() not in SPLIT_NAMES:
        raise InputError(f"{name}: row {number}: split '{split}' is none of {', '.join(SPLIT_NAMES)}")
    return path, label, SPLIT_NAMES[split.lower()] if split else None


def _read_csv(manifest: Path, name: str) -> list[dict[str, Any]]:
    try:
        with manifest.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, strict=True, skipinitialspace=True)
            _check_columns(reader.fieldnames or [], name)
            rows = list(reader)
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{name}: not CSV in UTF-8: {error}") from None
    for number, row in enumerate(rows, start=1):
        if None in row:  # DictReader puts superfluous fields under the key None
            raise InputError(f"{name}: row {number}: more fields than columns; quote a field that has a comma")
    return rows


def _read_parquet(manifest: Path, name: str) -> list[dict[str, Any]]:
    try:
        with pq.ParquetFile(manifest) as file:
            _check_columns(file.schema_arrow.names, name)
            columns = [column for column in ("path", "label", "split") if column in file.schema_arrow.names]
            rows: list[dict[str, Any]] = file.read(columns).to_pylist()
            return rows
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(f"{name}: not Parquet, or damaged: {' '.join(str(error).split())}") from None


def _check_columns(columns: Any, name: str) -> None:
    for column in ("path", "label", "split"):
        if list(columns).count(column) > 1:
            raise InputError(f"{name}: two columns '{column}'")
    if "path" not in columns:
        raise InputError(f"{name}: no column 'path'; its columns are {', '.join(columns) or 'none'}")
