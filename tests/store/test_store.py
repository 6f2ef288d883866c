"""Tests the files of the store and of the embeddings, and that they are read back as they were written."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.features.embeddings import read_embeddings
from components.stage.errors import InputError
from components.store import store as module
from components.store.store import SPLITS, TEST, TRAIN, UNLABELLED, Row, Store, write_labelled, write_store
from tests.small import decode_images, encode_png, write_embeddings


@pytest.fixture
def rows() -> list[Row]:
    images = [encode_png(np.full((8, 8), value)) for value in (10, 20, 30)]
    splits = [(0, TRAIN), (None, UNLABELLED), (1, TEST)]
    return [Row(f"s/{n}", images[n], f"s/{n}.png", label, split) for n, (label, split) in enumerate(splits)]


def test_columns_are_those_that_hugging_face_reads_as_images(rows: list[Row], tmp_path: Path) -> None:
    write_store(tmp_path, rows, ["cat", "dog"])
    table = pq.read_table(next(tmp_path.glob("*.parquet")))
    assert table.schema.field("image").type == pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    assert table["label"].to_pylist() == [0, None, 1]
    assert table["split"].to_pylist() == ["train", "unlabelled", "test"]
    features = json.loads(table.schema.metadata[b"huggingface"])["info"]["features"]
    assert features["image"] == {"_type": "Image"}
    assert features["label"] == {"names": ["cat", "dog"], "_type": "ClassLabel"}


def test_the_same_rows_give_the_same_bytes(rows: list[Row], tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_store(tmp_path / name, rows, ["cat", "dog"])
    first, second = (next((tmp_path / name).iterdir()).read_bytes() for name in ("a", "b"))
    assert first == second


def test_only_the_wanted_splits_are_decoded(rows: list[Row], tmp_path: Path) -> None:
    write_store(tmp_path, rows, ["cat", "dog"])
    images = decode_images(Store(tmp_path), (TRAIN, UNLABELLED))
    assert images.shape == (2, 1, 8, 8)
    assert images[:, 0, 0, 0].tolist() == [10, 20]


@dataclass(frozen=True)
class Cut:
    """The number of rows or bytes per row group, and of bytes per shard."""

    rows: int = 256
    group_bytes: int = 10**6
    shard_bytes: int = 10**6


CUTS = [Cut(), Cut(rows=1), Cut(rows=4), Cut(rows=4, shard_bytes=1), Cut(rows=3, shard_bytes=500), Cut(group_bytes=200)]


@pytest.fixture(params=CUTS, ids=str)
def cut(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Cut:
    cut: Cut = request.param
    for name, value in (("GROUP_ROWS", cut.rows), ("GROUP_BYTES", cut.group_bytes), ("SHARD_BYTES", cut.shard_bytes)):
        monkeypatch.setattr(module, name, value)
    return cut


def make_rows() -> list[Row]:
    """Make 37 gray images; the last 8 are of one split, so that some row groups hold no image of another split."""
    splits = [(TRAIN, TEST, UNLABELLED)[n % 3] if n < 29 else TEST for n in range(37)]
    return [
        Row(f"{n}", encode_png(np.full((8, 8), n)), "", n % 2 if n % 5 else None, split)
        for n, split in enumerate(splits)
    ]


@pytest.mark.parametrize("splits", [(TRAIN,), (TEST,), (TRAIN, UNLABELLED), SPLITS], ids="+".join)
def test_images_and_labels_of_a_split_are_in_the_order_of_its_groups(
    splits: tuple[str, ...], cut: Cut, tmp_path: Path
) -> None:
    """This holds however the rows were cut into groups and shards; a label beside a wrong image misleads the probes."""
    write_store(tmp_path, make_rows(), ["cat", "dog"])
    store = Store(tmp_path)
    wanted = [row for row in make_rows() if row.split in splits]
    groups = store.find_groups(splits)
    assert [image for group in groups for image in store.read_group(group)] == [row.image for row in wanted]
    assert [group.count for group in groups] == [len(store.read_group(group)) for group in groups]
    assert min(group.count for group in groups) > 0, "what holds nothing of the split is not read at all"
    assert store.read_labels(splits).tolist() == [-1 if row.label is None else row.label for row in wanted]
    images = decode_images(store, splits)
    assert images[:, 0, 3, 4].tolist() == [int(row.id) for row in wanted]
    rows = np.array([36, 0, 5, 5])
    assert {int(rows[place]): image for place, image in store.read_images(rows, SPLITS)} == {
        row: make_rows()[row].image for row in (36, 0, 5)
    }


def test_labels_and_splits_of_the_second_pass_stay_with_their_images(cut: Cut, tmp_path: Path) -> None:
    """This holds however the rows were cut and whatever is left out; one row off, every label would be wrong."""
    write_store(tmp_path / "first", [Row(row.id, row.image, "", None, UNLABELLED) for row in make_rows()], [])
    kept = np.random.default_rng(0).random(37) < 0.6
    labels = np.array([-1 if row.label is None else row.label for row in make_rows()])
    changes = {
        "labels": labels,
        "splits": [row.split for row in make_rows()],
        "kept": kept,
        "class_names": ["cat", "dog"],
    }
    write_labelled(tmp_path / "second", Store(tmp_path / "first"), **changes)
    stored = Store(tmp_path / "second").read_columns(["id", "image", "label", "split"]).to_pylist()
    wanted = [row for row, keep in zip(make_rows(), kept, strict=True) if keep]
    assert [(r["id"], r["image"]["bytes"], r["label"], r["split"]) for r in stored] == [
        (row.id, row.image, row.label, row.split) for row in wanted
    ]
    assert Store(tmp_path / "second").class_names == ["cat", "dog"]


def test_a_reader_holds_no_more_than_a_row_group_was_cut_to(cut: Cut, tmp_path: Path) -> None:
    """A single image that is larger than the limit is a group of its own."""
    write_store(tmp_path, make_rows(), ["cat", "dog"])
    store = Store(tmp_path)
    read = [store.read_group(group) for group in store.find_groups(SPLITS)]
    assert max(len(images) for images in read) <= cut.rows
    assert all(len(images) == 1 or sum(map(len, images)) <= cut.group_bytes for images in read)
    for shard in store.shards:
        groups = [group for group in store.find_groups(SPLITS) if store.shards[group.shard] == shard]
        assert sum(len(image) for group in groups[:-1] for image in store.read_group(group)) < cut.shard_bytes


def test_a_store_that_is_written_anew_holds_nothing_of_the_old_one(
    rows: list[Row], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the writing fails, the old store is unchanged."""
    monkeypatch.setattr(module, "GROUP_ROWS", 4)
    monkeypatch.setattr(module, "SHARD_BYTES", 1)

    def fail_halfway() -> Iterator[Row]:
        yield from make_rows()
        raise OSError("no space left on device")

    write_store(tmp_path, make_rows(), ["cat", "dog"])
    assert len(Store(tmp_path).shards) == 10
    with pytest.raises(OSError, match="no space left"):
        write_store(tmp_path, fail_halfway(), ["cat", "dog"])
    assert Store(tmp_path).read_columns(["id"])["id"].to_pylist() == [row.id for row in make_rows()]
    write_store(tmp_path, rows, ["cat", "dog"])
    assert Store(tmp_path).read_columns(["id"])["id"].to_pylist() == ["s/0", "s/1", "s/2"]
    assert [path.name for path in tmp_path.iterdir()] == ["part-00000.parquet"], "what had been half written is gone"


