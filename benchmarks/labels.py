"""Measures how many labels that were made wrong on purpose the stage labels finds, and how many others it accuses.

`python -m benchmarks.labels --root ROOT --seeds 0 1 2`, after the demo has run, writes benchmarks/results/labels.json.
5 % of the train labels are set to another class, drawn at random; the suspicions among the train images are held
against them. The digits have the demo's embeddings; CIFAR-10's first images have those of EfficientNet-Lite0 with
ImageNet's weights at 48 pixels (lite0.py). Each is beside the plain pixels, CIFAR-10's at half their side. ROOT is the
folder that holds cifar-10-batches-py.

N images, D features.
"""

import components.stage.openmp  # noqa: F401  (before torch)

import argparse
import statistics
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from benchmarks.cifar10 import read_cifar10
from benchmarks.lite0 import embed_cifar10
from benchmarks.records import write_record
from components.features.embeddings import Embeddings, read_embeddings
from components.features.encoders import OURS, PIXELS
from components.labels.crossed import judge_labels
from components.labels.params import Labels
from components.stage.command import PARAMS_FILE, exit_on_error, read_params
from components.store.store import TEST, TRAIN

SHARE = 0.05  # of the train labels that are made wrong
KEPT = {TRAIN: 3000, TEST: 500}  # images of CIFAR-10
FIRST = 50  # rows that somebody looks at
LITE = "lite0"
CPU = torch.device("cpu")


def main() -> None:
    """Measure every seed and write the record."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.labels", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--root", type=Path, required=True, help="the folder that holds cifar-10-batches-py")
    parser.add_argument("--embeddings", type=Path, default=Path("embeddings"), help="the demo's")
    parser.add_argument("--seeds", type=int, nargs="+", required=True)
    asked = parser.parse_args()
    with exit_on_error("labels"):
        params: Labels = read_params(PARAMS_FILE).labels
        torch.set_num_threads(params.threads)
        tables = {"digits": {name: read_embeddings(asked.embeddings / f"{name}.parquet") for name in (OURS, PIXELS)}}
        tables["cifar10"] = embed_cifar(asked.root)
        results = {
            name: {encoder: measure(table, params, asked.seeds) for encoder, table in by_encoder.items()}
            for name, by_encoder in tables.items()
        }
        settings = {"share": SHARE, "cifar10_images": KEPT, "params": params.model_dump(mode="json")}
        write_record("labels", {**settings, "results": results}, "torch", "timm", "numpy")


def embed_cifar(root: Path) -> dict[str, Embeddings]:
    """Embed the first images of CIFAR-10 by the network, and take their pixels."""
    deep = embed_cifar10(root, train=KEPT[TRAIN], test=KEPT[TEST])
    images = [read_cifar10(root, test=test)[0][: KEPT[split]] for split, test in ((TRAIN, False), (TEST, True))]
    pixels = F.avg_pool2d(torch.cat(images).float() / 255, 2).flatten(1).numpy()  # (N, 768)
    splits = np.repeat([TRAIN, TEST], [len(deep.train), len(deep.test)])
    ids = np.array([f"{split}/{number}" for number, split in enumerate(splits.tolist())])
    labels = np.concatenate([deep.labels, deep.truth])
    features = {LITE: np.concatenate([deep.train, deep.test]), PIXELS: pixels}
    return {name: Embeddings(ids, splits, labels, values, torch.float32) for name, values in features.items()}


def measure(table: Embeddings, params: Labels, seeds: list[int]) -> dict[str, Any]:
    """Measure each seed, and how many labels are suspicious where none was made wrong."""
    runs = {seed: measure_once(table, params, seed) for seed in seeds}
    names = next(iter(runs.values())).keys()
    mean = {name: statistics.fmean(run[name] for run in runs.values()) for name in names}
    print(mean, flush=True)
    return {"suspects_as_they_are": len(judge_labels(table, params, CPU).rows), "mean": mean, "runs": runs}


def measure_once(table: Embeddings, params: Labels, seed: int) -> dict[str, float]:
    """Make labels wrong, look for them, and count."""
    labels, wrong = flip_labels(table, seed)
    found = judge_labels(replace(table, labels=labels), params.model_copy(update={"seed": seed}), CPU)
    rows = found.rows[table.splits[found.rows] == TRAIN]
    hits = wrong[rows]
    righted = found.suggested[table.splits[found.rows] == TRAIN] == table.labels[rows]
    return {
        "planted": int(wrong.sum()),
        "suspects": len(rows),
        "precision": float(hits.mean()) if len(rows) else 0.0,
        f"precision_of_the_first_{FIRST}": float(hits[:FIRST].mean()) if len(rows) else 0.0,
        "recall": float(hits.sum() / wrong.sum()),
        "suggested_right": float(righted[hits].mean()) if hits.any() else 0.0,  # of those found
        "accuracy": found.accuracy.value,
    }


def flip_labels(table: Embeddings, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Set a share of the train labels to other classes; return the labels and which are wrong: (N,), (N,) bool."""
    rng = np.random.default_rng(seed)
    train = np.flatnonzero((table.splits == TRAIN) & (table.labels >= 0))
    rows, classes = rng.choice(train, round(SHARE * len(train)), replace=False), int(table.labels.max()) + 1
    labels, wrong = table.labels.copy(), np.full(len(table.labels), False)
    labels[rows] = (labels[rows] + rng.integers(1, classes, len(rows))) % classes
    wrong[rows] = True
    return labels, wrong


if __name__ == "__main__":
    main()
