"""Parquet files of images, as other programs write them: every row is an image or says why it is none."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from components.fetch.params import ParquetShards
from components.fetch.sources import parquet
from components.fetch.sources.candidate import Candidate
from components.fetch.sources.places import Places
from components.stage.errors import InputError
from components.store.store import TEST, TRAIN, UNLABELLED
from tests.fetch.conftest import Bucket
from tests.fetch.servers import Site
from tests.small import encode_png, fill_store, make_grays

IMAGES = [encode_png(gray) for gray in make_grays(4)]


def shards(url: str | Path, image: str = "image", label: str | None = "label") -> ParquetShards:
    return ParquetShards(kind="parquet", name="p", url=str(url), image=image, label=label)


def read_shards(params: ParquetShards, places: Places) -> list[Candidate]:
    return list(parquet.read_candidates(params, parquet.list_files(params, places), places))


def write_shard(file: Path, metadata: Any = None, **columns: Any) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns).replace_schema_metadata(metadata), file)
    return file


def get_labels(images: list[Candidate]) -> list[tuple[str | None, str | None, str | None]]:
    return [(image.label, image.split, image.fault) for image in images]


def test_what_datasets_writes_is_read_with_the_names_of_its_classes(folder: Path, places: Places) -> None:
    from datasets import ClassLabel, Dataset, Features
    from datasets import Image as Picture

    features = Features({"image": Picture(), "label": ClassLabel(names=["cat", "dog"])})
    pictures = [Image.open(io.BytesIO(image)) for image in IMAGES]
    for split, part in {"train": slice(0, 3), "test": slice(3, 4)}.items():
        columns = {"image": pictures[part], "label": [1, 0, -1, 1][part]}
        Dataset.from_dict(columns, features=features).to_parquet(folder / f"{split}-00000-of-00001.parquet")
    images = read_shards(shards(folder), places)
    assert [image.id for image in images] == ["p/test-00000-of-00001/0000000"] + [
        f"p/train-00000-of-00001/000000{row}" for row in range(3)
    ]
    assert get_labels(images) == [("dog", TEST, None), ("dog", TRAIN, None), ("cat", TRAIN, None), (None, TRAIN, None)]
    for image, gray in zip(images, (3, 0, 1, 2), strict=True):
        assert isinstance(image.content, bytes)
        assert np.asarray(Image.open(io.BytesIO(image.content)))[0, 0] == gray


@pytest.mark.parametrize("labels", [["3", "1", None, " 3 "], [3.0, 1.0, None, 3.0], [b"3", b"1", None, b"3"]])
def test_what_pandas_writes_is_read(labels: list[Any], folder: Path, places: Places) -> None:
    pd.DataFrame({"bytes": IMAGES, "class": labels, "else": 1}).to_parquet(folder / "a.parquet")
    images = read_shards(shards(folder / "a.parquet", "bytes", "class"), places)
    assert [image.content for image in images] == IMAGES
    assert get_labels(images) == [("3", None, None), ("1", None, None), (None, None, None), ("3", None, None)]
    assert {image.label for image in read_shards(shards(folder / "a.parquet", "bytes", None), places)} == {None}


def test_a_store_of_this_project_is_a_source(folder: Path, places: Places) -> None:
    splits = [TRAIN, TEST, UNLABELLED, TRAIN]
    fill_store(folder, make_grays(4), labels=[0, 2, None, 1], splits=splits)
    images = read_shards(shards(folder), places)
    assert [image.content for image in images] == IMAGES
    assert get_labels(images) == [
        ("cat", TRAIN, None),
        ("owl", TEST, None),
        (None, UNLABELLED, None),
        ("dog", TRAIN, None),
    ]
    assert [image.id for image in images] == [f"p/part-00000/{row:07}" for row in range(4)]


def test_names_in_capitals_are_read_as_well(folder: Path, places: Places) -> None:
    write_shard(folder / "TRAIN-0.PARQUET", image=IMAGES[:1], label=["cat"])
    for url in (folder, folder / "TRAIN-0.PARQUET"):
        assert get_labels(read_shards(shards(url), places)) == [("cat", TRAIN, None)]


def test_names_of_classes_that_are_no_names_are_not_used(folder: Path, places: Places) -> None:
    for names in ([["cat"], ["dog"]], [None, "dog"]):
        described = {b"huggingface": json.dumps({"info": {"features": {"label": {"names": names}}}}).encode()}
        write_shard(folder / "a.parquet", described, image=IMAGES[:2], label=[0, 1])
        assert get_labels(read_shards(shards(folder), places)) == [("0", None, None), ("1", None, None)]


def test_rows_are_numbered_through_however_they_are_grouped(folder: Path, places: Places) -> None:
    pq.write_table(pa.table({"image": IMAGES * 40}), folder / "a.parquet", row_group_size=50)
    images = read_shards(shards(folder, label=None), places)
    assert [image.path for image in images] == [f"a/{row:07}" for row in range(160)]
    assert [image.content for image in images] == IMAGES * 40


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train-00000-of-00004.parquet", TRAIN),
        ("0000.parquet", None),
        ("data/Test/0000.parquet", TEST),
        ("train/validation_0.parquet", TEST),
        ("my-training-set/part.1.parquet", TRAIN),
        ("latest/contrains.parquet", None),
        ("unlabeled.parquet", UNLABELLED),
    ],
)
def test_the_split_is_the_one_in_the_name(name: str, split: str | None, folder: Path, places: Places) -> None:
    write_shard(folder / name, image=IMAGES[:1], label=["cat"])
    (folder / "README.md").write_text("about them")
    [image] = read_shards(shards(folder), places)
    assert (image.split, image.path) == (split, f"{name.removesuffix('.parquet')}/0000000")


def test_a_column_of_splits_counts_more_than_the_name(folder: Path, places: Places) -> None:
    write_shard(folder / "train.parquet", image=IMAGES, label=["cat"] * 4, split=["val", None, "holdout", "Train"])
    none_of = "split 'holdout' is none of train, training, test, testing, val, valid, validation, dev, unlabelled, "
    expected = [("cat", TEST, None), ("cat", None, None), ("cat", None, f"{none_of}unlabeled"), ("cat", TRAIN, None)]
    assert get_labels(read_shards(shards(folder), places)) == expected
    write_shard(folder / "train.parquet", image=IMAGES[:1], label=["cat"], split=[1])
    assert str(read_shards(shards(folder), places)[0].fault).startswith("split '1' is none of")
    write_shard(folder / "train.parquet", image=IMAGES[:1], split=["test"])
    assert get_labels(read_shards(shards(folder, "image", "split"), places)) == [("test", TEST, None)]


def test_a_row_without_an_image_is_listed(folder: Path, places: Places) -> None:
    rows = [{"bytes": IMAGES[0], "path": None}, {"bytes": None, "path": "a.png"}, {"bytes": None, "path": None}, None]
    write_shard(folder / "a.parquet", image=rows, label=["cat"] * 4)
    faults = [None, "holds a path and no bytes", "holds no image", "holds no image"]
    assert [image.fault for image in read_shards(shards(folder), places)] == faults


@pytest.mark.parametrize(
    "metadata",
    [
        {"huggingface": "{"},
        {"huggingface": "[]"},
        {"huggingface": '{"info": null}'},
        {"huggingface": json.dumps({"info": {"features": {"label": {"names": "cat"}}}})},
        {"other": "x"},
    ],
)
def test_a_schema_without_names_leaves_the_numbers(metadata: Any, folder: Path, places: Places) -> None:
    write_shard(folder / "a.parquet", metadata, image=IMAGES[:2], label=[1, None])
    assert get_labels(read_shards(shards(folder), places)) == [("1", None, None), (None, None, None)]


def test_names_of_classes_are_of_no_use_for_labels_that_are_names(folder: Path, places: Places) -> None:
    metadata = {"huggingface": json.dumps({"info": {"features": {"label": {"names": ["cat", "dog"]}}}})}
    write_shard(folder / "a.parquet", metadata, image=IMAGES[:2], label=["dog", "owl"])
    assert [image.label for image in read_shards(shards(folder), places)] == ["dog", "owl"]
    write_shard(folder / "a.parquet", metadata, image=IMAGES[:4], label=[1.0, 7.0, -1.0, None])
    assert [image.label for image in read_shards(shards(folder), places)] == ["dog", None, None, None]


def test_what_is_not_as_params_say_is_one_line(folder: Path, places: Places) -> None:
    file = write_shard(folder / "a.parquet", picture=IMAGES, label=["cat"] * 4)
    whole = file.read_bytes()
    columns = "its columns are picture, label"
    for params, line in (
        (shards(file), f"{file}: no column 'image'; {columns}"),
        (shards(file, "picture", "class"), f"{file}: no column 'class'; {columns}"),
        (shards(folder / "b.parquet"), f"params.yaml: data.sources: {folder}/b.parquet: not there; name a file"),
    ):
        with pytest.raises(InputError) as error:
            read_shards(params, places)
        assert str(error.value) == line
    for damaged in (b"", b"no Parquet", whole[:-20], whole[:4] + bytes(200) + whole[204:]):
        file.write_bytes(damaged)
        with pytest.raises(InputError, match=r"a\.parquet: not Parquet, or damaged: ") as error:
            read_shards(shards(folder, "picture"), places)
        assert "\n" not in str(error.value)
    file.unlink()
    with pytest.raises(InputError, match=r"^params\.yaml: data\.sources: .*images: no \.parquet file in it$"):
        read_shards(shards(folder), places)


@pytest.mark.parametrize("service", ["s3", "web"])
def test_shards_behind_a_url_are_read(
    service: str, folder: Path, places: Places, request: pytest.FixtureRequest
) -> None:
    store: Any = request.getfixturevalue("bucket" if service == "s3" else "web")
    for name in ("data/train-0.parquet", "data/test-0.parquet"):
        content = write_shard(folder / name, image=IMAGES, label=["cat", "dog"] * 2).read_bytes()
        store.put(name, content) if isinstance(store, Bucket) else store.files.update({name: content})
    local_images, remote_images = (
        read_shards(shards(folder / "data"), places),
        read_shards(shards(f"{store.url}/data"), places),
    )
    assert local_images == remote_images
    signed = "?download=true" if isinstance(store, Site) else ""
    images = read_shards(shards(f"{store.url}/data/test-0.parquet{signed}"), places)
    assert images == local_images[:4]
