"""Read Parquet files in the layout of Hugging Face's image data sets, from the Hub or as its `datasets` writes them.

Images are a column of structs of bytes and path, or of plain bytes; labels are text, numbers, or numbers whose names
are in the schema. The split comes from a column `split`, which our own store has, else from the file's name.
https://huggingface.co/docs/datasets/image_dataset, https://huggingface.co/docs/hub/datasets-file-names-and-splits
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from components.fetch.kinds import PARQUET
from components.fetch.params import ParquetShards
from components.fetch.sources.candidate import Candidate
from components.fetch.sources.labels import check_label_type, format_label, get_plain_type, is_binary, read_labels
from components.fetch.sources.layout import SPLIT_NAMES
from components.fetch.sources.listing import ListedFile
from components.fetch.sources.places import Places, get_file_name
from components.fetch.sources.strangers import describe_stranger
from components.stage.errors import InputError
from components.stage.shown import escape, shorten

ROWS = 64  # held in memory at a time


def list_files(params: ParquetShards, places: Places) -> list[ListedFile]:
    """List the single file, or every Parquet file of the folder. Raises InputError if there is none."""
    if get_file_name(params.url).lower().endswith(".parquet"):
        return [places.list_file(params.url)]
    listed = [file for file in places.list_folder(params.url) if file.path.lower().endswith(".parquet")]
    if not listed:
        raise InputError(f"params.yaml: data.sources: {params.url}: no .parquet file in it")
    return listed


def read_candidates(params: ParquetShards, listed: list[ListedFile], places: Places) -> Iterator[Candidate]:
    """Yield a candidate per row; its path is the file's and the row's number, since names in a column may repeat."""
    for file, path in places.bring_files(listed):
        if isinstance(path, str):
            raise InputError(f"params.yaml: data.sources: {file.where}: {path}")
        try:
            yield from _read_rows(params, file, path)
        except (pa.ArrowException, OSError, ValueError) as error:
            reason = describe_stranger(path, PARQUET) or f"not Parquet, or damaged: {' '.join(str(error).split())}"
            raise InputError(f"{file.where}: {reason}") from None


def _read_rows(params: ParquetShards, file: ListedFile, shard: Path) -> Iterator[Candidate]:
    with pq.ParquetFile(shard) as opened:
        schema = opened.schema_arrow
        by_column = "split" in schema.names
        wanted = [params.image] + (["split"] if by_column else [])
        check_columns(schema.names, [*wanted, *([params.label] if params.label else [])], file.where)
        _check_image_type(schema.field(params.image).type, f"{file.where}: column '{params.image}'")
        labels = _read_label_column(opened, params.label, file.where) if params.label else None
        number = 0
        for batch in opened.iter_batches(ROWS, columns=wanted):
            for row in batch.to_pylist():
                path = f"{file.path.removesuffix('.parquet')}/{number:07}"
                image, image_fault = _extract_image(row[params.image])
                label, label_fault = labels[number] if labels else (None, None)
                split, split_fault = _parse_split(
                    format_label(row["split"]) if by_column else _find_split_name(file.path)
                )
                yield Candidate(
                    params.name,
                    path,
                    image,
                    label,
                    split,
                    image_fault or split_fault or label_fault,
                    declared_image=True,
                )
                number += 1


def check_columns(columns: list[str], wanted: list[str], where: str) -> None:
    """Check that each wanted column is there, and once. Raises InputError, which begins with `where`."""
    for column in wanted:
        if columns.count(column) > 1:
            raise InputError(f"{where}: two columns '{column}'")
        if column not in columns:
            there = escape(shorten(", ".join(columns) or "none", 200))
            raise InputError(f"{where}: no column '{column}'; its columns are {there}")


def _check_image_type(kind: pa.DataType, where: str) -> None:
    """Check that a column can hold encoded images. Raises InputError, which begins with `where`."""
    fields = {field.name: field.type for field in kind} if pa.types.is_struct(kind) else {}
    encoded = get_plain_type(fields.get("bytes", kind))
    if not (is_binary(encoded) or pa.types.is_null(encoded)):
        right = "the bytes of an image file per row, or a struct of bytes and path; a list of paths is kind: manifest"
        raise InputError(f"{where} holds {kind}; it must hold {right}")


def _read_label_column(opened: pq.ParquetFile, column: str, where: str) -> list[tuple[str | None, str | None]]:
    """Return label and fault per row. Raises InputError if the column holds no labels."""
    schema, where = opened.schema_arrow, f"{where}: column '{column}'"
    check_label_type(schema.field(column).type, where)
    values = opened.read([column])[column].to_pylist()
    labels = read_labels(values, where, typed=True)
    names = _read_class_names(schema, column)
    if names is None or any(isinstance(value, str | bytes) for value in values):
        return [(label, None) for label in labels]
    return [_name_class(value, names) for value in values]


def _extract_image(value: Any) -> tuple[bytes, str | None]:
    encoded = value["bytes"] if isinstance(value, dict) and "bytes" in value else value
    if isinstance(encoded, bytes):
        return encoded, None
    has_path = isinstance(value, dict) and value.get("path")
    return b"", "holds a path and no bytes" if has_path else "holds no image"


def _read_class_names(schema: pa.Schema, label: str | None) -> list[str] | None:
    """Return the names of numbered labels, as `datasets` leaves them in the schema, or None."""
    try:
        names = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"][label]["names"]
    except (KeyError, TypeError, ValueError):  # the schema has no such names, or something else in their place
        return None
    return names if isinstance(names, list) and all(isinstance(name, str | int) for name in names) else None


def _name_class(value: Any, names: list[str]) -> tuple[str | None, str | None]:
    """Return the name of a numbered class, and what is wrong with the number; `datasets` writes -1 for no label."""
    number = format_label(value)
    if number is None or value == -1:
        return None, None
    if 0 <= value < len(names):
        return format_label(names[int(value)]), None
    return None, f"label {number} is none of the {len(names)} classes"


def _parse_split(name: str | None) -> tuple[str | None, str | None]:
    if not name:
        return None, None
    split = SPLIT_NAMES.get(name.lower())
    return split, None if split else f"split '{name}' is none of {', '.join(SPLIT_NAMES)}"


def _find_split_name(path: str) -> str | None:
    """Return the last part of the path that names a split: train-00000-of-00004.parquet, data/test/0000.parquet."""
    names = [part for part in re.split(r"[/._ -]", path.lower()) if part in SPLIT_NAMES]
    return names[-1] if names else None