def test_a_shard_of_thousands_of_row_groups_is_opened_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If a shard were opened for each group, the labels of 5,000 groups would take more than a minute."""
    monkeypatch.setattr(module, "GROUP_ROWS", 4)
    write_store(tmp_path, make_rows(), ["cat", "dog"])
    store, opened, file = Store(tmp_path), [], pq.ParquetFile
    assert len(store.find_groups(SPLITS)) == 10
    monkeypatch.setattr(pq, "ParquetFile", lambda shard, **how: opened.append(shard) or file(shard, **how))
    store.read_labels(SPLITS)
    decode_images(store, SPLITS)
    assert opened == store.shards * 2


def test_an_empty_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no Parquet shards"):
        Store(tmp_path)


def test_embeddings_come_back_as_they_went(rows: list[Row], tmp_path: Path) -> None:
    write_store(tmp_path, rows, ["cat", "dog"])
    features = np.arange(12, dtype=np.float32).reshape(3, 4)
    write_embeddings(tmp_path / "e.parquet", Store(tmp_path).read_columns(["id", "split", "label"]), features)
    assert pq.read_schema(tmp_path / "e.parquet").field("embedding").type == pa.list_(pa.float32(), 4)
    read = read_embeddings(tmp_path / "e.parquet")
    assert read.ids.tolist() == ["s/0", "s/1", "s/2"]
    assert (read.features == features).all()
    assert read.labels.tolist() == [0, -1, 1]
    assert read.train[0].tolist() == [features[0].tolist()]
    assert read.test[1].tolist() == [1]
