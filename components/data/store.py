"""The store: Parquet shards in the layout that Hugging Face `datasets` reads as images with class labels.

Columns: id (string), image (struct<bytes: binary, path: string>), label (int64, null when unlabelled), split. The names
of the classes stand in the schema's metadata under the key that `datasets` uses, so that they travel with the images.
https://huggingface.co/docs/datasets/image_dataset#parquet
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components.params.base import InputError

TRAIN, TEST, UNLABELLED = "train", "test", "unlabelled"
SPLITS = (TRAIN, TEST, UNLABELLED)
COLUMNS = pa.schema(
    [
        ("id", pa.string()),
        ("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
        ("label", pa.int64()),
        ("split", pa.string()),
    ]
)


@dataclass(frozen=True)
class Row:
    """One image of the store."""

    id: str
    image: bytes
    path: str
    label: int | None  # index into the class names
    split: str


def _schema(class_names: list[str]) -> pa.Schema:
    text = {"dtype": "string", "_type": "Value"}
    features = {
        "id": text,
        "image": {"_type": "Image"},
        "label": {"names": class_names, "_type": "ClassLabel"},
        "split": text,
    }
    return COLUMNS.with_metadata({"huggingface": json.dumps({"info": {"features": features}})})


def write_store(folder: Path, rows: Iterable[Row], class_names: list[str]) -> None:
    """Write the rows as one shard; the same rows give the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    columns: dict[str, list[object]] = {name: [] for name in COLUMNS.names}
    for row in rows:
        columns["id"].append(row.id)
        columns["image"].append({"bytes": row.image, "path": row.path})
        columns["label"].append(row.label)
        columns["split"].append(row.split)
    table = pa.table(columns, schema=_schema(class_names))
    pq.write_table(table, folder / "part-00000.parquet", compression="none")  # images are compressed already


class Store:
    """A store opened for reading; nothing is read before it is asked for."""

    def __init__(self, folder: Path) -> None:
        shards = sorted(folder.glob("*.parquet"))
        if not shards:
            raise InputError(f"{folder}: no Parquet shards; `dvc repro fetch` writes them")
        self.shards = shards
        described = json.loads(pq.read_schema(shards[0]).metadata[b"huggingface"])
        self.class_names: list[str] = described["info"]["features"]["label"]["names"]

    def table(self, columns: list[str]) -> pa.Table:
        """The named columns of all rows, in the order of the shards."""
        return pa.concat_tables(pq.read_table(shard, columns=columns) for shard in self.shards)

    def images(self, decode: Callable[[bytes], np.ndarray], splits: Iterable[str]) -> np.ndarray:
        """Every image of the splits, decoded: (N, C, S, S) uint8, in the order of the shards."""
        wanted = set(splits)
        table = self.table(["image", "split"])
        encoded = table["image"].combine_chunks().field("bytes")
        rows = [number for number, split in enumerate(table["split"].to_pylist()) if split in wanted]
        return np.stack([decode(encoded[row].as_py()) for row in rows])
