"""Metrics and curves that hold something else are told by file and key, and never by a trace in the page's making."""

import json
from pathlib import Path

import pytest

from components.report.page.measured import read_columns, read_metrics
from components.stage.errors import InputError
from tests.report.page import pages

TEXTS = ["", "{", "null", "[]", "[" * 100_000, '"x"', '{"images": NaN}', "{}", "\x00"]


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
@pytest.mark.parametrize("name", ["data", "pretrain"])
def test_what_are_no_metrics_is_one_line(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / f"{name}.json").write_text(text)
    with pytest.raises(InputError, match=rf"{name}\.json: .*; `dvc repro") as caught:
        read_metrics(tmp_path / f"{name}.json")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "key"),
    [
        ("data", pages.CLEAN | {"images": "many"}, "images: Input should be a valid integer"),
        ("data", {key: value for key, value in pages.CLEAN.items() if key != "sizes"}, "sizes: Field required"),
        ("data", pages.CLEAN | {"by_class": [{"class": "ant"}]}, "by_class.0.train: Field required"),
        ("pretrain", pages.PRETRAIN | {"z_std": "low"}, "z_std"),
        ("pretrain", pages.PRETRAIN | {"epochs": -3}, "epochs: Input should be greater"),
        ("knn", {"byol": {"accuracy": None}}, "byol.accuracy: Input should be a valid number"),
        ("knn", {"byol": {"accuracy": float("nan")}}, "byol.accuracy: Input should be a finite number"),
        ("knn", {"byol": 0.5}, "byol: Input should be"),
    ],
)
def test_the_key_that_is_wrong_is_named(name: str, content: object, key: str, tmp_path: Path) -> None:
    (tmp_path / f"{name}.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=rf"{name}\.json: {key}"):
        read_metrics(tmp_path / f"{name}.json")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no header"),
        ("epoch,loss\n1\n", "a row that does not fit it"),
        ("epoch,epoch\n1,2\n", "a row that does not fit it"),
        ("epoch,loss\n1,low\n", "could not convert string to float: 'low'"),
        ("epoch,loss\n1,nan\n", "a number that is not finite"),
        ('epoch,loss\n1,"2\n', "cannot be read as CSV"),
        ("epoch,l\xff\n1,2\n", "cannot be read as CSV"),
    ],
)
def test_what_is_no_curve_is_one_line(text: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "curve.csv").write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=rf"curve\.csv: .*{reason}.*; `dvc repro pretrain` writes it"):
        read_columns(tmp_path / "curve.csv", "pretrain")
