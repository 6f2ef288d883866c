"""How fast the probes are on 50,000 x 512 features with 10 classes, beside scikit-learn in the same run.

`python -m benchmarks.probes` draws features that resemble an encoder's: variances that fall along a power law, classes
that overlap, a rotation over all, a ReLU. The sweep of C as the probe does it, from features to the predictions of the
refitted model; beside it scikit-learn's loop over the same values, from the strongest penalty on and each started at
the last (the quickest way that it offers), on the same standardised features in single precision, and its refit. Then
the k nearest neighbours, exactly, of 10,000 queries, and the linear grid.
"""

import argparse
import os
import time
import warnings
from collections.abc import Callable
from typing import Any, TypeVar

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # before torch, as in the stage

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from benchmarks.records import write_record
from components.evaluate.__main__ import device_name
from components.evaluate.params import Evaluate
from components.evaluate.probe import Labelled, complement, standardise
from components.evaluate.statistics import hold_out_rows
from components.learning.device import choose_device, prepare
from components.probes.knn import KnnProbe
from components.probes.linear import LinearProbe
from components.probes.logistic import LogisticProbe
from components.stage.command import PARAMS_FILE, one_line_errors, read_params

Result = TypeVar("Result")


def main() -> None:
    """Measure and write the record."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.probes", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--train", type=int, default=50_000)
    parser.add_argument("--test", type=int, default=10_000)
    parser.add_argument("--features", type=int, default=512)
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--threads", type=int, default=2)
    asked = parser.parse_args()
    with one_line_errors("probes"):
        params: Evaluate = read_params(PARAMS_FILE).evaluate
        device = choose_device(device_name(params.shared.device), "evaluate.shared.device")
    prepare(device, asked.threads)
    part = draw(asked.train, asked.test, asked.features, asked.classes)
    validation = hold_out_rows(part.labels, params.shared.validation_fraction, np.random.default_rng(0))
    found: dict[str, Any] = {**vars(asked), "device": str(device)}
    found["logistic"] = measure_logistic(part, validation, params, device)
    found["knn"] = measure_knn(part, validation, params, device)
    found["linear"] = measure_linear(part, validation, params, device)
    write_record("probes", found, "torch", "scikit-learn", "numpy", "scipy")


def draw(train: int, test: int, features: int, classes: int) -> Labelled:
    """Class centres and noise in a space whose variances fall as 1 / index, rotated, through a ReLU."""
    generator = np.random.default_rng(0)
    scales = np.arange(1, features + 1) ** -0.5
    centres = 0.15 * generator.normal(size=(classes, features)) * scales
    rotation, _ = np.linalg.qr(generator.normal(size=(features, features)))
    labels = np.arange(train + test) % classes
    noise = generator.normal(size=(train + test, features)) * scales
    values = np.maximum(((centres[labels] + noise) @ rotation) * 3 + 0.5, 0).astype(np.float32)
    ids = np.array([str(n) for n in range(test)])
    return Labelled(values[:train], labels[:train], values[train:], labels[train:], ids)


def timed(work: Callable[[], Result]) -> tuple[Result, float]:
    """What it gives, and the seconds that it took."""
    begun = time.monotonic()
    result = work()
    return result, time.monotonic() - begun


def measure_logistic(part: Labelled, validation: np.ndarray, params: Evaluate, device: torch.device) -> dict[str, Any]:
    """The probe and scikit-learn, each from features to predictions."""
    ours, seconds = timed(lambda: LogisticProbe(part, params.logistic, 0, device).from_all(validation))
    (theirs, c), their_seconds = timed(lambda: loop(part, validation, params))
    found = {
        "values_of_c": params.logistic.c_count,
        "seconds": seconds,
        "scikit_learn_seconds": their_seconds,
        "ratio": their_seconds / seconds,
        "accuracy": float(np.mean(ours.predictions["accuracy"] == part.truth)),
        "scikit_learn_accuracy": float(np.mean(theirs == part.truth)),
        "c": ours.chosen["c"],
        "scikit_learn_c": c,
    }
    print("logistic", found, flush=True)
    return found


def loop(part: Labelled, validation: np.ndarray, params: Evaluate) -> tuple[np.ndarray, float]:
    """scikit-learn over the same values of C: predictions of the refitted model, and the C that was chosen."""
    train, test = (x.astype(np.float32) for x in standardise(part.train, part.test))
    fitting = complement(validation, len(train))
    values = np.geomspace(params.logistic.c_low, params.logistic.c_high, params.logistic.c_count)
    limits = {"max_iter": params.logistic.max_iterations, "tol": params.logistic.tolerance}
    model = LogisticRegression(C=values[0], warm_start=True, **limits)
    right = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for c in values:
            model.set_params(C=float(c)).fit(train[fitting], part.labels[fitting])
            right.append(model.score(train[validation], part.labels[validation]))
        best = float(values[int(np.argmax(right))])
        return LogisticRegression(C=best, **limits).fit(train, part.labels).predict(test), best


def measure_knn(part: Labelled, validation: np.ndarray, params: Evaluate, device: torch.device) -> dict[str, Any]:
    """Both habits at once."""
    found, seconds = timed(lambda: KnnProbe(part, params.knn, 0, device).from_all(validation))
    accuracies = {name: float(np.mean(one == part.truth)) for name, one in found.predictions.items()}
    print("knn", seconds, accuracies, flush=True)
    return {"seconds": seconds, **accuracies}


def measure_linear(part: Labelled, validation: np.ndarray, params: Evaluate, device: torch.device) -> dict[str, Any]:
    """The grid, the choice and the refit."""
    found, seconds = timed(lambda: LinearProbe(part, params.linear, 0, device).from_all(validation))
    right = float(np.mean(found.predictions["accuracy"] == part.truth))
    settings = len(params.linear.learning_rates) * len(params.linear.weight_decays)
    print("linear", seconds, settings, right, found.chosen, flush=True)
    return {"settings": settings, "epochs": params.linear.epochs, "seconds": seconds, "accuracy": right, **found.chosen}


if __name__ == "__main__":
    main()
