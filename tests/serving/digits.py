"""A project with digits of which few have a label; the commands of dvc.yaml run in this process, within seconds."""

import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ruamel.yaml import YAML

from benchmarks.digit_files import DigitFiles
from components.stage import command
from tests.conftest import ROOT, set_params
from tests.small import encode_png

IMAGES, TESTED = 400, 200  # of the digits; the last are the test images
LABELLED = 10  # of the images to train on: one per class
SMALL: dict[str, Any] = {
    "data.sources": [{"kind": "manifest", "name": "digits", "url": "images/list.csv"}],
    "data.workers": 1,
    "pretrain.epochs": 5,
    "pretrain.batch_size": 50,
    "pretrain.optimiser.warmup_epochs": 2,
    "pretrain.watch.every_epochs": 5,
    "pretrain.watch.knn_queries": 0,
    "pretrain.watch.loggers": [],
    "select.strategies": ["random"],  # typiclust needs an encoder that was trained for longer
    "serving.decoders": 1,
    "index.map_images": 50,
    "evaluate.shared.labels_per_class": [1],
    "evaluate.shared.draws": 10,
    "evaluate.logistic.c_count": 3,
    "evaluate.logistic.c_low": 0.1,
    "evaluate.logistic.c_high": 10.0,
}


class DigitsProject:
    """A project in a folder, whose stages run one by one."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir()
        for name in ("dvc.yaml", "params.yaml"):
            shutil.copy2(ROOT / name, root / name)
        set_params(root / "params.yaml", SMALL)
        digits = DigitFiles(root / "images", seed=0)
        digits.hold(IMAGES)
        self.new, self.new_class = encode_png(digits.pixels[IMAGES]), str(digits.classes[IMAGES])  # not in the project
        self.graph: dict[str, Any] = YAML(typ="safe").load(root / "dvc.yaml")
        labels = np.full(IMAGES, -1)
        first = [int(np.flatnonzero(digits.classes == name)[0]) for name in range(LABELLED)]
        labels[first], labels[-TESTED:] = digits.classes[first], digits.classes[IMAGES - TESTED : IMAGES]
        self.truth: dict[str, str] = {}  # by id
        rows = ["path,label,split"]
        for number, (label, name) in enumerate(zip(labels, digits.classes[:IMAGES], strict=True)):
            path, split = f"{name}/{number:04}.png", "test" if number >= IMAGES - TESTED else "train"
            self.truth[f"digits/{path}"] = str(name)
            rows.append(f"{path},{label if label >= 0 else ''},{split if label >= 0 else ''}")
        (root / "images" / "list.csv").write_text("\n".join([*rows, ""]))

    def run(self, stage: str, **item: str) -> None:
        """Run the command that dvc.yaml has for a stage, as `dvc repro` would."""
        text = self.graph["stages"][stage]["cmd"]
        paths = self.graph["vars"][0]["path"]
        values = {f"path.{name}": path for name, path in paths.items()}
        values |= {f"item.{name}": value for name, value in item.items()} | {f"{stage}.launcher": "python -m"}
        words = re.sub(r"\$\{([\w.]+)\}", lambda found: values[found[1]], text).split()
        with self._inside(words[2:]):
            command.main(import_module(f"{words[2]}.__main__").run)

    @contextmanager
    def _inside(self, words: list[str]) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(self.root)
            patch.setattr(sys, "argv", words)
            patch.setattr(command, "end_with_dvc", lambda _: None)
            yield

    def read_metric(self, probe: str, metric: str) -> float:
        """Read a metric of the encoder."""
        content = YAML(typ="safe").load(self.root / "metrics" / f"{probe}.json")
        return float(content["byol"][metric])
