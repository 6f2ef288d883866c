"""The files of an index: `vectors.npy`, `lists.faiss` if it is approximate, and `images.parquet`, written last.

`images.parquet` has a row per image and, in the metadata that its seal covers, what the index is and the sizes and
checksums of the other files; so an index that is half written, damaged or put together of two is noticed.
N images, D features.
"""

import hashlib
from collections.abc import Iterable
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import Annotated

import numpy as np
import pyarrow as pa
from numpy.lib.format import write_array_header_1_0
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from components.stage.disk import write_beside
from components.stage.errors import InputError
from components.stage.types import Count, describe_mistake
from components.store.sealed import SealedWriter, open_sealed, read_metadata

IMAGES, VECTORS, LISTS = "images.parquet", "vectors.npy", "lists.faiss"
COLUMNS = {"id": pa.string(), "split": pa.string(), "label": pa.int64(), "x": pa.float32(), "y": pa.float32()}
ABOUT = b"index"  # the key of the metadata
MADE = "`dvc repro index` writes it"
GROUP_ROWS = 65536

Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class File(BaseModel):
    """States what a file of the index must be."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    bytes: int
    sha256: Digest


class About(BaseModel):
    """What an index is: of which features and images, and how it is searched."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    encoder: str  # whose features: byol, pixels, random or start
    weights: Digest | None  # SHA-256 of the weights of the trained encoder, as in its config.json
    features: Count  # D
    classes: Annotated[tuple[str, ...], Field(strict=False)]
    probes: Count  # lists that a search looks through
    candidates: Count  # per neighbour
    files: dict[str, File]


def write_vectors(path: Path, parts: Iterable[np.ndarray], shape: tuple[int, int]) -> File:
    """Write vectors (n, D) float32 as they come, as one array (N, D) in NumPy's format. Raises DiskError."""
    header, digest, size = BytesIO(), hashlib.sha256(), 0
    write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": shape})
    # Not through a map of the file: a full disk would kill the process instead of raising an error.
    with write_beside(path) as new, new.open("wb") as file:
        for content in chain([header.getvalue()], (part.tobytes() for part in parts)):
            file.write(content)
            digest.update(content)
            size += len(content)
    return File(bytes=size, sha256=digest.hexdigest())


def write_bytes(path: Path, content: np.ndarray) -> File:
    """Write bytes, (bytes,) uint8. Raises DiskError."""
    with write_beside(path) as new:
        new.write_bytes(content.data)
    return File(bytes=content.size, sha256=hashlib.sha256(content.data).hexdigest())


def write_images(folder: Path, table: pa.Table, places: np.ndarray, about: About) -> None:
    """Write the columns id, split and label and the places (N, 2) of the images, and what the index is."""
    for number, name in enumerate(("x", "y")):
        table = table.append_column(name, pa.array(places[:, number], pa.float32()))
    table = table.replace_schema_metadata(None)
    with write_beside(folder / IMAGES) as new:
        writer = SealedWriter(new, table.schema, compression="snappy")
        try:
            for first in range(0, len(table), GROUP_ROWS):
                writer.write(table.slice(first, GROUP_ROWS))
            writer.close({ABOUT: about.model_dump_json().encode()})
        finally:
            writer.give_up()


def read_images(folder: Path) -> tuple[pa.Table, About]:
    """Read the rows of the images, and what the index is. Raises InputError if there is none, or a damaged one."""
    path = folder / IMAGES
    if not path.exists():
        raise InputError(f"{folder}: no index here ({IMAGES} is missing); {MADE}")
    with open_sealed(path, dict(COLUMNS), "index") as file:
        table, written = file.read(columns=list(COLUMNS)), read_metadata(file).get(ABOUT)
    if written is None:
        raise InputError(f"{path}: not the images of an index; {MADE}")
    try:
        about = About.model_validate_json(written)
    except ValidationError as error:
        raise InputError(f"{path}: {describe_mistake(error)}; {MADE}") from None
    if VECTORS not in about.files or not about.files.keys() <= {VECTORS, LISTS}:
        raise InputError(f"{path}: files that are none of {VECTORS} and {LISTS}; {MADE}")
    if (table["label"].fill_null(-1).to_numpy().max(initial=-1)) >= len(about.classes):
        raise InputError(f"{path}: a label that is the number of none of the {len(about.classes)} classes; {MADE}")
    return table, about
