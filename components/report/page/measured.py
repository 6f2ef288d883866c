"""Reads the small text files of earlier stages, metrics as JSON and curves as CSV, and checks what they have to hold.

A number in them that was changed to another one cannot be noticed here; `python -m pipelines.verify` can.
"""

import csv
import math
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from components.stage.errors import InputError
from components.stage.types import describe_mistake

Number = Annotated[float, Field(allow_inf_nan=False)]
Natural = Annotated[int, Field(ge=0)]
Columns = dict[str, list[float | None]]


class Measured(BaseModel):
    """The base of what stands in a file: these keys, and others that hold numbers."""

    model_config = ConfigDict(strict=True, extra="allow", allow_inf_nan=False)


class Size(Measured):
    """The widths or heights of the images."""

    min: Natural
    median: Natural
    max: Natural


class Channels(BaseModel):
    """The statistics of the images to train on, per channel."""

    mean: list[Number]
    std: list[Number]


class Depth(BaseModel):
    """The images that have so many channels and bits, where some have more than gray or RGB of 8 bits."""

    channels: Natural
    bits: Natural
    images: Natural
    highest: Natural | None  # value; None if they are gray or RGB of 8 bits


class OfClass(Measured):
    """The images of a class."""

    name: Annotated[str, Field(alias="class")]
    train: Natural
    test: Natural
    unlabelled: Natural


class Data(Measured):
    """The content of metrics/data.json."""

    __pydantic_extra__: dict[str, Number]

    images: Natural
    train: Natural
    test: Natural
    unlabelled: Natural
    classes: Natural
    bytes: Natural
    sources: dict[str, Natural]
    formats: dict[str, Natural]
    sizes: Annotated[dict[str, Size], Field(min_length=1)]
    channels: Channels
    depths: list[Depth]
    by_class: list[OfClass]
    class_ratio: Number
    classes_without_train: Natural
    classes_without_test: Natural
    rejected: Natural
    odd: Natural
    leaked: Natural
    rejected_files: list[dict[str, str]]
    odd_images: list[dict[str, str]]
    leaked_images: list[str]


class Pretrained(Measured):
    """The content of metrics/pretrain.json."""

    __pydantic_extra__: dict[str, Number | None]

    images: Natural
    epochs: Natural
    loss: Number
    seconds: Annotated[Number, Field(ge=0)]
    images_per_second: Annotated[Number, Field(ge=0)]


class OfEncoder(Measured):
    """The metrics of one encoder in metrics/<probe>.json, or why there are none."""

    __pydantic_extra__: dict[str, Number]

    skipped: str = ""


SHAPES: dict[str, tuple[TypeAdapter[Any], str]] = {  # what a file holds, and the stage that writes it
    "data.json": (TypeAdapter(Data), "fetch"),
    "pretrain.json": (TypeAdapter(Pretrained), "pretrain"),
    "classifier.json": (TypeAdapter(dict[str, OfEncoder]), "classifier"),
}
PROBE = TypeAdapter[Any](dict[str, OfEncoder]), "evaluate"
SUSPECTS = TypeAdapter[Any](dict[str, OfEncoder]), "labels"


def read_metrics(path: Path) -> Any:
    """Read what another stage measured. Raises InputError if the file is missing or holds something else."""
    shape, stage = SHAPES.get(path.name, SUSPECTS if path.name.startswith("labels-") else PROBE)
    way = f"`dvc repro {stage}` writes it"
    try:
        content = path.read_bytes()
        shape.validate_json(content)
        return TypeAdapter(Any).validate_json(content)
    except FileNotFoundError:
        raise InputError(f"{path}: missing; {way}") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}; {way}") from None
    except ValidationError as error:
        raise InputError(f"{path}: {describe_mistake(error)}; {way}") from None


def read_rows(path: Path, stage: str) -> list[list[str]]:
    """Read the rows of a CSV file, the header first. Raises InputError if it is none."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.reader(file, strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read as CSV ({error}); `dvc repro {stage}` writes it") from None
    if not rows or any(len(row) != len(rows[0]) for row in rows) or len({*rows[0]}) < len(rows[0]):
        raise InputError(f"{path}: no header, or a row that does not fit it; `dvc repro {stage}` writes it")
    return rows


def read_columns(path: Path, stage: str) -> Columns:
    """Read the columns of a CSV file of numbers, with None for an empty cell. Raises InputError for anything else."""
    header, *rows = read_rows(path, stage)
    try:
        values = [[float(cell) if cell else None for cell in row] for row in rows]
    except ValueError as error:
        raise InputError(f"{path}: {str(error)[:200]}; `dvc repro {stage}` writes it") from None
    if any(value is not None and not math.isfinite(value) for row in values for value in row):
        raise InputError(f"{path}: a number that is not finite; `dvc repro {stage}` writes it")
    return {name: [row[place] for row in values] for place, name in enumerate(header)}
