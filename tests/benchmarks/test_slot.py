"""The dry run of a slot: every part runs from end to end, with sizes for a CPU."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.slot.__main__ import PARTS, main
from benchmarks.slot.given import shorten_name
from tests.benchmarks.packing import draw_images, pack
from tests.conftest import ROOT


def list_arguments(folder: Path, *arguments: str) -> list[str]:
    return ["--data", str(folder / "data"), "--out", str(folder / "out"), "--tiny", *arguments]


def run_slot(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.slot", *list_arguments(folder, *arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def begin_here(monkeypatch: pytest.MonkeyPatch, folder: Path, *arguments: str) -> None:
    """Begin a slot in this process, which takes it seconds less to import everything."""
    monkeypatch.setattr("sys.argv", ["slot", *list_arguments(folder, *arguments)])
    main()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with random images in `data`."""
    folder = tmp_path_factory.mktemp("slot")
    images, labels = draw_images(3000)
    pack(folder / "data", images, labels, first=1500)
    return folder


@pytest.mark.slow
def test_every_part_writes_its_record_and_nothing_fails(folder: Path) -> None:
    done = run_slot(folder, "--seconds", "300", "--scratch", str(folder / "scratch"))
    assert done.returncode == 0, done.stderr
    for part in PARTS:
        record = json.loads((folder / "out" / f"slot-{part}-cpu-tiny.json").read_text())
        assert record["command"].startswith("python -m benchmarks.slot ")
        assert record["machine"]["torch"]
        assert record["measurements"], part
        for name, numbers in record["measurements"].items():
            assert "failed" not in numbers, (part, name, numbers)
            assert "not_measured" in numbers or any(isinstance(value, int | float) for value in numbers.values())
            assert name in done.stdout
    measured = json.loads((folder / "out" / "slot-step-cpu-tiny.json").read_text())["measurements"]
    assert measured["whole step"]["share_of_ceiling"] > 0
    candidate = json.loads((folder / "out" / "slot-candidate-adam-weak-views-cpu-tiny.json").read_text())
    assert candidate["complete"]
    assert candidate["scores"].keys() >= {"held_out_knn", "linear_accuracy", "knn_accuracy"}
    again = run_slot(folder, "--seconds", "60", "--only", "recipe-first")
    assert "is complete" in again.stdout, "a candidate is not trained twice"


def test_a_slot_without_time_measures_nothing_and_says_so(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin_here(monkeypatch, folder, "--seconds", "0", "--only", "step", "--out", str(tmp_path))
    record = json.loads((tmp_path / "slot-step-cpu-tiny.json").read_text())
    assert record["measurements"] == {"all": {"not_measured": "the slot's time is spent"}}


def test_a_slot_needs_neither_dvc_nor_prefect(folder: Path) -> None:
    """They are not on a machine that is at hand for minutes."""
    look = (
        "import sys, benchmarks.slot.__main__, benchmarks.slot.speed, benchmarks.slot.recipes, benchmarks.slot.variants"
    )
    ask = f"{look}; print([name for name in ('dvc', 'prefect', 'pyarrow', 'albumentations') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", ask], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(("arguments", "word"), [(["--only", "stepp"], "stepp"), (["--data", "/nowhere"], "/nowhere")])
def test_a_slip_ends_with_one_line(
    folder: Path,
    arguments: list[str],
    word: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit, match="2"):
        begin_here(monkeypatch, folder, "--seconds", "9", *arguments)
    assert word in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    ("name", "short"),
    [("NVIDIA H100 80GB HBM3", "h100"), ("NVIDIA A100-SXM4-40GB", "a100"), ("NVIDIA GeForce RTX 4090", "4090")],
)
def test_a_record_is_named_after_its_card(name: str, short: str) -> None:
    assert shorten_name(name) == short
