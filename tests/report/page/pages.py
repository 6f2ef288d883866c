"""Folders as earlier stages leave them, small, and the page that the report makes of them.

K classes, each a colour that its images and embeddings share, so that what belongs together is known.
"""

import colorsys
import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components.features.embeddings import write_embeddings
from components.report import __main__ as report
from components.report.page.inputs import Inputs, read_probes
from components.report.params import Report
from components.stage.command import read_params
from components.store.store import TEST, TRAIN, UNLABELLED, Row, Store, write_store
from tests.conftest import ROOT
from tests.small import png

CLEAN: dict[str, Any] = {  # metrics/data.json
    "images": 5,
    "classes": 2,
    "bytes": 2_500_000,
    "train": 3,
    "test": 1,
    "unlabelled": 0,
    "sources": {"bees": 4},
    "by_class": [
        {"class": "ant", "train": 2, "test": 1, "unlabelled": 0},
        {"class": "bee", "train": 1, "test": 0, "unlabelled": 0},
    ],
    "class_ratio": 2.0,
    "classes_without_train": 0,
    "classes_without_test": 0,
    "formats": {"JPEG": 3, "GIF": 1},
    "sizes": {axis: {"min": 4, "median": 6, "max": 1200} for axis in ("width", "height")},
    "channels": {"mean": [0.5, 0.25, 0.125], "std": [0.3, 0.2, 0.1]},
    **dict.fromkeys(("rejected", "unreadable", "no_images", "odd", "repeated", "repeated_with_other_labels"), 0),
    **dict.fromkeys(("leaked", "dropped", "nearly_leaked", "nearly_repeated"), 0),
    "rejected_files": [],
    "odd_images": [],
    "leaked_images": [],
}
PRETRAIN = {
    "images": 6,
    "epochs": 2,
    "loss": 0.5,
    "z_std": 0.1,
    "rank_me": 3.2,
    "seconds": 7.0,
    "images_per_second": 9.0,
}
CURVE = "epoch,loss,learning_rate,tau,z_std,rank_me,knn\n1,2.5,0.1,0.99,,,\n2,0.5,0.0,1.0,0.1,3.2,\n"
SKIPPED = "needs labelled images in both splits, and train has none"


def estimate(name: str, value: float) -> dict[str, float]:
    return {name: value, f"{name}_low": value - 0.1, f"{name}_high": value + 0.05}


