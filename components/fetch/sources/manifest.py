"""A manifest: a CSV or Parquet file that names images, one a row, with label and split where these are known."""

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
from components.fetch.sources.candidate import Candidate, as_label, as_text
from components.fetch.sources.layout import SPLIT_NAMES
from components.fetch.sources.listing import Listed
from components.fetch.sources.places import Places, file_name
from components.fetch.sources.service import is_web
from components.stage.errors import InputError

Row = tuple[str, str | None, str | None]  # path, label, split


def list_files(params: Manifest, places: Places) -> list[Listed]:
    """The manifest itself and every file that it names, in its order; a file that it names twice is listed twice."""
    itself = places.list_file(params.url)
    rows = read_rows(places.bring_one(itself), params.url)
    return [itself, *places.list_files([(as_text(path), resolve(path, params.url)) for path, _, _ in rows])]


def read(params: Manifest, listed: list[Listed], places: Places) -> Iterator[Candidate]:
    """Every row, in the manifest's order."""
    itself, *files = listed
    rows = read_rows(places.bring_one(itself), params.url)
    if [as_text(path) for path, _, _ in rows] != [file.path for file in files]:
        raise InputError(f"{params.url}: has changed while it was read; run again")
    for (file, content), (_, label, split) in zip(places.bring_images(_once(files)), rows, strict=True):
        if isinstance(content, str):
            yield Candidate(params.name, file.path, b"", label, split, content, meant=True)
        else:
            yield Candidate(params.name, file.path, content, label, split, None, file.sha256, meant=True)


def _once(files: list[Listed]) -> Iterator[Listed]:
    """With a fault where a file came before."""
    seen = set[str]()
    for file in files:
        yield replace(file, fault="stands in the manifest more than once") if file.path in seen else file
        seen.add(file.path)


def resolve(path: str, manifest: str) -> str:
    """Where a row's file is, which is named as seen from the manifest's folder."""
    if "://" in path or path.startswith("/"):
        return path
    plain = manifest.partition("?")[0] if is_web(manifest) else manifest
    base = plain.rpartition("/")[0] if "/" in plain else "."
    if "://" not in base:
        return f"{base}/{path}"
    scheme, _, within = f"{base}/{quote(path, safe='/%') if is_web(base) else path}".partition("://")
    dotted = not {".", ".."}.isdisjoint(path.split("/"))  # which buckets do not understand
    return f"{scheme}://{posixpath.normpath(within) if dotted else within}"


def read_rows(manifest: Path, name: str) -> list[Row]:
    """Raises InputError where a row cannot be meant."""
    table = (_parquet if file_name(name).endswith(".parquet") else _csv)(manifest, name)
    return [_row(number, row, name) for number, row in enumerate(table, start=1)]


def _row(number: int, row: dict[str, Any], name: str) -> Row:
    path, label, split = (row.get(column) for column in ("path", "label", "split"))
    path = os.fsdecode(path) if isinstance(path, bytes) else as_label(path)
    label, split = as_label(label), as_label(split)
    if not path:
        raise InputError(f"{name}: row {number}: path is empty")
    if split is not None and split.lower() not in SPLIT_NAMES:
        raise InputError(f"{name}: row {number}: split '{split}' is none of {', '.join(SPLIT_NAMES)}")
    return path, label, SPLIT_NAMES[split.lower()] if split else None


def _csv(manifest: Path, name: str) -> list[dict[str, Any]]:
    try:
        with manifest.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, strict=True, skipinitialspace=True)
            _check(reader.fieldnames or [], name)
            rows = list(reader)
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{name}: not CSV in UTF-8: {error}") from None
    for number, row in enumerate(rows, start=1):
        if None in row:  # which is where DictReader puts what is left over
            raise InputError(f"{name}: row {number}: more fields than columns; quote a field that has a comma")
    return rows


def _parquet(manifest: Path, name: str) -> list[dict[str, Any]]:
    try:
        with pq.ParquetFile(manifest) as file:
            _check(file.schema_arrow.names, name)
            columns = [column for column in ("path", "label", "split") if column in file.schema_arrow.names]
            rows: list[dict[str, Any]] = file.read(columns).to_pylist()
            return rows
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(f"{name}: not Parquet, or damaged: {' '.join(str(error).split())}") from None


def _check(columns: Any, name: str) -> None:
    for column in ("path", "label", "split"):
        if list(columns).count(column) > 1:
            raise InputError(f"{name}: two columns '{column}'")
    if "path" not in columns:
        raise InputError(f"{name}: no column 'path'; its columns are {', '.join(columns) or 'none'}")
