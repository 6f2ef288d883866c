"""Images that are too few, all alike or of odd sizes go through the whole graph, or are refused by a line.

Every stage runs in this process on tiny settings; where a stage refuses its input, those after it are not tried.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from ruamel.yaml import YAML

from components.embed import __main__ as embed
from components.evaluate import __main__ as evaluate
from components.fetch import __main__ as fetch
from components.pretrain import __main__ as pretrain
from components.report import __main__ as report
from components.stage.command import check_params
from components.stage.errors import InputError, RunError
from tests.conftest import ROOT, SHRUNKEN, set_in
from tests.faults.conftest import Campaign
from tests.report.unasked import leave_out

TINY: dict[str, Any] = SHRUNKEN | {
    "data.checks": {"max_unreadable_fraction": 1.0, "max_leaked_fraction": 1.0, "max_near_leaked_fraction": 1.0}
    | {"max_withheld_fraction": 1.0, "max_class_ratio": 1000.0, "leaked": "drop", "near_duplicate_bits": 4},
    "data.workers": 1,
    "pretrain.batch_size": 2,
    "pretrain.watch.collapse": 0,
    "pretrain.watch.loggers": [],
    "evaluate.linear.learning_rates": [0.1],
    "evaluate.linear.weight_decays": [0.0],
    "evaluate.verification.pairs_per_fold": 10,
    "evaluate.finetune.epochs": 1,
    "evaluate.finetune.min_steps": 2,
    "evaluate.finetune.fractions": [1.0],
    "evaluate.finetune.learning_rates": [0.03],
    "evaluate.logistic.max_iterations": 10,
    "evaluate.robustness.images": 10,
    "evaluate.robustness.pgd_steps": 1,
}
Draw = Callable[[int], np.ndarray]


def noise(height: int = 10, width: int = 10) -> Draw:
    return lambda number: np.random.default_rng(number).integers(0, 256, (height, width), dtype=np.uint8)


def same(value: int, side: int = 10) -> Draw:
    return lambda _: np.full((side, side), value, np.uint8)


def write_images(folder: Path, draw: Draw, splits: dict[str, list[int]]) -> dict[str, Any]:
    """Write so many images of each class into each split, and return the source."""
    number = 0
    for split, sizes in splits.items():
        for name, size in enumerate(sizes):
            place = folder / split / (f"class {name}" if split != "unlabelled" else "")
            place.mkdir(parents=True, exist_ok=True)
            for _ in range(size):
                Image.fromarray(draw(number)).save(place / f"{number}.png")
                number += 1
    return {"kind": "folder", "name": "mine", "url": str(folder), "layout": "splits"}


CASES: dict[str, tuple[Draw, dict[str, list[int]]]] = {
    "one image": (noise(), {"train": [1]}),
    "one unlabelled image": (noise(), {"unlabelled": [1]}),
    "two images": (noise(), {"train": [1], "test": [1]}),
    "two images of two classes": (noise(), {"train": [1, 0], "test": [0, 1]}),
    "three images": (noise(), {"train": [1, 1], "test": [1]}),
    "one class": (noise(), {"train": [20], "test": [10]}),
    "classes of one image": (noise(), {"train": [1] * 12, "test": [1] * 12}),
    "one image in one of two classes": (noise(), {"train": [20, 1], "test": [10, 1]}),
    "other classes in the test split": (noise(), {"train": [10, 10, 0, 0], "test": [0, 0, 5, 5]}),
    "all black": (same(0), {"train": [10, 10], "test": [5, 5]}),
    "all white": (same(255), {"train": [10, 10], "test": [5, 5]}),
    "flat images": (lambda n: np.full((9, 9), n * 7 % 256, np.uint8), {"train": [10, 10], "test": [5, 5]}),
    "two different images, repeated": (lambda n: noise()(n % 2), {"train": [10, 10], "test": [5, 5]}),
    "one pixel": (noise(1, 1), {"train": [10, 10], "test": [5, 5]}),
    "a row of pixels": (noise(1, 40), {"train": [10, 10], "test": [5, 5]}),
    "no test split": (noise(), {"train": [10, 10]}),
    "only a test split": (noise(), {"test": [10, 10]}),
    "no labels": (noise(), {"unlabelled": [30]}),
    "one label": (noise(), {"train": [1], "unlabelled": [30]}),
    "one test image": (noise(), {"train": [10, 10], "test": [1]}),
    "1,000 classes": (noise(8, 8), {"train": [1] * 1000, "test": [1] * 200 + [0] * 800}),
    "1 x 20,000 pixels": (noise(1, 20_000), {"train": [4, 4], "test": [2, 2]}),
    "20,000 x 1 pixels": (noise(20_000, 1), {"train": [4, 4], "test": [2, 2]}),
}
QUICK = ("one image", "two images of two classes")  # these end at pretrain; a whole graph takes 10 s
PROBES = ("knn", "linear", "logistic", "retrieval", "verification", "finetune", "robustness", "health")


def read_settings(source: dict[str, Any], probes: tuple[str, ...]) -> Any:
    raw = YAML(typ="safe").load(ROOT / "params.yaml")
    for key, value in (TINY | {"data.sources": [source], "evaluate.probes": list(probes)}).items():
        set_in(raw, key.split("."), value)
    return check_params(raw, Path("params.yaml"))


def run_graph(folder: Path, params: Any) -> str:
    """Run every stage on the folder; return the line of the stage that refused its input, or an empty text."""
    store, encoder, embeddings, metrics = (folder / name for name in ("store", "encoder", "embeddings", "metrics"))
    predictions, plots, scratch = (folder / name for name in ("predictions", "plots", "scratch"))
    try:
        paths = {"labels": folder / "labels", "findings": folder / "findings"}
        fetch.run(params.data, store=store, metrics=metrics / "data.json", scratch=scratch, **paths)
        curve, views = plots / "pretrain" / "curve.csv", plots / "pretrain" / "views.png"
        logs = {
            "scratch": scratch,
            "live": folder / "live",
            "starts": folder / "starts",
            "metrics": metrics / "pretrain.json",
        }
        pretrain.run(params.pretrain, store=store, encoder=encoder, curve=curve, views=views, **logs)
        embed.run(params.embed, store=store, encoder=encoder, embeddings=embeddings)
        inputs = {"store": store, "encoder": encoder, "embeddings": embeddings}
        for probe in params.evaluate.probes:
            outputs = {"metrics": metrics / f"{probe}.json", "predictions": predictions / f"{probe}.parquet"}
            evaluate.run(params.evaluate, probe=probe, **inputs, **outputs, plots=plots / probe)
        outputs = {"predictions": predictions, "plots": plots, "metrics": metrics, "report": folder / "index.html"}
        none, folders = leave_out(params, folder)
        outputs |= {"card": encoder / "README.md"}
        report.run(params.report, params.evaluate, *none, **inputs, **outputs, **folders)
    except (InputError, RunError) as error:
        return str(error)
    assert (folder / "index.html").stat().st_size > 10_000
    assert "## Quantitative analyses" in (encoder / "README.md").read_text()
    return ""


@pytest.mark.filterwarnings("ignore")
def test_degenerate_images_through_the_graph(campaign: Campaign, tmp_path: Path) -> None:
    for number, (name, (draw, splits)) in enumerate(CASES.items()):
        if not campaign.whole and name not in QUICK:
            continue
        with campaign.trial(name):
            folder = tmp_path / str(number)
            source = write_images(folder / "images", draw, splits)
            line = run_graph(folder, read_settings(source, PROBES if campaign.whole else ("knn",)))
            print(f"{name}: {line}")
            assert len(line) < 1500
            assert "\n" not in line
