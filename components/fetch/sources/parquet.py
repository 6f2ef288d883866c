"""Parquet files in the layout of Hugging Face's image data sets, from the Hub or as its `datasets` writes them.

A column of structs of bytes and path, or of plain bytes; labels as text, as numbers, or as numbers whose names stand in
the schema. The split is the one in a column `split`, which our own store has, else the one in the file's name.
https://huggingface.co/docs/datasets/image_dataset, https://huggingface.co/docs/hub/datasets-file-names-and-splits
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from components.fetch.params import ParquetShards
from components.fetch.sources.candidate import Candidate, as_label
from components.fetch.sources.layout import SPLIT_NAMES
from components.fetch.sources.listing import Listed
from components.fetch.sources.places import Places, file_name
from components.stage.errors import InputError

ROWS = 64  # that are held at a time


def list_files(params: ParquetShards, places: Places) -> list[Listed]:
    """The one file, or every Parquet file of the folder."""
    if file_name(params.url).endswith(".parquet"):
        return [places.list_file(params.url)]
    listed = [file for file in places.list_folder(params.url) if file.path.endswith(".parquet")]
    if not listed:
        raise InputError(f"params.yaml: data.sources: {params.url}: no .parquet file in it")
    return listed


def read(params: ParquetShards, listed: list[Listed], places: Places) -> Iterator[Candidate]:
    """Every row of every file; its path is the file's and the number of the row, since names in it may repeat."""
    for file, place in places.bring(listed):
        if isinstance(place, str):
            raise InputError(f"params.yaml: data.sources: {file.where}: {place}")
        try:
            yield from _rows(params, file, place)
        except (pa.ArrowException, OSError, ValueError) as error:
            raise InputError(f"{file.where}: not Parquet, or damaged: {' '.join(str(error).split())}") from None


def _rows(params: ParquetShards, file: Listed, place: Path) -> Iterator[Candidate]:
    with pq.ParquetFile(place) as opened:
        schema = opened.schema_arrow
        wanted = [params.image] + ([params.label] if params.label else [])
        for column in wanted:
            if column not in schema.names:
                raise InputError(f"{file.where}: no column '{column}'; its columns are {', '.join(schema.names)}")
        by_column = "split" in schema.names
        names = _class_names(schema, params.label)
        number = 0
        for batch in opened.iter_batches(ROWS, columns=wanted + (["split"] if by_column else [])):
            for row in batch.to_pylist():
                path = f"{file.path.removesuffix('.parquet')}/{number:07}"
                image, fault = _image(row[params.image])
                label, strange = _label(row[params.label], names) if params.label else (None, None)
                split, unknown = _split(as_label(row["split"]) if by_column else _in_name(file.path))
                yield Candidate(params.name, path, image, label, split, fault or unknown or strange, meant=True)
                number += 1


def _image(value: Any) -> tuple[bytes, str | None]:
    encoded = value["bytes"] if isinstance(value, dict) and "bytes" in value else value
    if isinstance(encoded, bytes):
        return encoded, None
    outside = isinstance(value, dict) and value.get("path")
    return b"", "holds a path and no bytes" if outside else "holds no image"


def _class_names(schema: pa.Schema, label: str | None) -> list[str] | None:
    """Of numbered labels, as `datasets` leaves them in the schema."""
    try:
        names = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"][label]["names"]
    except (KeyError, TypeError, ValueError):  # not there, or something else
        return None
    return names if isinstance(names, list) else None


def _label(value: Any, names: list[str] | None) -> tuple[str | None, str | None]:
    """The name, and what is wrong with the number; -1 is what `datasets` gives to an image without a label."""
    name = as_label(value)
    if names is None or name is None or isinstance(value, str) or value == -1:
        return None if value == -1 and names else name, None
    if 0 <= value < len(names):
        return as_label(names[int(value)]), None
    return None, f"label {name} is none of the {len(names)} classes"


def _split(name: str | None) -> tuple[str | None, str | None]:
    if not name:
        return None, None
    split = SPLIT_NAMES.get(name.lower())
    return split, None if split else f"split '{name}' is none of {', '.join(SPLIT_NAMES)}"


def _in_name(path: str) -> str | None:
    """train-00000-of-00004.parquet, data/test/0000.parquet: the last part that is a split's name."""
    found = [part for part in re.split(r"[/._ -]", path.lower()) if part in SPLIT_NAMES]
    return found[-1] if found else None
