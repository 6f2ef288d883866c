"""Measures how fast the probes are on 50,000 x 512 features with 10 classes, beside scikit-learn in the same run.

`python -m benchmarks.probes` draws features that resemble an encoder's: variances that fall along a power law, classes
that overlap, a rotation over all, a ReLU. It times the probe's sweep of C, from features to the predictions of the
refitted model, and scikit-learn's loop over the same values with its refit. That loop begins with the strongest penalty
and starts each fit at the last one (the quickest way that it offers), on the same standardised features in single
precision. Then it times the exact k nearest neighbours of 10,000 queries, and the linear grid.
"""

import components.stage.openmp  # noqa: F401  (before torch)

import argparse
import time
import warnings
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from benchmarks.records import write_record
from components.evaluate.params import Evaluate
from components.features.judging.device import choose_judging_device
from components.features.judging.labelled import LabelledFeatures, complement, standardise
from components.features.judging.statistics import hold_out_rows
from components.learning.device import prepare_device
from components.probes.knn import KnnProbe
from components.probes.linear import LinearProbe
from components.probes.logistic import LogisticProbe
from components.stage.command import PARAMS_FILE, exit_on_error, read_params

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
    with exit_on_error("probes"):
        params: Evaluate = read_params(PARAMS_FILE).evaluate
        device = choose_judging_device(params.shared.device, "evaluate.shared.device")
    prepare_device(device, asked.threads)
    part = draw_features(asked.train, asked.test, asked.features, asked.classes)
    validation = hold_out_rows(part.labels, params.shared.validation_fraction, np.random.default_rng(0))
    record: dict[str, Any] = {**vars(asked), "device": str(device)}
    record["logistic"] = measure_logistic(part, validation, params, device)
    record["knn"] = measure_knn(part, validation, params, device)
    record["linear"] = measure_linear(part, validation, params, device)
    write_record("probes", record, "torch", "scikit-learn", "numpy", "scipy")


def draw_features(train: int, test: int, features: int, classes: int) -> LabelledFeatures:
    """Draw class centres and noise in a space whose variances fall as 1 / index, then rotate and apply a ReLU."""
    generator = np.random.default_rng(0)
    scales = np.arange(1, features + 1) ** -0.5
    centres = 0.15 * generator.normal(size=(classes, features)) * scales
    rotation, _ = np.linalg.qr(generator.normal(size=(features, features)))
    labels = np.arange(train + test) % classes
    noise = generator.normal(size=(train + test, features)) * scales
    values = np.maximum(((centres[labels] + noise) @ rotation) * 3 + 0.5, 0).astype(np.float32)
    ids = np.array([str(n) for n in range(test)])
    return LabelledFeatures(values[:train], labels[:train], values[train:], labels[train:], ids)


def time_call(work: Callable[[], Result]) -> tuple[Result, float]:
    """Call a function and return its result and the seconds that it took."""
    begun = time.monotonic()
    result = work()
    return result, time.monotonic() - begun


def measure_logistic(
    part: LabelledFeatures, validation: np.ndarray, params: Evaluate, device: torch.device
) -> dict[str, Any]:
    """Time the probe and scikit-learn, each from features to predictions."""
    ours, seconds = time_call(lambda: LogisticProbe(part, params.logistic, 0, device).from_all(validation))
    (theirs, c), their_seconds = time_call(lambda: sweep_with_scikit_learn(part, validation, params))
    numbers = {
        "values_of_c": params.logistic.c_count,
        "seconds": seconds,
        "scikit_learn_seconds": their_seconds,
        "ratio": their_seconds / seconds,
        "accuracy": float(np.mean(ours.predictions["accuracy"] == part.truth)),
        "scikit_learn_accuracy": float(np.mean(theirs == part.truth)),
        "c": ours.chosen["c"],
        "scikit_learn_c": c,
    }
    print("logistic", numbers, flush=True)
    return numbers


def sweep_with_scikit_learn(
    part: LabelledFeatures, validation: np.ndarray, params: Evaluate
) -> tuple[np.ndarray, float]:
    """Sweep the same values of C; return the predictions of the refitted model and the chosen C."""
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


def measure_knn(
    part: LabelledFeatures, validation: np.ndarray, params: Evaluate, device: torch.device
) -> dict[str, Any]:
    """Time the votes of both habits, which are computed at once."""
    answers, seconds = time_call(lambda: KnnProbe(part, params.knn, 0, device).from_all(validation))
    accuracies = {name: float(np.mean(predicted == part.truth)) for name, predicted in answers.predictions.items()}
    print("knn", seconds, accuracies, flush=True)
    return {"seconds": seconds, **accuracies}


def measure_linear(
    part: LabelledFeatures, validation: np.ndarray, params: Evaluate, device: torch.device
) -> dict[str, Any]:
    """Time the grid, the choice and the refit."""
    answers, seconds = time_call(lambda: LinearProbe(part, params.linear, 0, device).from_all(validation))
    accuracy = float(np.mean(answers.predictions["accuracy"] == part.truth))
    settings = len(params.linear.learning_rates) * len(params.linear.weight_decays)
    print("linear", seconds, settings, accuracy, answers.chosen, flush=True)
    cost = {"settings": settings, "epochs": params.linear.epochs, "seconds": seconds}
    return {**cost, "accuracy": accuracy, **answers.chosen}


if __name__ == "__main__":
    main()
