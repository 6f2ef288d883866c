"""Compares two stores image by image, from any kind of source: what is new, gone, changed or relabelled.

A store is a folder of Parquet files with the columns id, image, label and split, and with the names of the classes in
the schema's metadata, as Hugging Face `datasets` keeps them: https://huggingface.co/docs/datasets/image_dataset#parquet
An image whose id has changed is known by its content: a file's id changes when it is moved to another class's folder. A
class is known by its name, since a new class may change the numbers of all. One row group is in memory at a time.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

DIGEST_BYTES = 16


class Image(NamedTuple):
    """The facts that are remembered about one image."""

    content: bytes  # its digest
    class_name: str | None
    split: str


@dataclass(frozen=True)
class ImageChanges:
    """The differences of a store from an earlier one."""

    new: frozenset[str]  # the ids of the new images
    gone: int
    changed: int  # another id, class or split of the same content, or another content under the same id

    @property
    def count(self) -> int:
        """The number of images that are not as they were."""
        return len(self.new) + self.gone + self.changed

    def __str__(self) -> str:
        """Return the counts in words: `12 new, 3 gone images`."""
        counts = {"new": len(self.new), "gone": self.gone, "changed": self.changed}
        text = ", ".join(f"{count:,} {word}" for word, count in counts.items() if count)
        return f"{text or 'no new'} image{'s' * (self.count != 1)}"


def compare_stores(before: Path, now: Path) -> ImageChanges:
    """Compare the images of two stores."""
    old_images, new_images = read_images(before), read_images(now)
    gone = Counter(old_images[image_id].content for image_id in old_images.keys() - new_images.keys())
    new = set()
    changed = sum(old_images[image_id] != new_images[image_id] for image_id in old_images.keys() & new_images.keys())
    for image_id in new_images.keys() - old_images.keys():
        if gone[new_images[image_id].content]:
            gone[new_images[image_id].content] -= 1
            changed += 1
        else:
            new.add(image_id)
    return ImageChanges(frozenset(new), gone.total(), changed)


def measure_relabelled(before: Path, now: Path, ids: Iterable[str], given: Container[str]) -> float | None:
    """Return which fraction, 0 to 1, of the images with these ids has another class now that no person gave or took.

    Only images whose content is in both stores count; None if there are none. `given` are the ids of the images that
    have or had their label from a person.
    """
    old_images, classes, by_people = read_images(before), dict[bytes, set[str | None]](), set[bytes]()
    for image_id, image in read_images(now).items():
        classes.setdefault(image.content, set()).add(image.class_name)
        if image_id in given:
            by_people.add(image.content)
    shared = [
        old_images[image_id] for image_id in ids if image_id in old_images and old_images[image_id].content in classes
    ]
    moved = sum(image.class_name not in classes[image.content] and image.content not in by_people for image in shared)
    return moved / len(shared) if shared else None


def write_selection(store: Path, ids: Iterable[str], target: Path) -> None:
    """Write a store that has only the images with these ids, shard by shard."""
    wanted = pa.array(sorted(ids), pa.string())
    target.mkdir(parents=True)
    for shard in _list_shards(store):
        with pq.ParquetFile(shard) as file, pq.ParquetWriter(target / shard.name, file.schema_arrow) as writer:
            for table in _read_tables(file):
                writer.write_table(table.filter(pc.is_in(table["id"], value_set=wanted)))


def read_images(store: Path) -> dict[str, Image]:
    """Read every image of a store, by id."""
    images = {}
    for shard in _list_shards(store):
        with pq.ParquetFile(shard) as file:
            names = _read_class_names(file.schema_arrow)
            for table in _read_tables(file):
                contents = table["image"].combine_chunks().field("bytes")
                columns = (table[name].to_pylist() for name in ("id", "label", "split"))
                for content, image_id, label, split in zip(contents, *columns, strict=True):
                    digest = hashlib.blake2b(content.as_buffer(), digest_size=DIGEST_BYTES).digest()
                    images[image_id] = Image(digest, None if label is None else names[label], split)
    return images


def _list_shards(store: Path) -> list[Path]:
    return sorted(store.glob("*.parquet"))


def _read_tables(file: pq.ParquetFile) -> Iterator[pa.Table]:
    """Read one row group at a time."""
    return (file.read_row_group(group) for group in range(file.num_row_groups))


def _read_class_names(schema: pa.Schema) -> list[str]:
    names: list[str] = json.loads(schema.metadata[b"huggingface"])["info"]["features"]["label"]["names"]
    return names
