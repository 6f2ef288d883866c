"""evaluate: known answers on embeddings whose classes are perfectly apart, or not there at all."""

import csv
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from components import evaluate, stage
from components.data.embeddings import write_embeddings
from components.params.base import InputError
from components.params.evaluate import Evaluate
from tests.conftest import ROOT, SHRUNKEN, set_params

CLASSES, PER_CLASS = 5, 40


@pytest.fixture
def params(tmp_path: Path) -> Evaluate:
    path = tmp_path / "params.yaml"
    path.write_text((ROOT / "params.yaml").read_text())
    set_params(path, SHRUNKEN | {"evaluate.linear.epochs": 30})
    read: Evaluate = stage.read_params(path).evaluate
    return read


def write(folder: Path, labelled: bool = True) -> None:
    """`byol` tells the classes perfectly; `random` is noise."""
    generator = np.random.default_rng(0)
    labels = np.tile(np.arange(CLASSES), PER_CLASS)
    splits = np.where(np.arange(len(labels)) < len(labels) // 2, "train", "test")
    rows = pa.table(
        {
            "id": [str(n) for n in range(len(labels))],
            "split": splits.tolist() if labelled else ["unlabelled"] * len(labels),
            "label": pa.array(labels.tolist() if labelled else [None] * len(labels), pa.int64()),
        }
    )
    apart = 10 * np.eye(CLASSES)[labels] + generator.normal(0, 0.1, (len(labels), CLASSES))
    write_embeddings(folder / "byol.parquet", rows, apart)
    write_embeddings(folder / "random.parquet", rows, generator.normal(0, 1, apart.shape))


def run(params: Evaluate, probe: str, folder: Path) -> dict[str, dict[str, float]]:
    evaluate.run(
        params,
        probe=probe,
        embeddings=folder / "embeddings",
        metrics=folder / "metrics.json",
        confusion=folder / "confusion.csv",
        few_labels=folder / "few_labels.csv",
    )
    metrics: dict[str, dict[str, float]] = json.loads((folder / "metrics.json").read_text())
    return metrics


@pytest.mark.parametrize("probe", ["knn", "linear", "logistic"])
def test_classes_that_are_apart_are_told_and_noise_is_chance(probe: str, params: Evaluate, tmp_path: Path) -> None:
    write(tmp_path / "embeddings")
    metrics = run(params, probe, tmp_path)
    assert metrics["byol"]["accuracy"] == 1
    assert metrics["byol"]["accuracy_2_per_class"] == 1
    assert metrics["byol"]["accuracy_low"] > 0.95
    assert metrics["random"]["accuracy_low"] < 1 / CLASSES < metrics["random"]["accuracy_high"]
    assert metrics["random"]["accuracy_2_per_class"] == pytest.approx(1 / CLASSES, abs=0.07)


def test_plots_hold_every_test_image_and_every_encoder(params: Evaluate, tmp_path: Path) -> None:
    write(tmp_path / "embeddings")
    metrics = run(params, "knn", tmp_path)
    with (tmp_path / "confusion.csv").open() as file:
        confusion = list(csv.DictReader(file))
    assert len(confusion) == CLASSES * PER_CLASS // 2
    assert all(row["actual"] == row["predicted"] for row in confusion)
    with (tmp_path / "few_labels.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert rows == [{"labels_per_class": "2", "byol": "1.0", "random": str(metrics["random"]["accuracy_2_per_class"])}]


def test_the_same_seed_gives_the_same_numbers(params: Evaluate, tmp_path: Path) -> None:
    write(tmp_path / "embeddings")
    assert run(params, "linear", tmp_path) == run(params, "linear", tmp_path)


def test_an_empty_folder_or_an_unknown_probe_ruins_nothing(params: Evaluate, tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_text("kept")
    with pytest.raises(InputError, match=r"no byol\.parquet"):
        run(params, "knn", tmp_path)
    with pytest.raises(InputError, match="no probe is called 'svm'"):
        run(params, "svm", tmp_path)
    assert (tmp_path / "metrics.json").read_text() == "kept"


def test_nothing_labelled_is_said_in_one_line(params: Evaluate, tmp_path: Path) -> None:
    write(tmp_path / "embeddings", labelled=False)
    with pytest.raises(InputError, match="no labelled images in both train and test"):
        run(params, "knn", tmp_path)
