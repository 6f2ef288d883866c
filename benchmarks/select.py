"""Measures what labels are worth that a strategy chose, beside as many at random.

`python -m benchmarks.select --embeddings embeddings/byol.parquet --cifar10 ROOT` writes benchmarks/results/select.json.
The digits' embeddings are those of a run of the demo; CIFAR-10's are of benchmarks/lite0.py. All labels of the train
split are put aside; a strategy chooses 20 or 100 images, and a logistic regression learns from their labels alone and
is judged on the test split. `random` runs with 20 seeds, which are 20 draws, the others with 10. `margin` needs labels:
half of its images are chosen at random, or by TypiClust, and labelled before it chooses the other half.
M train images, N test images, R seeds, D features.
"""

import components.stage.openmp  # noqa: F401  (before torch)

import argparse
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from scipy import stats

from benchmarks.cifar10 import ROOT_HELP
from benchmarks.lite0 import embed_cifar10
from benchmarks.records import write_record
from components.features.embeddings import read_embeddings
from components.features.judging.labelled import LabelledFeatures
from components.features.judging.params import Sweep
from components.features.judging.regression import Regression
from components.features.judging.statistics import CONFIDENCE, estimate_accuracy_over_draws
from components.learning.device import prepare_device
from components.select.choose import choose
from components.select.params import Select
from components.select.pool import Pool, scale
from components.stage.command import PARAMS_FILE, exit_on_error, read_params

CPU = torch.device("cpu")
BUDGETS = (20, 100)
DRAWS, SEEDS = 20, 10  # of random images, and of every other strategy
IMAGES = {"train": 5000, "test": 2000}  # of CIFAR-10
Arm = Callable[[LabelledFeatures, Select], np.ndarray]  # chooses `budget` train rows: (n,)


def main() -> None:
    """Measure both sets and write the record."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.select", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--embeddings", type=Path, required=True, help="the digits' embeddings/byol.parquet")
    parser.add_argument("--cifar10", type=Path, required=True, metavar="ROOT", help=ROOT_HELP)
    asked = parser.parse_args()
    with exit_on_error("select"):
        params: Select = read_params(PARAMS_FILE).select
        few_label_c = read_params(PARAMS_FILE).evaluate.logistic.few_label_c
        prepare_device(CPU, params.threads)
        sets = {"digits": read_digits(asked.embeddings), "cifar10": embed_cifar10(asked.cifar10, **IMAGES)}
        results: dict[str, Any] = {
            "params": params.model_dump(mode="json", exclude={"strategies", "pool", "budget", "seed"}),
            "few_label_c": few_label_c,
            "draws": DRAWS,
            "seeds": SEEDS,
            "sets": {},
        }
        for name, part in sets.items():
            results["sets"][name] = {"train": len(part.train), "test": len(part.test)}
            for budget in BUDGETS:
                settings = params.model_copy(update={"budget": budget})
                results["sets"][name][f"{budget} labels"] = measure(part, settings, few_label_c)
                write_record("select", results, "torch", "scikit-learn", "numpy", "timm")


def read_digits(path: Path) -> LabelledFeatures:
    """Read the labelled images of a file of embeddings."""
    embeddings = read_embeddings(path)
    tested = (embeddings.splits == "test") & (embeddings.labels >= 0)
    return LabelledFeatures(*embeddings.train, *embeddings.test, embeddings.ids[tested])


def measure(part: LabelledFeatures, params: Select, c: float) -> dict[str, Any]:
    """Measure every arm: its accuracy, and what it gains over random draws, both with a 95 % interval."""
    measured, random = dict[str, Any](), np.empty(0)
    for name, arm in ARMS.items():
        seeds = SEEDS if measured else DRAWS
        chosen = [arm(part, params.model_copy(update={"seed": seed})) for seed in range(seeds)]
        right = np.stack([judge(part, rows, c) for rows in chosen])  # (R, N)
        by_seed = right.mean(1)
        random = random if len(random) else by_seed  # the first arm
        measured[name] = {
            "accuracy": asdict(estimate_accuracy_over_draws(right)),
            "deviation": float(by_seed.std(ddof=1)),
            "classes": float(np.mean([len(np.unique(part.labels[rows])) for rows in chosen])),
        }
        if by_seed is not random:
            measured[name]["gain"] = estimate_gain(by_seed, random)
        print(f"{name}: {measured[name]}", flush=True)
    return measured


def choose_at_once(part: LabelledFeatures, params: Select, *, strategy: str) -> np.ndarray:
    """Choose all images at once, as if no image had a label."""
    return choose_more(part, np.empty(0, np.int64), strategy, params)


def choose_twice(part: LabelledFeatures, params: Select, *, first: str) -> np.ndarray:
    """Choose half of the images by one strategy and the other half by margin."""
    half = params.model_copy(update={"budget": params.budget // 2})
    rows = choose_more(part, np.empty(0, np.int64), first, half)
    return np.concatenate([rows, choose_more(part, rows, "margin", half)])


def choose_more(part: LabelledFeatures, labelled: np.ndarray, strategy: str, params: Select) -> np.ndarray:
    """Choose further train rows beside those that are labelled."""
    rest = np.setdiff1d(np.arange(len(part.train)), labelled)
    joined = scale(part.train[np.concatenate([labelled, rest])].astype(np.float32))
    ids = pa.chunked_array([pa.array(rest).cast(pa.string())])
    return rest[choose(Pool(ids, part.labels[labelled], joined, {}, frozenset()), strategy, params, CPU).rows]


def judge(part: LabelledFeatures, rows: np.ndarray, c: float) -> np.ndarray:
    """Learn from the rows' labels and say which test images are right: (N,) bool."""
    learnt = LabelledFeatures(part.train[rows], part.labels[rows], part.test, part.truth, part.ids)
    regression = Regression(learnt, Sweep(c_low=c, c_high=c, c_count=1, max_iterations=100, tolerance=1e-4), CPU)
    weights = regression.fit(regression.train, regression.labels, torch.tensor([c]))[0]
    return np.asarray(regression.names[(regression.test @ weights).argmax(1).numpy()] == part.truth)


def estimate_gain(measured: np.ndarray, random: np.ndarray) -> dict[str, float]:
    """Return the difference of the means over seeds with Welch's interval; both were judged on the same test images."""
    interval = stats.ttest_ind(measured, random, equal_var=False).confidence_interval(CONFIDENCE)
    return {"value": float(measured.mean() - random.mean()), "low": float(interval.low), "high": float(interval.high)}


ARMS: dict[str, Arm] = {
    "random": partial(choose_at_once, strategy="random"),
    "typiclust": partial(choose_at_once, strategy="typiclust"),
    "kcentre": partial(choose_at_once, strategy="kcentre"),
    "half random, then margin": partial(choose_twice, first="random"),
    "half typiclust, then margin": partial(choose_twice, first="typiclust"),
}


if __name__ == "__main__":
    main()
