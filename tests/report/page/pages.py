"""Writes small folders like those that earlier stages leave, and renders the page that the report makes of them.

Each class has a colour that its images share, and embeddings near each other, so that what belongs together is known.
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

from components.encoder.saved import Begun
from components.report import __main__ as report
from components.report.page.inputs import PREDICTED, RELIABILITY, Inputs, read_probes
from components.report.page.suspects import COLUMNS, read_suspects
from components.report.params import Report
from components.report.verdict import reach_verdict
from components.stage.command import read_params
from components.store.store import TEST, TRAIN, UNLABELLED, Row, Store, write_store
from tests.conftest import ROOT
from tests.small import RGB, encode_png, write_embeddings

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
    "depths": [],
    "class_ratio": 2.0,
    "classes_without_train": 0,
    "classes_without_test": 0,
    "formats": {"JPEG": 3, "GIF": 1},
    "sizes": {axis: {"min": 4, "median": 6, "max": 1200} for axis in ("width", "height")},
    "channels": {"mean": [0.5, 0.25, 0.125], "std": [0.3, 0.2, 0.1]},
    **dict.fromkeys(("rejected", "unreadable", "no_images", "odd", "repeated", "repeated_with_other_labels"), 0),
    **dict.fromkeys(("merged", "withheld", "leaked", "dropped", "nearly_leaked", "nearly_repeated"), 0),
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


def make_estimate(name: str, value: float) -> dict[str, float]:
    return {name: value, f"{name}_low": value - 0.1, f"{name}_high": value + 0.05}


@dataclass(frozen=True)
class Folder:
    """A folder of stage outputs; `names` are the classes', `splits` and `labels` (-1: none) the images'."""

    root: Path
    names: list[str]
    labels: list[int]
    splits: list[str]
    side: int = 8
    probes: dict[str, Any] = field(default_factory=dict)  # metrics/<probe>.json by probe
    suspects: list[str] = field(default_factory=list)  # encoders by which the stage labels ran

    def write_all(self) -> "Folder":
        """Write all outputs of the earlier stages."""
        generator = np.random.default_rng(0)
        rows, features = [], []
        for number, (label, split) in enumerate(zip(self.labels, self.splits, strict=True)):
            hue = (label if label >= 0 else number) / max(len(self.names), 3)
            colour = 255 * np.array(colorsys.hsv_to_rgb(hue, 1, 1))
            image = colour + generator.normal(0, 40, (self.side, self.side, 3))
            known = label if label >= 0 else None
            rows.append(Row(f"{number}.png", encode_png(image.clip(0, 255)), f"{number}.png", known, split))
            features.append(np.eye(16)[label % 16] + generator.normal(0, 0.1, 16))
        write_store(self.root / "store", rows, self.names)
        table = Store(self.root / "store").read_columns(["id", "split", "label"])
        write_embeddings(self.root / "embeddings" / "byol.parquet", table, np.array(features))
        self.write_text("metrics/pretrain.json", json.dumps(PRETRAIN))
        sizes = {axis: dict.fromkeys(("min", "median", "max"), self.side) for axis in ("width", "height")}
        counted = CLEAN | {"test": self.splits.count(TEST), "sizes": sizes}
        self.write_text("metrics/data.json", json.dumps(counted))
        self.write_text("plots/pretrain/curve.csv", CURVE)
        (self.root / "plots" / "pretrain" / "views.png").write_bytes(encode_png(np.zeros((8, 8, 3))))
        for name in self.probes:
            self.write_metrics(name)
        return self

    def write_metrics(self, probe: str) -> None:
        """Write metrics/<probe>.json, and predictions of nothing where there are none."""
        self.write_text(f"metrics/{probe}.json", json.dumps(self.probes[probe]))
        predictions = self.root / "predictions" / f"{probe}.parquet"
        if not predictions.is_file():
            predictions.parent.mkdir(exist_ok=True)
            pq.write_table(pa.schema(PREDICTED).empty_table(), predictions)

    def write_suspects(self, encoder: str, rows: list[dict[str, str]], **metrics: Any) -> None:
        """Write what the stage labels found by an encoder."""
        self.suspects.append(encoder)
        lines = [",".join(f'"{row.get(name, "")}"' for name in COLUMNS) for row in rows]
        self.write_text(f"suspects/{encoder}.csv", "\n".join([",".join(COLUMNS), *lines]) + "\n")
        self.write_text(f"metrics/labels-{encoder}.json", json.dumps({encoder: metrics}))

    def write_text(self, name: str, text: str) -> None:
        """Write a file of text."""
        (self.root / name).parent.mkdir(parents=True, exist_ok=True)
        (self.root / name).write_text(text)

    def write_predictions(
        self, probe: str, predicted: dict[str, int], *, first: int | None = None, **scores: float
    ) -> None:
        """Write predictions/<probe>.parquet of the first test images or all: ours are right but for `predicted`, by
        id; another encoder's are wrong."""
        tested = [n for n, split in enumerate(self.splits) if split == TEST][:first]
        ids, actual = [f"{n}.png" for n in tested], [self.labels[n] for n in tested]
        ours = [predicted.get(name, label) for name, label in zip(ids, actual, strict=True)]
        columns: dict[str, Any] = {"id": ids * 2, "encoder": ["byol"] * len(ids) + ["pixels"] * len(ids)}
        columns |= {"actual": actual * 2, "predicted": ours + [(label + 1) % len(self.names) for label in actual]}
        columns |= {name: [value] * len(ids) + [0.0] * len(ids) for name, value in scores.items()}
        (self.root / "predictions").mkdir(exist_ok=True)
        pq.write_table(pa.table(columns), self.root / "predictions" / f"{probe}.parquet")

    @cached_property
    def inputs(self) -> Inputs:
        """The inputs of the page as the stage reads them."""
        metrics = self.root / "metrics"
        data, pretrain = (json.loads((metrics / f"{name}.json").read_text()) for name in ("data", "pretrain"))
        folders = {name: self.root / name for name in ("embeddings", "predictions", "plots")}
        probes = read_probes(metrics, list(self.probes))
        classifier = json.loads(file.read_text()) if (file := metrics / "classifier.json").exists() else {}
        found = read_suspects(self.root / "suspects", metrics, self.suspects)
        return Inputs(data, pretrain, probes, classifier, Store(self.root / "store"), RGB, **folders, suspects=found)

    def render(self, start: Begun | None = None, **changes: int) -> str:
        """Render the page with the sizes of params.yaml, except for the changes."""
        return report.render_page(
            self.inputs,
            read_settings(**changes),
            reach_verdict(self.inputs),
            {"method": "BYOL, arXiv 2006.07733", "params": {"objective": "byol"}, "seed": 0},
            start,
        )


