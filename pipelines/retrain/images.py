"""Two stores compared image by image, whatever kind of source they came from: what is new, gone, changed or relabelled.

A store is a folder of Parquet files with the columns id, image, label and split, and with the names of the classes in
the schema's metadata, as Hugging Face `datasets` keeps them: https://huggingface.co/docs/datasets/image_dataset#parquet
An image is known by its content where its id has changed, as that of a file does which is moved to another class's
folder; and a class by its name, since a new class may move the numbers of all. A row group is in memory at a time.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

DIGEST_BYTES = 16


class Image(NamedTuple):
    """What is remembered of one."""

    content: bytes  # its digest
    class_name: str | None
    split: str


@dataclass(frozen=True)
class Changes:
    """What one store has and another had not."""

    new: frozenset[str]  # ids
    gone: int
    changed: int  # another id, class or split of the same content, or another content under the same id

    @property
    def count(self) -> int:
        """Of images that are not as they were."""
        return len(self.new) + self.gone + self.changed

    def __str__(self) -> str:
        """In words: `12 new, 3 gone images`."""
        counts = {"new": len(self.new), "gone": self.gone, "changed": self.changed}
        said = ", ".join(f"{count:,} {word}" for word, count in counts.items() if count)
        return f"{said or 'no new'} image{'s' * (self.count != 1)}"


def compare(before: Path, now: Path) -> Changes:
    """Of two stores."""
    old, ours = read(before), read(now)
    gone = Counter(old[one].content for one in old.keys() - ours.keys())
    new, changed = set(), sum(old[one] != ours[one] for one in old.keys() & ours.keys())
    for one in ours.keys() - old.keys():
        if gone[ours[one].content]:
            gone[ours[one].content] -= 1
            changed += 1
        else:
            new.add(one)
    return Changes(frozenset(new), gone.total(), changed)


def relabelled(before: Path, now: Path, ids: Iterable[str]) -> float | None:
    """Of the images of `before` with these ids whose content is in both, those whose class is another now: 0..1.

    None where there is no such image.
    """
    old, classes = read(before), dict[bytes, set[str | None]]()
    for image in read(now).values():
        classes.setdefault(image.content, set()).add(image.class_name)
    known = [old[one] for one in ids if one in old and old[one].content in classes]
    moved = sum(image.class_name not in classes[image.content] for image in known)
    return moved / len(known) if known else None


def select(store: Path, ids: Iterable[str], to: Path) -> None:
    """Write a store of these images only, shard by shard."""
    wanted = pa.array(sorted(ids), pa.string())
    to.mkdir(parents=True)
    for shard in _shards(store):
        with pq.ParquetFile(shard) as file, pq.ParquetWriter(to / shard.name, file.schema_arrow) as writer:
            for table in _tables(file):
                writer.write_table(table.filter(pc.is_in(table["id"], value_set=wanted)))


def read(store: Path) -> dict[str, Image]:
    """Every image by its id."""
    found = {}
    for shard in _shards(store):
        with pq.ParquetFile(shard) as file:
            names = _class_names(file.schema_arrow)
            for table in _tables(file):
                contents = table["image"].combine_chunks().field("bytes")
                columns = (table[name].to_pylist() for name in ("id", "label", "split"))
                for content, one, label, split in zip(contents, *columns, strict=True):
                    digest = hashlib.blake2b(content.as_buffer(), digest_size=DIGEST_BYTES).digest()
                    found[one] = Image(digest, None if label is None else names[label], split)
    return found


def _shards(store: Path) -> list[Path]:
    return sorted(store.glob("*.parquet"))


def _tables(file: pq.ParquetFile) -> Iterator[pa.Table]:
    """A row group at a time."""
    return (file.read_row_group(group) for group in range(file.num_row_groups))


def _class_names(schema: pa.Schema) -> list[str]:
    names: list[str] = json.loads(schema.metadata[b"huggingface"])["info"]["features"]["label"]["names"]
    return names
