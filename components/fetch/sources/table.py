"""Read the table of a manifest: CSV as people and programs write it, or Parquet; its columns are path, label and split.

CSV is UTF-8, or UTF-16 with a byte order mark, as Windows writes it; its columns are divided by commas, semicolons or
tabs. Case makes no difference in the names of columns, and other columns are not read, however long their fields are.
"""

import csv
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from components.fetch.kinds import PARQUET
from components.fetch.sources.labels import (
    check_label_type,
    format_label,
    get_plain_type,
    is_binary,
    is_text,
    read_labels,
)
from components.fetch.sources.layout import SPLIT_NAMES
from components.fetch.sources.places import get_file_name
from components.fetch.sources.strangers import describe_stranger
from components.fetch.urls import find_fault
from components.stage.errors import InputError
from components.stage.shown import escape, shorten, show

ManifestRow = tuple[str, str | None, str | None]  # path, label, split
Table = tuple[Sequence[str], list[dict[str, Any]]]  # the names of all columns, and the rows' wanted ones
COLUMNS = ("path", "label", "split")
SYNONYMS = {  # what other programs call these columns, in lower case
    "label": ("labels", "class", "classes", "class_name", "label_name", "category", "target", "species", "tag", "y"),
    "split": ("splits", "subset", "set", "partition", "phase", "dataset", "data set"),
}
SLIP = 0.75  # how alike two names are, as difflib counts, if one may be the other misspelt
FIELD = 2**31 - 1  # characters of a field; Python's own limit is 131,072, which masks as text exceed


def read_rows(manifest: Path, name: str, *, warn: bool = False) -> list[ManifestRow]:
    """Return the rows of the manifest; `warn` prints what may be wrong with its columns.

    Raises InputError if the file or a row cannot be understood.
    """
    typed = get_file_name(name).lower().endswith(".parquet")
    stranger = describe_stranger(manifest, *([PARQUET] if typed else []))
    if stranger:
        raise InputError(f"{name}: {stranger}")
    columns, table = (_read_parquet if typed else _read_csv)(manifest, name)
    if warn:
        _warn_of_columns(columns, name)
    labels = read_labels([row.get("label") for row in table], name, typed=typed)
    pairs = zip(table, labels, strict=True)
    return [_parse_row(number, row, label, name) for number, (row, label) in enumerate(pairs, start=1)]


def _parse_row(number: int, row: dict[str, Any], label: str | None, name: str) -> ManifestRow:
    path, split = row["path"], format_label(row.get("split"))
    path = os.fsdecode(path) if isinstance(path, bytes) else (path or "").strip()
    if not path:
        raise InputError(f"{name}: row {number}: path is empty")
    if "://" in path and (fault := find_fault(path)):
        raise InputError(f"{name}: row {number}: {fault}")
    if split is not None and split.lower() not in SPLIT_NAMES:
        raise InputError(f"{name}: row {number}: split {show(split)} is none of {', '.join(SPLIT_NAMES)}")
    return path, label, SPLIT_NAMES[split.lower()] if split else None


def _warn_of_columns(columns: Sequence[str], name: str) -> None:
    """Print which columns may be meant for the labels and the splits, where these have no column."""
    plain = [column.strip().lower() for column in columns]
    for wanted, synonyms in SYNONYMS.items():
        meant = [
            column
            for column, known in zip(columns, plain, strict=True)
            if known in synonyms or get_close_matches(known, [wanted], cutoff=SLIP)
        ]
        if meant and wanted not in plain:
            shown = ascii(meant[0].strip())
            print(f"warning: {name}: no column '{wanted}'; if {shown} is meant, call it '{wanted}'", flush=True)


def _read_csv(manifest: Path, name: str) -> Table:
    with manifest.open("rb") as start:
        encoding = "utf-16" if start.read(2) in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    csv.field_size_limit(FIELD)
    try:
        with manifest.open(newline="", encoding=encoding) as file:
            above, first = _find_header(file)
            reader = csv.reader(
                chain([first], file), delimiter=_find_delimiter(first), strict=True, skipinitialspace=True
            )
            header = next(reader, [])
            return header, list(_parse_csv(reader, header, name))
    except UnicodeError as error:
        raise InputError(f"{name}: not CSV in UTF-8: {error}; save it as CSV in UTF-8") from None
    except csv.Error as error:
        line = above + reader.line_num
        raise InputError(f"{name}: line {line}: not CSV: {error}; save it as CSV in UTF-8") from None


def _find_header(lines: Iterable[str]) -> tuple[int, str]:
    """Return the first line that may name the columns, and how many are above it: blank ones, or Excel's sep=;."""
    for number, line in enumerate(lines):
        if line.strip(" ,;\t\r\n") and not re.match(r'"?sep=', line, re.IGNORECASE):
            return number, line
    return 0, ""


def _parse_csv(reader: Iterator[list[str]], header: list[str], name: str) -> Iterator[dict[str, Any]]:
    places = _find_columns(header, name, "; the first line must name the columns")
    filled = (fields for fields in reader if any(map(str.strip, fields)))  # a spreadsheet ends with empty rows
    for number, fields in enumerate(filled, start=1):
        if any(fields[len(header) :]):  # empty fields at the end are a spreadsheet's
            raise InputError(f"{name}: row {number}: more fields than columns; quote a field that has a comma")
        yield {column: fields[place] if place < len(fields) else None for column, place in places.items()}


def _find_delimiter(header: str) -> str:
    """Return what divides the columns: the first of comma, semicolon and tab by which one is called path."""
    split = {mark: [column.strip(' "\r\n').lower() for column in header.split(mark)] for mark in (",", ";", "\t")}
    return next((mark for mark, columns in split.items() if "path" in columns), ",")


def _read_parquet(manifest: Path, name: str) -> Table:
    try:
        with pq.ParquetFile(manifest) as file:
            schema = file.schema_arrow
            places = _find_columns(schema.names, name)
            _check_types({column: schema.field(place).type for column, place in places.items()}, name)
            names = [schema.names[place] for place in places.values()]
            rows = file.read(names).select(names).to_pylist()
            return schema.names, [dict(zip(places, row.values(), strict=True)) for row in rows]
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(f"{name}: not Parquet, or damaged: {' '.join(str(error).split())}") from None


def _check_types(kinds: dict[str, pa.DataType], name: str) -> None:
    """Check the types of a Parquet file's columns. Raises InputError."""
    for column, kind in kinds.items():
        check_label_type(kind, f"{name}: column '{column}'")  # which also holds for splits
    plain = get_plain_type(kinds["path"])
    if not (is_text(plain) or is_binary(plain) or pa.types.is_null(plain)):
        raise InputError(f"{name}: column 'path' holds {kinds['path']}; it must hold text")


def _find_columns(header: Sequence[str], name: str, hint: str = "") -> dict[str, int]:
    """Return the place of each column that is there. Raises InputError if there are two, or none called path."""
    plain = [column.strip().lower() for column in header]
    for column in COLUMNS:
        if plain.count(column) > 1:
            raise InputError(f"{name}: two columns '{column}'")
    if "path" not in plain:
        shown = escape(shorten(", ".join(header) or "none", 200))
        raise InputError(f"{name}: no column 'path'; its columns are {shown}{hint}")
    return {column: plain.index(column) for column in COLUMNS if column in plain}
