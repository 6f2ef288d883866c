"""The store and the embeddings as other programs read them."""

import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from components.data.decode import decode_square
from components.data.embeddings import read_embeddings, write_embeddings
from components.data.store import TEST, TRAIN, UNLABELLED, Row, Store, write_store
from components.params.base import InputError


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(file, format="PNG")
    return file.getvalue()


@pytest.fixture
def rows() -> list[Row]:
    images = [png(np.full((8, 8), value)) for value in (10, 20, 30)]
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
    images = Store(tmp_path).images(lambda b: decode_square(b, side=8, channels=1), (TRAIN, UNLABELLED))
    assert images.shape == (2, 1, 8, 8)
    assert images[:, 0, 0, 0].tolist() == [10, 20]


def test_an_empty_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no Parquet shards"):
        Store(tmp_path)


def test_other_sizes_are_scaled_to_cover_and_cut_in_the_middle() -> None:
    wide = np.zeros((10, 30), dtype=np.uint8)
    wide[:, 10:20] = 200
    assert decode_square(png(wide), side=10, channels=1).min() == 200, "the middle third is all that is left"
    assert decode_square(png(wide), side=5, channels=1).shape == (1, 5, 5)


def test_gray_becomes_three_equal_channels() -> None:
    pixels = decode_square(png(np.arange(64).reshape(8, 8)), side=8, channels=3)
    assert (pixels[0] == pixels[1]).all()
    assert (pixels[0] == np.arange(64).reshape(8, 8)).all()


def test_exif_orientation_is_obeyed() -> None:
    pixels = np.zeros((8, 8, 3), dtype=np.uint8)
    pixels[0] = 255  # a white line on top
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="PNG", exif=exif)
    turned = decode_square(file.getvalue(), side=8, channels=3)
    assert (turned[:, 7] == 255).all()
    assert (turned[:, 0] == 0).all()


def test_embeddings_come_back_as_they_went(rows: list[Row], tmp_path: Path) -> None:
    write_store(tmp_path, rows, ["cat", "dog"])
    features = np.arange(12, dtype=np.float32).reshape(3, 4)
    write_embeddings(tmp_path / "e.parquet", Store(tmp_path).table(["id", "split", "label"]), features)
    assert pq.read_schema(tmp_path / "e.parquet").field("embedding").type == pa.list_(pa.float32(), 4)
    read = read_embeddings(tmp_path / "e.parquet")
    assert read.ids.tolist() == ["s/0", "s/1", "s/2"]
    assert (read.features == features).all()
    assert read.labels.tolist() == [0, -1, 1]
    assert read.train[0].tolist() == [features[0].tolist()]
    assert read.test[1].tolist() == [1]
