"""The stage writes its table and numbers, says in a line what it found or why not, and changes nothing."""

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pydantic import ValidationError

from components.features.embeddings import Embeddings
from components.labels import __main__ as labels
from components.labels.params import Labels
from components.stage.errors import InputError
from components.store.store import UNLABELLED
from tests.labels.made import make_table, read_section
from tests.labels.test_hashed import FINDINGS
from tests.small import fill_store, write_embeddings

NAMES = ["ant", "bee", "cat", "dog"]
TRUTH = np.tile(np.arange(4), 40)


def write_inputs(root: Path, table: Embeddings) -> None:
    """Write store, embeddings and findings of these images."""
    named = [None if label < 0 else label for label in table.labels.tolist()]
    splits = table.splits.tolist()
    fill_store(root / "store", [np.zeros((8, 8))] * len(named), labels=named, splits=splits, names=NAMES)
    rows = pa.table({"id": table.ids, "split": splits, "label": pa.array(named, pa.int64())})
    write_embeddings(root / "embeddings" / "byol.parquet", rows, table.features)
    (root / "findings").mkdir()
    for name, text in FINDINGS.items():
        known = "id,split,kept,same_as,its_split,it_is_kept\n5,train,True,9,train,True\n"
        (root / "findings" / name).write_text(known if name == "repeated.csv" else text.splitlines()[0] + "\n")


def run(root: Path, params: Labels | None = None) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """Run the stage; return the numbers and the rows."""
    folders = {name: root / name for name in ("store", "embeddings", "findings")}
    files = {"suspects": root / "suspects" / "byol.csv", "metrics": root / "metrics" / "labels-byol.json"}
    labels.run(params or read_section(), features="byol", **folders, **files)
    with files["suspects"].open(newline="") as file:
        return json.loads(files["metrics"].read_text()), list(csv.DictReader(file))


def test_it_writes_what_was_found_by_kind_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = TRUTH.copy()
    given[[7, 30]] = (given[[7, 30]] + 1) % 4
    table = make_table(given, truth=TRUTH, test=40)
    table.features[9] = table.features[5]  # known by hash; both are trained on
    table.features[150] = table.features[2]  # a leak that no hash found
    table.features[11] = -40
    write_inputs(tmp_path, table)
    metrics, rows = run(tmp_path)
    by_kind = {kind: [row for row in rows if row["kind"] == kind] for kind in ("label", "outlier", "near_duplicate")}
    suspects = {row["id"]: row for row in by_kind["label"]}
    assert {"7", "30"} <= suspects.keys() <= {"7", "30", "11"}
    assert (suspects["7"]["label"], suspects["7"]["suggested"], suspects["7"]["path"]) == ("ant", "dog", "7.png")
    assert float(suspects["7"]["probability"]) > 0.5 > float(suspects["7"]["score"])
    assert [row["id"] for row in by_kind["outlier"]] == ["11"]
    pairs = {(row["id"], row["other"]): (row["leak"], row["by_hash"]) for row in by_kind["near_duplicate"]}
    assert pairs == {("5", "9"): ("no", "yes"), ("2", "150"): ("yes", "no")}
    found = metrics["byol"]
    assert (found["outliers"], found["near_duplicates"], found["found_by_hash"], found["leaks"]) == (1, 2, 1, 1)
    assert found["suspects"] == len(by_kind["label"])
    printed = capsys.readouterr().out
    assert f"labels byol: suspicious labels: {len(suspects)} of 160 (by classifiers that get 9" in printed
    assert "; outliers: 1; near-duplicate pairs: 2 (known by hash: 1, across train and test: 1) -> " in printed
    again = (tmp_path / "suspects" / "byol.csv").read_bytes()
    assert run(tmp_path) == (metrics, rows)
    assert (tmp_path / "suspects" / "byol.csv").read_bytes() == again


def test_without_labels_outliers_are_found_all_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = make_table(np.full(160, -1), truth=TRUTH)
    table.features[11] = -40
    write_inputs(tmp_path, replace(table, splits=np.full(160, UNLABELLED)))
    metrics, rows = run(tmp_path)
    assert [(row["kind"], row["id"], row["label"]) for row in rows] == [("outlier", "11", "")]
    assert metrics["byol"]["skipped"] == "labels are not judged: no image has a label"
    assert "suspects" not in metrics["byol"]
    assert "labels byol: labels are not judged: no image has a label\n" in capsys.readouterr().out


def test_a_collapsed_encoder_finds_nothing_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_inputs(tmp_path, replace(make_table(TRUTH), features=np.ones((160, 4), np.float32)))
    metrics, rows = run(tmp_path)
    assert rows == []
    assert metrics["byol"].keys() == {"images", "skipped"}
    assert capsys.readouterr().out.count("not looked for") == 1


def test_only_the_worst_rows_are_written_and_all_are_counted(tmp_path: Path) -> None:
    table = make_table(TRUTH)
    table.features[:8] = table.features[8]
    write_inputs(tmp_path, table)
    metrics, rows = run(tmp_path, read_section(most=3))
    assert metrics["byol"]["near_duplicates"] == 36
    assert sum(row["kind"] == "near_duplicate" for row in rows) == 3


def test_what_is_missing_or_of_other_images_is_named_before_any_work(tmp_path: Path) -> None:
    write_inputs(tmp_path, make_table(TRUTH))
    (tmp_path / "embeddings" / "byol.parquet").rename(tmp_path / "kept.parquet")
    with pytest.raises(InputError, match=r"byol.parquet: missing; `dvc repro embed` writes it"):
        run(tmp_path)
    (tmp_path / "kept.parquet").rename(tmp_path / "embeddings" / "byol.parquet")
    fill_store(tmp_path / "store", [np.zeros((8, 8))] * 3)
    with pytest.raises(InputError, match="not of the images in"):
        run(tmp_path)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"encoders": ["resnet"]}, "no encoder is called 'resnet'; there are byol, start, pixels, random"),
        ({"encoders": ["byol", "byol"]}, "encoders: each encoder once"),
        ({"folds": 1}, "folds"),
        ({"near_duplicate": 1.0}, "near_duplicate"),
        ({"outlier": 0.0}, "outlier"),
    ],
)
def test_settings_that_make_no_sense_are_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        read_section(**changes)
