"""Stage evaluate: embeddings -> metrics/<probe>.json and plots, one probe at a time.

Every encoder is judged on the same draws of labels and the same held-out rows; the test split only scores.
"""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from components import stage
from components.byol.device import prepare
from components.data.embeddings import Embeddings, read_embeddings
from components.data.metrics import write_json
from components.params.base import InputError
from components.params.evaluate import Evaluate, Shared
from components.probes.knn import KnnProbe
from components.probes.linear import LinearProbe
from components.probes.logistic import LogisticProbe
from components.probes.probe import Probe
from components.probes.statistics import Estimate, accuracy, accuracy_over_draws, draw_rows, hold_out_rows
from components.terminal.progress import Progress

PROBES: dict[str, Any] = {"knn": KnnProbe, "linear": LinearProbe, "logistic": LogisticProbe}
PLOTTED = "byol"  # whose confusions are drawn


@dataclass(frozen=True)
class Result:
    """What one probe says of one encoder."""

    metrics: dict[str, Estimate]
    predictions: np.ndarray  # (N,) of the test images, from all labels


def run(params: Evaluate, *, probe: str, embeddings: Path, metrics: Path, confusion: Path, few_labels: Path) -> None:
    """Judge every encoder in the folder with one probe."""
    prepare(torch.device("cpu"), params.shared.threads)
    if probe not in PROBES:
        raise InputError(f"--probe: no probe is called '{probe}'; there are {', '.join(PROBES)}")
    if not (embeddings / f"{PLOTTED}.parquet").is_file():
        raise InputError(f"{embeddings}: no {PLOTTED}.parquet; `dvc repro embed` writes it")
    files = sorted(embeddings.glob("*.parquet"))
    loaded = {file.stem: read_embeddings(file) for file in files}
    steps = 1 + len(params.shared.labels_per_class) * params.shared.draws
    progress = Progress(f"evaluate {probe}", len(files) * steps, "fits")
    results = {name: judge(probe, params, table, progress) for name, table in loaded.items()}
    write_metrics(metrics, results)
    write_confusion(confusion, loaded[PLOTTED].test[1], results[PLOTTED].predictions)
    write_few_labels(few_labels, params.shared, results)


def judge(probe: str, params: Evaluate, table: Embeddings, progress: Progress) -> Result:
    """One probe on one encoder's features: from all labels, and from a few."""
    shared = params.shared
    (train, labels), (test, truth) = table.train, table.test
    if not len(train) or not len(test):
        raise InputError("params.yaml: data.sources: no labelled images in both train and test, so nothing to judge by")
    if len(np.unique(labels)) < 2:
        raise InputError("params.yaml: data.sources: one class only among the train images; a probe needs two or more")
    classes = int(max(labels.max(), truth.max())) + 1
    made: Probe = PROBES[probe](train, test, classes, getattr(params, probe), shared.seed)
    generator = np.random.default_rng(shared.seed)
    predictions = made.from_all(labels, hold_out_rows(labels, shared.validation_fraction, generator))
    progress.advance(1)
    metrics = {"accuracy": accuracy(predictions == truth)}
    for count in shared.labels_per_class:
        right = np.empty((shared.draws, len(truth)), dtype=bool)
        for draw in range(shared.draws):
            rows = draw_rows(labels, count, generator)
            right[draw] = made.from_few(rows, labels[rows]) == truth
            progress.advance(1)
        metrics[f"accuracy_{count}_per_class"] = accuracy_over_draws(right)
    return Result(metrics, predictions)


def write_metrics(path: Path, results: dict[str, Result]) -> None:
    """{encoder: {metric: value, metric_low: ..., metric_high: ...}}."""
    flat = {
        encoder: {
            f"{name}{ending}": round(value, 6)
            for name, estimate in result.metrics.items()
            for ending, value in (("", estimate.value), ("_low", estimate.low), ("_high", estimate.high))
        }
        for encoder, result in results.items()
    }
    write_json(path, flat)


def write_confusion(path: Path, truth: np.ndarray, predictions: np.ndarray) -> None:
    """One row a test image, as DVC's confusion template wants it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["actual", "predicted"])
        writer.writerows(zip(truth.tolist(), predictions.tolist(), strict=True))


def write_few_labels(path: Path, shared: Shared, results: dict[str, Result]) -> None:
    """One row a number of labels, one column an encoder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["labels_per_class", *results])
        for count in shared.labels_per_class:
            metrics = [result.metrics[f"accuracy_{count}_per_class"] for result in results.values()]
            writer.writerow([count, *(round(estimate.value, 6) for estimate in metrics)])


if __name__ == "__main__":
    stage.main(run)
