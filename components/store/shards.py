"""The shards of a store, one after the other: their names, their columns, and how one is opened for reading.

Each shard says whether another one follows, so that a missing one is noticed. The names of the classes stand in the
metadata under the key that Hugging Face `datasets` uses, so that they travel with the images.
https://huggingface.co/docs/datasets/image_dataset#parquet
"""

import json
from contextlib import AbstractContextManager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from components.stage.errors import InputError
from components.store.sealed import open_sealed, read_metadata

DESCRIBED, LAST = b"huggingface", b"last"  # keys of the metadata: the columns' features, and whether none follows
COLUMNS = {
    "id": pa.string(),
    "image": pa.struct([("bytes", pa.binary()), ("path", pa.string())]),
    "label": pa.int64(),
    "split": pa.string(),
}


def make_schema(class_names: list[str]) -> pa.Schema:
    """Make the schema of a shard of images that have these classes."""
    text = {"dtype": "string", "_type": "Value"}
    label = {"names": class_names, "_type": "ClassLabel"}
    features = {"id": text, "image": {"_type": "Image"}, "label": label, "split": text}
    return pa.schema(COLUMNS).with_metadata({DESCRIBED: json.dumps({"info": {"features": features}})})


def name_shard(number: int) -> str:
    """Name the shard of this number, from 0."""
    return f"part-{number:05}.parquet"


def open_shard(path: Path) -> AbstractContextManager[pq.ParquetFile]:
    """Open a shard for reading. Raises InputError if it is damaged, also while it is read."""
    return open_sealed(path, COLUMNS, "fetch")


def read_class_names(shards: list[Path]) -> list[str]:
    """Read the names of the classes, and check that no shard is missing. Raises InputError."""
    with open_shard(shards[-1]) as last:
        ends = read_metadata(last).get(LAST)  # nothing in the shards of other programs
    numbered = [name_shard(number) for number in range(len(shards))]
    if ends is not None and (ends != b"yes" or [shard.name for shard in shards] != numbered):
        raise InputError(f"{shards[0].parent}: a shard is missing; `dvc repro fetch` writes all of them")
    with open_shard(shards[0]) as first:
        described = read_metadata(first).get(DESCRIBED, b"")
    try:
        names = json.loads(described)["info"]["features"]["label"]["names"]
    except (ValueError, LookupError, TypeError):
        names = None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise InputError(f"{shards[0]}: no names of classes in its metadata; `dvc repro fetch` writes them")
    return names