def read_settings(**changes: int) -> Report:
    """Read the shipped section `report`, and apply the changes."""
    section: Report = read_params(ROOT / "params.yaml").report
    return section.model_copy(update=changes)


def make_accuracies(byol: float) -> dict[str, dict[str, float]]:
    """Make the metrics of a classifier: our accuracy from all labels is `byol`, the other accuracies are lower."""
    keys = {"accuracy": 0.0, "accuracy_2_per_class": 0.2, "accuracy_1_percent": 0.3}
    values = {"byol": byol, "pixels": byol - 0.1, "random": byol - 0.2}
    return {
        encoder: {name: end for key, less in keys.items() for name, end in make_estimate(key, value - less).items()}
        for encoder, value in values.items()
    }


def write_labelled(root: Path, *, names: list[str], each: int = 8, side: int = 8) -> Folder:
    """Write a folder with `each` images of each class, half of them for testing, three probes and two mistakes."""
    labels = [label for label in range(len(names)) for _ in range(each)]
    splits = [TRAIN, TEST] * (len(labels) // 2)
    retrieval = {encoder: make_estimate("map", 0.7) for encoder in ("random", "byol", "pixels")}
    probes = {"logistic": make_accuracies(0.8), "retrieval": retrieval, "knn": make_accuracies(0.7)}
    folder = Folder(root, names, labels, splits, side, probes).write_all()
    folder.write_predictions("knn", {"1.png": 1, "3.png": 1})
    folder.write_predictions("retrieval", {}, map=0.7)
    folder.write_text("plots/retrieval/precision.csv", "rank,byol,pixels,random\n1,0.9,0.8,0.7\n2,0.8,0.7,0.6\n")
    return folder


def write_classifier(folder: Folder, metrics: dict[str, Any], bins: str) -> None:
    """Write what the stage classifier leaves: its metrics, and the rows of reliability.csv."""
    folder.write_text("metrics/classifier.json", json.dumps({"byol": metrics}))
    folder.write_text("plots/classifier/reliability.csv", ",".join(["from", "to", *RELIABILITY]) + "\n" + bins)


def write_unlabelled(root: Path, images: int = 12) -> Folder:
    """Write a folder without classes and test split, where probes that need labels were skipped."""
    probes = {name: {encoder: {"skipped": SKIPPED} for encoder in ("byol", "pixels")} for name in ("knn", "retrieval")}
    health = {"health": {"byol": {"rank_me": 3.5, "images": 12}}}
    return Folder(root, [], [-1] * images, [UNLABELLED] * images, 8, probes | health).write_all()
