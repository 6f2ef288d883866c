"""Measures what the linear and the logistic probe gain where images are fewer than their features: CIFAR-10's pixels.

`python -m benchmarks.span --cifar10 ROOT` gives both probes the first images of CIFAR-10 as pixels, and times all fits
of one encoder in each of two ways in turn: in the span of the images, and in all dimensions, as for many images. It
counts the predictions that differ. The first way is the stage's; the second is switched on here alone.
"""

import components.stage.openmp  # noqa: F401  (before torch)

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch

from benchmarks.cifar10 import ROOT_HELP, read_cifar10
from benchmarks.records import write_record
from components.evaluate.classify import classify, count_fits
from components.evaluate.few_labels import plan_few_labels
from components.evaluate.outcome import Outcome
from components.evaluate.params import Evaluate
from components.evaluate.probe import Probe
from components.features.judging.labelled import LabelledFeatures
from components.learning.device import prepare_device
from components.probes.linear import LinearProbe
from components.probes.logistic import LogisticProbe
from components.stage.command import PARAMS_FILE, exit_on_error, read_params

PROBES: dict[str, Callable[..., Probe]] = {"linear": LinearProbe, "logistic": LogisticProbe}
CPU = torch.device("cpu")


def main() -> None:
    """Measure and write the record."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.span", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--cifar10", type=Path, required=True, metavar="ROOT", help=ROOT_HELP)
    parser.add_argument("--train", type=int, default=498)
    parser.add_argument("--test", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=2)
    asked = parser.parse_args()
    with exit_on_error("span"):
        params: Evaluate = read_params(PARAMS_FILE).evaluate
        part = read_pixels(asked.cifar10, asked.train, asked.test)
    prepare_device(CPU, 1)
    record: dict[str, Any] = {**vars(asked), "cifar10": asked.cifar10.name, "features": part.train.shape[1]}
    for name in PROBES:
        record[name] = compare_ways(name, part, params, asked.rounds)
        print(name, record[name], flush=True)
    write_record("span", record, "torch", "numpy")


def read_pixels(root: Path, train: int, test: int) -> LabelledFeatures:
    """Read the first images of both splits as features."""
    splits = [read_cifar10(root, test=False), read_cifar10(root, test=True)]
    (pixels, labels), (others, truth) = (
        (images[:count].flatten(1).numpy().astype(np.float32) / 255, known[:count].numpy())
        for (images, known), count in zip(splits, (train, test), strict=True)
    )
    return LabelledFeatures(pixels, labels, others, truth, np.arange(test).astype(str))


def compare_ways(name: str, part: LabelledFeatures, params: Evaluate, rounds: int) -> dict[str, Any]:
    """Time both ways in turn; the least seconds of each count, since other work only adds to them."""
    seconds: dict[str, list[float]] = {"in_span": [], "in_all_dimensions": []}
    for _ in range(rounds):
        outcome, spent = judge(name, part, params)
        seconds["in_span"].append(spent)
        with (
            mock.patch("components.features.judging.regression.spans_less", return_value=False),
            mock.patch("components.probes.linear.spans_less", return_value=False),
        ):
            reference, spent = judge(name, part, params)
        seconds["in_all_dimensions"].append(spent)
    least = {way: min(spent) for way, spent in seconds.items()}
    assert outcome.predicted is not None
    assert reference.predicted is not None
    return {
        "fits": count_fits(plan_few_labels(part.labels, params.shared, str), params.shared),
        "core_seconds": seconds,
        "ratio": least["in_all_dimensions"] / least["in_span"],
        "accuracy": float(np.mean(outcome.predicted == part.truth)),
        "other_predictions_from_all_labels": int(np.sum(outcome.predicted != reference.predicted)),
        "largest_difference_of_a_mean_accuracy": max(
            float(abs(np.mean(scores) - np.mean(reference.scores[metric]))) for metric, scores in outcome.scores.items()
        ),
    }


def judge(name: str, part: LabelledFeatures, params: Evaluate) -> tuple[Outcome, float]:
    """Judge the features by a probe; return the outcome and the processor's seconds."""
    begun = time.process_time()
    probe = PROBES[name](part, getattr(params, name), params.shared.seed, CPU)
    few = plan_few_labels(part.labels, params.shared, str)
    outcome = classify(probe, part, few, params.shared, lambda fits: None)
    return outcome, time.process_time() - begun


if __name__ == "__main__":
    main()