@dataclass(frozen=True)
class Folder:
    """What stands there; `names` are the classes', `splits` and `labels` (-1: none) the images'."""

    root: Path
    names: list[str]
    labels: list[int]
    splits: list[str]
    side: int = 8
    probes: dict[str, Any] = field(default_factory=dict)  # metrics/<probe>.json by probe

    def write(self) -> "Folder":
        """All of it."""
        generator = np.random.default_rng(0)
        rows, features = [], []
        for number, (label, split) in enumerate(zip(self.labels, self.splits, strict=True)):
            hue = (label if label >= 0 else number) / max(len(self.names), 3)
            colour = 255 * np.array(colorsys.hsv_to_rgb(hue, 1, 1))
            image = colour + generator.normal(0, 40, (self.side, self.side, 3))
            known = label if label >= 0 else None
            rows.append(Row(f"{number}.png", png(image.clip(0, 255)), f"{number}.png", known, split))
            features.append(np.eye(16)[label % 16] + generator.normal(0, 0.1, 16))
        write_store(self.root / "store", rows, self.names)
        table = Store(self.root / "store").table(["id", "split", "label"])
        write_embeddings(self.root / "embeddings" / "byol.parquet", table, np.array(features))
        self.put("metrics/pretrain.json", json.dumps(PRETRAIN))
        sizes = {axis: dict.fromkeys(("min", "median", "max"), self.side) for axis in ("width", "height")}
        counted = CLEAN | {"test": self.splits.count(TEST), "sizes": sizes}
        self.put("metrics/data.json", json.dumps(counted))
        self.put("plots/pretrain/curve.csv", CURVE)
        (self.root / "plots" / "pretrain" / "views.png").write_bytes(png(np.zeros((8, 8, 3))))
        for name, metrics in self.probes.items():
            self.put(f"metrics/{name}.json", json.dumps(metrics))
        return self

    def put(self, name: str, text: str) -> None:
        """A file of text."""
        (self.root / name).parent.mkdir(parents=True, exist_ok=True)
        (self.root / name).write_text(text)

    def predict(self, probe: str, predicted: dict[str, int], **scores: float) -> None:
        """predictions/<probe>.parquet: all test images right but for some, by id; another encoder is all wrong."""
        tested = [n for n, split in enumerate(self.splits) if split == TEST]
        ids, actual = [f"{n}.png" for n in tested], [self.labels[n] for n in tested]
        ours = [predicted.get(name, label) for name, label in zip(ids, actual, strict=True)]
        columns: dict[str, Any] = {"id": ids * 2, "encoder": ["byol"] * len(ids) + ["pixels"] * len(ids)}
        columns |= {"actual": actual * 2, "predicted": ours + [(label + 1) % len(self.names) for label in actual]}
        columns |= {name: [value] * len(ids) + [0.0] * len(ids) for name, value in scores.items()}
        (self.root / "predictions").mkdir(exist_ok=True)
        pq.write_table(pa.table(columns), self.root / "predictions" / f"{probe}.parquet")

    @cached_property
    def inputs(self) -> Inputs:
        """As the stage reads them."""
        metrics = self.root / "metrics"
        data, pretrain = (json.loads((metrics / f"{name}.json").read_text()) for name in ("data", "pretrain"))
        folders = {name: self.root / name for name in ("embeddings", "predictions", "plots")}
        probes = read_probes(metrics, list(self.probes))
        return Inputs(data, pretrain, probes, Store(self.root / "store"), **folders)

    def page(self, **changes: int) -> str:
        """With the sizes of params.yaml but for some."""
        return report.draw(
            self.inputs,
            settings(**changes),
            {"method": "BYOL, arXiv 2006.07733", "params": {"objective": "byol"}, "seed": 0},
        )


def settings(**changes: int) -> Report:
    """The shipped section but for those."""
    section: Report = read_params(ROOT / "params.yaml").report
    return section.model_copy(update=changes)


def accuracies(byol: float) -> dict[str, dict[str, float]]:
    """Of a classifier: ours from all labels is `byol`, the others' are less."""
    keys = {"accuracy": 0.0, "accuracy_2_per_class": 0.2, "accuracy_1_percent": 0.3}
    of = {"byol": byol, "pixels": byol - 0.1, "random": byol - 0.2}
    return {
        encoder: {name: found for key, less in keys.items() for name, found in estimate(key, value - less).items()}
        for encoder, value in of.items()
    }


def labelled(root: Path, *, names: list[str], each: int = 8, side: int = 8) -> Folder:
    """So many images of each class, every other one for testing; three probes, two mistakes and their curves."""
    labels = [label for label in range(len(names)) for _ in range(each)]
    splits = [TRAIN, TEST] * (len(labels) // 2)
    retrieval = {encoder: estimate("map", 0.7) for encoder in ("random", "byol", "pixels")}
    probes = {"logistic": accuracies(0.8), "retrieval": retrieval, "knn": accuracies(0.7)}
    folder = Folder(root, names, labels, splits, side, probes).write()
    folder.predict("knn", {"1.png": 1, "3.png": 1})
    folder.predict("retrieval", {}, map=0.7)
    folder.put("plots/retrieval/precision.csv", "rank,byol,pixels,random\n1,0.9,0.8,0.7\n2,0.8,0.7,0.6\n")
    return folder


def unlabelled(root: Path, images: int = 12) -> Folder:
    """No class, no test split; what needs labels was skipped."""
    probes = {name: {encoder: {"skipped": SKIPPED} for encoder in ("byol", "pixels")} for name in ("knn", "retrieval")}
    health = {"health": {"byol": {"rank_me": 3.5, "images": 12}}}
    return Folder(root, [], [-1] * images, [UNLABELLED] * images, 8, probes | health).write()
