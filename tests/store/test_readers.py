"""Tests that other programs read the store: Hugging Face datasets, DuckDB and pandas themselves."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from components.store import store as module
from components.store.store import TEST, TRAIN, UNLABELLED
from tests.small import CLASSES, fill_store, make_grays

SPLIT_OF = [TRAIN, TEST, TRAIN, UNLABELLED, TRAIN]
LABELS = [0, 1, 2, None, 0]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write five grays of three classes in several shards."""
    monkeypatch.setattr(module, "GROUP_ROWS", 2)
    monkeypatch.setattr(module, "SHARD_BYTES", 1)
    fill_store(tmp_path / "store", make_grays(5), labels=LABELS, splits=SPLIT_OF)
    assert len(list((tmp_path / "store").iterdir())) == 3
    return tmp_path / "store"


def test_hugging_face_datasets_gives_images_and_named_classes(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    import datasets

    loaded = datasets.load_dataset(
        "parquet", data_files=str(store / "*.parquet"), split="train", cache_dir=str(tmp_path / "cache")
    )
    assert [np.asarray(row["image"]).max() for row in loaded] == [0, 1, 2, 3, 4]
    assert loaded.features["label"].names == CLASSES
    assert loaded["label"][:] == LABELS
    assert loaded["split"][:] == SPLIT_OF


def test_duckdb_counts_and_reads_it_by_sql(store: Path) -> None:
    import duckdb

    counted = duckdb.sql(f"SELECT split, count(*) FROM '{store}/*.parquet' GROUP BY split ORDER BY split").fetchall()
    assert counted == [(TEST, 1), (TRAIN, 3), (UNLABELLED, 1)]
    [(encoded,)] = duckdb.sql(f"SELECT image.bytes FROM '{store}/*.parquet' WHERE id = '3'").fetchall()
    assert np.asarray(Image.open(io.BytesIO(encoded))).max() == 3


def test_pandas_reads_it_as_a_table(store: Path) -> None:
    import pandas

    table = pandas.read_parquet(store)
    assert table["split"].tolist() == SPLIT_OF
    assert table["label"].isna().tolist() == [False, False, False, True, False]
    assert np.asarray(Image.open(io.BytesIO(table["image"][4]["bytes"]))).max() == 4
