"""The shards of a store, one after the other: their names and columns, how all are written, and how one is read.

Each shard says whether another one follows, so that a missing one is noticed. The names of the classes stand in the
metadata under the key that Hugging Face `datasets` uses, so that they travel with the images.
https://huggingface.co/docs/datasets/image_dataset#parquet
"""

import json
from collections.abc import Iterable
from contextlib import AbstractContextManager, suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from components.stage.disk import BEFORE, DiskError, name_faults
from components.stage.errors import InputError
from components.store.sealed import SealedWriter, open_sealed, read_metadata

DESCRIBED, LAST = b"huggingface", b"last"  # keys of the metadata: the columns' features, and whether none follows
BROKEN = "its shards were of two runs and are removed: `dvc repro fetch` writes them again"
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


def write_shards(folder: Path, groups: Iterable[pa.Table], schema: pa.Schema, shard_bytes: int) -> None:
    """Write each table as one row group, in shards of about so many bytes, and replace the folder's older shards when
    all are written.

    Raises DiskError if they cannot be written; then the older shards are whole.
    """
    with name_faults(folder):
        folder.mkdir(parents=True, exist_ok=True)
        _remove_unfinished(folder)  # of a run that was killed
    number, size = 0, 0
    writer = _begin_shard(folder, number, schema)
    try:
        for table in groups:
            if size >= shard_bytes:
                writer.close({LAST: b"no"})
                number, size = number + 1, 0
                writer = _begin_shard(folder, number, schema)
            writer.write(table)  # one row group
            size += table.nbytes
        writer.close({LAST: b"yes"})
        _replace_shards(folder, number + 1)
    finally:
        writer.give_up()
        with suppress(OSError):
            _remove_unfinished(folder)


def _replace_shards(folder: Path, count: int) -> None:
    """Let the new shards take the place of the older ones. If that fails half way, none is left: a mixture of two
    stores would be taken for one."""
    paths = [folder / name_shard(number) for number in range(count)]
    replaced: list[Path] = []
    try:
        for path in paths:
            with name_faults(path, BROKEN if replaced else BEFORE):
                path.with_name(f"{path.name}.new").replace(path)
            replaced.append(path)
        for stale in set(folder.glob("*.parquet")) - set(paths):
            with name_faults(stale, BROKEN):
                stale.unlink()
    except DiskError:
        for path in folder.glob("*.parquet") if replaced else ():
            with suppress(OSError):
                path.unlink()
        raise


def _remove_unfinished(folder: Path) -> None:
    for unfinished in folder.glob("*.parquet.new"):
        unfinished.unlink()


def _begin_shard(folder: Path, number: int, schema: pa.Schema) -> SealedWriter:
    return SealedWriter(folder / f"{name_shard(number)}.new", schema, compression="none")


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
