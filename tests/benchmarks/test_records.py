"""A record says how it was made, and names no folder of the machine."""

import json
import sys
from pathlib import Path

import pytest

from benchmarks import records


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(records, "RESULTS", tmp_path)
    return tmp_path


def test_a_record_says_how_it_was_made(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        sys, "argv", ["/home/ada/project/benchmarks/speed.py", "--cifar10", "/home/ada/data", "--n", "3"]
    )
    records.write_record("speed", {"rate": 1.5}, "torch")
    written = json.loads((results / "speed.json").read_text())
    assert written["command"] == "python -m benchmarks.speed --cifar10 data --n 3"
    assert written["rate"] == 1.5
    assert {"processor", "cores", "accelerator", "python", "torch"} <= written["machine"].keys()
    assert "ada" not in (results / "speed.json").read_text()


def test_the_records_that_are_kept_name_no_folder_of_a_machine() -> None:
    for path in (Path(records.__file__).parent / "results").rglob("*.json"):
        text = path.read_text()
        assert not any(folder in text for folder in ("/home/", "/tmp/", "/Users/")), path


def test_the_spread_is_that_of_a_sample_and_one_value_has_none() -> None:
    assert records.deviation([1.0, 2.0, 3.0]) == pytest.approx(1.0)
    assert records.deviation([1.0]) is None
